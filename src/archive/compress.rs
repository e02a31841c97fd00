//! Moves old rows of a table into the archive: survey, write, prove, publish.
//!
//! At each step a crash leaves either nothing, or files that nobody names and that the next run removes, or all of
//! it. Only one process archives at a time; others may store, fetch and query meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};

use anyhow::{Context as _, Result, bail};

use super::dataset::{DatasetOutcome, Prepared, Work};
use super::layout::{self, FOLDER};
use super::narrow::Choice;
use super::rows::Rows;
use super::survey::{Found, Survey, survey};
use crate::error::Failure;
use crate::fs::{self, Locking, fault};
use crate::model::Table;
use crate::model::time::now;
use crate::store::{Publication, Published, Snapshot, Store};

/// Where files are written before they get their names, in the archive's own file system. Hidden, because
/// programs that read all files below a table's folder must not find it.
const STAGING: &str = ".staging";

/// How long a file stays that another took the place of, in microseconds: no query should take longer.
const GRACE: i64 = 3_600_000_000;

/// The names of the points at which tests end the process, in their order.
pub const KILL_POINTS: &[&str] = &[
    "compress.start",
    "compress.noting",
    "write.group",
    "write.file",
    "verify.file",
    "place.planned",
    "place.file",
    "compress.published",
    "compress.end",
];

/// What to archive, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Rows from this time on stay; `None` archives all.
    pub until: Option<i64>,
    /// The zstd level, [`super::DEFAULT_LEVEL`] where none is given.
    pub level: Option<i32>,
    /// Which types may be chosen.
    pub choice: Choice,
}

/// What watches the work, and what can stop it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Rows looked at and written so far.
    pub done: &'a AtomicU64,
    /// Set to stop.
    pub stop: &'a AtomicBool,
}

/// What became of a table.
#[derive(Clone, Debug, Default)]
pub struct TableOutcome {
    /// Its datasets that have rows to archive.
    pub datasets: Vec<DatasetOutcome>,
    /// Rows that may still change, and stay.
    pub open: u64,
    /// Rows that stand in the place of an archived one, and stay.
    pub corrections: u64,
    /// What left the hot store.
    pub published: Published,
}

impl TableOutcome {
    /// Returns the rows that were archived.
    pub fn rows(&self) -> u64 {
        self.datasets.iter().map(|dataset| dataset.rows).sum()
    }

    /// Returns the bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.datasets.iter().map(|dataset| dataset.bytes).sum()
    }
}

/// Archives tables of a store.
pub struct Archiver<'s> {
    pub(super) root: &'s Path,
    pub(super) store: &'s mut Store,
    pub(super) staging: PathBuf,
    _lock: File,
}

impl<'s> Archiver<'s> {
    /// Prepares the archive of the store at `root`, and removes what an earlier process left behind.
    ///
    /// Fails where another process archives the same store.
    pub fn open(root: &'s Path, store: &'s mut Store) -> Result<Self> {
        let archive = root.join(FOLDER);
        let staging = archive.join(STAGING);
        if !staging.exists() {
            fs::create_folder(&archive).context("cannot prepare the archive")?;
            // A power cut must not take the folder back once it has files that the manifest names.
            fs::sync_folder(root)?;
        }
        fs::create_folder(&staging).context("cannot prepare the archive")?;
        let Some(lock) = fs::lock(&archive.join(".lock"), Locking::Try)? else {
            bail!(Failure::new(format!(
                "cannot write to the archive of store '{}': another process is doing it",
                root.display()
            )));
        };
        let mut archiver = Self { root, store, staging, _lock: lock };
        archiver.sweep().context("cannot remove what an earlier run left in the archive")?;
        fault::point("compress.start");
        Ok(archiver)
    }

