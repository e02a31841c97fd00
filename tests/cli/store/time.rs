//! Times in every spelling end up in UTC microseconds, or the row is rejected.

use crate::harness::{Counts, Sandbox};

/// Stores one observation with this time and returns the time a query prints.
fn stored(time: &str, options: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("ts,symbol,value\n\"{time}\",A,1\n"));
    let line = format!("observations a.csv {options}");
    assert_eq!(sandbox.store(&line), Counts::new_rows(1), "{time}");
    sandbox.value("SELECT ts FROM observations")
}

/// Checks that these times are all rejected.
fn rejected(times: &[&str], options: &str) {
    let sandbox = Sandbox::new();
    let rows: String = times.iter().map(|time| format!("\"{time}\",A,1\n")).collect();
    sandbox.write("a.csv", format!("ts,symbol,value\n{rows}"));
    let counts = sandbox.store(&format!("observations a.csv --max-bad 100% {options}"));
    let read = times.len() as u64;
    assert_eq!(counts, Counts { read, rejected: read, ..Counts::default() });
}

#[test]
fn dates_and_times_of_the_usual_spellings() {
    for (time, printed) in [
        ("2024-01-31", "2024-01-31T00:00:00Z"),
        ("2024-01-31T09:30:00Z", "2024-01-31T09:30:00Z"),
        ("2024-01-31T09:30:00.5Z", "2024-01-31T09:30:00.500Z"),
        ("2024-01-31T09:30:00.000001Z", "2024-01-31T09:30:00.000001Z"),
        ("2024-01-31 09:30:00", "2024-01-31T09:30:00Z"),
        ("2024-01-31T09:30:00+05:30", "2024-01-31T04:00:00Z"),
        ("2024-01-31T09:30:00+0530", "2024-01-31T04:00:00Z"),
        ("2024-01-31 09:30:00-05:00", "2024-01-31T14:30:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
        ("1871-01-01", "1871-01-01T00:00:00Z"),
        ("9999-12-31", "9999-12-31T00:00:00Z"),
        ("2000-02-29", "2000-02-29T00:00:00Z"),
    ] {
        assert_eq!(stored(time, ""), printed, "{time}");
    }
}

#[test]
fn the_unit_of_an_epoch_is_known_by_its_size() {
    for (time, printed) in [
        ("1706693400", "2024-01-31T09:30:00Z"),
        ("1706693400125", "2024-01-31T09:30:00.125Z"),
        ("1706693400000001", "2024-01-31T09:30:00.000001Z"),
        ("1706693400000001000", "2024-01-31T09:30:00.000001Z"),
    ] {
        assert_eq!(stored(time, ""), printed, "{time}");
    }
}

#[test]
fn the_unit_of_an_epoch_is_one_for_the_whole_column() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,value\n1000,A,1\n-86400000,A,2\n1706693400125,A,3\n");
    sandbox.store("observations a.csv");
    assert_eq!(
        sandbox.query("SELECT ts FROM observations ORDER BY ts"),
        "ts\n1969-12-31T00:00:00Z\n1970-01-01T00:00:01Z\n2024-01-31T09:30:00.125Z\n"
    );
}

#[test]
fn naive_times_are_in_the_given_zone() {
    assert_eq!(stored("2024-01-31 09:30:00", "--tz America/New_York"), "2024-01-31T14:30:00Z");
    assert_eq!(stored("2024-07-31 09:30:00", "--tz America/New_York"), "2024-07-31T13:30:00Z");
    assert_eq!(stored("2024-01-31 09:15:00", "--tz Asia/Kolkata"), "2024-01-31T03:45:00Z");
    // An offset in the value is stronger than the zone.
    assert_eq!(stored("2024-01-31T09:30:00Z", "--tz America/New_York"), "2024-01-31T09:30:00Z");
}

#[test]
fn a_date_has_no_zone() {
    assert_eq!(stored("2024-01-31", "--tz America/New_York"), "2024-01-31T00:00:00Z");
    assert_eq!(stored("31/01/2024", "--tz Asia/Kolkata --time-format %d/%m/%Y"), "2024-01-31T00:00:00Z");
}

#[test]
fn a_local_time_that_does_not_exist_moves_forward() {
    assert_eq!(stored("2024-03-10 02:30:00", "--tz America/New_York"), "2024-03-10T07:30:00Z");
}

#[test]
fn a_local_time_that_exists_twice_is_the_earlier() {
    assert_eq!(stored("2024-11-03 01:30:00", "--tz America/New_York"), "2024-11-03T05:30:00Z");
}

#[test]
fn other_spellings_have_a_format() {
    for (time, format, printed) in [
        ("31-Dec-10", "%d-%b-%y", "2010-12-31T00:00:00Z"),
        ("31/12/2010", "%d/%m/%Y", "2010-12-31T00:00:00Z"),
        ("20110301090100", "%Y%m%d%H%M%S", "2011-03-01T09:01:00Z"),
    ] {
        assert_eq!(stored(time, &format!("--time-format {format}")), printed, "{time}");
    }
}

#[test]
fn finer_digits_than_microseconds_are_not_dropped() {
    rejected(&["2024-01-31T09:30:00.0000001Z"], "");
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,value\n1706693400000000001,A,1\n");
    let (code, done) = sandbox.try_store("observations a.csv").any();
    done.check(code != Some(0), "a nanosecond was dropped");
}

#[test]
fn times_that_are_none_are_rejected() {
    rejected(
        &[
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-01-31T25:00:00Z",
            "yesterday",
            "",
            "2024-01-31T09:61:00Z",
        ],
        "",
    );
    rejected(&["31/02/2024", "2024-01-31"], "--time-format %d/%m/%Y");
}

#[test]
fn a_zone_and_a_format_that_are_none_are_usage_errors() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,value\n2024-01-31,A,1\n");
    sandbox.try_store("observations a.csv --tz Mars/Olympus").fails(2).says(&["'Mars/Olympus'"]);
    sandbox.try_store("observations a.csv --time-format %!").fails(2).says(&["%!"]);
}

#[test]
fn bars_of_a_day_are_labelled_by_their_date() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,close\n2024-01-02 16:00:00,A,1\n2024-01-03T05:00:00+00:00,A,2\n");
    sandbox.store("bars a.csv --set timeframe=1d --tz America/New_York");
    assert_eq!(
        sandbox.query("SELECT ts, close FROM bars ORDER BY ts"),
        "ts,close\n2024-01-02T00:00:00Z,1.0\n2024-01-03T00:00:00Z,2.0\n"
    );
}

#[test]
fn shorter_bars_keep_their_time() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,close\n2024-01-02 09:31:00,A,1\n");
    sandbox.store("bars a.csv --set timeframe=1m --tz America/New_York");
    assert_eq!(sandbox.value("SELECT ts FROM bars"), "2024-01-02T14:31:00Z");
}

#[test]
fn times_in_json_are_read_as_in_csv() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.ndjson",
        "{\"t\":1706693400125,\"symbol\":\"A\",\"value\":1}\n{\"t\":1706693400126,\"symbol\":\"A\",\"value\":2.5}\n",
    );
    sandbox.store("observations a.ndjson --map ts=t");
    assert_eq!(
        sandbox.query("SELECT ts, value FROM observations ORDER BY ts"),
        "ts,value\n2024-01-31T09:30:00.125Z,1.0\n2024-01-31T09:30:00.126Z,2.5\n"
    );
}
