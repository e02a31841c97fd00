//! The standard programs read our files, and we theirs.

use std::fs;

use super::files::{CODECS, rows};
use crate::harness::Sandbox;

/// Whether a program is there; says so where it is not.
fn has(program: &str) -> bool {
    let is_there =
        ["/usr/bin", "/bin"].iter().any(|folder| fs::exists(format!("{folder}/{program}")).unwrap());
    if !is_there {
        eprintln!("skipped: there is no `{program}`");
    }
    is_there
}

#[test]
fn programs_read_what_barn_writes() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", "");
    sandbox.write("small", rows(1_000));
    sandbox.write("large", rows(20_000_000));
    for (program, extension) in CODECS.into_iter().filter(|(program, _)| has(program)) {
        for name in ["empty", "small", "large"] {
            sandbox.barn(["compress", name, "--codec", program]).ok();
            let lines =
                format!("{program} -dc {name}.{extension} | cmp - {name} && {program} -t {name}.{extension}");
            sandbox.shell(&lines).ok();
        }
    }
}

#[test]
fn barn_reads_what_programs_write() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", "");
    sandbox.write("small", rows(1_000));
    sandbox.write("large", rows(6_000_000));
    let ways: [(&str, &[&str]); 3] = [
        ("zstd", &["", "-12", "--fast=5", "--no-check", "--long=27", "-T2 -B1MB", "--no-content-size"]),
        ("lz4", &["", "-9", "-B4 -BD", "-BX", "--content-size", "--no-frame-crc", "-B7 --content-size -BX"]),
        ("gzip", &["", "-1", "-9", "-n"]),
    ];
    for (program, flags) in ways.into_iter().filter(|(program, _)| has(program)) {
        for flags in flags {
            for name in ["empty", "small", "large"] {
                let pack = format!("{program} {flags} -c {name}");
                let line = format!("{pack} > packed && barn compress -q -d packed -o - | cmp - {name}");
                sandbox.shell(&line).ok();
                let line = format!(
                    "({pack}; {pack} < small) > packed && cat {name} {name} > twice
                     barn compress -q -d packed -o - | cmp - twice"
                );
                sandbox.shell(&line).ok();
            }
        }
    }
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    if !has("zstd") {
        return;
    }
    let sandbox = Sandbox::new();
    let done = sandbox
        .shell("head -c 1000 /dev/urandom | zstd -q --long=31 -c > a.zst; barn compress -d a.zst")
        .fails(1);
    done.says(&["cannot decompress 'a.zst'", "needs a window of 2147483648 bytes"]);
}
