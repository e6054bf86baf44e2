//! Visitor tokens, made as an application's server makes them.
//!
//! Owns the claims, and the signature by which RongCloud's server SDKs ask for
//! a token. A test may sign claims that a gateway must refuse: another app,
//! another secret, an end in the past.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

pub use jsonwebtoken::Algorithm;

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
        self.sign_by(Algorithm::HS256, secret)
    }

    /// As [`Claims::sign`], by another algorithm.
    ///
    /// # Panics
    /// When the algorithm needs a key pair.
    pub fn sign_by(&self, algorithm: Algorithm, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let header = Header::new(algorithm);
        encode(&header, self, &key).expect("claims of text and numbers can be signed")
    }

    /// These claims under the header `{"alg":"none"}`, without a signature.
    ///
    /// # Panics
    /// Never in practice: such claims always have a JSON form.
    pub fn unsigned(&self) -> String {
        let claims = serde_json::to_vec(self).expect("claims of text and numbers are JSON");
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!(
            "{}.{}.",
            part(br#"{"alg":"none","typ":"JWT"}"#),
            part(&claims)
        )
    }
}

/// The header `Signature` of RongCloud's server API: SHA-1 of secret, nonce and
/// timestamp, in hexadecimal.
pub fn server_signature(secret: &str, nonce: &str, timestamp: &str) -> String {
    use sha1::Digest as _;
    let digest = sha1::Sha1::digest(format!("{secret}{nonce}{timestamp}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn a_server_signature_is_the_documented_one() {
        // SHA-1 of "abc", from its standard.
        let digest = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(server_signature("a", "b", "c"), digest);
    }

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
