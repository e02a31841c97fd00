//! `barn demo`: the other commands at work, on two providers that live inside this process.
//!
//! Nothing of the user's is read or written: the store, the definitions and the clock are the demo's own.

mod data;
mod server;

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use self::server::Server;
use crate::cli::{Cli, Context};
use crate::error::{Failure, Kind, go_on};
use crate::fs::{self, Overwrite};
use crate::ui::{ColorChoice, figures};

/// How often a command is looked at: far below what a person notices.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// What of the environment could lead the commands elsewhere than to the demo's own server and store.
const LEFT_OUT: [&str; 9] = [
    "BARN_STORE",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Show what barn does, without a network, a key or a configuration
///
/// Two small providers run inside the program; the commands that fetch from them, store, and answer are
/// run for real, on a store that is removed at the end. It takes about a second.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn demo
  barn demo > demo.txt 2>&1")]
pub struct DemoArgs {}

/// A command of the demo.
struct Step {
    remark: &'static str,
    verb: &'static str,
    arguments: &'static [&'static str],
}

const FETCH_HOURS: &[&str] = &["exchange.toml", "BTC/USDT", "-t", "1h", "--since", "2024-05-01"];

const STEPS: &[Step] = &[
    Step {
        remark: "An exchange sends bars as arrays: two pages, four hours missing, one bar still open",
        verb: "fetch",
        arguments: FETCH_HOURS,
    },
    Step { remark: "The same again asks only for what was not final", verb: "fetch", arguments: FETCH_HOURS },
    Step {
        remark: "A chart service sends columns: with nulls, a split and a dividend",
        verb: "fetch",
        arguments: &["chart.toml", "ACME", "-t", "1d", "--since", "2024-01-01"],
    },
    Step {
        remark: "A file goes into the same table",
        verb: "store",
        arguments: &["bars", "acme-2023.csv", "--set", "source=file"],
    },
    Step {
        remark: "One table answers for all three",
        verb: "query",
        arguments: &["SELECT source, symbol, count(*) AS bars, max(ts) AS last FROM bars \
                      GROUP BY source, symbol ORDER BY source"],
    },
    Step {
        remark: "What came beside the bars",
        verb: "query",
        arguments: &["SELECT symbol, ts, kind, value FROM actions ORDER BY ts"],
    },
    Step { remark: "History moves to Parquet", verb: "compress", arguments: &["--all"] },
    Step { remark: "The store is put in order", verb: "optimize", arguments: &[] },
    Step {
        remark: "What the store holds; four missing bars are no gap yet, more than five would be",
        verb: "info",
        arguments: &["bars"],
    },
];

/// The same on a real source.
const NEXT: &[Step] = &[
    Step { remark: "", verb: "source", arguments: &["list"] },
    Step {
        remark: "",
        verb: "fetch",
        arguments: &["binance", "BTC/USDT", "-t", "1h", "--since", "2024-05-01"],
    },
    Step { remark: "", verb: "query", arguments: &["SELECT ts, close FROM bars ORDER BY ts DESC LIMIT 5"] },
];

/// What became of the demo.
#[derive(serde::Serialize)]
struct Report {
    command: &'static str,
    steps: Vec<StepReport>,
}

/// What became of one of its commands.
#[derive(serde::Serialize)]
struct StepReport {
    command: String,
    seconds: f64,
}

/// Runs the command.
pub fn run(context: &Context, _: &DemoArgs) -> Result<Option<Kind>> {
    let started = Instant::now();
    let folder = folder()?;
    let server = Server::start().context("cannot start the providers of the demo")?;
    prepare(folder.path(), &server.url())?;
    let demo = Demo {
        context,
        program: std::env::current_exe().context("cannot find the program itself")?,
        folder: folder.path(),
    };
    let mut steps = Vec::new();
    for step in STEPS.iter().filter(|step| step.exists()) {
        let at = Instant::now();
        demo.run(step)?;
        steps.push(StepReport { command: step.line(), seconds: at.elapsed().as_secs_f64() });
    }
    folder.close().context("cannot remove the store of the demo")?;
    let next: Vec<_> =
        NEXT.iter().filter(|step| step.exists()).map(|step| format!("#   {}\n", step.line())).collect();
    let next = next.concat();
    let took = figures::duration(started.elapsed());
    print(&format!("# That took {took}; the store is gone. The same with a real source:\n{next}"))?;
    context.report(&Report { command: "demo", steps })?;
    Ok(None)
}

/// Makes a folder that only this user can read.
fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("barn-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a temporary folder")
}

/// Writes the files that the commands name.
fn prepare(folder: &Path, url: &str) -> Result<()> {
    for (name, text) in [
        ("exchange.toml", include_str!("exchange.toml").replace("http://127.0.0.1:0", url)),
        ("chart.toml", include_str!("chart.toml").replace("http://127.0.0.1:0", url)),
        ("acme-2023.csv", data::csv()),
    ] {
        fs::replace(&folder.join(name), text.as_bytes(), Overwrite::Refuse)?;
    }
    Ok(())
}

fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

impl Step {
    /// Returns whether this barn has the verb.
    fn exists(&self) -> bool {
        Cli::command().find_subcommand(self.verb).is_some()
    }

    /// Returns the command as a user types it.
    fn line(&self) -> String {
        let quoted = self.arguments.iter().map(|argument| {
            let quote = if argument.contains([' ', '*', '(']) { "\"" } else { "" };
            [quote, argument, quote].concat()
        });
        let mut words = vec!["barn".to_owned(), self.verb.to_owned()];
        words.extend(quoted);
        words.join(" ")
    }
}

/// What the commands of the demo run with.
struct Demo<'a> {
    context: &'a Context,
    program: PathBuf,
    folder: &'a Path,
}

impl Demo<'_> {
    /// Shows a command and runs it; its words go where those of the demo go.
    fn run(&self, step: &Step) -> Result<()> {
        print(&format!("# {}\n$ {}\n", step.remark, step.line()))?;
        let mut command = Command::new(&self.program);
        command
            .arg(step.verb)
            .args(step.arguments)
            .current_dir(self.folder)
            .env("BARN_NOW", data::NOW)
            .env("XDG_CONFIG_HOME", self.folder)
            .stdin(Stdio::null());
        for name in LEFT_OUT {
            command.env_remove(name);
        }
        if self.context.global.color == ColorChoice::Never {
            command.env("NO_COLOR", "1");
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot run '{}'", self.program.display()))?;
        let status = self.wait(&mut child);
        if status.is_err() {
            // It may have ended by itself, which is as good.
            child.kill().ok();
            child.wait().ok();
        }
        if status?.success() {
            return print("\n");
        }
        Err(Failure::new(format!("cannot finish the demo: `{}` failed", step.line())).into())
    }

    /// Waits for a command, or for the user to ask for the end.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        loop {
            go_on(&self.context.stop)?;
            if let Some(status) = child.try_wait().context("cannot wait for a command of the demo")? {
                return Ok(status);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
