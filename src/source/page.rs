//! Pages: which one comes behind another, and when that would never end.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use super::answer::Class;
use super::answer::Fault;
use super::ask::Ask;
use super::ask::Page;
use super::ask::Turn;
use super::dataset::Dataset;
use super::schema::PaginationText;
use super::section::suggestion;
use super::template::Slot;
use crate::decode::Document;
use crate::decode::Path;
use crate::model::time::format_timestamp;

/// Pages of one window at most, where the definition does not say.
const MOST_PAGES: usize = 10_000;
/// Characters of a cursor or a link at most.
const LONGEST: usize = 16_384;
/// The words of `kind`.
const KINDS: [&str; 7] = ["none", "last_time", "next_url", "cursor", "offset", "page", "header_link"];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    None,
    LastTime,
    NextUrl,
    Cursor,
    Offset,
    Page,
    HeaderLink,
}

/// How an answer is divided into pages.
#[derive(Debug, Default)]
pub(super) struct Pages {
    kind: Kind,
    /// The rows of a full page.
    pub(super) size: Option<u64>,
    path: Option<Path>,
    pub(super) param: Option<String>,
    total: Option<Path>,
    pub(super) first: u64,
    most: usize,
}

impl Pages {
    /// Returns whether there may be more pages than one.
    pub(super) fn is_paged(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    pub(super) fn compile(text: PaginationText, max_points: Option<u64>) -> Result<Self> {
        let section = "[pagination]";
        let kind = match text.kind.as_deref().unwrap_or("none") {
            "none" => Kind::None,
            "last_time" => Kind::LastTime,
            "next_url" => Kind::NextUrl,
            "cursor" => Kind::Cursor,
            "offset" => Kind::Offset,
            "page" => Kind::Page,
            "header_link" => Kind::HeaderLink,
            word => bail!("unknown kind '{word}' in {section}, {}", suggestion(word, KINDS)),
        };
        let path = |key: &str, path: Option<String>| {
            let path = path.as_deref().map(Path::parse).transpose();
            path.with_context(|| format!("cannot read '{key}' in {section}"))
        };
        let pages = Self {
            kind,
            size: text.size.or(max_points),
            path: path("path", text.path)?,
            param: text.param,
            total: path("total", text.total)?,
            first: text.first.unwrap_or(1),
            most: text.max_pages.unwrap_or(MOST_PAGES),
        };
        ensure!(pages.size != Some(0), "invalid size '0' in {section}: expected a whole number from 1");
        if matches!(kind, Kind::NextUrl | Kind::Cursor) && pages.path.is_none() {
            bail!("cannot read {section}: kinds next_url and cursor need 'path'");
        }
        if kind == Kind::LastTime && pages.size.is_none() {
            bail!("cannot read {section}: kind last_time needs 'size', or [window] max_points");
        }
        Ok(pages)
    }

    /// Returns whether the turns of the kind go into the request by a parameter or a placeholder.
    pub(super) fn needs(&self) -> Option<&'static str> {
        match self.kind {
            _ if self.param.is_some() => None,
            Kind::Cursor => Some("cursor"),
            Kind::Offset => Some("offset"),
            Kind::Page => Some("page"),
            _ => None,
        }
    }

    /// Returns whether pages start where the last one ended.
    pub(super) fn follow_time(&self) -> bool {
        self.kind == Kind::LastTime
    }

    fn is_short(&self, rows: u64) -> bool {
        rows == 0 || self.size.is_some_and(|size| rows < size)
    }
}

impl Dataset {
    /// Returns the page behind another.
    ///
    /// Fails with a [`Fault`] of class `format` where pages do not advance, repeat themselves, lead to another
    /// host, or do not end.
    pub fn next_page(&self, ask: &Ask<'_>, page: &Page<'_>) -> Result<Option<Turn>> {
        let Some(turn) = self.turn_behind(ask, page)? else { return Ok(None) };
        if page.seen.contains(&turn.to_string()) || turn == ask.turn {
            bail!(fault("the next page is one that was read before".to_owned()));
        }
        if page.seen.len() >= self.pages.most {
            bail!(fault(format!("there are more than {} pages", self.pages.most)));
        }
        Ok(Some(turn))
    }

