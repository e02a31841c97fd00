//! Figures for people: `1,234,567`, `12.3 MB`, `1.24 s`.

use std::time::Duration;

/// Returns a number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `1 row`, `2 rows`: a number and its noun, which takes an `s`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Returns a size in bytes with a decimal unit and three digits.
pub fn bytes(size: u64) -> String {
    if size < 1_000 {
        return count(size, "byte");
    }
    scaled(size, &["kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Returns rows per second: `850 rows/s`, `1.67 M rows/s`.
pub fn rate(rows: u64, elapsed: Duration) -> String {
    let nanos = elapsed.as_nanos().max(1);
    let rate = u64::try_from(u128::from(rows) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
    if rate < 1_000 {
        format!("{rate} rows/s")
    } else {
        scaled(rate, &["k", "M", "G", "T", "P", "E"]) + " rows/s"
    }
}

/// Returns bytes per second: `412 MB/s`.
pub fn byte_rate(size: u64, elapsed: Duration) -> String {
    let rate = u128::from(size) * 1_000_000_000 / elapsed.as_nanos().max(1);
    bytes(u64::try_from(rate).unwrap_or(u64::MAX)) + "/s"
}

/// Returns a time that passed: `0.35 ms`, `120 ms`, `1.24 s`, `2 min 05 s`, `3 h 07 min`.
pub fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds >= 3_600 {
        return format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60);
    }
    if seconds >= 60 {
        return format!("{} min {:02} s", seconds / 60, seconds % 60);
    }
    if seconds >= 1 {
        return format!("{:.2} s", elapsed.as_secs_f64());
    }
    let millis = elapsed.as_secs_f64() * 1_000.0;
    if millis >= 10.0 { format!("{millis:.0} ms") } else { format!("{millis:.2} ms") }
}

/// Returns three digits of a number from 1,000 on, in the first unit that leaves less than a thousand.
fn scaled(number: u64, units: &[&str]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut rest = number as f64;
    let mut unit = "";
    for next in units {
        rest /= 1_000.0;
        unit = next;
        // What rounds to 1,000 is shown in the next unit.
        if rest < 999.5 {
            break;
        }
    }
    let decimals = match rest {
        rest if rest < 9.995 => 2,
        rest if rest < 99.95 => 1,
        _ => 0,
    };
    format!("{rest:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!((count(1, "row"), count(2_500, "row")), ("1 row".to_owned(), "2,500 rows".to_owned()));
    }

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (12_300_000, "12.3 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn durations_are_shown_in_the_unit_that_fits() {
        let cases = [
            (350, "0.35 ms"),
            (120_000, "120 ms"),
            (1_240_000, "1.24 s"),
            (125_000_000, "2 min 05 s"),
            (11_220_000_000, "3 h 07 min"),
        ];
        for (micros, text) in cases {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn rates_are_per_second_even_when_no_time_passed() {
        assert_eq!(rate(1_700, Duration::from_secs(2)), "850 rows/s");
        assert_eq!(rate(3_340_000, Duration::from_secs(2)), "1.67 M rows/s");
        assert!(rate(u64::MAX, Duration::ZERO).ends_with(" rows/s"));
        assert_eq!(byte_rate(824_000_000, Duration::from_secs(2)), "412 MB/s");
        assert_eq!(byte_rate(5, Duration::ZERO), "5.00 GB/s");
    }
}
