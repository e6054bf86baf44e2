//! Sessions, what became of their messages, and what another provider would
//! have made of them.
//!
//! Owns the shape of the questions. Deliberately decides nothing. Invariant: a
//! value that cannot be meant is refused with its name and what would be right,
//! and never taken for "all".

use http::{Response, StatusCode};
use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::{capability::SessionState, ids::SessionId};
use serde_json::json;

use super::{Asked, Inner, lists::limit};
use crate::{
    edge::{body::Body, query, respond},
    store::Wanted,
};

/// `GET /admin/v1/sessions`
pub(super) fn list(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let page = inner.operations.sessions(&wanted(asked)?)?;
    Ok(respond::json(StatusCode::OK, &json!(page)))
}

/// `GET /admin/v1/sessions/{session}`
pub(super) fn show(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let session = inner.operations.session(&SessionId::new(&asked.id))?;
    Ok(respond::json(StatusCode::OK, &json!(session)))
}

/// `GET /admin/v1/sessions/{session}/trail`
pub(super) fn trail(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let after = query::number(asked.query.as_deref(), "after")?.unwrap_or(0);
    let session = SessionId::new(&asked.id);
    let trail = inner.operations.trail(&session, after, limit(asked)?)?;
    Ok(respond::json(StatusCode::OK, &json!(trail)))
}

/// `GET /admin/v1/shadows`
pub(super) fn shadows(inner: &Inner) -> Response<Body> {
    let body = json!({"shadows": inner.operations.shadows()});
    respond::json(StatusCode::OK, &body)
}

fn wanted(asked: &Asked) -> Result<Wanted, Problem> {
    let given = |name: &str| match query::value(asked.query.as_deref(), name) {
        Some(value) if value.is_empty() => Err(Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `{name}` is empty; leave it out for all"),
        )),
        value => Ok(value.map(|value| value.into_owned())),
    };
    Ok(Wanted {
        desk: given("desk")?.map(Into::into),
        provider: given("provider")?.map(Into::into),
        state: given("state")?.map(|state| one_of(&state)).transpose()?,
        visitor: given("visitor")?,
        open: given("open")?
            .map(|open| yes_or_no("open", &open))
            .transpose()?,
        synthetic: given("synthetic")?
            .map(|word| yes_or_no("synthetic", &word))
            .transpose()?
            .unwrap_or(false),
        before: given("before")?.map(SessionId::new),
        limit: limit(asked)?,
    })
}

fn one_of(state: &str) -> Result<SessionState, Problem> {
    let known = STATES.iter().find(|known| known.as_str() == state);
    known.copied().ok_or_else(|| {
        let right = STATES.map(SessionState::as_str).join(", ");
        Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `state` is no state; right would be one of {right}"),
        )
    })
}

fn yes_or_no(name: &str, word: &str) -> Result<bool, Problem> {
    match word {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `{name}` is neither `true` nor `false`"),
        )),
    }
}

const STATES: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];
