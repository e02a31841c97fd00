//! Turns comparisons of `ts` with literals into a half-open range of microseconds.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

use crate::model::time::{MICROS_PER_DAY, MICROS_PER_SECOND, format_timestamp};

/// Times from `since` up to, not including, `until`; a missing bound is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Range {
    pub(in crate::engine) since: Option<i64>,
    pub(in crate::engine) until: Option<i64>,
}

impl Range {
    /// A range without a time in it.
    const EMPTY: Self = Self { since: Some(0), until: Some(0) };

    /// Returns the times in both ranges.
    pub(in crate::engine) fn and(self, other: Self) -> Self {
        Self {
            // `None` sorts below every bound, so it only loses where the later start wins.
            since: self.since.max(other.since),
            until: match (self.until, other.until) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            },
        }
    }

    /// Returns whether no time is in the range.
    pub(in crate::engine) fn is_empty(self) -> bool {
        matches!((self.since, self.until), (Some(since), Some(until)) if since >= until)
    }

    /// Returns whether the range holds every time.
    pub(in crate::engine) fn is_open(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.since {
            Some(since) => write!(f, "[{}, ", format_timestamp(since))?,
            None => f.write_str("(, ")?,
        }
        match self.until {
            Some(until) => write!(f, "{})", format_timestamp(until)),
            None => f.write_str(")"),
        }
    }
}

/// Returns the range for which `filter` is true, if it says exactly that.
pub(in crate::engine) fn of(filter: &Expr) -> Option<Range> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => Some(of(left)?.and(of(right)?)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (Side::of(left), instant(right)) {
            (Some(side), Some(instant)) => side.compare(*op, instant),
            _ => Side::of(right)?.compare(op.swap()?, instant(left)?),
        },
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let side = Side::of(expr)?;
            let low = side.compare(Operator::GtEq, instant(low)?)?;
            Some(low.and(side.compare(Operator::LtEq, instant(high)?)?))
        }
        _ => None,
    }
}

/// The side of a comparison that stands for `ts`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// `ts` itself, or a cast of it that keeps every microsecond.
    Time,
    /// `CAST(ts AS DATE)`: all times of a day are equal.
    Day,
}

impl Side {
    fn of(expr: &Expr) -> Option<Self> {
        let (inner, target) = match expr {
            Expr::Column(column) => return (column.name == "ts").then_some(Self::Time),
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
            _ => return None,
        };
        match (Self::of(inner)?, target) {
            // Another zone than UTC would shift a naive literal on the other side.
            (Self::Time, DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, zone))
                if zone.as_deref().is_none_or(is_utc) =>
            {
                Some(Self::Time)
            }
            (_, DataType::Date32) => Some(Self::Day),
            _ => None,
        }
    }

    fn compare(self, op: Operator, instant: i128) -> Option<Range> {
        const NANOS_PER_MICRO: i128 = 1_000;
        let step = match self {
            Self::Time => NANOS_PER_MICRO,
            Self::Day => NANOS_PER_MICRO * i128::from(MICROS_PER_DAY),
        };
        // The first and the next step at or behind the instant: where no step starts there they agree.
        let at = instant.div_euclid(step) + i128::from(instant.rem_euclid(step) != 0);
        let behind = instant.div_euclid(step) + 1;
        let micros = |steps: i128| steps * (step / NANOS_PER_MICRO);
        Some(match op {
            Operator::GtEq => from(micros(at)),
            Operator::Gt => from(micros(behind)),
            Operator::Lt => up_to(micros(at)),
            Operator::LtEq => up_to(micros(behind)),
            Operator::Eq if at == behind => Range::EMPTY,
            Operator::Eq => from(micros(at)).and(up_to(micros(behind))),
            _ => return None,
        })
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z" | "Etc/UTC")
}

fn from(micros: i128) -> Range {
    match i64::try_from(micros) {
        Ok(micros) => Range { since: Some(micros), until: None },
        Err(_) if micros > 0 => Range::EMPTY,
        Err(_) => Range::default(),
    }
}

fn up_to(micros: i128) -> Range {
    match i64::try_from(micros) {
        Ok(micros) => Range { since: None, until: Some(micros) },
        Err(_) if micros > 0 => Range::default(),
        Err(_) => Range::EMPTY,
    }
}

