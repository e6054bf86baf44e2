//! Who a visitor is: the token of an app, and nothing else.
//!
//! Owns reading, checking and minting visitor tokens: JWT, HS256, signed with a
//! secret of the app that `iss` names. Deliberately keeps no list of tokens.
//! Invariant: nothing of a token is believed before its signature was checked,
//! except which app's secrets to check it with.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use kefu_core::{
    config::App,
    problem::{Problem, Slug},
};
use kefu_plugin_api::ids::AppId;
use serde::{Deserialize, Serialize};

use crate::session::VisitorKey;

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Whom it names.
    pub(crate) who: VisitorKey,
    /// The name to show, if the app gave one.
    pub(crate) name: Option<String>,
    /// The picture to show, if the app gave one.
    pub(crate) portrait: Option<String>,
    /// When it ends, in seconds since 1970.
    pub(crate) expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    portrait: Option<String>,
}

/// The token of a request: `Authorization`, or `access_token` in the query
/// where the call allows it.
///
/// # Errors
/// `unauthenticated` if there is none.
pub(crate) fn bearer<'a>(
    headers: &'a HeaderMap,
    query_token: Option<&'a str>,
) -> Result<&'a str, Problem> {
    match headers.get(AUTHORIZATION) {
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refused("`Authorization` is not `Bearer <token>`")),
        None => query_token.ok_or_else(|| refused("there is no `Authorization: Bearer <token>`")),
    }
}

/// Checks a token.
///
/// # Errors
/// `unauthenticated`, with what is wrong.
pub(crate) fn check(token: &str, apps: &BTreeMap<AppId, App>) -> Result<Identity, Problem> {
    let app = claimed_app(token)
        .and_then(|iss| apps.get(&AppId::new(iss)))
        .ok_or_else(|| refused("the token is not a JWT whose `iss` is an app of this gateway"))?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.set_issuer(&[app.key.as_str()]);
    let mut refusal = refused("the token is not signed with a secret of its app");
    for secret in &app.secrets {
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(checked) => return identity(app, checked.claims),
            // Another secret may fit during rotation.
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
            Err(error) => refusal = refused(reason(error.kind())),
        }
    }
    Err(refusal)
}

/// A token for a visitor of this app, valid for the time that the app's
/// settings say.
///
/// # Errors
/// If the claims cannot be signed.
pub(crate) fn mint(
    app: &App,
    visitor: &str,
    name: Option<String>,
    portrait: Option<String>,
) -> Result<String, jsonwebtoken::errors::Error> {
    mint_for(app, visitor, name, portrait, app.token_ttl)
}

