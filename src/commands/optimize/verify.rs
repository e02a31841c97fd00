//! The step that looks for damage, and has fetched again what it can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::report::StepReport;
use super::{Step, Work, rows};
use crate::archive;
use crate::commands::fetch::{self, Again};
use crate::commands::tables::threads;
use crate::engine::{Engine, Options};
use crate::error::go_on;
use crate::model::time::format_timestamp;
use crate::model::{Span, Table, Value};
use crate::source;
use crate::store::{ArchiveFile, Checked, Coverage, LedgerKey, Snapshot, State, Store};
use crate::ui::figures;

/// Looks for damage: in the database, in the files of the archive, and with `--full` between the ledger and the rows.
pub(super) fn run(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Verify);
    let snapshot = Arc::new(Snapshot::open(work.root, threads())?);
    let version = snapshot.version().map(hex);
    let (how, damage) = (&work.args.how, &work.args.damage);
    let is_asked = work.is_named(Step::Verify) || how.full || damage.repair || damage.accept;
    if !is_asked && version.is_some() && version == work.verified() {
        return Ok(report);
    }
    let checked = if work.args.how.full { Checked::Full } else { Checked::Quick };
    let findings = Store::open_to_read(work.root)?.check(checked)?;
    if !findings.is_empty() {
        return Ok(damaged_database(work, report, findings));
    }
    let rows = rows::check(work, &snapshot, &mut report)?;
    if !rows.damage.is_empty() {
        return Ok(damaged_database(work, report, rows.damage));
    }
    let files = snapshot.files(None)?;
    let damaged = damaged(work, &snapshot, &files)?;
    let sound: Vec<&Table> = work
        .tables
        .iter()
        .filter(|table| !damaged.iter().any(|(file, _)| file.table == table.name))
        .collect();
    let mut repairs = Vec::new();
    for (file, why) in damaged {
        let claims = claims(&snapshot, file)?;
        let is_known = !claims.is_empty();
        let what = if is_known {
            "can be fetched again"
        } else {
            "cannot be fetched again: put it back from a copy"
        };
        if work.args.damage.repair && is_known && !work.args.dry_run {
            repairs.push((file.clone(), claims));
        } else {
            report.problems.push(format!("'{}': {why}; {what}", file.path));
            if is_known {
                report.hint = Some("`barn optimize --only verify --repair` fetches it again".to_owned());
            }
        }
    }
    if work.args.how.full {
        report.problems.extend(against_the_ledger(&sound, &snapshot)?);
    }
    drop(snapshot);
    rows.sum(work, &mut report);
    for (file, claims) in repairs {
        repair(work, &mut report, &file, &claims)?;
    }
    if work.args.how.full || work.is_named(Step::Verify) {
        let (files_checked, bytes) = (files.len() as u64, files.iter().map(|file| file.bytes).sum());
        let how = if work.args.how.full { "every byte" } else { "presence and size" };
        let count = figures::count(files_checked, "file");
        report.details.push(format!("checked the database and {how} of {count}, {}", figures::bytes(bytes)));
    }
    Ok(report)
}

/// Reports what is wrong with the database. Whatever is read of it may be wrong too, so that nothing is dropped or
/// written anew because of it.
fn damaged_database(work: &Work<'_>, mut report: StepReport, findings: Vec<String>) -> StepReport {
    report.problems.extend(findings.into_iter().map(|finding| format!("'barn.db': {finding}")));
    report.problems.push("no other step follows before the database is sound".to_owned());
    report.hint = Some(format!(
        "put '{0}' back from a copy, and remove '{0}-wal' and '{0}-shm', which belong to this one; \
         `sqlite3 '{0}' .recover` prints what can still be read",
        work.root.join("barn.db").display()
    ));
    report.is_last = true;
    report
}

/// Remembers that the store was found sound, as the steps behind have left it: they prove what they write themselves.
pub(super) fn remember(work: &Work<'_>) -> Result<()> {
    if let Some(version) = Snapshot::open(work.root, 1)?.version() {
        work.remember_verified(&hex(version));
    }
    Ok(())
}

/// Forgets it: something is wrong with the store.
pub(super) fn forget(work: &Work<'_>) {
    work.remember_verified("");
}

/// Returns the name of a state of the store as text.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Returns the files that are not what was published, and why.
fn damaged<'f>(
    work: &Work<'_>,
    snapshot: &Snapshot,
    files: &'f [ArchiveFile],
) -> Result<Vec<(&'f ArchiveFile, String)>> {
    let is_wanted = |file: &&ArchiveFile| work.tables.iter().any(|table| table.name == file.table);
    let files: Vec<&ArchiveFile> = files.iter().filter(is_wanted).collect();
    let (stop, root, is_full) = (&work.context.stop, work.root, work.args.how.full);
    let check = |file: &&'f ArchiveFile| {
        go_on(stop)?;
        let digest = snapshot.digest(file)?;
        let checked = if is_full {
            archive::check(root, file, &digest)
        } else {
            archive::CheckedFile::open(root, file, digest).map(drop)
        };
        Ok(checked.err().map(|err| (*file, err.root_cause().to_string())))
    };
    let found: Vec<Option<_>> = files.par_iter().map(check).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns what the ledger says was fetched of the rows of a file; nothing where some of its series were not.
