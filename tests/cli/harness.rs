//! The sandbox every command test runs in, and the checks on what came out of a command.
//!
//! A command runs in a temporary folder with an environment of its own, so that nothing of the machine
//! (settings, time zone, width of a terminal) can change a result.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a command may take; the slowest takes a few seconds, so only one that hangs is killed.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The same for commands that read the large real files.
const LONG_TIMEOUT: Duration = Duration::from_mins(3);

/// A temporary folder with a `barn` to run in it.
pub(crate) struct Sandbox {
    folder: TempDir,
    timeout: Duration,
}

impl Sandbox {
    /// A new empty folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("barn-test-").tempdir().unwrap();
        let sandbox = Self { folder, timeout: TIMEOUT };
        for name in [".home", ".tmp", ".bin"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        // For shell lines; the tests of the library itself call the binary by its path.
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_barn"), sandbox.path(".bin/barn")).unwrap();
        sandbox
    }

    /// A new folder whose commands may take longer, for large files.
    pub(crate) fn patient() -> Self {
        Self { timeout: LONG_TIMEOUT, ..Self::new() }
    }

    /// A new folder that holds the bars of `fixtures/prices/bars.csv`, stored.
    pub(crate) fn with_bars() -> Self {
        let sandbox = Self::new();
        sandbox.fixture("prices/bars.csv");
        assert_eq!(sandbox.store("bars bars.csv --set source=test --set timeframe=1d").inserted, 12);
        sandbox
    }

    /// Returns the path of a name in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|err| panic!("{name}: {err}\n{}", self.listing()))
    }

    /// Reads a text file.
    pub(crate) fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Copies a file of `fixtures/` into the folder under its last name.
    pub(crate) fn fixture(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let bytes = fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        self.write(path.file_name().unwrap().to_str().unwrap(), bytes);
    }

    /// Returns a command with the folder's environment and nothing else in it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.path(".bin").display()))
            .env("HOME", self.path(".home"))
            .env("TMPDIR", self.path(".tmp"))
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("BARN_NOW", "2024-06-01T00:00:00Z")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `barn` with these arguments and nothing on its input.
    pub(crate) fn barn<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Output {
        self.run(self.barn_command(arguments), None)
    }

    /// Runs `barn` with these arguments and `input` on its input.
    pub(crate) fn barn_reading<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        input: impl Into<Vec<u8>>,
        arguments: I,
    ) -> Output {
        self.run(self.barn_command(arguments), Some(input.into()))
    }

    /// Runs a line in `sh`, where `barn` is on the path.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let mut command = self.command("/bin/sh");
        command.args(["-c", line]);
        self.run(command, None)
    }

    /// Returns `barn` with these arguments, not started.
    pub(crate) fn barn_command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_barn"));
        command.args(arguments);
        command
    }

    /// Runs a command to its end, or kills it when it takes too long.
    pub(crate) fn run(&self, mut command: Command, input: Option<Vec<u8>>) -> Output {
        let shown = shown(&command);
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap_or_else(|err| panic!("{shown}: {err}"));
        let writer = input.map(|bytes| {
            let mut pipe = child.stdin.take().unwrap();
            // The command may stop reading early, which is its right.
            thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let code = self.wait(&mut child, &shown);
        if let Some(writer) = writer {
            writer.join().unwrap();
        }
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        Output {
            code,
            done: Done { command: shown, listing: self.listing(), stdout, stderr: lossy(&stderr) },
        }
    }

    /// Waits for a child; `None` where a signal ended it.
    pub(crate) fn wait(&self, child: &mut Child, shown: &str) -> Option<i32> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{shown}: still running after {:?}\n{}", self.timeout, self.listing());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stores with the words of a line as arguments, and returns the counts of its report.
    pub(crate) fn store(&self, line: &str) -> Counts {
        self.store_in("barn", line)
    }

    /// The same for a store with a name of its own.
    pub(crate) fn store_in(&self, store: &str, line: &str) -> Counts {
        let arguments = ["--store", store, "--report", ".report.json", "store"];
        self.barn(arguments.into_iter().chain(line.split_whitespace())).ok();
        self.report(".report.json")
    }

    /// Tries to store with the words of a line as arguments.
    pub(crate) fn try_store(&self, line: &str) -> Output {
        self.barn(["store"].into_iter().chain(line.split_whitespace()))
    }

    /// Returns the counts in a report, which must add up.
    pub(crate) fn report(&self, name: &str) -> Counts {
        let text = self.read_text(name);
        let counts: Counts = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}:\n{text}"));
        let parts = counts.inserted + counts.updated + counts.unchanged + counts.repeated + counts.rejected;
        assert_eq!(counts.read, parts, "{counts:?}");
        counts
    }

    /// Returns the CSV of a query.
    pub(crate) fn query(&self, sql: &str) -> String {
        self.query_in("barn", sql)
    }

    /// The same for a store with a name of its own.
    pub(crate) fn query_in(&self, store: &str, sql: &str) -> String {
        self.barn(["--store", store, "query", sql, "--format", "csv"]).ok().stdout()
    }

    /// Returns the one value that a query gives.
    pub(crate) fn value(&self, sql: &str) -> String {
        let text = self.query(sql);
        match text.lines().collect::<Vec<_>>()[..] {
            [_, value] => value.to_owned(),
            _ => panic!("{sql}: expected one row, found:\n{text}"),
        }
    }

    /// Opens the store's SQLite file, as any other tool could.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("barn/barn.db")).unwrap()
    }

    /// Returns all that a store holds, to see that something left it alone: the rows and the bytes.
    pub(crate) fn contents(&self, store: &str) -> Contents {
        let file = |name: &str| fs::read(self.path(store).join(name)).unwrap_or_default();
        Contents { database: file("barn.db"), log: file("barn.db-wal") }
    }

    /// Returns the names and sizes of all files in the folder.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        list(self.folder.path(), "", &mut text);
        text
    }
}

