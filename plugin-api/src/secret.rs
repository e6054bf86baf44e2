//! Text that must not be seen: masked when printed, never serialised.
//!
//! A [`Secret`] can be read from settings and compared; it cannot be put into
//! a session's state or a request body by accident, because it has no
//! `Serialize`. Requests name the *setting* that holds a secret instead, and
//! the host fills it in at the moment of sending (see [`Stamp`](crate::http::Stamp)).

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq;

/// A masked text.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. For computing a digest; never for a log, a state or
    /// a request that rests in the outbox.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time. Nothing matches an absent value, and an
    /// empty secret matches nothing.
    pub fn matches(&self, candidate: Option<&str>) -> bool {
        match candidate {
            Some(text) if !self.0.is_empty() => {
                bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
            }
            _ => false,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.0.as_bytes().ct_eq(other.0.as_bytes()))
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password", "writeOnly": true})
    }
}

/// Writes the one secret that must cross the boundary: a token that an
/// adapter read out of a vendor's answer.
pub(crate) mod exposed {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        Secret::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_when_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn an_empty_secret_matches_nothing() {
        assert!(!Secret::default().matches(Some("")));
        assert!(!Secret::new("k").matches(None));
        assert!(!Secret::new("k").matches(Some("K")));
        assert!(Secret::new("k").matches(Some("k")));
    }
}
