//! `GET /v1/events`: the stream over all sessions of a visitor.
//!
//! Owns catching up with several logs at once. Deliberately ends only with the
//! token or the gateway, never with a session. Invariant: within a session
//! events come once and in order; between sessions there is no order.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use http::Response;
use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::{capability::SessionState, ids::SessionId};

use super::{
    Visit,
    cursor::{Listed, Position, Step},
    events,
    pulse::{self, Beat, Pulse},
};
use crate::{
    edge::{
        body::{Body, Source},
        query,
    },
    media::Media,
    session::{Engine, Signal, StoredEvent, Subscription, VisitorKey},
};

/// Answers the call.
pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let parts = &visit.ask.edge.parts;
    let query = visit.ask.head.uri.query();
    let given = match events::last_event_id(visit.headers())? {
        Some(id) => Some(id),
        None => query::value(query, "after").map(|text| text.into_owned()),
    };
    let position = given
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(|text| {
            Position::from_text(text).ok_or_else(|| {
                Problem::new(
                    Slug::InvalidRequest,
                    "the position is no id that this stream gave out",
                )
            })
        })
        .transpose()?;
    let who = visit.identity.who.clone();
    let mut stream = Stream {
        pulse: Pulse::start(&visit)?,
        engine: parts.engine.clone(),
        media: parts.media.clone(),
        // Listening comes first, so that nothing falls between.
        ear: parts.engine.listen_to_visitor(&who),
        who,
        from_now: position.is_none(),
        position: position.unwrap_or_default(),
        out: pulse::OPENING.to_vec(),
        behind: VecDeque::new(),
        unlisted: false,
        over: false,
    };
    stream.list_sessions().await?;
    Ok(pulse::answer(stream))
}

struct Stream {
    pulse: Pulse,
    engine: Engine,
    media: Media,
    who: VisitorKey,
    ear: Subscription,
    /// Whether the first listing only says where to begin.
    from_now: bool,
    position: Position,
    /// What was written and not sent yet.
    out: Vec<u8>,
    /// Sessions whose log must be read.
    behind: VecDeque<SessionId>,
    /// Whether the sessions must be listed first.
    unlisted: bool,
    over: bool,
}

impl Source for Stream {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if !self.out.is_empty() {
                self.pulse.sent();
                return Ok(Some(std::mem::take(&mut self.out).into()));
            }
            if self.over {
                return Ok(None);
            }
            if self.unlisted || !self.behind.is_empty() {
                if let Err(problem) = self.catch_up().await {
                    // The client comes back to where it was.
                    tracing::debug!(%problem, "an event stream ends: the log cannot be read");
                    self.over = true;
                }
                continue;
            }
            tokio::select! {
                biased;
                signal = self.ear.next() => self.take_signal(signal),
                beat = self.pulse.next() => match beat {
                    Beat::Comment => return Ok(Some(pulse::COMMENT)),
                    Beat::End => return Ok(None),
                },
            }
        }
    }
}

impl Stream {
    fn take_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Event(event) => match self.position.step(&event.session, event.seq) {
                Step::Send => self.write(&event),
                Step::Drop => {}
                Step::ReadLog => self.behind.push_back(event.session),
                Step::ListSessions => self.unlisted = true,
            },
            Signal::Typing(session) => {
                pulse::write(&mut self.out, None, &events::typing(&session));
            }
            Signal::Lagged => self.unlisted = true,
        }
    }

    async fn catch_up(&mut self) -> Result<(), Problem> {
        if self.unlisted {
            self.list_sessions().await?;
            self.unlisted = false;
        }
        let Some(session) = self.behind.front().cloned() else {
            return Ok(());
        };
        let after = self.position.seq(&session);
        let page = self.engine.events(&self.who, &session, after, PAGE).await?;
        for event in &page.events {
            self.write(event);
        }
        if page.events.is_empty() || self.position.seq(&session) >= page.last_seq {
            self.behind.pop_front();
        }
        Ok(())
    }

    async fn list_sessions(&mut self) -> Result<(), Problem> {
        let cards = self.engine.sessions(&self.who, false).await?;
        // Oldest first, so that what happened first is sent first.
        for card in cards.iter().rev() {
            let listed = Listed {
                last_seq: card.last_seq,
                opened_ms: card.opened_at.unix_ms(),
                over: card.state == SessionState::Ended,
            };
            if self.position.note(&card.id, listed, self.from_now)
                && !self.behind.contains(&card.id)
            {
                self.behind.push_back(card.id.clone());
            }
        }
        self.position.noted_all();
        self.from_now = false;
        Ok(())
    }

    fn write(&mut self, event: &StoredEvent) {
        if self.position.step(&event.session, event.seq) == Step::Drop {
            return;
        }
        let json = events::shown(event, &self.media, &self.who);
        self.position.sent(&event.session, event.seq, event.last);
        pulse::write(&mut self.out, Some(&self.position.to_text()), &json);
    }
}

/// How many events are read from a log at a time.
const PAGE: usize = 100;
