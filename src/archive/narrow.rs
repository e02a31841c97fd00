//! The narrowest type that holds every value of a column bit for bit.
//!
//! A type belongs to a dataset, not to a file. Later values that it does not hold make the dataset's next
//! version; files of earlier versions stay as they are and are read with a cast.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit};

use crate::model::{ColumnType, ValueRef};

/// The digits after the point up to which decimals are looked for: prices of currencies have at most eight.
const MAX_SCALE: u8 = 9;

/// Scaled numbers below this are found again by rounding: the product of a double and a power of ten is off by
/// less than half.
const MAX_SCALED: f64 = 1_125_899_906_842_624.0;

/// The powers of ten up to [`MAX_SCALE`].
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Returns a power of ten as a double, exactly; `scale` is at most nine.
pub(super) fn power(scale: u8) -> f64 {
    POWERS[usize::from(scale.min(MAX_SCALE))]
}

/// How a column lies in Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Physical {
    /// UTF-8 text.
    Text,
    /// True or false.
    Boolean,
    /// Days since 1970.
    Date,
    /// Microseconds since 1970 in UTC.
    Timestamp,
    /// 32-bit whole numbers, of bigints and of doubles that are all whole.
    Int32,
    /// 64-bit whole numbers.
    Int64,
    /// 32-bit floats, where every double is one.
    Float32,
    /// Doubles.
    Float64,
    /// Whole numbers divided by ten to this power, of up to nine digits.
    Decimal9(u8),
    /// The same, of up to 18 digits.
    Decimal18(u8),
}

impl Physical {
    /// Returns the type that holds whatever a column of a table may have.
    pub fn widest(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text,
            ColumnType::Double => Self::Float64,
            ColumnType::Bigint => Self::Int64,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date,
            ColumnType::Timestamp => Self::Timestamp,
        }
    }

    /// Returns the Arrow type, of which the Parquet library makes the one in the file.
    pub(super) fn arrow(self) -> DataType {
        /// The sign of a scale is Arrow's.
        fn signed(scale: u8) -> i8 {
            i8::try_from(scale).unwrap_or(i8::MAX)
        }
        match self {
            Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal9(scale) => DataType::Decimal128(9, signed(scale)),
            Self::Decimal18(scale) => DataType::Decimal128(18, signed(scale)),
        }
    }

    /// Returns the bytes that a value takes before it is encoded; of text, those of its length.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Text | Self::Date | Self::Int32 | Self::Float32 | Self::Decimal9(_) => 4,
            Self::Timestamp | Self::Int64 | Self::Float64 | Self::Decimal18(_) => 8,
        }
    }
}

impl fmt::Display for Physical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Int32 => f.write_str("int32"),
            Self::Int64 => f.write_str("int64"),
            Self::Float32 => f.write_str("float32"),
            Self::Float64 => f.write_str("float64"),
            Self::Decimal9(scale) => write!(f, "decimal(9,{scale})"),
            Self::Decimal18(scale) => write!(f, "decimal(18,{scale})"),
        }
    }
}

/// Which types may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Types that every program computes with as it does with doubles.
    #[default]
    Plain,
    /// Also exact decimals.
    Smallest,
}

/// What is known of the values of a column.
#[derive(Clone, Debug)]
pub(super) struct Values {
    kind: ColumnType,
    /// Values that are not null.
    pub(super) count: u64,
    /// The largest magnitude of a whole number.
    whole: u64,
    is_whole: bool,
    is_single: bool,
    is_i32: bool,
    /// The digits after the point that decimals need, `None` where they do not hold all values.
    scale: Option<u8>,
    largest: f64,
}

impl Values {
    /// Nothing is known yet of a column of `kind`.
    pub(super) fn new(kind: ColumnType, choice: Choice) -> Self {
        Self {
            kind,
            count: 0,
            whole: 0,
            is_whole: true,
            is_single: true,
            is_i32: true,
            scale: (choice == Choice::Smallest && kind == ColumnType::Double).then_some(0),
            largest: 0.0,
        }
    }