fn claims(snapshot: &Snapshot, file: &ArchiveFile) -> Result<Vec<(LedgerKey, Coverage)>> {
    let Some(table) = snapshot.tables().iter().find(|table| table.name == file.table) else {
        return Ok(Vec::new());
    };
    let series = snapshot.series(&file.table)?;
    let place = |key: &[u8]| series.iter().position(|entry| entry.key.encode() == key);
    let (first, last) = (place(&file.series_min).unwrap_or(0), place(&file.series_max).unwrap_or(usize::MAX));
    let overlaps = |coverage: &Coverage| {
        coverage.state == State::Have
            && coverage.span.start <= file.ts_max
            && file.ts_min < coverage.span.stop
    };
    let mut by_name: BTreeMap<[String; 3], Vec<(LedgerKey, Coverage)>> = BTreeMap::new();
    for (key, coverage) in snapshot.coverages(Some(&file.table))? {
        if overlaps(&coverage) && source::load(&key.source).is_ok() {
            by_name.entry(key.series()).or_default().push((key, coverage));
        }
    }
    let mut claims = Vec::new();
    // Several series may be one to the ledger, such as the dividends and the splits of a symbol.
    let mut claimed = BTreeSet::new();
    for (at, entry) in series.iter().enumerate() {
        let dataset = archive::Dataset::of(table, &entry.key).folder(table);
        if at < first || at > last || dataset != file.dataset {
            continue;
        }
        let name = LedgerKey::series_of(table, &entry.key);
        match by_name.remove(&name) {
            Some(ranges) => claims.extend(ranges),
            None if claimed.contains(&name) => {}
            None => return Ok(Vec::new()),
        }
        claimed.insert(name);
    }
    Ok(claims)
}

/// Takes a damaged file out of the archive, so that its rows were never asked, and asks for them.
fn repair(
    work: &Work<'_>,
    report: &mut StepReport,
    file: &ArchiveFile,
    claims: &[(LedgerKey, Coverage)],
) -> Result<()> {
    let end = file.ts_max.saturating_add(1);
    let inside = |span: Span| Span::new(span.start.max(file.ts_min), span.stop.min(end));
    let ranges = claims.iter().filter_map(|(key, coverage)| Some((key.clone(), inside(coverage.span)?)));
    let ranges = ranges.collect();
    work.archive(|archiver| archiver.set_aside(file, ranges))?;
    let mut asked: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    for (key, _) in claims {
        let place = (key.source.clone(), key.table.clone(), key.timeframe.clone());
        asked.entry(place).or_default().push(key.symbol.clone());
    }
    for ((source, table, timeframe), symbols) in asked {
        let again = Again {
            source,
            table,
            timeframe,
            symbols,
            since: format_timestamp(file.ts_min),
            until: format_timestamp(end),
        };
        match fetch::again(work.context, again) {
            Ok(None) => report.done.push(format!(
                "'{}': {} fetched again",
                file.path,
                figures::count(file.rows, "row")
            )),
            Ok(Some(_)) => report.problems.push(format!("'{}': some of it was not fetched again", file.path)),
            Err(err) => report.problems.push(format!("'{}': not fetched again: {err:#}", file.path)),
        }
    }
    Ok(())
}

/// Returns the series of which the ledger claims rows that are not there.
fn against_the_ledger(tables: &[&Table], snapshot: &Arc<Snapshot>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for table in tables {
        let mut claimed: BTreeMap<[String; 3], BTreeMap<String, u64>> = BTreeMap::new();
        for (key, coverage) in snapshot.coverages(Some(&table.name))? {
            if coverage.state == State::Have {
                *claimed.entry(key.series()).or_default().entry(key.variant).or_insert(0) += coverage.rows;
            }
        }
        if claimed.is_empty() {
            continue;
        }
        let found = count_series(snapshot, table)?;
        for (name, variants) in claimed {
            // Variants may bring the same rows, and what was asked twice is an estimate.
            let claimed = variants.values().max().copied().unwrap_or(0);
            let found = found.get(&name).copied().unwrap_or(0);
            if found < claimed - claimed / 10 {
                problems.push(format!(
                    "{} {}: the ledger claims {}, there are {}",
                    table.name,
                    name.join(" ").trim_end(),
                    figures::count(claimed, "row"),
                    figures::thousands(found)
                ));
            }
        }
    }
    Ok(problems)
}

/// Returns the rows of each series, by what the ledger calls it.
fn count_series(snapshot: &Arc<Snapshot>, table: &Table) -> Result<BTreeMap<[String; 3], u64>> {
    let names: Vec<&str> = ["source", "symbol", "timeframe"]
        .into_iter()
        .map(|name| if table.key_index(name).is_some() { name } else { "''" })
        .collect();
    let sql = format!("SELECT {}, count(*) FROM {} GROUP BY 1, 2, 3", names.join(", "), table.name);
    let rows = Engine::new(Arc::clone(snapshot), &Options::default())?.query(&sql)?.values()?;
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        _ => String::new(),
    };
    let count = |value: &Value| match value {
        Value::Bigint(count) => count.unsigned_abs(),
        _ => 0,
    };
    Ok(rows.iter().map(|row| ([text(&row[0]), text(&row[1]), text(&row[2])], count(&row[3]))).collect())
}
