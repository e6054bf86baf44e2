//! Forms, and whether they are ours.
//!
//! Owns what a form carries and the proof that a page of this session sent it:
//! a value that only that page knows, and what the browser says of where it
//! comes from. Invariant: a form without both changes nothing.

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{CONTENT_TYPE, HOST, ORIGIN},
};
use hyper::body::Incoming;
use kefu_core::problem::{Problem, Slug};

use super::session::Live;
use crate::edge::{body, query};

/// The fields of a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The first value of a field.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// From the part of an address behind its question mark, too.
    pub(super) fn parse(text: &str) -> Self {
        let owned = query::pairs(text).map(|(key, value)| (key.into_owned(), value.into_owned()));
        Self(owned.collect())
    }
}

/// Reads a form.
///
/// # Errors
/// `unsupported-media-type`, `too-large`, or `invalid-request` for a body that
/// is not text or breaks off.
pub(super) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Form, Problem> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case(FORM) {
        let detail = format!("a form comes as {FORM}, not as `{:.100}`", kind.trim());
        return Err(Problem::new(Slug::UnsupportedMediaType, detail));
    }
    let bytes: Bytes = body::read_whole(body, MOST).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::new(Slug::InvalidRequest, "the form is not text"))?;
    Ok(Form::parse(text))
}

/// Whether a page of this session sent a form.
///
/// # Errors
/// `forbidden`, with the reason.
pub(super) fn is_ours(headers: &HeaderMap, form: &Form, live: &Live) -> Result<(), Problem> {
    is_from_here(headers)?;
    if live.csrf().matches(form.value(CSRF)) {
        return Ok(());
    }
    Err(forbidden(
        "the form is not one of this session; load its page again and repeat",
    ))
}

/// Whether the browser says that a form comes from a page of ours.
///
/// # Errors
/// `forbidden`: it says something else.
pub(super) fn is_from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key(SITE) {
        // Its own word for it; a proxy may have changed `Host`.
        return match text(SITE) {
            Some("same-origin") => Ok(()),
            _ => Err(forbidden("the form comes from a page of another site")),
        };
    }
    if !headers.contains_key(ORIGIN) {
        // No browser of the last years; the value in the form has to do.
        return Ok(());
    }
    let host = text(HOST.as_str()).unwrap_or_default();
    let here = text(ORIGIN.as_str())
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, from)| !host.is_empty() && from.eq_ignore_ascii_case(host));
    if here {
        return Ok(());
    }
    Err(forbidden("the form comes from a page of another site"))
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(Slug::Forbidden, detail)
}

/// The field that proves a form to be ours.
pub(super) const CSRF: &str = "csrf";
const FORM: &str = "application/x-www-form-urlencoded";
const SITE: &str = "sec-fetch-site";
const MOST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_the_first_of_a_name_counts() {
        let form = Form::parse("a=1&b=%E5%AE%A2+x&a=2&flag&bad=%ff");
        assert_eq!(form.value("a"), Some("1"));
        assert_eq!(form.value("b"), Some("客 x"));
        assert_eq!(form.value("flag"), Some(""));
        assert_eq!(form.value("bad"), None);
    }

    #[test]
    fn what_the_browser_says_of_the_origin_counts() {
        for (list, ours) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:9090")], true),
            (&[("origin", "HTTPS://127.0.0.1:9090")], true),
            (&[("origin", "http://127.0.0.1")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://proxy.example"),
                ],
                true,
            ),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://127.0.0.1:9090"),
                ],
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "127.0.0.1:9090".parse().unwrap());
            for (name, value) in list {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_from_here(&headers).is_ok(), ours, "{list:?}");
        }
    }
}
