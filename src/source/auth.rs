//! Credentials: where they go in a request, and signatures.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use sha2::Sha256;

use super::moment::MomentForm;
use super::schema::AuthText;
use super::secrets::Secrets;
use super::section::suggestion;
use super::template::Encoding;
use super::template::Names;
use super::template::Slot;
use super::template::Template;

/// The words of `kind`.
const KINDS: [&str; 6] = ["none", "query", "header", "bearer", "basic", "sign"];
/// The bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// Where the credentials of a source go.
#[derive(Debug, Default)]
pub(super) struct Auth {
    pub(super) secrets: Vec<String>,
    param: Option<(String, Template)>,
    headers: Vec<(String, Template)>,
    basic: Option<(Template, Template)>,
    sign: Option<Sign>,
}

#[derive(Debug)]
struct Sign {
    key: Option<Template>,
    message: Template,
    header: String,
    value: Template,
    time: MomentForm,
    time_header: Option<String>,
    is_base64: bool,
}

/// The parts of a request that a signature may cover.
pub(super) struct Parts<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a str,
    pub(super) now: i64,
}

/// What credentials add to a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) param: Option<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
}

impl Auth {
    pub(super) fn compile(text: &AuthText, names: &Names) -> Result<Self> {
        for name in &text.secrets {
            let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            ensure!(fits, "invalid name '{name}' in 'secrets' of [auth]: expected letters, digits and '_'");
        }
        let names = Names { secrets: text.secrets.clone(), is_auth: true, ..names.clone() };
        let template = |key: &str, text: &str| {
            Template::parse(text, &names).with_context(|| format!("cannot read '{key}' of [auth]"))
        };
        let mut auth = Self { secrets: text.secrets.clone(), ..Self::default() };
        for (name, value) in &text.headers {
            auth.headers.push((name.clone(), template("headers", value)?));
        }
        let kind = text.kind.as_deref().unwrap_or("none");
        let needed = |key: &str, value: &Option<String>| -> Result<String> {
            value.clone().with_context(|| format!("cannot read [auth]: kind '{kind}' needs '{key}'"))
        };
        match kind {
            "none" => {}
            "query" => {
                auth.param =
                    Some((needed("param", &text.param)?, template("value", &needed("value", &text.value)?)?));
            }
            "header" => auth
                .headers
                .push((needed("name", &text.name)?, template("value", &needed("value", &text.value)?)?)),
            "bearer" => {
                let value = format!("Bearer {}", needed("value", &text.value)?);
                auth.headers.push(("Authorization".to_owned(), template("value", &value)?));
            }
            "basic" => {
                let user = template("user", &needed("user", &text.user)?)?;
                auth.basic =
                    Some((user, template("password", text.password.as_deref().unwrap_or_default())?));
            }
            "sign" => auth.sign = Some(Sign::compile(text, &names)?),
            _ => bail!("unknown kind '{kind}' in [auth], {}", suggestion(kind, KINDS)),
        }
        Ok(auth)
    }

    /// Returns the name of the parameter that holds a secret.
    pub(super) fn param(&self) -> Option<&str> {
        self.param.as_ref().map(|(name, _)| name.as_str())
    }

    /// Returns whether there is anything to add.
    pub(super) fn is_none(&self) -> bool {
        self.param.is_none() && self.headers.is_empty() && self.basic.is_none() && self.sign.is_none()
    }

    /// Returns what the credentials add to a request.
    pub(super) fn apply(
        &self,
        parts: &Parts<'_>,
        secrets: &Secrets,
        value: &dyn Fn(&Slot) -> Result<String>,
    ) -> Result<Credentials> {
        let value = |slot: &Slot| match slot {
            Slot::Secret(name) => secrets.get(name).map(str::to_owned),
            other => value(other),
        };
        let fill = |template: &Template| template.expand(Encoding::Plain, &value);
        let mut credentials = Credentials::default();
        if let Some((name, template)) = &self.param {
            credentials.param = Some((name.clone(), fill(template)?));
        }
        for (name, template) in &self.headers {
            credentials.headers.push((name.clone(), fill(template)?));
        }
        if let Some((user, password)) = &self.basic {
            let pair = STANDARD.encode(format!("{}:{}", fill(user)?, fill(password)?));
            credentials.headers.push(("Authorization".to_owned(), format!("Basic {pair}")));
        }
        if let Some(sign) = &self.sign {
            credentials.headers.extend(sign.headers(parts, &value)?);
        }
        Ok(credentials)
    }
}

impl Sign {
    fn compile(text: &AuthText, names: &Names) -> Result<Self> {
        let names = Names { signs: true, ..names.clone() };
        let template = |key: &str, text: &Option<String>| -> Result<Template> {
            let text =
                text.as_deref().with_context(|| format!("cannot read [auth]: kind 'sign' needs '{key}'"))?;
            Template::parse(text, &names).with_context(|| format!("cannot read '{key}' of [auth]"))
        };
        let key = match text.algo.as_deref().unwrap_or("sha256") {
            "sha256" => None,
            "hmac-sha256" => Some(template("key", &text.key)?),
            word => bail!("unknown algo '{word}' in [auth], {}", suggestion(word, ["sha256", "hmac-sha256"])),
        };
        let is_base64 = match text.encoding.as_deref().unwrap_or("hex") {
            "hex" => false,
            "base64" => true,
            word => bail!("unknown encoding '{word}' in [auth], {}", suggestion(word, ["hex", "base64"])),
        };
        Ok(Self {
            key,
            message: template("message", &text.message)?,
            header: text.name.clone().context("cannot read [auth]: kind 'sign' needs 'name'")?,
            value: template("value", &Some(text.value.clone().unwrap_or_else(|| "{digest}".to_owned())))?,
            time: MomentForm::parse(text.time_format.as_deref().unwrap_or("iso_ms"))
                .context("cannot read 'time_format' of [auth]")?,
            time_header: text.time_header.clone(),
            is_base64,
        })
    }

