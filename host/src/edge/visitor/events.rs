//! `GET /v1/sessions/{session}/events`: a page, or a stream.
//!
//! Owns the choice between both and the position to begin at. Deliberately
//! renders no event: the log keeps them as JSON, only links are signed.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::ACCEPT};
use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::ids::SessionId;
use serde_json::json;

use super::{Visit, one_session};
use crate::{
    clock::now,
    edge::{auth::unix_now, body::Body, query, respond},
    media::Media,
    session::{StoredEvent, VisitorKey},
};

/// Answers the call.
pub(super) async fn of_session(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let query = visit.ask.head.uri.query();
    let after = query::number(query, "after")?;
    if wants_stream(visit.headers()) {
        let last = last_event_id(visit.headers())?;
        let last = last.map(|id| position(&id)).transpose()?;
        return one_session::answer(visit, last.or(after).unwrap_or(0)).await;
    }
    let limit = query::number(query, "limit")?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `limit` is not between 1 and {MAX_LIMIT}"),
        ));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    page(&visit, after.unwrap_or(0), limit).await
}

async fn page(visit: &Visit<'_>, after: u64, limit: usize) -> Result<Response<Body>, Problem> {
    let parts = &visit.ask.edge.parts;
    let who = &visit.identity.who;
    let page = parts
        .engine
        .events(who, &visit.session(), after, limit)
        .await?;
    let mut out = Vec::with_capacity(64 + page.events.len() * 512);
    out.extend_from_slice(b"{\"events\":[");
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&shown(event, &parts.media, who));
    }
    out.extend_from_slice(format!("],\"last_seq\":{}}}", page.last_seq).as_bytes());
    Ok(respond::raw_json(StatusCode::OK, out))
}

/// An event as its visitor may see it: links to own media work.
pub(super) fn shown<'a>(
    event: &'a StoredEvent,
    media: &Media,
    who: &VisitorKey,
) -> std::borrow::Cow<'a, [u8]> {
    media.sign_links_in_json(&event.json, who, unix_now())
}

/// The event that somebody at the desk is typing; it has no number.
pub(super) fn typing(session: &SessionId) -> Bytes {
    let event = json!({
        "session": session,
        "type": "typing",
        "at": now(),
        "data": {"from": {"kind": "agent"}},
    });
    Bytes::from(event.to_string())
}

/// Whether the client would rather have a stream: it names it, and names no
/// JSON before it.
fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or("").trim())
        .find_map(|range| match range.to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(true),
            "application/json" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

/// The `Last-Event-ID` header; an empty one counts as none.
///
/// # Errors
/// `invalid-request` if it is not text.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Problem::new(
            Slug::InvalidRequest,
            "`Last-Event-ID` is no id that was given out here",
        )),
    }
}

fn position(id: &str) -> Result<u64, Problem> {
    id.trim().parse().map_err(|_| {
        Problem::new(
            Slug::InvalidRequest,
            "`Last-Event-ID` is no number of an event",
        )
    })
}

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_for_those_who_name_it_first() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (Some("text/event-stream"), true),
            (Some("text/event-stream;q=0.9, application/json"), true),
            (Some("application/json, text/event-stream"), false),
            (Some("TEXT/event-stream, */*"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(wants_stream(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_position_is_a_number() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_event_id(&headers), Ok(None));
        headers.insert("last-event-id", "".parse().unwrap());
        assert_eq!(last_event_id(&headers), Ok(None));
        assert_eq!(position("7"), Ok(7));
        assert!(position("seven").is_err());
        assert!(position("-1").is_err());
    }

    #[test]
    fn typing_has_no_number() {
        let event: serde_json::Value = serde_json::from_slice(&typing(&"s1".into())).unwrap();
        assert_eq!(event["type"], "typing");
        assert_eq!(event["session"], "s1");
        assert!(event.get("seq").is_none() && event.get("id").is_none());
    }
}
