//! Any file smaller, and back: nothing lost, nothing overwritten, nothing half written.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::harness::Sandbox;

/// The codecs and the extensions of their files.
pub(super) const CODECS: [(&str, &str); 3] = [("zstd", "zst"), ("lz4", "lz4"), ("gzip", "gz")];

/// Lines like those of a price file.
pub(super) fn rows(bytes: usize) -> Vec<u8> {
    let mut random = 1_u64;
    let mut rows = Vec::with_capacity(bytes + 100);
    for row in 0_u64.. {
        if rows.len() >= bytes {
            break;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let price = 10_000 + (random >> 50);
        let line = format!("2024-01-02,{row},{}.{:02},{}\n", price / 100, price % 100, random >> 54);
        rows.extend_from_slice(line.as_bytes());
    }
    rows.truncate(bytes);
    rows
}

/// Bytes without any order.
fn noise(bytes: usize) -> Vec<u8> {
    let mut random = 9_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_le_bytes()[7]
    };
    (0..bytes).map(|_| next()).collect()
}

/// What lies in the folder, but for what the harness put there.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let known = [".home", ".tmp", ".bin"];
    let mut names: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
    names.sort();
    names
}

#[test]
fn a_file_comes_back_as_it_was() {
    for (codec, extension) in CODECS {
        let sandbox = Sandbox::new();
        for (name, bytes) in [
            ("empty", vec![]),
            ("byte", vec![7]),
            ("rows", rows(20_000_000)),
            ("noise", noise(9_000_000)),
            ("zeros", vec![0; 30_000_000]),
        ] {
            sandbox.write(name, &bytes);
            let packed = format!("{name}.{extension}");
            let said = sandbox.barn(["compress", name, "--codec", codec]).ok();
            said.says(&[&format!("compressed '{name}' into '{packed}': "), "ratio", "/s\n"]).prints("");
            assert!(sandbox.read(name) == bytes, "the input stays");
            let size = sandbox.read(&packed).len();
            assert!(name != "zeros" || size < 300_000, "{codec}: {size} bytes of zeros");
            assert!(name != "rows" || size < 15_000_000, "{codec}: {size} bytes of rows");
            fs::remove_file(sandbox.path(name)).unwrap();
            let said = sandbox.barn(["compress", "-d", &packed]).ok();
            said.says(&[&format!("decompressed '{packed}' into '{name}': ")]);
            assert!(sandbox.read(name) == bytes, "{codec} of {name}");
        }
    }
}

#[test]
fn streams_go_from_stdin_to_stdout() {
    let sandbox = Sandbox::new();
    let bytes = rows(10_000_000);
    for (codec, _) in CODECS {
        let packed = sandbox.barn_reading(bytes.clone(), ["compress", "-", "--codec", codec]).ok();
        let packed = packed.bytes().to_vec();
        let unpacked = sandbox.barn_reading(packed.clone(), ["compress", "-d", "-"]).ok();
        assert!(unpacked.bytes() == bytes, "{codec}");
        let to_file = sandbox.barn_reading(packed.clone(), ["compress", "-d", "-", "-o", "out", "-f"]).ok();
        to_file.prints("");
        assert!(sandbox.read("out") == bytes, "{codec}");
        let from_file = sandbox.barn(["compress", "out", "-o", "-", "--codec", codec]).ok();
        from_file.says(&["compressed 'out' into stdout: "]);
        assert!(from_file.bytes() == packed, "{codec}: a file and a stream are packed alike");
    }
    assert_eq!(names(&sandbox), ["out"]);
    sandbox.shell("barn compress out -o - | head -c 1 > first; barn compress -q - < out | barn compress -d - | cmp - out").ok();
}

#[test]
fn the_name_of_the_output_chooses_the_codec() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    for (name, magic) in [
        ("x.zst", &b"\x28\xb5\x2f\xfd"[..]),
        ("x.lz4", b"\x04\x22\x4d\x18"),
        ("x.GZ", b"\x1f\x8b"),
        ("x.other", b"\x28\xb5\x2f\xfd"),
    ] {
        sandbox.barn(["compress", "a", "-o", name]).ok();
        assert!(sandbox.read(name).starts_with(magic), "{name}");
        // What it is, its content says.
        fs::rename(sandbox.path(name), sandbox.path("b.zst")).unwrap();
        sandbox.barn(["compress", "-d", "b.zst"]).ok();
        assert_eq!(sandbox.read("b"), sandbox.read("a"));
        fs::remove_file(sandbox.path("b")).unwrap();
    }
}

