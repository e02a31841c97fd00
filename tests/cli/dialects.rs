//! CSV files of many dialects, and what becomes of each.

use Outcome::{Refused, Rows};

/// What becomes of a file: so many rows, or a refusal that names this.
pub(crate) enum Outcome {
    Rows(u64),
    Refused(&'static str),
}

/// For each of the CSV dialects its table, its options, and what becomes of it.
#[rustfmt::skip]
pub(crate) const DIALECTS: &[(&str, &str, &[&str], Outcome)] = &[
    ("30min-bitstampUSD-2.csv", "bars", &["--map", "ts=Date Time", "--set", "symbol=BTCUSD", "--set", "timeframe=30m"], Rows(1_968)),
    ("WIKI-ORCL-2000-quandl.csv", "bars", &["--set", "symbol=ORCL", "--set", "timeframe=1d"], Rows(252)),
    ("bitstampUSD.csv", "trades", &["--columns", "ts,price,size", "--set", "symbol=BTCUSD"], Rows(9_999)),
    ("goog-2011-yahoofinance.csv", "bars", &["--set", "symbol=GOOG", "--set", "timeframe=1d"], Rows(252)),
    ("nikkei-2010-yahoofinance.csv", "bars", &["--set", "symbol=N225", "--set", "timeframe=1d"], Rows(245)),
    ("nikkei-2011-yahoofinance.csv", "bars", &["--set", "symbol=N225", "--set", "timeframe=1d"], Rows(244)),
    ("nt-sma-15.csv", "bars", &["--set", "symbol=X", "--set", "timeframe=1d"], Refused("ts")),
    ("nt-spy-minute-2011-03.csv", "bars", &["--columns", "ts,open,high,low,close,volume", "--time-format", "%Y%m%d %H%M%S", "--set", "symbol=SPY", "--set", "timeframe=1m"], Rows(17_577)),
    ("nt-spy-minute-2011.csv", "bars", &["--columns", "ts,open,high,low,close,volume", "--time-format", "%Y%m%d %H%M%S", "--set", "symbol=SPY", "--set", "timeframe=1m"], Rows(14_180)),
    ("orcl-2000-yahoofinance.csv", "bars", &["--set", "symbol=ORCL", "--set", "timeframe=1d"], Rows(252)),
    ("orcl-2001-yahoofinance.csv", "bars", &["--set", "symbol=ORCL", "--set", "timeframe=1d"], Rows(248)),
    ("orcl-2010-googlefinance-malformed.csv", "bars", &["--time-format", "%d-%b-%y", "--set", "symbol=ORCL", "--set", "timeframe=1d"], Rows(252)),
    ("orcl-2010-googlefinance.csv", "bars", &["--time-format", "%d-%b-%y", "--set", "symbol=ORCL", "--set", "timeframe=1d"], Rows(252)),
    ("rsi-test.csv", "bars", &["--set", "symbol=X", "--set", "timeframe=1d"], Refused("ts")),
    ("sc-ema-10.csv", "bars", &["--set", "symbol=X", "--set", "timeframe=1d"], Refused("ts")),
    ("sc-sma-10.csv", "bars", &["--set", "symbol=X", "--set", "timeframe=1d"], Refused("ts")),
    ("sharpe-ratio-test-ige.csv", "bars", &["--set", "symbol=IGE", "--set", "timeframe=1d"], Rows(1_504)),
    ("sharpe-ratio-test-spy.csv", "bars", &["--set", "symbol=SPY", "--set", "timeframe=1d"], Rows(1_504)),
    ("spy-2010-yahoofinance.csv", "bars", &["--set", "symbol=SPY", "--set", "timeframe=1d"], Rows(252)),
    ("spy-2011-yahoofinance.csv", "bars", &["--set", "symbol=SPY", "--set", "timeframe=1d"], Rows(252)),
    ("trades-mgtox-usd-2013-01-01.csv", "trades", &["--map", "ts=id", "--map", "size=amount", "--map", "side=type", "--set", "symbol=BTCUSD"], Rows(2_331)),
];
