//! Which inputs a command line means: files, the files of folders, and standard input.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::error::Failure;
use crate::fs;

/// The name of standard input, as it is typed.
pub(super) const STDIN: &str = "-";

/// An input that was there, and could be opened, when the command line was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    place: Place,
    size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Stdin,
    /// A regular file.
    File(PathBuf),
    /// A named pipe, as a shell's process substitution gives.
    Pipe(PathBuf),
}

/// An opened source.
pub(super) enum Opened {
    /// A file in which one can seek.
    File(File),
    /// Bytes that come once.
    Stream(Box<dyn Read>),
}

impl Source {
    /// Returns the name to show.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Stdin => STDIN.into(),
            Place::File(path) | Place::Pipe(path) => path.display().to_string(),
        }
    }

    /// Returns the last component of its path; `-` for standard input.
    pub fn file_name(&self) -> String {
        match &self.place {
            Place::Stdin => STDIN.into(),
            Place::File(path) | Place::Pipe(path) => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Returns its path if it is a file, which can be read again.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Stdin | Place::Pipe(_) => None,
        }
    }

    /// Returns its bytes on the disk, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    pub(super) fn open(&self) -> Result<Opened> {
        Ok(match &self.place {
            Place::Stdin => Opened::Stream(Box::new(io::stdin())),
            Place::File(path) => Opened::File(fs::open(path)?),
            Place::Pipe(path) => Opened::Stream(Box::new(fs::open(path)?)),
        })
    }
}

/// Returns the inputs that `paths` mean, in their order.
///
/// A folder means its files and those of the folders in it, sorted by name, without hidden files and
/// without symbolic links; `-` means standard input. Every file has been opened once, so that what is
/// missing or locked away is reported before anything is stored.
pub fn expand(paths: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        if path == STDIN {
            if sources.iter().any(|source: &Source| source.place == Place::Stdin) {
                bail!(Failure::usage("cannot read standard input twice: `-` is given more than once"));
            }
            sources.push(Source { place: Place::Stdin, size: None });
            continue;
        }
        let path = Path::new(path);
        let metadata =
            std::fs::metadata(path).with_context(|| format!("cannot open '{}'", path.display()))?;
        let before = sources.len();
        add(path, &metadata, &mut sources)?;
        if sources.len() == before {
            bail!(Failure::new(format!("cannot read folder '{}': it has no files", path.display())));
        }
    }
    Ok(sources)
}

fn add(path: &Path, metadata: &Metadata, sources: &mut Vec<Source>) -> Result<()> {
    if metadata.is_dir() {
        for entry in fs::list(path)? {
            let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let metadata = std::fs::symlink_metadata(&entry)
                .with_context(|| format!("cannot open '{}'", entry.display()))?;
            if !hidden && !metadata.is_symlink() {
                add(&entry, &metadata, sources)?;
            }
        }
        return Ok(());
    }
    if metadata.is_file() {
        drop(fs::open(path)?);
        sources.push(Source { place: Place::File(path.to_owned()), size: Some(metadata.len()) });
        return Ok(());
    }
    if is_pipe(metadata) {
        sources.push(Source { place: Place::Pipe(path.to_owned()), size: None });
        return Ok(());
    }
    bail!(Failure::new(format!("cannot read '{}': it is neither a file nor a folder", path.display())))
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make the files that are read")]
mod tests {
    use super::*;

    fn names(sources: &[Source]) -> Vec<String> {
        sources.iter().map(Source::file_name).collect()
    }

    #[test]
    fn a_folder_means_its_visible_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("b/deep")).unwrap();
        std::fs::create_dir_all(at(".git")).unwrap();
        for name in ["c.csv", "a.csv", ".hidden", "b/deep/2.csv", "b/1.csv", ".git/config"] {
            std::fs::write(at(name), "x").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("a.csv"), at("link.csv")).unwrap();
        let sources = expand(&[folder.path().display().to_string()]).unwrap();
        assert_eq!(names(&sources), ["a.csv", "1.csv", "2.csv", "c.csv"]);
        assert_eq!(sources[0].size(), Some(1));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_on_the_command_line_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.csv"), folder.path().join("link.csv"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(names(&expand(&[link.display().to_string()]).unwrap()), ["link.csv"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.csv").display().to_string();
        let error = expand(&["-".into(), missing.clone()]).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open '{missing}'"));
        assert!(expand(&[folder.path().display().to_string()]).unwrap_err().to_string().contains("no files"));
        assert!(expand(&["-".into(), "-".into()]).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn sockets_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = expand(&[folder.path().display().to_string()]).unwrap_err();
        assert!(error.to_string().contains("neither a file nor a folder"), "{error}");
        drop(socket);
    }
}
