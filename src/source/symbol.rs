//! How a symbol is written for the provider.

use std::collections::BTreeMap;

use anyhow::Result;
use anyhow::bail;

use super::schema::SymbolsText;
use super::section::suggestion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Keep,
    Upper,
    Lower,
}

/// How a symbol is written for the provider.
#[derive(Debug)]
pub(super) struct Symbols {
    case: Case,
    replace: BTreeMap<String, String>,
    prefix: String,
    suffix: String,
    map: BTreeMap<String, String>,
    pub(super) batch: usize,
    pub(super) separator: String,
    pub(super) none: bool,
}

impl Symbols {
    pub(super) fn compile(text: SymbolsText) -> Result<Self> {
        let case = match text.case.as_deref().unwrap_or("keep") {
            "keep" => Case::Keep,
            "upper" => Case::Upper,
            "lower" => Case::Lower,
            word => {
                bail!("unknown case '{word}' in [symbols], {}", suggestion(word, ["upper", "lower", "keep"]))
            }
        };
        if text.replace.contains_key("") {
            bail!("invalid 'replace' in [symbols]: a text to replace is empty");
        }
        Ok(Self {
            case,
            replace: text.replace,
            prefix: text.prefix,
            suffix: text.suffix,
            map: text.map.into_iter().map(|(ours, theirs)| (ours, theirs.0)).collect(),
            batch: text.batch.unwrap_or(1).max(1),
            separator: text.separator.unwrap_or_else(|| ",".to_owned()),
            none: text.none,
        })
    }

    /// Writes a symbol; one that is written so already stays as it is.
    pub(super) fn send(&self, symbol: &str) -> String {
        if let Some(theirs) = self.map.get(symbol) {
            return theirs.clone();
        }
        let mut text = match self.case {
            Case::Keep => symbol.to_owned(),
            Case::Upper => symbol.to_uppercase(),
            Case::Lower => symbol.to_lowercase(),
        };
        for (from, to) in &self.replace {
            text = text.replace(from.as_str(), to);
        }
        if !text.starts_with(&self.prefix) {
            text.insert_str(0, &self.prefix);
        }
        if !text.ends_with(&self.suffix) {
            text.push_str(&self.suffix);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::section;
    use super::*;

    #[test]
    fn both_spellings_become_one() {
        let text = r#"
            case = "upper"
            replace = { "/" = "", "-" = "" }
            suffix = ".US"
            map = { "NIFTY 50" = "nifty" }"#;
        let symbols =
            Symbols::compile(section::read(toml::from_str(text).unwrap(), "[symbols]").unwrap()).unwrap();
        for (ours, theirs) in [
            ("btc/usdt", "BTCUSDT.US"),
            ("BTCUSDT.US", "BTCUSDT.US"),
            ("NIFTY 50", "nifty"),
            ("a-b", "AB.US"),
        ] {
            assert_eq!(symbols.send(ours), theirs);
        }
        assert_eq!((symbols.batch, symbols.separator.as_str()), (1, ","));
    }

    #[test]
    fn bad_rules_are_refused() {
        for text in ["case = 'uper'", "replace = { '' = 'x' }"] {
            let text = section::read(toml::from_str(text).unwrap(), "[symbols]").unwrap();
            assert!(Symbols::compile(text).is_err());
        }
    }
}
