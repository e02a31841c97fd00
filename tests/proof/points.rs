//! Every point of a protocol at which a process can be told to die, as the source names them: a new one is tried by
//! itself, and must be reached by one of the scenes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use crate::scenes::{SCENES, Stage};

/// Points on the way of a damaged file, whose rows no scene can read: `tests/cli/optimize/verify.rs` comes to them.
const ELSEWHERE: &[&str] = &["aside.renamed", "aside.published"];

/// Returns the names of the points in the source.
fn points() -> BTreeSet<String> {
    let pattern = Regex::new(r#"\bpoint\("([a-z.]+)"\)"#).unwrap();
    let mut found = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |text| {
        found.extend(pattern.captures_iter(text).map(|parts| parts[1].to_owned()));
    });
    assert!(ELSEWHERE.iter().all(|point| found.remove(*point)), "{found:?}");
    found
}

fn collect(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn a_process_that_dies_at_any_point_that_has_a_name() {
    let mut left = points();
    let all = left.len();
    assert!(all > 15, "{left:?}");
    for scene in SCENES {
        let stage = Stage::new(scene);
        let mut reached = 0;
        for point in points() {
            let folder = stage.folder();
            let mut command = stage.command(&folder);
            command.env("BARN_KILL", &point);
            let (code, done) = folder.run(command, None).any();
            if code.is_some() {
                done.check(code == Some(0), "it did not die, and failed");
                continue;
            }
            eprintln!("{}: {point}", scene.name);
            left.remove(&point);
            reached += 1;
            stage.check(&folder);
            if reached % 4 == 0 {
                stage.check_tidy(&folder);
            }
        }
    }
    assert!(left.is_empty(), "no scene comes to {left:?}");
    eprintln!("{all} points");
}