    /// Takes note of a value.
    #[inline]
    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => return,
            ValueRef::Double(number) => self.add_double(number),
            ValueRef::Bigint(number) => {
                self.whole = self.whole.max(number.unsigned_abs());
                self.is_i32 &= i32::try_from(number).is_ok();
            }
            _ => {}
        }
        self.count += 1;
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "whether a cast keeps the value is just what is asked"
    )]
    fn add_double(&mut self, number: f64) {
        if self.is_single {
            self.is_single = f64::from(number as f32) == number;
        }
        if self.is_whole {
            let whole = number as i64;
            // 2^63 is a double and no i64; the cast would saturate just below it.
            self.is_whole = whole as f64 == number && whole != i64::MAX;
            self.whole = self.whole.max(whole.unsigned_abs());
            self.is_i32 &= i32::try_from(whole).is_ok();
        }
        if let Some(scale) = self.scale {
            self.scale = (scale..=MAX_SCALE).find(|scale| is_decimal(number, *scale));
            self.largest = self.largest.max(number.abs());
        }
    }

    /// Adds what is known of other values of the same column.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.whole = self.whole.max(other.whole);
        self.is_whole &= other.is_whole;
        self.is_single &= other.is_single;
        self.is_i32 &= other.is_i32;
        self.scale = self.scale.zip(other.scale).map(|(left, right)| left.max(right));
        self.largest = self.largest.max(other.largest);
    }

    /// Returns the types that hold every value; the plain one first.
    pub(super) fn choices(&self) -> Vec<Physical> {
        // Nothing is known of what will come.
        if self.count == 0 {
            return vec![Physical::widest(self.kind)];
        }
        let whole = if self.is_i32 { Physical::Int32 } else { Physical::Int64 };
        match self.kind {
            ColumnType::Bigint => vec![whole],
            ColumnType::Double if self.is_whole => vec![whole],
            ColumnType::Double => {
                let float = if self.is_single { Physical::Float32 } else { Physical::Float64 };
                std::iter::once(float).chain(self.decimal()).collect()
            }
            kind => vec![Physical::widest(kind)],
        }
    }

    fn decimal(&self) -> Option<Physical> {
        /// What nine digits hold.
        const NINE_DIGITS: f64 = 999_999_999.0;
        let scale = self.scale?;
        let scaled = self.largest * power(scale);
        if scaled >= MAX_SCALED {
            return None;
        }
        Some(if scaled.round() <= NINE_DIGITS {
            Physical::Decimal9(scale)
        } else {
            Physical::Decimal18(scale)
        })
    }

    /// Returns whether a type holds every value.
    pub(super) fn fit(&self, physical: Physical) -> bool {
        if self.count == 0 || physical == Physical::widest(self.kind) {
            return true;
        }
        match physical {
            Physical::Int32 => self.is_whole && self.is_i32,
            Physical::Int64 => self.is_whole,
            Physical::Float32 => self.is_single,
            Physical::Decimal9(have) | Physical::Decimal18(have) => match (self.decimal(), physical) {
                (Some(Physical::Decimal9(need)), Physical::Decimal9(_)) => {
                    need <= have && self.largest * power(have) <= 999_999_999.0
                }
                (Some(Physical::Decimal9(need) | Physical::Decimal18(need)), Physical::Decimal18(_)) => {
                    need <= have && self.largest * power(have) < MAX_SCALED
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns the type for a column that lay as `physical` so far, and that has to hold these values too.
    pub(super) fn widen(&self, physical: Physical) -> Physical {
        match physical {
            fits if self.fit(fits) => fits,
            Physical::Int32 if self.fit(Physical::Int64) => Physical::Int64,
            _ => Physical::widest(self.kind),
        }
    }

    /// Returns the largest magnitude of whole numbers.
    pub(super) fn largest_whole(&self) -> u64 {
        self.whole
    }

    /// Returns why a type was chosen, in words.
    pub(super) fn reason(&self, physical: Physical) -> String {
        if self.count == 0 {
            return "no value yet".to_owned();
        }
        match (self.kind, physical) {
            (ColumnType::Double, Physical::Int32 | Physical::Int64) => {
                format!("all whole, up to {}", self.whole)
            }
            (ColumnType::Bigint, _) => format!("up to {}", self.whole),
            (_, Physical::Float32) => "every value is a 32-bit float".to_owned(),
            (_, Physical::Float64) => "some values need all 64 bits".to_owned(),
            (_, Physical::Decimal9(scale) | Physical::Decimal18(scale)) => {
                format!("every value is a whole number of 1e-{scale}")
            }
            _ => "as it is".to_owned(),
        }
    }
}

/// Returns whether a double is just what a whole number divided by ten to `scale` rounds to.
#[allow(clippy::float_cmp, reason = "bit for bit is what is asked; there is no NaN and no negative zero")]
fn is_decimal(number: f64, scale: u8) -> bool {
    let scaled = (number * power(scale)).round_ties_even();
    scaled.abs() < MAX_SCALED && scaled / power(scale) == number
}

/// Returns the whole number of which `number` is the quotient by ten to `scale`.
#[allow(clippy::cast_possible_truncation, reason = "the magnitude is below 2^50")]
pub(super) fn unscaled(number: f64, scale: u8) -> Option<i64> {
    is_decimal(number, scale).then(|| (number * power(scale)).round_ties_even() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubles(choice: Choice, numbers: &[f64]) -> Values {
        let mut values = Values::new(ColumnType::Double, choice);
        for number in numbers {
            values.add(ValueRef::Double(*number));
        }
        values
    }

    #[test]
    fn doubles_become_the_narrowest_type_that_holds_them() {
        for (numbers, expected) in [
            (&[1.0, -2.0, 2_147_483_647.0][..], Physical::Int32),
            (&[2_147_483_648.0], Physical::Int64),
            (&[1e18], Physical::Int64),
            (&[9_223_372_036_854_775_808.0], Physical::Float32),
            (&[-9_223_372_036_854_775_808.0], Physical::Int64),
            (&[9_223_372_036_854_774_784.0], Physical::Int64),
            (&[0.5, 1.25], Physical::Float32),
            (&[f64::INFINITY, f64::NEG_INFINITY], Physical::Float32),
            (&[0.1], Physical::Float64),
            (&[f64::MIN_POSITIVE / 2.0], Physical::Float64),
            (&[1e300], Physical::Float64),
            (&[], Physical::Float64),
        ] {
            assert_eq!(doubles(Choice::Plain, numbers).choices(), [expected], "{numbers:?}");
        }
    }

    #[test]
    fn decimals_are_a_choice_where_they_are_exact() {
        let decimal = |numbers: &[f64]| doubles(Choice::Smallest, numbers).choices().get(1).copied();
        assert_eq!(decimal(&[0.1, 171.0125, 3.0]), Some(Physical::Decimal9(4)));
        assert_eq!(decimal(&[0.1, 123_456_789.01]), Some(Physical::Decimal18(2)));
        assert_eq!(decimal(&[0.1, 0.000_000_000_1]), None);
        assert_eq!(decimal(&[0.1, 1e15]), None);
        assert_eq!(decimal(&[0.1, f64::INFINITY]), None);
        assert_eq!(decimal(&[0.1 + 0.2]), None);
        for number in [0.1, 171.0125, 99.99, -1234.5678, 0.000_001] {
            let whole = unscaled(number, 6).unwrap();
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let back = whole as f64 / power(6);
            assert_eq!(back.to_bits(), number.to_bits());
        }
    }

    #[test]
    fn bigints_are_narrowed_and_extremes_are_not() {
        let mut values = Values::new(ColumnType::Bigint, Choice::Plain);
        values.add(ValueRef::Bigint(5));
        assert_eq!(values.choices(), [Physical::Int32]);
        values.add(ValueRef::Bigint(i64::MIN));
        assert_eq!(values.choices(), [Physical::Int64]);
        assert_eq!(values.largest_whole(), 1 << 63);
    }

    #[test]
    fn later_values_widen_a_type_only_as_far_as_they_must() {
        let widen = |physical, numbers: &[f64]| doubles(Choice::Smallest, numbers).widen(physical);
        assert_eq!(widen(Physical::Int32, &[7.0]), Physical::Int32);
        assert_eq!(widen(Physical::Int32, &[1e10]), Physical::Int64);
        assert_eq!(widen(Physical::Int64, &[7.0]), Physical::Int64);
        assert_eq!(widen(Physical::Int32, &[0.5]), Physical::Float64);
        assert_eq!(widen(Physical::Float32, &[0.5]), Physical::Float32);
        assert_eq!(widen(Physical::Float32, &[0.1]), Physical::Float64);
        assert_eq!(widen(Physical::Float64, &[0.5]), Physical::Float64);
        assert_eq!(widen(Physical::Decimal9(4), &[0.25]), Physical::Decimal9(4));
        assert_eq!(widen(Physical::Decimal9(4), &[0.000_01]), Physical::Float64);
        assert_eq!(widen(Physical::Decimal9(4), &[123_456.0]), Physical::Float64);
        assert_eq!(widen(Physical::Decimal18(4), &[123_456.0]), Physical::Decimal18(4));
        assert_eq!(widen(Physical::Int32, &[]), Physical::Int32);
    }
}
