//! The statements of one write, and the bytes that go into the rows.

use kefu_core::turn::Name;
use kefu_plugin_api::{
    ids::SessionId,
    time::Timestamp,
    wire::{decode, encode},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Commit, Committed, InboxEvent, StoreError, figures, list, name_parts, open, push, trail,
};
use kefu_core::outbox::DeadLetter;

/// How long a request's answer is remembered.
const ANSWERS_KEPT_MS: i64 = 48 * 3600 * 1000;

/// Writes a turn. Whatever can be in the way is looked at before the first
/// row changes, so that one refused commit spoils no other in the batch.
pub(super) fn commit(connection: &Connection, commit: &Commit) -> Result<Committed, StoreError> {
    if let Some(refused) = in_the_way(connection, commit)? {
        return Ok(refused);
    }
    let written = if commit.create {
        create(connection, commit)?;
        true
    } else {
        update(connection, commit)?
    };
    if !written {
        return Ok(Committed::Conflict);
    }
    write_log_and_outbox(connection, commit)?;
    for Name { provider, key } in &commit.names {
        let (kind, name) = name_parts(key);
        run(
            connection,
            "INSERT INTO names (provider, kind, name, session) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET session = excluded.session",
            params![provider.as_str(), kind, name, commit.record.id.as_str()],
        )?;
    }
    if let Some(inbox) = commit.inbox {
        remove_from_inbox(connection, inbox)?;
    }
    if let Some(letter) = &commit.dead {
        write_letter(connection, letter)?;
    }
    if let Some(letter) = &commit.revived {
        push::take_letter(connection, letter)?;
    }
    push::follow(connection, commit)?;
    if let Some((who, key, answer)) = &commit.answered {
        run(
            connection,
            "INSERT OR REPLACE INTO answered (app, visitor, target, key, expires, answer) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                who.app.as_str(),
                who.visitor,
                key.target,
                key.key,
                commit.now.unix_ms() + ANSWERS_KEPT_MS,
                to_bytes(answer)?
            ],
        )?;
    }
    Ok(Committed::Done)
}

/// Why a turn cannot be written, as far as rows of others say so.
fn in_the_way(connection: &Connection, commit: &Commit) -> Result<Option<Committed>, StoreError> {
    let record = &commit.record;
    if let Some((who, key, _)) = &commit.answered {
        let taken = exists(
            connection,
            "SELECT 1 FROM answered WHERE app = ? AND visitor = ? AND target = ? AND key = ? AND expires > ?",
            params![
                who.app.as_str(),
                who.visitor,
                key.target,
                key.key,
                commit.now.unix_ms()
            ],
        )?;
        if taken {
            return Ok(Some(Committed::KeyTaken));
        }
    }
    if let Some(inbox) = commit.inbox {
        let waits = exists(
            connection,
            "SELECT 1 FROM inbox WHERE id = ?",
            [version(inbox)],
        )?;
        if !waits {
            // Handled already: it must not happen twice.
            return Ok(Some(Committed::Conflict));
        }
    }
    if let Some(letter) = &commit.revived
        && !push::has_letter(connection, letter)?
    {
        return Ok(Some(Committed::Conflict));
    }
    let (app, visitor) = (record.app.as_str(), record.visitor.id.as_str());
    if commit.alone && !record.is_over() {
        let other = first(
            connection,
            "SELECT session FROM open_sessions WHERE app = ? AND visitor = ? AND provider = ? AND session <> ?",
            params![app, visitor, record.provider.as_str(), record.id.as_str()],
        )?;
        if other.is_some() {
            return Ok(other);
        }
    }
    if !commit.create {
        return Ok(None);
    }
    first(
        connection,
        "SELECT session FROM open_sessions WHERE app = ? AND visitor = ? AND desk = ?",
        params![app, visitor, record.desk.as_str()],
    )
}

/// The open session that a statement finds.
fn first(
    connection: &Connection,
    sql: &'static str,
    values: impl rusqlite::Params,
) -> Result<Option<Committed>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_row(values, |row| row.get::<_, String>(0))
                .optional()
        })
        .map(|open| open.map(|open| Committed::AlreadyOpen(SessionId::new(open))))
        .map_err(|error| StoreError::new("write a turn", error))
}

fn create(connection: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let record = &commit.record;
    let (app, visitor) = (record.app.as_str(), record.visitor.id.as_str());
    run(
        connection,
        "INSERT INTO sessions (id, version, open, next_due, record) VALUES (?, ?, ?, ?, ?)",
        params![
            record.id.as_str(),
            version(record.version),
            !record.is_over(),
            record.next_due().map(Timestamp::unix_ms),
            to_bytes(record)?
        ],
    )?;
    run(
        connection,
        "INSERT INTO visits (app, visitor, opened_at, session) VALUES (?, ?, ?, ?)",
        params![app, visitor, record.opened_at.unix_ms(), record.id.as_str()],
    )?;
    list::enter(connection, record)?;
    if !record.is_over() {
        run(
            connection,
            "INSERT INTO open_sessions (app, visitor, desk, session, provider, state_version) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                app,
                visitor,
                record.desk.as_str(),
                record.id.as_str(),
                record.provider.as_str(),
                record.state_version
            ],
        )?;
    }
    Ok(())
}

