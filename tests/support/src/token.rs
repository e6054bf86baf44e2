//! Visitor tokens, made as an application's server makes them.
//!
//! Owns the claims. A test may sign claims that a gateway must refuse: another
//! app, another secret, an end in the past.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a visitor token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The app's key.
    pub iss: String,
    /// The visitor's id.
    pub sub: String,
    /// When the token ends, in seconds since 1970.
    pub exp: u64,
    /// The name agents see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Claims {
    /// Valid for an hour from now.
    pub fn new(app: &str, visitor: &str) -> Self {
        Self {
            iss: app.to_owned(),
            sub: visitor.to_owned(),
            exp: now() + 3_600,
            name: None,
        }
    }

    /// The token: these claims signed with `secret` by HS256.
    ///
    /// # Panics
    /// Never in practice: such claims always have a JSON form.
    pub fn sign(&self, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::default(), self, &key).expect("claims of text and numbers can be signed")
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_jwt_that_only_its_secret_verifies() {
        let token = Claims::new("demo", "v1").sign("right");
        let read = |secret: &str| {
            let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::decode::<Claims>(&token, &key, &jsonwebtoken::Validation::default())
        };
        assert_eq!(
            read("right").map(|token| token.claims.sub).ok().as_deref(),
            Some("v1")
        );
        assert!(read("wrong").is_err());
    }
}
