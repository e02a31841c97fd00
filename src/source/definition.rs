//! A definition: a source as TOML describes it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use toml::Table;
use toml::Value;

use super::compile;
use super::compile::Chosen;
use super::dataset::Dataset;
use super::facts;
use super::fixture::Test;
use super::schema::VariantWhen;
use super::section;
use super::section::suggestion;
use super::sections::REPLACEABLE;
use super::sections::Sections;
use crate::error::Failure;
use crate::model::Timeframe;

/// The form of definitions that this version reads.
const SCHEMA: i64 = 1;
/// What stands for an option that must be given while a definition is checked.
const EXAMPLE: &str = "https://example.invalid";

/// A source as TOML describes it.
#[derive(Debug)]
pub struct Definition {
    origin: String,
    /// The sections, as they are without a variant.
    base: Table,
    sections: Sections,
    variants: Vec<Variant>,
    tests: Vec<Test>,
    secrets: Vec<String>,
    origins: Vec<String>,
    warnings: Vec<String>,
}

/// Sections that stand in the place of others where all of `when` holds.
#[derive(Debug)]
struct Variant {
    when: VariantWhen,
    sections: Table,
}

/// Which of the data of a source.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The table; the one of `[store]` where absent.
    pub table: Option<String>,
    /// The length of the bars; `1d` where absent, else the only one.
    pub timeframe: Option<Timeframe>,
    /// What `--set` gives.
    pub options: BTreeMap<String, String>,
}

