//! Providers: how they stand, and the commands on them.
//!
//! Owns the shape of requests and answers. A command that was carried out is
//! answered 200 with its report, even if the report says that the new state
//! was refused: asking was right, and the report says what happened. One that
//! goes on is answered 202, with where its report will be.

use std::time::Duration;

use http::{Response, StatusCode};
use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::ids::ProviderId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{Asked, Inner};
use crate::edge::{
    body::Body,
    json,
    operations::{Commanded, ProviderReport},
    respond,
};

/// `GET /admin/v1/providers`
pub(super) fn list(inner: &Inner) -> Response<Body> {
    let list: Vec<Value> = inner
        .operations
        .providers()
        .into_iter()
        .map(entry)
        .collect();
    respond::json(StatusCode::OK, &json!({"providers": list}))
}

/// `GET /admin/v1/providers/{provider}`
pub(super) fn show(inner: &Inner, id: &str) -> Result<Response<Body>, Problem> {
    let entry = entry(find(inner, id)?);
    Ok(respond::json(StatusCode::OK, &entry))
}

/// `POST /admin/v1/providers/{provider}/reload`
pub(super) fn reload(inner: &Inner, asked: &Asked) -> Result<Commanded, Problem> {
    let Nothing {} = json::read(&asked.headers, &asked.body)?;
    let provider = find(inner, &asked.id)?.id;
    tracing::info!(%provider, "reload asked for");
    Ok(inner.operations.reload(Some(&provider)))
}

/// `POST /admin/v1/reload`
pub(super) fn reload_all(inner: &Inner, asked: &Asked) -> Result<Commanded, Problem> {
    let Nothing {} = json::read(&asked.headers, &asked.body)?;
    tracing::info!("reload asked for");
    Ok(inner.operations.reload(None))
}

/// `POST /admin/v1/providers/{provider}/rollback`
pub(super) fn roll_back(inner: &Inner, asked: &Asked) -> Result<Commanded, Problem> {
    let wanted: RollBack = json::read(&asked.headers, &asked.body)?;
    if wanted.generation == Some(0) {
        return Err(Problem::invalid(
            "/generation",
            "is 0; generations count from 1",
        ));
    }
    let provider = find(inner, &asked.id)?.id;
    tracing::info!(%provider, generation = wanted.generation, "rollback asked for");
    Ok(inner.operations.roll_back(&provider, wanted.generation))
}

/// `POST /admin/v1/providers/{provider}/pause` and `…/resume`: answered with
/// the provider as it stands afterwards.
pub(super) fn set_paused(
    inner: &Inner,
    asked: &Asked,
    paused: bool,
) -> Result<Response<Body>, Problem> {
    let Nothing {} = json::read(&asked.headers, &asked.body)?;
    let provider = find(inner, &asked.id)?.id;
    inner.operations.set_paused(&provider, paused)?;
    tracing::info!(%provider, paused, "pause changed");
    show(inner, provider.as_str())
}

/// A body in which nothing is looked for.
#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
struct RollBack {
    /// Which; the last one before the current, if it is not said.
    generation: Option<u64>,
}

fn find(inner: &Inner, id: &str) -> Result<ProviderReport, Problem> {
    let mut all = inner.operations.providers().into_iter();
    all.find(|provider| provider.id.as_str() == id)
        .ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Problem {
    Problem::new(
        Slug::NotFound,
        format!("there is no provider `{id:.100}`; GET /admin/v1/providers lists all"),
    )
}

/// The answer to a command that is waited for this long.
pub(super) async fn report(limit: Duration, commanded: Commanded) -> Response<Body> {
    match timeout(limit, commanded).await {
        Ok(Ok(report)) => respond::json(StatusCode::OK, &report),
        Ok(Err(problem)) => respond::problem(&problem),
        Err(_) => {
            let seconds = limit.as_secs();
            let detail = format!(
                "not over after {seconds} s, and goes on; GET /admin/v1/reloads will have its report, unless there is nothing to change"
            );
            let body = json!({"outcome": "under_way", "detail": detail});
            respond::json(StatusCode::ACCEPTED, &body)
        }
    }
}

/// One provider of the list.
fn entry(provider: ProviderReport) -> Value {
    let mut entry = match provider.report {
        Value::Object(entry) => entry,
        other => Map::from_iter([("report".to_owned(), other)]),
    };
    let id: &ProviderId = &provider.id;
    entry.insert("id".into(), id.as_str().into());
    entry.insert("state".into(), provider.standing.state.into());
    entry.insert("works".into(), provider.works.into());
    if let Some(reason) = provider.reason {
        entry.insert("reason".into(), reason.into());
    }
    Value::Object(entry)
}
