//! What a visitor does besides talking: ask for a human, rate, leave a message,
//! leave, type, read.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use kefu_core::{
    command::{Command, MAX_SHORT, MAX_TEXT, check_evaluation},
    problem::Problem,
};
use kefu_plugin_api::capability::{Evaluation, EvaluationTarget};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Visit;
use crate::edge::{body::Body, json, respond};

#[derive(Deserialize)]
struct Human {
    #[serde(default)]
    group: Option<String>,
}

/// `POST /v1/sessions/{session}/human`
pub(super) async fn ask_for_human(
    visit: &Visit<'_>,
    body: &Bytes,
) -> Result<Response<Body>, Problem> {
    let said: Human = visit.read(body)?;
    let group = said.group.filter(|group| !group.is_empty());
    if group.as_ref().is_some_and(|group| group.len() > MAX_SHORT) {
        let detail = format!("more than {MAX_SHORT} bytes");
        return Err(Problem::too_large("/group", detail));
    }
    take(visit, Command::Human { group }, body).await
}

#[derive(Deserialize)]
struct Rating {
    #[serde(default)]
    declined: Option<bool>,
    #[serde(default)]
    target: Option<EvaluationTarget>,
    #[serde(default)]
    resolved: Option<bool>,
    #[serde(default)]
    stars: Option<i64>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    comment: Option<String>,
}

/// `POST /v1/sessions/{session}/evaluation`
pub(super) async fn evaluate(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    let command = rating(visit.read(body)?)?;
    take(visit, command, body).await
}

fn rating(said: Rating) -> Result<Command, Problem> {
    if said.declined == Some(true) {
        return Ok(Command::DeclineEvaluation);
    }
    let target = said
        .target
        .ok_or_else(|| Problem::invalid("/target", "is missing: `robot` or `human`"))?;
    // What does not fit is out of range in any case.
    let stars = said
        .stars
        .map(|stars| u8::try_from(stars).unwrap_or(u8::MAX));
    let evaluation = Evaluation {
        target,
        resolved: said.resolved,
        stars,
        tags: said.tags.unwrap_or_default(),
        comment: said.comment.filter(|comment| !comment.trim().is_empty()),
        // Whether it answers an invitation is for the session to say.
        invited: false,
    };
    check_evaluation(&evaluation)?;
    Ok(Command::Evaluate { evaluation })
}

#[derive(Deserialize)]
struct Left {
    fields: Map<String, Value>,
}

/// `POST /v1/sessions/{session}/leave-message`
pub(super) async fn leave_message(
    visit: &Visit<'_>,
    body: &Bytes,
) -> Result<Response<Body>, Problem> {
    let said: Left = visit.read(body)?;
    let fields = fields(said.fields)?;
    take(visit, Command::LeaveMessage { fields }, body).await
}

fn fields(said: Map<String, Value>) -> Result<BTreeMap<String, String>, Problem> {
    if said.len() > MAX_FIELDS {
        let detail = format!("more than {MAX_FIELDS} fields");
        return Err(Problem::too_large("/fields", detail));
    }
    let mut fields = BTreeMap::new();
    for (key, value) in said {
        let mut pointer = String::from("/fields");
        json::push(&mut pointer, &key);
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            _ => return Err(Problem::invalid(pointer, "is not a text")),
        };
        if text.chars().count() > MAX_TEXT {
            let detail = format!("more than {MAX_TEXT} characters");
            return Err(Problem::too_large(pointer, detail));
        }
        fields.insert(key, text);
    }
    Ok(fields)
}

/// `POST /v1/sessions/{session}/exit`
pub(super) async fn exit(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    take(visit, Command::Exit, body).await
}

/// `POST /v1/sessions/{session}/typing`
pub(super) async fn typing(visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
    visit.command(Command::Typing, None).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct Read {
    seq: u64,
}

/// `POST /v1/sessions/{session}/read`
pub(super) async fn read(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    let said: Read = visit.read(body)?;
    let key = visit.key(body)?;
    visit.command(Command::Read { seq: said.seq }, key).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

async fn take(
    visit: &Visit<'_>,
    command: Command,
    body: &Bytes,
) -> Result<Response<Body>, Problem> {
    let key = visit.key(body)?;
    visit.command(command, key).await?;
    Ok(respond::accepted())
}

const MAX_FIELDS: usize = 100;

#[cfg(test)]
mod tests {
    use kefu_core::problem::Slug;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rating_is_a_rating_or_a_refusal() {
        let read = |said: Value| rating(serde_json::from_value(said).unwrap());
        assert_eq!(
            read(json!({"declined": true})),
            Ok(Command::DeclineEvaluation)
        );
        let Ok(Command::Evaluate { evaluation }) = read(json!({
            "target": "human", "stars": 5, "tags": ["quick"], "comment": " ", "invited": true,
        })) else {
            panic!("this is a rating");
        };
        assert_eq!(evaluation.stars, Some(5));
        assert_eq!(evaluation.comment, None);
        assert!(!evaluation.invited, "only the session knows");
        for (said, pointer) in [
            (json!({}), "/target"),
            (json!({"declined": false}), "/target"),
            (json!({"target": "human"}), "/stars"),
            (json!({"target": "robot"}), "/resolved"),
            (json!({"target": "human", "stars": 0}), "/stars"),
            (json!({"target": "human", "stars": -1}), "/stars"),
            (json!({"target": "human", "stars": 261}), "/stars"),
        ] {
            let problem = read(said.clone()).unwrap_err();
            assert_eq!(problem.slug, Slug::InvalidRequest);
            assert_eq!(problem.errors[0].pointer, pointer, "{said}");
        }
    }

    #[test]
    fn a_form_holds_texts_of_bounded_length() {
        let read = |said: Value| fields(said.as_object().unwrap().clone());
        let form = read(json!({"phone": "1", "empty": null})).unwrap();
        assert_eq!(form.keys().collect::<Vec<_>>(), ["phone"]);
        let wrong = read(json!({"a/b": 1})).unwrap_err();
        assert_eq!(wrong.errors[0].pointer, "/fields/a~1b");
        let long = read(json!({"text": "x".repeat(MAX_TEXT + 1)})).unwrap_err();
        assert_eq!(long.slug, Slug::TooLarge);
    }
}
