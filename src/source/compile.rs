//! From the sections of a definition to a dataset, with every mistake that can be seen without a request.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use sha2::Digest as _;
use sha2::Sha256;
use toml::Table as Toml;

use super::amount;
use super::auth;
use super::auth::Auth;
use super::dataset::Dataset;
use super::dataset::Extra;
use super::dataset::Open;
use super::dataset::Response;
use super::detect::Condition;
use super::detect::Detector;
use super::detect::Detectors;
use super::facts;
use super::form::Form;
use super::form::FormText;
use super::page::Pages;
use super::policy;
use super::rate;
use super::schema::ResponseText;
use super::section;
use super::sections::Sections;
use super::step::Gives;
use super::step::Step;
use super::symbol::Symbols;
use super::template::Names;
use super::template::Slot;
use super::window::Window;
use crate::decode::Format;
use crate::decode::Layout;
use crate::decode::Path;
use crate::model::BUILTIN;
use crate::model::Table;
use crate::model::TableText;
use crate::model::Timeframe;

/// What is chosen of a definition.
pub(super) struct Chosen {
    pub(super) table: String,
    pub(super) timeframe: Option<Timeframe>,
    /// All options with their values.
    pub(super) options: BTreeMap<String, String>,
}

/// Compiles the sections.
pub(super) fn dataset(sections: Sections, chosen: Chosen) -> Result<Dataset> {
    let urls = sections.source.base_url.clone().into_vec();
    ensure!(!urls.is_empty(), "cannot read [source]: 'base_url' is missing");
    let (steps, names) = steps(&sections, &urls, &chosen.options)?;
    let form = form(&sections, &urls, &names).context("cannot read [request]")?;
    let auth = Auth::compile(&sections.auth, &names)?;
    let follows_redirects = follows_redirects(&sections, &auth)?;
    let window = Window::compile(&sections.window.clone().unwrap_or_default(), chosen.timeframe)?;
    let pages = Pages::compile(sections.pagination.clone(), window.max_points)?;
    let retry = policy::retry(&sections.retry).context("cannot read [retry]")?;
    let (response, mut detectors) = response(&sections.response, &chosen.table)?;
    detectors.errors = sections.errors.iter().cloned().map(Detector::compile).collect::<Result<_>>()?;
    detectors.ban_status.clone_from(&retry.ban_status);
    let host = form.bases.first().map(|base| base.origin.clone()).unwrap_or_default();
    let host = host.split("://").nth(1).unwrap_or_default();
    let rates = sections.rates.iter().cloned();
    let rates = rates.map(|rate| rate::compile(rate, &sections.source.name, host, &chosen.options));
    let rates = rates.collect::<Result<_>>()?;
    let symbols = Symbols::compile(sections.symbols.clone())?;
    let store = &sections.store;
    let on_conflict = store.on_conflict.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg);
    let word = sections.timeframes.iter().find(|(timeframe, _)| Some(*timeframe) == chosen.timeframe);
    let settle =
        store.settle.as_deref().map(amount::span_or_nothing).transpose().context("cannot read [store]")?;
    Ok(Dataset {
        source: sections.source.name.clone(),
        variant: variant(&form, &sections, &chosen.options),
        mirrors: form.bases.len(),
        fallback: sections.source.fallback.clone(),
        rates,
        max_jobs: sections.concurrency.max.map(|max| max.max(1)),
        timeout: policy::timeout(sections.request.timeout.as_deref())?,
        retry,
        cache: policy::cache(&sections.cache, &chosen).context("cannot read [cache]")?,
        settle: settle.unwrap_or(amount::span(facts::settle(chosen.timeframe))?),
        on_conflict: on_conflict.context("cannot read 'on_conflict' of [store]")?.unwrap_or_default(),
        response,
        steps,
        has_symbols: !symbols.none,
        batch: symbols.batch,
        has_window: sections.window.is_some() || form.has_window(),
        timeframe_word: word.map(|(_, theirs)| theirs.clone()).unwrap_or_default(),
        table: chosen.table,
        timeframe: chosen.timeframe,
        options: chosen.options,
        ignore_params: sections.cache.ignore_params,
        follows_redirects,
        form,
        auth,
        symbols,
        window,
        pages,
        detectors,
    })
}

fn form(sections: &Sections, urls: &[String], names: &Names) -> Result<Form> {
    let request = &sections.request;
    let form = FormText {
        method: request.method.as_deref(),
        path: &request.path,
        headers: &request.headers,
        params: &request.params,
        body: request.body.as_deref(),
    };
    Form::compile(&form, urls, names)
}

fn follows_redirects(sections: &Sections, auth: &Auth) -> Result<bool> {
    match sections.request.redirects.as_deref() {
        None => Ok(false),
        Some("follow") if auth.secrets.is_empty() => Ok(true),
        Some("follow") => {
            bail!("invalid redirects 'follow' in [request]: a source with secrets follows none")
        }
        Some(word) => bail!("unknown redirects '{word}' in [request], expected follow"),
    }
}

