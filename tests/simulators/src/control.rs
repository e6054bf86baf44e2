//! The control API and the desk page, the same for every vendor.
//!
//! Owns the paths under `/control`, `/desk`, `/media` and `/leave`; the README
//! lists them. Decides nothing: it reads and changes the [`Platform`].
//! Invariant: nothing here is recorded in the call log, which holds the
//! gateway's calls only.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::centre::{Action, Refused, fresh_id};
use crate::fault::Fault;
use crate::journal::Filter;
use crate::media;
use crate::platform::Platform;
use crate::push::Push;

type Shared = State<Arc<Platform>>;

/// Everything that is not a vendor's own path.
pub(crate) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/desk") }))
        .route(
            "/desk",
            get(|| async { Html(include_str!("../assets/desk.html")) }),
        )
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/control", get(show).patch(patch))
        .route(
            "/control/callback",
            put(set_callback).delete(clear_callback),
        )
        .route("/control/desk", get(desk))
        .route(
            "/control/faults",
            get(faults).post(add_fault).delete(clear_faults),
        )
        .route("/control/faults/{id}", delete(remove_fault))
        .route("/control/log", get(log))
        .route("/control/pushes", get(pushes))
        .route("/control/push", post(push))
        .route("/control/visitors", get(visitors))
        .route("/control/visitors/{id}", get(visitor))
        .route("/control/visitors/{id}/agent", post(act))
        .route("/control/tokens/invalidate", post(invalidate_tokens))
        .route("/control/reset", post(reset))
        .route("/media/sample.png", get(|| async { picture() }))
        .route("/media/sample.wav", get(|| async { voice() }))
        .route("/media", post(upload))
        .route("/media/{id}", get(download))
        .route("/leave", get(leave_page).post(leave_done))
        .fallback(|| async { failed(StatusCode::NOT_FOUND, "no such path; README.md lists them") })
        .layer(DefaultBodyLimit::max(8 << 20))
        .with_state(platform)
}

/// A request that cannot be carried out, and why.
struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Answer = Result<Response, Failed>;

fn failed(status: StatusCode, text: impl Into<String>) -> Failed {
    Failed(status, text.into())
}

