//! The ranges that somebody wanted to have, beside the ledger of those that were asked.

use anyhow::{Context as _, Result, ensure};

use super::Store;
use super::ledger::{LedgerKey, WHERE_KEY, parameters};
use crate::model::{Span, coalesce};

impl Store {
    /// Returns the ranges that were wanted of a key, in order and apart from each other.
    pub fn wanted(&self, key: &LedgerKey) -> Result<Vec<Span>> {
        let sql = format!("SELECT start, stop FROM wanted WHERE {WHERE_KEY} ORDER BY start");
        let read = || -> Result<Vec<Span>> {
            let mut spans = Vec::new();
            if !self.has_ledger()? {
                return Ok(spans);
            }
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(parameters(key))?;
            while let Some(row) = rows.next()? {
                spans.extend(Span::new(row.get(0)?, row.get(1)?));
            }
            Ok(spans)
        };
        read().with_context(|| self.cannot_read_ledger())
    }

    /// Adds ranges to those that were wanted of a key; within a transaction.
    pub fn want(&mut self, key: &LedgerKey, spans: &[Span]) -> Result<()> {
        ensure!(self.is_in_transaction(), "cannot write to the ledger outside of a transaction");
        let old = self.wanted(key)?;
        let new = coalesce(old.iter().chain(spans).copied().collect());
        if new == old {
            return Ok(());
        }
        let write = || -> Result<()> {
            let [table, source, variant, symbol, timeframe] = parameters(key);
            let delete = format!("DELETE FROM wanted WHERE {WHERE_KEY}");
            self.connection.prepare_cached(&delete)?.execute(parameters(key))?;
            let insert = "INSERT INTO wanted VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let mut insert = self.connection.prepare_cached(insert)?;
            for Span { start, stop } in &new {
                insert.execute([table, source, variant, symbol, timeframe, start, stop])?;
            }
            Ok(())
        };
        write().with_context(|| format!("cannot write to the ledger of store '{}'", self.root.display()))?;
        self.is_changed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wanted_grows_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let text = |text: &str| text.to_owned();
        let key = LedgerKey {
            table: text("bars"),
            source: text("x"),
            variant: text(""),
            symbol: text("A"),
            timeframe: text("1d"),
        };
        let span = |start, stop| Span { start, stop };
        assert!(store.want(&key, &[span(0, 1)]).is_err());
        store.begin().unwrap();
        store.want(&key, &[span(10, 20), span(40, 50)]).unwrap();
        store.want(&key, &[span(20, 30)]).unwrap();
        assert_eq!(store.wanted(&key).unwrap(), [span(10, 30), span(40, 50)]);
        store.want(&key, &[span(0, 60)]).unwrap();
        store.commit().unwrap();
        assert_eq!(store.wanted(&key).unwrap(), [span(0, 60)]);
        assert_eq!(store.wanted(&LedgerKey { symbol: text("B"), ..key }).unwrap(), []);
    }
}
