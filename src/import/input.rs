//! Which inputs a command line means: files, the files of folders, and standard input.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::error::Failure;
use crate::fs;

/// The name of standard input, as it is typed.
pub(super) const STDIN: &str = "-";

/// Bytes of a stream read at once: what a pipe holds on Linux.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks read ahead, so that the reading of a fast pipe and the work on it overlap.
const CHUNKS_AHEAD: usize = 4;

/// How often whoever waits for a stream looks whether the user asked to stop; less is felt as at once.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// How many of these pass before a reader is told that nothing comes: a quarter of a second.
const SILENT_WAITS: u32 = 5;

/// An input that was there, and could be opened, when the command line was read.
#[derive(Clone, Debug)]
pub struct Source {
    place: Place,
    size: Option<u64>,
    stop: Arc<AtomicBool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Stdin,
    /// A regular file.
    File(PathBuf),
    /// A temporary file with what came through a pipe.
    Kept(PathBuf),
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
            Place::Stdin | Place::Kept(_) => STDIN.into(),
            Place::File(path) | Place::Pipe(path) => path.display().to_string(),
        }
    }

    /// Returns the last component of its path; `-` for standard input.
    pub fn file_name(&self) -> String {
        match &self.place {
            Place::Stdin | Place::Kept(_) => STDIN.into(),
            Place::File(path) | Place::Pipe(path) => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Returns its path if it is a file, which can be read again.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Stdin | Place::Kept(_) | Place::Pipe(_) => None,
        }
    }

    /// Returns its bytes on the disk, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the same source, of which everything was written to a temporary file.
    pub(super) fn kept(&self, path: &Path) -> Self {
        let size = std::fs::metadata(path).ok().map(|metadata| metadata.len());
        Self { place: Place::Kept(path.to_owned()), size, stop: Arc::clone(&self.stop) }
    }

    /// Returns whether the user asked to stop, after which a stream ends early.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Opens it, and returns its bytes as they are.
    pub fn reader(&self) -> Result<Box<dyn Read>> {
        Ok(match self.open()? {
            Opened::File(file) => Box::new(file),
            Opened::Stream(stream) => stream,
        })
    }

    pub(super) fn open(&self) -> Result<Opened> {
        let stop = Arc::clone(&self.stop);
        Ok(match &self.place {
            Place::Stdin => Opened::Stream(Box::new(Stoppable::start(|| Ok(io::stdin()), stop)?)),
            Place::File(path) | Place::Kept(path) => Opened::File(fs::open(path)?),
            Place::Pipe(path) => {
                let path = path.clone();
                Opened::Stream(Box::new(Stoppable::start(move || fs::open(&path), stop)?))
            }
        })
    }
}

/// A stream that ends when the user asks to stop.
///
/// Opening a pipe and reading from it may wait for ever, so another thread does both; it is left behind
/// when it still waits at the end.
struct Stoppable {
    /// What was read, in order; an empty chunk is the end.
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    is_at_end: bool,
    stop: Arc<AtomicBool>,
}

impl Stoppable {
    fn start<R: Read>(
        open: impl FnOnce() -> Result<R> + Send + 'static,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        thread::Builder::new()
            .spawn(move || {
                let result = open().map_err(io::Error::other).and_then(|reader| pump(reader, &sender));
                // Whoever does not listen any more needs no end.
                drop(sender.send(result.map(|()| Vec::new())));
            })
            .context("cannot start a thread")?;
        Ok(Self { chunks, chunk: Cursor::default(), is_at_end: false, stop })
    }
}

/// Hands on what `reader` gives, as soon as it gives it.
fn pump(mut reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if sender.send(Ok(buffer[..count].to_vec())).is_err() => return Ok(()),
            Ok(_) => {}
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waits = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let count = self.chunk.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.is_at_end {
                return Ok(count);
            }
            match self.chunks.recv_timeout(STOP_INTERVAL) {
                Ok(chunk) => {
                    self.chunk = Cursor::new(chunk?);
                    self.is_at_end = self.chunk.get_ref().is_empty();
                }
                Err(RecvTimeoutError::Timeout) if waits < SILENT_WAITS => waits += 1,
                // Not an end: readers try again, and may hand on what they have before.
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::Interrupted.into()),
                // Only a thread that failed leaves no end.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that reads it is gone"));
                }
            }
        }
        Ok(0)
    }
}

