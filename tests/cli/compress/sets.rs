//! The sets of real market files that barn stores, each as its vendor ships it, and how it is stored.

use std::path::{Path, PathBuf};

use crate::dialects::{DIALECTS, Outcome};
use crate::harness::{Counts, Sandbox, real_data, unpack};

/// What one command stores.
pub(super) struct Load {
    table: &'static str,
    files: Vec<PathBuf>,
    options: Vec<String>,
}

/// A set that is stored: in which sandbox, and what came of each command.
pub(super) type Stored = (&'static Set, Sandbox, Vec<(Load, Counts)>);

/// A set of files.
pub(super) struct Set {
    /// The name, by which the tests are called.
    pub(super) name: &'static str,
    /// The rows of all its tables.
    pub(super) rows: u64,
    /// Its tables, and the order of their full keys.
    pub(super) tables: &'static [(&'static str, &'static str)],
    /// Whether all files agree about each key; else a second import corrects the rows of the first files again.
    pub(super) agrees: bool,
    load: fn(&Sandbox, &Path) -> Vec<Load>,
}

pub(super) const BARS: (&str, &str) = ("bars", "source, symbol, timeframe, ts");
const QUOTES: (&str, &str) = ("quotes", "source, symbol, ts, seq");
const TRADES: (&str, &str) = ("trades", "source, symbol, ts, seq");
pub(super) const CHAIN: (&str, &str) = ("chain", "source, symbol, expiry, strike, option_type, ts");
const ODDS: (&str, &str) = ("odds", "source, event, book, market, outcome, point NULLS FIRST, ts");
const OBSERVATIONS: (&str, &str) = ("observations", "source, symbol, ts");

#[rustfmt::skip]
pub(super) const SETS: &[Set] = &[
    Set { name: "sp500", rows: 619_040, tables: &[BARS], agrees: true, load: sp500 },
    Set { name: "sp500_files", rows: 21_775, tables: &[BARS], agrees: true, load: sp500_files },
    Set { name: "nifty50", rows: 85_305, tables: &[BARS], agrees: true, load: nifty50 },
    Set { name: "monthly", rows: 3_732, tables: &[OBSERVATIONS, BARS], agrees: true, load: monthly },
    Set { name: "vix", rows: 9_235, tables: &[BARS], agrees: true, load: vix },
    Set { name: "spy_trades", rows: 250_601, tables: &[TRADES], agrees: true, load: spy_trades },
    Set { name: "bac_trades", rows: 88_172, tables: &[TRADES], agrees: true, load: bac_trades },
    Set { name: "aig_quotes", rows: 1_079_935, tables: &[QUOTES], agrees: true, load: aig_quotes },
    Set { name: "forex_ticks", rows: 147_459, tables: &[QUOTES], agrees: true, load: forex_ticks },
    Set { name: "forex_seconds", rows: 37_726, tables: &[BARS], agrees: true, load: forex_seconds },
    Set { name: "forex_minutes", rows: 2_384, tables: &[BARS], agrees: true, load: forex_minutes },
    Set { name: "spy_minutes", rows: 4_839, tables: &[BARS], agrees: true, load: spy_minutes },
    Set { name: "spy_quotes", rows: 5_412, tables: &[BARS], agrees: true, load: spy_quotes },
    Set { name: "spy_hours", rows: 46_681, tables: &[BARS], agrees: true, load: spy_hours },
    Set { name: "crypto", rows: 53_392, tables: &[BARS], agrees: true, load: crypto },
    Set { name: "india", rows: 3_801, tables: &[BARS], agrees: false, load: india },
    Set { name: "aapl_options", rows: 24_389, tables: &[CHAIN], agrees: true, load: aapl_options },
    Set { name: "goog_options", rows: 275_552, tables: &[CHAIN], agrees: true, load: goog_options },
    Set { name: "banknifty", rows: 1_891, tables: &[CHAIN], agrees: true, load: banknifty },
    Set { name: "football", rows: 63_908, tables: &[("matches", "div, hometeam, awayteam, ts")], agrees: false, load: football },
    Set { name: "fractions", rows: 188, tables: &[("fractions", "source, team, book, ts"), ODDS], agrees: true, load: fractions },
    Set { name: "wide", rows: 7_126, tables: &[("wide", "portfolio, ts")], agrees: true, load: wide },
    Set { name: "dialects", rows: 51_564, tables: &[BARS, TRADES], agrees: true, load: dialects },
    Set { name: "repaired", rows: 3_924, tables: &[BARS], agrees: true, load: repaired },
];

/// The layout of ticks and bars whose times count milliseconds from midnight, and whose files have their symbol
/// and date in the name; `%` stands for what differs.
const MIDNIGHT: &str = "format = 'csv'\nheader = false\nzone = 'America/New_York'\n\
    name = '(?<date>\\d{8})_(?<symbol>[a-z0-9]+)_.*'\ncolumns = ['at', %]\n[map]\n\
    ts = { at = 'at', unit = 'ms', since = 'midnight' }\n";

/// The columns of a bar and those of a bid and an ask bar.
const BAR: &str = "'o', 'h', 'l', 'c', 'v'";
const TWO_BARS: &str = "'o', 'h', 'l', 'c', 'v', 'ao', 'ah', 'al', 'ac', 'av'";

fn midnight(columns: &str, map: &str) -> String {
    MIDNIGHT.replace('%', columns) + map
}

/// Returns the map of a bar, its prices divided.
fn bar_map(divide: u64) -> String {
    let price = |(column, at): (&str, &str)| format!("{column} = {{ at = '{at}', divide = {divide} }}\n");
    let prices = [("open", "o"), ("high", "h"), ("low", "l"), ("close", "c")].map(price);
    prices.concat() + "volume = { at = 'v' }\n"
}

impl Set {
    /// Returns the set of a name.
    pub(super) fn find(name: &str) -> &'static Self {
        SETS.iter().find(|set| set.name == name).unwrap_or_else(|| panic!("no set '{name}'"))
    }

    /// Stores the set in a new sandbox.
    pub(super) fn store(&'static self, data: &Path) -> Stored {
        let sandbox = Sandbox::patient();
        let loads = self.loads(&sandbox, data).into_iter();
        let loads =
            loads.map(|load| (load.run(&sandbox), load)).map(|(counts, load)| (load, counts)).collect();
        (self, sandbox, loads)
    }

    /// Stores the set of a name, and checks how many rows it has; `None` where there is no real data.
    pub(super) fn stored(name: &str) -> Option<Stored> {
        let data = real_data("MANIFEST.json")?;
        let (set, sandbox, loads) = Self::find(name).store(data.parent().unwrap());
        assert_eq!(loads.iter().map(|(_, counts)| counts.inserted).sum::<u64>(), set.rows, "{name}");
        Some((set, sandbox, loads))
    }

    /// Returns the commands that store the set, its files unpacked.
    fn loads(&self, sandbox: &Sandbox, data: &Path) -> Vec<Load> {
        (self.load)(sandbox, data)
    }
}

