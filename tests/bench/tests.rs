//! What a saved baseline flags, and what it does not. The suite itself has no tests, so the commands' tests have these.

#[allow(dead_code, reason = "the suite uses all of it")]
#[path = "baseline.rs"]
mod baseline;

use baseline::{Baseline, Timing, Verdict};

const QUIET: [u64; 5] = [100, 101, 99, 100, 102];

/// The figures of one bench, in milliseconds.
fn figures(walls: &[u64]) -> Baseline {
    let timing = Timing {
        bench: "import".to_owned(),
        program: "barn".to_owned(),
        walls_ns: walls.iter().map(|wall| wall * 1_000_000).collect(),
        cpu_ns: Vec::new(),
        peak_kb: 0,
    };
    Baseline::new("2024-06-01".to_owned(), "abc".to_owned(), vec![timing])
}

fn verdict(old: &[u64], new: &[u64]) -> Verdict {
    figures(new).since(&figures(old))[0].2
}

#[test]
fn only_what_is_beyond_the_noise_and_five_percent_is_flagged() {
    assert_eq!(verdict(&QUIET, &QUIET), Verdict::WithinNoise);
    // Four percent of a quiet machine are beyond the noise, and not worth a look.
    assert_eq!(verdict(&[100; 5], &[104; 5]), Verdict::WithinNoise);
    assert_eq!(verdict(&QUIET, &[110, 111, 109, 110, 112]), Verdict::Slower);
    assert_eq!(verdict(&QUIET, &[90, 91, 89, 90, 92]), Verdict::Faster);
    // The deviation of either side is 10, so that less than 45 is noise.
    let loud = [90, 100, 110, 80, 120];
    let slower = |by: u64| loud.map(|wall| wall + by);
    assert_eq!(verdict(&loud, &slower(44)), Verdict::WithinNoise);
    assert_eq!(verdict(&loud, &slower(45)), Verdict::Slower);
    assert_eq!(verdict(&QUIET, &slower(44)), Verdict::WithinNoise);
}

#[test]
fn too_few_runs_and_new_benches_are_not_judged() {
    assert_eq!(verdict(&QUIET, &[200, 200]), Verdict::TooFewRuns);
    assert_eq!(verdict(&[], &QUIET), Verdict::TooFewRuns);
    let mut old = figures(&QUIET);
    old.timings[0].bench = "query".to_owned();
    assert_eq!(figures(&[200; 5]).since(&old)[0].2, Verdict::New);
}

#[test]
fn a_baseline_of_another_machine_is_said_and_flags_nothing() {
    let (mut old, new) = (figures(&QUIET), figures(&[200; 5]));
    assert!(new.comparison(&old, "main").contains("| **slower** |"));
    old.machine.kernel = "0.0.1".to_owned();
    let text = new.comparison(&old, "main");
    assert!(text.contains("the kernel was 0.0.1 then") && text.contains("| **slower** |"), "{text}");
    old.machine.cpu = "Z80".to_owned();
    let text = new.comparison(&old, "main");
    assert!(text.contains("'main' is from another machine") && text.contains("then: Z80"), "{text}");
    assert!(text.contains("| another machine |") && !text.contains("slower"), "{text}");
}

#[test]
fn a_baseline_is_read_as_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = figures(&QUIET).save(folder.path(), "main").unwrap();
    assert_eq!(path, folder.path().join("main.json"));
    let read = Baseline::load(folder.path(), "main").unwrap();
    assert_eq!(read.machine, figures(&QUIET).machine);
    assert_eq!(figures(&QUIET).since(&read)[0].2, Verdict::WithinNoise);
    let unknown = Baseline::load(folder.path(), "mian").unwrap_err();
    assert!(
        unknown.starts_with("cannot read baseline 'mian'") && unknown.ends_with("hint: `--against main`"),
        "{unknown}"
    );
    std::fs::write(folder.path().join("old.json"), "{}").unwrap();
    assert!(Baseline::load(folder.path(), "old").unwrap_err().contains("old.json"));
    for name in ["", "../main", "a/b", ".main", "-x"] {
        assert!(Baseline::load(folder.path(), name).unwrap_err().contains("is no name"), "{name}");
    }
}
