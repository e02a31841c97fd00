//! A batch of rows of one table, on its way from bytes to the store: columns of plain values in a
//! polars `DataFrame`. No other module names polars.

mod column;
mod parquet;

use polars::prelude::{DataFrame, IdxCa, IntoColumn as _, NamedFrom as _, Series};

#[cfg(test)]
pub(crate) use self::parquet::tests::sample as sample_parquet;
pub use self::parquet::{ParquetColumn, ParquetFile, ParquetSlice, TimeUnit};
pub use column::{Cells, ColumnBuilder};

use crate::model::SeriesKey;
use crate::model::ValueRef;

const SERIES: &str = "#series";
const TS: &str = "#ts";
const SEQ: &str = "#seq";

/// Rows of one table.
///
/// A row's series is a place in [`Frame::keys`]; its values are columns by their place in the table,
/// absent where the input has none.
pub struct Frame {
    keys: Vec<SeriesKey>,
    rows: DataFrame,
    /// For each value column of the table its place in `rows`.
    places: Vec<Option<usize>>,
}

/// The columns a [`Frame`] is made of, all of one length.
pub struct FrameColumns {
    /// The distinct series keys of the batch.
    pub keys: Vec<SeriesKey>,
    /// For each row its place in `keys`.
    pub series: Vec<u32>,
    /// For each row its time, microseconds UTC.
    pub ts: Vec<i64>,
    /// For each row the order its input gives to ticks of one time, where it gives one.
    pub seq: Option<Vec<i64>>,
    /// For each value column of the table its cells, `None` where the input has no such column.
    pub values: Vec<Option<ColumnBuilder>>,
}

impl Frame {
    /// Builds a frame; panics if the columns differ in length, which no input can cause.
    pub fn new(columns: FrameColumns) -> Self {
        let height = columns.ts.len();
        let mut all = vec![Series::new(SERIES.into(), columns.series).into_column()];
        all.push(Series::new(TS.into(), columns.ts).into_column());
        if let Some(seq) = columns.seq {
            all.push(Series::new(SEQ.into(), seq).into_column());
        }
        let mut places = Vec::with_capacity(columns.values.len());
        for (at, builder) in columns.values.into_iter().enumerate() {
            places.push(builder.map(|builder| {
                all.push(builder.finish(&at.to_string()).into_column());
                all.len() - 1
            }));
        }
        let rows =
            DataFrame::new(height, all).expect("the columns of a batch have one length and distinct names");
        Self { keys: columns.keys, rows, places }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.height()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the distinct series keys.
    pub fn keys(&self) -> &[SeriesKey] {
        &self.keys
    }

    /// Returns for each row its place in [`Frame::keys`].
    pub fn series(&self) -> &[u32] {
        let column = self.rows.columns()[0].as_materialized_series();
        column
            .u32()
            .and_then(|column| column.cont_slice())
            .expect("the series column is one chunk without nulls")
    }

    /// Returns for each row its time.
    pub fn ts(&self) -> &[i64] {
        let column = self.rows.columns()[1].as_materialized_series();
        column
            .i64()
            .and_then(|column| column.cont_slice())
            .expect("the time column is one chunk without nulls")
    }

    fn seq(&self) -> Option<&[i64]> {
        let column = self.rows.column(SEQ).ok()?.as_materialized_series();
        column.i64().and_then(|column| column.cont_slice()).ok()
    }

    /// Returns the cells of the value column at place `at` of the table, if the input has it.
    pub fn cells(&self, at: usize) -> Option<Cells<'_>> {
        let place = (*self.places.get(at)?)?;
        Some(Cells::of(self.rows.columns()[place].as_materialized_series()))
    }

    /// Keeps the rows that `keep` says, in their order; it has a flag for each row.
    pub fn retain(&mut self, keep: &[bool]) {
        assert_eq!(keep.len(), self.len(), "a flag belongs to each row");
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let places = (0_u32..).zip(keep).filter(|(_, keep)| **keep).map(|(at, _)| at);
        self.take(places.collect());
    }

