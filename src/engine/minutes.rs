//! Times that are written without seconds, as people write them and `PostgreSQL`, SQLite and DuckDB read them:
//! arrow (59) refuses them.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, TryCast};

use super::rewrite::Rule;

/// Gives texts that are cast to times their seconds.
pub(super) const WHOLE_MINUTES: Rule = Rule { name: "whole_minutes", rewrite };

fn rewrite(mut expr: Expr, _schema: &DFSchema) -> Transformed<Expr> {
    let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) = &mut expr
    else {
        return Transformed::no(expr);
    };
    if let (DataType::Timestamp(..), Expr::Literal(text, _)) = (field.data_type(), inner.as_mut())
        && let ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) = text
        && is_minute(text)
    {
        text.push_str(":00");
        return Transformed::yes(expr);
    }
    Transformed::no(expr)
}

/// Returns whether a text is a date, a `T` or a blank, and a time of hours and minutes.
fn is_minute(text: &str) -> bool {
    let form = b"0000-00-00 00:00";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T'),
            form => byte == *form,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_minutes_are_given_seconds() {
        for text in ["2024-01-31 09:30", "2024-01-31T09:30"] {
            assert!(is_minute(text), "{text}");
        }
        for text in
            ["2024-01-31", "2024-01-31 09:30:00", "2024-01-31 9:30", "2024-01-31x09:30", "Ü024-01-31 09:3"]
        {
            assert!(!is_minute(text), "{text}");
        }
    }
}
