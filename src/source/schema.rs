//! The sections of a definition as TOML writes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Table;

use super::section::OneOrMany;
use super::section::Scalar;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SourceText {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) docs: String,
    pub(super) base_url: OneOrMany<String>,
    pub(super) fallback: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RequestText {
    pub(super) method: Option<String>,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, Scalar>,
    pub(super) params: BTreeMap<String, Scalar>,
    pub(super) body: Option<String>,
    pub(super) redirects: Option<String>,
    pub(super) timeout: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SymbolsText {
    pub(super) case: Option<String>,
    pub(super) replace: BTreeMap<String, String>,
    pub(super) prefix: String,
    pub(super) suffix: String,
    pub(super) map: BTreeMap<String, Scalar>,
    pub(super) batch: Option<usize>,
    pub(super) separator: Option<String>,
    pub(super) lookup: Option<Table>,
    pub(super) none: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LookupText {
    pub(super) step: String,
    #[serde(rename = "match")]
    pub(super) matches: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuthText {
    pub(super) kind: Option<String>,
    pub(super) secrets: Vec<String>,
    pub(super) param: Option<String>,
    pub(super) value: Option<String>,
    pub(super) name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) algo: Option<String>,
    pub(super) key: Option<String>,
    pub(super) message: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) time_header: Option<String>,
    pub(super) time_format: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
}

/// One length for all timeframes, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PerTimeframe {
    All(String),
    Each(BTreeMap<String, String>),
}

impl Default for PerTimeframe {
    fn default() -> Self {
        Self::Each(BTreeMap::new())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WindowText {
    pub(super) max_points: Option<u64>,
    pub(super) max_span: PerTimeframe,
    pub(super) retention: PerTimeframe,
    pub(super) retention_points: Option<u64>,
    pub(super) end: Option<String>,
    pub(super) align: Option<String>,
    pub(super) history: PerTimeframe,
    pub(super) lead: PerTimeframe,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PaginationText {
    pub(super) kind: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) path: Option<String>,
    pub(super) param: Option<String>,
    pub(super) total: Option<String>,
    pub(super) first: Option<u64>,
    pub(super) max_pages: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateText {
    pub(super) per: String,
    pub(super) max: f64,
    pub(super) cost: Option<Scalar>,
    pub(super) scope: Option<String>,
    pub(super) burst: Option<f64>,
    pub(super) used_header: Option<String>,
    pub(super) remaining_header: Option<String>,
    pub(super) reset: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConcurrencyText {
    pub(super) max: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetryText {
    pub(super) status: Option<Vec<u16>>,
    pub(super) max: Option<u32>,
    pub(super) base: Option<String>,
    pub(super) cap: Option<String>,
    pub(super) max_elapsed: Option<String>,
    pub(super) ban_status: Option<Vec<u16>>,
}

/// The keys of `[response]` beside those of a layout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResponseText {
    pub(super) expect: OneOrMany<String>,
    pub(super) order: Option<String>,
    pub(super) empty_when: OneOrMany<String>,
    pub(super) open_when: Option<String>,
    pub(super) drop_all_null: Vec<String>,
    pub(super) max_bytes: Option<Scalar>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ErrorText {
    pub(super) when: Table,
    pub(super) class: String,
    pub(super) message: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WhenText {
    pub(super) status: OneOrMany<u16>,
    pub(super) path: Option<String>,
    pub(super) equals: Option<Scalar>,
    pub(super) matches: Option<String>,
    pub(super) body: Option<String>,
    pub(super) header: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StepText {
    pub(super) name: String,
    pub(super) path: Option<String>,
    pub(super) url: Option<String>,
    pub(super) method: Option<String>,
    pub(super) headers: BTreeMap<String, Scalar>,
    pub(super) params: BTreeMap<String, Scalar>,
    pub(super) body: Option<String>,
    pub(super) keep: Option<String>,
    pub(super) ttl: Option<String>,
    pub(super) refresh_on: Vec<String>,
    pub(super) take: Option<String>,
    pub(super) each: Option<String>,
    #[serde(rename = "as")]
    pub(super) gives: Option<String>,
    pub(super) format: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CacheText {
    pub(super) open: Option<String>,
    pub(super) closed: Option<String>,
    pub(super) negative: Option<String>,
    pub(super) conditional: Option<bool>,
    pub(super) ignore_params: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StoreText {
    pub(super) table: Option<String>,
    pub(super) on_conflict: Option<String>,
    pub(super) settle: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OptionText {
    pub(super) required: bool,
    pub(super) default: Option<Scalar>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VariantWhen {
    pub(super) table: OneOrMany<String>,
    pub(super) timeframe: OneOrMany<String>,
    pub(super) option: BTreeMap<String, OneOrMany<Scalar>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TestText {
    pub(super) fixture: Option<String>,
    pub(super) body: Option<String>,
    pub(super) request: Table,
    pub(super) status: Option<u16>,
    pub(super) headers: BTreeMap<String, Scalar>,
    pub(super) rows: Option<u64>,
    pub(super) first: Option<Scalar>,
    pub(super) last: Option<Scalar>,
    pub(super) class: Option<String>,
    pub(super) extra: BTreeMap<String, u64>,
    pub(super) values: Vec<Table>,
    pub(super) sends: Option<Table>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SendsText {
    pub(super) url: Option<String>,
    pub(super) body: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TestRequestText {
    pub(super) symbol: Option<String>,
    pub(super) timeframe: Option<String>,
    pub(super) table: Option<String>,
    pub(super) since: Option<Scalar>,
    pub(super) until: Option<Scalar>,
    pub(super) set: BTreeMap<String, Scalar>,
}
