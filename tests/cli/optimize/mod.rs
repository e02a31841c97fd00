//! `barn optimize` and `barn delete`: the upkeep of a store.

mod compact;
mod concurrent;
mod crash;
mod delete;
mod indexes;
mod retention;
mod rollups;
mod upkeep;
mod verify;
mod year;

use crate::harness::{Done, Output, Sandbox};

/// Optimizes at a time, with the words of a line as arguments.
pub(super) fn try_optimize(sandbox: &Sandbox, now: &str, line: &str) -> Output {
    let mut command = sandbox.barn_command(["optimize"].into_iter().chain(line.split_whitespace()));
    command.env("BARN_NOW", now);
    sandbox.run(command, None)
}

/// Optimizes with the words of a line as arguments.
pub(super) fn optimize(sandbox: &Sandbox, line: &str) -> Done {
    try_optimize(sandbox, "2024-06-01T00:00:00Z", line).ok()
}

/// Writes a configuration.
pub(super) fn config(sandbox: &Sandbox, text: &str) {
    sandbox.write("barn/barn.toml", text);
}
