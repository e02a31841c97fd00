//! Opening `barn.db`: its pragmas, its migrations, and clear words where it is none of ours.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::sums;
use crate::error::Failure;
use crate::fs;

/// The name of the database in the folder of a store.
pub(super) const FILE: &str = "barn.db";

/// "barn" in ASCII, in the header of every store.
const APPLICATION_ID: i32 = 0x6261_726e;

/// How long a writer waits for another one before it gives up.
pub(super) const BUSY: Duration = Duration::from_secs(30);

/// Between two tries to turn the log on; the other process needs a few milliseconds.
const WAL_PAUSE: Duration = Duration::from_millis(5);

/// Brings a database to the next format.
type Migration = fn(&Connection) -> rusqlite::Result<()>;

/// The migrations, in order; the first brings a new file to `user_version` 1.
const MIGRATIONS: &[Migration] = &[
    |database| database.execute_batch(include_str!("schema/0001_catalog.sql")),
    |database| database.execute_batch(include_str!("schema/0002_coverage.sql")),
    |database| database.execute_batch(include_str!("schema/0003_archive.sql")),
    |database| database.execute_batch(include_str!("schema/0004_upkeep.sql")),
    sums::migrate,
];

/// The format from which on a store may have an archive.
pub(super) const ARCHIVE_VERSION: usize = 3;

/// The format from which on series have sums.
pub(super) const SUMS_VERSION: usize = 5;

/// The oldest format that is read as it is; later ones only added tables and columns.
const OLDEST_READ: usize = 1;

/// Opens the database of the store at `root` for writing, and makes both where they are missing.
pub(super) fn open_writer(root: &Path) -> Result<Connection> {
    refuse_file(root)?;
    fs::create_folder(root).with_context(|| cannot_open(root))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(root.join(FILE), flags).map_err(|err| explain(err.into(), root))?;
    prepare_writer(&mut connection).map_err(|err| explain(err, root))?;
    Ok(connection)
}

/// Opens an empty database in the place of the one at `root`; it goes when it is closed, and no file of it is ever
/// seen.
pub(super) fn open_unkept(root: &Path) -> Result<Connection> {
    refuse_file(root)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Without a name it is a temporary file of SQLite's own.
    let mut connection = Connection::open_with_flags("", flags).with_context(|| cannot_open(root))?;
    prepare_writer(&mut connection).map_err(|err| explain(err, root))?;
    Ok(connection)
}

/// Opens the database of the store at `root` for reading.
///
/// A store on a read-only disk is opened too, unless another program left a journal beside it.
pub(super) fn open_reader(root: &Path) -> Result<Connection> {
    refuse_file(root)?;
    let path = root.join(FILE);
    if !path.exists() {
        return Err(Failure::new(format!("cannot open store '{}': there is none", root.display()))
            .hint("`barn store bars FILE.csv` makes one, `--store DIR` names another")
            .into());
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(&path, flags).with_context(|| cannot_open(root))?;
    match prepare_reader(&connection) {
        Err(err) if is_read_only(&err) && !has_journal(root) => {
            let connection = Connection::open_with_flags(immutable_uri(&path), flags)
                .with_context(|| cannot_open(root))?;
            prepare_reader(&connection).map_err(|err| explain(err, root))?;
            Ok(connection)
        }
        Err(err) => Err(explain(err, root)),
        Ok(()) => Ok(connection),
    }
}

fn cannot_open(root: &Path) -> String {
    format!("cannot open store '{}'", root.display())
}

fn refuse_file(root: &Path) -> Result<()> {
    if root.is_file() {
        bail!(Failure::new(format!("{}: it is a file, a store is a folder", cannot_open(root))));
    }
    Ok(())
}

fn prepare_writer(connection: &mut Connection) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    check_owner(connection)?;
    enter_wal(connection)?;
    // FULL, not NORMAL: a transaction is a file or millions of rows, so the one sync it costs is small,
    // and what was acknowledged survives a power cut.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA cache_size = -65536;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 16384;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA mmap_size = 0;",
    )?;
    keep_plans(connection)?;
    migrate(connection)
}

/// Keeps statements, and their plans whatever is bound to them: without that SQLite parses a cached statement again
/// for each series it is run for, since the bounds of a range might change the plan.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Turns the write-ahead log on.
///
/// Two processes that make a store at once stand in each other's way here, and SQLite fails without asking for
/// the busy timeout.
fn enter_wal(connection: &Connection) -> Result<()> {
    let started = Instant::now();
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(err)
                if err.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < BUSY =>
            {
                std::thread::sleep(WAL_PAUSE);
            }
            result => return Ok(result?),
        }
    }
}

fn prepare_reader(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(
        "PRAGMA query_only = 1; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
    )?;
    keep_plans(connection)?;
    check_owner(connection)?;
    let version = user_version(connection)?;
    if version < OLDEST_READ {
        bail!("nothing is in it yet: the command that makes it has not ended, or was stopped");
    }
    Ok(())
}

/// Refuses a database of another program and a store of a newer barn.
fn check_owner(connection: &Connection) -> Result<()> {
    // One transaction, so that a store that another process is making is seen before or after.
    let transaction = connection.unchecked_transaction()?;
    let id: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = user_version(connection)?;
    if id != APPLICATION_ID {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if id != 0 || tables > 0 || version > 0 {
            bail!("'{FILE}' is a database of another program");
        }
    }
    if version > MIGRATIONS.len() {
        bail!("it has format {version} of a newer barn, this one knows formats up to {}", MIGRATIONS.len());
    }
    Ok(())
}

pub(super) fn user_version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version)?)
}

fn migrate(connection: &mut Connection) -> Result<()> {
    if user_version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have been faster.
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(user_version(&transaction)?) {
        migration(&transaction)?;
        fs::fault::point("migrate.step");
        transaction.pragma_update(None, "user_version", i64::try_from(at + 1)?)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()?;
    fs::fault::point("migrate.done");
    Ok(())
}

/// Puts the store's name, and where it helps a hint, on an error of SQLite.
pub(super) fn explain(error: anyhow::Error, root: &Path) -> anyhow::Error {
    let why = match error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::NotADatabase) => format!("'{FILE}' is no database"),
        Some(ErrorCode::DatabaseBusy) => {
            format!("another process has been writing to it for {} s", BUSY.as_secs())
        }
        // SQLite does not say what the operating system said.
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => match tempfile::tempfile_in(root) {
            Err(err) => err.to_string(),
            Ok(_) => return error.context(cannot_open(root)),
        },
        _ => return error.context(cannot_open(root)),
    };
    error.context(why).context(cannot_open(root))
}

fn is_read_only(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    )
}

fn has_journal(root: &Path) -> bool {
    std::fs::metadata(root.join(format!("{FILE}-wal"))).is_ok_and(|journal| journal.len() > 0)
}

/// A read-only disk has no place for the shared memory of a WAL; `immutable` needs none.
fn immutable_uri(path: &Path) -> String {
    let escape = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let path: Vec<_> = path.as_os_str().as_encoded_bytes().iter().map(|byte| escape(*byte)).collect();
    format!("file:{}?immutable=1", path.concat())
}
