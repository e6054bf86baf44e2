//! `POST /user/getToken.json`: tokens for app servers that speak RongCloud's
//! server API.
//!
//! Owns that call: its signature, its parameters, its answers with `code`.
//! Deliberately keeps no user. Invariant: no token without a signature that is
//! fresh and made with a secret of the app.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use kefu_core::config::App;
use kefu_plugin_api::ids::AppId;
use serde_json::json;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::{
    auth,
    body::{self, Body},
    origin,
    public::{Answered, Ask},
    query, respond,
};

/// Answers the call.
pub(crate) async fn answer<'a>(ask: &Ask<'a>, body: Incoming) -> Answered<'a> {
    let limit = ask.config.main.server.limits.max_body;
    let body = match body::read_whole(body, limit).await {
        Ok(body) => body,
        Err(problem) => return Answered::unowned(Err(problem)),
    };
    let headers = &ask.head.headers;
    let app = header(headers, "app-key")
        .and_then(|key| ask.config.main.apps.get(&AppId::new(key)))
        .filter(|app| is_signed(app, headers, crate::clock::now().unix_ms()));
    let Some(app) = app else {
        return Answered::unowned(Ok(refused(
            StatusCode::UNAUTHORIZED,
            1004,
            "the app key or the signature is not valid",
        )));
    };
    let result =
        origin::check(ask.caller, &ask.head.method, &app.origins).map(|()| mint(app, &body));
    Answered {
        result,
        app: Some(&app.origins),
    }
}

fn mint(app: &App, body: &Bytes) -> Response<Body> {
    let user = match User::read(body) {
        Ok(user) => user,
        Err(what) => return refused(StatusCode::BAD_REQUEST, 1002, &what),
    };
    match auth::mint(app, &user.id, user.name, user.portrait) {
        Ok(token) => respond::json(
            StatusCode::OK,
            &json!({"code": 200, "userId": user.id, "token": token}),
        ),
        Err(error) => {
            tracing::error!(%error, "cannot sign a visitor token");
            refused(
                StatusCode::INTERNAL_SERVER_ERROR,
                1000,
                "the token cannot be made",
            )
        }
    }
}

#[derive(Debug, PartialEq)]
struct User {
    id: String,
    name: Option<String>,
    portrait: Option<String>,
}

impl User {
    fn read(form: &[u8]) -> Result<Self, String> {
        let form = std::str::from_utf8(form).map_err(|_| "the form is not text".to_owned())?;
        let field = |name: &str| {
            let value = query::value(Some(form), name);
            value
                .map(|value| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        let id = field("userId").ok_or("userId is missing")?;
        if id.len() > 64 || id.chars().any(char::is_control) {
            return Err(
                "userId is longer than 64 bytes or has control characters in it".to_owned(),
            );
        }
        let name = field("name");
        if name.as_ref().is_some_and(|name| name.chars().count() > 64) {
            return Err("name is longer than 64 characters".to_owned());
        }
        let portrait = field("portraitUri");
        if portrait.as_ref().is_some_and(|url| url.len() > 1024) {
            return Err("portraitUri is longer than 1024 bytes".to_owned());
        }
        Ok(Self { id, name, portrait })
    }
}

/// Whether the request carries a fresh signature made with a secret of the app:
/// SHA-1 over secret, nonce and time, in hexadecimal.
fn is_signed(app: &App, headers: &HeaderMap, now_ms: i64) -> bool {
    let (Some(nonce), Some(time), Some(signature)) = (
        header(headers, "nonce"),
        header(headers, "timestamp"),
        header(headers, "signature"),
    ) else {
        return false;
    };
    if !is_fresh(time, now_ms) {
        return false;
    }
    let signature = signature.to_ascii_lowercase();
    app.secrets.iter().any(|secret| {
        let digest = Sha1::new()
            .chain_update(secret.expose())
            .chain_update(nonce)
            .chain_update(time)
            .finalize();
        let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
    })
}

/// Seconds or milliseconds: what is too large for seconds is milliseconds.
fn is_fresh(time: &str, now_ms: i64) -> bool {
    let Ok(time) = time.parse::<i64>() else {
        return false;
    };
    let time_ms = if time < SECONDS_BELOW {
        time.saturating_mul(1000)
    } else {
        time
    };
    now_ms.abs_diff(time_ms) <= WINDOW_MS
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers
        .get(name)
        .or_else(|| headers.get(format!("rc-{name}")))?;
    value.to_str().ok()
}

fn refused(status: StatusCode, code: u32, message: &str) -> Response<Body> {
    respond::json(status, &json!({"code": code, "errorMessage": message}))
}

const SECONDS_BELOW: i64 = 100_000_000_000;
const WINDOW_MS: u64 = 5 * 60 * 1000;

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, check_main};

