//! Writes files of the archive anew: joined, corrected, or without rows that are to go.
//!
//! The same protocol as for rows that come out of the database: staged, proved, placed, then one transaction in which
//! the new files stand in the manifest for the old ones. These stay on the disk for an hour, because queries that
//! began before still read them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::compact::{self, Cluster};
use super::compress::{Archiver, current, threads};
use super::dataset::{Prepared, Work};
use super::merged::{Corrected, Merged, read_corrected};
use super::narrow::Choice;
use super::removal::{Removal, extents, leaving, ledger, may_lose};
use super::rows::Source as _;
use super::survey::survey;
use super::{Watch, layout};
use crate::fs::{self, fault};
use crate::model::{Span, Table};
use crate::store::{ArchiveFile, Leaving, LedgerKey, Replacement, Snapshot, Store};

/// The names of the points at which tests end the process while files are written anew, in their order.
pub const REWRITE_POINTS: &[&str] = &[
    "rewrite.noting",
    "write.group",
    "write.file",
    "verify.file",
    "place.planned",
    "place.file",
    "rewrite.published",
    "sweep.file",
];

/// Where damaged files are kept; hidden, so that no reader finds it.
const DAMAGED: &str = ".damaged";

/// How often files are joined at most: each time they are fewer.
const PASSES: usize = 8;

/// What became of the files of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Files that were replaced, and those that came for them.
    pub files: (u64, u64),
    /// Their bytes.
    pub bytes: (u64, u64),
    /// The rows of the new files.
    pub rows: u64,
    /// Hot rows that are in the files now.
    pub corrections: u64,
    /// Rows that are gone, in the database and in the archive.
    pub dropped: u64,
}

impl Rewritten {
    /// Returns whether nothing was done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        self.files = (self.files.0 + other.files.0, self.files.1 + other.files.1);
        self.bytes = (self.bytes.0 + other.bytes.0, self.bytes.1 + other.bytes.1);
        self.rows += other.rows;
        self.corrections += other.corrections;
        self.dropped += other.dropped;
    }
}

/// What comes in the place of a cluster.
enum Anew {
    /// No row of it goes.
    AsItIs,
    /// All rows of it go.
    Nothing,
    /// This file.
    File(Box<Prepared>),
}

/// What to do with some files.
#[derive(Default)]
struct Order {
    clusters: Vec<Cluster>,
    unmarked: Vec<(i64, i64)>,
    removal: Removal,
}

