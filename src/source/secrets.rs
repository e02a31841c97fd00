//! The secrets a definition declares, and keeping them out of every text.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memmem;

use super::folder;
use crate::error::Failure;
use crate::error::Kind;
use crate::fs;

/// What stands in the place of a secret.
const HIDDEN: &str = "[secret]";
/// Bytes of a secrets file at most; a key has a hundred.
const FILE_BYTES: u64 = 1 << 20;
/// Characters of a secret below which it may as well be a number or a word of an answer.
const SHORTEST_IN_DATA: usize = 8;
/// Characters of a piece of base64 below which it may be any word.
const SHORTEST_BASE64: usize = 6;

/// The values of secrets by their names.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Absent for requests without credentials.
    values: Option<BTreeMap<String, String>>,
    /// All forms in which a secret may stand in a text, the longest first.
    forms: Vec<String>,
}

/// Shows no secret.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads secrets from the environment, else from `secrets.toml` in the configuration folder.
    pub fn load(names: &[&str]) -> Result<Self> {
        let path = folder().map(|folder| folder.join("secrets.toml"));
        let mut file = None;
        let mut values = BTreeMap::new();
        for name in names {
            if let Some(value) = std::env::var(name).ok().filter(|value| !value.trim().is_empty()) {
                values.insert((*name).to_owned(), value);
                continue;
            }
            if let (None, Some(path)) = (&file, &path) {
                file = Some(read_file(path)?);
            }
            match file.as_ref().and_then(|known| known.get(*name)) {
                Some(value) => values.insert((*name).to_owned(), value.clone()),
                None => bail!(
                    Failure::new(format!(
                        "cannot read secret '{name}': it is neither in the environment nor in secrets.toml"
                    ))
                    .kind(Kind::Authentication)
                    .hint(format!("`export {name}=…` sets it"))
                ),
            };
        }
        Ok(Self::of(values))
    }

    /// No secrets: requests are built without credentials.
    pub fn empty() -> Self {
        Self::default()
    }

    pub(super) fn of(values: BTreeMap<String, String>) -> Self {
        let values: BTreeMap<_, _> =
            values.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect();
        let mut forms: Vec<_> = values.values().flat_map(|value| forms(value)).collect();
        forms.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        forms.dedup();
        Self { values: Some(values), forms }
    }

    /// Returns whether requests go without credentials.
    pub(super) fn are_absent(&self) -> bool {
        self.values.is_none()
    }

    pub(super) fn get(&self, name: &str) -> Result<&str> {
        let value = self.values.as_ref().and_then(|values| values.get(name));
        value.map(String::as_str).with_context(|| {
            Failure::new(format!("cannot read secret '{name}': it was not loaded")).kind(Kind::Authentication)
        })
    }

    /// Returns a text without the secrets, in whatever form they stand in it: as they are,
    /// percent-encoded, escaped in JSON, or inside of base64.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for form in &self.forms {
            if clean.contains(form.as_str()) {
                clean = clean.replace(form.as_str(), HIDDEN);
            }
        }
        clean
    }

    /// Returns the bytes of an answer without the secrets: some providers quote the request.
    ///
    /// A key such as `demo` or `12.5` may be data, and stays.
    pub fn redact_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for form in self.forms.iter().filter(|form| form.len() >= SHORTEST_IN_DATA) {
            let finder = memmem::Finder::new(form);
            let Some(mut at) = finder.find(&bytes) else { continue };
            let (mut clean, mut rest) = (Vec::with_capacity(bytes.len()), bytes.as_slice());
            loop {
                clean.extend_from_slice(&rest[..at]);
                clean.extend_from_slice(HIDDEN.as_bytes());
                rest = &rest[at + form.len()..];
                match finder.find(rest) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            clean.extend_from_slice(rest);
            bytes = clean;
        }
        bytes
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let known = match std::fs::metadata(path) {
        Err(err) if matches!(err.kind(), NotFound | NotADirectory) => return Ok(BTreeMap::new()),
        known => known.with_context(|| format!("cannot read '{}'", path.display()))?,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if known.permissions().mode() & 0o077 != 0 {
            bail!(
                Failure::new(format!("cannot read '{}': others may read it", path.display()))
                    .kind(Kind::Authentication)
                    .hint(format!("`chmod 600 '{}'` keeps it to you", path.display()))
            );
        }
    }
    let text = fs::read_text(path, FILE_BYTES)?;
    // The error of TOML would quote the line, and the line is a secret.
    let table: toml::Table = match toml::from_str(&text) {
        Ok(table) => table,
        Err(err) => {
            let at = err.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            bail!(Failure::usage(format!(
                "cannot read '{}': line {line} is not NAME = \"value\"",
                path.display()
            )));
        }
    };
    let mut values = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::String(value) if !value.trim().is_empty() => values.insert(name, value),
            _ => bail!(Failure::usage(format!(
                "cannot read '{}': secret '{name}' is not a text in quotes",
                path.display()
            ))),
        };
    }
    Ok(values)
}