    fn headers(
        &self,
        parts: &Parts<'_>,
        value: &dyn Fn(&Slot) -> Result<String>,
    ) -> Result<Vec<(String, String)>> {
        let time = self.time.write(parts.now)?;
        let fill = |template: &Template, digest: Option<&str>| {
            template.expand(Encoding::Plain, &|slot| {
                Ok(match slot {
                    Slot::Sign("time") => time.clone(),
                    Slot::Sign("method") => parts.method.to_owned(),
                    Slot::Sign("path") => parts.path.to_owned(),
                    Slot::Sign("query") => parts.query.to_owned(),
                    Slot::Sign("body") => parts.body.to_owned(),
                    Slot::Sign(_) => digest.context("a signature cannot hold itself")?.to_owned(),
                    other => return value(other),
                })
            })
        };
        let message = fill(&self.message, None)?;
        let digest = match &self.key {
            None => Sha256::digest(message.as_bytes()).to_vec(),
            Some(key) => hmac(fill(key, None)?.as_bytes(), message.as_bytes()),
        };
        let digest = if self.is_base64 { STANDARD.encode(digest) } else { hex(&digest) };
        let mut headers = vec![(self.header.clone(), fill(&self.value, Some(&digest))?)];
        headers.extend(self.time_header.clone().map(|name| (name, time.clone())));
        Ok(headers)
    }
}

/// Returns the HMAC of RFC 2104 with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > BLOCK { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

/// Returns bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::section;
    use super::*;

    const NOW: i64 = 1_660_546_800_000_000;

    fn auth(text: &str) -> Result<Auth> {
        Auth::compile(&section::read(toml::from_str(text).unwrap(), "[auth]")?, &Names::default())
    }

    fn credentials(text: &str, body: &str) -> Credentials {
        let secrets =
            Secrets::of([("A".to_owned(), "alice".to_owned()), ("B".to_owned(), "s3cret".to_owned())].into());
        let parts = Parts { method: "GET", path: "/p", query: "a=1", body, now: NOW };
        auth(text).unwrap().apply(&parts, &secrets, &|_| bail!("no value")).unwrap()
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn each_kind_has_its_place() {
        let secrets = "secrets = ['A', 'B']\n";
        let of = |text: &str| credentials(&format!("{secrets}{text}"), "");
        assert_eq!(
            of("kind = 'query'\nparam = 'apikey'\nvalue = '{env.B}'").param,
            Some(header("apikey", "s3cret"))
        );
        assert_eq!(
            of("kind = 'header'\nname = 'Authorization'\nvalue = 'token {env.A}:{env.B}'").headers,
            [header("Authorization", "token alice:s3cret")]
        );
        assert_eq!(
            of("kind = 'bearer'\nvalue = '{env.B}'\nheaders = { X-Key = '{env.A}' }").headers,
            [header("X-Key", "alice"), header("Authorization", "Bearer s3cret")]
        );
        assert_eq!(
            of("kind = 'basic'\nuser = '{env.A}'\npassword = '{env.B}'").headers,
            [header("Authorization", "Basic YWxpY2U6czNjcmV0")]
        );
        assert_eq!(of("kind = 'none'"), Credentials::default());
    }

    #[test]
    fn a_request_is_signed_over_its_body_and_time() {
        let text = "kind = 'sign'\nsecrets = ['B']\nmessage = '{time}{body}{env.B}'\nname = 'X-Checksum'
            value = 'token {digest}'\ntime_header = 'X-Timestamp'\ntime_format = 'iso_ms'";
        let signed = credentials(text, "{\"a\":1}");
        let digest = hex(&Sha256::digest(b"2022-08-15T07:00:00.000Z{\"a\":1}s3cret"));
        assert_eq!(
            signed.headers,
            [
                header("X-Checksum", &format!("token {digest}")),
                header("X-Timestamp", "2022-08-15T07:00:00.000Z")
            ]
        );
        let text = "kind = 'sign'\nsecrets = ['B']\nalgo = 'hmac-sha256'\nkey = '{env.B}'\nmessage = '{method}{path}?{query}'
            name = 'Sign'\nencoding = 'base64'";
        assert_eq!(
            credentials(text, "").headers,
            [header("Sign", &STANDARD.encode(hmac(b"s3cret", b"GET/p?a=1")))]
        );
    }

    #[test]
    fn hmac_gives_the_values_of_rfc_4231() {
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn bad_credentials_are_refused() {
        for text in [
            "kind = 'quary'",
            "kind = 'query'\nparam = 'a'",
            "kind = 'query'\nparam = 'a'\nvalue = '{env.A}'",
            "kind = 'header'\nname = 'a'\nvalue = '{env.B}'\nsecrets = ['A']",
            "kind = 'sign'\nname = 'a'\nmessage = '{bodi}'",
            "kind = 'sign'\nname = 'a'\nmessage = 'x'\nalgo = 'md5'",
            "secrets = ['a b']",
        ] {
            assert!(auth(text).is_err(), "{text}");
        }
        assert!(auth("kind = 'sign'\nname = 'a'\nmessage = '{digest}'").is_ok_and(|auth| {
            let parts = Parts { method: "", path: "", query: "", body: "", now: 0 };
            auth.apply(&parts, &Secrets::of([].into()), &|_| bail!("no value")).is_err()
        }));
    }
}
