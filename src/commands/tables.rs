//! What commands over whole tables have in common: which tables, and how far the work is.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use crate::archive::Watch;
use crate::cli::Context;
use crate::error::Failure;
use crate::model::{Table, nearest};
use crate::store::Snapshot;
use crate::ui;

/// Returns the tables that were asked for, or all that have series; `command` is the command's name.
///
/// Tables that are made of others are passed over, and refused by name: what changes is what they are made of.
pub(super) fn chosen(snapshot: &Snapshot, names: &[String], command: &str) -> Result<Vec<Table>> {
    let all = snapshot.tables();
    if names.is_empty() {
        let has_series = |table: &&Table| snapshot.series(&table.name).map(|series| !series.is_empty());
        return all
            .iter()
            .filter(|table| snapshot.rollup_source(&table.name).is_none())
            .filter_map(|table| match has_series(&table) {
                Ok(true) => Some(Ok(table.clone())),
                Ok(false) => None,
                Err(err) => Some(Err(err)),
            })
            .collect();
    }
    names.iter().map(|name| find(snapshot, name, command)).collect()
}

/// Returns a table by its name.
fn find(snapshot: &Snapshot, name: &str, command: &str) -> Result<Table> {
    let all = snapshot.tables();
    if let Some(source) = snapshot.rollup_source(name) {
        let why = format!("it is made of '{source}', and stays in the store");
        return Err(Failure::usage(format!("cannot {command} table '{name}': {why}")).into());
    }
    all.iter().find(|table| table.name == name).cloned().ok_or_else(|| {
        let failure = Failure::usage(format!("cannot {command} table '{name}': there is none"));
        match nearest(name, all.iter().map(|table| table.name.as_str())).first() {
            Some(near) => failure.hint(format!("`barn {command} --table {near}`")),
            None => failure.hint("`barn info` lists the tables"),
        }
        .into()
    })
}

/// Runs `work` while another thread shows how far it is.
pub(super) fn watch<T>(context: &Context, work: impl FnOnce(Watch<'_>) -> Result<T>) -> Result<T> {
    let done = AtomicU64::new(0);
    let tell = |line: &ui::Progress| line.update(done.load(Ordering::Relaxed), 0, None);
    context.ui.progress().watch(tell, || work(Watch { done: &done, stop: &context.stop }))
}

/// Returns how many threads there are cores for.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
