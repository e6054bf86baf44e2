//! Which provider a visitor would get, and why.
//!
//! Owns the shape of the question. Deliberately decides nothing. Invariant:
//! asking opens nothing and leaves nothing behind.

use http::{Response, StatusCode};
use kefu_core::{problem::Problem, routing::RouteRequest};
use kefu_plugin_api::{event::Visitor, ids::DeskId, time::Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Asked, Inner};
use crate::edge::{body::Body, json, respond};

/// A visitor as an app would present one.
#[derive(Deserialize)]
struct Question {
    visitor: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    client: Client,
    /// Fields of the profile.
    #[serde(default)]
    profile: Map<String, Value>,
    /// Now, unless another moment is wanted.
    #[serde(default)]
    at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Client {
    platform: Option<String>,
    app_version: Option<String>,
    channel: Option<String>,
}

/// `POST /admin/v1/desks/{desk}/route`
pub(super) fn route(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let question: Question = json::read(&asked.headers, &asked.body)?;
    if question.visitor.is_empty() {
        return Err(Problem::invalid("/visitor", "is empty"));
    }
    let at = question.at.as_deref().map(moment).transpose()?;
    let profile = profile(&question.visitor, question.profile);
    let request = RouteRequest {
        visitor: &question.visitor,
        platform: question.client.platform.as_deref(),
        app_version: question.client.app_version.as_deref(),
        channel: question.client.channel.as_deref(),
        group: question.group.as_deref(),
        profile: Some(&profile),
        at: at.unwrap_or_else(crate::clock::now),
    };
    let answer = inner
        .operations
        .explain(&DeskId::new(&asked.id), &request)?;
    Ok(respond::json(StatusCode::OK, &answer))
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok_or_else(|| {
        let detail = "is no time; right would be one such as 2026-10-01T09:30:00+08:00";
        Problem::invalid("/at", detail)
    })
}

/// What the visitor API would keep of these fields, as far as routes look at
/// it: by name, wherever they stand.
fn profile(visitor: &str, said: Map<String, Value>) -> Visitor {
    let mut profile = Visitor {
        id: visitor.to_owned(),
        ..Visitor::default()
    };
    for (field, value) in said {
        match value {
            Value::String(text) => drop(profile.fields.insert(field, text)),
            other => drop(profile.custom.insert(field, other)),
        }
    }
    profile
}
