//! What is kept of a session for operators: its log with what stands beside it,
//! its calls, what was given up, its lane of pushes.
//!
//! Owns the columns beside the log, which are written in the row of an event
//! that the turn writes anyhow, and the reading of all this for one session.
//! Invariant: a turn writes no row for operators alone.

use kefu_core::{
    outbox::DeadLetter,
    trail::{LaneFound, LogRow, UnsentFound},
};
use kefu_plugin_api::{ids::SessionId, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Commit, Inspected, Listed, StoreError, Wanted, list,
    rows::{from_bytes, run, to_bytes, version},
    sqlite::{PAGE_BYTES, SqliteStore},
};

/// What is kept of a session beside its record.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// A piece of its log, in order.
    pub rows: Vec<LogRow>,
    /// The number of the last event of that piece.
    pub last: u64,
    /// Its calls that are not over, in order.
    pub unsent: Vec<UnsentFound>,
    /// What was given up, oldest first; at most 1,000.
    pub letters: Vec<DeadLetter>,
    /// What its app's server is still to be told.
    pub lane: Option<LaneFound>,
}

/// How many dead letters of one session are read.
const MOST_LETTERS: usize = 1_000;

/// Writes a turn's events. The end of its call stands beside the first of them,
/// and beside each whether the app's server is told.
pub(super) fn write_log(connection: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let mut end = commit.ended.as_ref().map(to_bytes).transpose()?;
    for event in &commit.events {
        let told = |(first, last)| (first..=last).contains(&event.seq);
        run(
            connection,
            "INSERT INTO events (session, seq, last, json, call, pushed) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                commit.record.id.as_str(),
                version(event.seq),
                event.last,
                event.json.as_ref(),
                end.take(),
                commit.pushes.is_some_and(told)
            ],
        )?;
    }
    Ok(())
}

/// Names the sessions of dead letters from before they were named.
pub(super) fn fill_in(connection: &Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::new("prepare the tables", error);
    let mut all = connection
        .prepare("SELECT rowid, letter FROM dead_letters")
        .map_err(failed)?;
    let mut name = connection
        .prepare("UPDATE dead_letters SET session = ? WHERE rowid = ?")
        .map_err(failed)?;
    let found: Vec<(i64, Vec<u8>)> = all
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(failed)?;
    for (row, letter) in found {
        let letter: DeadLetter = from_bytes(&letter)?;
        name.execute(params![letter.session.as_str(), row])
            .map_err(failed)?;
    }
    Ok(())
}

impl Inspected for SqliteStore {
    fn list(&self, wanted: &Wanted) -> Result<Listed, StoreError> {
        let (records, next) = self.readers.read("list all sessions", |connection| {
            list::page(connection, wanted)
        })?;
        let sessions = records.iter().map(|bytes| from_bytes(bytes));
        Ok(Listed {
            sessions: sessions.collect::<Result<_, _>>()?,
            next,
        })
    }

    fn kept(&self, session: &SessionId, after: u64, limit: usize) -> Result<Kept, StoreError> {
        let raw = self.readers.read("read a trail", |connection| {
            // One moment for all of it.
            let within = connection.unchecked_transaction()?;
            let raw = Raw {
                log: log(&within, session, after, limit)?,
                unsent: unsent(&within, session)?,
                letters: letters(&within, session)?,
                lane: lane(&within, session)?,
            };
            within.finish()?;
            Ok(raw)
        })?;
        raw.read()
    }
}

/// Rows as they are in the file.
struct Raw {
    log: Vec<RawEvent>,
    unsent: Vec<(Vec<u8>, bool)>,
    letters: Vec<Vec<u8>>,
    lane: Option<LaneFound>,
}

struct RawEvent {
    seq: u64,
    json: Vec<u8>,
    call: Option<Vec<u8>>,
    pushed: Option<bool>,
}

impl Raw {
    fn read(self) -> Result<Kept, StoreError> {
        let last = self.log.last().map_or(0, |event| event.seq);
        let row = |event: RawEvent| {
            let call = event.call.as_deref().map(from_bytes).transpose()?;
            Ok(LogRow {
                json: event.json,
                call,
                pushed: event.pushed,
            })
        };
        let entry = |(bytes, attempted): (Vec<u8>, bool)| {
            Ok(UnsentFound {
                entry: from_bytes(&bytes)?,
                attempted,
            })
        };
        Ok(Kept {
            rows: self.log.into_iter().map(row).collect::<Result<_, _>>()?,
            last,
            unsent: self
                .unsent
                .into_iter()
                .map(entry)
                .collect::<Result<_, _>>()?,
            letters: self
                .letters
                .iter()
                .map(|bytes| from_bytes(bytes))
                .collect::<Result<_, _>>()?,
            lane: self.lane,
        })
    }
}

fn log(
    connection: &Connection,
    session: &SessionId,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<RawEvent>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT seq, json, call, pushed FROM events WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?",
        )?
        .query_map(params![session.as_str(), version(after), limit], |row| {
            Ok(RawEvent {
                seq: number(row.get(0)?),
                json: row.get(1)?,
                call: row.get(2)?,
                pushed: row.get(3)?,
            })
        })?
        .scan(0, |size, event| {
            let full = *size > PAGE_BYTES;
            *size += event.as_ref().map_or(0, |event| event.json.len());
            (!full).then_some(event)
        })
        .collect()
}

fn unsent(connection: &Connection, session: &SessionId) -> rusqlite::Result<Vec<(Vec<u8>, bool)>> {
    connection
        .prepare_cached("SELECT entry, attempted FROM outbox WHERE session = ? ORDER BY number")?
        .query_map([session.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn letters(connection: &Connection, session: &SessionId) -> rusqlite::Result<Vec<Vec<u8>>> {
    let most = i64::try_from(MOST_LETTERS).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT letter FROM dead_letters WHERE session = ? ORDER BY at, id LIMIT ?",
        )?
        .query_map(params![session.as_str(), most], |row| row.get(0))?
        .collect()
}

fn lane(connection: &Connection, session: &SessionId) -> rusqlite::Result<Option<LaneFound>> {
    connection
        .prepare_cached(
            "SELECT after, last, tries, due, since FROM push_lanes WHERE session = ? AND replay = ''",
        )?
        .query_row([session.as_str()], |row| {
            Ok(LaneFound {
                after: number(row.get(0)?),
                last: number(row.get(1)?),
                tries: row.get(2)?,
                due: Timestamp::from_unix_ms(row.get(3)?),
                since: Timestamp::from_unix_ms(row.get(4)?),
            })
        })
        .optional()
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
