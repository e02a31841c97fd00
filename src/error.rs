//! How barn fails: one small typed error, and the one place that prints it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a failure means to the caller; the numbers are the exit codes of the command line contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command could not do its work.
    Failed = 1,
    /// The command line or a file the user wrote is wrong.
    Usage = 2,
    /// Some of several inputs or symbols failed.
    Partial = 3,
    /// The provider refused the key for every symbol.
    Authentication = 4,
    /// A quota or a rate limit stood in the way of every symbol.
    Quota = 5,
    /// The network stood in the way of every symbol.
    Network = 6,
    /// No answer had the form that the source's definition describes.
    Format = 7,
    /// The user asked to stop.
    Interrupted = 130,
}

impl Kind {
    /// Returns the process exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// A failure with its meaning and, where there is something to type, a hint.
///
/// It enters an error chain with `.context(failure)` or `bail!(failure)`.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure of the work itself (exit code 1).
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), hint: None }
    }

    /// A failure of what the user wrote (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: None }
    }

    /// What the user stopped (exit code 130).
    pub fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, message: "interrupted".to_owned(), hint: None }
    }

    /// Sets the kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds what the reader can type next; commands stand in backticks.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Fails where the user asked to stop.
pub fn go_on(stop: &AtomicBool) -> Result<(), Failure> {
    if stop.load(Ordering::SeqCst) { Err(Failure::interrupted()) } else { Ok(()) }
}

/// Returns the exit code an error stands for.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if is_broken_pipe(error) {
        return 0;
    }
    error.downcast_ref::<Failure>().map_or(Kind::Failed, |failure| failure.kind).code()
}

/// Returns whether the error is only that nobody reads our output any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|err| err.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Returns the text for people: the error, its causes, and the hint.
///
/// A closed pipe gives an empty text.
pub fn report(error: &anyhow::Error) -> String {
    if is_broken_pipe(error) {
        return String::new();
    }
    let mut text = String::new();
    let mut last = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let cause = visible(&cause.to_string());
        if depth > 0 && is_repeated(&last, &cause) {
            continue;
        }
        text.push_str(if depth == 0 { "error: " } else { "  caused by: " });
        text.push_str(&cause);
        text.push('\n');
        last = cause;
    }
    if let Some(hint) = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.as_deref()) {
        text.push_str("\nhint: ");
        text.push_str(&visible(hint));
        text.push('\n');
    }
    text
}

/// Returns whether a cause says nothing that was not said just before: some libraries print their source inside their
/// own message, and SQLite's prints that message behind its number.
fn is_repeated(last: &str, cause: &str) -> bool {
    last.contains(cause) || cause.strip_prefix("Error code ").is_some_and(|rest| rest.ends_with(last))
}

/// Returns `text` without the control characters that could steer a terminal; line ends become spaces
/// and very long texts are cut.
pub fn visible(text: &str) -> String {
    /// Bytes of foreign text an error quotes at most: a few lines of a terminal.
    const LONGEST: usize = 600;
    let mut clean = String::with_capacity(text.len().min(LONGEST));
    for c in text.trim_end().chars() {
        if clean.len() >= LONGEST {
            clean.push('…');
            break;
        }
        match c {
            '\n' | '\t' => clean.push(' '),
            c if c.is_control() => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn kind_and_hint_are_found_below_contexts() {
        let error = anyhow!(Failure::usage("cannot read it").hint("`barn info`")).context("cannot store 'x'");
        assert_eq!(exit_code(&error), 2);
        assert_eq!(
            report(&error),
            "error: cannot store 'x'\n  caused by: cannot read it\n\nhint: `barn info`\n"
        );
    }

    #[test]
    fn kind_and_hint_are_found_above_causes() {
        let cause: Result<(), io::Error> = Err(io::Error::other("disk on fire"));
        let error = cause.context(Failure::new("cannot write").kind(Kind::Partial)).unwrap_err();
        assert_eq!(exit_code(&error), 3);
        assert_eq!(report(&error), "error: cannot write\n  caused by: disk on fire\n");
    }

    #[test]
    fn a_cause_that_repeats_the_one_above_is_not_said() {
        let error = anyhow!("Error code 1544: attempt to write").context("attempt to write").context("no");
        assert_eq!(report(&error), "error: no\n  caused by: attempt to write\n");
        let error = anyhow!("disk full").context("cannot write: disk full");
        assert_eq!(report(&error), "error: cannot write: disk full\n");
    }

    #[test]
    fn a_closed_pipe_is_silent() {
        let cause: Result<(), io::Error> = Err(io::ErrorKind::BrokenPipe.into());
        let error = cause.context("cannot write").unwrap_err();
        assert_eq!((exit_code(&error), report(&error)), (0, String::new()));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb c");
    }
}
