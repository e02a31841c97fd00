//! The form of a request: its compiled templates, and the hosts it goes to.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use url::Url;

use super::section::Scalar;
use super::template::Encoding;
use super::template::Names;
use super::template::Slot;
use super::template::Template;
use super::template::fill_raw;

/// A scheme, host and port, and what stands behind them.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) origin: String,
    /// The path, and a query where the definition writes one there.
    pub(super) target: Template,
}

/// The text of a request in a definition.
pub(super) struct FormText<'a> {
    pub(super) method: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) headers: &'a BTreeMap<String, Scalar>,
    pub(super) params: &'a BTreeMap<String, Scalar>,
    pub(super) body: Option<&'a str>,
}

/// The form of a request.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) method: String,
    pub(super) bases: Vec<Base>,
    pub(super) params: Vec<(String, Template)>,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) body: Option<(Template, Encoding)>,
}

impl Form {
    /// Compiles a request to one of several hosts that give the same answers.
    pub(super) fn compile(text: &FormText<'_>, urls: &[String], names: &Names) -> Result<Self> {
        let method = text.method.unwrap_or("GET");
        ensure!(matches!(method, "GET" | "POST"), "unknown method '{method}', expected GET or POST");
        let path = fill_raw(text.path, &names.options);
        let bases = urls.iter().map(|url| Base::compile(&fill_raw(url, &names.options), &path, names));
        let mut headers = Vec::new();
        for (name, value) in text.headers {
            let fits =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            ensure!(fits, "invalid header name '{name}': expected letters, digits and '-'");
            let template =
                Template::parse(&value.0, names).with_context(|| format!("cannot read header '{name}'"))?;
            headers.push((name.clone(), template));
        }
        let mut params = Vec::new();
        for (name, value) in text.params {
            let template = Template::parse(&value.0, names)
                .with_context(|| format!("cannot read parameter '{name}'"))?;
            params.push((name.clone(), template));
        }
        let body =
            text.body.map(|body| compile_body(body, names)).transpose().context("cannot read 'body'")?;
        if let Some((_, Encoding::Json)) = body
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("Content-Type".to_owned(), Template::parse("application/json", names)?));
        }
        Ok(Self { method: method.to_owned(), bases: bases.collect::<Result<_>>()?, params, headers, body })
    }

    /// Returns all placeholders.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        let targets = self.bases.iter().map(|base| &base.target);
        let pairs = self.params.iter().chain(&self.headers).map(|(_, template)| template);
        targets.chain(pairs).chain(self.body.iter().map(|(template, _)| template)).flat_map(Template::slots)
    }

    /// Returns whether the range of time goes into the request.
    pub(super) fn has_window(&self) -> bool {
        self.slots().any(|slot| matches!(slot, Slot::Start(_) | Slot::End(_)))
    }

    /// Returns what decides which data come back, but for symbol, timeframe, range and page, in order.
    pub(super) fn essence(&self) -> Vec<String> {
        let target = self.bases.first().map(|base| ("path", &base.target));
        let body = self.body.iter().map(|(template, _)| ("body", template));
        let params = self.params.iter().map(|(name, template)| (name.as_str(), template));
        let mut parts: Vec<_> = target
            .into_iter()
            .chain(body)
            .chain(params)
            // What each request fills in tells nothing, unless an option stands beside it.
            .filter(|(_, template)| template.slots().next().is_none() || template.has_option())
            .map(|(name, template)| format!("{name}={}", template.skeleton()))
            .collect();
        parts.sort();
        parts
    }
}

impl Base {
    fn compile(url: &str, path: &str, names: &Names) -> Result<Self> {
        let (origin, rest) = split_origin(url)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let target = match (rest.trim_end_matches('/'), path) {
            ("", "") => "/".to_owned(),
            (_, "") => rest.to_owned(),
            (base, path) if path.starts_with('/') => format!("{base}{path}"),
            (base, path) => format!("{base}/{path}"),
        };
        let target =
            Template::parse(&target, names).with_context(|| format!("cannot read path '{target}'"))?;
        Ok(Self { origin, target })
    }
}

/// Splits a URL behind its scheme, host and port, which hold no placeholder.
pub(super) fn split_origin(url: &str) -> Result<(String, &str)> {
    let invalid = || format!("invalid URL '{url}': expected http:// or https:// and a host");
    let behind = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let behind = behind.with_context(invalid)?;
    let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
    let (host, rest) = behind.split_at(end);
    ensure!(!host.contains('{'), "invalid URL '{url}': a placeholder cannot stand in the host");
    ensure!(!host.contains('@'), "invalid URL: a user name cannot stand in it; [auth] has the kind 'basic'");
    let (head, _) = url.split_at(url.len() - rest.len());
    let parsed = Url::parse(head).with_context(invalid)?;
    ensure!(parsed.has_host(), "{}", invalid());
    Ok((parsed.origin().ascii_serialization(), rest))
}

fn compile_body(text: &str, names: &Names) -> Result<(Template, Encoding)> {
    if text.trim_start().starts_with(['{', '[']) {
        let template = Template::parse_json(text, names)?;
        serde_json::from_str::<serde::de::IgnoredAny>(&template.outline()).context(
            "it begins like JSON and is none; braces stand for themselves there, and are not doubled",
        )?;
        return Ok((template, Encoding::Json));
    }
    Ok((Template::parse(text, names)?, Encoding::Path))
}

/// Refuses what would end a header or steer a terminal.
pub(super) fn check_header(name: &str, value: &str) -> Result<()> {
    // The value may be a secret, so that it is not quoted.
    if value.chars().any(char::is_control) {
        bail!("cannot send header '{name}': its value has a control character, such as the end of a line");
    }
    Ok(())
}

/// Refuses a path in which a value stands for the folder above.
pub(super) fn check_path(path: &str) -> Result<()> {
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        bail!("cannot send path '{path}': '.' and '..' would lead to another one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_split_from_the_rest() {
        for (url, origin, rest) in [
            ("https://a.com", "https://a.com", ""),
            ("https://A.com:443/x?y#z", "https://a.com", "/x?y#z"),
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080", "/v1/"),
            ("https://a.com?s={symbol}", "https://a.com", "?s={symbol}"),
        ] {
            assert_eq!(split_origin(url).unwrap(), (origin.to_owned(), rest));
        }
        for url in [
            "",
            "ftp://a.com",
            "a.com",
            "https://",
            "https:///x",
            "https://{symbol}.com/",
            "https://u:p@a.com",
            "https://a b",
        ] {
            assert!(split_origin(url).is_err(), "{url}");
        }
    }

    #[test]
    fn base_and_path_meet_in_one_slash() {
        let target =
            |url: &str, path: &str| Base::compile(url, path, &Names::default()).unwrap().target.skeleton();
        assert_eq!(target("https://a.com/", "/x"), "/x");
        assert_eq!(target("https://a.com/v1/", "x"), "/v1/x");
        assert_eq!(target("https://a.com", ""), "/");
        assert_eq!(target("https://a.com/data.csv?x=1#top", ""), "/data.csv?x=1");
    }

    #[test]
    fn headers_and_paths_hold_nothing_that_leads_elsewhere() {
        assert!(check_header("A", "b\r\nX: y").is_err());
        assert!(check_header("A", "b\0").is_err());
        assert!(check_header("A", "text/csv; q=1").is_ok());
        assert!(check_path("/a/../b").is_err());
        assert!(check_path("/a/b..c/v1.1").is_ok());
    }
}
