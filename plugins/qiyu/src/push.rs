//! Events: from the vendor's words to neutral ones.
//!
//! Owns the reading of an event and how a repeat of it is recognised. Decides
//! nothing about a session: the same word means different things in different
//! states. Invariant: an agent's words are never dropped; what cannot be shown
//! as what it claims to be is shown as text.

use kefu_plugin_api::prelude::{
    Agent, Callback, Dedupe, Incoming, ProviderEvent, Received, Reject, Sender,
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{self, ID_LIMIT, Said, Seat, is_id, short},
    auth,
    rating::{self, Grade},
    translate,
};

/// What a session event tells, on its way to the session.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    /// The vendor's number of the session.
    pub(crate) session: Option<String>,
    pub(crate) agent: Agent,
    pub(crate) greeting: Option<String>,
    pub(crate) grades: Vec<Grade>,
    pub(crate) count: Option<i64>,
    pub(crate) reason: Option<i64>,
    /// Whether another session goes on in this one.
    pub(crate) transferred: bool,
}

impl From<Seat> for Told {
    fn from(seat: Seat) -> Self {
        Self {
            agent: agent(&seat.staff_id, &seat.staff_name, &seat.staff_icon),
            session: seat.session_id,
            greeting: seat.message,
            grades: rating::grades(seat.evaluation_model),
            count: seat.count,
            reason: seat.close_reason,
            transferred: seat.transfer_from.is_some(),
        }
    }
}

/// The vendor's names of events, which are also ours on the way to a session.
pub(crate) mod event {
    pub(crate) const MESSAGE: &str = "MSG";
    pub(crate) const STARTED: &str = "SESSION_START";
    pub(crate) const ENDED: &str = "SESSION_END";
    pub(crate) const INVITED: &str = "EVA_INVITATION";
    pub(crate) const QUEUED: &str = "USER_JOIN_QUEUE";
    pub(crate) const TIMED_OUT: &str = "QUEUE_TIMEOUT";
    /// Ours: an event that is newer than this adapter.
    pub(crate) const UNKNOWN: &str = "unknown";
}

/// Reads an event; `None` for one that tells nothing of a session.
///
/// # Errors
/// If it cannot be read, with the key that is wrong.
pub(crate) fn read(callback: &Callback) -> Result<Option<Received>, Reject> {
    let name = auth::parameter(&callback.query, "eventType")
        .ok_or_else(|| Reject::malformed("`eventType` must be in the query, once"))?;
    let malformed = |error: serde_json::Error| Reject::malformed(error.to_string());
    let body = callback.json()?;
    if name == event::MESSAGE {
        return said(api::object(body).map_err(malformed)?).map(Some);
    }
    let seat: Seat = api::object(body).map_err(malformed)?;
    let known = [
        event::STARTED,
        event::ENDED,
        event::INVITED,
        event::QUEUED,
        event::TIMED_OUT,
    ];
    let Some(name) = known.into_iter().find(|known| *known == name) else {
        // Another visitor's business, or none at all: told if it names one.
        let Some(uid) = seat.uid.filter(|uid| is_id(uid)) else {
            return Ok(None);
        };
        let data = short(&name, 64).into();
        return Ok(Some(Received {
            conversation: uid.into(),
            vendor_session: None,
            dedupe: BODY,
            event: ProviderEvent::Other {
                name: event::UNKNOWN.to_owned(),
                data,
            },
        }));
    };
    about_session(name, seat).map(Some)
}

fn about_session(name: &str, seat: Seat) -> Result<Received, Reject> {
    let uid = uid(seat.uid.as_deref())?;
    let told = Told::from(seat);
    // A session starts, and ends, once.
    let dedupe = match (name, &told.session) {
        (event::STARTED | event::ENDED, Some(session)) => Dedupe::Key {
            key: format!("{name}:{session}"),
        },
        _ => BODY,
    };
    Ok(Received {
        conversation: uid.into(),
        // An end is of its own session; a start makes its number known.
        vendor_session: told.session.clone().filter(|_| name != event::STARTED),
        dedupe,
        event: ProviderEvent::Other {
            name: name.to_owned(),
            data: serde_json::to_value(told).expect("it is made of plain values"),
        },
    })
}

fn said(said: Said) -> Result<Received, Reject> {
    let uid = uid(said.uid.as_deref())?;
    let kind = said.msg_type.as_deref().unwrap_or("TEXT");
    let content = translate::content(kind, &said.content)
        .ok_or_else(|| Reject::malformed("`content` of a message is missing or empty"))?;
    let id = match said.msg_id {
        Some(id) if !is_id(&id) => {
            return Err(Reject::malformed(format!(
                "`msgId` must be at most {ID_LIMIT} bytes of visible text"
            )));
        }
        id => id,
    };
    let dedupe = match (&id, said.time_stamp) {
        (Some(id), _) => Dedupe::Key {
            key: format!("{}:{id}", event::MESSAGE),
        },
        // The same words at the same millisecond are the same message.
        (None, Some(_)) => BODY,
        (None, None) => Dedupe::Unkeyable {
            reason: "the message has neither `msgId` nor `timeStamp`".to_owned(),
        },
    };
    let from = Sender::agent(agent(&said.staff_id, &said.staff_name, &None));
    let message = Incoming {
        vendor_id: id,
        ..Incoming::new(from, content)
    };
    Ok(Received {
        conversation: uid.into(),
        vendor_session: None,
        dedupe,
        event: ProviderEvent::Message { message },
    })
}

fn uid(uid: Option<&str>) -> Result<String, Reject> {
    match uid {
        Some(uid) if is_id(uid) => Ok(uid.to_owned()),
        Some(_) => Err(Reject::malformed(format!(
            "`uid` must be at most {ID_LIMIT} bytes of visible text"
        ))),
        None => Err(Reject::malformed("`uid` is missing, empty or no text")),
    }
}

/// An agent from the vendor's three fields; what cannot be shown is left out.
pub(crate) fn agent(id: &Option<String>, name: &Option<String>, icon: &Option<String>) -> Agent {
    Agent {
        id: id.as_deref().map(|id| short(id, ID_LIMIT)),
        name: name.as_deref().map(|name| short(name, 100)),
        portrait: icon.clone().filter(|url| translate::is_link(url)),
    }
}

/// The vendor sends again what was not answered in ten seconds.
const BODY: Dedupe = Dedupe::Body {
    within_seconds: 600,
};
