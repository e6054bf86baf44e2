//! What the browser remembers for the operators' pages.
//!
//! Owns the names and attributes of two cookies. Invariant: neither goes to any
//! path but the console's, to any page of others, or to a script.

use std::time::Duration;

use http::{HeaderMap, header::COOKIE};

/// Names the session.
pub(super) const SESSION: &str = "kefu_console";
/// Names the language.
pub(super) const LANG: &str = "kefu_lang";

/// The first cookie of this name.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

/// Sets the session, or forgets it with a life of nothing.
pub(super) fn session(id: &str, life: Duration, secure: bool) -> String {
    cookie(SESSION, id, life, secure)
}

/// Sets the language, for a year.
pub(super) fn language(code: &str, secure: bool) -> String {
    cookie(LANG, code, Duration::from_secs(365 * 24 * 3_600), secure)
}

fn cookie(name: &str, value: &str, life: Duration, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{name}={value}; Path=/console; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        life.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; kefu_console=first; b".parse().unwrap());
        headers.append(
            COOKIE,
            "kefu_console=second; kefu_lang=\"en\"".parse().unwrap(),
        );
        assert_eq!(value(&headers, SESSION).as_deref(), Some("first"));
        assert_eq!(value(&headers, LANG).as_deref(), Some("en"));
        assert_eq!(value(&headers, "kefu"), None);
        assert_eq!(value(&headers, "b"), None);
    }

    #[test]
    fn a_session_is_for_these_pages_alone() {
        let plain = session("id", Duration::from_secs(60), false);
        assert_eq!(
            plain,
            "kefu_console=id; Path=/console; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            session("id", Duration::from_secs(60), true),
            format!("{plain}; Secure")
        );
        assert!(session("", Duration::ZERO, false).contains("Max-Age=0;"));
    }
}
