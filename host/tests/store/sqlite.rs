//! The store in a file: what it refuses to open.

use kefu_gateway::{
    store::{Store, Wanted, sqlite::SqliteStore},
    telemetry::Metrics,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixture::{Place, done, end, letter, session, turn};

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
fn a_file_from_before_open_sessions_named_their_provider_is_brought_up_to_date() {
    let mut place = place();
    let mut record = session("v", "desk", 0);
    record.state_version = "1.0.0".into();
    done(place.store(), turn(&mut record));
    go_back(&mut place, 1);
    place.reopen();
    let store = place.store();
    assert_eq!(store.open_by_provider().unwrap()[&"first".into()], 1);
    let states = store.states(&"first".into(), 9).unwrap();
    assert_eq!(states[0].version, "1.0.0");
    assert_eq!(states[0].state, record.adapter_state);
}

#[test]
fn a_file_from_before_apps_were_told_is_brought_up_to_date() {
    let mut place = place();
    let mut record = session("v", "desk", 0);
    done(place.store(), turn(&mut record));
    go_back(&mut place, 2);
    place.reopen();
    let store = place.store();
    assert_eq!(store.record(&record.id), Ok(Some(record.clone())));
    assert_eq!(store.push_lanes(), Ok(vec![]), "what was said is not told");
    let mut told = turn(&mut record);
    told.pushes = Some((2, 2));
    done(store, told);
    assert_eq!(store.push_lanes().unwrap()[0].after, 1);
}

#[test]
fn a_file_from_before_there_was_a_list_is_brought_up_to_date() {
    let mut place = place();
    let mut records = [session("v", "desk", 0), session("w", "desk", 1_000)];
    for record in &mut records {
        done(place.store(), turn(record));
    }
    let mut ended = end(&mut records[0]);
    ended.dead = Some(letter("l", &ended.record.id, 0));
    done(place.store(), ended);
    go_back(&mut place, 3);
    place.reopen();
    let store = place.store();
    let open = |open| Wanted {
        open: Some(open),
        limit: 9,
        ..Wanted::default()
    };
    assert_eq!(
        store.list(&open(false)).unwrap().sessions,
        [records[0].clone()]
    );
    assert_eq!(
        store.list(&open(true)).unwrap().sessions,
        [records[1].clone()]
    );
    let kept = store.kept(&records[0].id, 0, 9).unwrap();
    assert_eq!(
        kept.letters.len(),
        1,
        "of a letter, too, it is known whose it is"
    );
    assert_eq!(kept.rows[0].pushed, None, "nobody kept that then");
}

/// Makes a file of a gateway of before: without the tables and columns of every
/// step after this version.
fn go_back(place: &mut InFolder, version: usize) {
    drop(place.store.take());
    let file = Connection::open(place.path()).unwrap();
    for undo in UNDO.iter().skip(version.saturating_sub(1)).rev() {
        file.execute_batch(undo).unwrap();
    }
    file.pragma_update(None, "user_version", i64::try_from(version).unwrap())
        .unwrap();
}

/// What undoes each step but the first.
const UNDO: &[&str] = &[
    "ALTER TABLE open_sessions DROP COLUMN provider;
     ALTER TABLE open_sessions DROP COLUMN state_version;",
    "DROP TABLE push_lanes;",
    "DROP TABLE session_list;",
    "DROP INDEX dead_letters_of;
     ALTER TABLE dead_letters DROP COLUMN session;
     ALTER TABLE events DROP COLUMN pushed;
     ALTER TABLE events DROP COLUMN call;",
    "DROP TABLE returned;
     DROP TABLE figures;",
    "DROP TABLE migrations;",
    "ALTER TABLE session_list DROP COLUMN synthetic;",
];

/// Prints how long the questions about open sessions take; run by hand.
#[test]
#[ignore = "a measurement"]
#[expect(
    clippy::print_stdout,
    reason = "what was measured is for whoever ran it"
)]
fn questions_about_a_hundred_thousand_open_sessions() {
    let place = place();
    let store = place.store();
    let (tell, told) = std::sync::mpsc::channel();
    for number in 0..100_000 {
        let mut record = session(&format!("visitor-{number}"), "desk", number);
        record.state_version = format!("1.0.{}", number % 3);
        record.adapter_state = vec![7; 2_000];
        let tell = tell.clone();
        store.commit(
            turn(&mut record),
            Box::new(move |result| tell.send(result).unwrap()),
        );
    }
    for _ in 0..100_000 {
        told.recv().unwrap().unwrap();
    }
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let sampled = store.states(&"first".into(), 1_000).unwrap().len();
        let states = started.elapsed();
        let counts = store.open_by_provider().unwrap();
        let counted = started.elapsed() - states;
        store.open_sessions_of(&"nobody".into(), None, 200).unwrap();
        let paged = started.elapsed() - states - counted;
        println!(
            "{sampled} states in {states:?}, counted {counts:?} in {counted:?}, walked in {paged:?}"
        );
    }
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
