//! Variances, covariances and correlations over a moving window, without drift.
//!
//! DataFusion takes the rows that leave a window out of a running variance again: after a large value nothing
//! of the later ones is right, and after an infinity every one is NaN. Here a window is two stacks, as in
//! [`super::sliding`], whose parts are joined (Chan et al., 1979) and never taken apart.

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

/// What is measured of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    Variance(Of),
    Deviation(Of),
    Covariance(Of),
    Correlation,
}

/// Whether the rows are all there are, or a sample of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Sample,
    Population,
}

/// The number, the means, and the sums of squared distances from the means of some rows; where a function
/// takes one number, the second is 0.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    rows: f64,
    means: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl Part {
    fn one(numbers: [f64; 2]) -> Self {
        Self { rows: 1.0, means: numbers, ..Self::default() }
    }

    fn with(self, other: Self) -> Self {
        if self.rows == 0.0 {
            return other;
        }
        if other.rows == 0.0 {
            return self;
        }
        let rows = self.rows + other.rows;
        let share = other.rows / rows;
        let [first, second] = [other.means[0] - self.means[0], other.means[1] - self.means[1]];
        let weight = self.rows * share;
        Self {
            rows,
            means: [self.means[0] + first * share, self.means[1] + second * share],
            squares: [
                self.squares[0] + other.squares[0] + first * first * weight,
                self.squares[1] + other.squares[1] + second * second * weight,
            ],
            product: self.product + other.product + first * second * weight,
        }
    }

    /// Returns the measure, `None` for too few rows and for a correlation with a constant.
    fn measure(self, measure: Measure) -> Option<f64> {
        let mean = |sum: f64, of: Of| match of {
            Of::Sample if self.rows > 1.0 => Some(sum / (self.rows - 1.0)),
            Of::Population if self.rows > 0.0 => Some(sum / self.rows),
            _ => None,
        };
        match measure {
            Measure::Variance(of) => mean(self.squares[0], of),
            Measure::Deviation(of) => mean(self.squares[0], of).map(f64::sqrt),
            Measure::Covariance(of) => mean(self.product, of),
            Measure::Correlation => {
                let is_known = self.rows > 1.0 && self.squares.iter().all(|square| *square != 0.0);
                is_known.then(|| self.product / self.squares[0].sqrt() / self.squares[1].sqrt())
            }
        }
    }
}

/// The rows of a window, oldest first: those in `leaving` from its end, then those in `arrived`.
#[derive(Debug)]
pub(super) struct Moments {
    measure: Measure,
    /// For each row it and the rows of this stack that came after it.
    leaving: Vec<Part>,
    arrived: Vec<[f64; 2]>,
    arrived_part: Part,
}

impl Moments {
    /// An empty window.
    pub(super) fn new(measure: Measure) -> Self {
        Self { measure, leaving: Vec::new(), arrived: Vec::new(), arrived_part: Part::default() }
    }

    fn push(&mut self, numbers: [f64; 2]) {
        self.arrived.push(numbers);
        self.arrived_part = self.arrived_part.with(Part::one(numbers));
    }

    fn pop(&mut self) {
        if self.leaving.is_empty() {
            let mut part = Part::default();
            for numbers in self.arrived.drain(..).rev() {
                part = Part::one(numbers).with(part);
                self.leaving.push(part);
            }
            self.arrived_part = Part::default();
        }
        self.leaving.pop();
    }

    fn result(&self) -> Option<f64> {
        self.leaving.last().copied().unwrap_or_default().with(self.arrived_part).measure(self.measure)
    }
}

/// Returns the rows that have no null.
fn known(values: &[ArrayRef]) -> impl Iterator<Item = [f64; 2]> {
    let first = values[0].as_primitive::<Float64Type>();
    let second = values.get(1).map(AsArray::as_primitive::<Float64Type>);
    (0..first.len()).filter_map(move |row| {
        let other = match second {
            Some(second) if second.is_null(row) => return None,
            Some(second) => second.value(row),
            None => 0.0,
        };
        first.is_valid(row).then(|| [first.value(row), other])
    })
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for numbers in known(values) {
            self.push(numbers);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Rows leave in the order they came.
        for _ in known(values) {
            self.pop();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.result()))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.leaving.capacity() * size_of::<Part>()
            + self.arrived.capacity() * size_of::<[f64; 2]>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        datafusion::common::internal_err!("a window has no state to merge")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        datafusion::common::internal_err!("windows are not merged")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The measures of windows of two.
    fn measures(measure: Measure, numbers: &[[f64; 2]]) -> Vec<Option<f64>> {
        let mut window = Moments::new(measure);
        let mut measures = Vec::new();
        for (at, &numbers) in numbers.iter().enumerate() {
            window.push(numbers);
            if at >= 2 {
                window.pop();
            }
            measures.push(window.result());
        }
        measures
    }

    #[test]
    fn a_large_number_leaves_nothing_behind() {
        let variance = Measure::Variance(Of::Sample);
        let numbers = [[1e17, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]];
        assert_eq!(measures(variance, &numbers)[2..], [Some(2.0), Some(8.0)]);
        let numbers = [[f64::INFINITY, 0.0], [1.0, 0.0], [3.0, 0.0]];
        assert_eq!(measures(variance, &numbers)[2], Some(2.0));
    }

    #[test]
    fn too_few_rows_and_constants_have_no_measure() {
        let one = [[5.0, 5.0]];
        assert_eq!(measures(Measure::Variance(Of::Sample), &one), [None]);
        assert_eq!(measures(Measure::Deviation(Of::Population), &one), [Some(0.0)]);
        let constant = [[5.0, 1.0], [5.0, 2.0], [6.0, 1.0], [5.0, 2.0]];
        let correlations = measures(Measure::Correlation, &constant);
        assert_eq!(correlations[..2], [None, None]);
        assert!(correlations[3].is_some_and(|correlation| (correlation + 1.0).abs() < 1e-12));
        let covariances = [Some(0.0), Some(0.0), Some(-0.25), Some(-0.25)];
        assert_eq!(measures(Measure::Covariance(Of::Population), &constant), covariances);
    }
}