    /// Removes staged files, files that were placed and never published, and those that others took the place of long
    /// enough ago.
    pub(super) fn sweep(&mut self) -> Result<()> {
        for path in fs::list(&self.staging)? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove(&path)?;
            }
        }
        for path in self.store.unpublished()? {
            fs::remove(&layout::resolve(self.root, &path)?)?;
        }
        self.store.forget_unpublished()?;
        let old = self.store.superseded(now().saturating_sub(GRACE))?;
        for path in &old {
            fs::remove(&layout::resolve(self.root, path)?)?;
            fault::point("sweep.file");
        }
        self.store.forget_superseded(&old)
    }

    /// Archives the rows of a table.
    pub fn table(&mut self, table: &Table, options: Options, watch: Watch<'_>) -> Result<TableOutcome> {
        if !self.store.has_table(&table.name) {
            return Ok(TableOutcome::default());
        }
        self.store.start_publishing(table)?;
        fault::point("compress.noting");
        let outcome = self.archive(table, options, watch);
        if outcome.is_err() {
            // The error says what went wrong; what cannot be removed now is removed by the next run.
            drop(self.sweep());
        }
        fault::point("compress.end");
        outcome
    }

    fn archive(&mut self, table: &Table, options: Options, watch: Watch<'_>) -> Result<TableOutcome> {
        let snapshot = Snapshot::open(self.root, threads())?;
        let table = current(&snapshot, table)?;
        let rows = Rows::new(&snapshot, table, options.until)?;
        let survey = survey(&rows, snapshot.series(&table.name)?, options.choice, (watch.done, watch.stop))?;
        survey.datasets.keys().try_for_each(|dataset| dataset.check(table))?;
        let corrections = rows.corrections();
        let mut prepared = Vec::new();
        for (dataset, found) in &survey.datasets {
            let level = options.level;
            let (staging, done, stop) = (self.staging.as_path(), watch.done, watch.stop);
            prepared.push(Work { rows: &rows, dataset, found, level, staging, done, stop }.prepare()?);
        }
        let published = if prepared.is_empty() {
            self.store.stop_publishing(table)?;
            Published::default()
        } else {
            self.place(table, &prepared)?;
            let publication = publication(table, options, &survey, &prepared, corrections);
            let published = self.store.publish(&snapshot, &publication)?;
            fault::point("compress.published");
            published
        };
        let datasets = prepared.into_iter().map(|dataset| dataset.outcome).collect();
        Ok(TableOutcome { datasets, open: survey.open, corrections, published })
    }

    /// Gives the staged files their names.
    pub(super) fn place(&mut self, table: &Table, prepared: &[Prepared]) -> Result<()> {
        let files = || prepared.iter().flat_map(|dataset| &dataset.files);
        let paths: Vec<&str> = files().map(|staged| staged.entry.path.as_str()).collect();
        self.store.plan_files(table, &paths)?;
        fault::point("place.planned");
        for staged in files() {
            let path = layout::resolve(self.root, &staged.entry.path)?;
            if let Some(folder) = path.parent() {
                self.create_folders(folder)?;
            }
            fs::rename(&staged.path, &path)?;
            fault::point("place.file");
        }
        Ok(())
    }

    /// Creates the folders of a dataset, durably: a file in a folder that a power cut takes back is lost.
    fn create_folders(&self, folder: &Path) -> Result<()> {
        let archive = self.root.join(FOLDER);
        let mut missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| *folder != archive)
            .filter(|folder| !folder.exists())
            .collect();
        missing.reverse();
        for folder in missing {
            fs::create_folder(folder)?;
            if let Some(above) = folder.parent() {
                fs::sync_folder(above)?;
            }
        }
        Ok(())
    }
}

/// Says what [`Archiver::table`] would do, and changes nothing.
pub fn estimate(
    snapshot: &Snapshot,
    table: &Table,
    options: Options,
    watch: Watch<'_>,
) -> Result<TableOutcome> {
    let rows = Rows::new(snapshot, current(snapshot, table)?, options.until)?;
    let survey = survey(&rows, snapshot.series(&table.name)?, options.choice, (watch.done, watch.stop))?;
    survey.datasets.keys().try_for_each(|dataset| dataset.check(table))?;
    let mut outcome =
        TableOutcome { open: survey.open, corrections: rows.corrections(), ..TableOutcome::default() };
    for (dataset, found) in &survey.datasets {
        let (level, staging, done, stop) = (options.level, Path::new(""), watch.done, watch.stop);
        outcome.datasets.push(Work { rows: &rows, dataset, found, level, staging, done, stop }.estimate()?);
    }
    Ok(outcome)
}

/// Returns a table as a snapshot has it: since it was looked up another process may have given it columns.
pub(super) fn current<'s>(snapshot: &'s Snapshot, table: &Table) -> Result<&'s Table> {
    let found = snapshot.tables().iter().find(|other| other.name == table.name);
    found.with_context(|| format!("cannot find table '{}'", table.name))
}

fn publication<'a>(
    table: &'a Table,
    options: Options,
    survey: &Survey,
    prepared: &[Prepared],
    corrections: u64,
) -> Publication<'a> {
    let files = prepared.iter().flat_map(|dataset| &dataset.files);
    Publication {
        table,
        files: files.map(|staged| (staged.entry.clone(), staged.digest.clone())).collect(),
        datasets: prepared.iter().map(|dataset| dataset.record.clone()).collect(),
        series: survey.datasets.values().flat_map(sums).collect(),
        until: options.until,
        rows: prepared.iter().flat_map(|dataset| &dataset.files).map(|staged| staged.entry.rows).sum(),
        is_all: options.until.is_none() && survey.open == 0 && corrections == 0,
    }
}

/// Returns the series of a dataset with the sums of their rows.
fn sums(found: &Found) -> impl Iterator<Item = (i64, u64)> {
    found.series.iter().map(|entry| entry.id).zip(found.sums.iter().copied())
}

pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
