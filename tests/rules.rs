//! The rules of the house that a compiler does not check: who may import whom, one home for each
//! third-party crate, small files that say what they are for, and a library that neither prints nor exits.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reads the sources itself"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// For each module of the crate the others it may name. `error` and `fs` are open to all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("fs", &[]),
    ("model", &[]),
    ("pipeline", &[]),
    ("pack", &["pipeline"]),
    ("frame", &["model"]),
    ("decode", &["frame", "model"]),
    ("store", &["frame", "model"]),
    ("import", &["decode", "frame", "model", "pack", "pipeline", "store"]),
    ("cache", &["model"]),
    ("source", &["decode", "model"]),
    ("fetch", &["cache", "decode", "frame", "model", "source", "store"]),
    ("archive", &["frame", "model", "store"]),
    ("engine", &["archive", "model", "store"]),
    ("rollup", &["archive", "engine", "frame", "model", "store"]),
    ("ui", &["model"]),
    ("runs", &["model", "store"]),
    ("cli", &["commands", "runs", "ui"]),
    (
        "commands",
        &[
            "archive", "cache", "cli", "decode", "engine", "fetch", "frame", "import", "model", "pack",
            "rollup", "runs", "source", "store", "ui",
        ],
    ),
];

/// For each third-party crate the modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["cache", "runs", "store"]),
    ("xxhash_rust", &["store"]),
    ("hdrhistogram", &["runs"]),
    ("nix", &["fs", "runs"]),
    ("polars", &["frame"]),
    ("polars_arrow", &["frame"]),
    ("datafusion", &["engine", "ui/output"]),
    ("arrow", &["archive"]),
    ("parquet", &["archive"]),
    ("blake3", &["archive", "cache"]),
    ("bytes", &["archive", "engine/cold"]),
    ("jiff", &["decode", "source"]),
    ("ureq", &["fetch/client"]),
    ("brotli_decompressor", &["fetch/client"]),
    ("fastrand", &["archive", "fetch"]),
    ("quick_cache", &["cache"]),
    ("url", &["fetch/link", "source"]),
    ("percent_encoding", &["archive", "source"]),
    ("base64", &["source"]),
    ("sha2", &["source"]),
    ("csv", &["decode"]),
    ("zip", &["import"]),
    ("tar", &["import"]),
    ("flate2", &["fetch/client", "import", "pack"]),
    ("zstd", &["cache", "import", "pack"]),
    ("lz4_flex", &["cache", "import", "pack"]),
    ("encoding_rs", &["decode", "import"]),
    ("indicatif", &["ui"]),
    ("clap", &["cli", "commands", "main"]),
    ("clap_complete", &["cli", "commands"]),
    ("clap_mangen", &["cli", "commands"]),
    ("ctrlc", &["cli", "commands", "main"]),
    ("terminal_size", &["commands", "ui"]),
    ("unicode_width", &["ui"]),
];

/// Lines of a file, its tests aside.
const LONGEST_FILE: usize = 400;

/// A source file, its tests cut off.
struct Source {
    path: PathBuf,
    /// The path below `src/` without its ending: `store/read`.
    name: String,
    code: String,
}

impl Source {
    /// The module at the top of the crate that the file belongs to.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap()
    }

    /// The code without comments.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

fn sources() -> Vec<Source> {
    let folder = root().join("src");
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
        let name = path.strip_prefix(&folder).unwrap().with_extension("");
        let name = name.to_str().unwrap().trim_end_matches("/mod").to_owned();
        Source { path: path.strip_prefix(root()).unwrap().to_owned(), name, code }
    };
    // A file of tests beside its module is no code.
    paths.into_iter().filter(|path| !path.ends_with("tests.rs")).map(read).collect()
}

