//! Words and results: what barn says on stderr, how work shows its progress, how rows are written.

pub mod figures;
pub mod output;
mod progress;

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::str::FromStr;

pub use progress::{Progress, Show};

use crate::error::{report, visible};

/// Whether colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal that is not `dumb`, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always, also into a pipe.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The words, as a user types them.
    pub const WORDS: [&'static str; 3] = ["auto", "always", "never"];

    /// Returns whether what is written to stdout is coloured.
    pub fn on_stdout(self) -> bool {
        self.allows(|| io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// Returns whether what is written to stderr is coloured.
    pub fn on_stderr(self) -> bool {
        self.allows(|| io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    fn allows(
        self,
        is_terminal: impl Fn() -> bool,
        environment: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: set to anything but nothing.
            Self::Auto => {
                environment("NO_COLOR").is_none_or(|value| value.is_empty())
                    && environment("TERM").is_none_or(|value| value != "dumb")
                    && is_terminal()
            }
        }
    }
}

impl FromStr for ColorChoice {
    type Err = UnknownColorChoice;

    fn from_str(word: &str) -> Result<Self, UnknownColorChoice> {
        match word {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownColorChoice(word.to_owned())),
        }
    }
}

/// A word that is no [`ColorChoice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColorChoice(String);

impl fmt::Display for UnknownColorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown color choice '{}', expected one of {}", self.0, ColorChoice::WORDS.join(", "))
    }
}

impl std::error::Error for UnknownColorChoice {}

/// How much barn says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Errors only.
    Quiet,
    /// Notes, warnings and summaries too.
    #[default]
    Normal,
    /// Details too.
    Verbose,
}

/// The voice of barn: words on stderr, in the form its errors have.
///
/// Text may come from files and the network: control characters in it do not reach the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    volume: Volume,
    color: bool,
}

impl Ui {
    /// A voice on stderr.
    pub fn new(volume: Volume, color: ColorChoice) -> Self {
        Self { volume, color: color.on_stderr() }
    }

    /// Returns how much is said.
    pub fn volume(&self) -> Volume {
        self.volume
    }

    /// Returns whether a person watches.
    pub fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Returns a display of progress, hidden where nothing may be shown.
    pub fn progress(&self) -> Progress {
        let shown = self.volume > Volume::Quiet && io::stderr().is_terminal();
        Progress::new(if shown { Show::Terminal } else { Show::Hidden })
    }

    /// Says what the user may want to know.
    pub fn note(&self, text: &str) {
        self.say(Volume::Normal, &self.labelled("note", text));
    }

    /// Says what is probably not what the user wanted.
    pub fn warning(&self, text: &str) {
        self.say(Volume::Normal, &self.labelled("warning", text));
    }

    /// Says what is probably not what the user wanted, item by item, and what can be typed next.
    pub fn warnings(&self, head: &str, items: &[String], hint: Option<&str>) {
        let mut lines = vec![format!("warning: {}\n", visible(head))];
        lines.extend(items.iter().map(|item| format!("  {}\n", visible(item))));
        lines.extend(hint.map(|hint| format!("\nhint: {}\n", visible(hint))));
        self.say(Volume::Normal, &self.painted(&lines.concat()));
    }

    /// Says what a command did, without a label.
    pub fn summary(&self, text: &str) {
        self.say(Volume::Normal, &format!("{}\n", visible(text)));
    }

    /// Says what a command did in several lines.
    pub fn summary_lines(&self, lines: &[String]) {
        for line in lines {
            self.summary(line);
        }
    }

    /// Says what only `--verbose` asks for.
    pub fn detail(&self, text: &str) {
        self.say(Volume::Verbose, &format!("{}\n", visible(text)));
    }

    /// Says why a command failed; nothing, if only its reader went away.
    pub fn error(&self, error: &anyhow::Error) {
        self.say(Volume::Quiet, &self.painted(&report(error)));
    }

    fn say(self, least: Volume, words: &str) {
        if self.volume >= least {
            // When stderr is closed there is nobody left to tell.
            io::stderr().lock().write_all(words.as_bytes()).ok();
        }
    }

    fn labelled(self, label: &str, text: &str) -> String {
        self.painted(&format!("{label}: {}\n", visible(text)))
    }

    /// Returns the words with the labels at the begin of their lines coloured.
    fn painted(self, words: &str) -> String {
        if !self.color {
            return words.to_owned();
        }
        let paint = |line: &str| {
            for (label, code) in [("error:", "1;31"), ("warning:", "33"), ("hint:", "36"), ("note:", "36")] {
                if let Some(rest) = line.strip_prefix(label) {
                    return format!("\x1b[{code}m{label}\x1b[0m{rest}");
                }
            }
            line.to_owned()
        };
        words.split_inclusive('\n').map(paint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn labels_are_coloured_only_where_colour_is_allowed() {
        let plain = Ui { volume: Volume::Normal, color: false };
        let colored = Ui { volume: Volume::Normal, color: true };
        assert_eq!(plain.labelled("warning", "a\x1b[2Jb"), "warning: a\u{fffd}[2Jb\n");
        assert_eq!(colored.labelled("warning", "odd"), "\x1b[33mwarning:\x1b[0m odd\n");
        assert_eq!(colored.labelled("note", "odd"), "\x1b[36mnote:\x1b[0m odd\n");
    }

    #[test]
    fn an_error_has_its_label_and_its_hint_coloured() {
        let ui = Ui { volume: Volume::Quiet, color: true };
        let error =
            anyhow::Error::from(Failure::new("cannot open").hint("`barn info`")).context("cannot query");
        assert_eq!(
            ui.painted(&report(&error)),
            "\x1b[1;31merror:\x1b[0m cannot query\n  caused by: cannot open\n\n\x1b[36mhint:\x1b[0m `barn info`\n"
        );
    }

    #[test]
    fn colour_follows_the_flag_then_the_environment_then_the_terminal() {
        let none = |_: &str| None;
        let set = |wanted: &'static str, value: &'static str| {
            move |name: &str| (name == wanted).then(|| value.into())
        };
        assert!(ColorChoice::Always.allows(|| false, set("NO_COLOR", "1")));
        assert!(!ColorChoice::Never.allows(|| true, none));
        assert!(ColorChoice::Auto.allows(|| true, none));
        assert!(!ColorChoice::Auto.allows(|| false, none));
        assert!(!ColorChoice::Auto.allows(|| true, set("NO_COLOR", "1")));
        assert!(ColorChoice::Auto.allows(|| true, set("NO_COLOR", "")));
        assert!(!ColorChoice::Auto.allows(|| true, set("TERM", "dumb")));
    }

    #[test]
    fn every_colour_word_parses_and_another_names_the_words() {
        for word in ColorChoice::WORDS {
            assert!(word.parse::<ColorChoice>().is_ok());
        }
        let error = "blue".parse::<ColorChoice>().unwrap_err();
        assert_eq!(error.to_string(), "unknown color choice 'blue', expected one of auto, always, never");
    }
}
