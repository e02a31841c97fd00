//! Numbers as text: floats exactly as Rust's `{:?}` writes them, without its machinery where possible.

use std::fmt::Debug;
use std::io::Write as _;

/// Appends a double as `{:?}` writes it: the shortest digits that read back as the same value.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    if write_short(value, size, out) {
        return;
    }
    // zmij and `{:?}` change to an exponent at other sizes and write it differently.
    if (1e-4..1e16).contains(&size) || size == 0.0 {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        // 15 digits are never half way between two doubles.
        if text.len() <= 16 || !is_half_way(value, text) {
            return out.extend_from_slice(text.as_bytes());
        }
    }
    write_debug(value, out);
}

/// Appends a double of at most 4 digits behind the point, as prices and volumes are; returns whether it is one.
///
/// Two texts of up to 15 digits never read back as the same double, so a text of at most 15 that reads back as
/// the value is, without its trailing zeros, the shortest one. Whole numbers up to 2^53 and 10,000 are doubles,
/// and their quotient is rounded as reading the text is.
fn write_short(value: f64, size: f64, out: &mut Vec<u8>) -> bool {
    const SCALE: u64 = 10_000;
    if !(1e-3..1e11).contains(&size) {
        return false;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the number lies between 10 and 10^15, and is compared with what it stands for"
    )]
    let (scaled, is_exact) = {
        let scaled = (size * 1e4 + 0.5) as u64;
        #[allow(clippy::float_cmp, reason = "bit for bit is what is asked")]
        (scaled, scaled as f64 / 1e4 == size)
    };
    if !is_exact {
        return false;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(scaled / SCALE).as_bytes());
    let fraction = scaled % SCALE;
    let digit = |place: u64| b'0' + u8::try_from(fraction / place % 10).unwrap_or(0);
    let digits = [b'.', digit(1_000), digit(100), digit(10), digit(1)];
    let zeros = digits[2..].iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..digits.len() - zeros]);
    true
}

/// Appends a single as `{:?}` writes it.
pub(super) fn write_single(value: f32, out: &mut Vec<u8>) {
    let size = value.abs();
    if (1e-4..1e7).contains(&size) || size == 0.0 {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        // 6 digits are never half way between two singles.
        if text.len() <= 7 || !is_half_way(f64::from(value), text) {
            return out.extend_from_slice(text.as_bytes());
        }
    }
    write_debug(value, out);
}

/// Returns whether the value may lie exactly half way between two texts of this length, where zmij takes
/// the even digit and `{:?}` the upper one: 3810304.25 in single precision is 3810304.2 or 3810304.3.
///
/// With `n` digits after the point, twice the value times 10ⁿ must be odd, and so must be the value times
/// 2ⁿ⁺¹: its lowest bit must stand for 2⁻ⁿ⁻¹.
fn is_half_way(value: f64, text: &str) -> bool {
    let digits = text.bytes().rev().take_while(|byte| *byte != b'.').count();
    let bits = value.to_bits();
    let exponent = (bits >> 52) & 0x7ff;
    // The bit before the stored ones is set in every number of this size.
    let lowest = exponent + u64::from((bits | 1 << 52).trailing_zeros());
    // A double is its stored bits times 2 to the power of the exponent less 1,075.
    usize::try_from(lowest).is_ok_and(|lowest| lowest + digits + 1 == 1_075)
}

fn write_debug(value: impl Debug, out: &mut Vec<u8>) {
    write!(out, "{value:?}").expect("writing to memory cannot fail");
}

/// Appends a whole number.
pub(super) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn single(value: f32) -> String {
        let mut out = Vec::new();
        write_single(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn short_decimals_are_written_as_debug_writes_them(scaled in 0_u64..2_000_000_000_000_000, places in 0..7) {
            #[allow(clippy::cast_precision_loss, reason = "any double will do")]
            let value = scaled as f64 / 10_f64.powi(places);
            prop_assert_eq!(double(value), format!("{value:?}"));
            prop_assert_eq!(double(-value), format!("{:?}", -value));
        }
    }

    #[test]
    fn edges_are_written_as_debug_writes_them() {
        let edges = [
            0.0,
            1.0,
            0.1,
            1e-4,
            9.999_999_999_999_999e-5,
            1e-5,
            1e15,
            9_999_999_999_999_998.0,
            1e16,
            1e17,
            123_456_789_012_345_680.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
            9_007_199_254_740_993.0,
            16_777_216.0,
            f64::from(f32::MAX),
        ];
        for edge in edges {
            for value in [edge, -edge] {
                assert_eq!(double(value), format!("{value:?}"));
                #[expect(clippy::cast_possible_truncation, reason = "any single will do")]
                let value = value as f32;
                assert_eq!(single(value), format!("{value:?}"));
            }
        }
        assert_eq!((double(f64::NAN), single(f32::NAN)), ("NaN".to_owned(), "NaN".to_owned()));
    }

    #[test]
    fn every_power_of_ten_and_its_neighbours_agree_with_debug() {
        for exponent in -330..=310 {
            let value: f64 = format!("1e{exponent}").parse().unwrap();
            for value in [value.next_down(), value, value.next_up()] {
                assert_eq!(double(value), format!("{value:?}"));
            }
            let value: f32 = format!("1e{exponent}").parse().unwrap();
            for value in [value.next_down(), value, value.next_up()] {
                assert_eq!(single(value), format!("{value:?}"));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn doubles_of_any_bits_agree_with_debug(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(double(value), format!("{value:?}"));
        }

        #[test]
        fn doubles_of_usual_size_agree_with_debug(value in -1e17..1e17) {
            prop_assert_eq!(double(value), format!("{value:?}"));
        }

        #[test]
        fn doubles_half_way_between_two_texts_agree_with_debug(value in any::<i64>(), bits in 0..60) {
            #[expect(clippy::cast_precision_loss, reason = "any double will do")]
            let value = value as f64 / 2_f64.powi(bits);
            prop_assert_eq!(double(value), format!("{value:?}"));
        }

        #[test]
        fn singles_widened_to_doubles_agree_with_debug(mantissa in any::<i32>(), scale in 0..8) {
            #[expect(clippy::cast_precision_loss, reason = "any single will do")]
            let value = mantissa as f32 / 10_f32.powi(scale);
            prop_assert_eq!(double(value.into()), format!("{:?}", f64::from(value)));
            prop_assert_eq!(single(value), format!("{value:?}"));
        }

        #[test]
        fn prices_agree_with_debug(mantissa in any::<i32>(), scale in 0..12) {
            let value = f64::from(mantissa) / 10_f64.powi(scale);
            prop_assert_eq!(double(value), format!("{value:?}"));
        }

        #[test]
        fn singles_of_any_bits_agree_with_debug(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assert_eq!(single(value), format!("{value:?}"));
        }
    }
}
