//! From what is asked to the request that asks it.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use percent_encoding::percent_decode_str;
use url::Url;

use super::answer::Class;
use super::answer::Fault;
use super::ask::Ask;
use super::ask::Request;
use super::ask::Turn;
use super::auth::Credentials;
use super::auth::Parts;
use super::dataset::Dataset;
use super::form::Form;
use super::form::check_header;
use super::form::check_path;
use super::secrets::Secrets;
use super::step::Step;
use super::template::Encoding;
use super::template::Slot;
use super::template::encode_query;
use super::window::End;

/// A URL in parts; the parts of the query are encoded.
struct Target {
    origin: String,
    path: String,
    query: Vec<String>,
}

impl Dataset {
    /// Builds the request that asks.
    pub fn request(&self, ask: &Ask<'_>, secrets: &Secrets) -> Result<Request> {
        let target = if let Turn::Url(url) = &ask.turn {
            self.linked(ask, url)?
        } else {
            let mut target = self.target(&self.form, ask)?;
            target.query.extend(self.page_param(ask));
            target
        };
        let mut request = self.assemble(&self.form, target, ask, secrets)?;
        request.follows_redirects = self.follows_redirects && !request.has_credentials;
        Ok(request)
    }

    /// Builds the request of a step; one to another host carries no credentials.
    pub fn step_request(&self, step: &Step, ask: &Ask<'_>, secrets: &Secrets) -> Result<Request> {
        let target = self.target(&step.form, ask)?;
        self.assemble(&step.form, target, ask, secrets)
            .with_context(|| format!("cannot build the request of step '{}'", step.name))
    }

    fn target(&self, form: &Form, ask: &Ask<'_>) -> Result<Target> {
        let at = ask.mirror.checked_rem(form.bases.len()).unwrap_or_default();
        let base = form.bases.get(at).context("the source has no base_url")?;
        let value = |slot: &Slot| self.value(slot, ask);
        let text = base.target.expand(Encoding::Path, &value)?;
        let (path, own) = text.split_once('?').unwrap_or((&text, ""));
        check_path(path)?;
        let mut query: Vec<_> = own.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        for (name, template) in &form.params {
            let value = template.expand(Encoding::Plain, &value)?;
            if !value.is_empty() {
                query.push(pair(name, &value));
            }
        }
        Ok(Target { origin: base.origin.clone(), path: path.to_owned(), query })
    }

    /// Takes a link to the next page apart; it may not lead to another host.
    fn linked(&self, ask: &Ask<'_>, link: &str) -> Result<Target> {
        let url = self.resolve(ask, link)?;
        let query = url.query().unwrap_or_default().split('&');
        // The key is added again below, as the provider wants it.
        let query =
            query.filter(|part| !part.is_empty() && Some(name_of(part).as_str()) != self.auth.param());
        Ok(Target {
            origin: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            query: query.map(str::to_owned).collect(),
        })
    }

