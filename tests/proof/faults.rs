//! Each operation on a file of a store fails once, and a process dies before each change it makes.

use crate::disk::{Disk, Fault};
use crate::scenes::{Stage, scenes};
use crate::{chance, times};

/// Lets the operations of each command go wrong, one a run; the short form takes some of them.
fn each_operation(fault: Fault) {
    let disk = Disk::new();
    let mut numbers = chance();
    let mut report = Vec::new();
    for scene in scenes() {
        let stage = Stage::new(scene);
        let last = count(&disk, &stage, fault);
        let runs = times(6, u64::MAX).min(last);
        for run in 0..runs {
            // One of each stretch.
            let (from, to) = (run * last / runs, (run + 1) * last / runs);
            play(&disk, &stage, fault, 1 + from + numbers.below(to - from), run % 5 == 0);
        }
        report.push(format!("{}: {runs} of {last}", scene.name));
        assert!(last > 5, "{}: only {last} operations can go wrong", scene.name);
    }
    eprintln!("{fault:?}: {}", report.join(", "));
}

/// Returns how many operations of a command can go wrong: the first at which it runs clean is one more.
fn count(disk: &Disk, stage: &Stage, fault: Fault) -> u64 {
    let reaches = |n: u64| {
        let folder = stage.folder();
        let mut command = stage.command(&folder);
        disk.fail(&mut command, &folder.path("barn"), fault, n);
        let code = folder.run(command, None).any().0;
        code.is_none() || disk.has_failed()
    };
    let (mut low, mut high) = (0, 64);
    while reaches(high) {
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if reaches(middle) { low = middle } else { high = middle }
    }
    low
}

fn play(disk: &Disk, stage: &Stage, fault: Fault, n: u64, is_tidied: bool) {
    let folder = stage.folder();
    let mut command = stage.command(&folder);
    disk.fail(&mut command, &folder.path("barn"), fault, n);
    let (code, done) = folder.run(command, None).any();
    eprintln!("{}: {fault:?} at {n}: {code:?}", stage.scene.name);
    stage.check_end(&folder, code, &done);
    stage.check(&folder);
    if is_tidied {
        stage.check_tidy(&folder);
    }
}

#[test]
fn an_operation_that_fails_is_said_and_nothing_is_lost() {
    each_operation(Fault::Error);
}

#[test]
fn a_disk_that_is_full_from_any_operation_on() {
    each_operation(Fault::Full);
}

#[test]
fn a_process_that_dies_before_any_change() {
    each_operation(Fault::Kill);
}