/// Returns the forms in which a secret may stand in a text.
fn forms(secret: &str) -> Vec<String> {
    if secret.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![secret.to_owned()];
    let json = serde_json::Value::from(secret).to_string();
    forms.push(json.get(1..json.len() - 1).unwrap_or_default().to_owned());
    forms.push(json.replace('/', "\\/").trim_matches('"').to_owned());
    for plain in [&b"-._~"[..], b"-._*", b"-._~,:", b"-._~/:@!$'()*,;"] {
        for space in ["%20", "+"] {
            let upper = percent(secret, plain, space);
            forms.push(lower_codes(&upper));
            forms.push(upper);
        }
    }
    forms.extend(base64_cores(secret));
    forms.retain(|form| !form.is_empty());
    forms
}

fn percent(text: &str, plain: &[u8], space: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else if byte == b' ' {
            encoded.push_str(space);
        } else {
            // Writing to a String does not fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

fn lower_codes(encoded: &str) -> String {
    let mut lower = String::with_capacity(encoded.len());
    let mut code = 0;
    for c in encoded.chars() {
        lower.push(if code > 0 { c.to_ascii_lowercase() } else { c });
        code = if c == '%' { 2 } else { code.max(1) - 1 };
    }
    lower
}

/// Returns the characters that base64 has for a secret wherever it stands in the bytes, without those
/// that also hold bits of its neighbours.
fn base64_cores(secret: &str) -> Vec<String> {
    let mut cores = Vec::new();
    for shift in 0..3 {
        let mut bytes = vec![0_u8; shift];
        bytes.extend_from_slice(secret.as_bytes());
        let first = (shift * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            cores.extend(text.get(first..last).map(str::to_owned));
        }
    }
    cores.retain(|core| core.len() >= SHORTEST_BASE64);
    cores
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn secrets(value: &str) -> Secrets {
        Secrets::of([("KEY".to_owned(), value.to_owned())].into())
    }

    #[test]
    fn a_short_key_does_not_break_the_numbers_of_an_answer() {
        let body = b"[202.85,\"demo\"]".to_vec();
        for key in ["202.8", "demo", "a"] {
            assert_eq!(secrets(key).redact_bytes(body.clone()), body, "{key}");
        }
    }

    #[test]
    fn no_form_of_a_secret_is_left() {
        let value = "p4ss w/rd+&ü?=:\"x";
        let secrets = secrets(value);
        let url: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let texts = [
            value.to_owned(),
            format!("https://h/?apikey={url}&a=1"),
            format!("https://h/?apikey={}", super::super::template::encode_query(value)),
            lower_codes(&url),
            serde_json::Value::from(value).to_string(),
            STANDARD.encode(format!("user:{value}")),
            STANDARD.encode(format!("us:{value}:tail")),
            STANDARD.encode(format!("use:{value}")),
            URL_SAFE_NO_PAD.encode(format!("user:{value}")),
        ];
        let parts = ["p4ss", "w/rd", "%2Frd", "%2frd", "w%2F"];
        for text in texts {
            let clean = secrets.redact(&text);
            assert!(clean.contains(HIDDEN), "{text}");
            assert!(parts.iter().all(|part| !clean.contains(part)), "{text} → {clean}");
        }
        assert_eq!(secrets.redact("nothing here"), "nothing here");
        let body = secrets.redact_bytes(format!("[1,\"{value}\",2]").into_bytes());
        assert_eq!(String::from_utf8(body).unwrap(), format!("[1,\"{HIDDEN}\",2]"));
    }

    #[test]
    fn a_missing_secret_names_its_variable() {
        let error = Secrets::load(&["BARN_TEST_KEY_THAT_NOBODY_SETS"]).unwrap_err();
        assert_eq!(crate::error::exit_code(&error), 4);
        let text = crate::error::report(&error);
        assert!(text.contains("`export BARN_TEST_KEY_THAT_NOBODY_SETS=…` sets it"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.toml");
        fs::replace(&path, b"KEY = \"abc\"\n", fs::Overwrite::Refuse).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert_eq!(crate::error::exit_code(&read_file(&path).unwrap_err()), 4);
        mode(0o600);
        assert_eq!(read_file(&path).unwrap()["KEY"], "abc");
        fs::replace(&path, b"\nKEY = topsecret\n", fs::Overwrite::Replace).unwrap();
        mode(0o600);
        let error = crate::error::report(&read_file(&path).unwrap_err());
        assert!(error.contains("line 2") && !error.contains("topsecret"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_cannot_be_looked_at_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_file(&folder.path().join("secrets.toml")).unwrap().is_empty());
        let path = folder.path().join("loop.toml");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = crate::error::report(&read_file(&path).unwrap_err());
        assert!(error.contains("cannot read '") && error.contains("os error"), "{error}");
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", secrets("abc")), "Secrets { .. }");
    }
}
