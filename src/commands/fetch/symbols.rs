//! The symbols of a fetch: arguments, stdin, files, and the lists of `barn.toml`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::error::Failure;
use crate::fs;
use crate::model::nearest;
use crate::store::{CONFIG, read_config};

/// The largest list of symbols that is read.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// Returns the symbols that arguments name: themselves, `-` for stdin, `@FILE` for a file or a list of
/// `barn.toml`.
pub(super) fn gather(root: &Path, arguments: &[String]) -> Result<Vec<String>> {
    let mut symbols = Vec::new();
    let mut has_read_stdin = false;
    for argument in arguments {
        if argument == "-" {
            if std::mem::replace(&mut has_read_stdin, true) {
                bail!(Failure::usage("cannot read stdin twice"));
            }
            let text = fs::read_all_text(std::io::stdin().lock(), "symbols from stdin", MAX_LIST_BYTES)?;
            symbols.extend(words(&text));
        } else if let Some(name) = argument.strip_prefix('@') {
            let list = list(root, name)?;
            if list.is_empty() {
                bail!(Failure::usage(format!("cannot fetch the symbols of '@{name}': it names none")));
            }
            symbols.extend(list);
        } else {
            symbols.push(argument.clone());
        }
    }
    if let Some(bad) = symbols.iter().find(|symbol| symbol.is_empty() || symbol.chars().any(char::is_control))
    {
        bail!(Failure::usage(format!("invalid symbol '{bad}': it is empty or has control characters")));
    }
    Ok(symbols)
}

/// Reads a file, or a list `[symbols] NAME = ["…"]` of `barn.toml`.
fn list(root: &Path, name: &str) -> Result<Vec<String>> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(words(&fs::read_text(path, MAX_LIST_BYTES)?));
    }
    let config = root.join(CONFIG);
    let lists = lists(&read_config(root)?.unwrap_or_default(), &config)?;
    if let Some(list) = lists.get(name) {
        let list =
            list.as_array().map(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        return list.flatten().with_context(|| {
            Failure::usage(format!(
                "cannot use list '{name}' of '{}': expected a list of texts",
                config.display()
            ))
        });
    }
    let failure = Failure::usage(format!(
        "cannot read symbols from '@{name}': there is no such file, and no list of that name under [symbols] in '{}'",
        config.display()
    ));
    Err(match nearest(name, lists.keys().map(String::as_str)).first() {
        Some(near) => failure.hint(format!("`@{near}` is a list")),
        None => failure,
    }
    .into())
}

fn lists(text: &str, config: &Path) -> Result<toml::Table> {
    let cannot = || Failure::usage(format!("cannot read '{}'", config.display()));
    let mut table: toml::Table = toml::from_str(text).with_context(cannot)?;
    Ok(match table.remove("symbols") {
        Some(toml::Value::Table(lists)) => lists,
        _ => toml::Table::new(),
    })
}

/// Takes a text apart: a symbol a line, or several with commas between; `#` starts a comment.
fn words(text: &str) -> Vec<String> {
    let lines =
        text.trim_start_matches('\u{feff}').lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split([',', ';', '\t'])).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lines_or_commas_with_comments() {
        assert_eq!(
            words("\u{feff}AAPL\r\nMSFT, GOOG # big ones\n\n#x\nNIFTY 50\n"),
            ["AAPL", "MSFT", "GOOG", "NIFTY 50"]
        );
    }
}
