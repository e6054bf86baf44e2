//! The rows of migrations: how far each has come.
//!
//! Owns one row per migration, written whole in place of the one before.
//! Deliberately removes none: what became of a migration can be read after it
//! has left the configuration.

use std::collections::BTreeMap;

use kefu_core::migration::Progress;
use rusqlite::{Connection, params};

use super::{
    Done, StoreError,
    rows::{from_bytes, run, to_bytes},
    sqlite::SqliteStore,
    writer::Job,
};

/// Where the progress of migrations is kept.
pub trait MigrationStore {
    /// Writes how far a migration has come.
    fn keep_migration(&self, name: &str, progress: Progress, done: Done<()>);

    /// Every migration that was ever begun, by its name.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    fn migrations(&self) -> Result<BTreeMap<String, Progress>, StoreError>;
}

impl MigrationStore for SqliteStore {
    fn keep_migration(&self, name: &str, progress: Progress, done: Done<()>) {
        self.write(Job::KeepMigration(
            name.to_owned(),
            Box::new(progress),
            done,
        ));
    }

    fn migrations(&self) -> Result<BTreeMap<String, Progress>, StoreError> {
        let found: Vec<(String, Vec<u8>)> =
            self.readers.read("read the migrations", |connection| {
                connection
                    .prepare("SELECT name, progress FROM migrations")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })?;
        found
            .into_iter()
            .map(|(name, bytes)| Ok((name, from_bytes(&bytes)?)))
            .collect()
    }
}

pub(super) fn keep(
    connection: &Connection,
    name: &str,
    progress: &Progress,
) -> Result<(), StoreError> {
    run(
        connection,
        "INSERT OR REPLACE INTO migrations (name, progress) VALUES (?, ?)",
        params![name, to_bytes(progress)?],
    )
    .map(drop)
}