impl Archiver<'_> {
    /// Joins small files, brings corrections into the files they correct, and widens old ones.
    ///
    /// A second run changes nothing.
    pub fn compact(&mut self, table: &Table, watch: Watch<'_>) -> Result<Rewritten> {
        let mut all = Rewritten::default();
        for _ in 0..PASSES {
            let done = self.pass(table, watch)?;
            if done.is_nothing() {
                break;
            }
            all.add(&done);
        }
        Ok(all)
    }

    fn pass(&mut self, table: &Table, watch: Watch<'_>) -> Result<Rewritten> {
        if plan_compaction(self.root, table)?.is_empty() {
            return Ok(Rewritten::default());
        }
        self.noting(table, |archiver| {
            let mut all = Rewritten::default();
            for order in archiver.orders(table)? {
                // Each stands for itself: what was published stays, whatever becomes of the next one.
                let snapshot = Snapshot::open(archiver.root, threads())?;
                let table = current(&snapshot, table)?;
                all.add(&archiver.rewrite((&snapshot, table), &order, watch)?);
            }
            Ok(all)
        })
    }

    /// Returns what is to be done with the files of a table, a transaction each.
    fn orders(&self, table: &Table) -> Result<Vec<Order>> {
        let snapshot = Snapshot::open(self.root, 1)?;
        let table = current(&snapshot, table)?;
        let work = compact::plan(&snapshot, table, read_corrected(&snapshot, table)?)?;
        let clusters = work.clusters.into_iter();
        let mut orders: Vec<Order> =
            clusters.map(|cluster| Order { clusters: vec![cluster], ..Order::default() }).collect();
        if !work.unmarked.is_empty() {
            orders.push(Order { unmarked: work.unmarked, ..Order::default() });
        }
        Ok(orders)
    }

    /// Takes the rows that `find` finds out of the database and the archive in one transaction.
    ///
    /// What others write is noted before `find` looks: a row that changes while it looks, or after that, stays.
    pub fn remove(
        &mut self,
        table: &Table,
        find: impl FnOnce(&Arc<Snapshot>) -> Result<Removal>,
        watch: Watch<'_>,
    ) -> Result<Rewritten> {
        if !self.store.has_table(&table.name) {
            return Ok(Rewritten::default());
        }
        self.noting(table, |archiver| {
            let snapshot = Arc::new(Snapshot::open(archiver.root, threads())?);
            let removal = find(&snapshot)?;
            if removal.rows.is_nothing() {
                return Ok(Rewritten::default());
            }
            let snapshot = snapshot.as_ref();
            let table = current(snapshot, table)?;
            let mut clusters = Vec::new();
            let extents = extents(snapshot, table, &removal.rows)?;
            for file in snapshot.files(Some(&table.name))? {
                let is_inside = removal.dataset.as_ref().is_none_or(|dataset| file.dataset == *dataset);
                if is_inside && may_lose(&file, &removal.rows, &extents) {
                    clusters.push(Cluster { files: vec![file], corrected: Corrected::new() });
                }
            }
            let order = Order { clusters, unmarked: Vec::new(), removal };
            archiver.rewrite((snapshot, table), &order, watch)
        })
    }

    /// Takes a damaged file out of the manifest and ranges out of the ledger, and keeps the file in a hidden folder.
    pub fn set_aside(&mut self, file: &ArchiveFile, ranges: Vec<(LedgerKey, Span)>) -> Result<()> {
        let Some(table) = self.store.table(&file.table).cloned() else { return Ok(()) };
        let path = layout::resolve(self.root, &file.path)?;
        self.noting(&table, |archiver| {
            let snapshot = Snapshot::open(archiver.root, 1)?;
            let span = Span::new(file.ts_min, file.ts_max.saturating_add(1));
            let series = compact::series_of(&snapshot, &table, file)?.into_iter();
            let changed = series.filter_map(|series| Some((series, span?))).collect();
            // Before the manifest forgets it: a file that it does not have is removed after an hour.
            let hidden = archiver.hide(&path)?;
            let replaced = archiver.store.replace(&Replacement {
                table: &table,
                old: vec![file],
                new: Vec::new(),
                datasets: Vec::new(),
                merged: Vec::new(),
                unmarked: Vec::new(),
                leaving: Leaving::Keys(&HashMap::new()),
                changed,
                ledger: ranges,
                state: None,
            });
            if let (Err(_), Some(hidden)) = (&replaced, &hidden) {
                // The error says what went wrong; without its name the file is damaged as before.
                fs::rename(hidden, &path).ok();
            }
            fault::point("aside.published");
            replaced.map(drop)
        })
    }

    /// Gives a file a name in the hidden folder, and returns it; `None` where there is no file.
    fn hide(&self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(name) = path.file_name().filter(|_| path.symlink_metadata().is_ok()) else {
            return Ok(None);
        };
        let archive = self.root.join(layout::FOLDER);
        let folder = archive.join(DAMAGED);
        fs::create_folder(&folder)?;
        fs::sync_folder(&archive)?;
        let hidden = folder.join(name);
        fs::rename(path, &hidden)?;
        fault::point("aside.renamed");
        Ok(Some(hidden))
    }

    /// Does work while it is noted what others write to the table.
    fn noting<T>(&mut self, table: &Table, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.store.start_publishing(table)?;
        fault::point("rewrite.noting");
        let result = work(self);
        match &result {
            Ok(_) => self.store.stop_publishing(table)?,
            // The error says what went wrong; what cannot be removed now is removed by the next run.
            Err(_) => drop(self.sweep()),
        }
        result
    }

    fn rewrite(
        &mut self,
        (snapshot, table): (&Snapshot, &Table),
        order: &Order,
        watch: Watch<'_>,
    ) -> Result<Rewritten> {
        let (mut prepared, mut old): (Vec<Prepared>, Vec<&ArchiveFile>) = (Vec::new(), Vec::new());
        for cluster in &order.clusters {
            match self.prepare((snapshot, table), cluster, &order.removal, watch)? {
                Anew::AsItIs => continue,
                Anew::Nothing => {}
                Anew::File(file) => prepared.push(*file),
            }
            old.extend(&cluster.files);
        }
        self.place(table, &prepared)?;
        let new = || prepared.iter().flat_map(|dataset| &dataset.files);
        let merged = order.clusters.iter().flat_map(|cluster| &cluster.corrected);
        let merged = merged.flat_map(|(series, rows)| rows.iter().map(|(ts, _)| (*series, *ts)));
        let replacement = Replacement {
            table,
            old: old.clone(),
            new: new().map(|staged| (staged.entry.clone(), staged.digest.clone())).collect(),
            datasets: prepared.iter().map(|dataset| dataset.record.clone()).collect(),
            merged: merged.collect(),
            unmarked: order.unmarked.clone(),
            leaving: leaving(snapshot, table, &order.removal)?,
            changed: Vec::new(),
            ledger: ledger(snapshot, table, &order.removal)?,
            state: order.removal.state,
        };
        let hot = self.store.replace(&replacement)?;
        fault::point("rewrite.published");
        let sum = |files: &mut dyn Iterator<Item = &ArchiveFile>, of: &dyn Fn(&ArchiveFile) -> u64| {
            files.map(of).sum()
        };
        let rows: u64 = sum(&mut new().map(|staged| &staged.entry), &|file| file.rows);
        let rows_before: u64 = sum(&mut old.iter().copied(), &|file| file.rows);
        Ok(Rewritten {
            files: (old.len() as u64, new().count() as u64),
            bytes: (
                sum(&mut old.iter().copied(), &|file| file.bytes),
                sum(&mut new().map(|staged| &staged.entry), &|file| file.bytes),
            ),
            rows,
            corrections: hot.merged,
            // A correction of a row that is not there after all comes into the file, and makes it longer.
            dropped: hot.dropped + rows_before.saturating_sub(rows),
        })
    }

    /// Writes and proves the file of a cluster.
    fn prepare(
        &self,
        (snapshot, table): (&Snapshot, &Table),
        cluster: &Cluster,
        removal: &Removal,
        watch: Watch<'_>,
    ) -> Result<Anew> {
        let dropped = &removal.rows;
        let merged = Merged::open((snapshot, table), &cluster.files, cluster.corrected.clone(), dropped)?;
        let series = merged.series().to_vec();
        let survey = survey(&merged, series, Choice::Plain, (watch.done, watch.stop))?;
        let Some((dataset, found)) = survey.datasets.iter().next() else { return Ok(Anew::Nothing) };
        let rows: u64 = cluster.files.iter().map(|file| file.rows).sum();
        if !dropped.is_nothing() && found.rows == rows {
            return Ok(Anew::AsItIs);
        }
        let (staging, done, stop) = (self.staging.as_path(), watch.done, watch.stop);
        let work = Work { rows: &merged, dataset, found, level: None, staging, done, stop };
        work.prepare_as(&[merged.all()]).map(|file| Anew::File(Box::new(file)))
    }

    /// Removes what [`find_orphans`] finds, and returns how many files there were and their bytes.
    pub fn remove_orphans(&mut self) -> Result<(u64, u64)> {
        let (mut files, mut bytes) = (0, 0);
        for (path, size) in find_orphans(self.root, self.store)? {
            fs::remove(&path)?;
            (files, bytes) = (files + 1, bytes + size);
        }
        Ok((files, bytes))
    }
}

/// Returns the files that [`Archiver::compact`] would write anew, together, and changes nothing.
pub fn plan_compaction(root: &Path, table: &Table) -> Result<Vec<Vec<ArchiveFile>>> {
    let snapshot = Snapshot::open(root, 1)?;
    let Some(table) = snapshot.tables().iter().find(|other| other.name == table.name) else {
        return Ok(Vec::new());
    };
    let work = compact::plan(&snapshot, table, read_corrected(&snapshot, table)?)?;
    let unmarked = (!work.unmarked.is_empty()).then(Vec::new);
    Ok(work.clusters.into_iter().map(|cluster| cluster.files).chain(unmarked).collect())
}

/// Returns the files that no manifest names, and that the archive made, with their sizes: those of a store that was
/// put back from a copy.
///
/// There are none where a file of the manifest is missing, because then the database and the folder do not belong
/// together.
pub fn find_orphans(root: &Path, store: &Store) -> Result<Vec<(PathBuf, u64)>> {
    let known = store.known_files()?;
    for path in &known.manifest {
        if !layout::resolve(root, path)?.is_file() {
            return Ok(Vec::new());
        }
    }
    layout::orphans(root, &known.all)
}