impl Load {
    fn new(table: &'static str, files: impl IntoIterator<Item = PathBuf>, options: &str) -> Self {
        let options = options.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { table, files: files.into_iter().collect(), options }
    }

    fn one(table: &'static str, file: PathBuf, options: &str) -> Vec<Self> {
        vec![Self::new(table, [file], options)]
    }

    /// Stores it and returns the counts.
    pub(super) fn run(&self, sandbox: &Sandbox) -> Counts {
        let mut command = sandbox.barn_command(["--report", ".report.json", "store", self.table]);
        command.args(&self.files).args(&self.options);
        sandbox.run(command, None).ok();
        sandbox.report(".report.json")
    }
}

/// Unpacks a file of the real data and returns its folder.
fn unpacked(sandbox: &Sandbox, path: &Path) -> PathBuf {
    let folder = sandbox.path("data");
    unpack(path, &folder);
    folder
}

/// Returns the files below a folder whose path has all of these parts, in their order.
fn below(folder: &Path, parts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path, parts));
        } else if parts.iter().all(|part| path.to_str().unwrap().contains(part)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sp500(_: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("daily/sp500_5yr_all.csv.gz");
    Load::one("bars", path, "--set source=kaggle --set timeframe=1d")
}

fn sp500_files(_: &Sandbox, data: &Path) -> Vec<Load> {
    Load::one("bars", data.join("daily/sp500_5yr_20symbols.tar.gz"), "--set timeframe=1d")
}

fn nifty50(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("daily/nifty50_nse.tar.gz");
    let layout = "format = 'csv'\nthousands = 'comma'\n[map]\nts = { at = 'date' }\nopen = { at = 'open' }\n\
        high = { at = 'high' }\nlow = { at = 'low' }\nclose = { at = 'close' }\nvwap = { at = 'vwap' }\n\
        volume = { at = 'volume' }\ntrades = { at = 'no_of_trades' }\n";
    sandbox.write("nse.toml", layout);
    Load::one("bars", path, "--symbol-from-name --as nse.toml --set source=nse --set timeframe=1d")
}

fn monthly(_: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("daily/sp500_shiller_monthly.csv.gz");
    vec![
        Load::new("observations", [path.clone()], "--map value=SP500 --set symbol=SP500"),
        Load::new("bars", [path], "--map close=SP500 --set symbol=SP500"),
    ]
}

fn vix(_: &Sandbox, data: &Path) -> Vec<Load> {
    Load::one("bars", data.join("daily/vix-daily.csv.gz"), "--set symbol=VIX --set timeframe=1d")
}

fn spy_trades(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    trades(sandbox, data.join("ticks/spy_20131007_trade_tick.csv.gz"))
}

fn bac_trades(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    trades(sandbox, data.join("ticks/bac_20131007_trade_tick.csv.gz"))
}

fn trades(sandbox: &Sandbox, path: PathBuf) -> Vec<Load> {
    sandbox.fixture("layouts/ticks.toml");
    Load::one("trades", path, "--as ticks.toml --set source=lean")
}

fn aig_quotes(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let columns = "'bid', 'bid_size', 'ask', 'ask_size', 'exchange', 'condition', 'suspicious'";
    let map = "bid = { at = 'bid', divide = 10000 }\nbid_size = { at = 'bid_size' }\n\
        ask = { at = 'ask', divide = 10000 }\nask_size = { at = 'ask_size' }\n";
    let layout = midnight(columns, map);
    let layout = layout.replace("(?<date>\\d{8})_(?<symbol>[a-z0-9]+)", "(?<symbol>[a-z]+)_(?<date>\\d{8})");
    sandbox.write("quotes.toml", layout);
    let path = data.join("ticks/aig_20131007_quote_tick.csv.gz");
    Load::one("quotes", path, "--as quotes.toml --set source=lean")
}

fn forex_ticks(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let layout = midnight("'bid', 'ask'", "bid = { at = 'bid' }\nask = { at = 'ask' }\n");
    let layout =
        layout.replace("(?<date>\\d{8})_(?<symbol>[a-z0-9]+)", "(?<symbol>[a-z]+)_fxcm_(?<date>\\d{8})");
    sandbox.write("forex.toml", layout);
    let days = ["20140501", "20140502"];
    let paths = days.map(|day| data.join(format!("ticks/eurusd_fxcm_{day}_tick.csv.gz")));
    vec![Load::new("quotes", paths, "--as forex.toml --set source=fxcm")]
}

fn forex_seconds(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    forex_bars((sandbox, data), "/second/", "1s")
}

fn forex_minutes(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    forex_bars((sandbox, data), "/minute/", "1m")
}

fn forex_bars((sandbox, data): (&Sandbox, &Path), part: &str, timeframe: &str) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("bars/lean_fx_eurusd_second_minute.tar.gz"));
    sandbox.write("bars.toml", midnight(TWO_BARS, &bar_map(1)));
    let options = format!("--as bars.toml --set source=fxcm --set timeframe={timeframe}");
    vec![Load::new("bars", below(&folder, &[part]), &options)]
}

