//! Lengths of time and sizes as definitions write them: `10s`, `7d`, `256MiB`.

use anyhow::Result;
use anyhow::bail;

use crate::model::time::MICROS_PER_DAY;
use crate::model::time::MICROS_PER_SECOND;

/// The units of a length; a month counts 30 days and a year 365.25.
const UNITS: [(&str, i64); 8] = [
    ("ms", 1_000),
    ("s", MICROS_PER_SECOND),
    ("m", 60 * MICROS_PER_SECOND),
    ("h", 3_600 * MICROS_PER_SECOND),
    ("d", MICROS_PER_DAY),
    ("w", 7 * MICROS_PER_DAY),
    ("mo", 30 * MICROS_PER_DAY),
    ("y", MICROS_PER_DAY * 1_461 / 4),
];

/// The units of a size.
const SIZES: [(&str, u64); 7] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a length of time as microseconds, at least 1 ms.
pub(super) fn span(text: &str) -> Result<i64> {
    let (number, unit) = split(text);
    let found = UNITS.iter().find(|(name, _)| *name == unit);
    match (number.parse::<i64>(), found) {
        (Ok(number), Some((_, micros))) if number > 0 => match number.checked_mul(*micros) {
            Some(length) => Ok(length),
            None => bail!("invalid length '{text}': it is too long"),
        },
        _ => {
            bail!("invalid length '{text}': expected a number and one of ms, s, m, h, d, w, mo, y, as in 10s")
        }
    }
}

/// Reads a length of time that may be `forever`, or nothing, as `0s`.
pub(super) fn span_or_forever(text: &str) -> Result<i64> {
    if text == "forever" { Ok(i64::MAX) } else { span_or_nothing(text) }
}

/// Reads a length of time that may be nothing, as `0s`.
pub(super) fn span_or_nothing(text: &str) -> Result<i64> {
    let (number, unit) = split(text);
    let is_nothing = number == "0" && UNITS.iter().any(|(name, _)| *name == unit);
    if is_nothing { Ok(0) } else { span(text) }
}

/// Reads a number of bytes.
pub(super) fn bytes(text: &str) -> Result<u64> {
    let (number, unit) = split(text);
    let found = SIZES.iter().find(|(name, _)| *name == unit);
    match (number.parse::<u64>(), found) {
        (Ok(number), Some((_, size))) if number > 0 => match number.checked_mul(*size) {
            Some(bytes) => Ok(bytes),
            None => bail!("invalid size '{text}': it is too large"),
        },
        _ => bail!("invalid size '{text}': expected a number and one of kB, MB, KiB, MiB, GiB, as in 256MiB"),
    }
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_are_read() {
        assert_eq!(span("500ms").unwrap(), 500_000);
        assert_eq!(span("7d").unwrap(), 7 * MICROS_PER_DAY);
        assert_eq!(span("2mo").unwrap(), 60 * MICROS_PER_DAY);
        assert_eq!(span_or_forever("forever").unwrap(), i64::MAX);
        assert_eq!(span_or_nothing("0s").unwrap(), 0);
        assert!(span_or_nothing("0").is_err());
        assert_eq!(bytes("256MiB").unwrap(), 256 << 20);
        assert_eq!(bytes("10").unwrap(), 10);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "s", "0s", "-1s", "1", "1 fortnight", "99999999999999y", "forever", "9223372036854775808s"]
        {
            assert!(span(text).is_err(), "{text}");
        }
        for text in ["", "MiB", "0", "1TiB", "99999999999999999999GiB", "18446744073709551615GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
