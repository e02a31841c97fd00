//! Opening `cache.db`, and staying out of its way when it cannot be used: after a failure it is left alone for
//! a while, and one sentence is kept for the user. One that is damaged is begun anew by the next write.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::fs::{self, Locking};

/// The name of the file in the folder of a store.
pub(super) const FILE: &str = "cache.db";
/// Held by the process that begins a damaged file anew.
const LOCK: &str = ".cache.lock";
/// "barc" in ASCII.
const APPLICATION_ID: i64 = 0x6261_7263;
/// What brings a file from each format to the next; a new file has format 0.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("results.sql")];

/// How long the database is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(30);

/// The connections of one process to `cache.db`.
pub(super) struct Database {
    path: PathBuf,
    /// How long a write waits for another process.
    patience: Duration,
    /// What it means that the database cannot be used.
    consequence: &'static str,
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    warning: Option<String>,
    is_told: bool,
    damage: Damage,
    /// By [`Access`]: what cannot be written, because the disk is full, can still be read.
    paused_until: [Option<Instant>; 2],
}

/// Whether what is in the file cannot be read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Damage {
    #[default]
    None,
    /// The next write begins it anew.
    Found,
    /// It was begun anew.
    Mended,
}

#[derive(Clone, Copy)]
enum Access {
    Read = 0,
    Write = 1,
}

/// Locks a mutex; what it guards is whole after each step, so that a panic elsewhere does no harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    pub(super) fn new(root: &Path, patience: Duration, consequence: &'static str) -> Self {
        Self {
            path: root.join(FILE),
            patience,
            consequence,
            writer: Mutex::default(),
            readers: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Reads with a connection of its own; `None` where there is no file yet, or where it fails.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<Option<T>>) -> Option<T> {
        if self.is_paused(Access::Read) {
            return None;
        }
        let read = || {
            let idle = lock(&self.readers).pop();
            let connection = match idle {
                Some(connection) => connection,
                None if !self.path.exists() => return Ok(None),
                None => match open_reader(&self.path, self.patience)? {
                    Some(connection) => connection,
                    None => return Ok(None),
                },
            };
            let result = work(&connection);
            lock(&self.readers).push(connection);
            result
        };
        read().unwrap_or_else(|err| {
            self.note(&err, Access::Read);
            None
        })
    }

    /// Writes in one transaction, which makes the file where there is none.
    pub(super) fn write<T>(&self, work: impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.write_with(&mut lock(&self.writer), work)
    }

    /// Returns the connection for writing unless another thread has it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the connection for writing once no other thread has it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        lock(&self.writer)
    }

    /// Writes in one transaction with the connection that [`Database::lock`] returned.
    pub(super) fn write_with<T>(
        &self,
        writer: &mut Option<Connection>,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        if self.is_paused(Access::Write) {
            bail!("cannot use cache '{}': it failed before", self.path.display());
        }
        self.with(writer, |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .inspect_err(|err| self.note(err, Access::Write))
        .with_context(|| format!("cannot use cache '{}'", self.path.display()))
    }

    /// Works with the connection for writing, which is opened where there is none. Where the file turns out to be
    /// damaged it is begun anew, and the work done again.
    fn with<T>(
        &self,
        writer: &mut Option<Connection>,
        mut work: impl FnMut(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = |writer: &mut Option<Connection>| {
            let connection = match writer {
                Some(connection) => connection,
                None => writer.insert(open_writer(&self.path, self.patience)?),
            };
            work(connection)
        };
        if self.damage() != Damage::Found {
            match attempt(writer) {
                Err(err) if self.is_damage(&err) => {}
                done => return done,
            }
        }
        *writer = None;
        let is_anew = begin_anew(&self.path, self.patience)?;
        let done = attempt(writer)?;
        lock(&self.readers).clear();
        let warning =
            is_anew.then(|| format!("cache '{}' was damaged, and is begun anew", self.path.display()));
        *lock(&self.trouble) = Trouble { warning, damage: Damage::Mended, ..Trouble::default() };
        Ok(done)
    }

    /// Gives free pages back to the file system where there are this many bytes of them, and a quarter of the file.
    pub(super) fn shrink(&self, least: i64) -> Result<()> {
        let vacuum = |connection: &mut Connection| {
            let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let (free, pages) = (number("freelist_count")?, number("page_count")?);
            if free * number("page_size")? < least || free < pages / 4 {
                return Ok(());
            }
            match connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);") {
                Err(err) if err.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
                done => Ok(done?),
            }
        };
        self.with(&mut self.lock(), vacuum)
            .with_context(|| format!("cannot vacuum cache '{}'", self.path.display()))
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn damage(&self) -> Damage {
        lock(&self.trouble).damage
    }

    /// Returns whether a failure says that what is in our file cannot be read.
    fn is_damage(&self, error: &anyhow::Error) -> bool {
        matches!(code(error), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            && is_ours(&self.path)
    }

    /// Returns whether a failure says that another process is at work on the file.
    pub(super) fn is_busy(error: &anyhow::Error) -> bool {
        code(error) == Some(ErrorCode::DatabaseBusy)
    }

    fn is_paused(&self, access: Access) -> bool {
        lock(&self.trouble).paused_until[access as usize].is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, error: &anyhow::Error, access: Access) {
        let is_damage = self.is_damage(error);
        let mut trouble = lock(&self.trouble);
        if is_damage {
            if trouble.damage == Damage::Mended && matches!(access, Access::Read) {
                // Of before, from another thread. What was damaged since the next write finds.
                return;
            }
            trouble.damage = Damage::Found;
        }
        trouble.paused_until[access as usize] = Some(Instant::now() + PAUSE);
        if trouble.warning.is_none() {
            let why = if Self::is_busy(error) {
                "another process has locked it".to_owned()
            } else {
                format!("{error:#}")
            };
            let path = self.path.display();
            trouble.warning = Some(format!("cannot use cache '{path}': {why}; {}", self.consequence));
        }
    }

    /// Returns the sentence on the first failure, once.
    pub(super) fn warning(&self) -> Option<String> {
        let mut trouble = lock(&self.trouble);
        if trouble.is_told {
            return None;
        }
        let warning = trouble.warning.clone();
        trouble.is_told = warning.is_some();
        warning
    }
}

fn open_writer(path: &Path, patience: Duration) -> Result<Connection> {
    if let Some(folder) = path.parent() {
        fs::create_folder(folder)?;
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection, patience)?;
    // OFF: what a power cut takes can be fetched again, and a killed process loses nothing.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;
         PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(format(&transaction)?) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(at + 1)?)?;
    }
    transaction.commit()?;
    // Where another process is in the way the journal stays as it is until the next one opens the file.
    match connection.execute_batch("PRAGMA journal_mode = WAL") {
        Err(err) if err.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => Err(err.into()),
        _ => Ok(connection),
    }
}

