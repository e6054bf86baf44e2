//! A visitor's profile: known fields as text, everything else as it is.
//!
//! Owns the names of the fields and how leniently their values are read.
//! Deliberately gives them no meaning; adapters do.

use bytes::Bytes;
use http::Response;
use kefu_core::{
    command::{Command, MAX_SHORT, MAX_TEXT},
    problem::Problem,
    profile::FIELDS,
};
use kefu_plugin_api::event::Visitor;
use serde_json::{Map, Value};

use super::Visit;
use crate::edge::{auth::Identity, body::Body, json, respond};

/// `PATCH /v1/sessions/{session}/visitor`
pub(super) async fn change(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    let said: Map<String, Value> = visit.read(body)?;
    let visitor = read(&said, "", &visit.identity)?;
    let key = visit.key(body)?;
    visit.command(Command::Profile { visitor }, key).await?;
    Ok(respond::accepted())
}

/// The profile of a visitor who opens a session. What the token says about name
/// and picture stands where the body says nothing.
pub(super) fn whole(
    said: &Map<String, Value>,
    place: &str,
    identity: &Identity,
) -> Result<Visitor, Problem> {
    let mut visitor = read(said, place, identity)?;
    visitor.name = visitor
        .name
        .or_else(|| identity.name.clone())
        .or_else(|| visitor.fields.get("nick_name").cloned());
    visitor.portrait = visitor.portrait.or_else(|| identity.portrait.clone());
    Ok(visitor)
}

/// What a body says at `place`, and nothing else.
fn read(said: &Map<String, Value>, place: &str, identity: &Identity) -> Result<Visitor, Problem> {
    let mut visitor = Visitor {
        id: identity.who.visitor.clone(),
        ..Visitor::default()
    };
    for (key, value) in said {
        let mut pointer = place.to_owned();
        json::push(&mut pointer, key);
        match key.as_str() {
            // The token says who it is, whatever a body says.
            "id" | "user_id" => {}
            "name" => visitor.name = text(&pointer, value, MAX_SHORT)?,
            "portrait" | "portrait_url" => visitor.portrait = text(&pointer, value, MAX_SHORT)?,
            "custom" => custom(&mut visitor, &pointer, value)?,
            field if FIELDS.contains(&field) => {
                if let Some(value) = text(&pointer, value, MAX_TEXT)? {
                    visitor.fields.insert(field.to_owned(), value);
                }
            }
            other => {
                visitor.custom.insert(other.to_owned(), value.clone());
            }
        }
    }
    let size = serde_json::to_vec(&visitor.custom).map_or(usize::MAX, |json| json.len());
    if size > MAX_CUSTOM {
        return Err(Problem::too_large(
            format!("{place}/custom"),
            format!("{size} bytes beyond the known fields; at most {MAX_CUSTOM}"),
        ));
    }
    Ok(visitor)
}

fn custom(visitor: &mut Visitor, pointer: &str, value: &Value) -> Result<(), Problem> {
    match value {
        Value::Null => Ok(()),
        Value::Object(more) => {
            let more = more.iter().map(|(key, value)| (key.clone(), value.clone()));
            visitor.custom.extend(more);
            Ok(())
        }
        _ => Err(Problem::invalid(pointer, "is not an object")),
    }
}

/// A field as text: apps send numbers, truths and lists where text is meant.
fn text(pointer: &str, value: &Value, max: usize) -> Result<Option<String>, Problem> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let items = items.ok_or_else(|| Problem::invalid(pointer, "is not a list of texts"))?;
            items.join(",")
        }
        Value::Object(_) if pointer.ends_with("/define") => value.to_string(),
        Value::Object(_) => return Err(Problem::invalid(pointer, "is not a text")),
    };
    if text.chars().count() > max {
        return Err(Problem::too_large(
            pointer,
            format!("more than {max} characters"),
        ));
    }
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

const MAX_CUSTOM: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use kefu_core::problem::Slug;
    use serde_json::json;

    use super::*;
    use crate::session::VisitorKey;

    #[test]
    fn known_fields_become_text_and_others_are_kept() {
        let visitor = profile(json!({
            "id": "somebody-else",
            "name": "张三",
            "portrait_url": "https://a.example/p.png",
            "age": 30,
            "mobile_no": "13800000000",
            "list_url": ["https://a.example/1", "https://a.example/2"],
            "define": {"order": 7},
            "qq": null,
            "city": " ",
            "level": {"vip": true},
            "custom": {"cart": [1, 2]},
        }))
        .unwrap();
        assert_eq!(visitor.id, "v1");
        assert_eq!(visitor.name.as_deref(), Some("张三"));
        assert_eq!(visitor.portrait.as_deref(), Some("https://a.example/p.png"));
        let fields: Vec<_> = visitor
            .fields
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("age", "30"),
                ("define", "{\"order\":7}"),
                ("list_url", "https://a.example/1,https://a.example/2"),
                ("mobile_no", "13800000000"),
            ]
        );
        assert_eq!(visitor.custom["level"], json!({"vip": true}));
        assert_eq!(visitor.custom["cart"], json!([1, 2]));
    }

    #[test]
    fn the_token_stands_in_for_name_and_picture() {
        let visitor = profile(json!({})).unwrap();
        assert_eq!(visitor.name.as_deref(), Some("Token"));
        assert_eq!(visitor.portrait.as_deref(), Some("https://a.example/t.png"));
    }

    #[test]
    fn impossible_values_are_pointed_at() {
        for (said, slug, pointer) in [
            (json!({"name": {}}), Slug::InvalidRequest, "/visitor/name"),
            (json!({"qq": [1]}), Slug::InvalidRequest, "/visitor/qq"),
            (
                json!({"custom": 1}),
                Slug::InvalidRequest,
                "/visitor/custom",
            ),
            (
                json!({"name": "x".repeat(MAX_SHORT + 1)}),
                Slug::TooLarge,
                "/visitor/name",
            ),
            (
                json!({"cart": "x".repeat(MAX_CUSTOM)}),
                Slug::TooLarge,
                "/visitor/custom",
            ),
        ] {
            let problem = profile(said).unwrap_err();
            assert_eq!(
                (problem.slug, problem.errors[0].pointer.as_str()),
                (slug, pointer)
            );
        }
    }

    fn profile(said: Value) -> Result<Visitor, Problem> {
        let identity = Identity {
            who: VisitorKey {
                app: "demo".into(),
                visitor: "v1".into(),
            },
            name: Some("Token".into()),
            portrait: Some("https://a.example/t.png".into()),
            expires_at: 0,
        };
        whole(said.as_object().unwrap(), "/visitor", &identity)
    }
}
