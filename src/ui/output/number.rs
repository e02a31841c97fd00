//! Numbers as text: floats exactly as Rust's `{:?}` writes them, without its machinery where possible.

use std::fmt::Debug;
use std::io::Write as _;

/// Appends a double as `{:?}` writes it: the shortest digits that read back as the same value.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    // zmij and `{:?}` change to an exponent at other sizes and write it differently.
    if (1e-4..1e16).contains(&size) || size == 0.0 {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        write_debug(value, out);
    }
}

/// Appends a single as `{:?}` writes it.
pub(super) fn write_single(value: f32, out: &mut Vec<u8>) {
    let size = value.abs();
    // zmij changes to an exponent at 1e7 already.
    if (1e-4..1e7).contains(&size) || size == 0.0 {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        write_debug(value, out);
    }
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
