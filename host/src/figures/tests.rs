//! What is read over memory and disk together.

use kefu_core::{
    figures::Seen,
    session::{Fallback, Opening, Record, Service},
};
use kefu_plugin_api::{
    capability::SessionState,
    event::{Client, Visitor},
};
use tempfile::TempDir;

use super::*;
use crate::{
    store::{Commit, sqlite::SqliteStore},
    telemetry::Metrics,
};

const HOUR_MS: i64 = 3600 * 1000;

struct Place {
    folder: TempDir,
    figures: Option<Figures>,
}

impl Place {
    fn new() -> Self {
        let mut place = Self {
            folder: tempfile::tempdir().unwrap(),
            figures: None,
        };
        place.restart();
        place
    }

    /// Stops without a word, as a crash does, and starts again.
    fn restart(&mut self) {
        self.figures = None;
        let path = self.folder.path().join("kefu.db");
        let store = SqliteStore::open(&path, Metrics::new()).unwrap();
        self.figures = Some(Figures::open(Arc::new(store)).unwrap());
    }

    fn figures(&self) -> &Figures {
        self.figures.as_ref().unwrap()
    }

    fn sees(&self, seen: Seen, at: Timestamp) {
        let provider = "vendor".into();
        let seen = [Observation { provider, seen }];
        self.figures()
            .count(&"desk".into(), &"0001".into(), &seen, at);
    }

    /// Writes everything and waits for it.
    fn flush(&self) {
        self.figures().flush().recv().unwrap();
    }

    fn of(&self, span: Range<Timestamp>) -> Tally {
        let (desk, provider) = ("desk".into(), "vendor".into());
        self.figures().of(&desk, &provider, span.start, span.end)
    }
}

#[test]
fn a_restart_keeps_what_was_written() {
    let mut place = Place::new();
    let now = clock::now();
    place.sees(Seen::Taken, now);
    place.sees(Seen::NotTaken, now.plus_ms(-HOUR_MS));
    place.flush();
    place.sees(Seen::Taken, now);
    place.restart();
    let recent = || now.plus_ms(-2 * HOUR_MS)..now.plus_ms(60_000);
    let kept = place.of(recent());
    assert_eq!((kept.openings, kept.opening_failures), (2, 1));
    place.sees(Seen::Taken, now);
    place.flush();
    place.restart();
    assert_eq!(place.of(recent()).openings, 3);
    let keys = place.figures().measured(recent());
    assert_eq!(
        keys.into_iter().collect::<Vec<_>>(),
        [("desk".into(), "vendor".into())]
    );
}

#[test]
fn what_is_not_in_memory_any_more_is_read_from_disk() {
    let mut place = Place::new();
    let now = clock::now();
    let old = now.plus_ms(-10 * HOUR_MS);
    place.sees(Seen::Unanswered { since: old }, now);
    place.sees(Seen::Taken, now);
    place.flush();
    place.sees(Seen::Unanswered { since: old }, now);
    place.flush();
    place.restart();
    let all = old.plus_ms(-HOUR_MS)..now.plus_ms(60_000);
    let tally = place.of(all.clone());
    assert_eq!((tally.unanswered, tally.openings), (2, 1));
    assert_eq!(place.of(old.plus_ms(HOUR_MS)..all.end).unanswered, 0);
    let series = place.figures().series(
        &"desk".into(),
        &"vendor".into(),
        all.start,
        all.end,
        Duration::from_secs(4 * 3600),
    );
    let unanswered: Vec<_> = series.iter().map(|(_, tally)| tally.unanswered).collect();
    assert_eq!(unanswered, [2, 0, 0]);
    assert_eq!(series[2].1.openings, 1);
    assert_eq!(place.figures().measured(all).len(), 1);
}

#[test]
fn a_question_that_was_open_at_the_stop_is_still_waited_for() {
    let mut place = Place::new();
    let now = clock::now();
    let since = now.plus_ms(-5 * 60_000);
    let mut record = Record::open(Opening {
        synthetic: false,
        id: "0001".into(),
        app: "app".into(),
        desk: "desk".into(),
        visitor: Visitor::default(),
        client: Client::default(),
        asked_group: None,
        order: vec![Fallback::new("vendor", None)],
        now: since,
    })
    .unwrap();
    record.version = 1;
    record.state = SessionState::Queued;
    record.service = Service {
        begun_at: since,
        taken_at: Some(since),
        asked_at: Some(since),
        answered_at: None,
    };
    let store = Arc::clone(place.figures().0.store.as_ref().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    store.commit(
        commit(record),
        Box::new(move |done| tell.send(done).unwrap()),
    );
    told.recv().unwrap().unwrap();
    drop(store);
    place.restart();
    let recent = || now.plus_ms(-HOUR_MS)..now.plus_ms(60_000);
    assert_eq!(place.of(recent()).unanswered, 0, "not looked for yet");
    place.figures().find_open().unwrap();
    assert_eq!(place.of(recent()).unanswered, 1);
    place.sees(Seen::Unanswered { since }, now);
    assert_eq!(place.of(recent()).unanswered, 1, "counted once");
}

fn commit(record: Record) -> Commit {
    Commit {
        record,
        create: true,
        alone: false,
        moved: false,
        ended: None,
        events: vec![],
        calls: vec![],
        finished: vec![],
        names: vec![],
        inbox: None,
        dead: None,
        revived: None,
        pushes: None,
        answered: None,
        now: clock::now(),
    }
}

#[test]
fn a_series_ends_where_its_span_ends() {
    let spans: Vec<_> = steps(at(0)..at(25), Duration::from_millis(10)).collect();
    assert_eq!(spans, [at(0)..at(10), at(10)..at(20), at(20)..at(25)]);
    assert_eq!(steps(at(5)..at(5), Duration::from_secs(1)).count(), 0);
    let figures = Figures::default();
    let span = at(0)..at(i64::from(u32::MAX));
    let step = Duration::ZERO;
    let series = figures.series_within(&"d".into(), &"p".into(), span, step, ANSWER_WITHIN);
    assert_eq!(series.len(), Figures::MAX_STEPS);
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}