const SPY: &str = "bars/lean_spy_minute_hour_daily.tar.gz";

fn spy_minutes(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join(SPY));
    sandbox.write("bars.toml", midnight(BAR, &bar_map(10_000)));
    let options = "--as bars.toml --set source=lean --set timeframe=1m";
    vec![Load::new("bars", below(&folder, &["_trade"]), options)]
}

fn spy_quotes(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join(SPY));
    sandbox.write("bars.toml", midnight(TWO_BARS, &bar_map(10_000)));
    let options = "--as bars.toml --set source=bid --set timeframe=1m";
    vec![Load::new("bars", below(&folder, &["_quote"]), options)]
}

fn spy_hours(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join(SPY));
    let layout = "format = 'csv'\nheader = false\nzone = 'America/New_York'\ntime-format = '%Y%m%d %H:%M'\n\
        columns = ['at', 'o', 'h', 'l', 'c', 'v']\n[map]\nts = { at = 'at' }\n";
    sandbox.write("hours.toml", layout.to_owned() + &bar_map(10_000));
    let load = |part: &str, timeframe: &str| {
        let options =
            format!("--as hours.toml --set source=lean --set symbol=SPY --set timeframe={timeframe}");
        Load::new("bars", below(&folder, &[part]), &options)
    };
    vec![load("/hour/", "1h"), load("/daily/", "1d")]
}

