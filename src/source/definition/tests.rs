//! Tests of definitions: their variants and options, and every mistake in them.

use super::super::tests::parse;
use super::super::tests::words;
use super::*;

const SOURCE: &str = "source = { name = 'x', base_url = 'https://a.com' }\n";

fn error(text: &str) -> String {
    let error = parse(&format!("{SOURCE}{text}")).unwrap_err();
    assert_eq!(crate::error::exit_code(&error), 2, "{text}");
    let words = words(&error);
    words.strip_prefix("cannot read source definition 'test.toml': ").unwrap().to_owned()
}

/// Definitions with a mistake, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    ("windo = {}", "unknown key 'windo' in the definition, the nearest is 'window'"),
    ("window = { max_point = 1 }", "unknown key 'max_point' in [window], the nearest is 'max_points'"),
    ("request = { pth = '/' }", "unknown key 'pth' in [request], the nearest is 'path'"),
    ("response = { rot = '$' }", "unknown key 'rot' in [response], the nearest is 'root'"),
    (
        "error = [{ when = { pat = 'x' }, class = 'auth' }]",
        "unknown key 'pat' in 'when' of [[error]], the nearest is 'path'",
    ),
    (
        "error = [{ when = { status = 1 }, class = 'auht' }]",
        "unknown class 'auht' in [[error]], the nearest is 'auth'",
    ),
    ("rate = [{ per = '1m', maxx = 1 }]", "unknown key 'maxx' in [[rate]], the nearest is 'max'"),
    ("test = [{ body = '', requst = {} }]", "unknown key 'requst' in [[test]], the nearest is 'request'"),
    (
        "test = [{ body = '', request = { symbl = 'A' } }]",
        "unknown key 'symbl' in 'request' of [[test]], the nearest is 'symbol'",
    ),
    (
        "variant = [{ when = { tble = 'x' } }]",
        "unknown key 'tble' in 'when' of [[variant]], the nearest is 'table'",
    ),
    ("variant = [{ when = {}, windo = {} }]", "unknown key 'windo' in [[variant]], the nearest is 'window'"),
    (
        "symbols = { lookup = { stp = '' } }",
        "unknown key 'stp' in 'lookup' of [symbols], the nearest is 'step'",
    ),
    (
        "options = { a = { requred = true } }",
        "unknown key 'requred' in option 'a' of [options], the nearest is 'required'",
    ),
    (
        "response = { map = { opn = 1 } }",
        "unknown column 'opn' of table 'bars' in [response], the nearest is 'open'",
    ),
    (
        "response = { extra = [{ table = 'actions', map = { valu = 'a' } }] }",
        "unknown column 'valu' of table 'actions' in [[response.extra]], the nearest is 'value'",
    ),
    (
        "request = { path = '/{symbl}' }",
        "cannot read [request]: cannot read path '/{symbl}': unknown placeholder '{symbl}', the nearest is 'symbol'",
    ),
    ("request = { path = '/{timeframe}' }", "placeholder '{timeframe}' needs a section [timeframes]"),
    (
        "request = { path = '/{limit}' }",
        "placeholder '{limit}' needs 'size' in [pagination] or 'max_points' in [window]",
    ),
    ("request = { path = '/{symbol.lookup}' }", "placeholder '{symbol.lookup}' needs 'lookup' in [symbols]"),
    (
        "request = { params = { k = '{env.HOME}' } }",
        "cannot read [request]: cannot read parameter 'k': placeholder '{env.HOME}' may stand only in [auth], which names it in 'secrets'",
    ),
    (
        "symbols = { lookup = { step = 'y' } }\nsteps = [{ name = 'z', path = '/' }]",
        "unknown step 'y' in 'lookup' of [symbols], expected one of z",
    ),
];

