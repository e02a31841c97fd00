//! A field of the records of a sample, and what its values say about it.

/// Values of a field that are kept.
const KEPT: usize = 50;

/// A field of the records.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Where it stands, as a definition writes it.
    pub(crate) at: String,
    /// Its own name, without the names around it.
    pub(crate) name: String,
    values: Vec<String>,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// A number of this unit since 1970.
    Unit(&'static str),
    /// As ISO 8601 says.
    Iso,
    /// As this pattern says.
    Pattern(&'static str),
}

impl Field {
    /// A field at a place.
    pub(crate) fn new(at: &str, name: &str) -> Self {
        // Some number their names: `1. open`.
        let bare = name.trim_start_matches(|c: char| c.is_ascii_digit());
        let name = bare.strip_prefix(". ").filter(|_| bare.len() < name.len()).unwrap_or(name);
        Self { at: at.to_owned(), name: name.to_owned(), values: Vec::new() }
    }

    /// Takes a value into account; empty ones say nothing.
    pub(crate) fn see(&mut self, value: &str) {
        if self.values.len() < KEPT && !value.is_empty() && value != "null" {
            self.values.push(value.to_owned());
        }
    }

    /// Returns the values as numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.values.iter().filter_map(|value| value.parse().ok())
    }

    /// Returns whether all values are numbers.
    pub(crate) fn is_number(&self) -> bool {
        !self.values.is_empty() && self.numbers().count() == self.values.len()
    }

    /// Returns how the values are written, if all are times.
    pub(crate) fn time(&self) -> Option<TimeForm> {
        let mut forms = self.values.iter().map(|value| form(value));
        let first = forms.next()??;
        forms.all(|form| form == Some(first)).then_some(first)
    }
}

/// Returns how a value is written, if it is a time.
pub(crate) fn form(value: &str) -> Option<TimeForm> {
    if let Ok(number) = value.parse::<f64>() {
        return number_form(value, number);
    }
    // A nine stands for a digit, an `a` for a letter.
    let shape: String = value
        .chars()
        .take(11)
        .map(|c| match c {
            c if c.is_ascii_digit() => '9',
            c if c.is_ascii_alphabetic() => 'a',
            c => c,
        })
        .collect();
    Some(match shape.as_str() {
        "9999-99-99" | "9999-99-99a" | "9999-99-99 " | "9999-99" => TimeForm::Iso,
        "99-aaa-9999" => TimeForm::Pattern(if value.len() > 11 { "%d-%b-%Y %H:%M:%S" } else { "%d-%b-%Y" }),
        "99/99/9999" => TimeForm::Pattern("%d/%m/%Y"),
        "99.99.9999" => TimeForm::Pattern("%d.%m.%Y"),
        _ => return None,
    })
}

/// Returns the unit in which a number is a time of this century.
fn number_form(value: &str, number: f64) -> Option<TimeForm> {
    if value.len() == 8 && (19_000_101.0..21_000_000.0).contains(&number) {
        return Some(TimeForm::Pattern("%Y%m%d"));
    }
    // From 1973 to 2286 in seconds, where no price and few volumes are.
    let units = [("s", 1e8), ("ms", 1e11), ("us", 1e14), ("ns", 1e17)];
    let of_unit = |(_, least): &&(&str, f64)| (*least..least * 100.0).contains(&number);
    units.iter().find(of_unit).map(|(unit, _)| TimeForm::Unit(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_times_are_told() {
        let cases = [
            ("1620000060", Some(TimeForm::Unit("s"))),
            ("1588280400000", Some(TimeForm::Unit("ms"))),
            ("1588280400000000", Some(TimeForm::Unit("us"))),
            ("1588280400000000000", Some(TimeForm::Unit("ns"))),
            ("20240131", Some(TimeForm::Pattern("%Y%m%d"))),
            ("2024-01-31", Some(TimeForm::Iso)),
            ("2024-01-31T10:00:00+0530", Some(TimeForm::Iso)),
            ("05-Aug-2025 13:59:23", Some(TimeForm::Pattern("%d-%b-%Y %H:%M:%S"))),
            ("28-Aug-2025", Some(TimeForm::Pattern("%d-%b-%Y"))),
            ("31/01/2024", Some(TimeForm::Pattern("%d/%m/%Y"))),
            ("187.15", None),
            ("AAPL", None),
        ];
        for (value, expected) in cases {
            assert_eq!(form(value), expected, "{value}");
        }
    }
}