impl Definition {
    /// Reads a definition; `origin` names its file.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        Self::read(text, origin).context(Failure::usage(format!("cannot read source definition '{origin}'")))
    }

    fn read(text: &str, origin: &str) -> Result<Self> {
        let mut base: Table = toml::from_str(text)?;
        match base.remove("schema") {
            Some(Value::Integer(SCHEMA)) => {}
            Some(Value::Integer(other)) => {
                bail!("schema {other} is made for a newer barn, this one reads {SCHEMA}")
            }
            _ => bail!("'schema = {SCHEMA}' is missing at the top"),
        }
        let known: Vec<_> = REPLACEABLE.into_iter().chain(["schema", "source", "variant", "test"]).collect();
        section::check_keys(&base, &known, "the definition")?;
        ensure!(base.contains_key("source"), "section [source] is missing");
        let variants = section::take_list(&mut base, "variant")?;
        let variants = variants.into_iter().map(Variant::read).collect::<Result<Vec<_>>>()?;
        let tests = section::take_list(&mut base, "test")?;
        let tests = tests.into_iter().map(Test::read).collect::<Result<_>>()?;
        let sections = Sections::read(base.clone())?;
        check_name(&sections.source.name)?;
        let mut definition = Self {
            origin: origin.to_owned(),
            base,
            sections,
            variants,
            tests,
            secrets: Vec::new(),
            origins: Vec::new(),
            warnings: Vec::new(),
        };
        definition.check()?;
        Ok(definition)
    }

    /// Compiles every variant, so that its mistakes show before anything is fetched.
    fn check(&mut self) -> Result<()> {
        let mut cases = Vec::new();
        for (at, variant) in self.variants.iter().enumerate() {
            let place = || format!("cannot read [[variant]] {}", at + 1);
            let sections = Sections::read(overlay(&self.base, [variant])).with_context(place)?;
            ensure!(
                sections.source.name == self.sections.source.name,
                "{}: its [source] has another name",
                place()
            );
            let table = variant.when.table.clone().into_vec().into_iter().next();
            let timeframe = variant.when.timeframe.clone().into_vec().into_iter().next();
            let timeframe = timeframe.map(|text| text.parse()).transpose().with_context(place)?;
            for name in variant.when.option.keys() {
                self.option_is_known(&sections, name).with_context(place)?;
            }
            cases.push((place(), sections, table, timeframe));
        }
        // A base that every table replaces need not be whole.
        let is_whole = self.variants.is_empty() || self.base.contains_key("request");
        if is_whole {
            cases.insert(0, (String::new(), self.sections.clone(), None, None));
        }
        for (place, sections, table, timeframe) in cases {
            let table = table.unwrap_or_else(|| sections.table().to_owned());
            let first = sections.timeframes.first().map(|(timeframe, _)| *timeframe);
            let example = |(name, value): (&String, &Option<String>)| {
                (name.clone(), value.clone().unwrap_or_else(|| EXAMPLE.to_owned()))
            };
            let options = sections.options.iter().map(example).collect();
            let chosen = Chosen { table, timeframe: timeframe.or(first), options };
            let checked = compile::dataset(sections.clone(), chosen)
                .and_then(|dataset| Ok((compile::check(&dataset, &sections)?, dataset)));
            let (warnings, dataset) = if place.is_empty() { checked? } else { checked.context(place)? };
            add(&mut self.warnings, warnings);
            add(&mut self.secrets, dataset.auth.secrets.clone());
            let steps = dataset.steps.iter().map(|step| &step.form).chain([&dataset.form]);
            let origins = steps.flat_map(|form| &form.bases).map(|base| base.origin.clone());
            add(&mut self.origins, origins.filter(|origin| origin != EXAMPLE).collect());
        }
        Ok(())
    }

    fn option_is_known(&self, sections: &Sections, name: &str) -> Result<()> {
        ensure!(
            sections.options.contains_key(name),
            "source '{}' has no option '{name}', {}",
            self.name(),
            suggestion(name, sections.options.keys().map(String::as_str))
        );
        Ok(())
    }

    /// Returns the name of the source.
    pub fn name(&self) -> &str {
        &self.sections.source.name
    }

    /// Returns the line that describes it.
    pub fn title(&self) -> &str {
        &self.sections.source.title
    }

    /// Returns where the provider describes it.
    pub fn docs(&self) -> &str {
        &self.sections.source.docs
    }

    /// Returns the file it comes from, or `built in`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the environment names it reads.
    pub fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }

    /// Returns its tests.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// Returns the tables it fills, the one without a choice first.
    pub fn tables(&self) -> Vec<String> {
        let mut tables = vec![self.sections.table().to_owned()];
        for variant in &self.variants {
            add(&mut tables, variant.when.table.clone().into_vec());
            let store =
                variant.sections.get("store").and_then(|store| store.get("table")).and_then(Value::as_str);
            add(&mut tables, store.map(str::to_owned).into_iter().collect());
        }
        tables
    }

    /// Returns the timeframes it has, in order.
    pub fn timeframes(&self) -> Vec<Timeframe> {
        let mut timeframes: Vec<_> =
            self.sections.timeframes.iter().map(|(timeframe, _)| *timeframe).collect();
        for variant in &self.variants {
            let own = variant.sections.get("timeframes").and_then(Value::as_table);
            add(
                &mut timeframes,
                own.into_iter().flat_map(Table::keys).filter_map(|key| key.parse().ok()).collect(),
            );
        }
        timeframes.sort_by_key(|timeframe| timeframe.min_micros());
        timeframes
    }

    /// Returns what `--set` may change, with the value it has otherwise; `None` where one must be given.
    pub fn options(&self) -> Vec<(&str, Option<&str>)> {
        self.sections.options.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
    }

    /// Returns the origins that requests go to; those that an option gives are not among them.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Returns what else it says about requests and answers, without its variants: names and texts.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        facts::facts(&self.sections)
    }

    /// Returns what is allowed and probably not meant.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Chooses the variant and fills in the options.
    pub fn dataset(&self, choice: &Choice) -> Result<Dataset> {
        let tables = self.tables();
        let table = choice.table.clone().unwrap_or_else(|| self.sections.table().to_owned());
        if !tables.contains(&table) {
            let near = suggestion(&table, tables.iter().map(String::as_str));
            bail!(Failure::usage(format!("source '{}' has no table '{table}', {near}", self.name())));
        }
        // The timeframe decides about variants, and a variant about the timeframes there are.
        let by_table = self.with_variants(&table, None, &choice.options)?;
        let timeframe = self.timeframe(&by_table, choice.timeframe)?;
        let sections = self.with_variants(&table, timeframe, &choice.options)?;
        let table = if choice.table.is_some() { table } else { sections.table().to_owned() };
        let options = self.fill(&sections, &choice.options)?;
        compile::dataset(sections, Chosen { table, timeframe, options })
            .context(Failure::usage(format!("cannot use source definition '{}'", self.origin)))
    }

    fn with_variants(
        &self,
        table: &str,
        timeframe: Option<Timeframe>,
        given: &BTreeMap<String, String>,
    ) -> Result<Sections> {
        let value = |name: &String| given.get(name).or_else(|| self.sections.options.get(name)?.as_ref());
        let holds = |variant: &&Variant| {
            let when = &variant.when;
            let tables = when.table.clone().into_vec();
            let timeframes = when.timeframe.clone().into_vec();
            (tables.is_empty() || tables.iter().any(|known| known == table))
                && (timeframes.is_empty()
                    || timeframe.is_some_and(|own| timeframes.contains(&own.to_string())))
                && when.option.iter().all(|(name, wanted)| {
                    wanted.clone().into_vec().iter().any(|wanted| value(name) == Some(&wanted.0))
                })
        };
        Sections::read(overlay(&self.base, self.variants.iter().filter(holds)))
    }

    fn timeframe(&self, sections: &Sections, chosen: Option<Timeframe>) -> Result<Option<Timeframe>> {
        let known: Vec<_> = sections.timeframes.iter().map(|(timeframe, _)| *timeframe).collect();
        let words = || known.iter().map(Timeframe::to_string).collect::<Vec<_>>().join(", ");
        let day = "1d".parse().ok();
        let message = match (chosen, known.as_slice()) {
            (None, []) => return Ok(None),
            (Some(chosen), known) if known.contains(&chosen) => return Ok(Some(chosen)),
            (None, [only]) => return Ok(Some(*only)),
            (None, known) if known.iter().any(|known| Some(*known) == day) => return Ok(day),
            (Some(chosen), []) => {
                format!("source '{}' has no timeframes, and '{chosen}' is asked for", self.name())
            }
            (Some(chosen), _) => {
                format!("source '{}' has no timeframe '{chosen}', expected one of {}", self.name(), words())
            }
            (None, _) => format!("source '{}' needs a timeframe, one of {}", self.name(), words()),
        };
        bail!(Failure::usage(message))
    }

    fn fill(
        &self,
        sections: &Sections,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        for name in given.keys() {
            self.option_is_known(sections, name).map_err(|err| Failure::usage(err.to_string()))?;
        }
        let mut options = BTreeMap::new();
        for (name, default) in &sections.options {
            let Some(value) = given.get(name).or(default.as_ref()) else {
                bail!(
                    Failure::usage(format!("source '{}' needs option '{name}'", self.name()))
                        .hint(format!("`--set {name}=…` gives it"))
                );
            };
            options.insert(name.clone(), value.clone());
        }
        Ok(options)
    }
}