#[test]
fn mode_and_time_are_kept() {
    let sandbox = Sandbox::new();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_000);
    for mode in [0o600, 0o444, 0o755] {
        sandbox.write("a", rows(100));
        fs::File::options().write(true).open(sandbox.path("a")).unwrap().set_modified(time).unwrap();
        fs::set_permissions(sandbox.path("a"), fs::Permissions::from_mode(mode | 0o4000)).unwrap();
        sandbox.barn(["compress", "a"]).ok();
        sandbox.barn(["compress", "-d", "a.zst", "-o", "b"]).ok();
        for name in ["a.zst", "b"] {
            let metadata = fs::metadata(sandbox.path(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
            assert_eq!(metadata.modified().unwrap(), time, "{name}");
            fs::remove_file(sandbox.path(name)).unwrap();
        }
        fs::remove_file(sandbox.path("a")).unwrap();
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.write("a.zst", "mine");
    let failed = sandbox.barn(["compress", "a"]).fails(1);
    failed.says(&["cannot write 'a.zst': it exists", "hint: `--force`"]);
    assert_eq!(sandbox.read_text("a.zst"), "mine");
    sandbox.barn(["compress", "a", "--force"]).ok();
    sandbox.barn(["compress", "-d", "a.zst"]).fails(1).says(&["cannot write 'a': it exists"]);
    sandbox.barn(["compress", "-d", "a.zst", "--force"]).ok();
    assert_eq!(sandbox.read("a"), rows(1_000));
    for output in ["a", "./a"] {
        sandbox.barn(["compress", "a", "-o", output, "--force"]).fails(2).says(&["it is the input"]);
    }
    assert_eq!(names(&sandbox), ["a", "a.zst"]);
}

#[test]
fn links_folders_and_devices_are_no_files() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.write("folder/b", "b");
    sandbox.write("target", "target");
    symlink("a", sandbox.path("link")).unwrap();
    symlink("target", sandbox.path("a.zst")).unwrap();
    symlink("nowhere", sandbox.path("a.lz4")).unwrap();
    sandbox.barn(["compress", "folder"]).fails(1).says(&["cannot compress 'folder'", "it is a folder"]);
    sandbox.barn(["compress", "folder", "--force"]).fails(1).says(&["it is a folder"]);
    sandbox.barn(["compress", "missing"]).fails(1).says(&["cannot compress 'missing'", "No such file"]);
    sandbox.barn(["compress", "/dev/zero", "-o", "z"]).fails(1).says(&["it is no regular file"]);
    sandbox.barn(["compress", "/dev/zero", "-o", "z", "-f"]).fails(1);
    sandbox.barn(["compress", "link", "-o", "b"]).fails(1).says(&["it is a link", "hint: `--force`"]);
    sandbox.barn(["compress", "link", "-o", "b", "--force"]).ok();
    // Nothing is written through a link, or over one.
    for force in [&[][..], &["--force"]] {
        for (codec, name) in [("zstd", "a.zst"), ("lz4", "a.lz4")] {
            let failed = sandbox.barn(["compress", "a", "--codec", codec].iter().chain(force)).fails(1);
            failed.says(&[&format!("cannot write '{name}': it is a link")]);
        }
    }
    assert_eq!(sandbox.read_text("target"), "target");
    assert_eq!(names(&sandbox), ["a", "a.lz4", "a.zst", "b", "folder", "link", "target"]);
    sandbox.barn(["compress", "a", "-o", "/dev/null"]).ok();
    sandbox.shell("barn compress a -o /dev/stdout | barn compress -d - | cmp - a").ok();
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.write("b", rows(1_000));
    for (arguments, said) in [
        (&["a", "b", "-o", "c"][..], "'--output' takes one input"),
        (&["-", "-"], "cannot read stdin twice"),
        (&["a", "--codec", "lz4", "--level", "3"], "lz4"),
        (&["a", "--codec", "gzip", "--level", "10"], "it has 1 to 9"),
        (&["a", "--level", "23"], "--level"),
        (&["a", "--codec", "bzip2"], "bzip2"),
        (&["a", "--table", "bars"], "--table"),
        (&["a", "--all"], "--all"),
        (&["a", "--dry-run"], "--dry-run"),
        (&["a", "--smallest"], "--smallest"),
        (&["-d", "a", "--level", "3"], "--level"),
        (&["-d", "a"], "its name does not say"),
        (&["-d"], "FILE"),
        (&["--codec", "zstd"], "FILE"),
        (&["--older-than", "soon"], "expected a number and a unit"),
        (&["--before", "soon"], "invalid time 'soon'"),
        (&["--all", "--before", "2024-01-01"], "--before"),
    ] {
        sandbox.barn(["compress"].iter().chain(arguments)).fails(2).says(&[said]);
    }
    assert_eq!(names(&sandbox), ["a", "b"]);
}

#[test]
fn levels_reach_the_codec() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(500_000));
    for (codec, low, high) in [("zstd", "1", "19"), ("gzip", "1", "9")] {
        let size = |level: &str| {
            let packed = sandbox.barn(["compress", "a", "-o", "-", "--codec", codec, "--level", level]).ok();
            packed.bytes().len()
        };
        assert!(size(high) < size(low), "{codec}");
    }
}

