//! The definitions that barn brings along.

/// The names of the built-in sources and their definitions, in order.
pub(super) const BUILTIN: &[(&str, &str)] = &[
    ("alphavantage", include_str!("builtin/alphavantage.toml")),
    ("binance", include_str!("builtin/binance.toml")),
    ("breeze", include_str!("builtin/breeze.toml")),
    ("coinbase", include_str!("builtin/coinbase.toml")),
    ("csv-url", include_str!("builtin/csv-url.toml")),
    ("ecb", include_str!("builtin/ecb.toml")),
    ("fred", include_str!("builtin/fred.toml")),
    ("kite", include_str!("builtin/kite.toml")),
    ("kraken", include_str!("builtin/kraken.toml")),
    ("nse", include_str!("builtin/nse.toml")),
    ("polygon", include_str!("builtin/polygon.toml")),
    ("the-odds-api", include_str!("builtin/the-odds-api.toml")),
    ("yahoo", include_str!("builtin/yahoo.toml")),
];

/// Returns the definition of a built-in source.
pub(super) fn find(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