fn steps(
    sections: &Sections,
    urls: &[String],
    options: &BTreeMap<String, String>,
) -> Result<(Vec<Step>, Names)> {
    let mut names = Names { options: options.clone(), ..Names::default() };
    let mut steps: Vec<Step> = Vec::new();
    let lookup = sections.lookup.as_ref();
    if let Some(lookup) = lookup {
        let known = sections.steps.iter().map(|step| step.name.as_str());
        ensure!(
            known.clone().any(|name| name == lookup.step),
            "unknown step '{}' in 'lookup' of [symbols], {}",
            lookup.step,
            section::suggestion(&lookup.step, known)
        );
    }
    for text in &sections.steps {
        ensure!(
            steps.iter().all(|step| step.name != text.name),
            "step '{}' stands twice in [[steps]]",
            text.name
        );
        // A step may use what the ones before it brought.
        let mut step = Step::compile(text, urls, lookup.filter(|lookup| lookup.step == text.name), &names)?;
        for slot in step.form.slots() {
            let Slot::Value(value) = slot else { continue };
            let Some(earlier) = steps.iter().find(|earlier| earlier.gives.name() == Some(value)) else {
                continue;
            };
            ensure!(
                !matches!(earlier.gives, Gives::Each(_)),
                "cannot read step '{}': '{{{value}}}' is a list, which only [request] takes one by one",
                text.name
            );
            // What a symbol brought is good for that symbol alone.
            step.per_symbol |= earlier.per_symbol;
        }
        if let Gives::Value(name) | Gives::Each(name) = &step.gives {
            ensure!(
                !options.contains_key(name) && names.values.insert(name.clone()),
                "cannot read step '{}': placeholder '{{{name}}}' is taken",
                step.name
            );
        }
        steps.push(step);
    }
    Ok((steps, names))
}

fn response(text: &Toml, table: &str) -> Result<(Response, Detectors)> {
    let mut layout = text.clone();
    let extra = section::take_list(&mut layout, "extra").context("cannot read [response]")?;
    let own = section::fields::<ResponseText>();
    let known: Vec<_> = own.iter().copied().chain(Layout::KEYS.iter().copied()).chain(["extra"]).collect();
    section::check_keys(&layout, &known, "[response]")?;
    let mut rest = Toml::new();
    for key in own {
        if let Some((key, value)) = layout.remove_entry(key) {
            rest.insert(key, value);
        }
    }
    let text: ResponseText = section::read(rest, "[response]")?;
    let mut layout = Layout::from_table(layout).context("cannot read [response]")?;
    let open = match text.open_when.as_deref() {
        None => Open::ByTime,
        Some("last_row") => Open::LastRow,
        Some(condition) => {
            let path = condition.strip_prefix("ts >").map(str::trim).with_context(|| {
                format!("unknown open_when '{condition}' in [response], expected last_row or 'ts > PATH'")
            })?;
            Path::parse(path).context("cannot read 'open_when' of [response]")?;
            layout.open_after = Some(path.to_owned());
            Open::AfterPath
        }
    };
    check_layout(&layout, table, "[response]")?;
    check_columns(text.drop_all_null.iter().map(String::as_str), table, "'drop_all_null' of [response]")?;
    let orders = ["asc", "desc", "any"];
    if let Some(order) = text.order.as_deref().filter(|order| !orders.contains(order)) {
        bail!("unknown order '{order}' in [response], {}", section::suggestion(order, orders));
    }
    let empty_when = text.empty_when.into_vec();
    let max_bytes = text.max_bytes.map(|size| amount::bytes(&size.0)).transpose();
    let detectors = Detectors {
        empty_when: empty_when.iter().map(|text| Condition::parse(text)).collect::<Result<_>>()?,
        expect: text.expect.into_vec(),
        is_csv: match (layout.format, layout.shape) {
            (Some(Format::Csv), _) => Some(true),
            (Some(Format::Json | Format::Ndjson), _) | (None, Some(_)) => Some(false),
            _ => None,
        },
        ..Detectors::default()
    };
    let response = Response {
        layout,
        extra: extra.into_iter().map(extra_table).collect::<Result<_>>()?,
        drop_all_null: text.drop_all_null,
        open,
        max_bytes: max_bytes.context("cannot read 'max_bytes' of [response]")?.unwrap_or(256 << 20),
    };
    Ok((response, detectors))
}

fn extra_table(mut layout: Toml) -> Result<Extra> {
    let place = "[[response.extra]]";
    let Some(toml::Value::String(table)) = layout.remove("table") else {
        bail!("cannot read {place}: 'table' is missing")
    };
    let known: Vec<_> = Layout::KEYS.iter().copied().chain(["table"]).collect();
    section::check_keys(&layout, &known, place)?;
    let layout = Layout::from_table(layout).with_context(|| format!("cannot read {place}"))?;
    check_layout(&layout, &table, place)?;
    Ok(Extra { table, layout })
}

