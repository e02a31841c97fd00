//! The vocabulary of market history: tables, series, values, time. No input or output happens here.

mod conflict;
mod counts;
mod name;
mod reject;
mod rollup;
mod span;
mod table;
pub mod time;
mod timeframe;
mod value;

pub use conflict::OnConflict;
pub use counts::Counts;
pub use name::{InvalidName, nearest, normalize, validate};
pub use reject::Reject;
pub use rollup::{Rollup, RollupError, RollupText};
pub use span::{Span, coalesce, subtract};
pub use table::{BUILTIN, Bound, Check, Column, ColumnType, Operator, Table, TableError, TableText};
pub use timeframe::{InvalidTimeframe, Timeframe, Unit};
pub use value::{SeriesKey, Value, ValueRef};
