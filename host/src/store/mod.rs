//! What is kept: sessions, their logs, what waits to be sent or handled.
//!
//! Owns the trait that a database implements, and the values that go through
//! it. Deliberately knows no SQL here and decides nothing. Invariants: a
//! commit is written whole or not at all; a callback runs after the commit is
//! on disk; a session's row changes only if its version is the expected one.
//!
//! Nothing in a commit touches a row of another session, except for the names
//! under which callbacks find this one, so that sessions can be spread by the
//! shard that their ids begin with.

pub mod figures;
mod list;
mod log;
pub mod migrations;
mod open;
mod push;
mod reader;
mod rows;
mod schema;
pub mod sqlite;
mod trail;
mod writer;

use std::collections::BTreeMap;

use kefu_core::{
    outbox::{DeadLetter, OutboxEntry},
    session::Record,
    trail::CallEnd,
    turn::{Name, NameKey, Reply, Said},
};
use kefu_plugin_api::{
    event::ProviderEvent,
    ids::{AppId, ConversationId, DeskId, MessageId, ProviderId, SessionId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub use self::{
    figures::FiguresStore,
    list::{Listed, Wanted},
    migrations::MigrationStore,
    trail::Kept,
};
use crate::session::{IdempotencyKey, StoredEvent, VisitorKey};

/// Told when a write is over, on a thread of the store. Must not block.
pub type Done<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// A database of sessions.
pub trait Store: Inspected + FiguresStore + MigrationStore + Send + Sync + 'static {
    /// Writes what one turn caused.
    fn commit(&self, commit: Commit, done: Done<Committed>);

    /// Writes the events of one callback. The answer holds, for each event,
    /// its number in the inbox, or `None` for a repeat.
    fn receive(&self, events: Vec<InboxEvent>, done: Done<Vec<Option<u64>>>);

    /// Notes that an entry is about to be sent, or that it surely did not
    /// arrive after all.
    fn mark_attempted(&self, session: &SessionId, number: u64, attempted: bool, done: Done<()>);

    /// Moves an event out of the inbox that nobody can handle.
    fn bury(&self, inbox: u64, letter: DeadLetter, done: Done<()>);

    /// Takes a dead letter out and puts in its place what is to be tried again.
    /// The answer is the number in the inbox, for an event; `None` if the
    /// letter is not there any more, and nothing was written.
    fn unbury(&self, letter: &str, again: Again, done: Done<Option<u64>>);

    /// Notes how far a lane of pushes got, and what was given up. Whether the
    /// lane goes on; one with nothing left is gone.
    fn pushed(&self, lane: PushLane, dead: Option<DeadLetter>, done: Done<bool>);

    /// Forgets every lane of an app. How many there were.
    fn drop_pushes(&self, app: &AppId, done: Done<usize>);

    /// Forgets repeated-request and repeated-event keys that have lapsed.
    fn sweep(&self, now: Timestamp, done: Done<()>);

    /// Reads a session.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    fn record(&self, session: &SessionId) -> Result<Option<Record>, StoreError>;

    /// Reads a piece of a log, in order: at most `limit` events, and no more
    /// than the first one beyond a megabyte.
    ///
    /// # Errors
    /// As above.
    fn events(
        &self,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The session that a visitor has open at a desk.
    ///
    /// # Errors
    /// As above.
    fn open_session(
        &self,
        who: &VisitorKey,
        desk: &DeskId,
    ) -> Result<Option<SessionId>, StoreError>;

    /// A visitor's sessions, newest first.
    ///
    /// # Errors
    /// As above.
    fn sessions(
        &self,
        who: &VisitorKey,
        only_open: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// The providers and desks at which a visitor has sessions open.
    ///
    /// # Errors
    /// As above.
    fn open_at(&self, who: &VisitorKey) -> Result<Vec<OpenAt>, StoreError>;

    /// Where a message stands in its session's log.
    ///
    /// # Errors
    /// As above.
    fn said(&self, session: &SessionId, message: &MessageId) -> Result<Option<Said>, StoreError>;

    /// The session that goes under a name.
    ///
    /// # Errors
    /// As above.
    fn named(&self, name: &Name) -> Result<Option<SessionId>, StoreError>;

    /// What a request with this key was answered.
    ///
    /// # Errors
    /// As above.
    fn answered(
        &self,
        who: &VisitorKey,
        key: &IdempotencyKey,
    ) -> Result<Option<Answered>, StoreError>;

    /// Everything that waits to be sent, in order of session and number.
    ///
    /// # Errors
    /// As above.
    fn outbox(&self) -> Result<Vec<Unsent>, StoreError>;

    /// Every event that waits for its turn, in order.
    ///
    /// # Errors
    /// As above.
    fn inbox(&self) -> Result<Vec<(u64, InboxEvent)>, StoreError>;

    /// Whether an event of the inbox still waits for its turn.
    ///
    /// # Errors
    /// As above.
    fn waits(&self, inbox: u64) -> Result<bool, StoreError>;

    /// Every session that has a timer, with the time it is due.
    ///
    /// # Errors
    /// As above.
    fn due(&self) -> Result<Vec<(SessionId, Timestamp)>, StoreError>;

    /// Dead letters, newest first.
    ///
    /// # Errors
    /// As above.
    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// One dead letter.
    ///
    /// # Errors
    /// As above.
    fn dead_letter(&self, letter: &str) -> Result<Option<DeadLetter>, StoreError>;

    /// Every lane of pushes with something left in it.
    ///
    /// # Errors
    /// As above.
    fn push_lanes(&self) -> Result<Vec<PushLane>, StoreError>;

    /// How many sessions are open.
    ///
    /// # Errors
    /// As above.
    fn open_count(&self) -> Result<u64, StoreError>;

    /// How many sessions each provider has open.
    ///
    /// # Errors
    /// As above.
    fn open_by_provider(&self) -> Result<BTreeMap<ProviderId, u64>, StoreError>;

    /// A page of a provider's open sessions, in no order that means anything;
    /// `after` is where the page before ended.
    ///
    /// # Errors
    /// As above.
    fn open_sessions_of(
        &self,
        provider: &ProviderId,
        after: Option<&OpenCursor>,
        limit: usize,
    ) -> Result<OpenPage, StoreError>;

    /// A sample of what the adapters of a provider's open sessions remember, at
    /// most so many: of every version that wrote one, the newest and the oldest
    /// sessions first. Does not hold up writes.
    ///
    /// # Errors
    /// As above.
    fn states(&self, provider: &ProviderId, most: usize) -> Result<Vec<StoredState>, StoreError>;
}

/// What operators ask of a database of sessions.
pub trait Inspected {
    /// A page of all sessions, newest first.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    fn list(&self, wanted: &Wanted) -> Result<Listed, StoreError>;

    /// What is kept of a session beside its record: a piece of its log after a
    /// number, at most so many events and no more than the first one beyond a
    /// megabyte, its calls that are not over, what was given up, and its lane of
    /// pushes.
    ///
    /// # Errors
    /// As above.
    fn kept(&self, session: &SessionId, after: u64, limit: usize) -> Result<Kept, StoreError>;
}

/// What an adapter remembers in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// The version of the adapter that wrote it.
    pub version: String,
    /// What it wrote.
    pub state: Vec<u8>,
}

/// Where a visitor has a session open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAt {
    /// At which desk.
    pub desk: DeskId,
    /// The session.
    pub session: SessionId,
    /// With whom.
    pub provider: ProviderId,
}

/// Some of a provider's open sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// The sessions.
    pub sessions: Vec<SessionId>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<OpenCursor>,
}

