//! Names of tables and columns: one form that DataFusion, DuckDB, SQLite and Spark take unquoted.

use std::fmt;

/// The longest name; `[a-z][a-z0-9_]{0,62}`.
const LONGEST: usize = 63;

/// Words that at least one of DataFusion, DuckDB, SQLite and Spark refuses as a bare column name, and
/// `series`, which the store's own tables use.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "binary",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "cluster",
    "collate",
    "collation",
    "column",
    "commit",
    "concurrently",
    "connect",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "delete",
    "desc",
    "describe",
    "distinct",
    "distribute",
    "do",
    "drop",
    "else",
    "end",
    "escape",
    "except",
    "exists",
    "explain",
    "extract",
    "false",
    "fetch",
    "filter",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "function",
    "glob",
    "global",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "index",
    "initially",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "local",
    "localtime",
    "localtimestamp",
    "match",
    "minus",
    "natural",
    "not",
    "nothing",
    "notnull",
    "null",
    "of",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "partition",
    "pivot",
    "pivot_longer",
    "pivot_wider",
    "placing",
    "primary",
    "qualify",
    "raise",
    "range",
    "references",
    "regexp",
    "returning",
    "right",
    "row",
    "rows",
    "select",
    "semi",
    "series",
    "session_user",
    "set",
    "show",
    "similar",
    "some",
    "sort",
    "summarize",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "top",
    "trailing",
    "transaction",
    "trim",
    "true",
    "union",
    "unique",
    "unknown",
    "unpivot",
    "update",
    "user",
    "using",
    "values",
    "variadic",
    "verbose",
    "view",
    "when",
    "where",
    "window",
    "with",
    "within",
];

/// Why a name is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidName {}

/// Checks that `name` is `[a-z][a-z0-9_]{0,62}` and no reserved word.
pub fn validate(name: &str) -> Result<(), InvalidName> {
    let fits = name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fits {
        return Err(InvalidName(format!(
            "invalid name '{name}': expected a lower-case letter, then up to 62 lower-case letters, digits or '_'"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(InvalidName(format!("invalid name '{name}': it is a reserved word of SQL")));
    }
    Ok(())
}

/// Turns a foreign header into a name: `B365>2.5` → `b365_gt_2_5`, `AS` → `as_`, `52wh` → `c_52wh`.
///
/// Returns `None` where nothing is left, as for an empty header.
pub fn normalize(header: &str) -> Option<String> {
    let mut name = String::with_capacity(header.len() + 4);
    for c in header.trim().chars() {
        let word = match c {
            '>' => "_gt_",
            '<' => "_lt_",
            '%' => "_pct_",
            c if c.is_ascii_alphanumeric() => {
                name.push(c.to_ascii_lowercase());
                continue;
            }
            _ => "_",
        };
        // One '_' between words, however many signs stand there.
        name.push_str(if name.ends_with('_') || name.is_empty() {
            word.trim_start_matches('_')
        } else {
            word
        });
    }
    name.truncate(name.trim_end_matches('_').len());
    if name.is_empty() {
        return None;
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "c_");
    }
    name.truncate(LONGEST - 1);
    name.truncate(name.trim_end_matches('_').len());
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    Some(name)
}

/// Returns up to three names that may have been meant, the likeliest first.
pub fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    /// Above it names read alike: `clsoe`, `sym` and `bar` find their column or table, `AAPL` finds none.
    const ALIKE: f64 = 0.8;
    let word = word.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&word, &name.to_lowercase());
    let mut ranked: Vec<_> = known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    ranked.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_headers_become_names() {
        let cases = [
            ("B365>2.5", Some("b365_gt_2_5")),
            ("BbMx<2.5", Some("bbmx_lt_2_5")),
            ("AS", Some("as_")),
            ("52wh", Some("c_52wh")),
            ("Adj. Close", Some("adj_close")),
            ("  Open Interest ", Some("open_interest")),
            ("change %", Some("change_pct")),
            ("%", Some("pct")),
            ("interval", Some("interval_")),
            ("", None),
            ("--", None),
        ];
        for (header, name) in cases {
            assert_eq!(normalize(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn a_normalized_name_is_valid() {
        for header in
            ["x".repeat(100).as_str(), &format!("{} y", "x".repeat(61)), "select", "Ünïcode", "9", "_a"]
        {
            let name = normalize(header).unwrap();
            assert_eq!(validate(&name), Ok(()), "{header} → {name}");
            assert_eq!(normalize(&name), Some(name.clone()), "{header} → {name}");
        }
    }

    #[test]
    fn the_likeliest_name_comes_first() {
        let names = ["symbol", "close", "open", "volume"];
        assert_eq!(nearest("clsoe", names), ["close"]);
        assert_eq!(nearest("sym", names), ["symbol"]);
        assert_eq!(nearest("CLOSE", names)[0], "close");
        assert!(nearest("AAPL", names).is_empty());
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", "A", "1a", "a-b", "right", &"x".repeat(64)] {
            assert!(validate(name).is_err(), "{name}");
        }
    }
}