/// Whether the session was in the version that the turn began with.
fn update(connection: &Connection, commit: &Commit) -> Result<bool, StoreError> {
    let record = &commit.record;
    let changed = run(
        connection,
        "UPDATE sessions SET version = ?, open = ?, next_due = ?, record = ? WHERE id = ? AND version = ?",
        params![
            version(record.version),
            !record.is_over(),
            record.next_due().map(Timestamp::unix_ms),
            to_bytes(record)?,
            record.id.as_str(),
            version(record.version) - 1
        ],
    )?;
    if changed > 0 && record.is_over() {
        run(
            connection,
            "DELETE FROM open_sessions WHERE app = ? AND visitor = ? AND desk = ? AND session = ?",
            params![
                record.app.as_str(),
                record.visitor.id,
                record.desk.as_str(),
                record.id.as_str()
            ],
        )?;
    } else if changed > 0 {
        open::follow(connection, record)?;
    }
    if changed > 0 && commit.moved {
        list::follow(connection, record)?;
    }
    Ok(changed > 0)
}

fn write_log_and_outbox(connection: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let session = commit.record.id.as_str();
    trail::write_log(connection, commit)?;
    for entry in &commit.calls {
        run(
            connection,
            "INSERT INTO outbox (session, number, attempted, entry) VALUES (?, ?, 0, ?)",
            params![session, version(entry.number), to_bytes(entry)?],
        )?;
    }
    for &number in &commit.finished {
        run(
            connection,
            "DELETE FROM outbox WHERE session = ? AND number = ?",
            params![session, version(number)],
        )?;
    }
    Ok(())
}

/// Writes the events of a callback, leaving out repeats.
pub(super) fn receive(
    connection: &Connection,
    events: &[InboxEvent],
) -> Result<Vec<Option<u64>>, StoreError> {
    events
        .iter()
        .map(|event| receive_one(connection, event))
        .collect()
}

fn receive_one(connection: &Connection, event: &InboxEvent) -> Result<Option<u64>, StoreError> {
    if let Some((key, expires)) = &event.dedupe {
        // A key that has lapsed counts as absent.
        let fresh = run(
            connection,
            "INSERT INTO dedupe (provider, conversation, key, expires) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET expires = excluded.expires WHERE dedupe.expires <= ?5",
            params![
                event.provider.as_str(),
                event.conversation.as_str(),
                key,
                expires.unix_ms(),
                event.received_at.unix_ms()
            ],
        )?;
        if fresh == 0 {
            return Ok(None);
        }
    }
    put_into_inbox(connection, event)
}

pub(super) fn put_into_inbox(
    connection: &Connection,
    event: &InboxEvent,
) -> Result<Option<u64>, StoreError> {
    run(
        connection,
        "INSERT INTO inbox (event) VALUES (?)",
        params![to_bytes(event)?],
    )?;
    Ok(u64::try_from(connection.last_insert_rowid()).ok())
}

pub(super) fn mark_attempted(
    connection: &Connection,
    session: &SessionId,
    number: u64,
    attempted: bool,
) -> Result<(), StoreError> {
    run(
        connection,
        "UPDATE outbox SET attempted = ? WHERE session = ? AND number = ?",
        params![attempted, session.as_str(), version(number)],
    )
    .map(drop)
}

pub(super) fn bury(
    connection: &Connection,
    inbox: u64,
    letter: &DeadLetter,
) -> Result<(), StoreError> {
    remove_from_inbox(connection, inbox)?;
    write_letter(connection, letter)
}

pub(super) fn sweep(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    run(
        connection,
        "DELETE FROM answered WHERE expires <= ?",
        params![now.unix_ms()],
    )?;
    run(
        connection,
        "DELETE FROM dedupe WHERE expires <= ?",
        params![now.unix_ms()],
    )?;
    figures::sweep(connection, now)
}

fn remove_from_inbox(connection: &Connection, inbox: u64) -> Result<(), StoreError> {
    run(
        connection,
        "DELETE FROM inbox WHERE id = ?",
        params![version(inbox)],
    )
    .map(drop)
}

pub(super) fn write_letter(connection: &Connection, letter: &DeadLetter) -> Result<(), StoreError> {
    run(
        connection,
        "INSERT INTO dead_letters (id, at, session, letter) VALUES (?, ?, ?, ?)",
        params![
            letter.id,
            letter.at.unix_ms(),
            letter.session.as_str(),
            to_bytes(letter)?
        ],
    )
    .map(drop)
}

pub(super) fn run(
    connection: &Connection,
    sql: &'static str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values))
        .map_err(|error| StoreError::new("write", error))
}

pub(super) fn exists(
    connection: &Connection,
    sql: &'static str,
    values: impl rusqlite::Params,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.exists(values))
        .map_err(|error| StoreError::new("write a turn", error))
}

/// The database counts with signed numbers; ours never come near the end.
pub(super) fn version(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    encode(value).map_err(|error| StoreError::new("write a row", error))
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    decode(bytes).map_err(|error| StoreError::new("read a row", error))
}
