//! Migrations: how they stand, and the commands on them.
//!
//! Owns the shape of requests and answers. A command is answered with how the
//! migration stands afterwards.

use http::{Response, StatusCode};
use kefu_core::{migration::Command, problem::Problem};
use serde::Deserialize;
use serde_json::json;

use super::{Asked, Inner};
use crate::edge::{body::Body, json, respond};

/// `GET /admin/v1/migrations`
pub(super) fn list(inner: &Inner) -> Response<Body> {
    let body = json!({"migrations": inner.operations.migrations()});
    respond::json(StatusCode::OK, &body)
}

/// `GET /admin/v1/migrations/{migration}`
pub(super) fn show(inner: &Inner, name: &str) -> Result<Response<Body>, Problem> {
    let status = inner.operations.migration(name)?;
    Ok(respond::json(StatusCode::OK, &json!(status)))
}

/// `GET /admin/v1/migrations/{migration}/plan`
pub(super) fn plan(inner: &Inner, name: &str) -> Result<Response<Body>, Problem> {
    let plan = inner.operations.plan_migration(name)?;
    Ok(respond::json(StatusCode::OK, &json!(plan)))
}

/// `GET /admin/v1/migrations/{migration}/report`
pub(super) fn report(inner: &Inner, name: &str) -> Result<Response<Body>, Problem> {
    let report = inner.operations.report_migration(name)?;
    Ok(respond::json(StatusCode::OK, &json!(report)))
}

/// `POST /admin/v1/migrations/{migration}/start` and so on.
pub(super) fn command(
    inner: &Inner,
    asked: &Asked,
    command: Command,
) -> Result<Response<Body>, Problem> {
    let Reason { why } = json::read(&asked.headers, &asked.body)?;
    let why = why.as_deref().map(str::trim).filter(|why| !why.is_empty());
    if why.is_some_and(|why| why.chars().count() > LONGEST_REASON) {
        return Err(Problem::too_large(
            "/why",
            format!("a reason has at most {LONGEST_REASON} characters"),
        ));
    }
    let status = inner
        .operations
        .command_migration(&asked.id, command, why)?;
    Ok(respond::json(StatusCode::OK, &json!(status)))
}

#[derive(Deserialize)]
struct Reason {
    /// Why, for the history.
    #[serde(default)]
    why: Option<String>,
}

/// Longer ones belong elsewhere.
const LONGEST_REASON: usize = 500;
