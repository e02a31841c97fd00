//! A process that rewrites the archive and dies at each step: every row is there once, and the same command completes.

use barn::archive::REWRITE_POINTS;

use super::{config, try_optimize};
use crate::compress::archived::{BARS, assert_same, assert_tidy, corrections, hot, manifest, moved, rows};
use crate::harness::Sandbox;
use crate::sample::minute_bars;

const NOW: &str = "2024-06-01T00:00:00Z";
const LATER: &str = "2024-06-01T02:00:00Z";

/// A database and an archive, and a copy of them for each case.
struct Template(Sandbox);

impl Template {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", minute_bars(3, 80));
        sandbox.store("bars a.csv --set timeframe=1m");
        for time in ["00:20", "00:40", "01:00"] {
            moved(&sandbox, &format!("--before 2024-01-01T{time}:00Z"));
        }
        sandbox.write("late.csv", "ts,symbol,close\n1704067200,SYM001,1.5\n1704067260,SYM002,2.5\n");
        assert_eq!(sandbox.store("bars late.csv --set timeframe=1m").updated, 2);
        Self(sandbox)
    }

    fn copy(&self) -> Sandbox {
        let copy = Sandbox::new();
        copy.write("barn/barn.db", self.0.read("barn/barn.db"));
        for path in manifest(&self.0) {
            copy.write(&format!("barn/archive/{path}"), self.0.read(&format!("barn/archive/{path}")));
        }
        copy
    }
}

/// Runs a command until the process dies at a point; returns whether it came there.
fn die(sandbox: &Sandbox, point: &str, (now, words): (&str, &[&str])) -> bool {
    let mut command = sandbox.barn_command(words);
    command.env("BARN_KILL", point).env("BARN_NOW", now);
    sandbox.run(command, None).any().0.is_none()
}

#[test]
fn compaction_dies_at_each_point_and_nothing_is_lost() {
    let template = Template::new();
    let mut died = Vec::new();
    for point in REWRITE_POINTS {
        let sandbox = template.copy();
        let before = rows(&sandbox, BARS);
        for now in [NOW, LATER] {
            if die(&sandbox, point, (now, &["optimize", "--only", "compact"])) {
                died.push(*point);
            }
            assert_same(&rows(&sandbox, BARS), &before);
        }
        try_optimize(&sandbox, NOW, "").ok();
        assert_same(&rows(&sandbox, BARS), &before);
        assert_eq!(corrections(&sandbox, "bars"), 0, "{point}");
        assert_eq!(hot(&sandbox, "bars"), 60, "{point}");
        try_optimize(&sandbox, "2024-06-01T04:00:00Z", "").ok();
        assert_tidy(&sandbox);
        assert_eq!(manifest(&sandbox).len(), 1, "{point}");
        assert_eq!(sandbox_store(&template, &sandbox), (240, 0), "{point}");
    }
    died.dedup();
    assert_eq!(died, REWRITE_POINTS);
}

/// Stores the rows of the template again, and returns how many were read and how many were new.
fn sandbox_store(template: &Template, sandbox: &Sandbox) -> (u64, u64) {
    sandbox.write("a.csv", template.0.read("a.csv"));
    let counts = sandbox.store("bars a.csv --set timeframe=1m");
    (counts.read, counts.inserted)
}

#[test]
fn a_deletion_dies_at_each_point_and_is_done_or_not() {
    let template = Template::new();
    let words = ["delete", "bars", "--yes", "--where", "symbol = 'SYM001' OR ts < '2024-01-01T00:05:00Z'"];
    for point in REWRITE_POINTS {
        let sandbox = template.copy();
        let before = rows(&sandbox, BARS);
        let left = "SELECT * FROM bars WHERE NOT (symbol = 'SYM001' OR ts < '2024-01-01T00:05:00Z')
                    ORDER BY source, symbol, timeframe, ts";
        let after = rows(&sandbox, left);
        die(&sandbox, point, (NOW, &words));
        let found = rows(&sandbox, BARS);
        assert!(found == before || found == after, "{point}");
        sandbox.barn(words).ok();
        assert_same(&rows(&sandbox, BARS), &after);
        try_optimize(&sandbox, LATER, "").ok();
        try_optimize(&sandbox, "2024-06-01T04:00:00Z", "").ok();
        assert_tidy(&sandbox);
        assert_same(&rows(&sandbox, BARS), &after);
    }
}

#[test]
fn retention_dies_at_each_point_and_is_done_or_not() {
    let template = Template::new();
    for point in REWRITE_POINTS {
        let sandbox = template.copy();
        config(&sandbox, "[table.bars.retention]\n1m = \"1d\"\n");
        let now = "2024-01-02T00:09:30Z";
        let before = rows(&sandbox, BARS);
        let after = rows(
            &sandbox,
            "SELECT * FROM bars WHERE ts >= '2024-01-01T00:10:00Z' ORDER BY source, symbol, timeframe, ts",
        );
        die(&sandbox, point, (now, &["optimize", "--only", "retention"]));
        let found = rows(&sandbox, BARS);
        assert!(found == before || found == after, "{point}");
        try_optimize(&sandbox, now, "--only retention").ok();
        assert_same(&rows(&sandbox, BARS), &after);
        try_optimize(&sandbox, now, "").ok();
    }
}
