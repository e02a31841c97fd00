//! From paths on a command line to blocks of whole records, and the ordered parallel stage that decodes
//! them.

mod archive;
mod block;
mod elements;
mod input;
mod json_path;
mod lines;
mod pipeline;
mod progress;
mod text;
mod unpack;

pub use archive::{Content, Member, visit};
pub use block::{BLOCK_BYTES, BlockOptions, BlockReader, Cut, MAX_RECORD_BYTES, read_start};
pub use input::{Source, expand};
pub use pipeline::run;
pub use progress::Progress;
