//! `barn query`: what SQL may say, what it gives, and in which form.

mod files;
mod formats;
mod functions;
mod results;
mod statements;
mod stream;
