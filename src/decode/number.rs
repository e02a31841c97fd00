//! Numbers from text, without losing a digit silently.

use super::cell::Misread;
use super::entry::Thousands;

/// How the numbers of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NumberRule {
    /// The sign between groups of digits.
    pub(super) thousands: Option<Thousands>,
    /// What the number is divided by.
    pub(super) divide: Option<u64>,
}

impl NumberRule {
    /// Returns how often 10 divides, if `divide` is a power of 10.
    fn power(self) -> Option<i32> {
        let divisor = self.divide?;
        let power = divisor.ilog10();
        (10_u64.pow(power) == divisor).then(|| i32::try_from(power).unwrap_or(0))
    }
}

/// 2^53, up to which every whole number is a double.
const EXACT: u64 = 1 << 53;

/// Bytes of a number with signs between its digits; 17 digits in groups of 2 need 30.
const GROUPED: usize = 64;

/// The powers of 10 that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A number taken apart: `±mantissa × 10^exponent`.
struct Decimal {
    is_negative: bool,
    /// The digits; wrapped around if there are more than 19 significant ones.
    mantissa: u64,
    significant: u32,
    exponent: i32,
    /// Whether there is neither a point nor an exponent.
    is_whole: bool,
}

/// Reads a double; `None` is NaN, which means missing.
#[inline]
pub(super) fn double(text: &[u8], rule: NumberRule) -> Result<Option<f64>, Misread> {
    match rule.thousands {
        None => plain_double(text, rule),
        Some(style) => plain_double(ungroup(text, style, &mut [0; GROUPED])?, rule),
    }
}

/// Reads a whole number of 64 bits.
pub(super) fn bigint(text: &[u8], rule: NumberRule) -> Result<i64, Misread> {
    let mut room = [0; GROUPED];
    let text = match rule.thousands {
        None => text,
        Some(style) => ungroup(text, style, &mut room)?,
    };
    let decimal = scan(text).ok_or(Misread::NotNumber)?;
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (text.get(..point).unwrap_or_default(), text.get(point + 1..).unwrap_or_default()),
        None => (text, &b""[..]),
    };
    let has_exponent = text.iter().any(|b| b.eq_ignore_ascii_case(&b'e'));
    if has_exponent || fraction.iter().any(|b| *b != b'0') {
        return Err(Misread::NotWhole);
    }
    let number = if decimal.significant == 0 {
        0
    } else {
        // Only digits and a sign are left, so that the one thing to fail is the size.
        std::str::from_utf8(whole).ok().and_then(|whole| whole.parse().ok()).ok_or(Misread::NotBigint)?
    };
    match rule.divide.map(i64::try_from) {
        None => Ok(number),
        Some(Ok(divisor)) if number % divisor == 0 => Ok(number / divisor),
        Some(_) => Err(Misread::NotWhole),
    }
}

fn plain_double(text: &[u8], rule: NumberRule) -> Result<Option<f64>, Misread> {
    let Some(decimal) = scan(text) else { return word(text) };
    let power = match rule.divide {
        None => Some(0),
        Some(_) => rule.power(),
    };
    if let Some(power) = power {
        let exponent = decimal.exponent.saturating_sub(power);
        let value = match fast(&decimal, exponent) {
            Some(value) => value,
            None => slow(text, &decimal, power)?,
        };
        if decimal.is_whole && rule.divide.is_none() && !is_exact(text, &decimal, value) {
            return Err(Misread::NotExact);
        }
        return Ok(Some(value));
    }
    let whole = plain_double(text, NumberRule { thousands: None, divide: None })?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "a divisor that is no power of 10 is small; one division rounds once"
    )]
    let divisor = rule.divide.unwrap_or(1) as f64;
    Ok(whole.map(|whole| whole / divisor))
}

/// Clinger's fast path: both operands are doubles, so that the one operation rounds correctly.
#[inline]
fn fast(decimal: &Decimal, exponent: i32) -> Option<f64> {
    if decimal.significant > 19 || decimal.mantissa > EXACT {
        return None;
    }
    let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    #[allow(clippy::cast_precision_loss, reason = "up to 2^53 nothing is lost")]
    let mantissa = decimal.mantissa as f64;
    let value = if exponent < 0 { mantissa / power } else { mantissa * power };
    Some(if decimal.is_negative { -value } else { value })
}