fn crypto(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("bars/lean_crypto_minute.tar.gz"));
    let layout = |columns: &str| midnight(columns, &bar_map(1)).replace("America/New_York", "UTC");
    sandbox.write("trades.toml", layout(BAR));
    sandbox.write("quotes.toml", layout(TWO_BARS));
    let exchanges = ["crypto/coinbase", "crypto/binance", "cryptofuture/binance"];
    let sides = [("_trade", "trades.toml", ""), ("_quote", "quotes.toml", ".bid")];
    let loads = exchanges.iter().flat_map(|exchange| sides.map(|side| (*exchange, side)));
    let loads = loads.map(|(exchange, (part, layout, end))| {
        let files = below(&folder, &[&format!("/{exchange}/"), part]);
        Load::new("bars", files, &format!("--as {layout} --set source={exchange}{end} --set timeframe=1m"))
    });
    loads.filter(|load| !load.files.is_empty()).collect()
}

fn india(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("bars/lean_india_minute.tar.gz"));
    let layout = |divide| midnight(BAR, &bar_map(divide)).replace("America/New_York", "Asia/Kolkata");
    sandbox.write("equity.toml", layout(10_000));
    sandbox.write("index.toml", layout(1));
    let load = |part: &str| {
        let options = format!("--as {part}.toml --set source=lean-{part} --set timeframe=1m");
        Load::new("bars", below(&folder, &[&format!("/{part}/")]), &options)
    };
    vec![load("equity"), load("index")]
}

/// One zip has a file for each contract, whose name says all of its key; a strike is × 10,000.
fn contract(sandbox: &Sandbox, layout: &str, (columns, map): (&str, &str)) {
    let name = "(?<date>\\d{8})_(?<symbol>[a-z]+)_minute_[a-z]+_american_(?<option_type>call|put)_\
                (?<strike>\\d+)_(?<expiry>\\d{8})\\.csv";
    let text = midnight(columns, map).replace("(?<date>\\d{8})_(?<symbol>[a-z0-9]+)_.*", name);
    sandbox.write(layout, text);
}

const CONTRACTS: &str = "options/lean_aapl_goog_minute.tar.gz";

fn aapl_options(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join(CONTRACTS));
    let map = "last = { at = 'c', divide = 10000 }\nvolume = { at = 'v' }\n";
    contract(sandbox, "trades.toml", (BAR, map));
    contract(sandbox, "interest.toml", ("'open_interest'", "open_interest = { at = 'open_interest' }\n"));
    let load = |part: &str, layout: &str| {
        Load::new("chain", below(&folder, &["aapl", part]), &format!("--as {layout} --set source=lean"))
    };
    vec![load("_trade_", "trades.toml"), load("_openinterest_", "interest.toml")]
}

fn goog_options(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join(CONTRACTS));
    let map = "bid = { at = 'c', divide = 10000 }\nbid_size = { at = 'v' }\nask = { at = 'ac', divide = 10000 }\n\
               ask_size = { at = 'av' }\n";
    contract(sandbox, "quotes.toml", (TWO_BARS, map));
    let options = "--as quotes.toml --set source=lean";
    vec![Load::new("chain", below(&folder, &["goog"]), options)]
}

fn banknifty(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("options/nse_banknifty_20210517.json.gz");
    let layout = "format = 'json'\nroot = 'records.data'\narms = { option_type = ['CE', 'PE'] }\n\
        zone = 'Asia/Kolkata'\n[map]\nts = { at = '$.records.timestamp', format = '%d-%b-%Y %H:%M:%S' }\n\
        symbol = { at = 'underlying' }\nstrike = { at = '^strikePrice' }\n\
        expiry = { at = ['expiryDate', '^expiryDate'], format = '%d-%b-%Y' }\nlast = { at = 'lastPrice' }\n\
        bid = { at = 'bidprice' }\nask = { at = 'askPrice' }\nbid_size = { at = 'bidQty' }\n\
        ask_size = { at = 'askQty' }\nvolume = { at = 'totalTradedVolume' }\nopen_interest = { at = 'openInterest' }\n\
        iv = { at = 'impliedVolatility' }\nunderlying = { at = '$.records.underlyingValue' }\n";
    sandbox.write("chain.toml", layout);
    Load::one("chain", path, "--as chain.toml --set source=nse")
}

