//! What commands are put through: for each, a folder as it is before, and what of its rows may be seen whatever
//! happens to the command on its way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Done, Sandbox};
use crate::market::{KEY, KEY_NAME, NOW, Shape};
use crate::sample::minute_bars;
use crate::server::Server;

/// The clock of the commands that do not fetch, and hours later, when what was replaced may go.
const CLOCK: &str = "2024-06-01T12:30:00Z";
const LATER: &str = "2024-06-01T14:30:00Z";
const LATEST: &str = "2024-06-01T16:30:00Z";

const BARS: &str = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";
const TRADES: &str = "SELECT * FROM trades ORDER BY source, symbol, ts, seq";
const HOURS: &str = "SELECT * FROM bars_1h ORDER BY source, symbol, ts";

/// A command and the folder it is run in.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    words: &'static [&'static str],
    /// What is asked to see its rows.
    queries: &'static [&'static str],
    /// All of it is done or nothing.
    is_whole: bool,
    prepare: fn(&Sandbox),
}

/// Every command that writes, and one that reads; the first one finds no store.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "a new store",
        words: &["store", "bars", "a.csv", "--set", "timeframe=1m"],
        queries: &[BARS],
        is_whole: true,
        prepare: |folder| folder.write("a.csv", minute_bars(2, 30)),
    },
    Scene {
        name: "late rows beside an archive",
        words: &["store", "bars", "late.csv", "--set", "timeframe=1m", "--max-bad", "50%"],
        queries: &[BARS],
        is_whole: true,
        prepare: |folder| {
            archived(folder);
            folder.write("late.csv", LATE);
        },
    },
    Scene {
        name: "a store of the first format",
        words: &["store", "bars", "a.csv", "--set", "timeframe=1m"],
        queries: &[BARS],
        is_whole: true,
        prepare: |folder| {
            folder.write("a.csv", minute_bars(2, 30));
            fs::create_dir(folder.path("barn")).unwrap();
            let first = include_str!("../../src/store/schema/0001_catalog.sql");
            let owner = "PRAGMA application_id = 0x6261726e; PRAGMA user_version = 1;";
            folder.sqlite().execute_batch(&format!("{first};{owner}")).unwrap();
        },
    },
    Scene {
        name: "a fetch",
        words: &[
            "fetch",
            "./source.toml",
            "AAA",
            "BBB",
            "-t",
            "1h",
            "--since",
            "2024-05-01",
            "--until",
            "2024-05-20",
        ],
        queries: &[BARS],
        is_whole: false,
        prepare: |_| (),
    },
    Scene {
        name: "compress",
        words: &["compress", "--all"],
        queries: &[BARS, TRADES],
        is_whole: true,
        prepare: hot,
    },
    Scene {
        name: "compress behind a crash",
        words: &["compress", "--all"],
        queries: &[BARS],
        is_whole: true,
        prepare: |folder| {
            archived(folder);
            folder.write("late.csv", LATE);
            folder.store("bars late.csv --set timeframe=1m --max-bad 50%");
            // Files that others took the place of, half a day before.
            folder.barn(["optimize", "--only", "compact"]).ok();
            let mut command = folder.barn_command(["compress", "--all"]);
            command.env("BARN_KILL", "place.file");
            assert_eq!(folder.run(command, None).any().0, None);
        },
    },
    Scene {
        name: "a first rollup",
        words: &["optimize", "--only", "rollups"],
        queries: &[BARS],
        is_whole: true,
        prepare: |folder| {
            archived(folder);
            folder.write("barn/barn.toml", ROLLUP);
        },
    },
    Scene {
        name: "optimize",
        words: &["optimize"],
        queries: &[BARS, TRADES, HOURS],
        is_whole: false,
        prepare: worn,
    },
    Scene {
        name: "delete",
        words: &["delete", "bars", "--where", "symbol = 'SYM001' OR ts < '2024-01-01T00:10:00Z'", "--yes"],
        queries: &[BARS],
        is_whole: true,
        prepare: archived,
    },
    Scene {
        name: "a query",
        words: &[
            "query",
            "SELECT symbol, count(*) AS n, max(close) AS top FROM bars GROUP BY 1 ORDER BY 1",
            "--format",
            "csv",
        ],
        queries: &[BARS],
        is_whole: true,
        prepare: archived,
    },
];

/// Returns the scenes, or the one that `BARN_TEST_SCENE` names.
pub(crate) fn scenes() -> impl Iterator<Item = &'static Scene> {
    let wanted = std::env::var("BARN_TEST_SCENE").ok();
    SCENES.iter().filter(move |scene| wanted.as_deref().is_none_or(|name| name == scene.name))
}

const ROLLUP: &str =
    "[rollup.bars_1h]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1h\"\ncolumns = { n = \"count(*)\" }\n";

