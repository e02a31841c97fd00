//! File operations whose errors name the path; every file barn opens or writes goes through here.
#![allow(clippy::disallowed_methods, reason = "this module is what the others use instead")]

pub mod fault;
mod timed;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

pub use timed::{write_time, writing};

use crate::error::Failure;

/// Whether a file that exists may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// An existing file is an error.
    Refuse,
    /// An existing file is replaced.
    Replace,
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open '{}'", path.display()))
}

/// Opens a regular file for reading; a link is not followed, a device or a pipe not waited for.
pub fn open_regular(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let context = || format!("cannot open '{}'", path.display());
    // What was opened is looked at: the name may be given to something else at any time.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match File::options().read(true).custom_flags(flags.bits()).open(path) {
        Err(err) if err.raw_os_error() == Some(Errno::ELOOP as i32) => None,
        opened => Some(opened.with_context(context)?),
    };
    match file {
        Some(file) if file.metadata().with_context(context)?.is_file() => Ok(file),
        _ => anyhow::bail!("{}: it is not a regular file", context()),
    }
}

/// Reads a whole text file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    read_all_text(open(path)?, &format!("'{}'", path.display()), limit)
}

/// Reads all the text that comes from a reader, at most `limit` bytes; `name` stands for it in a message.
///
/// More is an error and never cut off. What is read is counted: a device says that it has no bytes, and a file may
/// grow meanwhile.
pub fn read_all_text(reader: impl Read, name: &str, limit: u64) -> Result<String> {
    let cannot = || format!("cannot read {name}");
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > limit {
        anyhow::bail!("{}: it has more than {limit} bytes", cannot());
    }
    String::from_utf8(bytes).with_context(cannot)
}

/// Returns the entries of a folder, sorted by name.
pub fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot list folder '{}'", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).with_context(context)? {
        entries.push(entry.with_context(context)?.path());
    }
    entries.sort();
    Ok(entries)
}

/// How a lock is taken that another process may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Beside all others that share it.
    Shared,
    /// Alone, or not at all.
    Try,
}

/// Takes the lock that a file stands for, and holds it until the file is dropped; `None` if another process has it.
pub fn lock(path: &Path, locking: Locking) -> Result<Option<File>> {
    let context = || format!("cannot lock '{}'", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(path).with_context(context)?;
    let taken = match locking {
        Locking::Shared => file.try_lock_shared(),
        Locking::Try => file.try_lock(),
    };
    match taken {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(err)) => Err(err).with_context(context),
    }
}

/// Creates a folder and the ones above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create folder '{}'", path.display()))
}

/// A file that appears under its name only when it is complete.
///
/// It is written beside its destination under a unique name; dropping it without [`Draft::publish`]
/// removes it.
pub struct Draft {
    place: Place,
    path: PathBuf,
    overwrite: Overwrite,
}

enum Place {
    /// Beside the destination.
    Beside(tempfile::NamedTempFile),
    /// A device or a pipe, which has no content to protect and must not be replaced.
    Itself(File),
}

impl Draft {
    /// Starts a file that is to become `path`.
    pub fn new(path: &Path, overwrite: Overwrite) -> Result<Self> {
        let cannot = || format!("cannot write '{}'", path.display());
        if let Ok(known) = fs::metadata(path)
            && !known.is_file()
            && !known.is_dir()
        {
            let file = File::options().write(true).open(path).with_context(cannot)?;
            return Ok(Self { place: Place::Itself(file), path: path.to_owned(), overwrite });
        }
        if overwrite == Overwrite::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        // A link stays one: what it leads to is replaced, or made.
        let path = fs::canonicalize(path).or_else(|_| behind_links(path)).with_context(cannot)?;
        let file = tempfile::Builder::new()
            .prefix(".barn-")
            .permissions(open_permissions())
            .tempfile_in(folder_of(&path))
            .with_context(|| format!("cannot write '{}'", path.display()))?;
        Ok(Self { place: Place::Beside(file), path, overwrite })
    }

    /// Gives the file the access rights of another.
    pub fn keep_mode(&mut self, of: &fs::Metadata) -> Result<()> {
        let Place::Beside(file) = &self.place else { return Ok(()) };
        let kept = access(of);
        file.as_file()
            .set_permissions(kept)
            .with_context(|| format!("cannot write '{}'", self.path.display()))
    }

    /// Gives the file, once it is written, the time of another.
    pub fn keep_time(&mut self, of: &fs::Metadata) -> Result<()> {
        let Place::Beside(file) = &self.place else { return Ok(()) };
        let set = of.modified().and_then(|time| file.as_file().set_modified(time));
        set.with_context(|| format!("cannot write '{}'", self.path.display()))
    }

    /// Opens what is written so far for reading.
    pub fn reopen(&self) -> Result<File> {
        match &self.place {
            Place::Beside(file) => {
                file.reopen().with_context(|| format!("cannot open '{}'", self.path.display()))
            }
            Place::Itself(_) => open(&self.path),
        }
    }

    /// Returns the open file.
    pub fn file(&mut self) -> &mut File {
        match &mut self.place {
            Place::Beside(file) => file.as_file_mut(),
            Place::Itself(file) => file,
        }
    }

