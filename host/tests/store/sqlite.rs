//! The store in a file: what it refuses to open.

use kefu_gateway::{
    store::{Store, sqlite::SqliteStore},
    telemetry::Metrics,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixture::Place;

#[test]
fn a_file_of_a_newer_gateway_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kefu.db");
    drop(SqliteStore::open(&path, Metrics::default()).unwrap());
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = refusal(&path);
    assert!(error.contains("version 99"), "{error}");
    assert!(error.contains("kefu.db"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kefu.db");
    let text = "these are my notes, not a database".repeat(99);
    std::fs::write(&path, &text).unwrap();
    let error = refusal(&path);
    assert!(error.contains("kefu.db"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_file_in_use_is_refused() {
    let place = place();
    let error = refusal(&place.path());
    assert!(error.contains("another gateway"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/below/kefu.db");
    let store = SqliteStore::open(&path, Metrics::default()).unwrap();
    assert_eq!(store.open_count(), Ok(0));
}

fn refusal(path: &std::path::Path) -> String {
    match SqliteStore::open(path, Metrics::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

/// A file in a folder of its own.
pub(crate) struct InFolder {
    folder: TempDir,
    store: Option<SqliteStore>,
}

pub(crate) fn place() -> InFolder {
    let mut place = InFolder {
        folder: TempDir::new().unwrap(),
        store: None,
    };
    place.reopen();
    place
}

impl InFolder {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("kefu.db")
    }
}

impl Place for InFolder {
    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        drop(self.store.take());
        self.store = Some(SqliteStore::open(&self.path(), Metrics::default()).unwrap());
    }
}
