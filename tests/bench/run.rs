//! Runs commands, and measures what they take: time, processor time, memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::Suite;
use super::report::{Figure, Line};

pub(super) const BARN: &str = env!("CARGO_BIN_EXE_barn");

/// Runs that are not counted where nothing has to be set up for them: they warm the caches of the machine.
const WARM_UPS: usize = 3;

/// What one run took.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) wall: Duration,
    /// In user and in system mode, of all threads and processes.
    pub(super) cpu: Duration,
    /// Of all processes together where several run at once; zero where it was not seen.
    pub(super) peak_mb: f64,
}

/// The commands of one run.
pub(super) enum Work {
    InTurn(Vec<Command>),
    AtOnce(Vec<Command>),
}

/// One of the programs that do the same work.
pub(super) struct Program<'a> {
    name: &'static str,
    work: Work,
    before: Option<Box<dyn Fn() + 'a>>,
    most_runs: usize,
}

impl<'a> Program<'a> {
    pub(super) fn new(name: &'static str, work: Work) -> Self {
        Self { name, work, before: None, most_runs: usize::MAX }
    }

    /// Prepares the folder ahead of each run, outside the time.
    pub(super) fn after(self, before: impl Fn() + 'a) -> Self {
        Self { before: Some(Box::new(before)), ..self }
    }

    /// Runs once and without a warm-up: what takes a minute is measured well enough.
    pub(super) fn once(self) -> Self {
        Self { most_runs: 1, ..self }
    }

    fn warm_ups(&self) -> usize {
        match (self.most_runs, &self.before) {
            (1, _) => 0,
            (_, Some(_)) => 1,
            (_, None) => WARM_UPS,
        }
    }

    fn run(&mut self) -> Run {
        if let Some(before) = &self.before {
            before();
        }
        match &mut self.work {
            Work::InTurn(commands) => commands.iter_mut().map(run_once).reduce(Run::then).unwrap(),
            Work::AtOnce(commands) => run_all(commands),
        }
    }
}

impl From<(&'static str, Command)> for Program<'_> {
    fn from((name, command): (&'static str, Command)) -> Self {
        Self::new(name, Work::InTurn(vec![command]))
    }
}

impl Run {
    fn then(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            cpu: self.cpu + next.cpu,
            peak_mb: self.peak_mb.max(next.peak_mb),
        }
    }
}

impl Suite {
    /// Runs commands in turn; `before` prepares the folder for each run.
    pub(super) fn measure(
        &mut self,
        bench: &'static str,
        rows: usize,
        commands: Vec<(&'static str, Command)>,
        before: Option<&dyn Fn()>,
    ) {
        let programs = commands.into_iter().map(Program::from);
        let programs = programs.map(|program| match before {
            Some(before) => program.after(before),
            None => program,
        });
        self.compare(bench, rows, programs.collect(), &|_| {});
    }

    /// Runs programs in turn (A B C A B C …), and checks after each run what the program of this name did.
    pub(super) fn compare(
        &mut self,
        bench: &'static str,
        rows: usize,
        mut programs: Vec<Program<'_>>,
        check: &dyn Fn(&str),
    ) {
        if !self.wants(bench) {
            return;
        }
        let mut figures: Vec<Figure> = programs.iter().map(|program| Figure::new(program.name)).collect();
        for round in 0..WARM_UPS + self.options.runs {
            for (program, figure) in programs.iter_mut().zip(&mut figures) {
                let is_counted = round >= WARM_UPS;
                let is_wanted = if is_counted {
                    figure.runs.len() < program.most_runs
                } else {
                    round < program.warm_ups()
                };
                if is_wanted {
                    let run = program.run();
                    check(program.name);
                    figure.runs.extend(is_counted.then_some(run));
                }
            }
        }
        self.lines.push(Line { bench, rows, figures });
    }
}

/// Returns `barn` with these arguments, in a folder whose store is `barn`.
pub(super) fn barn(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BARN);
    command.current_dir(folder).env("BARN_STORE", "barn").args(arguments);
    command
}

/// Returns a peer, if it is installed.
pub(super) fn program(name: &'static str, arguments: &[&str]) -> Option<(&'static str, Command)> {
    let beside = std::env::var_os("BARN_TEST_PYTHON")
        .and_then(|python| Some(Path::new(&python).parent()?.join(name)))
        .filter(|path| path.exists());
    let mut command = Command::new(beside.unwrap_or_else(|| name.into()));
    let answers = Command::new(command.get_program()).arg("--version").stdout(Stdio::null()).status();
    command.args(arguments);
    answers.is_ok_and(|status| status.success()).then_some((name, command))
}

/// Runs a program for what it prints: a date, a commit.
pub(super) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Removes the stores of barn and of its peers.
pub(super) fn clear(folder: &Path) {
    for name in ["s.db", "s.db-wal", "s.db-shm", "s.db-journal", "d.db", "d.db.wal"] {
        fs::remove_file(folder.join(name)).ok();
    }
    fs::remove_dir_all(folder.join("barn")).ok();
}

/// Removes a database with its log.
pub(super) fn remove_database(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{ending}", path.display())).ok();
    }
}

/// Runs a command to its end.
pub(super) fn run_once(command: &mut Command) -> Run {
    run_all(std::slice::from_mut(command))
}

/// Runs commands at once, to the end of the last one.
fn run_all(commands: &mut [Command]) -> Run {
    let cpu = cpu_of_children();
    let start = Instant::now();
    let spawn = |command: &mut Command| {
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Running { child: child.unwrap(), peak_mb: 0.0, ended: None }
    };
    let mut children: Vec<Running> = commands.iter_mut().map(spawn).collect();
    while children.iter().any(|running| running.ended.is_none()) {
        for (running, command) in children.iter_mut().zip(&*commands) {
            running.look(start, command);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    Run {
        wall: children.iter().filter_map(|running| running.ended).max().unwrap_or_default(),
        cpu: cpu_of_children().saturating_sub(cpu),
        peak_mb: children.iter().map(|running| running.peak_mb).sum(),
    }
}

/// A command on its way.
struct Running {
    child: Child,
    peak_mb: f64,
    /// How long after the start.
    ended: Option<Duration>,
}

impl Running {
    fn look(&mut self, start: Instant, command: &Command) {
        if self.ended.is_some() {
            return;
        }
        if let Some(code) = self.child.try_wait().unwrap() {
            self.ended = Some(start.elapsed());
            assert!(code.success(), "{command:?}: {code}");
        } else if let Some(peak) = peak_mb(self.child.id()) {
            self.peak_mb = self.peak_mb.max(peak);
        }
    }
}

/// Returns the processor time of all children that have ended; the difference of two is that of the children
/// between them, as the suite waits for all of them.
pub(super) fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.cast_unsigned())
}

/// Returns the most memory a process has had so far, as the kernel counts it (`VmHWM`).
fn peak_mb(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes / 1e3)
}
