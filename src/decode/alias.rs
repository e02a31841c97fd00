//! What others call the columns of the built-in tables, as normalized names.

/// For a column its other names, the well-known ones.
const ALIASES: &[(&str, &[&str])] = &[
    (
        "ts",
        &[
            "date",
            "datetime",
            "date_time",
            "timestamp",
            "time",
            "open_time",
            "opentime",
            "trade_date",
            "tradedate",
            "gmt_time",
            "local_time",
            "quote_time",
            "observation_date",
            "time_period",
            "period_start",
            "timestamp_utc",
            "time_utc",
            "unix",
            "unix_time",
            "unix_timestamp",
            "epoch",
            "ts_event",
            "last_update",
        ],
    ),
    (
        "symbol",
        &[
            "name",
            "ticker",
            "sym",
            "code",
            "stock",
            "instrument",
            "pair",
            "security",
            "tradingsymbol",
            "stock_symbol",
        ],
    ),
    ("timeframe", &["interval_", "granularity", "bar_size"]),
    ("open", &["open_price", "openprice", "price_open"]),
    ("high", &["high_price", "highprice", "price_high"]),
    ("low", &["low_price", "lowprice", "price_low"]),
    ("close", &["close_price", "closeprice", "price_close", "close_last"]),
    ("volume", &["vol", "total_volume", "tottrdqty", "shares_traded", "volume_traded"]),
    ("adj_close", &["adjclose", "adjusted_close", "adjustedclose", "close_adj"]),
    ("vwap", &["vw", "weighted_price", "weighted_average"]),
    (
        "trades",
        &[
            "no_of_trades",
            "number_of_trades",
            "num_trades",
            "trade_count",
            "tradecount",
            "transactions",
            "totaltrades",
        ],
    ),
    ("open_interest", &["oi", "openinterest", "open_int", "openint"]),
    ("final", &["is_final"]),
    ("bid", &["bid_price", "bidprice", "best_bid"]),
    ("ask", &["ask_price", "askprice", "best_ask", "offer"]),
    ("bid_size", &["bidsize", "bid_qty", "bidqty", "bid_volume", "bid_quantity"]),
    ("ask_size", &["asksize", "ask_qty", "askqty", "ask_volume", "ask_quantity"]),
    ("last", &["ltp", "last_price", "lastprice"]),
    ("last_size", &["lastsize", "last_qty", "ltq"]),
    ("price", &["trade_price", "decimal_odds"]),
    ("size", &["qty", "quantity", "amount", "volume", "vol"]),
    ("side", &["taker_side", "direction"]),
    ("trade_id", &["tradeid", "tid", "id"]),
    (
        "expiry",
        &[
            "expiration",
            "expiry_date",
            "expirydate",
            "expiration_date",
            "expirationdate",
            "exp_date",
            "maturity",
        ],
    ),
    ("strike", &["strike_price", "strikeprice"]),
    ("option_type", &["type", "right_", "optiontype", "call_put", "cp", "cp_flag", "option_right"]),
    ("iv", &["implied_volatility", "impliedvolatility", "implied_vol"]),
    ("underlying", &["underlying_price", "underlyingprice", "underlying_value", "underlyingvalue", "spot"]),
    ("event", &["event_id", "match_id", "game_id"]),
    ("book", &["bookmaker", "sportsbook"]),
    ("outcome", &["selection", "runner"]),
    ("point", &["handicap"]),
    ("home", &["home_team", "hometeam"]),
    ("away", &["away_team", "awayteam"]),
    ("commence", &["commence_time", "kickoff"]),
    ("value", &["obs_value", "val"]),
    ("item", &["metric", "concept", "tag"]),
    ("title", &["headline"]),
    ("url", &["link"]),
];

/// For a column its one-letter names, taken only where no longer one is there.
const LETTERS: &[(&str, &str)] = &[
    ("ts", "t"),
    ("open", "o"),
    ("high", "h"),
    ("low", "l"),
    ("close", "c"),
    ("volume", "v"),
    ("trades", "n"),
    ("price", "p"),
    ("size", "s"),
    ("bid", "b"),
    ("ask", "a"),
];

/// How well a field's name speaks for a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// It is one letter of it.
    Letter,
    /// It is a well-known other name.
    Alias,
    /// It is its name.
    Name,
}

/// Returns how well a normalized name speaks for a column.
pub(crate) fn likeness(column: &str, name: &str) -> Option<Likeness> {
    if column == name {
        return Some(Likeness::Name);
    }
    // Some write their headers as <DATE>.
    let name = name.strip_prefix("lt_").and_then(|name| name.strip_suffix("_gt")).unwrap_or(name);
    let is_alias =
        |(known, others): &(&str, &[&str])| *known == column && (others.contains(&name) || *known == name);
    if ALIASES.iter().any(is_alias) {
        Some(Likeness::Alias)
    } else if LETTERS.contains(&(column, name)) {
        Some(Likeness::Letter)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::normalize;

    #[test]
    fn well_known_headers_are_recognised() {
        let cases = [
            ("ts", "Date", Likeness::Alias),
            ("ts", "Date Time", Likeness::Alias),
            ("ts", "DateTime", Likeness::Alias),
            ("ts", "Open time", Likeness::Alias),
            ("ts", "<DATE>", Likeness::Alias),
            ("ts", "TS", Likeness::Name),
            ("ts", "t", Likeness::Letter),
            ("symbol", "Name", Likeness::Alias),
            ("symbol", "<TICKER>", Likeness::Alias),
            ("open", "<OPEN>", Likeness::Alias),
            ("adj_close", "Adj Close", Likeness::Name),
            ("adj_close", "Adj. Close", Likeness::Name),
            ("volume", "Vol.", Likeness::Alias),
            ("trades", "No. of Trades", Likeness::Alias),
            ("open_interest", "Open Interest", Likeness::Name),
            ("open_interest", "OI", Likeness::Alias),
            ("timeframe", "interval", Likeness::Alias),
            ("option_type", "right", Likeness::Alias),
        ];
        for (column, header, expected) in cases {
            let name = normalize(header).unwrap();
            assert_eq!(likeness(column, &name), Some(expected), "{header} ({name})");
        }
        assert_eq!(likeness("ts", "close_time"), None);
        assert_eq!(likeness("open", "oi"), None);
    }

    #[test]
    fn aliases_are_written_as_they_are_normalized() {
        for (column, others) in ALIASES {
            for other in *others {
                let name = normalize(other).unwrap();
                let same =
                    name == *other || normalize(other.trim_end_matches('_')).as_deref() == Some(*other);
                assert!(same, "{column}: {other} is normalized to {name}");
            }
        }
    }
}
