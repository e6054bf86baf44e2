//! The stream of one session's events.
//!
//! Owns the step from the log to what is committed now. Invariant: every event
//! after the position is sent once, in order; the stream ends after the last
//! one.

use std::io;

use bytes::Bytes;
use http::{Response, StatusCode};
use kefu_core::problem::Problem;
use kefu_plugin_api::ids::SessionId;

use super::{
    Visit, events,
    pulse::{self, Beat, Pulse},
};
use crate::{
    edge::{
        body::{Body, Source},
        respond,
    },
    media::Media,
    session::{Engine, EventPage, Signal, StoredEvent, Subscription, VisitorKey},
};

/// Opens the stream after `position`.
pub(super) async fn answer(visit: Visit<'_>, position: u64) -> Result<Response<Body>, Problem> {
    let parts = &visit.ask.edge.parts;
    let session = visit.session();
    let who = visit.identity.who.clone();
    // Listening comes first, so that nothing falls between log and stream. But
    // nobody gets an ear at a session of somebody else.
    parts.engine.session(&who, &session).await?;
    let ear = parts.engine.listen_to_session(&session);
    let page = parts.engine.events(&who, &session, position, PAGE).await?;
    if page.ended && page.events.is_empty() {
        return Ok(respond::empty(StatusCode::NO_CONTENT));
    }
    let mut stream = Stream {
        pulse: Pulse::start(&visit)?,
        engine: parts.engine.clone(),
        media: parts.media.clone(),
        who,
        session,
        ear,
        position,
        out: pulse::OPENING.to_vec(),
        behind: false,
        over: false,
    };
    stream.take_page(page);
    Ok(pulse::answer(stream))
}

struct Stream {
    pulse: Pulse,
    engine: Engine,
    media: Media,
    who: VisitorKey,
    session: SessionId,
    ear: Subscription,
    /// The number of the last event that was written.
    position: u64,
    /// What was written and not sent yet.
    out: Vec<u8>,
    /// Whether the log must be read before the stream goes on.
    behind: bool,
    /// Whether the last event was written.
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
            if self.behind {
                self.read_log().await;
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
            Signal::Event(event) if event.seq <= self.position => {}
            Signal::Event(event) if event.seq == self.position + 1 => self.write(&event),
            Signal::Event(_) | Signal::Lagged => self.behind = true,
            Signal::Typing(session) => {
                pulse::write(&mut self.out, None, &events::typing(&session));
            }
        }
    }

    async fn read_log(&mut self) {
        let page = self
            .engine
            .events(&self.who, &self.session, self.position, PAGE);
        match page.await {
            Ok(page) => self.take_page(page),
            Err(problem) => {
                // The client comes back to where it was.
                tracing::debug!(%problem, "an event stream ends: the log cannot be read");
                self.over = true;
            }
        }
    }

    fn take_page(&mut self, page: EventPage) {
        for event in &page.events {
            if event.seq > self.position {
                self.write(event);
            }
        }
        // After the end there may be a rating; the stream ends with the log.
        let complete = self.position >= page.last_seq || page.events.is_empty();
        self.behind = !complete;
        self.over = complete && page.ended;
    }

    fn write(&mut self, event: &StoredEvent) {
        let json = events::shown(event, &self.media, &self.who);
        pulse::write(&mut self.out, Some(&event.seq.to_string()), &json);
        self.position = event.seq;
        self.over |= event.last;
    }
}

/// How many events are read from the log at a time.
const PAGE: usize = 200;
