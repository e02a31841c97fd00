//! What is written about barn is true: help, completions, the manual page, the README.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::harness::{Sandbox, difference, gzip};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

#[test]
fn the_version_is_the_one_of_the_package() {
    let sandbox = Sandbox::new();
    sandbox.barn(["--version"]).ok().prints(concat!("barn ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_and_the_manual_page_are_fresh() {
    let sandbox = Sandbox::new();
    for (word, name) in [
        ("bash", "barn.bash"),
        ("zsh", "_barn"),
        ("fish", "barn.fish"),
        ("powershell", "barn.ps1"),
        ("man", "barn.1"),
    ] {
        let made = sandbox.barn(["completions", word]).ok().stdout();
        let kept = document(&format!("completions/{name}"));
        let difference = difference(&kept, &made);
        assert!(
            made == kept,
            "completions/{name}: `barn completions {word}` prints something else: {difference}"
        );
    }
}

/// The commands that `barn --help` lists.
fn commands(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.barn(["--help"]).ok().stdout();
    let commands = listed(&help);
    assert!(!commands.is_empty(), "no commands in\n{help}");
    commands
}

/// The commands that a page of help lists.
fn listed(help: &str) -> Vec<String> {
    let Some(listed) = help.split("Commands:\n").nth(1) else { return Vec::new() };
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    // A longer description goes on in a line that is set in further.
    let names =
        lines.filter(|line| !line.starts_with("   ")).map(|line| line.split_whitespace().next().unwrap());
    names.filter(|name| *name != "help").map(ToOwned::to_owned).collect()
}

#[test]
fn every_help_ends_with_two_examples() {
    let sandbox = Sandbox::new();
    let commands = commands(&sandbox);
    for known in ["store", "query", "info", "completions"] {
        assert!(commands.iter().any(|name| name == known), "{commands:?}");
    }
    for command in commands {
        let help = sandbox.barn([&command, "--help"]).ok().stdout();
        let (_, examples) =
            help.rsplit_once("Examples:\n").unwrap_or_else(|| panic!("no examples in\n{help}"));
        let count = examples.lines().filter(|line| line.contains("barn ")).count();
        assert_eq!(count, 2, "barn {command} --help ends with:\n{examples}");
        let is_last = examples.lines().all(|line| line.is_empty() || line.starts_with("  "));
        assert!(is_last, "something follows the examples of barn {command} --help:\n{examples}");
    }
}

/// The examples of a page of help and of the pages below it.
fn shown(sandbox: &Sandbox, page: &[String]) -> Vec<String> {
    let help = sandbox.barn(page.iter().map(String::as_str).chain(["--help"])).ok().stdout();
    let (_, examples) = help.rsplit_once("Examples:\n").unwrap_or_else(|| panic!("no examples in\n{help}"));
    let examples = examples.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut found: Vec<String> = examples.map(ToOwned::to_owned).collect();
    for name in listed(&help) {
        found.extend(shown(sandbox, &[page, std::slice::from_ref(&name)].concat()));
    }
    found
}

#[test]
fn the_examples_of_the_help_work() {
    /// Parts of examples that need a network, other programs, other folders, runs or a definition from before.
    const ELSEWHERE: [&str; 7] =
        ["barn fetch", "| m", "/var/lib", "~/", "barn runs show", "barn runs compare", "> mine.toml"];
    let sandbox = Sandbox::new();
    let prices = document("fixtures/prices/bars.csv");
    sandbox.write("prices.csv.gz", gzip(prices.as_bytes()));
    sandbox.write("prices.csv", &prices);
    sandbox.write("ticks.csv", &prices);
    sandbox.write("positions.csv", document("fixtures/prices/positions.csv"));
    sandbox.write("ticks/spy_20240102_trade.csv", document("fixtures/ticks/spy_20240102_trade.csv"));
    sandbox.write("ticks.toml", document("fixtures/layouts/ticks.toml"));
    sandbox.write("answer.json", r#"{"data": [[1704067200000, 1.0, 2.0, 0.5, 1.5]]}"#);
    for command in commands(&sandbox) {
        for example in shown(&sandbox, &[command]) {
            if ELSEWHERE.iter().any(|part| example.contains(part)) {
                continue;
            }
            if example.starts_with("barn source new") {
                sandbox.shell("rm -f mine.toml").ok();
            }
            sandbox.shell(&example).ok();
        }
    }
}

#[test]
fn help_is_a_word_too() {
    let sandbox = Sandbox::new();
    for (words, flag) in [
        ("help", "--help"),
        ("help fetch", "fetch --help"),
        ("help runs check", "runs check --help"),
        ("help --help", "--help"),
    ] {
        let help = sandbox.barn(flag.split(' ')).ok().stdout();
        sandbox.barn(words.split(' ')).ok().prints(&help).says_exactly("");
    }
    sandbox.barn(["help", "fecth"]).fails(2).says(&["'fecth'", "fetch"]);
}

#[test]
fn help_fits_the_terminal_and_goes_to_standard_output() {
    let sandbox = Sandbox::new();
    let mut pages = vec![vec!["--help".to_owned()]];
    for command in commands(&sandbox) {
        pages.push(vec![command.clone(), "--help".to_owned()]);
        pages.push(vec![command, "-h".to_owned()]);
    }
    for page in pages {
        let done = sandbox.barn(&page).ok();
        done.says_exactly("");
        let wide: Vec<_> =
            done.stdout().lines().filter(|line| line.chars().count() > 100).map(String::from).collect();
        done.check(wide.is_empty(), &format!("lines over 100 columns: {wide:?}"));
    }
}

/// A command of the README and what is printed below it.
struct Example {
    line: String,
    printed: String,
}

/// The commands in the blocks of a document marked `console`, block by block.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut is_continued = false;
        // The demo prints commands itself.
        let mut is_demo = false;
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ").filter(|_| !is_demo) {
                is_demo = command == "barn demo";
                found.push(Example { line: command.to_owned(), printed: String::new() });
            } else if let Some(example) = found.last_mut() {
                let into = if is_continued { &mut example.line } else { &mut example.printed };
                if is_continued {
                    into.push('\n');
                }
                into.push_str(line);
                if !is_continued {
                    into.push('\n');
                }
            }
            is_continued = line.ends_with('\\');
        }
    }
    found
}