/// A place among the open sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenCursor(String, String, String);

/// Everything that one turn wrote.
#[derive(Debug)]
pub struct Commit {
    /// The session as it is after the turn.
    pub record: Record,
    /// Whether it is new; otherwise the version before must be one less.
    pub create: bool,
    /// Whether it must be its visitor's only open session with its provider.
    pub alone: bool,
    /// Whether it stands elsewhere, or is with another provider, than before:
    /// its place in lists follows.
    pub moved: bool,
    /// New events of its log.
    pub events: Vec<StoredEvent>,
    /// How the call ended whose end this turn is.
    pub ended: Option<CallEnd>,
    /// New entries of the outbox.
    pub calls: Vec<OutboxEntry>,
    /// Entries of the outbox that are over.
    pub finished: Vec<u64>,
    /// Names under which callbacks find it from now on.
    pub names: Vec<Name>,
    /// The event of the inbox that was handled.
    pub inbox: Option<u64>,
    /// What was given up.
    pub dead: Option<DeadLetter>,
    /// The dead letter that is tried again by this turn; without it nothing is
    /// written.
    pub revived: Option<String>,
    /// The first and the last of the events that the app's server is to be
    /// told, if it is to be told any.
    pub pushes: Option<(u64, u64)>,
    /// The request that this turn answers.
    pub answered: Option<(VisitorKey, IdempotencyKey, Answered)>,
    /// When.
    pub now: Timestamp,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk.
    Done,
    /// Somebody else changed the session meanwhile, or the event of the inbox or
    /// the dead letter was handled already; nothing was written.
    Conflict,
    /// The visitor has a session open at this desk, or with a provider that
    /// allows only one; nothing was written.
    AlreadyOpen(SessionId),
    /// The request was answered meanwhile; nothing was written.
    KeyTaken,
}