/// The bytes of a store.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Contents {
    /// Checks that nothing was written since `before`: no page, neither in the file nor in its log.
    pub(crate) fn assert_same(&self, before: &Self) {
        assert!(self.database == before.database, "the database file changed");
        assert!(self.log.len() <= before.log.len(), "{} bytes went to the log", self.log.len());
    }
}

/// What became of the rows of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) suspect: u64,
}

impl Counts {
    /// All rows new.
    pub(crate) fn new_rows(rows: u64) -> Self {
        Self { read: rows, inserted: rows, ..Self::default() }
    }

    /// All rows known.
    pub(crate) fn same_rows(rows: u64) -> Self {
        Self { read: rows, unchanged: rows, ..Self::default() }
    }
}

/// A command that ended. Its exit code must be checked before anything else is.
#[must_use = "check the exit code with `ok()` or `fails(code)`"]
pub(crate) struct Output {
    code: Option<i32>,
    done: Done,
}

/// What a command with the expected exit code printed.
pub(crate) struct Done {
    command: String,
    listing: String,
    stdout: Vec<u8>,
    stderr: String,
}

impl Output {
    /// Checks that the command succeeded.
    pub(crate) fn ok(self) -> Done {
        self.check(self.code == Some(0), "expected success");
        let has_error = self.done.stderr.lines().any(|line| line.starts_with("error:"));
        self.check(!has_error, "an error is printed, but the exit code is 0");
        self.done
    }

    /// Checks that the command failed with this exit code, said why in the house's form, and did not panic.
    ///
    /// Where a part failed (exit code 3), a warning says which.
    pub(crate) fn fails(self, code: i32) -> Done {
        self.check(self.code == Some(code), &format!("expected exit code {code}"));
        let starts: &[&str] = if code == 3 { &["error: ", "warning: "] } else { &["error: "] };
        let is_said = self.done.stderr.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
        self.check(is_said, &format!("expected a line that starts with '{}'", starts.join("' or '")));
        self.check(!self.done.stderr.contains("panicked"), "it panicked");
        let is_clean = !self.done.stderr.chars().any(|c| c.is_control() && c != '\n');
        self.check(is_clean, "control characters reach the terminal");
        self.done
    }

