//! App → us: the visitor API.
//!
//! Owns the shape of each call and of its answer. Deliberately decides nothing
//! about sessions: a checked request becomes one question to the engine.
//! Invariant: a visitor reaches own sessions and media only; the engine is
//! asked in the name that the token gives.

mod commands;
mod content;
mod cursor;
mod desk;
mod events;
mod everything;
mod messages;
mod one_session;
mod profile;
mod pulse;
mod sessions;
mod trace;
mod voice;

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use kefu_core::{
    command::Command,
    problem::{Problem, Slug},
    turn::Reply,
};
use kefu_plugin_api::ids::SessionId;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{
    auth::Identity,
    body::{self, Body},
    json, media,
    public::{Ask, to_the_end},
    routes::Call,
};
use crate::session::IdempotencyKey;

/// A call of a visitor who is known.
struct Visit<'a> {
    ask: &'a Ask<'a>,
    identity: Identity,
}

/// Answers a call of the visitor API.
///
/// # Errors
/// Whatever is in the way.
pub(crate) async fn answer(
    ask: &Ask<'_>,
    identity: Identity,
    call: Call,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    // Media stream; everything else is read whole.
    if call == Call::UploadMedia {
        return media::upload(ask, &identity.who, body).await;
    }
    let body = body::read_whole(body, ask.config.main.server.limits.max_body).await?;
    let visit = Visit { ask, identity };
    match call {
        Call::OpenSession => sessions::open(&visit, &body).await,
        Call::ListSessions => sessions::list(&visit).await,
        Call::ShowSession => sessions::show(&visit).await,
        Call::SendMessage => messages::send(&visit, &body).await,
        Call::AskForHuman => commands::ask_for_human(&visit, &body).await,
        Call::Evaluate => commands::evaluate(&visit, &body).await,
        Call::LeaveMessage => commands::leave_message(&visit, &body).await,
        Call::Exit => commands::exit(&visit, &body).await,
        Call::Typing => commands::typing(&visit).await,
        Call::Read => commands::read(&visit, &body).await,
        Call::ChangeProfile => profile::change(&visit, &body).await,
        Call::SessionEvents => events::of_session(visit).await,
        Call::AllEvents => everything::answer(visit).await,
        Call::ShowDesk => desk::show(&visit),
        Call::UploadMedia
        | Call::DownloadMedia
        | Call::OpenApi
        | Call::Widget
        | Call::MintToken
        | Call::Callback => Err(Problem::new(Slug::NotFound, "this is no visitor's call")),
    }
}

impl Visit<'_> {
    fn headers(&self) -> &HeaderMap {
        &self.ask.head.headers
    }

    fn session(&self) -> SessionId {
        SessionId::new(self.ask.id)
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Problem> {
        json::read(self.headers(), body)
    }

    /// The trace that this request belongs to.
    fn trace(&self) -> Option<String> {
        trace::parent(self.headers()).map(str::to_owned)
    }

    /// What makes this request safe to repeat, if the client wants that.
    fn key(&self, body: &Bytes) -> Result<Option<IdempotencyKey>, Problem> {
        let Some(key) = idempotency_key(self.headers())? else {
            return Ok(None);
        };
        Ok(Some(IdempotencyKey {
            key: key.to_owned(),
            target: format!("{} {}", self.ask.head.method, self.ask.head.uri.path()),
            body: Sha256::digest(body).into(),
        }))
    }

    /// Brings a command to the session in the path.
    async fn command(
        &self,
        command: Command,
        key: Option<IdempotencyKey>,
    ) -> Result<Reply, Problem> {
        let engine = self.ask.edge.parts.engine.clone();
        let who = self.identity.who.clone();
        let session = self.session();
        let trace = self.trace();
        let replied =
            to_the_end(async move { engine.command(&who, &session, command, key, trace).await })
                .await?;
        Ok(replied.reply)
    }
}

/// The `Idempotency-Key` header.
///
/// # Errors
/// `invalid-request` if it is not 1 to 255 visible characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let bytes = key.as_bytes();
    let valid = given.next().is_none()
        && (1..=255).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if valid => Ok(Some(key)),
        _ => Err(Problem::new(
            Slug::InvalidRequest,
            "`Idempotency-Key` is not one text of 1 to 255 visible ASCII characters",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_visible_text_of_bounded_length() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("idempotency-key", value.parse().unwrap());
            }
            idempotency_key(&headers).map(|key| key.map(str::to_owned))
        };
        assert_eq!(with(&[]), Ok(None));
        let longest = "~".repeat(255);
        assert_eq!(with(&[&longest]), Ok(Some(longest)));
        for wrong in [&["has blank"][..], &[""], &[&"x".repeat(256)], &["a", "b"]] {
            assert_eq!(with(wrong).unwrap_err().slug, Slug::InvalidRequest);
        }
    }
}
