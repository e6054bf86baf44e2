//! What is wrong with content that cannot be read, field by field.
//!
//! Owns a table of the kinds, for error messages alone. Deliberately not the
//! place where content is read: that is the contract's own type. A test holds
//! the two together.

use kefu_core::problem::{FieldError, Problem, Slug};
use serde_json::{Map, Value};

/// A better explanation for a message that cannot be read, if there is one.
pub(super) fn explain(body: &[u8], problem: Problem) -> Problem {
    let about_content = problem
        .errors
        .first()
        .is_some_and(|error| error.pointer.starts_with("/content"));
    if !about_content {
        return problem;
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return problem;
    };
    let errors = match body.get("content") {
        Some(Value::Object(content)) => check(content),
        Some(_) => vec![error("/content", "is not an object")],
        None => return problem,
    };
    let Some(first) = errors.first() else {
        return problem;
    };
    let detail = format!("{}: {}", first.pointer, first.detail);
    Problem {
        errors,
        ..Problem::new(Slug::InvalidRequest, detail)
    }
}

fn check(content: &Map<String, Value>) -> Vec<FieldError> {
    let kind = match content.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(_) => return vec![error("/content/type", "is not a text")],
        None => return vec![error("/content/type", "is missing")],
    };
    let Some((_, fields)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    for (name, shape, required) in *fields {
        let place = format!("/content/{name}");
        match content.get(*name) {
            None | Some(Value::Null) if !required => {}
            None => errors.push(error(&place, "is missing")),
            Some(value) if shape.fits(value) => {}
            Some(_) => errors.push(error(&place, shape.wanted())),
        }
    }
    errors
}

fn error(pointer: &str, detail: &str) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        detail: detail.to_owned(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Count,
    Small,
    Number,
    Any,
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Count => value.is_u64(),
            Self::Small => value
                .as_u64()
                .is_some_and(|count| u32::try_from(count).is_ok()),
            Self::Number => value.is_number(),
            Self::Any => true,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Text => "is not a text",
            Self::Count | Self::Small => "is not a whole number from 0 on",
            Self::Number => "is not a number",
            Self::Any => "cannot be read",
        }
    }
}

type Field = (&'static str, Shape, bool);

const KINDS: &[(&str, &[Field])] = &[
    ("text", &[("text", Shape::Text, true)]),
    (
        "image",
        &[
            ("url", Shape::Text, true),
            ("thumbnail", Shape::Text, false),
            ("width", Shape::Small, false),
            ("height", Shape::Small, false),
        ],
    ),
    (
        "voice",
        &[
            ("url", Shape::Text, true),
            ("duration_ms", Shape::Count, true),
            ("format", Shape::Text, true),
        ],
    ),
    (
        "location",
        &[
            ("latitude", Shape::Number, true),
            ("longitude", Shape::Number, true),
            ("label", Shape::Text, true),
        ],
    ),
    (
        "rich",
        &[
            ("title", Shape::Text, true),
            ("summary", Shape::Text, true),
            ("image_url", Shape::Text, false),
            ("url", Shape::Text, true),
        ],
    ),
    (
        "video",
        &[
            ("url", Shape::Text, true),
            ("duration_ms", Shape::Count, true),
            ("thumbnail", Shape::Text, false),
        ],
    ),
    (
        "file",
        &[
            ("url", Shape::Text, true),
            ("name", Shape::Text, true),
            ("size", Shape::Count, true),
        ],
    ),
    (
        "emoji",
        &[("code", Shape::Text, true), ("text", Shape::Text, true)],
    ),
    (
        "custom",
        &[
            ("name", Shape::Text, true),
            ("payload", Shape::Any, true),
            ("fallback_text", Shape::Text, true),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use kefu_plugin_api::message::{Content, ContentKind};
    use serde_json::json;

    use super::*;
    use crate::edge::json;

    #[derive(Debug, serde::Deserialize)]
    struct Said {
        #[allow(dead_code, reason = "only whether it can be read is of interest")]
        content: Content,
    }

    #[test]
    fn every_kind_is_in_the_table_as_it_is_read() {
        for (kind, fields) in KINDS {
            let whole: Map<_, _> = fields
                .iter()
                .map(|(name, shape, _)| ((*name).to_owned(), sample(*shape)))
                .collect();
            let read = |mut content: Map<String, Value>| {
                content.insert("type".into(), (*kind).into());
                serde_json::from_value::<Content>(Value::Object(content))
            };
            let content = read(whole.clone()).unwrap();
            assert_ne!(content.kind(), ContentKind::Unknown, "{kind}");
            for (name, shape, required) in *fields {
                let mut without = whole.clone();
                without.remove(*name);
                let optional = read(without).is_ok();
                assert_eq!(optional, !required, "{kind} without {name}");
                if *shape != Shape::Any {
                    let mut wrong = whole.clone();
                    wrong.insert((*name).to_owned(), json!([]));
                    assert!(read(wrong).is_err(), "{kind} with a list as {name}");
                }
            }
        }
    }

    #[test]
    fn every_wrong_field_is_pointed_at() {
        for (body, expected) in [
            (json!({"content": {"type": "text"}}), vec!["/content/text"]),
            (
                json!({"content": {"type": "text", "text": 5}}),
                vec!["/content/text"],
            ),
            (json!({"content": {"text": "a"}}), vec!["/content/type"]),
            (json!({"content": {"type": 1}}), vec!["/content/type"]),
            (json!({"content": "text"}), vec!["/content"]),
            (
                json!({"content": {"type": "voice", "url": 1, "duration_ms": -1}}),
                vec!["/content/url", "/content/duration_ms", "/content/format"],
            ),
            (json!({}), vec!["/content"]),
        ] {
            let body = body.to_string();
            let problem = json::parse::<Said>(body.as_bytes()).unwrap_err();
            let problem = explain(body.as_bytes(), problem);
            let found: Vec<_> = problem
                .errors
                .iter()
                .map(|error| error.pointer.as_str())
                .collect();
            assert_eq!(found, expected, "{body}");
            assert_eq!(problem.slug, Slug::InvalidRequest);
        }
    }

    fn sample(shape: Shape) -> Value {
        match shape {
            Shape::Text => json!("x"),
            Shape::Count | Shape::Small => json!(1),
            Shape::Number => json!(1.5),
            Shape::Any => json!({}),
        }
    }
}