/// JSON of any content type; what is wrong with it is said in words.
fn parsed<T: for<'a> Deserialize<'a>>(body: &Bytes) -> Result<T, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| failed(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

async fn show(State(platform): Shared) -> Response {
    let (name, _) = platform.vendor.name();
    Json(json!({
        "vendor": name,
        "callback": platform.callback().as_deref(),
        "settings": *platform.settings(),
        "faults": platform.faults.list(),
        "version": platform.journal.version(),
    }))
    .into_response()
}

async fn patch(State(platform): Shared, body: Bytes) -> Answer {
    let patch: Value = parsed(&body)?;
    let settings = platform
        .patch(&patch)
        .map_err(|error| failed(StatusCode::UNPROCESSABLE_ENTITY, error))?;
    Ok(Json(&*settings).into_response())
}

#[derive(Deserialize)]
struct Callback {
    url: String,
}

async fn set_callback(State(platform): Shared, body: Bytes) -> Answer {
    let Callback { url } = parsed(&body)?;
    if !url.starts_with("http://") {
        let text = format!("url is {url:?}; simulators push to http:// addresses only");
        return Err(failed(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    platform.set_callback(Some(url.trim_end_matches('/')));
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clear_callback(State(platform): Shared) -> StatusCode {
    platform.set_callback(None);
    StatusCode::NO_CONTENT
}

async fn desk(State(platform): Shared) -> Response {
    let (name, title) = platform.vendor.name();
    let settings = platform.settings();
    Json(json!({
        "vendor": name,
        "title": title,
        "kinds": platform.vendor.trade().kinds,
        "agents": settings.human.agents,
        "groups": settings.groups,
        "labels": settings.rating.labels,
        "base_url": platform.base_url,
    }))
    .into_response()
}

async fn faults(State(platform): Shared) -> Response {
    Json(json!({"faults": platform.faults.list()})).into_response()
}

async fn add_fault(State(platform): Shared, body: Bytes) -> Answer {
    let fault: Fault = parsed(&body)?;
    let fault = platform
        .faults
        .add(fault)
        .map_err(|error| failed(StatusCode::UNPROCESSABLE_ENTITY, error))?;
    Ok((StatusCode::CREATED, Json(fault)).into_response())
}

async fn remove_fault(State(platform): Shared, Path(id): Path<u64>) -> Answer {
    if platform.faults.remove(id) {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(failed(StatusCode::NOT_FOUND, format!("no fault {id}")))
    }
}

async fn clear_faults(State(platform): Shared) -> StatusCode {
    platform.faults.clear();
    StatusCode::NO_CONTENT
}

async fn log(State(platform): Shared, Query(filter): Query<Filter>) -> Json<Value> {
    Json(platform.journal.calls(&filter).await)
}

async fn pushes(State(platform): Shared, Query(filter): Query<Filter>) -> Json<Value> {
    Json(platform.journal.pushes(&filter).await)
}

#[derive(Deserialize)]
struct RawPush {
    visitor: String,
    #[serde(default)]
    event: String,
    /// A text is sent as it is, everything else as JSON.
    body: Value,
    id: Option<String>,
    attempts: Option<u32>,
}

async fn push(State(platform): Shared, body: Bytes) -> Answer {
    let raw: RawPush = parsed(&body)?;
    let id = raw.id.unwrap_or_else(fresh_id);
    let body = match raw.body {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let push = Push {
        id: id.clone(),
        visitor: raw.visitor,
        event: raw.event,
        body: Bytes::from(body),
    };
    platform.push(push, raw.attempts.unwrap_or(1).max(1));
    Ok((StatusCode::ACCEPTED, Json(json!({"id": id}))).into_response())
}

#[derive(Deserialize)]
struct Watch {
    /// Answer only when the version is beyond this.
    since: Option<u64>,
    /// Answer only when the visitor is in this phase.
    phase: Option<String>,
    wait_ms: Option<u64>,
    /// Leave the transcripts out.
    #[serde(default)]
    brief: bool,
}

impl Watch {
    fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms.unwrap_or(0).min(60_000))
    }
}

async fn visitors(State(platform): Shared, Query(watch): Query<Watch>) -> Json<Value> {
    if let Some(since) = watch.since {
        let newer = || platform.journal.version() > since;
        platform.journal.wait_for(watch.wait(), newer).await;
    }
    let version = platform.journal.version();
    let (mut list, waiting) = platform.look(|centre| {
        let all: Vec<Value> = centre
            .all()
            .map(|visitor| visitor.print(centre.position(&visitor.id), !watch.brief))
            .collect();
        (all, centre.waiting())
    });
    // Oldest session first; a desk whose rows jump about is hard to click.
    list.sort_by_cached_key(|visitor| {
        let text = |key: &str| visitor[key].as_str().unwrap_or_default().to_owned();
        (text("opened_at"), text("id"))
    });
    Json(json!({"version": version, "waiting": waiting, "visitors": list}))
}

async fn visitor(
    State(platform): Shared,
    Path(id): Path<String>,
    Query(watch): Query<Watch>,
) -> Answer {
    let find = || {
        platform.look(|centre| {
            let visitor = centre.known(&id)?;
            Some(visitor.print(centre.position(&id), !watch.brief))
        })
    };
    if let Some(wanted) = &watch.phase {
        let there = || find().is_some_and(|visitor| visitor["phase"] == wanted.as_str());
        platform.journal.wait_for(watch.wait(), there).await;
    }
    let found = find();
    let found = found.ok_or_else(|| {
        failed(
            StatusCode::NOT_FOUND,
            format!("visitor {id:?} never called"),
        )
    })?;
    Ok(Json(found).into_response())
}

async fn act(State(platform): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let action: Action = parsed(&body)?;
    let done = platform
        .act(&id, &action)
        .map_err(|refused| match refused {
            Refused::Unknown => failed(
                StatusCode::NOT_FOUND,
                format!("visitor {id:?} never called; add \"force\": true to act anyway"),
            ),
            Refused::Phase(phase) => failed(
                StatusCode::CONFLICT,
                format!(
                    "{:?} is not possible while {phase:?}; add \"force\": true to do it anyway",
                    action.action
                ),
            ),
            Refused::Invalid(text) => failed(StatusCode::UNPROCESSABLE_ENTITY, text),
        })?;
    Ok(Json(done).into_response())
}

async fn invalidate_tokens(State(platform): Shared) -> Answer {
    if platform.vendor.invalidate_tokens() {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(failed(StatusCode::NOT_FOUND, "this vendor has no tokens"))
    }
}

async fn reset(State(platform): Shared) -> StatusCode {
    platform.reset();
    StatusCode::NO_CONTENT
}

fn picture() -> Response {
    ([(header::CONTENT_TYPE, "image/png")], media::PICTURE).into_response()
}

fn voice() -> Response {
    ([(header::CONTENT_TYPE, "audio/wav")], media::voice()).into_response()
}

async fn upload(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let id = platform
        .uploads
        .keep(kind.unwrap_or("application/octet-stream"), body);
    let url = format!("{}/media/{id}", platform.base_url);
    (StatusCode::CREATED, Json(json!({"url": url}))).into_response()
}

async fn download(State(platform): Shared, Path(id): Path<String>) -> Answer {
    let (kind, body) = platform.uploads.find(&id).ok_or_else(|| {
        failed(
            StatusCode::NOT_FOUND,
            "no such upload, or pushed out by newer ones",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

async fn leave_page() -> Html<&'static str> {
    Html(include_str!("../assets/leave.html"))
}

async fn leave_done() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>留言</title><p id=\"done\">留言已收到，我们会尽快联系您。</p>",
    )
}
