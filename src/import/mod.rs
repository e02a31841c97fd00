//! From paths on a command line to blocks of whole records, and the ordered parallel stage that decodes
//! them.

mod archive;
mod block;
mod columns;
mod document;
mod elements;
mod fingerprint;
mod input;
mod json_path;
mod lines;
mod plain;
mod progress;
mod session;
mod text;
mod unpack;
mod writer;

pub use input::{Source, expand};
pub use plain::Plain;
pub use progress::Progress;
pub use session::{Fields, Mode, Outcome, Request, Session};
pub use writer::{Limits, MaxBad};