    /// Makes the file durable, gives it its name, and makes that durable too where its folder lets us.
    pub fn publish(self) -> Result<()> {
        let context = || format!("cannot write '{}'", self.path.display());
        let mut file = match self.place {
            Place::Beside(file) => file,
            Place::Itself(mut file) => return file.flush().with_context(context),
        };
        file.flush().with_context(context)?;
        writing(|| file.as_file().sync_all()).with_context(context)?;
        let result = match self.overwrite {
            Overwrite::Replace => file.persist(&self.path),
            Overwrite::Refuse => file.persist_noclobber(&self.path),
        };
        match result {
            Ok(_) => sync_names(folder_of(&self.path)).with_context(context),
            Err(err) if err.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            Err(err) => Err(err.error).with_context(context),
        }
    }
}

/// Returns where the links of a name lead that has no file behind it.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    /// Links that the system follows at most.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::ELOOP.into())
}

/// Returns who may do what with a file, without what would make a program run as somebody else.
#[cfg(unix)]
fn access(of: &fs::Metadata) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(of.permissions().mode() & 0o777)
}

#[cfg(unix)]
fn open_permissions() -> fs::Permissions {
    // The umask still takes its part; without this a temporary file is 0600.
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

fn exists(path: &Path) -> anyhow::Error {
    Failure::new(format!("cannot write '{}': it exists", path.display())).hint("`--force` replaces it").into()
}

/// Writes a small file in one step.
pub fn replace(path: &Path, bytes: &[u8], overwrite: Overwrite) -> Result<()> {
    let mut draft = Draft::new(path, overwrite)?;
    draft.file().write_all(bytes).with_context(|| format!("cannot write '{}'", path.display()))?;
    draft.publish()
}

/// A new file, written from its start to its end; its errors name the path.
pub struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// Creates a file where there is none.
    pub fn create(path: &Path) -> Result<Self> {
        let create = || {
            fault::operation()?;
            File::options().write(true).create_new(true).open(path)
        };
        let file = create().with_context(|| format!("cannot create '{}'", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<()> {
        let sync = || {
            fault::operation()?;
            writing(|| self.file.sync_all())
        };
        sync().with_context(|| format!("cannot write '{}'", self.path.display()))
    }
}

impl std::io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        fault::operation()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Gives a file another name in the same file system and makes that durable.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let rename = || {
        fault::operation()?;
        fs::rename(from, to)
    };
    rename().with_context(|| format!("cannot rename '{}' to '{}'", from.display(), to.display()))?;
    sync_folder(folder_of(to))
}

/// Returns the folder that a path lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the bytes that are left for us in the file system of a folder; `None` where it does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let about = nix::sys::statvfs::statvfs(path).ok()?;
    about.blocks_available().checked_mul(about.fragment_size())
}

/// Makes the names in a folder durable.
pub fn sync_folder(path: &Path) -> Result<()> {
    let sync = || {
        fault::operation()?;
        let folder = File::open(path)?;
        writing(|| folder.sync_all())
    };
    sync().with_context(|| format!("cannot sync folder '{}'", path.display()))
}

/// Makes the names in a folder durable, unless it may not be read, or its file system knows no such thing: a file that
/// is complete there is no failure.
fn sync_names(folder: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder).and_then(|folder| writing(|| folder.sync_all())) {
        Err(err) if matches!(err.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        done => done,
    }
}

/// Removes a regular file; one that is not there, or cannot be, is no error, anything else than a file is.
pub fn remove(path: &Path) -> Result<()> {
    use std::io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    let context = || format!("cannot remove '{}'", path.display());
    match fs::symlink_metadata(path) {
        Err(err) if matches!(err.kind(), NotFound | NotADirectory | InvalidFilename) => return Ok(()),
        Err(err) => return Err(err).with_context(context),
        Ok(known) if !known.is_file() => anyhow::bail!("{}: it is not a regular file", context()),
        Ok(_) => {}
    }
    fs::remove_file(path).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_is_opened_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "text").unwrap();
        assert_eq!(read_all_text(open_regular(&path).unwrap(), "it", 10).unwrap(), "text");
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        for path in [link.as_path(), folder.path(), Path::new("/dev/null")] {
            let error = open_regular(path).unwrap_err().to_string();
            assert!(error.ends_with("': it is not a regular file"), "{error}");
        }
        assert!(open_regular(&folder.path().join("b")).is_err());
    }

    #[test]
    fn a_link_that_leads_to_no_file_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (link, other) = (folder.path().join("link"), folder.path().join("other"));
        symlink("other", &link).unwrap();
        symlink("target", &other).unwrap();
        let error = replace(&link, b"1", Overwrite::Refuse).unwrap_err().to_string();
        assert!(error.ends_with("it exists"), "{error}");
        for text in ["1", "2"] {
            replace(&link, text.as_bytes(), Overwrite::Replace).unwrap();
            assert!(link.is_symlink() && other.is_symlink());
            assert_eq!(fs::read_to_string(folder.path().join("target")).unwrap(), text);
        }
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(replace(&folder.path().join("loop"), b"1", Overwrite::Replace).is_err());
    }
}
