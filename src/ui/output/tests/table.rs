//! What the table for terminals shows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

use super::{bars, batch, bytes, on_screen, render};
use crate::ui::output::{Format, Screen};

#[test]
fn a_table_aligns_numbers_to_the_right() {
    assert_eq!(
        render(Format::Table, &bars()),
        "\
symbol  ts                        close                volume  final  day
──────  ────────────────────────  ─────  ────────────────────  ─────  ──────────
AAA     2024-01-31T00:00:00Z        1.0  -9223372036854775808  true   2024-01-31
        2024-01-31T09:30:00.500Z   1e16                  NULL  false  1969-12-31
NULL    NULL                       -inf                     7  NULL   NULL
(3 rows)
"
    );
}

#[test]
fn a_table_cuts_text_before_it_hides_columns() {
    let long = batch([
        (
            "note",
            Arc::new(StringArray::from(vec!["a text that is far too long for a narrow screen"])) as ArrayRef,
        ),
        ("n", Arc::new(Int64Array::from(vec![1]))),
    ]);
    assert_eq!(
        on_screen(&long, 24),
        "note                   n\n─────────────────────  ─\na text that is far t…  1\n(1 row)\n"
    );
}

#[test]
fn a_table_hides_columns_from_the_middle() {
    let number = || Arc::new(Int64Array::from(vec![1_000_000])) as ArrayRef;
    let wide = batch([("a", number()), ("b", number()), ("c", number()), ("d", number()), ("e", number())]);
    assert_eq!(
        on_screen(&wide, 30),
        "      a        b  …        e\n\
         ───────  ───────  ─  ───────\n\
         1000000  1000000  …  1000000\n\
         (1 row, 2 of 5 columns hidden)\n"
    );
    assert_eq!(on_screen(&wide, 1).lines().nth(2), Some("1000000  …"));
    assert!(on_screen(&wide, 43).ends_with("(1 row)\n"));
}

#[test]
fn a_table_measures_what_the_eye_sees_and_shows_no_control_characters() {
    let texts = vec!["日本", "e\u{301}", "a\x1b[2Jb\nc"];
    let seen = batch([
        ("t", Arc::new(StringArray::from(texts)) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]);
    assert_eq!(
        render(Format::Table, &seen),
        "t         n\n────────  ─\n日本      1\ne\u{301}         2\na\u{fffd}[2Jb c  3\n(3 rows)\n"
    );
}

#[test]
fn colour_is_used_only_where_allowed() {
    let screen = Screen { width: None, color: true };
    let one = batch([("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)]);
    let text = String::from_utf8(bytes(Format::Table, &[one], screen).unwrap()).unwrap();
    assert_eq!(
        text,
        "   \x1b[1mn\x1b[0m\n\x1b[2m────\x1b[0m\n   1\n\x1b[2mNULL\x1b[0m\n\x1b[2m(2 rows)\x1b[0m\n"
    );
}

#[test]
fn text_after_the_sized_rows_is_cut_to_its_column() {
    let first = StringArray::from(vec!["short"; 1_000]);
    let later = StringArray::from(vec!["much longer than before"]);
    let batches = [batch([("t", Arc::new(first) as ArrayRef)]), batch([("t", Arc::new(later) as ArrayRef)])];
    let text = String::from_utf8(bytes(Format::Table, &batches, Screen::default()).unwrap()).unwrap();
    assert!(text.ends_with("short\nmuch…\n(1,001 rows)\n"), "{text}");
}