/// Returns the inputs that `paths` mean, in their order.
///
/// A folder means its files and those of the folders in it, sorted by name, without hidden files and
/// without symbolic links; `-` means standard input. Every file has been opened once, so that what is
/// missing or locked away is reported before anything is stored. Streams end early once `stop` is set.
pub fn expand(paths: &[String], stop: &Arc<AtomicBool>) -> Result<Vec<Source>> {
    let source = |(place, size)| Source { place, size, stop: Arc::clone(stop) };
    let mut places = Vec::new();
    for path in paths {
        if path == STDIN {
            if places.iter().any(|(place, _)| *place == Place::Stdin) {
                bail!(Failure::usage("cannot read standard input twice: `-` is given more than once"));
            }
            places.push((Place::Stdin, None));
            continue;
        }
        let path = Path::new(path);
        let metadata =
            std::fs::metadata(path).with_context(|| format!("cannot open '{}'", path.display()))?;
        let before = places.len();
        add(path, &metadata, &mut places)?;
        if places.len() == before {
            bail!(Failure::new(format!("cannot read folder '{}': it has no files", path.display())));
        }
    }
    Ok(places.into_iter().map(source).collect())
}

fn add(path: &Path, metadata: &Metadata, places: &mut Vec<(Place, Option<u64>)>) -> Result<()> {
    if metadata.is_dir() {
        for entry in fs::list(path)? {
            let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let metadata = std::fs::symlink_metadata(&entry)
                .with_context(|| format!("cannot open '{}'", entry.display()))?;
            if !hidden && !metadata.is_symlink() {
                add(&entry, &metadata, places)?;
            }
        }
        return Ok(());
    }
    if metadata.is_file() {
        drop(fs::open(path)?);
        places.push((Place::File(path.to_owned()), Some(metadata.len())));
        return Ok(());
    }
    if is_pipe(metadata) {
        places.push((Place::Pipe(path.to_owned()), None));
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

    fn expand(paths: &[String]) -> Result<Vec<Source>> {
        super::expand(paths, &Arc::default())
    }

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

    #[test]
    fn a_stream_that_waits_ends_when_the_user_stops() {
        let stop = Arc::<AtomicBool>::default();
        let (reader, mut writer) = io::pipe().unwrap();
        let mut stream = Stoppable::start(|| Ok(reader), Arc::clone(&stop)).unwrap();
        let mut buffer = [0; 10];
        for _ in 0..3 {
            io::Write::write_all(&mut writer, b"ab").unwrap();
            assert_eq!(stream.read(&mut buffer).unwrap(), 2);
        }
        let setter = thread::spawn(move || {
            thread::sleep(STOP_INTERVAL);
            stop.store(true, Ordering::SeqCst);
        });
        assert_eq!(stream.read(&mut buffer).unwrap(), 0);
        setter.join().unwrap();
        drop(writer);
    }

    #[test]
    fn a_stream_gives_all_bytes_in_order_and_then_its_end() {
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let whole = bytes.clone();
        let mut stream = Stoppable::start(|| Ok(Cursor::new(whole)), Arc::default()).unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn errors_of_a_stream_are_passed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::PermissionDenied.into())
            }
        }
        let mut stream = Stoppable::start(|| Ok(b"ab".chain(Broken)), Arc::default()).unwrap();
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).unwrap_err();
        assert_eq!((read, error.kind()), (b"ab".to_vec(), ErrorKind::PermissionDenied));
        let open = || fs::open(Path::new("/no/such/pipe"));
        let error = Stoppable::start(open, Arc::default()).unwrap().read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.to_string(), "cannot open '/no/such/pipe'");
        let error = Stoppable::start(|| -> Result<File> { panic!("on purpose") }, Arc::default());
        assert!(error.unwrap().read(&mut [0; 10]).is_err());
    }
}