#[cold]
fn slow(text: &[u8], decimal: &Decimal, power: i32) -> Result<f64, Misread> {
    // The scan has seen nothing but digits, signs, a point and an exponent.
    let Ok(text) = std::str::from_utf8(text) else { return Err(Misread::NotNumber) };
    let value: Option<f64> = if power == 0 {
        text.parse().ok()
    } else {
        let digits = text.split(['e', 'E']).next().unwrap_or_default();
        let places = digits.split('.').nth(1).map_or(0, str::len);
        let exponent = i64::from(decimal.exponent) + i64::try_from(places).unwrap_or(0) - i64::from(power);
        format!("{digits}e{exponent}").parse().ok()
    };
    match value {
        Some(value) if value.is_infinite() => Err(Misread::TooLarge),
        Some(value) => Ok(value),
        None => Err(Misread::NotNumber),
    }
}

fn is_exact(text: &[u8], decimal: &Decimal, value: f64) -> bool {
    if decimal.significant <= 15 {
        return true;
    }
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let leading = digits.iter().take_while(|b| **b == b'0').count();
    format!("{:.0}", value.abs()).as_bytes() == digits.get(leading..).unwrap_or_default()
}

/// Reads the words for infinity and NaN.
#[cold]
fn word(text: &[u8]) -> Result<Option<f64>, Misread> {
    let (sign, name) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        _ => (1.0, text),
    };
    if name.eq_ignore_ascii_case(b"nan") {
        Ok(None)
    } else if name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") {
        Ok(Some(sign * f64::INFINITY))
    } else {
        Err(Misread::NotNumber)
    }
}

#[inline]
fn scan(text: &[u8]) -> Option<Decimal> {
    let (is_negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut decimal = Decimal { is_negative, mantissa: 0, significant: 0, exponent: 0, is_whole: true };
    let mut has_digit = false;
    let mut bytes = rest.iter();
    while let Some(&byte) = bytes.next() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            has_digit = true;
            decimal.mantissa = decimal.mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            decimal.significant += u32::from(decimal.significant > 0 || digit > 0);
            decimal.exponent -= i32::from(!decimal.is_whole);
        } else if byte == b'.' && decimal.is_whole {
            decimal.is_whole = false;
        } else if byte | 0x20 == b'e' && has_digit {
            decimal.is_whole = false;
            decimal.exponent = decimal.exponent.saturating_add(scan_exponent(bytes.as_slice())?);
            return Some(decimal);
        } else {
            return None;
        }
    }
    has_digit.then_some(decimal)
}

/// Reads an exponent; one beyond a million is that large, no double is.
fn scan_exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i32, |size, digit| (size * 10 + i32::from(digit - b'0')).min(1_000_000));
    Some(sign * size)
}

