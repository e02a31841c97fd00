//! The disk of `disk.c`: it fails where a test says, and writes down what is done to it, so that a power cut can be
//! played at any moment.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::sample::Numbers;

/// The library, compiled for a test.
pub(crate) struct Disk {
    folder: TempDir,
}

/// What goes wrong at an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It fails with `EIO`, once.
    Error,
    /// What needs space fails with `ENOSPC` from there on; of a write the first half comes through.
    Full,
    /// The process is killed before a change.
    Kill,
}

impl Disk {
    /// Compiles the library with the C compiler that barn itself needs.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("barn-disk-").tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof/disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("disk.so")).arg(source);
        assert!(compiler.status().unwrap().success(), "cannot compile 'disk.c'");
        Self { folder }
    }

    fn on(&self, command: &mut Command, root: &Path) {
        command.env("LD_PRELOAD", self.folder.path().join("disk.so")).env("DISK_ROOT", root);
    }

    fn mark(&self) -> PathBuf {
        self.folder.path().join("mark")
    }

    /// Lets the `n`-th operation below `root` go wrong.
    pub(crate) fn fail(&self, command: &mut Command, root: &Path, fault: Fault, n: u64) {
        self.on(command, root);
        drop(fs::remove_file(self.mark()));
        let n = n.to_string();
        command.env("DISK_MARK", self.mark());
        match fault {
            Fault::Error => command.env("DISK_FAIL", n),
            Fault::Full => command.env("DISK_FAIL", n).env("DISK_FULL", "1").env("DISK_ERROR", "28"),
            Fault::Kill => command.env("DISK_KILL", n),
        };
    }

    /// Returns whether the last command came to the operation that failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.mark().exists()
    }

    /// Lets what is done below `root` be written down.
    pub(crate) fn record(&self, command: &mut Command, root: &Path) {
        self.on(command, root);
        command.env("DISK_LOG", self.folder.path().join("log"));
    }

    /// Returns what was written down.
    pub(crate) fn recorded(&self) -> Vec<Change> {
        let bytes = fs::read(self.folder.path().join("log")).unwrap();
        let mut rest = &bytes[..];
        let mut changes = Vec::new();
        while !rest.is_empty() {
            changes.push(Change::read(&mut rest));
        }
        changes
    }
}

/// One change of the disk; files are known by the number of their inode.
#[derive(Debug)]
pub(crate) enum Change {
    Create { path: String, file: u64 },
    Write { file: u64, at: usize, bytes: Vec<u8> },
    Cut { file: u64, length: usize },
    Sync { file: u64 },
    Rename { from: String, to: String },
    Unlink { path: String },
    Folder { path: String, file: u64 },
}

impl Change {
    fn read(rest: &mut &[u8]) -> Self {
        let mut number = || usize::try_from(u64::from_le_bytes(take(rest, 8).try_into().unwrap())).unwrap();
        let [what, file, b, path, bytes] = std::array::from_fn(|_| number());
        let path = String::from_utf8(take(rest, path).to_vec()).unwrap();
        let bytes = take(rest, bytes).to_vec();
        let file = file as u64;
        match u8::try_from(what).unwrap() {
            b'C' => Self::Create { path, file },
            b'W' => Self::Write { file, at: b, bytes },
            b'T' => Self::Cut { file, length: b },
            b'S' => Self::Sync { file },
            b'R' => Self::Rename { from: path, to: String::from_utf8(bytes).unwrap() },
            b'U' => Self::Unlink { path },
            b'D' => Self::Folder { path, file },
            other => panic!("no change is called {other}"),
        }
    }
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> &'b [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

/// Which of the changes that were not synced outlive a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survivors {
    None,
    All,
    Some,
}

/// A disk as it is behind a row of changes: what is durable, and what may be lost.
///
/// Any page that was written and any name that was changed may be lost or kept by itself, as POSIX allows, until its
/// file or its folder is synced. Real file systems keep more order than that.
#[derive(Clone, Default)]
pub(crate) struct Model {
    /// What a file has for certain, and what was written since.
    files: HashMap<u64, (Vec<u8>, Vec<Piece>)>,
    /// Names as the program sees them.
    names: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// Changes of names that are not durable, in their order, with the folder that must be synced.
    moves: Vec<(String, Move)>,
}

#[derive(Clone, Debug)]
enum Piece {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug)]
enum Move {
    Set(String, u64),
    Unset(String),
    Replace(String, String, u64),
}