    /// Returns the URL of a link in an answer.
    pub(super) fn resolve(&self, ask: &Ask<'_>, link: &str) -> Result<Url> {
        let format = |message: String| Fault { class: Class::Format, message };
        let bases = &self.form.bases;
        let at = ask.mirror.checked_rem(bases.len()).unwrap_or_default();
        let base = bases.get(at).context("the source has no base_url")?;
        let base = Url::parse(&base.origin).with_context(|| format!("invalid URL '{}'", base.origin))?;
        let url = base
            .join(link.trim())
            .with_context(|| format("the link to the next page is no URL".to_owned()))?;
        let origin = url.origin().ascii_serialization();
        if !bases.iter().any(|base| base.origin == origin) {
            bail!(format(format!("the link to the next page leads to another host: '{origin}'")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            bail!(format("the link to the next page names a user".to_owned()));
        }
        Ok(url)
    }

    fn page_param(&self, ask: &Ask<'_>) -> Option<String> {
        let name = self.pages.param.as_ref()?;
        let value = match &ask.turn {
            Turn::Cursor(cursor) => cursor.clone(),
            Turn::Offset(records) => records.to_string(),
            Turn::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(pair(name, &value))
    }

    fn assemble(&self, form: &Form, mut target: Target, ask: &Ask<'_>, secrets: &Secrets) -> Result<Request> {
        let value = |slot: &Slot| self.value(slot, ask);
        let body =
            form.body.as_ref().map(|(template, encoding)| template.expand(*encoding, &value)).transpose()?;
        let shown = self.shown(&target, secrets)?;
        let is_own = self.form.bases.iter().any(|base| base.origin == target.origin);
        let is_signed = is_own && !secrets.are_absent() && !self.auth.is_none();
        let credentials = if is_signed {
            let query = target.query.join("&");
            let parts = Parts {
                method: &form.method,
                path: &target.path,
                query: &query,
                body: body.as_deref().unwrap_or_default(),
                now: ask.now,
            };
            self.auth.apply(&parts, secrets, &value)?
        } else {
            Credentials::default()
        };
        let mut headers = Vec::new();
        for (name, template) in &form.headers {
            headers.push((name.clone(), template.expand(Encoding::Plain, &value)?));
        }
        headers.retain(|(_, value)| !value.is_empty());
        headers.extend(credentials.headers);
        for (name, value) in &headers {
            check_header(name, value)?;
        }
        let key = self.key(form, &target, body.as_deref(), secrets)?;
        target.query.extend(credentials.param.map(|(name, value)| pair(&name, &value)));
        Ok(Request {
            method: form.method.clone(),
            url: url(&target, &target.query)?,
            headers,
            body,
            shown,
            key,
            has_credentials: is_signed && !self.auth.secrets.is_empty(),
            follows_redirects: false,
        })
    }

    /// Returns the parts of the query that tell what is asked.
    fn told<'t>(&self, target: &'t Target) -> Vec<&'t str> {
        let is_told = |part: &&str| {
            let name = name_of(part);
            Some(name.as_str()) != self.auth.param() && !self.ignore_params.contains(&name)
        };
        target.query.iter().map(String::as_str).filter(is_told).collect()
    }

    fn shown(&self, target: &Target, secrets: &Secrets) -> Result<String> {
        Ok(secrets.redact(&url(target, &self.told(target))?))
    }

    fn key(&self, form: &Form, target: &Target, body: Option<&str>, secrets: &Secrets) -> Result<String> {
        let mut query = self.told(target);
        query.sort_unstable();
        let body = body.map(|body| format!("\n{body}")).unwrap_or_default();
        Ok(secrets.redact(&format!("{} {}{body}", form.method, url(target, &query)?)))
    }

    /// Returns what stands for a placeholder.
    fn value(&self, slot: &Slot, ask: &Ask<'_>) -> Result<String> {
        let known = |name: &str| ask.values.get(name).cloned();
        let window = || ask.window.context("cannot build the request: it has no range of time");
        Ok(match slot {
            Slot::Symbol if self.has_symbols => {
                ensure!(!ask.symbols.is_empty(), "cannot build the request: it has no symbol");
                ask.symbols.join(&self.symbols.separator)
            }
            Slot::Symbol => self.only_symbol().to_owned(),
            Slot::Lookup => {
                known("symbol.lookup").context("cannot build the request: the symbol was not looked up")?
            }
            Slot::Timeframe => self.timeframe_word.clone(),
            Slot::Start(form) => match ask.turn {
                // Behind the last bar of a page, never at it.
                Turn::From(start) if self.timeframe.is_some() => form.write_up(start)?,
                Turn::From(start) => form.write(start)?,
                _ => form.write(window()?.start.saturating_sub(self.window.lead))?,
            },
            Slot::End(form) => match self.window.end {
                End::Exclusive => form.write_end(window()?.stop)?,
                End::Inclusive => form.write(window()?.stop.saturating_sub(1))?,
            },
            Slot::Now(form) => form.write(ask.now)?,
            Slot::Limit => self.pages.size.map(|size| size.to_string()).unwrap_or_default(),
            Slot::Offset => match ask.turn {
                Turn::Offset(records) => records.to_string(),
                _ => "0".to_owned(),
            },
            Slot::Page => match ask.turn {
                Turn::Number(number) => number.to_string(),
                _ => self.pages.first.to_string(),
            },
            Slot::Cursor => match &ask.turn {
                Turn::Cursor(cursor) => cursor.clone(),
                _ => String::new(),
            },
            Slot::Value(name) => {
                known(name).with_context(|| format!("cannot build the request: no step brought '{name}'"))?
            }
            Slot::Secret(name) => bail!("a secret '{name}' stands outside of [auth]"),
            Slot::Sign(part) => bail!("'{{{part}}}' stands outside of a signature"),
        })
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", encode_query(name), encode_query(value))
}

/// Returns the name of a part of a query.
fn name_of(part: &str) -> String {
    let name = part.split('=').next().unwrap_or_default();
    percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn url<S: AsRef<str>>(target: &Target, query: &[S]) -> Result<String> {
    let mut text = format!("{}{}", target.origin, target.path);
    for (at, part) in query.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(part.as_ref());
    }
    // The error would quote the URL, and the URL may hold a secret.
    let Ok(url) = Url::parse(&text) else { bail!("cannot build the request: its URL is invalid") };
    ensure!(
        url.origin().ascii_serialization() == target.origin,
        "cannot build the request: its URL leads elsewhere"
    );
    Ok(url.into())
}

#[cfg(test)]
mod tests;