/// Fails with all that was found.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn imports_point_down() {
    let named = Regex::new(r"\bcrate::(\w+)").unwrap();
    let grouped = Regex::new(r"\bcrate::\{").unwrap();
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module().to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{}: module '{module}' has no place in the layout", source.path.display()));
            continue;
        };
        for (line, text) in source.statements() {
            if grouped.is_match(text) {
                faults.push(format!("{}: name one module a line, not `crate::{{…}}`", source.place(line)));
            }
            for found in named.captures_iter(text) {
                let other = &found[1];
                if other != module && !["error", "fs"].contains(&other) && !allowed.contains(&other) {
                    faults.push(format!("{}: '{module}' may not use '{other}'", source.place(line)));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn every_crate_has_its_home() {
    let mut faults = Vec::new();
    let sources = sources();
    for (name, homes) in HOMES {
        let pattern = Regex::new(&format!(r"(^|[^\w:.]){name}::|\buse {name}\b")).unwrap();
        for source in &sources {
            let is_home =
                homes.iter().any(|home| source.name == *home || source.name.starts_with(&format!("{home}/")));
            if is_home {
                continue;
            }
            for (line, text) in source.statements().filter(|(_, text)| pattern.is_match(text)) {
                faults.push(format!(
                    "{}: '{name}' lives in {}: {text}",
                    source.place(line),
                    homes.join(", ")
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn only_commands_talk() {
    let pattern = Regex::new(r"\b(println!|eprintln!|print!|eprint!|dbg!|process::exit)").unwrap();
    let mut faults = Vec::new();
    for source in sources() {
        if matches!(source.module(), "cli" | "commands" | "ui" | "main") {
            continue;
        }
        for (line, text) in source.statements().filter(|(_, text)| pattern.is_match(text)) {
            faults.push(format!("{}: the library neither prints nor exits: {text}", source.place(line)));
        }
    }
    none(&faults);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    files(&root().join("tests"), &mut paths);
    let silent = paths.into_iter().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "));
    none(
        &silent
            .map(|path| format!("{}: expected '//! ' and a sentence at the top", path.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_small() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.code.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", source.path.display()));
        }
    }
    none(&faults);
}

#[test]
fn causes_are_kept_and_debug_text_is_not_shown() {
    let cause = Regex::new(r"map_err\(\|_\w*\|").unwrap();
    let debug = Regex::new(r"(bail!|anyhow!|context\(|Failure::(new|usage)\().*\{[^}]*:\?\}").unwrap();
    let mut faults = Vec::new();
    for source in sources() {
        for (line, text) in source.statements() {
            if cause.is_match(text) {
                faults.push(format!("{}: the cause is thrown away: {text}", source.place(line)));
            }
            if debug.is_match(text) {
                faults.push(format!("{}: debug text in a message: {text}", source.place(line)));
            }
        }
    }
    none(&faults);
}

#[test]
fn messages_have_one_voice() {
    let pattern = Regex::new(r#"(?i)"(failed to|unable to|error while|could not|can't|couldn't)\b"#).unwrap();
    let mut faults = Vec::new();
    for source in sources() {
        for (line, text) in source.statements().filter(|(_, text)| pattern.is_match(text)) {
            faults.push(format!("{}: write 'cannot <verb> <object>': {text}", source.place(line)));
        }
    }
    none(&faults);
}

#[test]
fn words_without_an_issue_are_not_left_behind() {
    let pattern = Regex::new(r"\b(TODO|FIXME|XXX|HACK)\b|\b(todo|unimplemented)!\(").unwrap();
    let mut faults = Vec::new();
    for source in sources() {
        for (at, text) in source.code.lines().enumerate().filter(|(_, text)| pattern.is_match(text)) {
            faults.push(format!("{}: {}", source.place(at + 1), text.trim()));
        }
    }
    none(&faults);
}

#[test]
fn no_test_file_is_forgotten() {
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(root().join("Cargo.toml")).unwrap()).unwrap();
    let mut reached = BTreeSet::new();
    for section in ["test", "bench"] {
        let Some(targets) = manifest.get(section) else { continue };
        for target in targets.as_array().unwrap() {
            reach(&root().join(target["path"].as_str().unwrap()), &mut reached);
        }
    }
    let mut paths = Vec::new();
    files(&root().join("tests"), &mut paths);
    let forgotten = paths.into_iter().filter(|path| !reached.contains(path));
    none(&forgotten.map(|path| format!("{}: no target reaches it", path.display())).collect::<Vec<_>>());
}

/// Collects a file and the modules it declares.
fn reach(path: &Path, reached: &mut BTreeSet<PathBuf>) {
    if !path.exists() || !reached.insert(path.to_owned()) {
        return;
    }
    let declared = Regex::new(r#"(?m)^(?:#\[path = "([^"]+)"\]\n)?(?:pub(?:\(\w+\))? )?mod (\w+);"#).unwrap();
    let text = fs::read_to_string(path).unwrap();
    let folder = path.parent().unwrap();
    let is_top = path.file_name().is_some_and(|name| name == "main.rs" || name == "mod.rs");
    for found in declared.captures_iter(&text) {
        let name = &found[2];
        if let Some(other) = found.get(1) {
            reach(&fs::canonicalize(folder.join(other.as_str())).unwrap(), reached);
            continue;
        }
        let below = if is_top { folder.to_owned() } else { path.with_extension("") };
        reach(&below.join(format!("{name}.rs")), reached);
        reach(&below.join(name).join("mod.rs"), reached);
    }
}