fn football(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("odds/football_data_england.tar.gz");
    let layout = "format = 'csv'\nencoding = 'latin-1'\ntime-format = ['%d/%m/%y', '%d/%m/%Y']\n";
    sandbox.write("football.toml", layout);
    let options = "--key div,hometeam,awayteam --time Date --as football.toml --add-columns";
    Load::one("matches", path, options)
}

/// Fractional prices keep their two numbers: a bet at 5/6 is no decimal.
fn fractions(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("odds/epl_fractional.tar.gz"));
    let books = "bet365 betfred betvictor boylesports coral ladbrokes paddypower skybet williamhill";
    let books = books.split(' ').map(|book| format!("'{book}'")).collect::<Vec<_>>().join(", ");
    let set = "[set]\nts = '2016-10-01T12:00:00Z'\nsource = 'epl'\n";
    let layout = format!(
        "format = 'json'\nroot = '$'\narms = {{ book = [{books}] }}\n[map]\nteam = {{ at = '^name' }}\n\
         numerator = {{ at = 'price.value' }}\ndenominator = {{ at = 'price.to' }}\n{set}"
    );
    sandbox.write(
        "barn/barn.toml",
        "[table.fractions]\nkey = ['source text', 'team text', 'book text']\n\
         values = ['numerator double', 'denominator double']\n",
    );
    sandbox.write("fractions.toml", layout);
    let layout = format!(
        "format = 'json'\nlayout = 'keyed'\n[map]\noutcome = {{ at = '@key' }}\nprice = {{ at = '@value' }}\n{set}\
         book = 'betfair'\nevent = 'winner'\nmarket = 'outright'\n"
    );
    sandbox.write("decimals.toml", layout);
    vec![
        Load::new("fractions", below(&folder, &["odds.json"]), "--as fractions.toml"),
        Load::new("odds", below(&folder, &["betfair.json"]), "--as decimals.toml"),
    ]
}

fn wide(_: &Sandbox, data: &Path) -> Vec<Load> {
    let path = data.join("portfolio/stock_prices_wide.csv.gz");
    Load::one("wide", path, "--key portfolio --time date --set portfolio=all")
}

/// Each file that loads is a source of its own, with a name that has dots and dashes.
fn dialects(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("dirty/pyalgotrade_csv_dialects.tar.gz"));
    let loads = DIALECTS.iter().filter(|(.., outcome)| matches!(outcome, Outcome::Rows(_)));
    let loads = loads.map(|(name, table, options, _)| {
        let mut load = Load::new(table, [folder.join(name)], "");
        load.options = options.iter().map(|word| (*word).to_owned()).collect();
        load.options.extend(["--set".to_owned(), format!("source={name}")]);
        load
    });
    loads.collect()
}

fn repaired(sandbox: &Sandbox, data: &Path) -> Vec<Load> {
    let folder = unpacked(sandbox, &data.join("dirty/yfinance_repair_pairs.tar.gz"));
    let load = |timeframe: &str| {
        let files = below(&folder, &[&format!("-{timeframe}-")]);
        let options = format!("--symbol-from-name --set source=yahoo --set timeframe={timeframe}");
        Load::new("bars", files, &options)
    };
    vec![load("1d"), load("1h")]
}

/// Makes a test of each set, so that they run side by side.
macro_rules! test_each_set {
    ($check:expr) => {
        $crate::compress::sets::test_each_set! { $check,
            sp500 sp500_files nifty50 monthly vix spy_trades bac_trades aig_quotes forex_ticks forex_seconds
            forex_minutes spy_minutes spy_quotes spy_hours crypto india aapl_options goog_options banknifty football
            fractions wide dialects repaired
        }
    };
    ($check:expr, $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $check(stringify!($name));
        })*

        #[test]
        fn every_set_has_its_test() {
            let all: Vec<_> = $crate::compress::sets::SETS.iter().map(|set| set.name).collect();
            assert_eq!(all, [$(stringify!($name)),*]);
        }
    };
}
pub(super) use test_each_set;
