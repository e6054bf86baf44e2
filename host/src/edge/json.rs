//! Bodies of JSON, and what is wrong with those that are not.
//!
//! Owns the step from bytes to a value, with errors that point into the body.
//! Deliberately checks no meaning: limits and combinations are the callers'.
//! Invariant: unknown keys are ignored.

use http::{HeaderMap, header::CONTENT_TYPE};
use kefu_core::problem::{Problem, Slug};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// Reads a body. An empty one counts as `{}`.
///
/// # Errors
/// `unsupported-media-type` for another content type, `invalid-request` for
/// what is no JSON or has another shape.
pub(crate) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return parse(b"{}");
    }
    check_type(headers)?;
    parse(body)
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(CONTENT_TYPE);
    let text = said.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = match said {
        None => "there is no content type; right would be application/json".to_owned(),
        Some(_) => format!("the body is {essence:.100}; right would be application/json"),
    };
    Err(Problem::new(Slug::UnsupportedMediaType, detail))
}

/// Reads JSON of this shape.
///
/// # Errors
/// `invalid-request`, pointing at the place.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Bodies are nearly always right, so the path is looked for only if not.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => match reader.end() {
            Ok(()) => return Err(broken("it cannot be read")),
            Err(error) => return Err(broken(&error.to_string())),
        },
        Err(error) => error,
    };
    let inner = error.inner();
    if !inner.is_data() {
        return Err(broken(&inner.to_string()));
    }
    let pointer = pointer(error.path().iter(), &inner.to_string());
    Err(Problem::invalid(
        pointer,
        without_position(&inner.to_string()),
    ))
}

fn broken(what: &str) -> Problem {
    Problem::new(
        Slug::InvalidRequest,
        format!("the body is not JSON: {what}"),
    )
}

fn pointer<'a>(path: impl Iterator<Item = &'a Segment>, message: &str) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    // What is missing has no path; it is named in the message.
    if let Some(field) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
    {
        push(&mut pointer, field.0);
    }
    pointer
}

/// Appends a key to a JSON pointer.
pub(crate) fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

fn without_position(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    let message = &message[..end];
    match message.strip_prefix("missing field `") {
        Some(_) => "is missing".to_owned(),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        name: String,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        count: u8,
    }

    #[test]
    fn errors_point_into_the_body() {
        for (body, expected) in [
            (r#"{}"#, "/name"),
            (r#"{"name": 5}"#, "/name"),
            (
                r#"{"name": "a", "items": [{"count": 1}, {}]}"#,
                "/items/1/count",
            ),
            (
                r#"{"name": "a", "items": [{"count": 256}]}"#,
                "/items/0/count",
            ),
        ] {
            let problem = parse::<Order>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.slug, Slug::InvalidRequest);
            assert_eq!(problem.errors[0].pointer, expected, "{body}");
            assert!(!problem.detail.contains("line"), "{}", problem.detail);
        }
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        for body in ["", "{", "nonsense", r#"{"name": "a"} x"#, "\u{0}"] {
            let problem = parse::<Order>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.slug, Slug::InvalidRequest);
            assert!(problem.detail.contains("not JSON"), "{body:?}");
            assert!(problem.errors.is_empty());
        }
    }

    #[test]
    fn unknown_keys_are_ignored_and_nothing_is_an_empty_object() {
        let order: Order = parse(br#"{"name": "a", "colour": "red"}"#).unwrap();
        assert_eq!(order.items, []);
        let problem = read::<Order>(&HeaderMap::new(), b"").unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/name");
    }

    #[test]
    fn another_content_type_is_refused() {
        let mut headers = HeaderMap::new();
        let body = br#"{"name": "a"}"#;
        let slug =
            |headers: &HeaderMap| read::<Order>(headers, body).map_err(|problem| problem.slug);
        assert_eq!(slug(&headers), Err(Slug::UnsupportedMediaType));
        headers.insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        assert_eq!(slug(&headers), Err(Slug::UnsupportedMediaType));
        headers.insert(
            CONTENT_TYPE,
            "Application/JSON; charset=utf-8".parse().unwrap(),
        );
        assert!(slug(&headers).is_ok());
    }

    #[test]
    fn keys_are_escaped_in_pointers() {
        let mut pointer = String::new();
        push(&mut pointer, "a/b~c");
        assert_eq!(pointer, "/a~1b~0c");
    }
}