/// Returns what SQLite calls a failure, where it is one of SQLite's.
fn code(error: &anyhow::Error) -> Option<ErrorCode> {
    error.downcast_ref().and_then(rusqlite::Error::sqlite_error_code)
}

/// Returns whether the first page of a damaged file is that of a cache, or never came to the disk.
///
/// Only for a file that SQLite cannot use: to close any handle of a file drops the locks that SQLite holds on it in this
/// process. The bytes are those of <https://sqlite.org/fileformat2.html#the_database_header>.
fn is_ours(path: &Path) -> bool {
    let mut header = [1; 72];
    let is_read = fs::open(path).is_ok_and(|mut file| file.read_exact(&mut header).is_ok());
    let is_cache =
        header.starts_with(b"SQLite format 3\0") && header[68..] == APPLICATION_ID.to_be_bytes()[4..];
    is_read && (is_cache || header == [0; 72])
}

/// Empties a damaged file in its place, under SQLite's own locks: others may have it open. Returns whether that was
/// still to be done.
fn begin_anew(path: &Path, patience: Duration) -> Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // From the look to the end, so that nobody empties what another has begun.
    let started = Instant::now();
    let _lock = loop {
        match fs::lock(&path.with_file_name(LOCK), Locking::Try)? {
            Some(lock) => break lock,
            None if started.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
            None => bail!("another process begins it anew"),
        }
    };
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection, patience)?;
    let sound = connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
    if sound.is_ok_and(|finding| finding == "ok") {
        // Another process was faster.
        return Ok(false);
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
    connection.execute_batch("VACUUM")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
    Ok(true)
}

/// Opens a connection for reading, `None` where another process is about to make the file.
fn open_reader(path: &Path, patience: Duration) -> Result<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection, patience)?;
    // OFF: whoever closes the file last brings the journal in, which may be this one.
    connection.execute_batch(
        "PRAGMA query_only = 1; PRAGMA cache_size = -512; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;
         PRAGMA synchronous = OFF;",
    )?;
    // An earlier format lacks only what was added since.
    Ok((format(&connection)? > 0).then_some(connection))
}

/// Returns the format of a file: 0 for a new one, an error for one of another program or of a newer barn.
fn format(connection: &Connection) -> Result<usize> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if id == APPLICATION_ID {
        let known = usize::try_from(version).ok().filter(|version| (1..=MIGRATIONS.len()).contains(version));
        let Some(format) = known else {
            bail!(
                "it has format {version} of another barn, this one knows formats up to {}",
                MIGRATIONS.len()
            );
        };
        return Ok(format);
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != 0 || version != 0 || tables > 0 {
        bail!("it is a database of another program");
    }
    Ok(0)
}

/// Lets a connection wait for others in small steps: their transactions are short, and SQLite's own handler soon
/// sleeps for a tenth of a second.
fn wait_for_others(connection: &mut Connection, patience: Duration) -> Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        std::thread::sleep(Duration::from_micros(if tries < 100 { 200 } else { 5_000 }));
        since.elapsed() < patience
    }))?;
    Ok(())
}
