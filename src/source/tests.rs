//! What the parts of a source do together, on the built-in one.

use super::*;
use crate::model::Span;

pub(super) const HOUR: i64 = 3_600_000_000;

/// A definition with every placeholder a test needs.
pub(super) fn parse(text: &str) -> Result<Definition> {
    Definition::parse(&format!("schema = 1\n{text}"), "test.toml")
}

/// A dataset of a definition without choices.
pub(super) fn dataset(text: &str) -> Dataset {
    parse(text).unwrap().dataset(&Choice::default()).unwrap()
}

/// The text of an error and its causes.
pub(super) fn words(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn requests(dataset: &Dataset, span: Span) -> Vec<Request> {
    let symbols = [dataset.symbol("BTC/USDT")];
    let values = BTreeMap::new();
    let ask = |window| Ask {
        symbols: &symbols,
        window: Some(window),
        mirror: 0,
        turn: Turn::First,
        values: &values,
        now: 0,
    };
    dataset
        .windows(span)
        .into_iter()
        .map(|window| dataset.request(&ask(window), &Secrets::empty()).unwrap())
        .collect()
}

#[test]
fn two_months_of_hours_are_two_requests_to_binance() {
    let choice = Choice { timeframe: "1h".parse().ok(), ..Choice::default() };
    let binance = Definition::parse(builtin::find("binance").unwrap(), BUILT_IN).unwrap();
    let dataset = binance.dataset(&choice).unwrap();
    // 2020-04-30T21:00Z to 2020-07-01T03:00Z.
    let span = Span { start: 1_588_280_400_000_000, stop: 1_593_572_400_000_000 };
    let requests = requests(&dataset, span);
    let url = "https://api.binance.com/api/v3/klines";
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            format!(
                "{url}?endTime=1591880400000&interval=1h&limit=1000&startTime=1588280400000&symbol=BTCUSDT"
            ),
            format!(
                "{url}?endTime=1593572400000&interval=1h&limit=1000&startTime=1591880400000&symbol=BTCUSDT"
            ),
        ]
    );
    assert_eq!(requests[0].shown, requests[0].url);
    assert_eq!(
        requests[0].key,
        format!(
            "GET {url}?endTime=1591880400000&interval=1h&limit=1000&startTime=1588280400000&symbol=BTCUSDT"
        )
    );
    assert!(!requests[0].has_credentials && !requests[0].follows_redirects);
    assert_eq!((dataset.mirrors, dataset.table.as_str(), dataset.rates[0].cost), (2, "bars", 2.0));
}

#[test]
fn every_built_in_definition_is_read_without_a_warning() {
    for (name, text) in builtin::BUILTIN {
        let definition = Definition::parse(text, BUILT_IN).unwrap();
        assert_eq!(definition.name(), *name);
        assert_eq!(definition.warnings(), [""; 0], "{name}");
        assert!(!definition.title().is_empty(), "{name}");
    }
}

#[test]
fn built_in_sources_are_listed_and_others_named() {
    let entries = list().unwrap();
    assert!(entries.iter().any(|entry| entry.name == "binance" && !entry.title.is_empty()));
    let error = load("binanse").unwrap_err();
    assert_eq!(crate::error::exit_code(&error), 2);
    assert_eq!(
        crate::error::report(&error),
        "error: unknown source 'binanse', the nearest is 'binance'\n\nhint: `barn source list` shows all\n"
    );
    assert!(load("../../etc/passwd").is_err());
    assert!(load("..").is_err());
    assert_eq!(load("binance").unwrap().origin(), BUILT_IN);
}
