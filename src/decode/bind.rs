//! Deciding which field feeds which column of a table.

mod nested;

use anyhow::{Context as _, Result, bail};
use regex::Regex;

use self::nested::request_name;
pub(super) use self::nested::{Names, Otherwise};

use super::alias::{Likeness, likeness};
use super::detect::Evidence;
use super::entry::{At, Entry};
use super::fields::{Fields, nearest_or};
use super::given::{base_day, constant, symbol_of};
use super::layout::Layout;
use super::moment::{Form, TimeRule, zone};
use super::number::NumberRule;
use super::pattern::Pattern;
use super::plan::{Feed, Origin, Plan, Rule};
use super::timeframe;
use crate::error::Failure;
use crate::model::{Column, ColumnType, Table, Value, nearest, normalize};

/// What is known about a binding before the forms of its times are.
pub(super) struct Assignment<'a> {
    table: &'a Table,
    layout: &'a Layout,
    file_name: &'a str,
    targets: Vec<Target<'a>>,
    base_day: Option<i64>,
    pub(super) unknown: Vec<String>,
    pub(super) notes: Vec<String>,
    /// For columns that a document must have their slots.
    pub(super) required: Vec<(String, Vec<usize>)>,
    /// For columns whose zone a document says the slot of its name.
    pub(super) zones: Vec<(String, usize)>,
    /// For columns that are values of the request their names there.
    pub(super) requests: Vec<(String, String)>,
}

/// A column of the table and what feeds it.
struct Target<'a> {
    column: Column,
    origin: Origin,
    entry: Option<&'a Entry>,
}

impl<'a> Assignment<'a> {
    /// Decides what feeds each column: first what the layout says, then names, then well-known ones.
    pub(super) fn new(
        table: &'a Table,
        layout: &'a Layout,
        file_name: &'a str,
        fields: &mut Fields<'_>,
        otherwise: Otherwise<'_>,
    ) -> Result<Self> {
        let mut this = Self::empty(table, layout, file_name);
        let columns: Vec<_> = this.targets.iter().map(|target| target.column.name.clone()).collect();
        fields.check_header(layout, file_name, |name| {
            normalize(name).is_some_and(|name| columns.iter().any(|column| likeness(column, &name).is_some()))
                || layout.map.values().any(|entry| mentions(entry.at.as_ref(), name))
        })?;
        this.take_map(fields)?;
        this.take_constants()?;
        this.take_name()?;
        if otherwise.names == Names::Speak {
            this.take_likeness(fields)?;
        }
        if let Some(values) = otherwise.values {
            this.take_values(values)?;
        }
        this.check(fields)?;
        Ok(this)
    }

