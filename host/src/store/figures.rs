//! The rows of what was measured: counts by time, desk and provider, and what
//! vendors answered that their sessions can do.
//!
//! Owns the questions about them and their tables. A row is written whole, in
//! place of the one before. Deliberately is no part of a turn's commit: what is
//! measured in the last seconds before a crash may be lost. Invariant: rows that
//! are older than [`KEPT_MS`] go with the next sweep.

use std::{collections::BTreeSet, ops::Range};

use kefu_core::figures::Tally;
use kefu_plugin_api::{
    capability::Capabilities,
    ids::{DeskId, ProviderId},
    time::Timestamp,
};
use rusqlite::{Connection, params};

use super::{
    Done, StoreError,
    rows::{from_bytes, run, to_bytes},
    sqlite::SqliteStore,
    writer::Job,
};

/// How long measurements are kept: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// Where measurements are kept.
pub trait FiguresStore {
    /// Writes counts and answers of vendors, each in place of the row before.
    fn keep_figures(&self, rows: Vec<CountedRow>, returned: Vec<ReturnedRow>, done: Done<()>);

    /// The counts whose slots begin in this span, oldest first; of all desks
    /// and providers, or of one of each.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    fn figures(
        &self,
        of: Option<(&DeskId, &ProviderId)>,
        span: Range<Timestamp>,
    ) -> Result<Vec<CountedRow>, StoreError>;

    /// What vendors answered, the newest first.
    ///
    /// # Errors
    /// As above.
    fn returned(&self) -> Result<Vec<ReturnedRow>, StoreError>;
}

/// What was counted from a moment on, until the next row of the same desk and
/// provider begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedRow {
    /// When it begins.
    pub begin: Timestamp,
    /// At which desk.
    pub desk: DeskId,
    /// Of whom.
    pub provider: ProviderId,
    /// What.
    pub tally: Tally,
}

/// What a vendor answered that sessions of one version of an app can do.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnedRow {
    /// Who answered.
    pub provider: ProviderId,
    /// The app's version; empty where it said none.
    pub app_version: String,
    /// A digest of the capabilities: two answers with the same one are the same.
    pub digest: String,
    /// What sessions can do.
    pub capabilities: Capabilities,
    /// In how many sessions it was answered.
    pub sessions: u64,
    /// When last.
    pub last: Timestamp,
}

impl FiguresStore for SqliteStore {
    fn keep_figures(&self, rows: Vec<CountedRow>, returned: Vec<ReturnedRow>, done: Done<()>) {
        self.write(Job::KeepFigures(rows, returned, done));
    }

    fn figures(
        &self,
        of: Option<(&DeskId, &ProviderId)>,
        span: Range<Timestamp>,
    ) -> Result<Vec<CountedRow>, StoreError> {
        let (desk, provider) = of.map_or(("", ""), |(desk, provider)| {
            (desk.as_str(), provider.as_str())
        });
        let found: Vec<Counted> = self.readers.read("read figures", |connection| {
            connection
                .prepare_cached(
                    "SELECT begin, desk, provider, tally FROM figures
                     WHERE begin >= ?1 AND begin < ?2 AND (NOT ?3 OR (desk = ?4 AND provider = ?5))
                     ORDER BY begin, desk, provider",
                )?
                .query_map(
                    params![
                        span.start.unix_ms(),
                        span.end.unix_ms(),
                        of.is_some(),
                        desk,
                        provider
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )?
                .collect()
        })?;
        found.into_iter().map(counted).collect()
    }

    fn returned(&self) -> Result<Vec<ReturnedRow>, StoreError> {
        let found: Vec<Returned> = self.readers.read("read what vendors answered", |connection| {
            connection
                .prepare(
                    "SELECT provider, app_version, digest, capabilities, sessions, last FROM returned
                     ORDER BY last DESC, provider, app_version, digest",
                )?
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                })?
                .collect()
        })?;
        found.into_iter().map(returned).collect()
    }
}

type Counted = (i64, String, String, Vec<u8>);
type Returned = (String, String, String, Vec<u8>, i64, i64);

fn counted((begin, desk, provider, tally): Counted) -> Result<CountedRow, StoreError> {
    Ok(CountedRow {
        begin: Timestamp::from_unix_ms(begin),
        desk: desk.into(),
        provider: provider.into(),
        tally: from_bytes(&tally)?,
    })
}

fn returned(row: Returned) -> Result<ReturnedRow, StoreError> {
    let (provider, app_version, digest, capabilities, sessions, last) = row;
    Ok(ReturnedRow {
        provider: provider.into(),
        app_version,
        digest,
        capabilities: from_bytes(&capabilities)?,
        sessions: u64::try_from(sessions).unwrap_or_default(),
        last: Timestamp::from_unix_ms(last),
    })
}

/// Writes each row in place of the one before.
pub(super) fn keep(
    connection: &Connection,
    rows: &[CountedRow],
    returned: &[ReturnedRow],
) -> Result<(), StoreError> {
    for row in rows {
        run(
            connection,
            "INSERT OR REPLACE INTO figures (begin, desk, provider, tally) VALUES (?, ?, ?, ?)",
            params![
                row.begin.unix_ms(),
                row.desk.as_str(),
                row.provider.as_str(),
                to_bytes(&row.tally)?
            ],
        )?;
    }
    for row in returned {
        run(
            connection,
            "INSERT OR REPLACE INTO returned (provider, app_version, digest, capabilities, sessions, last)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                row.provider.as_str(),
                row.app_version,
                row.digest,
                to_bytes(&row.capabilities)?,
                i64::try_from(row.sessions).unwrap_or(i64::MAX),
                row.last.unix_ms()
            ],
        )?;
    }
    let providers: BTreeSet<&str> = returned.iter().map(|row| row.provider.as_str()).collect();
    for provider in providers {
        // Versions are what clients say, so there may be any number.
        run(
            connection,
            "DELETE FROM returned WHERE provider = ?1 AND (app_version, digest) NOT IN
             (SELECT app_version, digest FROM returned WHERE provider = ?1
              ORDER BY last DESC LIMIT ?2)",
            params![provider, MOST_RETURNED],
        )?;
    }
    Ok(())
}

/// Answers of one provider that are kept, the newest: as many as in memory, and
/// what one flush may add.
const MOST_RETURNED: i64 = 128;

/// Forgets what is too old.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let before = now.plus_ms(-KEPT_MS).unix_ms();
    run(
        connection,
        "DELETE FROM figures WHERE begin < ?",
        params![before],
    )?;
    run(
        connection,
        "DELETE FROM returned WHERE last < ?",
        params![before],
    )
    .map(drop)
}