#[test]
fn mistakes_name_their_section_and_what_was_meant() {
    for (text, expected) in MISTAKES {
        assert_eq!(error(text), *expected, "{text}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    for text in [
        "request = { method = 'PUT' }",
        "request = { headers = { 'X Y' = '' } }",
        "request = { redirects = 'yes' }",
        "request = { redirects = 'follow' }\nauth = { kind = 'bearer', value = '{env.K}', secrets = ['K'] }",
        "timeframes = { '1x' = '' }",
        "window = { max_span = { '1x' = '1d' } }",
        "pagination = { kind = 'page' }",
        "pagination = { kind = 'last_time', size = 5 }",
        "options = { symbol = '' }",
        "options = { 'A B' = '' }",
        "options = { a = [] }",
        "options = { a = { required = true, default = '1' } }",
        "store = { on_conflict = 'x' }",
        "store = { settle = 'soon' }",
        "cache = { open = 'x' }",
        "retry = { base = '1' }",
        "response = { max_bytes = '1TB' }",
        "response = { open_when = 'first_row' }",
        "response = { open_when = 'ts > a..b' }",
        "response = { drop_all_null = ['opn'] }",
        "response = { extra = [{ map = {} }] }",
        "response = { layout = 'tables' }",
        "steps = [{ name = 'a' }]",
        "steps = [{ name = 'a', path = '/', take = 'b' }]",
        "steps = [{ name = 'a', path = '/', take = 'b', as = 'symbol' }]",
        "steps = [{ name = 'a', path = '/' }, { name = 'a', path = '/' }]",
        "steps = [{ name = 'a', path = '/{later}' }, { name = 'b', path = '/', take = 'x', as = 'later' }]",
        "steps = [{ name = 'a', url = 'gopher://x' }]",
        "variant = [{ request = {} }]",
        "variant = [{ when = { timeframe = '1x' } }]",
        "variant = [{ when = { option = { nope = 'x' } } }]",
        "variant = [{ when = { table = 'chain' }, request = { path = '/{nope}' } }]",
        "test = [{}]",
        "test = [{ body = '', fixture = '' }]",
        "window = 5",
        "rate = {}",
    ] {
        assert!(!error(text).is_empty(), "{text}");
    }
    for text in [
        "",
        "source = { name = 'x' }",
        "source = { name = '../x', base_url = 'https://a.com' }",
        "source = { name = 'x', base_url = 'a.com' }",
        "source = { name = 'x', base_url = 'file:///etc' }",
        "source = { name = 'x', base_url = 'https://{symbol}.com' }",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    for text in ["", "schema = 2", "schema = '1'", "schema = 1\nschema = 1", "\u{0}"] {
        assert!(Definition::parse(text, "t").is_err(), "{text}");
    }
    let newer = words(&Definition::parse("schema = 7", "t").unwrap_err());
    assert_eq!(
        newer,
        "cannot read source definition 't': schema 7 is made for a newer barn, this one reads 1"
    );
}

const VARIANTS: &str = r#"
    source = { name = "x", title = "t", base_url = "https://a.com" }
    options = { datatype = "json", function = "" }
    timeframes = { 1d = "day", 1h = "hour" }
    window = { max_points = 5 }
    request = { path = "/bars/{symbol}/{timeframe}/{window.start:date}", params = { f = "{function}" } }

    [[variant]]
    when = { table = "chain" }
    request = { path = "/chain/{symbol}", params = { e = "{expiry}", c = "{env}" } }
    options = { expiry = "next", env = "live" }
    window = { max_span = "7d" }
    timeframes = {}

    [[variant]]
    when = { timeframe = ["1h", "1m"], option = { datatype = "csv" } }
    response = { format = "csv" }
    store = { table = "bars", settle = "5d" }
    auth = { kind = "bearer", value = "{env.LATE}", secrets = ["LATE"] }
"#;

fn choose(choice: &Choice) -> Result<Dataset> {
    parse(VARIANTS).unwrap().dataset(choice)
}

fn set(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_definition_tells_what_it_reads_and_fills() {
    let definition = parse(VARIANTS).unwrap();
    assert_eq!((definition.name(), definition.title(), definition.origin()), ("x", "t", "test.toml"));
    assert_eq!(definition.secrets(), ["LATE"]);
    assert_eq!(definition.tables(), ["bars", "chain"]);
    assert_eq!(definition.timeframes().iter().map(Timeframe::to_string).collect::<Vec<_>>(), ["1h", "1d"]);
    assert_eq!(definition.options(), [("datatype", Some("json")), ("function", Some(""))]);
    assert_eq!(definition.origins(), ["https://a.com"]);
    assert_eq!(
        definition.warnings(),
        ["[window] stands without a placeholder such as {window.start:unix_ms} in [request]"]
    );
}

#[test]
fn a_variant_replaces_whole_sections() {
    let bars = choose(&Choice::default()).unwrap();
    assert_eq!((bars.timeframe.unwrap().to_string().as_str(), bars.table.as_str()), ("1d", "bars"));
    assert!(bars.has_window() && !bars.is_snapshot());
    let chain = choose(&Choice { table: Some("chain".into()), ..Choice::default() }).unwrap();
    assert_eq!((chain.timeframe, chain.table.as_str()), (None, "chain"));
    assert!(chain.is_snapshot());
    assert_eq!(chain.options["expiry"], "next");
    assert_eq!(chain.options["datatype"], "json", "options are merged");
    let hour = "1h".parse().ok();
    let csv = choose(&Choice { timeframe: hour, options: set(&[("datatype", "csv")]), ..Choice::default() })
        .unwrap();
    assert_eq!(csv.settle, 5 * 86_400_000_000);
    assert_eq!(csv.auth.secrets, ["LATE"]);
    let json = choose(&Choice { timeframe: hour, ..Choice::default() }).unwrap();
    assert_eq!(json.settle, 3_600_000_000);
}

#[test]
fn choices_that_a_source_does_not_have_are_refused() {
    let message = |choice: Choice| {
        let error = choose(&choice).unwrap_err();
        assert_eq!(crate::error::exit_code(&error), 2);
        error.to_string()
    };
    assert_eq!(
        message(Choice { table: Some("chian".into()), ..Choice::default() }),
        "source 'x' has no table 'chian', the nearest is 'chain'"
    );
    assert_eq!(
        message(Choice { timeframe: "1w".parse().ok(), ..Choice::default() }),
        "source 'x' has no timeframe '1w', expected one of 1h, 1d"
    );
    assert_eq!(
        message(Choice { table: Some("chain".into()), timeframe: "1d".parse().ok(), ..Choice::default() }),
        "source 'x' has no timeframes, and '1d' is asked for"
    );
    assert_eq!(
        message(Choice { options: set(&[("functon", "a")]), ..Choice::default() }),
        "source 'x' has no option 'functon', the nearest is 'function'"
    );
}

#[test]
fn only_what_changes_the_data_changes_the_variant() {
    let variant = |timeframe: &str, options: &[(&str, &str)]| {
        let choice = Choice { timeframe: timeframe.parse().ok(), options: set(options), ..Choice::default() };
        choose(&choice).unwrap().variant
    };
    let plain = variant("1d", &[]);
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, variant("1h", &[]), "the timeframe has a column of its own");
    assert_ne!(plain, variant("1d", &[("function", "adjusted")]));
    let without = parse(&format!("{SOURCE}request = {{ path = '/{{symbol}}' }}")).unwrap();
    assert_eq!(without.dataset(&Choice::default()).unwrap().variant, "");
}

#[test]
fn tests_of_a_definition_are_read() {
    let whole = format!(
        "{SOURCE}
        [[test]]
        body = '[]'
        request = {{ symbol = 'A', timeframe = '1h', since = 2024-01-01, set = {{ n = 5 }} }}
        headers = {{ Retry-After = 3 }}
        rows = 7
        first = 2024-01-01T00:00:00Z
        extra = {{ actions = 2 }}
        values = [{{ ts = '2024-01-01', close = 1.5 }}]"
    );
    let definition = parse(&whole).unwrap();
    let [test] = definition.tests() else { panic!("one test") };
    assert_eq!((test.status, test.rows, test.extra["actions"]), (200, Some(7), 2));
    assert_eq!(test.first.as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(test.request.since.as_deref(), Some("2024-01-01"));
    assert_eq!((test.request.set["n"].as_str(), test.values.len()), ("5", 1));
    assert_eq!(test.headers, [("Retry-After".to_owned(), "3".to_owned())]);
}

/// Changes a definition in many small ways: a byte left out, doubled, or replaced.
#[test]
fn a_damaged_definition_is_read_or_refused_and_never_panics() {
    let whole = super::super::builtin::find("binance").unwrap();
    for text in [whole, &format!("schema = 1\n{VARIANTS}")] {
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).step_by(7).collect();
        for (turn, at) in places.into_iter().enumerate() {
            let (head, tail) = text.split_at(at);
            let damaged = match turn % 4 {
                0 => head.to_owned(),
                1 => format!("{head}{}", tail.get(1..).unwrap_or_default()),
                2 => format!("{head}{{{tail}"),
                _ => format!("{head}9999999999{tail}"),
            };
            if let Ok(definition) = Definition::parse(&damaged, "t") {
                for table in definition.tables() {
                    drop(definition.dataset(&Choice { table: Some(table), ..Choice::default() }));
                }
            }
        }
    }
}
