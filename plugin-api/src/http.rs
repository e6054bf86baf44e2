//! HTTP as plain values: what an adapter asks the host to send, and what a
//! vendor sent.
//!
//! Nothing here does I/O. A request rests unsigned in the outbox; what must be
//! fresh or secret is named by a [`Stamp`] and filled in by the host at each
//! attempt, so that a retry an hour later is valid and no secret is stored.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{error::Reject, time::Timestamp};

/// A request that the host sends for an adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpRequest {
    /// Upper-case method.
    pub method: String,
    /// Absolute `http` or `https` URL of a host on the provider's list.
    pub url: String,
    /// Header names in lower case, with values.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    #[serde(default, with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub body: Vec<u8>,
    /// What the host fills in at each attempt, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<Stamp>,
}

impl HttpRequest {
    /// A `GET` without body.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".into(),
            url: url.into(),
            ..Self::default()
        }
    }

    /// A `POST` of a value as JSON.
    ///
    /// # Panics
    /// If the value cannot be written as JSON (a map with keys that are not
    /// text); the guard turns that into a fault of the adapter.
    pub fn post_json(url: impl Into<String>, body: &impl Serialize) -> Self {
        Self {
            method: "POST".into(),
            url: url.into(),
            headers: vec![(
                "content-type".into(),
                "application/json; charset=utf-8".into(),
            )],
            body: serde_json::to_vec(body).expect("a body is made of plain values"),
            stamps: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Adds something to be filled in at each attempt.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.stamps.push(stamp);
        self
    }
}

/// Something that is filled into a request at the moment of sending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stamp {
    /// A token that the host keeps (see [`Event::TokenNeeded`](crate::event::Event::TokenNeeded)).
    Token {
        /// Its name in the descriptor.
        name: String,
        /// Where it goes.
        place: Place,
        /// Written before it, such as `Bearer `.
        #[serde(default)]
        prefix: String,
    },
    /// A secret of the provider's settings.
    Secret {
        /// The setting that holds it.
        setting: String,
        /// Where it goes.
        place: Place,
    },
    /// The time of the attempt.
    Time {
        /// In which unit, since the Unix epoch.
        unit: TimeUnit,
        /// Where it goes.
        place: Place,
    },
    /// 32 random hexadecimal digits, new at each attempt.
    Nonce {
        /// Where they go.
        place: Place,
    },
    /// A digest over parts, some of which are filled in above it.
    Digest {
        /// How it is computed.
        algorithm: Algorithm,
        /// The setting that holds the key, for the keyed algorithms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// What it is computed over, joined without separator.
        parts: Vec<Part>,
        /// How it is written.
        encoding: Encoding,
        /// Where it goes.
        place: Place,
    },
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature` of the
    /// Standard Webhooks specification. The id is the call's own id, the same
    /// at each attempt, so that the receiver can drop repeats: a call with this
    /// stamp needs an id that is unique everywhere (`Session::fresh_id`).
    StandardWebhooks {
        /// The setting that holds the secret (`whsec_…`) or a list of them;
        /// the first one signs.
        setting: String,
    },
}

/// Where a stamp goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Place {
    /// A header, replaced if present.
    Header {
        /// Its name.
        name: String,
    },
    /// A query parameter, appended.
    Query {
        /// Its name.
        name: String,
    },
}

impl Place {
    /// A header.
    pub fn header(name: impl Into<String>) -> Self {
        Self::Header { name: name.into() }
    }

    /// A query parameter.
    pub fn query(name: impl Into<String>) -> Self {
        Self::Query { name: name.into() }
    }
}

/// A unit of time since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// How a digest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// MD5, for vendors that have nothing better.
    Md5,
    /// SHA-1, likewise.
    Sha1,
    /// SHA-256.
    Sha256,
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A part of what a digest is computed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// These characters.
    Text {
        /// The characters.
        text: String,
    },
    /// A secret of the provider's settings.
    Secret {
        /// The setting that holds it.
        setting: String,
    },
    /// The time of the attempt: the same moment as in [`Stamp::Time`].
    Time {
        /// In which unit.
        unit: TimeUnit,
    },
    /// The same characters as in [`Stamp::Nonce`].
    Nonce {},
    /// The body, byte for byte.
    Body {},
    /// The body's own digest, in lower-case hexadecimal.
    BodyDigest {
        /// How it is computed; an unkeyed algorithm.
        algorithm: Algorithm,
    },
}

/// A vendor's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, with values.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, at most as long as the provider's limit.
    #[serde(default, with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is not JSON of that shape: empty, HTML, cut short, other types.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// A request that a vendor sent to the gateway, unmodified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Callback {
    /// Upper-case method.
    pub method: String,
    /// What follows `/v1/callbacks/{provider}` in the path, with its leading
    /// slash, percent-decoding not applied; empty if nothing follows.
    pub path: String,
    /// The raw query, without the question mark.
    pub query: String,
    /// Every header, names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    #[serde(with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub body: Vec<u8>,
    /// Who connected, after trusted proxies were taken into account.
    pub peer: Option<SocketAddrText>,
    /// When the gateway received it; time windows are measured against this.
    pub received_at: Timestamp,
}

impl Callback {
    /// The first header of that name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Reject::Malformed`] naming what is wrong and where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Reject> {
        serde_json::from_slice(&self.body).map_err(|error| Reject::Malformed {
            detail: error.to_string(),
        })
    }
}

/// An address and port as text, so that no encoding writes it as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SocketAddrText(String);

impl SocketAddrText {
    /// The address, if the text is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.parse().ok()
    }
}

impl From<SocketAddr> for SocketAddrText {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string())
    }
}
