//! What real data takes in the archive, beside the same rows written by others.

use std::path::PathBuf;

use super::measure::{HEAD, PROGRAMS, Sizes};
use super::sets::SETS;
use super::{Suite, output};

impl Suite {
    /// A larger archive fills the disk sooner, and is read more slowly.
    pub(super) fn size(&mut self) {
        if !self.wants("size") {
            return;
        }
        let Some(data) = self.data.clone() else {
            println!("size: left out, `--data FOLDER` or BARN_TEST_DATA names the real market data");
            return;
        };
        let python = std::env::var_os("BARN_TEST_PYTHON").map(PathBuf::from);
        for set in SETS.iter().filter(|set| set.tables.len() == 1) {
            self.sizes.push(Sizes::of(&set.store(&data), python.as_deref()));
        }
    }

    pub(super) fn print_sizes(&self) {
        if !self.sizes.is_empty() {
            println!("\nBytes a row, others at zstd 9:\n\n{HEAD}");
        }
        for sizes in &self.sizes {
            println!("{}", sizes.line());
        }
    }

    pub(super) fn print_sizes_csv(&self) {
        let date = output("date", &["-u", "+%Y-%m-%d"]);
        let commit = output("git", &["rev-parse", "--short", "HEAD"]);
        let machine = output("uname", &["-m"]);
        for sizes in &self.sizes {
            let ours = [("barn", sizes.plain), ("barn --smallest", sizes.smallest)];
            let theirs = PROGRAMS.iter().filter_map(|name| Some((*name, *sizes.peers.get(*name)?)));
            for (program, bytes) in ours.into_iter().chain(theirs) {
                println!(
                    "{date},{commit},{machine},\"size, {} ({program})\",{},,{bytes}",
                    sizes.name, sizes.rows
                );
            }
        }
    }
}