    fn turn_behind(&self, ask: &Ask<'_>, page: &Page<'_>) -> Result<Option<Turn>> {
        let pages = &self.pages;
        let found = |path: &Option<Path>| -> Option<String> {
            let document = Document::new(page.answer.body)?;
            let found =
                document.find(path.as_ref()?).filter(|found| !found.is_null() && found.raw() != "false")?;
            Some(found.text()).filter(|text| !text.is_empty())
        };
        let bounded = |text: String| -> Result<String> {
            ensure!(text.len() <= LONGEST, fault("the link to the next page is too long".to_owned()));
            Ok(text)
        };
        Ok(match pages.kind {
            Kind::None => None,
            Kind::LastTime => self.time_behind(ask, page)?.map(Turn::From),
            Kind::NextUrl => self.link(ask, found(&pages.path).map(bounded).transpose()?)?,
            Kind::HeaderLink => {
                let link = page.answer.header("link").and_then(next_link).map(str::to_owned);
                self.link(ask, link.map(bounded).transpose()?)?
            }
            Kind::Cursor => found(&pages.path).map(bounded).transpose()?.map(Turn::Cursor),
            Kind::Offset => {
                let so_far = if let Turn::Offset(records) = ask.turn { records } else { 0 };
                let behind = so_far.saturating_add(pages.size.unwrap_or(page.rows));
                let total = found(&pages.total).and_then(|text| text.parse::<u64>().ok());
                let is_last = total.map_or_else(|| pages.is_short(page.rows), |total| behind >= total);
                (!is_last && page.rows > 0).then_some(Turn::Offset(behind))
            }
            Kind::Page => {
                let number = if let Turn::Number(number) = ask.turn { number } else { pages.first };
                let behind = number.saturating_add(1);
                // Here the total counts pages.
                let total = found(&pages.total).and_then(|text| text.parse::<u64>().ok());
                let end = total.map(|total| total.saturating_add(pages.first));
                let is_last = end.map_or_else(|| pages.is_short(page.rows), |end| behind >= end);
                (!is_last && page.rows > 0).then_some(Turn::Number(behind))
            }
        })
    }

    fn link(&self, ask: &Ask<'_>, link: Option<String>) -> Result<Option<Turn>> {
        let Some(link) = link else { return Ok(None) };
        Ok(Some(Turn::Url(self.resolve(ask, &link)?.into())))
    }

    /// Returns where the page behind a full one starts.
    fn time_behind(&self, ask: &Ask<'_>, page: &Page<'_>) -> Result<Option<i64>> {
        if self.pages.is_short(page.rows) {
            return Ok(None);
        }
        let Some(last) = page.last else {
            bail!(fault("a full page has no times".to_owned()));
        };
        let start = match ask.turn {
            Turn::From(start) => Some(start),
            _ => ask.window.map(|window| window.start),
        };
        if start.is_some_and(|start| last < start) {
            bail!(fault("a full page ends before its start, so that the next would be the same".to_owned()));
        }
        let Some(timeframe) = self.timeframe else { return self.moment_behind(ask, (start, last)) };
        let behind = timeframe.after(last);
        Ok(Some(behind).filter(|behind| ask.window.is_none_or(|window| *behind < window.stop)))
    }

    /// Returns the last moment of a full page of rows that are no bars: more rows may have it than the page held, so
    /// that all of it is asked again.
    fn moment_behind(&self, ask: &Ask<'_>, (start, last): (Option<i64>, i64)) -> Result<Option<i64>> {
        if ask.window.is_some_and(|window| last >= window.stop) {
            return Ok(None);
        }
        let units = self.form.slots().filter_map(|slot| match slot {
            Slot::Start(form) => Some(form.unit()),
            _ => None,
        });
        let unit = units.max().unwrap_or(1);
        let moment = last.div_euclid(unit).saturating_mul(unit);
        if start.is_some_and(|start| moment <= start) {
            bail!(fault(format!(
                "a full page does not reach behind {}: it is too small for the rows of that moment",
                format_timestamp(last)
            )));
        }
        Ok(Some(moment))
    }
}

fn fault(message: String) -> Fault {
    Fault { class: Class::Format, message }
}

/// Returns the URL with `rel="next"` of a header `Link`.
fn next_link(header: &str) -> Option<&str> {
    header.split('<').skip(1).find_map(|part| {
        let (url, rest) = part.split_once('>')?;
        let rest = rest.to_ascii_lowercase();
        let mut parts = rest.split([';', ',']).map(str::trim);
        parts.any(|part| matches!(part, "rel=next" | "rel=\"next\"")).then_some(url)
    })
}

#[cfg(test)]
mod tests;