/// Returns text with what changes from run to run put in words.
fn steady(text: &str) -> String {
    let times = Regex::new(r"\b\d+(\.\d+)? ?(ms|µs|s)\b").unwrap();
    // Said only of what takes its time.
    let rates = Regex::new(r" \([\d.,]+ ?[kMG]? (rows|B|KiB|MiB|GiB)/s\)").unwrap();
    let sizes = Regex::new(r"\b\d+(\.\d+)? (B|KiB|MiB|GiB)\b").unwrap();
    let text = rates.replace_all(text, "");
    let text = times.replace_all(&text, "[TIME]");
    sizes.replace_all(&text, "[SIZE]").into_owned()
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    let sandbox = Sandbox::new();
    copy(&root().join("fixtures"), &sandbox.path("fixtures"));
    let examples = examples(&document("README.md"));
    assert!(examples.iter().any(|example| example.line.starts_with("barn ")), "the README shows no command");
    for example in examples {
        let (code, done) = sandbox.shell(&format!("{{ {}\n}} 2>&1", example.line)).any();
        let found = steady(&done.stdout());
        let expected = steady(&example.printed);
        // An ellipsis alone on a line stands for any lines.
        let pattern: Vec<_> = expected.split("…\n").map(regex::escape).collect();
        let pattern = Regex::new(&format!("(?s)^{}$", pattern.join("(.*\n)?"))).unwrap();
        let is_failure = example.printed.contains("error: ");
        done.check((code == Some(0)) != is_failure, &format!("exit code {code:?}"));
        // Where the document shows nothing, it is enough that the command works.
        let is_shown = !example.printed.trim().is_empty();
        done.check(!is_shown || pattern.is_match(&found), &difference(&expected, &found));
    }
}

#[test]
fn the_readme_names_every_command_and_the_check_that_ci_runs() {
    let (readme, run) = (document("README.md"), document(".ci/run"));
    for command in commands(&Sandbox::new()) {
        assert!(readme.contains(&format!("barn {command}")), "the README does not show `barn {command}`");
    }
    for check in [
        "cargo fmt --check",
        "cargo clippy --all-targets -- -D warnings",
        "cargo doc --no-deps --document-private-items",
        "cargo nextest run",
    ] {
        let is_alone = |text: &str| text.lines().any(|line| line.trim_end().ends_with(check));
        assert!(is_alone(&readme), "the README does not give `{check}`");
        assert!(is_alone(&run), ".ci/run does not run `{check}`");
    }
}

#[test]
fn every_fixture_is_used() {
    let mut fixtures = Vec::new();
    files(&root().join("fixtures"), &mut fixtures);
    let mut texts = Vec::new();
    files(&root().join("tests"), &mut texts);
    texts.push(root().join("README.md"));
    let texts: String = texts.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
    for path in fixtures {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(texts.contains(name), "{}: no test and no document names it", path.display());
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The settings of `barn.toml` that a document shows, together as one file.
fn settings(text: &str) -> String {
    let blocks = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
    // A definition of a source and a layout are files of their own.
    let own = blocks.filter(|block| !block.contains("[source]") && !block.starts_with("format "));
    own.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_settings_of_the_readme_are_read() {
    let sandbox = Sandbox::new();
    let text = settings(&document("README.md"));
    for section in ["[table.greeks]", "[rollup.bars_1h]", "[table.bars.retention]", "[limits.fetch]"] {
        assert!(text.contains(section), "the README shows no {section}");
    }
    sandbox.write("barn/barn.toml", text);
    sandbox.write("a.csv", "ts,symbol,high,low,volume\n1704067200,A,3,1,7\n");
    sandbox.barn(["store", "bars", "a.csv", "--set", "timeframe=1m"]).ok();
    sandbox.barn(["optimize", "--dry-run"]).ok().says(&["rollups: bars_1h: "]);
    sandbox.barn(["runs", "check"]).ok();
}

#[test]
fn the_definition_of_the_readme_passes_its_tests() {
    let sandbox = Sandbox::new();
    let text = document("README.md");
    let mut blocks = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let definition = blocks.find(|block| block.contains("[source]")).unwrap();
    sandbox.write("mine.toml", definition);
    sandbox.barn(["source", "check", "mine.toml"]).ok();
    sandbox.barn(["source", "test", "mine.toml"]).ok();
}
