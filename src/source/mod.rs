//! Sources of data as TOML describes them: what to ask, and what the answer means.
//!
//! A definition is data. This module reads definitions and secrets, and does no other input or output.

mod amount;
mod answer;
mod ask;
mod auth;
mod builtin;
mod compile;
mod dataset;
mod definition;
mod detect;
mod facts;
mod fixture;
mod form;
mod moment;
mod page;
mod policy;
mod rate;
mod request;
mod schema;
mod secrets;
mod section;
mod sections;
mod step;
mod symbol;
mod template;
mod window;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Result;
use anyhow::ensure;

use crate::error::Failure;
use crate::fs;

pub use answer::{Answer, Class, Fault, Verdict};
pub use ask::{Ask, Page, Request, Turn};
pub use dataset::{CachePolicy, Dataset, Extra, Open, Response, Retry};
pub use definition::{Choice, Definition};
pub use fixture::{Sends, Test, TestRequest};
pub use rate::{Rate, Reset};
pub use secrets::Secrets;
pub use step::{Gives, Step};

/// The origin of a definition that barn brings along.
pub const BUILT_IN: &str = "built in";

/// Bytes of a definition at most; the longest has some ten thousand.
const FILE_BYTES: u64 = 1 << 20;

/// A source in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The line that describes it, or why it cannot be read.
    pub title: String,
    /// The file it comes from, or [`BUILT_IN`].
    pub origin: String,
    /// Whether it stands in the place of a built-in one.
    pub replaces: bool,
}

/// Returns all sources in the order of their names.
pub fn list() -> Result<Vec<Entry>> {
    let title = |text: &str| -> String {
        let read = || -> Option<String> {
            let table: toml::Table = toml::from_str(text).ok()?;
            Some(table.get("source")?.get("title")?.as_str()?.to_owned())
        };
        read().unwrap_or_default()
    };
    let mut entries = BTreeMap::new();
    for (name, text) in builtin::BUILTIN {
        let (name, origin) = ((*name).to_owned(), BUILT_IN.to_owned());
        entries.insert(name.clone(), Entry { name, title: title(text), origin, replaces: false });
    }
    let files =
        sources_folder().filter(|folder| folder.is_dir()).map(|folder| fs::list(&folder)).transpose()?;
    for path in files.into_iter().flatten() {
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml")) else {
            continue;
        };
        let title = match read(&path) {
            Ok(text) => title(&text),
            Err(err) => format!("{err:#}"),
        };
        let (name, origin) = (name.to_owned(), path.display().to_string());
        let replaces = entries.contains_key(&name);
        entries.insert(name.clone(), Entry { name, title, origin, replaces });
    }
    Ok(entries.into_values().collect())
}

/// Reads the definition of a source, by its name or by the path of a file.
pub fn load(name: &str) -> Result<Definition> {
    let (text, origin) = find(name)?;
    let definition = Definition::parse(&text, &origin)?;
    ensure!(
        is_path(name) || definition.name() == name,
        Failure::usage(format!(
            "cannot read source definition '{origin}': its name in [source] is '{}', expected '{name}'",
            definition.name()
        ))
    );
    Ok(definition)
}

/// Returns the text of the definition of a source, by its name or by the path of a file.
pub fn text(name: &str) -> Result<String> {
    find(name).map(|(text, _)| text)
}

/// Returns the folder of the user's own definitions.
pub fn sources_folder() -> Option<PathBuf> {
    folder().map(|folder| folder.join("sources"))
}

/// Returns the text of a definition and where it comes from; the user's own one wins.
fn find(name: &str) -> Result<(String, String)> {
    if is_path(name) {
        return Ok((read(Path::new(name))?, name.to_owned()));
    }
    let path = sources_folder().map(|folder| folder.join(format!("{name}.toml")));
    // Only a name that fits is put into a path.
    if definition::check_name(name).is_ok()
        && let Some(path) = path.filter(|path| path.is_file())
    {
        return Ok((read(&path)?, path.display().to_string()));
    }
    if let Some(text) = builtin::find(name) {
        return Ok((text.to_owned(), BUILT_IN.to_owned()));
    }
    let known = list()?;
    let near = section::suggestion(name, known.iter().map(|entry| entry.name.as_str()));
    let files = [format!("./{name}.toml"), format!("./{name}")];
    let hint = match files.iter().find(|file| Path::new(file).is_file()) {
        Some(file) => format!("`{file}` is a file here"),
        None => "`barn source list` shows all".to_owned(),
    };
    Err(Failure::usage(format!("unknown source '{name}', {near}")).hint(hint).into())
}

fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|ending| ending == "toml")
}

fn read(path: &Path) -> Result<String> {
    fs::read_text(path, FILE_BYTES)
}

/// Returns the folder of barn's configuration.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("barn"))
}

#[cfg(test)]
mod tests;
