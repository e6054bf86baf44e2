//! The tables, and how an older file is brought up to date.

use rusqlite::Connection;

use super::{StoreError, list, open, trail};

/// One version of the tables to the next.
struct Step {
    tables: &'static str,
    /// What cannot be said in SQL, done after it.
    rows: fn(&Connection) -> Result<(), StoreError>,
}

/// Each step brings the file one version further; steps are added, never
/// edited.
const STEPS: &[Step] = &[
    Step {
        tables: FIRST,
        rows: |_| Ok(()),
    },
    // Whose an open session is, and which version wrote its state.
    Step {
        tables: "
            ALTER TABLE open_sessions ADD COLUMN provider TEXT NOT NULL DEFAULT '';
            ALTER TABLE open_sessions ADD COLUMN state_version TEXT NOT NULL DEFAULT '';
            ",
        rows: open::fill_in,
    },
    // What apps' servers are still to be told. A row per session that has
    // something left; a replayed dead letter has a row of its own.
    Step {
        tables: "
            CREATE TABLE push_lanes (
                session TEXT NOT NULL, replay TEXT NOT NULL, app TEXT NOT NULL,
                after INTEGER NOT NULL, last INTEGER NOT NULL,
                tries INTEGER NOT NULL, due INTEGER NOT NULL, since INTEGER NOT NULL,
                PRIMARY KEY (session, replay)
            ) WITHOUT ROWID;
            ",
        rows: |_| Ok(()),
    },
    // All sessions by the time they were opened, the open ones once more, so
    // that the few that are open are found among a million that are not.
    Step {
        tables: "
            CREATE TABLE session_list (
                opened_at INTEGER NOT NULL, session TEXT NOT NULL,
                desk TEXT NOT NULL, provider TEXT NOT NULL, state TEXT NOT NULL,
                PRIMARY KEY (opened_at, session)
            ) WITHOUT ROWID;
            CREATE INDEX session_list_open ON session_list (opened_at, session) WHERE state <> 'ended';
            ",
        rows: list::fill_in,
    },
    // What operators are told beside the log: how the call ended whose turn
    // wrote an event, whether the app's server was to be told of it, and whose a
    // dead letter is.
    Step {
        tables: "
            ALTER TABLE events ADD COLUMN call BLOB;
            ALTER TABLE events ADD COLUMN pushed INTEGER;
            ALTER TABLE dead_letters ADD COLUMN session TEXT NOT NULL DEFAULT '';
            CREATE INDEX dead_letters_of ON dead_letters (session);
            ",
        rows: trail::fill_in,
    },
    // What was measured, a row per minute, desk and provider; and what vendors
    // answered that sessions can do.
    Step {
        tables: "
            CREATE TABLE figures (
                begin INTEGER NOT NULL, desk TEXT NOT NULL, provider TEXT NOT NULL,
                tally BLOB NOT NULL,
                PRIMARY KEY (begin, desk, provider)
            ) WITHOUT ROWID;
            CREATE TABLE returned (
                provider TEXT NOT NULL, app_version TEXT NOT NULL, digest TEXT NOT NULL,
                capabilities BLOB NOT NULL, sessions INTEGER NOT NULL, last INTEGER NOT NULL,
                PRIMARY KEY (provider, app_version, digest)
            ) WITHOUT ROWID;
            ",
        rows: |_| Ok(()),
    },
    // How far migrations have come.
    Step {
        tables: "
            CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, progress BLOB NOT NULL) WITHOUT ROWID;
            ",
        rows: |_| Ok(()),
    },
    // Which sessions are the gateway's own.
    Step {
        tables: "ALTER TABLE session_list ADD COLUMN synthetic INTEGER NOT NULL DEFAULT 0;",
        rows: |_| Ok(()),
    },
];

const FIRST: &str = "
    -- One row per session. The record is MessagePack; the columns beside it are
    -- what rows are found by.
    CREATE TABLE sessions (
        id TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        open INTEGER NOT NULL,
        next_due INTEGER,
        record BLOB NOT NULL
    );
    CREATE INDEX sessions_due ON sessions (next_due) WHERE next_due IS NOT NULL;

    -- A visitor's sessions, and the one that is open at a desk.
    CREATE TABLE visits (
        app TEXT NOT NULL, visitor TEXT NOT NULL, opened_at INTEGER NOT NULL, session TEXT NOT NULL,
        PRIMARY KEY (app, visitor, opened_at, session)
    ) WITHOUT ROWID;
    CREATE TABLE open_sessions (
        app TEXT NOT NULL, visitor TEXT NOT NULL, desk TEXT NOT NULL, session TEXT NOT NULL,
        PRIMARY KEY (app, visitor, desk)
    ) WITHOUT ROWID;

    -- The log, as the JSON that apps read.
    CREATE TABLE events (
        session TEXT NOT NULL, seq INTEGER NOT NULL, last INTEGER NOT NULL, json BLOB NOT NULL,
        PRIMARY KEY (session, seq)
    ) WITHOUT ROWID;

    -- What waits to be sent.
    CREATE TABLE outbox (
        session TEXT NOT NULL, number INTEGER NOT NULL, attempted INTEGER NOT NULL, entry BLOB NOT NULL,
        PRIMARY KEY (session, number)
    ) WITHOUT ROWID;

    -- What waits to be handled.
    CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);

    -- Under which name callbacks find which session.
    CREATE TABLE names (
        provider TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, session TEXT NOT NULL,
        PRIMARY KEY (provider, kind, name)
    ) WITHOUT ROWID;

    -- What came once must not come again.
    CREATE TABLE dedupe (
        provider TEXT NOT NULL, conversation TEXT NOT NULL, key TEXT NOT NULL, expires INTEGER NOT NULL,
        PRIMARY KEY (provider, conversation, key)
    ) WITHOUT ROWID;
    CREATE TABLE answered (
        app TEXT NOT NULL, visitor TEXT NOT NULL, target TEXT NOT NULL, key TEXT NOT NULL,
        expires INTEGER NOT NULL, answer BLOB NOT NULL,
        PRIMARY KEY (app, visitor, target, key)
    ) WITHOUT ROWID;

    CREATE TABLE dead_letters (id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL, letter BLOB NOT NULL);
    ";

/// Brings a file up to date, or refuses one that is newer than this gateway.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::new("prepare the tables", error);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 4000;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(failed)?;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let done = usize::try_from(found).ok().filter(|&done| done <= STEPS.len()).ok_or_else(|| {
        StoreError::new(
            "prepare the tables",
            format!("the file has version {found}, this gateway knows up to {known}; use a newer gateway"),
        )
    })?;
    if done == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step.tables).map_err(failed)?;
        (step.rows)(&transaction)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}