/// Puts the sections of variants in the place of others; options are merged.
fn overlay<'v>(base: &Table, variants: impl IntoIterator<Item = &'v Variant>) -> Table {
    let mut merged = base.clone();
    for variant in variants {
        for (key, value) in &variant.sections {
            match (merged.get_mut(key), value) {
                (Some(Value::Table(known)), Value::Table(more)) if key == "options" => {
                    known.extend(more.clone());
                }
                _ => {
                    merged.insert(key.clone(), value.clone());
                }
            }
        }
    }
    merged
}

/// Adds what is not in a list yet.
fn add<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for value in more {
        if !list.contains(&value) {
            list.push(value);
        }
    }
}

/// Checks the name of a source, which is also the name of its file.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(fits, "invalid name '{name}' in [source]: expected lower-case letters, digits and '-'");
    Ok(())
}

impl Variant {
    fn read(mut sections: Table) -> Result<Self> {
        let known: Vec<_> = REPLACEABLE.into_iter().chain(["when"]).collect();
        section::check_keys(&sections, &known, "[[variant]]")?;
        let when =
            section::take(&mut sections, "when")?.context("cannot read [[variant]]: 'when' is missing")?;
        let when: VariantWhen = section::read(when, "'when' of [[variant]]")?;
        for timeframe in when.timeframe.clone().into_vec() {
            timeframe.parse::<Timeframe>().context("cannot read 'when' of [[variant]]")?;
        }
        Ok(Self { when, sections })
    }
}

#[cfg(test)]
mod tests;