/// Corrections of archived rows, new rows of all ages, and one that is none.
const LATE: &str = "ts,symbol,open,high,low,close,volume\n1704067200,SYM000,1,2,0.5,1.5,7\n1704067260,SYM001,1,2,0.5,1.5,8\n\
                    1600000000,SYM000,1,2,0.5,1.5,9\n1800000000,NEW,1,2,0.5,1.5,9\nnever,SYM000,1,2,0.5,1.5,9\n";

fn hot(folder: &Sandbox) {
    folder.write("a.csv", minute_bars(2, 40));
    let trades: String = (0..60).map(|at| format!("{},{},1\n", at / 7, at % 3)).collect();
    folder.write("trades.csv", format!("ts,price,size\n{trades}"));
    folder.store("bars a.csv --set timeframe=1m");
    folder.store("bars a.csv --set timeframe=1h");
    folder.store("trades trades.csv --set symbol=A");
}

/// Rows of which the older ones are archived, in two files.
fn archived(folder: &Sandbox) {
    folder.write("a.csv", minute_bars(2, 40));
    folder.store("bars a.csv --set timeframe=1m");
    for time in ["00:15", "00:30"] {
        folder.barn(["compress", "--before", &format!("2024-01-01T{time}:00Z")]).ok();
    }
}

/// A store with work for each step of `optimize`.
fn worn(folder: &Sandbox) {
    hot(folder);
    folder.write("old.csv", minute_bars(2, 20).replace(",SYM", ",OLD").replace("\n17", "\n15"));
    folder.store("bars old.csv --set timeframe=1m");
    folder.write("barn/barn.toml", format!("[table.bars.retention]\n1m = \"1000d\"\n{ROLLUP}"));
    folder.barn(["optimize", "--only", "rollups"]).ok();
    for time in ["00:15", "00:30"] {
        folder.barn(["compress", "--before", &format!("2024-01-01T{time}:00Z")]).ok();
    }
    folder.write("late.csv", LATE);
    folder.store("bars late.csv --set timeframe=1m --max-bad 50%");
    // Free pages, so that the database is written anew.
    folder.write("gone.csv", minute_bars(40, 200).replace(",SYM", ",GONE"));
    folder.store("bars gone.csv --set timeframe=5m");
    folder.barn(["delete", "bars", "--where", "timeframe = '5m'", "--yes"]).ok();
    // Worth keeping, and soon out of date.
    folder.query("SELECT count(*) FROM bars a, bars b, bars c WHERE a.close < b.close + c.close");
}

/// The rows that the queries of a scene give, as lines.
type Rows = Vec<BTreeSet<String>>;

/// A scene that is ready to be played, as often as one likes.
pub(crate) struct Stage {
    pub(crate) scene: &'static Scene,
    template: Sandbox,
    before: Rows,
    after: Rows,
    printed: String,
    _provider: Server,
}

impl Stage {
    /// Prepares a scene, and plays it once as it should be.
    pub(crate) fn new(scene: &'static Scene) -> Self {
        let provider = Server::start(|seen| Shape::Rows.answer(seen, NOW));
        let template = Sandbox::new();
        (scene.prepare)(&template);
        template.write("source.toml", Shape::Rows.definition(&provider.url(), ""));
        let mut stage = Self {
            scene,
            template,
            before: Rows::new(),
            after: Rows::new(),
            printed: String::new(),
            _provider: provider,
        };
        let folder = stage.folder();
        let has_store = folder.path("barn/barn.db").exists();
        stage.before = match scene.name {
            // Its tables are read once they are there.
            "a store of the first format" => vec![BTreeSet::new()],
            _ if has_store => stage.rows(&folder).unwrap(),
            _ => scene.queries.iter().map(|_| BTreeSet::new()).collect(),
        };
        stage.printed = folder.run(stage.command(&folder), None).ok().stdout();
        stage.after = stage.rows(&folder).unwrap();
        stage
    }

    /// Returns a folder as it is before the command, with a store of its own.
    pub(crate) fn folder(&self) -> Sandbox {
        let folder = Sandbox::new();
        copy(&self.template.path("."), &folder.path("."));
        folder
    }

    /// Returns the command, not started.
    pub(crate) fn command(&self, folder: &Sandbox) -> Command {
        let mut command = folder.barn_command(self.scene.words);
        command.env("BARN_NOW", CLOCK).env(KEY_NAME, KEY);
        command
    }