/// Returns the time a literal names, in nanoseconds.
fn instant(expr: &Expr) -> Option<i128> {
    const NANOS_PER_SECOND: i128 = 1_000_000_000;
    let literal = match expr {
        Expr::Literal(literal, _) => literal,
        Expr::Alias(alias) => return instant(&alias.expr),
        _ => return None,
    };
    // A literal in another zone is a UTC number all the same.
    let (number, nanos) = match literal {
        ScalarValue::TimestampSecond(Some(number), _) => (*number, NANOS_PER_SECOND),
        ScalarValue::TimestampMillisecond(Some(number), _) => (*number, NANOS_PER_SECOND / 1_000),
        ScalarValue::TimestampMicrosecond(Some(number), _) => {
            (*number, NANOS_PER_SECOND / i128::from(MICROS_PER_SECOND))
        }
        ScalarValue::TimestampNanosecond(Some(number), _) => (*number, 1),
        ScalarValue::Date32(Some(days)) => (i64::from(*days), 86_400 * NANOS_PER_SECOND),
        ScalarValue::Date64(Some(millis)) => (*millis, NANOS_PER_SECOND / 1_000),
        _ => return None,
    };
    Some(i128::from(number) * nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{cast, col, lit};

    fn nanos(number: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(number), None))
    }

    fn range(since: Option<i64>, until: Option<i64>) -> Range {
        Range { since, until }
    }

    #[test]
    fn a_literal_between_two_microseconds_rounds_away_from_what_is_excluded() {
        for (literal, at_least, above, below, at_most) in [
            (2_000, 2, 3, 2, 3),
            (2_001, 3, 3, 3, 3),
            (1_999, 2, 2, 2, 2),
            (-1, 0, 0, 0, 0),
            (-1_000, -1, 0, -1, 0),
        ] {
            let ts = || col("ts");
            assert_eq!(of(&ts().gt_eq(nanos(literal))), Some(range(Some(at_least), None)), "{literal}");
            assert_eq!(of(&ts().gt(nanos(literal))), Some(range(Some(above), None)), "{literal}");
            assert_eq!(of(&ts().lt(nanos(literal))), Some(range(None, Some(below))), "{literal}");
            assert_eq!(of(&ts().lt_eq(nanos(literal))), Some(range(None, Some(at_most))), "{literal}");
            assert_eq!(of(&nanos(literal).lt_eq(ts())), Some(range(Some(at_least), None)), "{literal}");
        }
        assert_eq!(of(&col("ts").eq(nanos(2_000))), Some(range(Some(2), Some(3))));
        assert!(of(&col("ts").eq(nanos(2_001))).is_some_and(Range::is_empty));
    }

    #[test]
    fn coarse_literals_and_casts_name_the_same_times() {
        let day = lit(ScalarValue::Date32(Some(1)));
        assert_eq!(of(&col("ts").lt(day.clone())), Some(range(None, Some(MICROS_PER_DAY))));
        let date = || cast(col("ts"), DataType::Date32);
        assert_eq!(of(&date().eq(day.clone())), Some(range(Some(MICROS_PER_DAY), Some(2 * MICROS_PER_DAY))));
        assert_eq!(of(&date().gt(day.clone())), Some(range(Some(2 * MICROS_PER_DAY), None)));
        assert_eq!(of(&date().lt_eq(day)), Some(range(None, Some(2 * MICROS_PER_DAY))));
        let seconds = lit(ScalarValue::TimestampSecond(Some(i64::MAX), None));
        assert_eq!(of(&col("ts").lt(seconds.clone())), Some(Range::default()));
        assert!(of(&col("ts").gt(seconds)).is_some_and(Range::is_empty));
    }

    #[test]
    fn other_comparisons_are_left_to_the_query() {
        assert_eq!(of(&col("ts").not_eq(nanos(0))), None);
        assert_eq!(of(&col("commence").gt(nanos(0))), None);
        assert_eq!(of(&cast(col("ts"), DataType::Timestamp(TimeUnit::Second, None)).gt(nanos(0))), None);
        let zone = DataType::Timestamp(TimeUnit::Nanosecond, Some("America/New_York".into()));
        assert_eq!(of(&cast(col("ts"), zone).gt(nanos(0))), None);
        assert_eq!(of(&col("ts").between(nanos(0), nanos(1_999)).or(col("ts").gt(nanos(5_000)))), None);
    }
}