/// Checks that a layout of a built-in table feeds columns that the table has, and that its root is a path.
fn check_layout(layout: &Layout, table: &str, place: &str) -> Result<()> {
    let arms = layout.arms.iter().map(|arms| &arms.column);
    let columns = layout.map.keys().chain(layout.set.keys()).chain(arms);
    check_columns(columns.map(String::as_str), table, place)?;
    let paths = layout.root.iter().chain(layout.explode.iter().map(|explode| &explode.path));
    for path in paths {
        Path::parse(path).with_context(|| format!("cannot read {place}"))?;
    }
    Ok(())
}

fn check_columns<'a>(columns: impl Iterator<Item = &'a str>, table: &str, place: &str) -> Result<()> {
    let texts: BTreeMap<String, TableText> =
        toml::from_str(BUILTIN).context("cannot read the built-in tables")?;
    let Some(text) = texts.get(table) else { return Ok(()) };
    let known = Table::parse(table, text)?.columns();
    let known: Vec<_> = known.iter().map(|column| column.name.as_str()).collect();
    for column in columns {
        ensure!(
            known.contains(&column),
            "unknown column '{column}' of table '{table}' in {place}, {}",
            section::suggestion(column, known.iter().copied())
        );
    }
    Ok(())
}

/// Returns a name for what changes the data beside table, symbol and timeframe.
fn variant(form: &Form, sections: &Sections, options: &BTreeMap<String, String>) -> String {
    let mut parts = form.essence();
    // What stands raw in a URL may hold placeholders of its own.
    let texts: Vec<_> = sections
        .source
        .base_url
        .clone()
        .into_vec()
        .into_iter()
        .chain([sections.request.path.clone()])
        .collect();
    for (name, value) in options {
        if texts.iter().any(|text| text.contains(&format!("{{{name}:raw}}"))) {
            parts.push(format!("{name}={value}"));
        }
    }
    if parts.is_empty() {
        return String::new();
    }
    let digest = auth::hex(&Sha256::digest(parts.join("\n").as_bytes()));
    digest.chars().take(16).collect()
}

/// Checks what only all sections together show, and returns what is allowed and probably not meant.
pub(super) fn check(dataset: &Dataset, sections: &Sections) -> Result<Vec<String>> {
    let forms = || dataset.steps.iter().map(|step| &step.form).chain([&dataset.form]);
    let uses = |wanted: fn(&Slot) -> bool| forms().flat_map(Form::slots).any(wanted);
    if uses(|slot| matches!(slot, Slot::Timeframe)) && sections.timeframes.is_empty() {
        bail!("placeholder '{{timeframe}}' needs a section [timeframes]");
    }
    if uses(|slot| matches!(slot, Slot::Lookup)) && sections.lookup.is_none() {
        bail!("placeholder '{{symbol.lookup}}' needs 'lookup' in [symbols]");
    }
    ensure!(
        dataset.batch == 1 || !dataset.pages.follow_time(),
        "cannot read [pagination]: kind last_time is for one symbol, and 'batch' in [symbols] is {}: the pages of several end at different times",
        dataset.batch
    );
    if uses(|slot| matches!(slot, Slot::Limit)) && dataset.pages.size.is_none() {
        bail!("placeholder '{{limit}}' needs 'size' in [pagination] or 'max_points' in [window]");
    }
    if let Some(name) = dataset.pages.needs() {
        let has_slot = dataset.form.slots().any(|slot| match name {
            "cursor" => matches!(slot, Slot::Cursor),
            "offset" => matches!(slot, Slot::Offset),
            _ => matches!(slot, Slot::Page),
        });
        ensure!(
            has_slot,
            "cannot read [pagination]: it needs 'param', or the placeholder '{{{name}}}' in [request]"
        );
    }
    let has_start = dataset.form.slots().any(|slot| matches!(slot, Slot::Start(_)));
    ensure!(
        !dataset.pages.follow_time() || has_start,
        "cannot read [pagination]: kind last_time needs the placeholder '{{window.start:…}}' in [request]"
    );
    let mut warnings = Vec::new();
    // A window that only bounds what is asked for needs none, one that cuts it does.
    let is_cut = dataset.window.is_cut();
    if is_cut && !dataset.form.has_window() {
        warnings.push(
            "[window] stands without a placeholder such as {window.start:unix_ms} in [request]".to_owned(),
        );
    }
    if sections.window.is_none() && dataset.form.has_window() {
        warnings
            .push("{window.start} or {window.end} stands in [request] without a section [window]".to_owned());
    }
    let has_symbol = uses(|slot| matches!(slot, Slot::Symbol | Slot::Lookup));
    // A URL that an option gives may have the placeholder.
    let is_given = sections.source.base_url.clone().into_vec().iter().any(|url| url.contains(":raw}"));
    if dataset.has_symbols && !has_symbol && !is_given {
        warnings.push(
            "no request has the placeholder {symbol}; `none = true` in [symbols] says that it needs none"
                .to_owned(),
        );
    }
    if !dataset.auth.secrets.is_empty() {
        for base in dataset.form.bases.iter().filter(|base| base.origin.starts_with("http://")) {
            warnings.push(format!("secrets go to '{}' without encryption", base.origin));
        }
    }
    Ok(warnings)
}
