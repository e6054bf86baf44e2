//! Sessions, commits and events to be written.

use std::sync::mpsc;

use bytes::Bytes;
use kefu_core::{
    outbox::{DeadLetter, Letter, OutboxEntry},
    session::{Fallback, Opening, Record, TimerKey, session_id},
    turn::{Name, NameKey},
};
use kefu_gateway::{
    session::{IdempotencyKey, StoredEvent, VisitorKey},
    store::{Answered, Commit, Committed, Done, InboxEvent, Store, StoreError},
};
use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    effect::Call,
    event::{Client, ProviderEvent, Visitor},
    http::HttpRequest,
    ids::SessionId,
    time::Timestamp,
};

/// A store that can be closed and opened again.
pub(crate) trait Place {
    fn store(&self) -> &dyn Store;
    fn reopen(&mut self);
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000 + ms)
}

pub(crate) fn who(visitor: &str) -> VisitorKey {
    VisitorKey {
        app: "app".into(),
        visitor: visitor.into(),
    }
}

pub(crate) fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey {
        key: key.into(),
        target: "POST /v1/sessions".into(),
        body: [1; 32],
    }
}

/// A session as it is before its first commit.
pub(crate) fn session(visitor: &str, desk: &str, opened: i64) -> Record {
    let order = Fallback::new("first", Some("g".into()));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&opened.to_be_bytes());
    let mut record = Record::open(Opening {
        synthetic: false,
        id: session_id("app", visitor, at(opened), random),
        app: "app".into(),
        desk: desk.into(),
        visitor: Visitor {
            id: visitor.into(),
            name: Some("王".into()),
            ..Visitor::default()
        },
        client: Client::default(),
        asked_group: None,
        order: vec![order.clone(), order],
        now: at(opened),
    })
    .unwrap();
    record.adapter_state = vec![0, 255, 128];
    record.timers.insert(TimerKey::Idle, at(opened + 9_000));
    record
        .timers
        .insert(TimerKey::Adapter("poll".into()), at(opened + 5_000));
    record
}

/// The next commit of a session, with one event.
pub(crate) fn turn(record: &mut Record) -> Commit {
    record.version += 1;
    record.last_seq += 1;
    let seq = record.last_seq;
    Commit {
        record: record.clone(),
        create: record.version == 1,
        alone: false,
        moved: true,
        events: vec![event(record, seq)],
        ended: None,
        calls: vec![],
        finished: vec![],
        names: vec![],
        inbox: None,
        dead: None,
        revived: None,
        pushes: None,
        answered: None,
        now: at(0),
    }
}

pub(crate) fn end(record: &mut Record) -> Commit {
    record.state = SessionState::Ended;
    record.end_reason = Some(EndReason::Visitor);
    record.timers.clear();
    turn(record)
}

pub(crate) fn event(record: &Record, seq: u64) -> StoredEvent {
    StoredEvent {
        session: record.id.clone(),
        seq,
        json: Bytes::from(format!("{{\"seq\":{seq}}}")),
        last: record.is_over(),
    }
}

pub(crate) fn entry(record: &Record, number: u64) -> OutboxEntry {
    let request = HttpRequest::get("https://vendor.example/");
    OutboxEntry {
        session: record.id.clone(),
        number,
        provider: "first".into(),
        call: Call::new(format!("c{number}"), request),
        created_at: at(0),
        deadline_at: at(60_000),
        gives_way: false,
        media: vec!["m1".into()],
        trace: None,
    }
}

pub(crate) fn name(key: &str) -> Name {
    Name {
        provider: "first".into(),
        key: NameKey::Conversation(key.into()),
    }
}

pub(crate) fn word(session: &SessionId, dedupe: Option<(&str, i64)>, received: i64) -> InboxEvent {
    InboxEvent {
        provider: "first".into(),
        session: session.clone(),
        conversation: "conversation".into(),
        dedupe: dedupe.map(|(key, until)| (key.to_owned(), at(until))),
        received_at: at(received),
        event: ProviderEvent::Notice {
            text: format!("at {received}"),
        },
    }
}

pub(crate) fn answer(record: &Record) -> Answered {
    Answered {
        body: [1; 32],
        session: record.id.clone(),
        message: Some(("m".into(), 7)),
        created: false,
    }
}

pub(crate) fn letter(id: &str, session: &SessionId, ms: i64) -> DeadLetter {
    DeadLetter {
        id: id.into(),
        session: session.clone(),
        provider: "first".into(),
        at: at(ms),
        reason: "refused".into(),
        letter: Letter::Event {
            event: Box::new(ProviderEvent::Typing {}),
        },
    }
}

/// Waits for the end of a write.
pub(crate) fn wait<T: Send + 'static>(write: impl FnOnce(Done<T>)) -> Result<T, StoreError> {
    let (tell, told) = mpsc::channel();
    write(Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap()
}

pub(crate) fn commit(store: &dyn Store, commit: Commit) -> Result<Committed, StoreError> {
    wait(|done| store.commit(commit, done))
}

pub(crate) fn done(store: &dyn Store, turn: Commit) {
    assert_eq!(commit(store, turn), Ok(Committed::Done));
}

pub(crate) fn receive(store: &dyn Store, events: Vec<InboxEvent>) -> Vec<Option<u64>> {
    wait(|done| store.receive(events, done)).unwrap()
}

/// The numbers of a session's events.
pub(crate) fn seqs(store: &dyn Store, session: &SessionId) -> Vec<u64> {
    let events = store.events(session, 0, 10_000).unwrap();
    events.iter().map(|event| event.seq).collect()
}