    fn empty(table: &'a Table, layout: &'a Layout, file_name: &'a str) -> Self {
        let target = |column| Target { column, origin: Origin::Nowhere, entry: None };
        Self {
            table,
            layout,
            file_name,
            targets: table.columns().into_iter().map(target).collect(),
            base_day: None,
            unknown: Vec::new(),
            notes: Vec::new(),
            required: Vec::new(),
            zones: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Returns the slots of the columns whose times have no stated form, and the name of the column.
    pub(super) fn undecided(&self) -> Vec<(usize, Vec<usize>)> {
        let is_stated = |target: &Target<'_>| {
            let entry = target.entry.is_some_and(|entry| entry.unit.is_some() || !entry.formats.is_empty());
            entry || (target.column.name == "ts" && !self.layout.time_formats.is_empty())
        };
        let one = |(at, target): (usize, &Target<'_>)| match (&target.origin, target.column.kind) {
            (Origin::Slots(slots), ColumnType::Date | ColumnType::Timestamp) if !is_stated(target) => {
                Some((at, slots.clone()))
            }
            _ => None,
        };
        self.targets.iter().enumerate().filter_map(one).collect()
    }

    /// Returns all slots in use.
    pub(super) fn used(&self) -> Vec<usize> {
        let slots = self.targets.iter().filter_map(|target| match &target.origin {
            Origin::Slots(slots) => Some(slots.iter().copied()),
            _ => None,
        });
        let mut slots: Vec<_> = slots.flatten().collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Completes the plan with what the head says about the undecided times.
    pub(super) fn plan(&mut self, evidence: Vec<(usize, Evidence)>) -> Result<Plan> {
        let mut decided: Vec<(usize, Form)> = Vec::new();
        for (at, evidence) in evidence {
            let name = &self.targets[at].column.name;
            let (form, words) =
                evidence.decide(name).with_context(|| format!("cannot read '{}'", self.file_name))?;
            self.notes.extend(words.map(|words| format!("{name}: {words}")));
            decided.push((at, form));
        }
        let mut feeds = Vec::with_capacity(self.targets.len());
        for (at, target) in self.targets.iter().enumerate() {
            let form =
                decided.iter().position(|(place, _)| *place == at).map(|place| decided.swap_remove(place).1);
            feeds.push(self.feed(target, form)?);
        }
        let values = feeds.split_off(feeds.len() - self.table.values.len());
        let seq = if self.table.ticks { feeds.pop() } else { None };
        let ts = feeds.pop().context("a table has a time column")?;
        Ok(Plan { table: self.table.clone(), key: feeds, ts, seq, values })
    }

    fn feed(&self, target: &Target<'_>, form: Option<Form>) -> Result<Feed> {
        let entry = target.entry;
        let number =
            NumberRule { thousands: self.layout.thousands, divide: entry.and_then(|entry| entry.divide) };
        let is_in_document = self.zones.iter().any(|(column, _)| *column == target.column.name);
        let name = self.zone_name(target).filter(|_| is_time(target.column.kind) && !is_in_document);
        let zone = name.map(zone).transpose()?.flatten();
        let form = match form {
            Some(form) => form,
            None => self.stated_form(target)?,
        };
        let nulls = self.layout.nulls.iter().map(|word| word.as_bytes().into()).collect();
        let rule = Rule::of(target.column.kind, number, TimeRule { form, zone });
        Ok(Feed { column: target.column.clone(), origin: target.origin.clone(), rule, nulls })
    }

    fn zone_name(&self, target: &Target<'a>) -> Option<&'a str> {
        target.entry.and_then(|entry| entry.zone.as_deref()).or(self.layout.zone.as_deref())
    }

    fn stated_form(&self, target: &Target<'_>) -> Result<Form> {
        if let Some(Entry { unit: Some(unit), since, .. }) = target.entry {
            let per_second = unit.per_second();
            return match (since, self.base_day) {
                (None, _) => Ok(Form::Epoch(per_second)),
                (Some(_), Some(day)) => Ok(Form::Midnight { day, per_second }),
                (Some(_), None) => bail!(
                    Failure::usage(format!(
                        "cannot read the times of '{}': they count from midnight of a date that is not given",
                        self.file_name
                    ))
                    .hint("`--set date=2024-01-31`, or a group 'date' in the layout's 'name'")
                ),
            };
        }
        let formats = match target.entry {
            Some(entry) if !entry.formats.is_empty() => &entry.formats,
            _ if target.column.name == "ts" => &self.layout.time_formats,
            _ => return Ok(Form::Iso),
        };
        if formats.is_empty() {
            return Ok(Form::Iso);
        }
        Ok(Form::Patterns(formats.iter().map(|format| Pattern::compile(format)).collect::<Result<_>>()?))
    }

    fn place(&self, column: &str, what: &str) -> Result<usize> {
        let names = || self.targets.iter().map(|target| target.column.name.as_str());
        if let Some(place) = names().position(|name| name == column) {
            return Ok(place);
        }
        let all = || format!("its columns are {}", names().collect::<Vec<_>>().join(", "));
        let near = nearest_or(&nearest(column, names()), all);
        bail!(Failure::usage(format!(
            "cannot {what} column '{column}': table '{}' has no such column, {near}",
            self.table.name
        )))
    }

    fn take_map(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        for (column, entry) in &self.layout.map {
            let place = self.place(column, "map")?;
            let request = entry.at.as_ref().and_then(request_name);
            let origin = match (&entry.at, &entry.constant) {
                (_, Some(text)) => Origin::Constant(constant(&self.targets[place].column, text)?),
                (Some(_), None) if request.is_some() => {
                    self.requests.extend(request.map(|name| (column.clone(), name.to_owned())));
                    Origin::Nowhere
                }
                (Some(at), None) => self.slots(column, at, entry, fields)?,
                (None, None) => Origin::Nowhere,
            };
            self.targets[place].origin = origin;
            self.targets[place].entry = Some(entry);
        }
        Ok(())
    }

    fn slots(&mut self, column: &str, at: &At, entry: &Entry, fields: &mut Fields<'_>) -> Result<Origin> {
        let wanted = match at {
            At::First(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut slots = Vec::new();
        for at in wanted {
            slots.extend(fields.find(at)?);
        }
        if fields.places().is_some() && !entry.optional {
            self.required.push((column.to_owned(), slots.clone()));
        }
        match (slots.is_empty(), wanted.first()) {
            (false, _) => Ok(Origin::Slots(slots)),
            (true, _) if entry.optional => Ok(Origin::Nowhere),
            (true, Some(At::Name(name))) => Err(fields.missing(column, name, self.file_name)),
            (true, Some(At::Index(place))) => Err(fields.missing(column, &place.to_string(), self.file_name)),
            (true, _) => {
                bail!(Failure::usage(format!("cannot fill column '{column}': its list of fields is empty")))
            }
        }
    }

    fn take_constants(&mut self) -> Result<()> {
        for (column, text) in &self.layout.set {
            if column == "date" && self.targets.iter().all(|target| target.column.name != "date") {
                self.base_day = Some(base_day(text)?);
                continue;
            }
            let place = self.place(column, "set")?;
            if self.targets[place].entry.is_some() {
                bail!(Failure::usage(format!("cannot set column '{column}': it is also mapped to a field")));
            }
            self.set(place, text)?;
        }
        Ok(())
    }

    fn set(&mut self, place: usize, text: &str) -> Result<()> {
        let target = &mut self.targets[place];
        target.origin = Origin::Constant(constant(&target.column, text)?);
        Ok(())
    }

    /// Takes what the file's name says.
    fn take_name(&mut self) -> Result<()> {
        if let Some(pattern) = &self.layout.name {
            let regex = Regex::new(pattern).with_context(|| {
                Failure::usage(format!("invalid pattern '{pattern}' of the layout's 'name'"))
            })?;
            let Some(found) = regex.captures(self.file_name) else {
                bail!(Failure::usage(format!(
                    "cannot take columns from the name '{}': it does not match the layout's 'name', '{pattern}'",
                    self.file_name
                )));
            };
            for group in regex.capture_names().flatten() {
                let Some(text) = found.name(group).map(|text| text.as_str()) else { continue };
                if group == "date" && self.targets.iter().all(|target| target.column.name != "date") {
                    self.base_day = self.base_day.or(Some(base_day(text)?));
                    continue;
                }
                let place = self.place(group, "take from the file's name")?;
                // What the command line or the layout sets is said on purpose.
                if self.targets[place].origin == Origin::Nowhere {
                    self.set(place, text)?;
                }
            }
        }
        if self.layout.symbol_from_name {
            let place = self.place("symbol", "take from the file's name")?;
            let symbol = symbol_of(self.file_name);
            if symbol.is_empty() {
                bail!(Failure::usage(format!("cannot take the symbol from the name '{}'", self.file_name)));
            }
            self.set(place, &symbol)?;
        }
        Ok(())
    }

    /// Gives the columns that nothing feeds yet the fields whose names speak for them.
    fn take_likeness(&mut self, fields: &Fields<'_>) -> Result<()> {
        let names: Vec<_> = fields.names.iter().map(|name| normalize(name)).collect();
        let mut is_taken: Vec<bool> = vec![false; names.len()];
        for slot in self.used() {
            if let Some(is_taken) = is_taken.get_mut(slot) {
                *is_taken = true;
            }
        }
        for wanted in [Likeness::Name, Likeness::Alias, Likeness::Letter] {
            for target in &mut self.targets {
                if target.origin != Origin::Nowhere || target.entry.is_some() {
                    continue;
                }
                let speaks = |slot: &usize| {
                    let name = names[*slot].as_deref();
                    !is_taken[*slot]
                        && name.is_some_and(|name| likeness(&target.column.name, name) == Some(wanted))
                };
                let slots: Vec<_> = (0..names.len()).filter(speaks).collect();
                if let [first, second, ..] = slots[..] {
                    bail!(
                        Failure::usage(format!(
                            "cannot fill column '{}' of '{}': both '{}' and '{}' may be meant",
                            target.column.name, self.file_name, fields.names[first], fields.names[second]
                        ))
                        .hint(format!("`--map '{}={}'` says which", target.column.name, fields.names[first]))
                    );
                }
                if let Some(slot) = slots.first() {
                    is_taken[*slot] = true;
                    target.origin = Origin::Slots(slots);
                }
            }
        }
        let left = fields.names.iter().zip(is_taken).filter(|(name, is_taken)| !is_taken && !name.is_empty());
        self.unknown = left.map(|(name, _)| name.clone()).collect();
        Ok(())
    }

    /// Refuses an input without a time or a key.
    fn check(&mut self, fields: &Fields<'_>) -> Result<()> {
        for target in &mut self.targets {
            let name = target.column.name.as_str();
            let is_needed = !target.column.nullable && target.origin == Origin::Nowhere;
            match name {
                _ if !is_needed => {}
                "source" => target.origin = Origin::Constant(Value::Text("file".into())),
                // Ticks without an order come in that of the input; a timeframe is detected later.
                "seq" | timeframe::COLUMN => {}
                "ts" => bail!(
                    Failure::usage(format!(
                        "cannot find the time of '{}': {}",
                        self.file_name,
                        fields.said()
                    ))
                    .hint("`--map ts=FIELD` names the field")
                ),
                _ => {
                    let hint = match name {
                        "symbol" => {
                            "`--set symbol=SYMBOL`, `--map symbol=FIELD` or `--symbol-from-name`".to_owned()
                        }
                        _ => format!("`--set {name}=VALUE` or `--map {name}=FIELD`"),
                    };
                    bail!(
                        Failure::usage(format!(
                            "cannot fill key column '{name}' from '{}': {}",
                            self.file_name,
                            fields.said()
                        ))
                        .hint(hint)
                    )
                }
            }
        }
        Ok(())
    }
}

fn is_time(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Date | ColumnType::Timestamp)
}

fn mentions(at: Option<&At>, field: &str) -> bool {
    match at {
        Some(At::Name(name)) => name.eq_ignore_ascii_case(field),
        Some(At::First(all)) => all.iter().any(|at| mentions(Some(at), field)),
        _ => false,
    }
}
