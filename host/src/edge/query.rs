//! Parameters in the query of an address.

use std::borrow::Cow;

use kefu_core::problem::{Problem, Slug};
use percent_encoding::percent_decode_str;

/// The first value of a parameter, decoded; `None` if it is not there or is
/// not text.
pub(crate) fn value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    pairs(query?)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

/// All parameters of a query or a form, decoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        })
}

/// A whole number.
///
/// # Errors
/// `invalid-request` if it is none.
pub(crate) fn number(query: Option<&str>, name: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = value(query, name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `{name}` is no whole number"),
        )
    })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        let query = Some("a=1&name=%E5%AE%A2+x&flag&b=%ff&a=2");
        assert_eq!(value(query, "a").as_deref(), Some("1"));
        assert_eq!(value(query, "name").as_deref(), Some("客 x"));
        assert_eq!(value(query, "flag").as_deref(), Some(""));
        assert_eq!(value(query, "b"), None);
        assert_eq!(value(None, "a"), None);
    }

    #[test]
    fn a_number_that_is_none_is_named() {
        assert_eq!(number(Some("after=7"), "after"), Ok(Some(7)));
        assert_eq!(number(Some("x=7"), "after"), Ok(None));
        for query in ["after=-1", "after=", "after=abc", "after=1.5"] {
            let problem = number(Some(query), "after").unwrap_err();
            assert!(problem.detail.contains("`after`"), "{query}");
        }
    }
}