    /// Puts flags into the value column of booleans at place `at` of the table, one for each row.
    pub fn set_booleans(&mut self, at: usize, flags: &[bool]) {
        assert_eq!(flags.len(), self.len(), "a flag belongs to each row");
        let column = Series::new(at.to_string().as_str().into(), flags).into_column();
        if let Some(place) = self.places.get(at).copied().flatten() {
            self.rows.replace_column(place, column).expect("the column has the height of the frame");
            return;
        }
        if self.places.len() <= at {
            self.places.resize(at + 1, None);
        }
        self.places[at] = Some(self.rows.width());
        self.rows.with_column(column).expect("the column has the height of the frame");
    }

    /// Returns whether the cell of a row is null in the value column at place `at`, as it is without the column.
    pub fn is_null_at(&self, at: usize, row: usize) -> bool {
        self.cells(at).is_none_or(|cells| cells.get(row) == ValueRef::Null)
    }

    fn take(&mut self, places: Vec<u32>) {
        let places = IdxCa::from_vec("".into(), places);
        self.rows = self.rows.take(&places).expect("every place is below the length");
        self.rows.rechunk_mut();
    }

    /// Sorts the rows by (rank of their series, time, given order, input order).
    ///
    /// `rank` gives for each place in [`Frame::keys`] its rank.
    pub fn sort(&mut self, rank: &[i64]) {
        let (series, ts, seq) = (self.series(), self.ts(), self.seq());
        let key = |at: usize| (rank[series[at] as usize], ts[at], seq.map_or(0, |seq| seq[at]));
        if (1..ts.len()).all(|at| key(at - 1) <= key(at)) {
            return;
        }
        let mut order: Vec<u32> =
            (0..u32::try_from(ts.len()).expect("a batch has under 2^32 rows")).collect();
        // Stable, so that the input order decides between equal keys.
        rayon::slice::ParallelSliceMut::par_sort_by_key(order.as_mut_slice(), |&at| key(at as usize));
        self.take(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ColumnType, Value};

    fn frame(series: &[u32], ts: &[i64], closes: &[Option<f64>]) -> Frame {
        let mut close = ColumnBuilder::new(ColumnType::Double, closes.len());
        for cell in closes {
            close.push(cell.map_or(ValueRef::Null, ValueRef::Double));
        }
        Frame::new(FrameColumns {
            keys: ["b", "a"].map(|key| SeriesKey([Value::Text(key.into())].into())).into(),
            series: series.into(),
            ts: ts.into(),
            seq: None,
            values: vec![None, Some(close)],
        })
    }

    #[test]
    fn sorting_is_by_rank_then_time_then_input_order() {
        let mut frame = frame(&[0, 1, 0, 1], &[2, 1, 1, 1], &[Some(1.0), Some(2.0), None, Some(4.0)]);
        frame.sort(&[7, 3]);
        assert_eq!(frame.series(), [1, 1, 0, 0]);
        assert_eq!(frame.ts(), [1, 1, 1, 2]);
        let close = frame.cells(1).unwrap();
        let cells: Vec<_> = (0..4).map(|at| close.get(at)).collect();
        assert_eq!(
            cells,
            [ValueRef::Double(2.0), ValueRef::Double(4.0), ValueRef::Null, ValueRef::Double(1.0)]
        );
        assert!(frame.cells(0).is_none());
    }

    #[test]
    fn rows_are_kept_and_flagged() {
        let mut frame = frame(&[0, 1, 0, 1], &[2, 1, 1, 1], &[Some(1.0), Some(2.0), None, Some(4.0)]);
        frame.set_booleans(2, &[true, false, true, false]);
        frame.retain(&[true, false, true, true]);
        frame.set_booleans(0, &[false, false, true]);
        frame.set_booleans(0, &[true, false, true]);
        assert_eq!((frame.len(), frame.ts()), (3, &[2, 1, 1][..]));
        let nulls: Vec<_> = (0..3).map(|row| frame.is_null_at(1, row)).collect();
        assert_eq!(nulls, [false, true, false]);
        let flags = |at| (0..3).map(|row| frame.cells(at).unwrap().get(row)).collect::<Vec<_>>();
        assert_eq!(flags(0), [true, false, true].map(ValueRef::Boolean));
        assert_eq!(flags(2), [true, true, false].map(ValueRef::Boolean));
        assert!(frame.is_null_at(7, 0));
        frame.retain(&[false; 3]);
        assert!(frame.is_empty() && frame.ts().is_empty());
    }
}
