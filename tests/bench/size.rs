//! What real data takes in the archive, beside the same rows written by others.

use std::path::PathBuf;

use super::Suite;
use super::measure::{HEAD, PROGRAMS, Sizes};
use super::sets::SETS;

impl Suite {
    /// A larger archive fills the disk sooner, and is read more slowly.
    pub(super) fn size(&mut self) {
        if !self.wants("size") {
            return;
        }
        let Some(data) = self.options.data.clone() else {
            eprintln!("size: left out, `--data FOLDER` or BARN_TEST_DATA names the real market data");
            return;
        };
        let python = std::env::var_os("BARN_TEST_PYTHON").map(PathBuf::from);
        for set in SETS.iter().filter(|set| set.tables.len() == 1) {
            self.sizes.push(Sizes::of(&set.store(&data), python.as_deref()));
        }
    }

    /// Returns the table of sizes.
    pub(super) fn sizes_table(&self) -> String {
        if self.sizes.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = self.sizes.iter().map(Sizes::line).collect();
        format!("Bytes a row, others at zstd 9:\n\n{HEAD}\n{}\n", lines.join("\n"))
    }

    /// Prints the sizes as lines that begin as the others do: with date, commit and machine.
    pub(super) fn print_sizes_csv(&self, start: &str) {
        for sizes in &self.sizes {
            let ours = [("barn", sizes.plain), ("barn --smallest", sizes.smallest)];
            let theirs = PROGRAMS.iter().filter_map(|name| Some((*name, *sizes.peers.get(*name)?)));
            for (program, bytes) in ours.into_iter().chain(theirs) {
                println!("{start},\"size, {} ({program})\",{},,{bytes},,,,", sizes.name, sizes.rows);
            }
        }
    }
}