/// Copies a number without the signs between its groups of digits, and with a point.
///
/// The last group has three digits, those before it two (as in India) or three.
fn ungroup<'a>(text: &'a [u8], style: Thousands, room: &'a mut [u8; GROUPED]) -> Result<&'a [u8], Misread> {
    let (group, point) = match style {
        Thousands::Comma => (b',', b'.'),
        Thousands::Dot => (b'.', b','),
    };
    if style == Thousands::Comma && memchr::memchr(b',', text).is_none() {
        return Ok(text);
    }
    if text.len() > GROUPED {
        return Err(Misread::NotNumber);
    }
    let end = memchr::memchr(point, text).unwrap_or(text.len());
    let (whole, fraction) = text.split_at(end);
    let unsigned = whole.strip_prefix(b"-").or(whole.strip_prefix(b"+")).unwrap_or(whole);
    let groups = unsigned.split(|b| *b == group).count();
    for (at, digits) in unsigned.split(|b| *b == group).enumerate() {
        let fits = match at {
            _ if groups == 1 => true,
            0 => (1..=3).contains(&digits.len()),
            _ if at + 1 == groups => digits.len() == 3,
            _ => (2..=3).contains(&digits.len()),
        };
        if !fits {
            return Err(Misread::NotNumber);
        }
    }
    if fraction.contains(&group) {
        return Err(Misread::NotNumber);
    }
    let kept = text.iter().filter(|b| **b != group).map(|b| if *b == point { b'.' } else { *b });
    let mut len = 0;
    for (place, byte) in room.iter_mut().zip(kept) {
        *place = byte;
        len += 1;
    }
    Ok(room.get(..len).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: NumberRule = NumberRule { thousands: None, divide: None };

    #[test]
    fn doubles_are_read_to_the_bit() {
        let cases = [
            "0",
            "1",
            "-1",
            "+1",
            ".5",
            "5.",
            "1e5",
            "1E-5",
            "1.7976931348623157e308",
            "5e-324",
            "0.1",
            "1387.27",
            "9007199254740992",
            "123456789012345678",
            "0.30000000000000004",
            "4.9406564584124654e-324",
            "1e22",
            "1e23",
            "00012.50",
            "12345678901234567890.5",
            "1234567890123456789012345678e-10",
        ];
        for text in cases {
            let exact = text.parse::<f64>().unwrap();
            let read = double(text.as_bytes(), PLAIN);
            if text == "123456789012345678" {
                assert_eq!(read, Err(Misread::NotExact));
            } else {
                assert_eq!(read.unwrap().unwrap().to_bits(), exact.to_bits(), "{text}");
            }
        }
    }

    #[test]
    fn infinities_are_kept_nan_is_missing_and_the_rest_is_refused() {
        assert_eq!(double(b"inf", PLAIN), Ok(Some(f64::INFINITY)));
        assert_eq!(double(b"-Infinity", PLAIN), Ok(Some(f64::NEG_INFINITY)));
        assert_eq!(double(b"NAN", PLAIN), Ok(None));
        assert_eq!(double(b"1e999", PLAIN), Err(Misread::TooLarge));
        assert_eq!(double(b"9007199254740993", PLAIN), Err(Misread::NotExact));
        assert_eq!(double(b"1e-999", PLAIN), Ok(Some(0.0)));
        assert_eq!(double(b"100000000000000000000000", PLAIN), Err(Misread::NotExact));
        assert_eq!(double(b"18446744073709551616", PLAIN), Ok(Some(18_446_744_073_709_551_616.0)));
        for text in
            ["", ".", "-", "e5", "1e", "1e+", "1 2", "0x10", "1_000", "$1", "1%", "1,000", "--1", "1.2.3"]
        {
            assert_eq!(double(text.as_bytes(), PLAIN), Err(Misread::NotNumber), "{text}");
        }
    }

    #[test]
    fn dividing_by_a_power_of_ten_rounds_once() {
        let rule = NumberRule { thousands: None, divide: Some(10_000) };
        for (text, value) in
            [("1674100", 167.41), ("494101", 49.4101), ("1.5e3", 0.15), ("3", 0.0003), ("-7", -0.0007)]
        {
            assert_eq!(double(text.as_bytes(), rule), Ok(Some(value)), "{text}");
        }
        assert_eq!(double(b"90071992547409931", rule), Ok("9007199254740.9931".parse().ok()));
        assert_eq!(double(b"12345678901234567890.5e1", rule), Ok(Some(12_345_678_901_234_567.890_5)));
        assert_eq!(double(b"1", NumberRule { divide: Some(8), ..PLAIN }), Ok(Some(0.125)));
        assert_eq!(bigint(b"120000", rule), Ok(12));
        assert_eq!(bigint(b"120001", rule), Err(Misread::NotWhole));
    }

    #[test]
    fn whole_numbers_lose_nothing() {
        let cases = [
            ("12", Ok(12)),
            ("+12", Ok(12)),
            ("12.0", Ok(12)),
            ("-0", Ok(0)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(Misread::NotBigint)),
            ("12.5", Err(Misread::NotWhole)),
            ("1e3", Err(Misread::NotWhole)),
            ("x", Err(Misread::NotNumber)),
        ];
        for (text, number) in cases {
            assert_eq!(bigint(text.as_bytes(), PLAIN), number, "{text}");
        }
    }

    #[test]
    fn groups_of_digits_are_read_only_as_declared() {
        let comma = NumberRule { thousands: Some(Thousands::Comma), divide: None };
        let dot = NumberRule { thousands: Some(Thousands::Dot), divide: None };
        let cases = [
            (comma, "1,234.5", Some(1234.5)),
            (comma, "1,23,456.7", Some(123_456.7)),
            (comma, "-178,387,129.15", Some(-178_387_129.15)),
            (comma, "502.65", Some(502.65)),
            (comma, "12,34", None),
            (comma, "1,,234", None),
            (comma, "1.5,000", None),
            (dot, "1.234,5", Some(1234.5)),
            (dot, "1.234", Some(1234.0)),
            (dot, "12,5", Some(12.5)),
            (dot, "12.5", None),
        ];
        for (rule, text, value) in cases {
            assert_eq!(double(text.as_bytes(), rule).ok().flatten(), value, "{text}");
        }
        assert_eq!(bigint(b"12,34,567", comma), Ok(1_234_567));
    }

    proptest! {
        #[test]
        fn any_double_reads_back_to_its_bits(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for text in [format!("{number:?}"), format!("{number:e}")] {
                let read = double(text.as_bytes(), PLAIN).unwrap().unwrap();
                prop_assert_eq!(read.to_bits(), number.to_bits());
            }
        }
    }
}