const PAGE: usize = 4_096;

impl Model {
    /// A disk that holds what is below `root` now, all of it durable.
    pub(crate) fn of(root: &Path) -> Self {
        let mut model = Self::default();
        if root.exists() {
            model.add(root);
        }
        model
    }

    fn add(&mut self, path: &Path) {
        let number = fs::metadata(path).unwrap().ino();
        let name = path.to_str().unwrap().to_owned();
        self.names.insert(name.clone(), number);
        self.durable.insert(name, number);
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.add(&entry.unwrap().path());
            }
        } else {
            self.files.insert(number, (fs::read(path).unwrap(), Vec::new()));
        }
    }

    /// Does a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { path, file } => {
                self.files.insert(*file, (Vec::new(), Vec::new()));
                self.names.insert(path.clone(), *file);
                self.moved(path, Move::Set(path.clone(), *file));
            }
            Change::Folder { path, file } => {
                // The number is that of the name now: an earlier file of it is gone.
                self.names.insert(path.clone(), *file);
                self.moved(path, Move::Set(path.clone(), *file));
            }
            Change::Write { file, at, bytes } => {
                let pieces = &mut self.files.get_mut(file).unwrap().1;
                let mut at = *at;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (page, left) = rest.split_at(rest.len().min(PAGE - at % PAGE));
                    pieces.push(Piece::Bytes(at, page.to_vec()));
                    at += page.len();
                    rest = left;
                }
            }
            Change::Cut { file, length } => self.files.get_mut(file).unwrap().1.push(Piece::Length(*length)),
            Change::Sync { file } => self.sync(*file),
            Change::Rename { from, to } => {
                let file = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), file);
                self.moved(to, Move::Replace(from.clone(), to.clone(), file));
            }
            Change::Unlink { path } => {
                self.names.remove(path);
                self.moved(path, Move::Unset(path.clone()));
            }
        }
    }

    fn moved(&mut self, path: &str, change: Move) {
        self.moves.push((parent(path).to_owned(), change));
    }

    fn sync(&mut self, file: u64) {
        if let Some((bytes, pieces)) = self.files.get_mut(&file) {
            pieces.drain(..).for_each(|piece| piece.put(bytes));
            return;
        }
        let folder = self.names.iter().find(|(_, number)| **number == file).map(|(path, _)| path.clone());
        let folder = folder.expect("a folder that is synced is known");
        let (done, left) = std::mem::take(&mut self.moves).into_iter().partition(|(of, _)| *of == folder);
        self.moves = left;
        let done: Vec<(String, Move)> = done;
        for (_, change) in done {
            change.put(&mut self.durable);
        }
    }

    /// Writes into `to` what of the folder `root` a power cut leaves.
    pub(crate) fn cut(&self, root: &Path, to: &Path, survivors: Survivors, numbers: &mut Numbers) {
        let mut survives = || match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Some => numbers.below(2) == 0,
        };
        let root = root.to_str().unwrap();
        let mut names = self.durable.clone();
        for (folder, change) in &self.moves {
            // The folder of the store itself is the user's to keep.
            if folder.len() < root.len() || survives() {
                change.clone().put(&mut names);
            }
        }
        // Shared memory is none behind a power cut; names whose folder was lost are lost with it.
        for (path, file) in names.iter().filter(|(path, _)| !path.ends_with("-shm")) {
            let place = to.join(path[root.len()..].trim_start_matches('/'));
            if path.as_str() != root && !names.contains_key(parent(path)) {
                continue;
            }
            match self.files.get(file) {
                None => fs::create_dir_all(&place).unwrap(),
                Some((bytes, pieces)) => {
                    let mut bytes = bytes.clone();
                    pieces.iter().filter(|_| survives()).for_each(|piece| piece.clone().put(&mut bytes));
                    fs::write(&place, bytes).unwrap();
                }
            }
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').unwrap().0
}

impl Piece {
    fn put(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(at, new) => {
                bytes.resize(bytes.len().max(at + new.len()), 0);
                bytes[at..at + new.len()].copy_from_slice(&new);
            }
            Self::Length(length) => bytes.resize(length, 0),
        }
    }
}

impl Move {
    fn put(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(path, file) => drop(names.insert(path, file)),
            Self::Unset(path) => drop(names.remove(&path)),
            Self::Replace(from, to, file) => {
                names.remove(&from);
                names.insert(to, file);
            }
        }
    }
}
