//! The store in one SQLite file, for a gateway that needs nothing else.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::Path,
    sync::mpsc::Sender,
    thread::JoinHandle,
};

use kefu_core::{
    outbox::DeadLetter,
    session::Record,
    turn::{Name, Said},
};
use kefu_plugin_api::{
    ids::{AppId, DeskId, MessageId, ProviderId, SessionId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Again, Answered, Commit, Committed, Done, InboxEvent, OpenAt, OpenCursor, OpenPage, PushLane,
    Store, StoreError, StoredState, Unsent, log, name_parts, open, push,
    reader::Readers,
    rows::from_bytes,
    schema,
    writer::{self, Job},
};
use crate::{
    session::{IdempotencyKey, StoredEvent, VisitorKey},
    telemetry::Metrics,
};

/// Sessions in an SQLite file: one writer with group commit, many readers.
///
/// Dropping it waits until everything that was accepted is written.
pub struct SqliteStore {
    /// Taken only when the store is dropped.
    writer: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    pub(super) readers: Readers,
    /// Locked for as long as this gateway uses the file; freed by the system
    /// however the gateway ends.
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, making it and its folder if they are not there.
    ///
    /// # Errors
    /// The folder or file cannot be made or opened, is in use by another
    /// gateway, or is of a newer version.
    pub fn open(path: &Path, metrics: Metrics) -> Result<Self, StoreError> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| StoreError::new("make the store's folder", named(&error)))?;
        }
        let lock = lock(path)?;
        let mut connection = Connection::open(path)
            .map_err(|error| StoreError::new("open the store", named(&error)))?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .map_err(|error| StoreError::new("open the store", named(&error)))?;
        schema::prepare(&mut connection)
            .map_err(|error| StoreError::new(error.attempted, named(&error.cause)))?;
        connection.set_prepared_statement_cache_capacity(64);
        let (writer, thread) = writer::start(connection, metrics)?;
        Ok(Self {
            writer: Some(writer),
            thread: Some(thread),
            readers: Readers::new(path),
            _lock: lock,
        })
    }

    pub(super) fn write(&self, job: Job) {
        let lost = match &self.writer {
            Some(writer) => writer.send(job).err().map(|lost| lost.0),
            None => Some(job),
        };
        if let Some(lost) = lost {
            let stopped = || StoreError::new("write", "the writer has stopped");
            match lost {
                Job::Commit(_, done) => done(Err(stopped())),
                Job::Receive(_, done) => done(Err(stopped())),
                Job::Unbury(.., done) => done(Err(stopped())),
                Job::Pushed(.., done) => done(Err(stopped())),
                Job::DropPushes(_, done) => done(Err(stopped())),
                Job::MarkAttempted(.., done)
                | Job::Bury(.., done)
                | Job::KeepFigures(.., done)
                | Job::KeepMigration(.., done)
                | Job::Sweep(_, done) => {
                    done(Err(stopped()));
                }
            }
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.writer.take());
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

/// Takes the file for this gateway alone: two writers would each believe what
/// they have in memory.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: &dyn std::fmt::Display| {
        StoreError::new("lock the store", format!("{}: {error}", path.display()))
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(failed(&"another gateway uses it; give each its own file"))
        }
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit, done: Done<Committed>) {
        self.write(Job::Commit(Box::new(commit), done));
    }

    fn receive(&self, events: Vec<InboxEvent>, done: Done<Vec<Option<u64>>>) {
        self.write(Job::Receive(events, done));
    }

    fn mark_attempted(&self, session: &SessionId, number: u64, attempted: bool, done: Done<()>) {
        self.write(Job::MarkAttempted(session.clone(), number, attempted, done));
    }

    fn bury(&self, inbox: u64, letter: DeadLetter, done: Done<()>) {
        self.write(Job::Bury(inbox, Box::new(letter), done));
    }

    fn unbury(&self, letter: &str, again: Again, done: Done<Option<u64>>) {
        self.write(Job::Unbury(letter.to_owned(), again, done));
    }

    fn pushed(&self, lane: PushLane, dead: Option<DeadLetter>, done: Done<bool>) {
        self.write(Job::Pushed(Box::new(lane), dead.map(Box::new), done));
    }

    fn drop_pushes(&self, app: &AppId, done: Done<usize>) {
        self.write(Job::DropPushes(app.clone(), done));
    }

    fn sweep(&self, now: Timestamp, done: Done<()>) {
        self.write(Job::Sweep(now, done));
    }

    fn record(&self, session: &SessionId) -> Result<Option<Record>, StoreError> {
        let bytes: Option<Vec<u8>> = self.readers.read("read a session", |connection| {
            connection
                .prepare_cached("SELECT record FROM sessions WHERE id = ?")?
                .query_row([session.as_str()], |row| row.get(0))
                .optional()
        })?;
        bytes.map(|bytes| from_bytes(&bytes)).transpose()
    }

    fn events(
        &self,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.readers.read("read a log", |connection| {
            connection
                .prepare_cached(
                    "SELECT seq, last, json FROM events WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?",
                )?
                .query_map(params![session.as_str(), after, limit], |row| {
                    Ok(StoredEvent {
                        session: session.clone(),
                        seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
                        last: row.get(1)?,
                        json: row.get::<_, Vec<u8>>(2)?.into(),
                    })
                })?
                .scan(0, |size, event| {
                    // The first event is always given, so that a reader gets on.
                    let full = *size > PAGE_BYTES;
                    *size += event.as_ref().map_or(0, |event| event.json.len());
                    (!full).then_some(event)
                })
                .collect()
        })
    }

    fn open_session(
        &self,
        who: &VisitorKey,
        desk: &DeskId,
    ) -> Result<Option<SessionId>, StoreError> {
        self.readers.read("find an open session", |connection| {
            connection
                .prepare_cached(
                    "SELECT session FROM open_sessions WHERE app = ? AND visitor = ? AND desk = ?",
                )?
                .query_row(
                    params![who.app.as_str(), who.visitor, desk.as_str()],
                    |row| row.get::<_, String>(0).map(SessionId::new),
                )
                .optional()
        })
    }

    fn sessions(
        &self,
        who: &VisitorKey,
        only_open: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Vec<u8>> = self.readers.read("list sessions", |connection| {
            connection
                .prepare_cached(
                    "SELECT sessions.record FROM visits JOIN sessions ON sessions.id = visits.session
                     WHERE visits.app = ? AND visits.visitor = ? AND (sessions.open OR NOT ?)
                     ORDER BY visits.opened_at DESC, visits.session DESC LIMIT ?",
                )?
                .query_map(params![who.app.as_str(), who.visitor, only_open, limit], |row| row.get(0))?
                .collect()
        })?;
        rows.iter().map(|bytes| from_bytes(bytes)).collect()
    }

    fn open_at(&self, who: &VisitorKey) -> Result<Vec<OpenAt>, StoreError> {
        self.readers
            .read("find open sessions", |connection| open::at(connection, who))
    }

    fn said(&self, session: &SessionId, message: &MessageId) -> Result<Option<Said>, StoreError> {
        log::said(&self.readers, session, message)
    }

    fn named(&self, name: &Name) -> Result<Option<SessionId>, StoreError> {
        let (kind, text) = name_parts(&name.key);
        self.readers.read("find a session by name", |connection| {
            connection
                .prepare_cached(
                    "SELECT session FROM names WHERE provider = ? AND kind = ? AND name = ?",
                )?
                .query_row(params![name.provider.as_str(), kind, text], |row| {
                    row.get::<_, String>(0).map(SessionId::new)
                })
                .optional()
        })
    }

    fn answered(
        &self,
        who: &VisitorKey,
        key: &IdempotencyKey,
    ) -> Result<Option<Answered>, StoreError> {
        let bytes: Option<Vec<u8>> = self.readers.read("find an answer", |connection| {
            connection
                .prepare_cached(
                    "SELECT answer FROM answered WHERE app = ? AND visitor = ? AND target = ? AND key = ?",
                )?
                .query_row(params![who.app.as_str(), who.visitor, key.target, key.key], |row| row.get(0))
                .optional()
        })?;
        bytes.map(|bytes| from_bytes(&bytes)).transpose()
    }

    fn outbox(&self) -> Result<Vec<Unsent>, StoreError> {
        let rows: Vec<(Vec<u8>, bool)> = self.readers.read("read the outbox", |connection| {
            connection
                .prepare("SELECT entry, attempted FROM outbox ORDER BY session, number")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        rows.iter()
            .map(|(bytes, attempted)| {
                Ok(Unsent {
                    entry: from_bytes(bytes)?,
                    attempted: *attempted,
                })
            })
            .collect()
    }

    fn inbox(&self) -> Result<Vec<(u64, InboxEvent)>, StoreError> {
        let rows: Vec<(i64, Vec<u8>)> = self.readers.read("read the inbox", |connection| {
            connection
                .prepare("SELECT id, event FROM inbox ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        rows.iter()
            .map(|(id, bytes)| Ok((u64::try_from(*id).unwrap_or_default(), from_bytes(bytes)?)))
            .collect()
    }

    fn waits(&self, inbox: u64) -> Result<bool, StoreError> {
        let inbox = i64::try_from(inbox).unwrap_or(i64::MAX);
        self.readers.read("look into the inbox", |connection| {
            connection
                .prepare_cached("SELECT 1 FROM inbox WHERE id = ?")?
                .exists([inbox])
        })
    }

    fn due(&self) -> Result<Vec<(SessionId, Timestamp)>, StoreError> {
        self.readers.read("read the timers", |connection| {
            connection
                .prepare("SELECT id, next_due FROM sessions WHERE next_due IS NOT NULL ORDER BY next_due")?
                .query_map([], |row| {
                    Ok((SessionId::new(row.get::<_, String>(0)?), Timestamp::from_unix_ms(row.get(1)?)))
                })?
                .collect()
        })
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Vec<u8>> = self.readers.read("read the dead letters", |connection| {
            connection
                .prepare_cached(
                    "SELECT letter FROM dead_letters ORDER BY at DESC, id DESC LIMIT ?",
                )?
                .query_map([limit], |row| row.get(0))?
                .collect()
        })?;
        rows.iter().map(|bytes| from_bytes(bytes)).collect()
    }

    fn dead_letter(&self, letter: &str) -> Result<Option<DeadLetter>, StoreError> {
        let bytes: Option<Vec<u8>> = self.readers.read("read a dead letter", |connection| {
            connection
                .prepare_cached("SELECT letter FROM dead_letters WHERE id = ?")?
                .query_row([letter], |row| row.get(0))
                .optional()
        })?;
        bytes.map(|bytes| from_bytes(&bytes)).transpose()
    }

    fn push_lanes(&self) -> Result<Vec<PushLane>, StoreError> {
        self.readers.read("read the lanes of pushes", push::all)
    }

    fn open_count(&self) -> Result<u64, StoreError> {
        self.readers.read("count sessions", |connection| {
            connection
                .prepare_cached("SELECT count(*) FROM open_sessions")?
                .query_row([], |row| row.get::<_, i64>(0))
                .map(|count| u64::try_from(count).unwrap_or_default())
        })
    }

    fn open_by_provider(&self) -> Result<BTreeMap<ProviderId, u64>, StoreError> {
        self.readers
            .read("count sessions by provider", open::by_provider)
    }

    fn open_sessions_of(
        &self,
        provider: &ProviderId,
        after: Option<&OpenCursor>,
        limit: usize,
    ) -> Result<OpenPage, StoreError> {
        self.readers.read("list open sessions", |connection| {
            open::page(connection, provider, after, limit)
        })
    }

    fn states(&self, provider: &ProviderId, most: usize) -> Result<Vec<StoredState>, StoreError> {
        open::states(&self.readers, provider, most)
    }
}

/// How large a page of events may grow before it ends.
pub(super) const PAGE_BYTES: usize = 1 << 20;
