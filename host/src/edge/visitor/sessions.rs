//! Opening a session, and looking at those that are there.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kefu_core::{
    command::MAX_SHORT,
    log::SessionCard,
    problem::{Problem, Slug},
};
use kefu_plugin_api::{event::Client, ids::DeskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Visit, profile};
use crate::{
    edge::{body::Body, public::to_the_end, query, respond},
    session::OpenRequest,
};

#[derive(Deserialize)]
struct Open {
    desk: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    visitor: Option<Map<String, Value>>,
    #[serde(default)]
    client: Option<ClientSaid>,
}

#[derive(Default, Deserialize)]
struct ClientSaid {
    platform: Option<String>,
    app_version: Option<String>,
    channel: Option<String>,
}

/// `POST /v1/sessions`
pub(super) async fn open(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    let said: Open = visit.read(body)?;
    bounded("/desk", Some(&said.desk))?;
    bounded("/group", said.group.as_deref())?;
    let client = said.client.unwrap_or_default();
    bounded("/client/platform", client.platform.as_deref())?;
    bounded("/client/app_version", client.app_version.as_deref())?;
    bounded("/client/channel", client.channel.as_deref())?;
    let profile = said.visitor.unwrap_or_default();
    let wait = preferred_wait(visit.headers());
    // The answer must come before the request's time is over.
    let longest = visit.ask.config.main.server.limits.request_timeout;
    let longest = longest.saturating_sub(ANSWERING).max(longest / 2);
    let request = OpenRequest {
        only: None,
        who: visit.identity.who.clone(),
        desk: DeskId::new(said.desk),
        group: said.group,
        visitor: profile::whole(&profile, "/visitor", &visit.identity)?,
        client: Client {
            platform: client.platform,
            app_version: client.app_version,
            channel: client.channel,
        },
        key: visit.key(body)?,
        trace: visit.trace(),
        wait: wait.map(|wait| wait.min(longest)),
    };
    let engine = visit.ask.edge.parts.engine.clone();
    let opened = to_the_end(async move { engine.open(request).await }).await?;
    let status = if opened.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let path = format!("/v1/sessions/{}", opened.card.id);
    let mut answer = respond::located(respond::json(status, &opened.card), &path);
    if let Some(wait) = wait {
        let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
        if let Ok(applied) = applied {
            answer.headers_mut().insert("preference-applied", applied);
        }
    }
    Ok(answer)
}

#[derive(Serialize)]
struct List {
    sessions: Vec<SessionCard>,
}

/// `GET /v1/sessions`
pub(super) async fn list(visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
    let state = query::value(visit.ask.head.uri.query(), "state");
    let only_open = match state.as_deref() {
        None | Some("") => false,
        Some("open") => true,
        Some(_) => {
            return Err(Problem::new(
                Slug::InvalidRequest,
                "the parameter `state` is not `open`",
            ));
        }
    };
    let engine = &visit.ask.edge.parts.engine;
    let cards = engine.sessions(&visit.identity.who, only_open).await?;
    Ok(respond::json(StatusCode::OK, &List { sessions: cards }))
}

/// `GET /v1/sessions/{session}`
pub(super) async fn show(visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
    let engine = &visit.ask.edge.parts.engine;
    let card = engine
        .session(&visit.identity.who, &visit.session())
        .await?;
    Ok(respond::json(StatusCode::OK, &card))
}

/// `Prefer: wait=N`, in seconds; absent or unreadable is no wish.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
        .map(Duration::from_secs)
}

fn bounded(pointer: &str, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some("") => Err(Problem::invalid(pointer, "is empty")),
        Some(text) if text.chars().count() > MAX_SHORT => Err(Problem::too_large(
            pointer,
            format!("more than {MAX_SHORT} characters"),
        )),
        _ => Ok(()),
    }
}

/// How long writing an answer may take.
const ANSWERING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_is_read_in_seconds() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value.parse().unwrap());
            preferred_wait(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("wait=5"), Some(5));
        assert_eq!(wait("respond-async, Wait = 10"), Some(10));
        assert_eq!(wait("wait=\"3\"; x=1"), Some(3));
        assert_eq!(wait("wait"), None);
        assert_eq!(wait("wait=soon"), None);
        assert_eq!(preferred_wait(&HeaderMap::new()), None);
    }
}