/// What a request was answered, as far as it has to be remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// SHA-256 of its body.
    pub body: [u8; 32],
    /// The session it was about.
    pub session: SessionId,
    /// The message and its number, for a message.
    pub message: Option<(String, u64)>,
    /// Whether it created the session.
    #[serde(default)]
    pub created: bool,
}

impl Answered {
    /// The answer to a command.
    pub fn reply(&self) -> Reply {
        match &self.message {
            Some((id, seq)) => Reply::Message {
                id: id.as_str().into(),
                seq: *seq,
            },
            None => Reply::Accepted,
        }
    }
}

/// An event of a vendor that waits for its turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxEvent {
    /// Who sent it.
    pub provider: ProviderId,
    /// Whose it is.
    pub session: SessionId,
    /// Within which a repeat is recognised.
    pub conversation: ConversationId,
    /// By what a repeat is recognised, and until when.
    pub dedupe: Option<(String, Timestamp)>,
    /// When it came.
    pub received_at: Timestamp,
    /// What happened.
    pub event: ProviderEvent,
}

/// What is tried again in place of a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Again {
    /// An event of a vendor has its turn, after all that wait.
    Event(Box<InboxEvent>),
    /// A message is pushed, in a lane of its own.
    Push(PushLane),
}

/// What an app's server is still to be told of one session, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushLane {
    /// Whose log it is in.
    pub session: SessionId,
    /// The dead letter that is replayed; a session's own lane has none.
    pub replay: Option<String>,
    /// Whose server is told.
    pub app: AppId,
    /// The number up to which everything is over.
    pub after: u64,
    /// The last number that is to be told.
    pub last: u64,
    /// How often the next one was tried.
    pub tries: u32,
    /// When it may be tried.
    pub due: Timestamp,
    /// Since when the lane has not got on.
    pub since: Timestamp,
}

/// An entry of the outbox that was found at start.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsent {
    /// The entry.
    pub entry: OutboxEntry,
    /// Whether it may have been sent already.
    pub attempted: bool,
}

/// The database does not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attempted}: {cause}")]
pub struct StoreError {
    /// What was attempted.
    pub attempted: &'static str,
    /// What the database said.
    pub cause: String,
}

impl StoreError {
    pub(crate) fn new(attempted: &'static str, cause: impl std::fmt::Display) -> Self {
        Self {
            attempted,
            cause: cause.to_string(),
        }
    }
}

/// How a name is kept: a word that says who gave it, and the name.
fn name_parts(key: &NameKey) -> (&'static str, &str) {
    match key {
        NameKey::Conversation(name) => ("conversation", name),
        NameKey::Vendor(name) => ("vendor", name),
    }
}