    use super::*;

    const NOW: i64 = 1_408_706_337_000;

    /// The signature was computed with `printf %s secretnonce… | sha1sum`.
    #[test]
    fn a_signature_is_valid_in_seconds_and_milliseconds_and_both_spellings() {
        let app = app();
        for (prefix, time, signature) in [
            ("", "1408706337", sign("app-secret", "14314", "1408706337")),
            (
                "rc-",
                "1408706337000",
                sign("app-secret", "14314", "1408706337000"),
            ),
            (
                "",
                "1408706337",
                sign("old-secret", "14314", "1408706337").to_uppercase(),
            ),
        ] {
            let headers = headers(prefix, "14314", time, &signature);
            assert!(is_signed(&app, &headers, NOW), "{prefix} {time}");
            assert!(is_signed(&app, &headers, NOW + 299_000));
            assert!(!is_signed(&app, &headers, NOW + 301_000));
            assert!(!is_signed(&app, &headers, NOW - 301_000));
        }
    }

    #[test]
    fn a_signature_over_something_else_is_not_valid() {
        let app = app();
        for (nonce, time, signature) in [
            (
                "14314",
                "1408706337",
                sign("app-secret", "14315", "1408706337"),
            ),
            (
                "14314",
                "1408706337",
                sign("no-secret", "14314", "1408706337"),
            ),
            ("14314", "1408706337", String::new()),
            ("14314", "now", sign("app-secret", "14314", "now")),
        ] {
            assert!(!is_signed(&app, &headers("", nonce, time, &signature), NOW));
        }
        assert!(!is_signed(&app, &HeaderMap::new(), NOW));
    }

    #[test]
    fn the_published_example_of_the_digest_holds() {
        // SHA-1 of "abc" is the vector of FIPS 180-2.
        assert_eq!(
            sign("a", "b", "c"),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
    }

    #[test]
    fn parameters_are_read_and_bounded() {
        let user = User::read(b"userId=u1&name=%E5%BC%A0%E4%B8%89&portraitUri=").unwrap();
        assert_eq!(
            (user.id.as_str(), user.name.as_deref()),
            ("u1", Some("张三"))
        );
        assert_eq!(user.portrait, None);
        let long = |name: &str, count| format!("userId=u1&{name}={}", "x".repeat(count));
        assert!(User::read(long("name", 64).as_bytes()).is_ok());
        assert!(User::read(long("portraitUri", 1024).as_bytes()).is_ok());
        for (form, expected) in [
            (String::new(), "userId is missing"),
            ("userId=".to_owned(), "userId is missing"),
            (format!("userId={}", "x".repeat(65)), "userId is longer"),
            ("userId=a%0Ab".to_owned(), "userId is longer"),
            (long("name", 65), "name is longer"),
            (long("portraitUri", 1025), "portraitUri is longer"),
        ] {
            let error = User::read(form.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{form:.40}: {error}");
        }
        assert!(User::read(b"\xff").is_err());
    }

    fn sign(secret: &str, nonce: &str, time: &str) -> String {
        let digest = Sha1::digest(format!("{secret}{nonce}{time}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn headers(prefix: &str, nonce: &str, time: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("nonce", nonce),
            ("timestamp", time),
            ("signature", signature),
        ] {
            let name: http::HeaderName = format!("{prefix}{name}").parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    fn app() -> App {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secrets = ["app-secret", "old-secret"]
        "#;
        let mut apps = check_main("kefu.toml", text, &NoLookup)
            .unwrap()
            .settings
            .apps;
        apps.remove(&AppId::new("demo")).unwrap()
    }
}
