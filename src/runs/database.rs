//! Opening `runs.db`, and what is kept in it by name.
//!
//! The journal is SQLite's plain one: it is gone when a transaction ends, so that a copied or read-only folder
//! can be read as it is.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::error::Failure;
use crate::store::Store;

const FILE: &str = "runs.db";
/// "barr" in ASCII.
const APPLICATION_ID: i64 = 0x6261_7272;
/// The format of the file; a new one has 0.
const FORMAT: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");

/// How long a transaction waits for another process, whose own takes a millisecond.
const PATIENCE: Duration = Duration::from_millis(250);

/// The records of a store, `runs.db` in its folder.
///
/// The file is opened when it is first needed and made at the first write, unless there is no store: a command
/// that failed must not make one. Where there is no file nothing is found, which is no error.
pub struct Runs {
    root: PathBuf,
    reader: RefCell<Option<Connection>>,
    writer: RefCell<Option<Connection>>,
}

impl Runs {
    /// The records of the store in the folder `root`.
    pub fn open(root: &Path) -> Self {
        Self { root: root.to_owned(), reader: RefCell::default(), writer: RefCell::default() }
    }

    /// Returns what was put under a key.
    pub fn get_meta(&self, key: &str) -> Result<Option<String>> {
        self.read(|connection| {
            let mut find = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
            Ok(find.query_row([key], |row| row.get(0)).optional()?)
        })
    }

    /// Puts a value under a key, in the place of an earlier one.
    pub fn put_meta(&self, key: &str, value: &str) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])?;
            Ok(())
        })
    }

    fn path(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// Reads; the default where there is no file, or one without tables yet.
    pub(super) fn read<T: Default>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let path = self.path();
        let read = || {
            let mut reader = self.reader.borrow_mut();
            let connection = match &mut *reader {
                Some(connection) => connection,
                None if !path.exists() => return Ok(T::default()),
                None => match open_reader(&path)? {
                    Some(connection) => reader.insert(connection),
                    None => return Ok(T::default()),
                },
            };
            work(connection)
        };
        read().with_context(|| unusable(&path))
    }

    /// Writes in one transaction.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let path = self.path();
        let write = || {
            if !Store::exists(&self.root) {
                bail!("there is no store in '{}'", self.root.display());
            }
            let mut writer = self.writer.borrow_mut();
            let connection = match &mut *writer {
                Some(connection) => connection,
                None => writer.insert(open_writer(&path)?),
            };
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        write().with_context(|| unusable(&path))
    }
}

fn unusable(path: &Path) -> Failure {
    Failure::new(format!("cannot use run records '{}'", path.display()))
        .hint(format!("`rm '{}'` forgets them, and the next command makes new ones", path.display()))
}

fn open_writer(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // OFF: a sync takes longer than a record may, and what a power cut takes are records.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;",
    )?;
    if format(&connection)? == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Read again under the lock: another process may have been faster.
        if format(&transaction)? == 0 {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// Opens a connection for reading, `None` where another process is about to make the file.
fn open_reader(path: &Path) -> Result<Option<Connection>> {
    // For writing where that is possible: what a killed process left half done is taken back first.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;")?;
    Ok((format(&connection)? > 0).then_some(connection))
}

/// Returns the format of a file: 0 for a new one, an error for one of another program or of a newer barn.
fn format(connection: &Connection) -> Result<i64> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if id == APPLICATION_ID {
        if version != FORMAT {
            bail!("it has format {version} of another barn, this one knows format {FORMAT}");
        }
        return Ok(FORMAT);
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != 0 || version != 0 || tables > 0 {
        bail!("it is a database of another program");
    }
    Ok(0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fs::{Overwrite, replace};

    /// A folder with a store.
    pub(crate) fn store() -> (tempfile::TempDir, Runs) {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path()).unwrap().close().unwrap();
        let runs = Runs::open(folder.path());
        (folder, runs)
    }

    #[test]
    fn values_are_kept_by_their_keys() {
        let (folder, runs) = store();
        assert_eq!(runs.get_meta("verified").unwrap(), None);
        assert!(!folder.path().join(FILE).exists());
        runs.put_meta("verified", "1").unwrap();
        runs.put_meta("verified", "2").unwrap();
        assert_eq!(Runs::open(folder.path()).get_meta("verified").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn nothing_is_made_where_there_is_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path());
        assert!(runs.put_meta("a", "b").is_err());
        assert!(!folder.path().join(FILE).exists());
        assert_eq!(runs.get_meta("a").unwrap(), None);
    }

    #[test]
    fn a_file_of_another_program_and_a_damaged_one_are_left_alone() {
        let (folder, runs) = store();
        let path = folder.path().join(FILE);
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let error = format!("{:#}", runs.put_meta("a", "b").unwrap_err());
        assert!(error.contains("another program"), "{error}");
        replace(&path, &[7; 8192], Overwrite::Replace).unwrap();
        let runs = Runs::open(folder.path());
        assert!(runs.put_meta("a", "b").is_err());
        assert!(runs.get_meta("a").is_err());
    }
}
