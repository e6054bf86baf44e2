//! Pages of other sites: which may call, and what they are told.
//!
//! Owns the rules for the `Origin` header (CORS). Deliberately authenticates
//! nobody: tokens do. Invariant: an origin that no app lists gets no CORS
//! header, and changes nothing.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
    },
};
use kefu_core::{
    config::{Config, Origins},
    problem::{Problem, Slug},
};

use super::{body::Body, respond};

/// Where a request came from, as the browser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Not from a page, or from a page of the gateway itself.
    Direct,
    /// From a page of this origin.
    Page(String),
}

/// Reads the `Origin` header.
pub(crate) fn caller(headers: &HeaderMap, public_url: &str) -> Caller {
    let Some(origin) = headers.get(ORIGIN) else {
        return Caller::Direct;
    };
    // What is not text cannot be on any list.
    let origin = origin.to_str().unwrap_or("null");
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let same_host = authority
        .is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)));
    if same_host || own_origin(public_url).eq_ignore_ascii_case(origin) {
        return Caller::Direct;
    }
    Caller::Page(origin.to_owned())
}

/// Refuses what a foreign page must not do.
///
/// # Errors
/// `forbidden` for a request that may change something.
pub(crate) fn check(caller: &Caller, method: &Method, origins: &Origins) -> Result<(), Problem> {
    match caller {
        Caller::Page(origin) if !method.is_safe() && !origins.allow(origin) => Err(Problem::new(
            Slug::Forbidden,
            format!("pages of {origin:.200} may not call here: the app does not list that origin"),
        )),
        _ => Ok(()),
    }
}

/// The answer to a browser that asks before it calls.
pub(crate) fn preflight(caller: &Caller, config: &Config) -> Response<Body> {
    let mut answer = respond::empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    if let Caller::Page(origin) = caller
        && anybody_allows(config, origin)
    {
        allow(headers, origin);
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PATCH, OPTIONS"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "authorization, content-type, idempotency-key, last-event-id, prefer, range, \
                 traceparent, x-request-id",
            ),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
    answer
}

/// Lets the page read the answer if its app lists it. `app` is absent while it
/// is not known whose request it was: then any app's list counts, so that a
/// page can read why its token was refused.
pub(crate) fn mark(
    headers: &mut HeaderMap,
    caller: &Caller,
    app: Option<&Origins>,
    config: &Config,
) {
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    let Caller::Page(origin) = caller else {
        return;
    };
    let allowed = match app {
        Some(origins) => origins.allow(origin),
        None => anybody_allows(config, origin),
    };
    if allowed {
        allow(headers, origin);
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
}

fn allow(headers: &mut HeaderMap, origin: &str) {
    respond::set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, retry-after, x-request-id"),
    );
}

/// Lets every page read an answer that is the same for everybody.
pub(crate) fn mark_public(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
}

fn anybody_allows(config: &Config, origin: &str) -> bool {
    config
        .main
        .apps
        .values()
        .any(|app| app.origins.allow(origin))
}

/// Scheme and authority of an address.
fn own_origin(public_url: &str) -> &str {
    let authority = public_url.find("://").map_or(0, |at| at + 3);
    let end = public_url[authority..]
        .find('/')
        .map_or(public_url.len(), |at| authority + at);
    &public_url[..end]
}

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, assemble, check_main};

    use super::*;

    #[test]
    fn a_request_without_origin_or_from_ourselves_is_direct() {
        for (origin, host) in [
            (None, "kefu.example.com"),
            (Some("https://kefu.example.com"), "10.0.0.1:8080"),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080"),
        ] {
            let found = caller(&headers(origin, host), "https://kefu.example.com/base");
            assert_eq!(found, Caller::Direct, "{origin:?}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "https://kefu.example.com:444",
        ] {
            let found = caller(
                &headers(Some(origin), "kefu.example.com"),
                "https://kefu.example.com",
            );
            assert_eq!(found, Caller::Page(origin.to_owned()));
        }
    }

    #[test]
    fn a_foreign_page_reads_nothing_and_changes_nothing() {
        let config = config();
        let origins = &config.app("demo").unwrap().origins;
        let foreign = Caller::Page("https://evil.example".into());
        let refused = check(&foreign, &Method::POST, origins).unwrap_err();
        assert_eq!(refused.slug, Slug::Forbidden);
        assert!(check(&foreign, &Method::GET, origins).is_ok());
        let mut headers = HeaderMap::new();
        mark(&mut headers, &foreign, Some(origins), &config);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        let answer = preflight(&foreign, &config);
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_listed_page_is_let_in_by_its_own_app_only() {
        let config = config();
        let page = Caller::Page("https://app.example.com".into());
        let demo = &config.app("demo").unwrap().origins;
        let other = &config.app("other").unwrap().origins;
        assert!(check(&page, &Method::POST, demo).is_ok());
        assert!(check(&page, &Method::POST, other).is_err());
        let marked = |app| {
            let mut headers = HeaderMap::new();
            mark(&mut headers, &page, app, &config);
            headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
        };
        assert!(marked(Some(demo)));
        assert!(!marked(Some(other)));
        assert!(marked(None));
        let answer = preflight(&page, &config);
        assert_eq!(
            answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://app.example.com"
        );
    }

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn config() -> Config {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secret = "first-secret"
            origins = ["https://app.example.com"]
            [apps.other]
            secret = "other-secret"
        "#;
        assemble(check_main("kefu.toml", text, &NoLookup).unwrap(), vec![]).0
    }
}