    /// Checks what the command says of its end, and that what it says it did is done.
    pub(crate) fn check_end(&self, folder: &Sandbox, code: Option<i32>, done: &Done) {
        match code {
            Some(0) if self.scene.words[0] == "query" => {
                done.prints(&self.printed);
            }
            Some(0) => {
                let found = self.rows(folder).unwrap();
                done.check(found == self.after, "it said that it was done, and rows are missing");
            }
            Some(1 | 3) => {
                let is_said = done.stderr().lines().any(|line| {
                    line.starts_with("error: ") || (code == Some(3) && line.starts_with("warning: "))
                });
                done.check(is_said, "no error is printed");
                // SQLite takes a page that cannot be read for a damaged one, and a file that cannot be opened for one
                // that can only be read.
                let reasons = [
                    "os error",
                    "disk I/O",
                    "disk is full",
                    "no storage space",
                    "unable to",
                    "malformed",
                    "readonly",
                    "failed to get page",
                ];
                let has_reason = reasons.iter().any(|reason| done.stderr().contains(reason));
                done.check(has_reason, "no reason is printed");
            }
            Some(_) => drop(done.check(false, &format!("exit code {code:?} is none of an error"))),
            None => (),
        }
    }

    /// Checks that all of the command is done.
    pub(crate) fn check_done(&self, folder: &Sandbox) {
        assert!(self.rows(folder).as_ref() == Some(&self.after), "{}: rows are missing", self.scene.name);
    }

    /// Checks that the store is sound and has what it had, or what the command does, and that the command completes
    /// when it is run again.
    pub(crate) fn check(&self, folder: &Sandbox) {
        if let Some(found) = self.rows(folder) {
            verify(folder);
            self.check_rows(&found);
        } else {
            assert!(self.before.iter().all(BTreeSet::is_empty), "the store is gone");
        }
        let done = folder.run(self.command(folder), None).ok();
        if self.scene.words[0] == "query" {
            done.prints(&self.printed);
        }
        let found = self.rows(folder).unwrap();
        for ((found, after), query) in found.iter().zip(&self.after).zip(self.scene.queries) {
            let differs: Vec<_> = found.symmetric_difference(after).take(6).collect();
            done.check(differs.is_empty(), &format!("{}: {query}: {differs:#?}", self.scene.name));
        }
        verify(folder);
    }

    /// Checks that nothing is left in the archive that does not belong there, once it may go.
    pub(crate) fn check_tidy(&self, folder: &Sandbox) {
        for now in [LATER, LATEST] {
            let mut command = folder.barn_command(["optimize", "--only", "compact"]);
            command.env("BARN_NOW", now);
            folder.run(command, None).ok();
        }
        let store = folder.sqlite();
        let mut query = store.prepare("SELECT path FROM manifest").unwrap();
        let paths = query.query_map([], |row| row.get(0)).unwrap();
        let named: BTreeSet<String> = paths.map(Result::unwrap).collect();
        let mut found = BTreeSet::new();
        let root = folder.path("barn/archive");
        list(&root, &root, &mut found);
        found.remove(".lock");
        assert_eq!(found, named, "{}", self.scene.name);
    }

    fn check_rows(&self, found: &Rows) {
        for (((found, before), after), query) in
            found.iter().zip(&self.before).zip(&self.after).zip(self.scene.queries)
        {
            let lost: Vec<_> =
                before.intersection(after).filter(|row| !found.contains(*row)).take(5).collect();
            let foreign: Vec<_> =
                found.iter().filter(|row| !before.contains(*row) && !after.contains(*row)).take(5).collect();
            let name = self.scene.name;
            assert!(
                lost.is_empty() && foreign.is_empty(),
                "{name}: {query}: lost {lost:#?}, new {foreign:#?}"
            );
        }
        if self.scene.is_whole {
            assert!(*found == self.before || *found == self.after, "{}: half of it is done", self.scene.name);
        }
    }

    /// Returns the rows of the store, none twice; `None` where it has not come to be.
    fn rows(&self, folder: &Sandbox) -> Option<Rows> {
        if !folder.path("barn/barn.db").exists() {
            return None;
        }
        let mut found = Rows::new();
        for query in self.scene.queries {
            let (code, done) = folder.barn(["query", query, "--no-cache", "--format", "csv"]).any();
            if done.stderr().contains("nothing is in it yet") {
                return None;
            }
            done.check(code == Some(0), "the rows cannot be read");
            let text = done.stdout();
            let lines: BTreeSet<_> = text.lines().skip(1).map(str::to_owned).collect();
            done.check(lines.len() + 1 == text.lines().count(), "a row is there twice");
            found.push(lines);
        }
        Some(found)
    }
}

/// Checks every byte and every row.
fn verify(folder: &Sandbox) {
    let mut command = folder.barn_command(["optimize", "--only", "verify", "--full"]);
    command.env("BARN_NOW", CLOCK);
    folder.run(command, None).ok();
}

/// Copies what is in a folder, hidden names aside except those of an archive.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if [".home", ".tmp", ".bin"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn list(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
