//! Bad input and a bad world: one clear error or the right thing, and the store as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Counts, Done, Output, Sandbox, gzip};
use crate::sample::{Numbers, minute_bars};

const OPTIONS: &str = "--set source=test --set timeframe=1d";

/// Runs `act` in a folder with a store, and checks that the store has the same rows afterwards and is sound.
fn unharmed(act: impl FnOnce(&Sandbox)) {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";
    let before = sandbox.query(sql);
    act(&sandbox);
    assert_eq!(sandbox.query(sql), before);
    let sound: String = sandbox.sqlite().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

/// Checks that the input was refused: as a failure, or as a mistake of the user.
fn refused(output: Output) -> Done {
    let (code, done) = output.any();
    let has_error = done.stderr().lines().any(|line| line.starts_with("error: "));
    done.check(matches!(code, Some(1 | 2)), &format!("expected exit code 1 or 2, found {code:?}"));
    done.check(has_error, "expected a line that starts with 'error: '");
    let is_clean = !done.stderr().chars().any(|c| c.is_control() && c != '\n');
    done.check(is_clean, "control characters reach the terminal");
    done
}

#[test]
fn a_missing_file() {
    unharmed(|sandbox| {
        let done = sandbox.try_store(&format!("bars missing.csv {OPTIONS}")).fails(1);
        done.prints("").says(&["error: cannot ", "'missing.csv'", "  caused by: No such file or directory"]);
    });
}

#[test]
fn a_path_through_a_file() {
    unharmed(|sandbox| {
        sandbox.write("plain", "text");
        sandbox.try_store(&format!("bars plain/a.csv {OPTIONS}")).fails(1).says(&["'plain/a.csv'"]);
        refused(sandbox.barn([
            "--store",
            "plain/barn",
            "store",
            "bars",
            "bars.csv",
            "--set",
            "timeframe=1d",
        ]))
        .says(&["plain/barn"]);
    });
}

#[test]
fn a_folder_without_permission() {
    unharmed(|sandbox| {
        sandbox.write("closed/a.csv", "date,symbol,close\n");
        fs::set_permissions(sandbox.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(sandbox.path("closed")).is_ok() {
            eprintln!("skipped: permissions do not bind this user");
        } else {
            sandbox
                .try_store(&format!("bars closed {OPTIONS}"))
                .fails(1)
                .says(&["'closed'", "Permission denied"]);
        }
        fs::set_permissions(sandbox.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    });
}

#[test]
fn an_empty_folder_and_an_empty_file() {
    unharmed(|sandbox| {
        fs::create_dir(sandbox.path("empty")).unwrap();
        sandbox.write("empty.csv", "");
        for name in ["empty", "empty.csv"] {
            let (code, done) = sandbox.try_store(&format!("bars {name} {OPTIONS}")).any();
            done.check(matches!(code, Some(0..=2)), "expected nothing to do, or an error").prints("");
        }
    });
}

#[test]
fn a_binary_file_called_csv() {
    unharmed(|sandbox| {
        let mut numbers = Numbers::new(5);
        let bytes: Vec<u8> = (0..100_000).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect();
        sandbox.write("noise.csv", bytes);
        refused(sandbox.try_store(&format!("bars noise.csv {OPTIONS}"))).says(&["noise.csv"]);
        sandbox.write(
            "elf.csv",
            b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00".repeat(99),
        );
        refused(sandbox.try_store(&format!("bars elf.csv {OPTIONS}"))).says(&["elf.csv"]);
    });
}

#[test]
fn a_truncated_gz() {
    unharmed(|sandbox| {
        let packed = gzip(minute_bars(2, 2_000).as_bytes());
        for length in [5, 20, packed.len() / 2, packed.len() - 1] {
            sandbox.write("cut.csv.gz", &packed[..length]);
            refused(sandbox.try_store("bars cut.csv.gz --set timeframe=1m")).says(&["cut.csv.gz"]);
        }
        let mut damaged = packed;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        sandbox.write("cut.csv.gz", damaged);
        refused(sandbox.try_store("bars cut.csv.gz --set timeframe=1m")).says(&["cut.csv.gz"]);
    });
}

#[test]
fn a_truncated_parquet_zip_and_json() {
    unharmed(|sandbox| {
        sandbox.barn(["query", "SELECT * FROM bars", "-o", "whole.parquet"]).ok();
        let bytes = sandbox.read("whole.parquet");
        sandbox.write("cut.parquet", &bytes[..bytes.len() - 10]);
        sandbox.write("cut.zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00garbage");
        sandbox.write("cut.json", "[{\"date\":\"2024-01-02\",\"symbol\":\"A\",\"close\":1},{\"date\":");
        for name in ["cut.parquet", "cut.zip", "cut.json"] {
            refused(sandbox.try_store(&format!("bars {name} {OPTIONS}"))).says(&[name]);
        }
    });
}

#[test]
fn json_that_is_nested_without_end() {
    unharmed(|sandbox| {
        sandbox.write("deep.json", "[".repeat(200_000));
        refused(sandbox.try_store(&format!("bars deep.json {OPTIONS}"))).says(&["deep.json"]);
        sandbox.write("deep.ndjson", format!("{{\"date\":{}\n", "{\"a\":".repeat(100_000)));
        refused(sandbox.try_store(&format!("bars deep.ndjson {OPTIONS}"))).says(&["deep.ndjson"]);
    });
}

#[test]
fn a_header_without_a_time_column() {
    unharmed(|sandbox| {
        sandbox.write("a.csv", "symbol,open,close\nA,1,2\n");
        refused(sandbox.try_store(&format!("bars a.csv {OPTIONS}"))).says(&[
            "a.csv",
            "ts",
            "hint: ",
            "--map ts=",
        ]);
    });
}

#[test]
fn a_header_without_a_key_column() {
    unharmed(|sandbox| {
        sandbox.write("a.csv", "date,open,close\n2024-01-02,1,2\n");
        refused(sandbox.try_store(&format!("bars a.csv {OPTIONS}"))).says(&["a.csv", "symbol", "hint: "]);
    });
}

#[test]
fn two_fields_mapped_to_one_column() {
    unharmed(|sandbox| {
        sandbox.write("a.csv", "date,symbol,close,Vol,Vol.\n2024-01-02,A,1,2,3\n");
        refused(sandbox.try_store(&format!("bars a.csv {OPTIONS}"))).says(&["'Vol'", "'Vol.'"]);
        sandbox.write("b.csv", "date,symbol,close,close\n2024-01-02,A,1,2\n");
        refused(sandbox.try_store(&format!("bars b.csv {OPTIONS}"))).says(&["close"]);
        sandbox.write("c.csv", "date,symbol,a,b\n2024-01-02,A,1,2\n");
        sandbox
            .try_store(&format!("bars c.csv {OPTIONS} --map close=a --map close=b"))
            .fails(2)
            .says(&["close"]);
    });
}

#[test]
fn a_table_that_does_not_exist() {
    unharmed(|sandbox| {
        sandbox.try_store("brs bars.csv").fails(2).says(&["'brs'", "hint: ", "bars"]);
        sandbox.barn(["query", "SELECT * FROM brs"]).fails(2).says(&["'brs'", "hint: ", "`bars`"]);
        sandbox.barn(["info", "brs"]).fails(2).says(&["'brs'", "hint: "]);
    });
}

#[test]
fn a_store_that_is_not_a_store() {
    unharmed(|sandbox| {
        sandbox.write("text/barn.db", "this is no database, whatever its name says ".repeat(100));
        sandbox.write("file", "a file");
        fs::create_dir(sandbox.path("other")).unwrap();
        let other = rusqlite::Connection::open(sandbox.path("other/barn.db")).unwrap();
        other.execute_batch("CREATE TABLE bars(a, b); INSERT INTO bars VALUES (1, 2);").unwrap();
        drop(other);
        let before = sandbox.contents("other");
        for store in ["text", "file", "other"] {
            let store_bars = ["--store", store, "store", "bars", "bars.csv", "--set", "timeframe=1d"];
            refused(sandbox.barn(store_bars)).says(&["error: cannot open store", store]);
            refused(sandbox.barn(["--store", store, "query", "SELECT * FROM bars"]))
                .says(&["error: cannot open store"]);
            refused(sandbox.barn(["--store", store, "info"])).says(&["error: cannot open store"]);
        }
        sandbox.contents("other").assert_same(&before);
    });
}

#[test]
fn a_store_that_does_not_exist() {
    let sandbox = Sandbox::new();
    for arguments in [vec!["query", "SELECT * FROM bars"], vec!["info"]] {
        refused(sandbox.barn(arguments)).says(&["error: cannot open store", "barn'", "hint: ", "barn store"]);
    }
    assert!(!sandbox.path("barn").exists(), "reading made a store");
}

#[test]
fn a_store_from_the_future() {
    let sandbox = Sandbox::with_bars();
    sandbox.sqlite().pragma_update(None, "user_version", 9_999).unwrap();
    for arguments in [vec!["query", "SELECT * FROM bars"], vec!["info"], vec!["store", "bars", "bars.csv"]] {
        refused(sandbox.barn(arguments)).says(&["error: cannot open store", "9999"]);
    }
}

#[test]
fn a_damaged_store() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(5, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let bytes = sandbox.read("barn/barn.db");
    for (from, to) in [(4_096, bytes.len()), (bytes.len() / 2, bytes.len() / 2 + 20_000)] {
        let mut damaged = bytes.clone();
        damaged[from..to].fill(0xa5);
        sandbox.write("barn/barn.db", damaged);
        refused(sandbox.barn(["query", "SELECT sum(close), max(volume) FROM bars"]));
    }
    sandbox.write("barn/barn.db", &bytes[..bytes.len() / 2]);
    refused(sandbox.barn(["query", "SELECT sum(close), max(volume) FROM bars"]));
}

/// Runs shell lines as somebody who can mount, where that is possible.
pub(crate) fn mounted(sandbox: &Sandbox, lines: &str) -> Option<Done> {
    let can_mount = "unshare -m sh -c 'mkdir -p .probe && mount -t tmpfs tmpfs .probe' 2>&1";
    let (code, _) = sandbox.shell(can_mount).any();
    if code != Some(0) {
        eprintln!("skipped: this user cannot mount");
        return None;
    }
    sandbox.write(".script", lines);
    Some(sandbox.shell("unshare -m sh -e .script").ok())
}

#[test]
fn a_store_on_a_read_only_disk_is_queried_and_not_written() {
    unharmed(|sandbox| {
        let lines = "mount --bind barn barn\n\
                     mount -o remount,ro,bind barn\n\
                     barn query 'SELECT count(*) AS n FROM bars' > n.csv\n\
                     barn info > info.csv\n\
                     if barn store bars bars.csv --set timeframe=1d 2> errors; then exit 9; else echo $? > code; fi\n";
        if mounted(sandbox, lines).is_none() {
            return;
        }
        assert_eq!(sandbox.read_text("n.csv"), "n\n12\n");
        assert!(sandbox.read_text("info.csv").contains("bars"));
        assert_eq!(sandbox.read_text("code"), "1\n");
        let errors = sandbox.read_text("errors");
        assert!(
            errors.starts_with("error: cannot ") && errors.to_lowercase().contains("read-only"),
            "{errors}"
        );
    });
}

#[test]
fn a_full_disk_under_the_store() {
    let sandbox = Sandbox::new();
    sandbox.write("small.csv", minute_bars(2, 100));
    sandbox.write("large.csv", minute_bars(200, 1_000));
    let lines = "mkdir disk\n\
                 mount -t tmpfs -o size=2m tmpfs disk\n\
                 barn --store disk/barn store bars small.csv --set timeframe=1m\n\
                 if barn --store disk/barn store bars large.csv --set timeframe=1m 2> errors; then exit 9; else echo $? > code; fi\n\
                 barn --store disk/barn query 'SELECT count(*) AS n FROM bars' > n.csv\n\
                 barn --store disk/barn store bars small.csv --set timeframe=1m --report r.json\n";
    if mounted(&sandbox, lines).is_none() {
        return;
    }
    assert_eq!(sandbox.read_text("code"), "1\n");
    let errors = sandbox.read_text("errors");
    assert!(errors.contains("error: cannot ") && errors.contains("full"), "{errors}");
    assert_eq!(sandbox.read_text("n.csv"), "n\n200\n");
    assert_eq!(sandbox.report("r.json"), Counts::same_rows(200));
}

#[test]
fn a_limit_on_the_size_of_files_under_the_store() {
    let sandbox = Sandbox::new();
    sandbox.write("small.csv", minute_bars(2, 100));
    sandbox.write("large.csv", minute_bars(200, 1_000));
    sandbox.store("bars small.csv --set timeframe=1m");
    // Signal 25 would end the process before it can say what is wrong.
    let line = "trap '' 25; ulimit -f 1024; barn store bars large.csv --set timeframe=1m";
    refused(sandbox.shell(line)).says(&["error: cannot "]);
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "200");
    assert_eq!(sandbox.store("bars large.csv --set timeframe=1m").read, 200_000);
}

#[test]
fn a_full_disk_under_the_result() {
    unharmed(|sandbox| {
        for format in ["csv", "json", "table", "parquet"] {
            let line = format!("barn query 'SELECT * FROM bars' --format {format} > /dev/full");
            refused(sandbox.shell(&line)).says(&["error: cannot ", "No space left on device"]);
        }
        refused(sandbox.shell("barn info > /dev/full")).says(&["No space left on device"]);
        refused(sandbox.shell("barn --help > /dev/full")).says(&["error: cannot write the help"]);
    });
}

#[test]
fn closed_standard_streams() {
    unharmed(|sandbox| {
        for line in [
            "barn query 'SELECT * FROM bars' >&-",
            "barn query 'SELECT * FROM bars' 2>&-",
            "barn store bars bars.csv --set source=test --set timeframe=1d >&- 2>&-",
            "barn store bars - --set source=test --set timeframe=1d <&-",
            "barn info >&-",
        ] {
            let (code, done) = sandbox.shell(line).any();
            done.check(matches!(code, Some(0..=2)), &format!("{line}: {code:?}"));
        }
    });
}

#[test]
fn ten_thousand_columns() {
    unharmed(|sandbox| {
        let header: Vec<_> = (0..9_997).map(|at| format!("c{at}")).collect();
        let row = vec!["1"; 9_997].join(",");
        sandbox.write("wide.csv", format!("ts,symbol,value,{}\n2024-01-02,A,1,{row}\n", header.join(",")));
        let done = sandbox.barn("--report r.json store observations wide.csv".split(' ')).ok();
        assert_eq!(sandbox.report("r.json"), Counts::new_rows(1));
        done.check(done.stderr().len() < 2_000, "ten thousand names are too many to read");
        let done = refused(sandbox.try_store("observations wide.csv --add-columns"));
        done.check(done.stderr().len() < 2_000, "ten thousand names are too many to read");
        refused(sandbox.try_store("wide wide.csv --key symbol --time ts"));
    });
}

#[test]
fn a_line_of_100_mb() {
    unharmed(|sandbox| {
        let mut text = b"ts,symbol,title\n2024-01-02,A,".to_vec();
        text.resize(100 << 20, b'x');
        text.extend_from_slice(b"\n2024-01-03,A,short\n");
        sandbox.write("long.csv", &text);
        let (code, done) = sandbox.try_store("news long.csv --max-bad 1").any();
        done.check(matches!(code, Some(0 | 1)), &format!("{code:?}"));
        let rows: u64 = sandbox.value("SELECT count(*) FROM news").parse().unwrap();
        done.check(rows <= 1 || code == Some(0), "a failed command stored rows");
        let bytes = sandbox.read("barn/barn.db").len();
        done.check(bytes < 8 << 20, &format!("the store holds {bytes} bytes of a line nobody can read"));
        // A quote that is never closed makes one field of the rest of the file.
        let mut text = b"ts,symbol,title\n2024-01-02,A,\"open\n".to_vec();
        text.extend(b"2024-01-03,A,fine\n".repeat(6 << 20 >> 4));
        sandbox.write("open.csv", &text);
        let (code, done) = sandbox.try_store("news open.csv").any();
        done.check(matches!(code, Some(0 | 1)), &format!("{code:?}"));
    });
}

#[test]
fn an_archive_that_expands_without_end() {
    unharmed(|sandbox| {
        let zeros = vec![b'0'; 16 << 20];
        let once = gzip(&zeros.repeat(16));
        sandbox.write("bomb.csv.gz", once);
        let (code, done) = sandbox.try_store(&format!("bars bomb.csv.gz {OPTIONS}")).any();
        done.check(matches!(code, Some(1 | 2)), &format!("{code:?}")).says(&["bomb.csv.gz"]);
    });
}

#[test]
fn unknown_flags_commands_and_values() {
    let sandbox = Sandbox::with_bars();
    for (line, named) in [
        ("stroe bars bars.csv", "'stroe'"),
        ("store bars bars.csv --sett a=b", "'--sett'"),
        ("store bars bars.csv --set timeframe", "'timeframe'"),
        ("store bars bars.csv --map close", "'close'"),
        ("store bars bars.csv --format xml", "'xml'"),
        ("store bars bars.csv --transaction-rows 0", "--transaction-rows"),
        ("--color blue info", "'blue'"),
        ("info --format xml", "'xml'"),
        ("completions tcl", "'tcl'"),
    ] {
        sandbox.barn(line.split(' ')).fails(2).prints("").says(&["error: ", named]);
    }
}

#[test]
fn no_command_at_all_is_help_and_exit_code_2() {
    let sandbox = Sandbox::new();
    let (code, done) = sandbox.barn([""; 0]).any();
    done.check(code == Some(2), &format!("{code:?}")).says(&["Usage:", "store", "query", "info"]);
}

#[test]
fn text_from_a_file_does_not_steer_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write("a\u{1b}[2J.csv", "date,symbol,\u{1b}]0;owned\u{7},close\n2024-01-02,A,1,2\n");
    sandbox.write("b.csv", "sym\u{1b}[31m,open\nA,1\n");
    for name in ["a\u{1b}[2J.csv", "b.csv", "no\u{1b}[2Jthing.csv"] {
        let (_, done) = sandbox.barn(["store", "bars", name, "--set", "timeframe=1w"]).any();
        let is_clean = !done.stderr().chars().any(|c| c.is_control() && c != '\n');
        done.check(is_clean, "control characters reach the terminal");
    }
}

#[test]
fn a_failed_input_is_reported_once_in_the_form_of_the_house() {
    let sandbox = Sandbox::with_bars();
    let done = sandbox.try_store(&format!("bars missing.csv {OPTIONS}")).fails(1);
    let lines: Vec<_> = done.stderr().lines().collect();
    done.check(lines[0].starts_with("error: cannot "), "expected 'error: cannot <verb> <object>' first");
    done.check(done.stderr().matches("error: ").count() == 1, "expected one error");
    done.check(!done.stderr().trim_end().ends_with('.'), "a message has no final period");
}