#[test]
fn what_is_missing_or_changed_is_noticed_and_leaves_nothing() {
    for (codec, extension) in CODECS {
        let sandbox = Sandbox::new();
        let bytes = rows(100_000);
        sandbox.write("a", &bytes);
        sandbox.barn(["compress", "a", "--codec", codec]).ok();
        let packed = sandbox.read(&format!("a.{extension}"));
        fs::remove_file(sandbox.path("a")).unwrap();
        let lengths = (0..20).chain((20..packed.len()).step_by(packed.len() / 15)).chain([packed.len() - 1]);
        for length in lengths {
            sandbox.write(&format!("a.{extension}"), &packed[..length]);
            sandbox.barn(["compress", "-d", &format!("a.{extension}")]).fails(1).says(&["cannot decompress"]);
            assert_eq!(names(&sandbox), [format!("a.{extension}")], "{codec} cut at {length}");
        }
        for at in (0..packed.len()).step_by(packed.len() / 30) {
            let mut changed = packed.clone();
            changed[at] ^= 0x55;
            sandbox.write(&format!("a.{extension}"), changed);
            let (code, _) = sandbox.barn(["compress", "-d", &format!("a.{extension}"), "-f"]).any();
            if code == Some(0) {
                assert!(sandbox.read("a") == bytes, "{codec}: byte {at} changed, and nobody noticed");
                fs::remove_file(sandbox.path("a")).unwrap();
            }
            assert_eq!(names(&sandbox), [format!("a.{extension}")]);
        }
        sandbox.write("b.zst", [&packed[..], b"x"].concat());
        sandbox.barn(["compress", "-d", "b.zst"]).fails(1).says(&["something else behind"]);
    }
}

#[test]
fn what_is_packed_otherwise_or_not_at_all_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.barn(["compress", "a", "-o", "b.gz"]).ok();
    let failed = sandbox.barn(["compress", "-d", "b.gz", "--codec", "zstd"]).fails(1);
    failed.says(&["cannot decompress 'b.gz'", "it is gzip and not zstd"]);
    sandbox.barn(["compress", "-d", "b.gz", "--codec", "gzip"]).ok();
    fs::rename(sandbox.path("a"), sandbox.path("a.zst")).unwrap();
    sandbox.barn(["compress", "-d", "a.zst"]).fails(1).says(&["it is neither zstd, lz4 nor gzip"]);
    sandbox.write("c.gz", "");
    sandbox.barn(["compress", "-d", "c.gz"]).fails(1).says(&["it is empty"]);
    assert_eq!(names(&sandbox), ["a.zst", "b", "b.gz", "c.gz"]);
}