    /// Returns the exit code, where several are right, and what was printed.
    pub(crate) fn any(self) -> (Option<i32>, Done) {
        self.check(!self.done.stderr.contains("panicked"), "it panicked");
        (self.code, self.done)
    }

    fn check(&self, holds: bool, what: &str) {
        self.done.check(holds, &format!("{what}, the exit code is {:?}", self.code));
    }
}

impl Done {
    /// Returns what went to standard output.
    pub(crate) fn stdout(&self) -> String {
        lossy(&self.stdout)
    }

    /// Returns the bytes that went to standard output.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// Returns what went to standard error.
    pub(crate) fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Checks standard output, to the byte.
    pub(crate) fn prints(&self, expected: &str) -> &Self {
        self.check(self.stdout == expected.as_bytes(), &difference(expected, &self.stdout()));
        self
    }

    /// Checks that standard error has each of these texts.
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            self.check(self.stderr.contains(part), &format!("expected '{part}' on standard error"));
        }
        self
    }

    /// Checks standard error, to the byte.
    pub(crate) fn says_exactly(&self, expected: &str) -> &Self {
        self.check(self.stderr == expected, &difference(expected, &self.stderr));
        self
    }

    /// Checks something about the command; all that is known about it is printed where it does not hold.
    pub(crate) fn check(&self, holds: bool, what: &str) -> &Self {
        assert!(
            holds,
            "{what}\n--- command\n{}\n--- folder\n{}--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.listing,
            cut(&self.stdout()),
            cut(&self.stderr),
        );
        self
    }
}

/// Returns a file of the real market data, or says that it is skipped where there is none.
pub(crate) fn real_data(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("BARN_TEST_DATA") else {
        eprintln!("skipped: BARN_TEST_DATA is not set");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    assert!(path.exists(), "BARN_TEST_DATA has no '{}'", path.display());
    Some(path)
}

/// Returns a Python with the packages of `tests/peers.txt`, or says that it is skipped where there is none.
pub(crate) fn python() -> Option<PathBuf> {
    let path = std::env::var_os("BARN_TEST_PYTHON").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: BARN_TEST_PYTHON is not set");
    }
    path
}

/// Unpacks a `.tar.gz` into a folder of the sandbox.
pub(crate) fn unpack(archive: &Path, into: &Path) {
    let file = fs::File::open(archive).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(into).unwrap();
}

/// Reads a `.gz` whole.
pub(crate) fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Packs bytes with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        bytes
    })
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    command.get_args().fold(program.into_owned(), |mut text, argument| {
        let argument = argument.to_string_lossy();
        let quoted = argument.contains(|c: char| c.is_whitespace() || "'\"*()<>|;&$".contains(c));
        let written = if quoted {
            write!(text, " '{}'", argument.replace('\'', "'\\''"))
        } else {
            write!(text, " {argument}")
        };
        written.unwrap();
        text
    })
}

fn list(folder: &Path, indent: &str, text: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().take(40) {
        let name = entry.file_name();
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            writeln!(text, "{indent}{}/", name.display()).unwrap();
            list(&entry.path(), &format!("{indent}  "), text);
        } else {
            writeln!(text, "{indent}{} ({} bytes)", name.display(), metadata.len()).unwrap();
        }
    }
    if entries.len() > 40 {
        writeln!(text, "{indent}… {} more", entries.len() - 40).unwrap();
    }
}

/// Returns the first line that differs, with its number.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let lines = expected.split('\n').zip(found.split('\n')).enumerate();
    for (at, (expected, found)) in lines {
        if expected != found {
            return format!("line {} differs\n  expected: {expected:?}\n  found:    {found:?}", at + 1);
        }
    }
    let (expected, found) = (expected.split('\n').count(), found.split('\n').count());
    format!("expected {expected} lines, found {found}")
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(4_000).map_or(text, |(at, _)| &text[..at])
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
