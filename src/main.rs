//! The program: it only calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    barn::cli::main()
}