#[test]
fn each_of_several_files_stands_for_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.write("b", rows(2_000));
    let done = sandbox.barn(["compress", "a", "missing", "b", "--report", "r.json"]).fails(3);
    done.says(&["compressed 'a'", "compressed 'b'", "compressed 2 files", "cannot compress 'missing'"]);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("r.json")).unwrap();
    assert_eq!(report["command"], "compress");
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!((&files[2]["input"], &files[2]["output"]), (&"b".into(), &"b.zst".into()));
    assert_eq!((&files[2]["codec"], &files[2]["bytes_read"]), (&"zstd".into(), &2_000.into()));
    assert_eq!(files[2]["bytes_written"].as_u64(), Some(sandbox.read("b.zst").len() as u64));
    let written = files[2]["bytes_written"].as_f64().unwrap();
    assert!((files[2]["ratio"].as_f64().unwrap() - 2_000.0 / written).abs() < 1e-9);
    assert!(files[2]["mb_per_second"].as_f64().unwrap() > 0.0);
    assert!(files[1]["error"].as_str().unwrap().contains("No such file"));
    sandbox.barn(["compress", "missing", "gone"]).fails(1);
    fs::remove_file(sandbox.path("a")).unwrap();
    fs::remove_file(sandbox.path("b")).unwrap();
    sandbox.barn(["compress", "-d", "a.zst", "b.zst"]).ok().says(&["decompressed 2 files"]);
    assert_eq!((sandbox.read("a"), sandbox.read("b")), (rows(1_000), rows(2_000)));
}

#[test]
fn a_bomb_needs_force() {
    let sandbox = Sandbox::new();
    let done = sandbox.shell("head -c 210000000 /dev/zero | barn compress - -o bomb.zst").ok();
    done.says(&["compressed stdin into 'bomb.zst'"]);
    let failed = sandbox.barn(["compress", "-d", "bomb.zst"]).fails(1);
    failed.says(&["more than 1000 times its size", "hint: `--force`"]);
    assert_eq!(names(&sandbox), ["bomb.zst"]);
    sandbox.shell("barn compress -d bomb.zst -o - --force | wc -c").ok().prints("210000000\n");
}

#[test]
fn a_full_disk_and_a_locked_folder_leave_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    sandbox.write("b.gz", crate::harness::gzip(&rows(1_000)));
    for arguments in
        [&["compress", "a", "-o", "/dev/full"][..], &["compress", "-d", "b.gz", "-o", "/dev/full"]]
    {
        sandbox.barn(arguments).fails(1).says(&["cannot write '/dev/full'", "No space left on device"]);
    }
    sandbox.shell("barn compress -d b.gz -o - > /dev/full").fails(1).says(&["No space left on device"]);
    sandbox.barn(["compress", "a", "-o", "no/such/folder.zst"]).fails(1).says(&["cannot write"]);
    sandbox.write("locked/a", rows(1_000));
    fs::set_permissions(sandbox.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(sandbox.path("locked/probe"), "").is_ok();
    if is_root {
        eprintln!("skipped: nothing is locked to this user");
    } else {
        sandbox.barn(["compress", "locked/a"]).fails(1).says(&["cannot write 'locked/a.zst'", "denied"]);
    }
    fs::set_permissions(sandbox.path("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(names(&sandbox), ["a", "b.gz", "locked"]);
}

#[test]
fn an_interrupt_leaves_nothing() {
    for arguments in [
        &["compress", "a", "--level", "19"][..],
        &["compress", "-", "-o", "b"],
        &["compress", "-d", "-", "-o", "b"],
        &["compress", "-", "-o", "b.parquet"],
    ] {
        let sandbox = Sandbox::new();
        // What is packed at this level for longer than the test waits; the others wait for a pipe.
        sandbox.write("a", rows(if arguments[1] == "a" { 50_000_000 } else { 1_000 }));
        let mut command = sandbox.barn_command(arguments);
        // A pipe into which nothing comes is waited for.
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pipe = child.stdin.take();
        std::thread::sleep(Duration::from_millis(700));
        let mut kill = sandbox.command("/bin/sh");
        kill.args(["-c", &format!("kill -INT {}", child.id())]);
        sandbox.run(kill, None).ok();
        assert_eq!(sandbox.wait(&mut child, "barn compress"), Some(130), "{arguments:?}");
        drop(pipe);
        assert_eq!(names(&sandbox), ["a"], "{arguments:?}");
    }
}

#[test]
fn a_terminal_is_not_filled_with_bytes() {
    let sandbox = Sandbox::new();
    sandbox.write("a", rows(1_000));
    if !fs::exists("/usr/bin/script").unwrap() {
        eprintln!("skipped: there is no `script` to make a terminal");
        return;
    }
    let done = sandbox.shell("script -qec 'barn compress a -o -' /dev/null < /dev/null; true").ok();
    assert!(done.stdout().contains("cannot show compressed data on a terminal"), "{}", done.stdout());
}
