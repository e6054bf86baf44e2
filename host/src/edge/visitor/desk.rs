//! What an app needs to know of a desk before it opens a session there.

use http::{Response, StatusCode};
use kefu_core::problem::{Problem, Slug};
use serde_json::{Value, json};

use super::Visit;
use crate::edge::{body::Body, respond};

/// `GET /v1/desks/{desk}`
pub(super) fn show(visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
    let desk = visit
        .ask
        .config
        .desk(visit.ask.id)
        .filter(|desk| desk.app == visit.identity.who.app)
        .ok_or_else(|| Problem::new(Slug::NotFound, "there is no such desk"))?;
    let groups: Vec<Value> = desk
        .groups
        .iter()
        .map(|group| json!({"id": group.id, "name": group.name}))
        .collect();
    let operations = &visit.ask.edge.parts.operations;
    let open = desk
        .routes
        .iter()
        .any(|route| operations.takes_sessions(&route.provider))
        || operations
            .migrated_to(&desk.id)
            .iter()
            .any(|provider| operations.takes_sessions(provider));
    Ok(respond::json(
        StatusCode::OK,
        &json!({"id": desk.id, "title": desk.title, "groups": groups, "open": open}),
    ))
}
