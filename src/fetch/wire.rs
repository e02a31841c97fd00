//! Where answers come from: the network, or a folder of recorded ones; and the recording itself.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{Bounds, Client, Reply, Trouble};
use super::link;
use crate::error::Failure;
use crate::fs::{self, Overwrite};
use crate::source::{Request, Secrets, Step};

/// The largest recorded answer that is read.
const MAX_RECORDING_BYTES: u64 = 1 << 30;

/// Headers that are never recorded: they name the user or the connection.
const PRIVATE_HEADERS: [&str; 5] =
    ["set-cookie", "cookie", "authorization", "proxy-authenticate", "transfer-encoding"];

/// What stands in a recording in the place of what a step took.
const HIDDEN: &str = "[secret]";

/// An answer as a file holds it.
#[derive(Deserialize, Serialize)]
struct Recording {
    #[serde(default = "get")]
    method: String,
    url: String,
    status: u16,
    #[serde(default)]
    headers: Value,
    body: Value,
    /// The body that was sent, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_body: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// The source of answers.
#[derive(Debug)]
pub(super) struct Wire {
    from: From,
    /// Where answers are saved.
    record: Option<PathBuf>,
}

#[derive(Debug)]
enum From {
    Network(Client),
    /// Recorded answers by what was asked.
    Folder(HashMap<Question, Reply>),
}

/// What tells recorded requests apart: method, path, the sorted query without secrets, and the body where it was
/// recorded.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Question {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Option<String>,
}

impl Question {
    /// Takes a URL apart; the host does not matter. `secret` are the names of parameters that are left out.
    fn new(method: &str, url: &str, secret: &[String]) -> Result<Self> {
        let (path, mut query) = link::path_and_query(url)?;
        query.retain(|(name, _)| !secret.iter().any(|secret| secret == name));
        query.sort();
        Ok(Self { method: method.to_ascii_uppercase(), path, query, body: None })
    }

    fn with_body(self, body: Option<String>) -> Self {
        Self { body, ..self }
    }
}

/// What of an answer stays with this process.
#[derive(Clone, Copy)]
pub(super) struct Private<'a> {
    /// Names of query parameters that are left out.
    pub(super) params: &'a [String],
    /// The keys.
    pub(super) secrets: &'a Secrets,
    /// The step whose value is as good as a key.
    pub(super) step: Option<&'a Step>,
}

impl Private<'_> {
    /// Returns the text of an answer without what is private in it.
    fn hide(&self, text: &str, values: &[String]) -> String {
        let mut clean = self.secrets.redact(text);
        for value in values.iter().filter(|value| !value.is_empty()) {
            let quoted = Value::String(value.clone()).to_string();
            clean = clean.replace(quoted.trim_matches('"'), HIDDEN).replace(value, HIDDEN);
        }
        clean
    }

    /// Returns the values that an answer gives to a step.
    fn values(&self, body: &[u8]) -> Vec<String> {
        self.step.and_then(|step| step.values(body).ok()).unwrap_or_default()
    }
}

impl Wire {
    /// Answers from the network, for so many requests at once, saved in `record`.
    pub(super) fn network(jobs: usize, record: Option<&Path>) -> Result<Self> {
        if let Some(folder) = record {
            fs::create_folder(folder)?;
        }
        Ok(Self { from: From::Network(Client::new(jobs)), record: record.map(Path::to_owned) })
    }

