//! The columns that an import brings into its table: typed by the head of an input, widened where later
//! values do not fit.

use anyhow::{Context as _, Result};

use crate::decode::{Layout, Misfit};
use crate::error::Failure;
use crate::model::{Column, ColumnType, Table, TableText, nearest, normalize};

/// Columns that an import adds or widens.
#[derive(Default)]
pub(super) struct NewColumns {
    /// Columns that the table does not have yet.
    added: Vec<Column>,
    /// Columns that it has as whole numbers, and that become doubles.
    widened: Vec<String>,
}

impl NewColumns {
    /// Adds the fields of an input to what is known, by the names that the layout gives them.
    pub(super) fn learn(&mut self, layout: &Layout, fields: &[(String, Column)], table: Option<&Table>) {
        for (header, column) in fields {
            match layout.fed_by(header).as_slice() {
                [] => self.know(column.clone(), table),
                names => {
                    for name in names {
                        self.know(Column { name: (*name).to_owned(), ..column.clone() }, table);
                    }
                }
            }
        }
        // What the layout or a flag gives to every row of an input is text.
        for name in layout.set.keys() {
            self.know(Column::value(name, ColumnType::Text), table);
        }
    }

    fn know(&mut self, column: Column, table: Option<&Table>) {
        let has = |columns: &[Column]| columns.iter().any(|other| other.name == column.name);
        if column.name != "ts" && !has(&self.added) && !table.is_some_and(|table| has(&table.columns())) {
            self.added.push(column);
        }
    }

    /// Forgets the columns, once they are the table's.
    pub(super) fn clear(&mut self) {
        self.added.clear();
        self.widened.clear();
    }

    /// Returns those of the misfits that a wider column would hold: any of an added column, and fractions
    /// in a column of whole numbers, which the store turns into doubles where none loses a digit.
    pub(super) fn can_widen(&self, misfits: &[Misfit], may_change_table: bool) -> Vec<Misfit> {
        let is_added = |misfit: &Misfit| {
            self.added.iter().any(|column| column.name == misfit.column && column.kind != misfit.needs)
        };
        let is_fraction = |misfit: &Misfit| {
            may_change_table && misfit.needs == ColumnType::Double && !self.widened.contains(&misfit.column)
        };
        misfits.iter().filter(|misfit| is_added(misfit) || is_fraction(misfit)).cloned().collect()
    }

    /// Widens columns.
    pub(super) fn widen(&mut self, misfits: &[Misfit]) {
        for misfit in misfits {
            match self.added.iter_mut().find(|column| column.name == misfit.column) {
                Some(column) => column.kind = misfit.needs,
                None => self.widened.push(misfit.column.clone()),
            }
        }
    }

    /// Returns the table with these columns.
    pub(super) fn apply(&self, mut table: Table) -> Table {
        for column in &mut table.values {
            if self.widened.contains(&column.name) {
                column.kind = ColumnType::Double;
            }
        }
        for column in &self.added {
            if table.key_index(&column.name).is_none() && table.value_index(&column.name).is_none() {
                table.values.push(column.clone());
            }
        }
        table
    }

    /// Returns a table that does not exist yet, without its value columns.
    ///
    /// Fails if one of its key fields is not among the columns.
    pub(super) fn new_table(&self, name: &str, key: &[String]) -> Result<Table> {
        let mut text = TableText::default();
        for wanted in key {
            let column = self.added.iter().find(|column| column.name == *wanted);
            let column = column.with_context(|| self.no_field(name, wanted))?;
            text.key.push(format!("{} {}", column.name, column.kind));
        }
        Table::parse(name, &text).with_context(|| {
            let failure = Failure::usage(format!("cannot make table '{name}'"));
            match normalize(name).filter(|other| other != name) {
                Some(other) => failure.hint(format!("another name, such as `{other}`")),
                None => failure,
            }
        })
    }

    fn no_field(&self, name: &str, wanted: &str) -> Failure {
        let known: Vec<&str> = self.added.iter().map(|column| column.name.as_str()).collect();
        let failure =
            Failure::usage(format!("cannot make table '{name}': its input has no field '{wanted}'"));
        match nearest(wanted, known.iter().copied()).first() {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("`--key` with some of {}", known.join(", "))),
        }
    }
}