/// A token that is valid for another time.
///
/// # Errors
/// If the claims cannot be signed.
pub(crate) fn mint_for(
    app: &App,
    visitor: &str,
    name: Option<String>,
    portrait: Option<String>,
    ttl: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = unix_now();
    let claims = Claims {
        iss: app.key.as_str().to_owned(),
        sub: visitor.to_owned(),
        exp: now.saturating_add(ttl.as_secs()),
        iat: Some(now),
        name,
        portrait,
    };
    let key = EncodingKey::from_secret(app.signing_secret().expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn identity(app: &App, claims: Claims) -> Result<Identity, Problem> {
    // The library takes a token until its `exp` has passed; RFC 7519 (4.1.4)
    // wants it refused from that second on, which is when streams close.
    if claims.exp <= unix_now() {
        return Err(refused(reason(&ErrorKind::ExpiredSignature)));
    }
    let visitor = claims.sub;
    if visitor.is_empty() || visitor.len() > MAX_VISITOR || visitor.chars().any(char::is_control) {
        return Err(refused(
            "the token's `sub` is empty, longer than 256 bytes or has control characters in it",
        ));
    }
    let shown = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    Ok(Identity {
        who: VisitorKey {
            app: app.key.clone(),
            visitor,
        },
        name: shown(claims.name),
        portrait: shown(claims.portrait),
        expires_at: claims.exp,
    })
}

/// The `iss` of a token whose signature is not checked yet.
fn claimed_app(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claimed: Claimed = serde_json::from_slice(&payload).ok()?;
    Some(claimed.iss)
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is not signed by HS256"
        }
        ErrorKind::MissingRequiredClaim(_) => "the token lacks `iss`, `sub` or `exp`",
        _ => "the token cannot be read",
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(Slug::Unauthenticated, detail)
}

const MAX_VISITOR: usize = 256;

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, check_main};
    use serde_json::{Value, json};

    use super::*;

    /// RFC 7515 has no vector with an `iss`; this one was computed by hand with
    /// HMAC-SHA256 over the two parts and never expires in practice.
    #[test]
    fn a_token_signed_by_the_apps_secret_names_the_visitor() {
        let token = signed(
            "first-secret",
            json!({"alg": "HS256", "typ": "JWT"}),
            &claims(),
        );
        let identity = check(&token, &apps()).unwrap();
        assert_eq!(identity.who.app.as_str(), "demo");
        assert_eq!(identity.who.visitor, "v1");
        assert_eq!(identity.name.as_deref(), Some("Visitor"));
        assert_eq!(identity.expires_at, 4_102_444_800);
    }

    #[test]
    fn every_secret_of_a_rotation_is_valid() {
        let token = signed("second-secret", json!({"alg": "HS256"}), &claims());
        assert!(check(&token, &apps()).is_ok());
    }

    #[test]
    fn what_proves_nothing_is_refused_with_the_reason() {
        let good = json!({"alg": "HS256"});
        let with = |key: &str, value: Value| {
            let mut changed = claims();
            changed[key] = value;
            changed
        };
        let without = |key: &str| {
            let mut changed = claims();
            changed.as_object_mut().unwrap().remove(key);
            changed
        };
        let unsigned = signed("x", json!({"alg": "none"}), &claims());
        let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
        let signature = "not signed with a secret";
        for (token, expected) in [
            (signed("wrong-secret", good.clone(), &claims()), signature),
            (signed("other-secret", good.clone(), &claims()), signature),
            (
                signed("first-secret", good.clone(), &with("exp", json!(1))),
                "expired",
            ),
            (
                signed(
                    "first-secret",
                    good.clone(),
                    &with("nbf", json!(4_102_444_000_u64)),
                ),
                "not valid yet",
            ),
            (
                signed("first-secret", good.clone(), &with("iss", json!("nobody"))),
                "an app of this gateway",
            ),
            (
                signed("first-secret", good.clone(), &with("sub", json!(""))),
                "`sub` is empty",
            ),
            (
                signed("first-secret", good.clone(), &without("exp")),
                "the token",
            ),
            (
                signed("first-secret", good.clone(), &without("sub")),
                "the token",
            ),
            (
                signed("first-secret", json!({"alg": "HS512"}), &claims()),
                "HS256",
            ),
            (unsigned, "the token"),
            ("not.a.token".to_owned(), "not a JWT"),
            (String::new(), "not a JWT"),
        ] {
            let problem = check(&token, &apps()).unwrap_err();
            assert_eq!(problem.slug, Slug::Unauthenticated);
            assert!(
                problem.detail.contains(expected),
                "{token}: {} lacks {expected:?}",
                problem.detail
            );
        }
    }

    #[test]
    fn a_minted_token_is_valid() {
        let apps = apps();
        let app = &apps[&AppId::new("demo")];
        let token = mint(app, "访客", None, Some("https://a.example/p.png".into())).unwrap();
        let identity = check(&token, &apps).unwrap();
        assert_eq!(identity.who.visitor, "访客");
        assert_eq!(
            identity.portrait.as_deref(),
            Some("https://a.example/p.png")
        );
        assert!(identity.expires_at > unix_now() + 3_000);
    }

    #[test]
    fn the_header_wins_over_the_query() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers, Some("q")).unwrap(), "q");
        assert!(bearer(&headers, None).is_err());
        headers.insert(AUTHORIZATION, "bearer h".parse().unwrap());
        assert_eq!(bearer(&headers, Some("q")).unwrap(), "h");
        headers.insert(AUTHORIZATION, "Basic h".parse().unwrap());
        assert!(bearer(&headers, Some("q")).is_err());
    }

    fn claims() -> Value {
        json!({"iss": "demo", "sub": "v1", "exp": 4_102_444_800_u64, "name": "Visitor"})
    }

    fn signed(secret: &str, header: Value, claims: &Value) -> String {
        use hmac::{Hmac, KeyInit, Mac};
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    }

    fn apps() -> BTreeMap<AppId, App> {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secrets = ["first-secret", "second-secret"]
            token_ttl = "1h"
            [apps.other]
            secret = "other-secret"
        "#;
        check_main("kefu.toml", text, &NoLookup)
            .unwrap()
            .settings
            .apps
    }
}