    /// Answers from the recordings in a folder; parameters named in `secret` do not matter.
    pub(super) fn replay(folder: &Path, secret: &[String]) -> Result<Self> {
        let mut replies = HashMap::new();
        for path in fs::list(folder)? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let cannot = || Failure::new(format!("cannot replay '{}'", path.display()));
            let text = fs::read_text(&path, MAX_RECORDING_BYTES).with_context(cannot)?;
            let recording: Recording = serde_json::from_str(&text).with_context(cannot)?;
            let question = Question::new(&recording.method, &recording.url, secret).with_context(cannot)?;
            replies.insert(question.with_body(recording.request_body.clone()), recording.into_reply());
        }
        if replies.is_empty() {
            bail!(Failure::new(format!("cannot replay '{}': it has no recorded answers", folder.display())));
        }
        Ok(Self { from: From::Folder(replies), record: None })
    }

    /// Returns whether answers are recorded ones.
    pub(super) fn is_replay(&self) -> bool {
        matches!(self.from, From::Folder(_))
    }

    /// Returns the answer to a request.
    pub(super) fn send(
        &self,
        request: &Request,
        bounds: Bounds,
        private: Private<'_>,
    ) -> Result<Reply, Trouble> {
        match &self.from {
            From::Network(client) => {
                let mut reply = client.send(request, bounds)?;
                // What an answer says goes into messages, the cache and the store, so one that quotes the key
                // must not bring it there.
                reply.body = private.secrets.redact_bytes(reply.body);
                match &self.record {
                    Some(folder) => save(folder, request, &reply, private)
                        .map(|()| reply)
                        .map_err(|err| Trouble::Local(format!("cannot record it: {err:#}"))),
                    None => Ok(reply),
                }
            }
            From::Folder(replies) => {
                let question = Question::new(&request.method, &request.shown, private.params)
                    .map_err(|err| Trouble::Answer(format!("{err:#}")))?
                    .with_body(request.body.clone());
                // Recordings of other tools do not say what was sent.
                let found = replies.get(&question).or_else(|| replies.get(&question.with_body(None)));
                found
                    .cloned()
                    .ok_or_else(|| Trouble::Local(format!("no recorded answer for {}", request.shown)))
            }
        }
    }
}

impl Recording {
    fn into_reply(self) -> Reply {
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let headers = match self.headers {
            Value::Object(headers) => {
                headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect()
            }
            // A list of pairs keeps headers that come twice.
            Value::Array(pairs) => pairs
                .into_iter()
                .filter_map(|pair| serde_json::from_value::<(String, String)>(pair).ok())
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            _ => Vec::new(),
        };
        Reply { status: self.status, headers, body: text(self.body).into_bytes(), elapsed: Duration::ZERO }
    }
}

/// Saves an answer, without secrets, under a name that its request decides.
fn save(folder: &Path, request: &Request, reply: &Reply, private: Private<'_>) -> Result<()> {
    let values = private.values(&reply.body);
    let hide = |text: &str| private.hide(text, &values);
    let headers = reply
        .headers
        .iter()
        .filter(|(name, _)| !PRIVATE_HEADERS.contains(&name.as_str()) && name != "content-encoding")
        .map(|(name, value)| (name.clone(), Value::String(hide(value))))
        .collect();
    let recording = Recording {
        method: request.method.clone(),
        url: request.shown.clone(),
        status: reply.status,
        headers: Value::Object(headers),
        body: Value::String(hide(&String::from_utf8_lossy(&reply.body))),
        request_body: request.body.as_deref().map(hide),
    };
    let mut hasher = DefaultHasher::new();
    request.key.hash(&mut hasher);
    let path = folder.join(format!("{:016x}.json", hasher.finish()));
    fs::replace(&path, &serde_json::to_vec_pretty(&recording)?, Overwrite::Replace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_query_and_its_secrets_do_not_matter() {
        let secret = ["apikey".to_owned()];
        let question = |url: &str| Question::new("GET", url, &secret).unwrap();
        let known = question("https://a.example/q/x?b=2&a=1&apikey=s3cret");
        assert_eq!(known, question("https://b.example/q/x?a=1&apikey=other&b=2"));
        assert_eq!(known, question("/q/x?a=1&b=2"));
        assert_ne!(known, question("/q/x?a=1&b=3"));
        assert_ne!(known, question("/q/y?a=1&b=2"));
    }
}
