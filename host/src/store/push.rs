//! The rows of pushes to apps' servers, and of dead letters that are tried
//! again.
//!
//! A lane is a place in a session's log, written in the turn that gave it
//! something to do; what is pushed is read from the log itself. Invariant: a
//! lane is there exactly as long as something is left in it, because whoever
//! takes it away compares it in the same batch with what turns have added.

use kefu_core::outbox::DeadLetter;
use kefu_plugin_api::{
    ids::{AppId, SessionId},
    time::Timestamp,
};
use rusqlite::{Connection, params};

use super::{
    Again, Commit, PushLane, StoreError,
    rows::{exists, put_into_inbox, run, version, write_letter},
};

/// Gives a session's lane what a turn added.
pub(super) fn follow(connection: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let Some((first, last)) = commit.pushes else {
        return Ok(());
    };
    run(
        connection,
        "INSERT INTO push_lanes (session, replay, app, after, last, tries, due, since)
         VALUES (?, '', ?, ?, ?, 0, 0, ?)
         ON CONFLICT DO UPDATE SET last = excluded.last",
        params![
            commit.record.id.as_str(),
            commit.record.app.as_str(),
            version(first.saturating_sub(1)),
            version(last),
            commit.now.unix_ms()
        ],
    )
    .map(drop)
}

/// Moves a lane to where it got, or takes it away. One that was forgotten while
/// it was tried, and began anew farther on, stays where it is.
pub(super) fn advance(
    connection: &Connection,
    lane: &PushLane,
    dead: Option<&DeadLetter>,
) -> Result<bool, StoreError> {
    let (session, replay) = (lane.session.as_str(), replay_of(lane));
    let goes_on = run(
        connection,
        "UPDATE push_lanes SET after = ?1, tries = ?2, due = ?3, since = ?4
         WHERE session = ?5 AND replay = ?6 AND last > ?1 AND after <= ?1",
        params![
            version(lane.after),
            lane.tries,
            lane.due.unix_ms(),
            lane.since.unix_ms(),
            session,
            replay
        ],
    )?;
    let ended = if goes_on == 0 {
        run(
            connection,
            "DELETE FROM push_lanes WHERE session = ? AND replay = ? AND last <= ?",
            params![session, replay, version(lane.after)],
        )?
    } else {
        0
    };
    // A lane that was forgotten meanwhile leaves no dead letter behind.
    if let (Some(letter), true) = (dead, goes_on + ended > 0) {
        write_letter(connection, letter)?;
    }
    Ok(goes_on > 0)
}

/// Forgets every lane of an app.
pub(super) fn forget(connection: &Connection, app: &AppId) -> Result<usize, StoreError> {
    run(
        connection,
        "DELETE FROM push_lanes WHERE app = ?",
        [app.as_str()],
    )
}

/// Puts something in the place of a dead letter.
pub(super) fn unbury(
    connection: &Connection,
    letter: &str,
    again: &Again,
) -> Result<Option<u64>, StoreError> {
    if !take_letter(connection, letter)? {
        return Ok(None);
    }
    match again {
        Again::Event(event) => put_into_inbox(connection, event),
        Again::Push(lane) => {
            run(
                connection,
                "INSERT OR REPLACE INTO push_lanes (session, replay, app, after, last, tries, due, since)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    lane.session.as_str(),
                    replay_of(lane),
                    lane.app.as_str(),
                    version(lane.after),
                    version(lane.last),
                    lane.tries,
                    lane.due.unix_ms(),
                    lane.since.unix_ms()
                ],
            )?;
            Ok(Some(0))
        }
    }
}

/// Whether a dead letter is there.
pub(super) fn has_letter(connection: &Connection, letter: &str) -> Result<bool, StoreError> {
    exists(
        connection,
        "SELECT 1 FROM dead_letters WHERE id = ?",
        [letter],
    )
}

/// Takes a dead letter out. Whether it was there.
pub(super) fn take_letter(connection: &Connection, letter: &str) -> Result<bool, StoreError> {
    let taken = run(
        connection,
        "DELETE FROM dead_letters WHERE id = ?",
        [letter],
    )?;
    Ok(taken > 0)
}

/// Every lane.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<PushLane>> {
    let number = |value: i64| u64::try_from(value).unwrap_or_default();
    connection
        .prepare("SELECT session, replay, app, after, last, tries, due, since FROM push_lanes")?
        .query_map([], |row| {
            let replay: String = row.get(1)?;
            Ok(PushLane {
                session: SessionId::new(row.get::<_, String>(0)?),
                replay: (!replay.is_empty()).then_some(replay),
                app: AppId::new(row.get::<_, String>(2)?),
                after: number(row.get(3)?),
                last: number(row.get(4)?),
                tries: row.get(5)?,
                due: Timestamp::from_unix_ms(row.get(6)?),
                since: Timestamp::from_unix_ms(row.get(7)?),
            })
        })?
        .collect()
}

fn replay_of(lane: &PushLane) -> &str {
    lane.replay.as_deref().unwrap_or_default()
}
