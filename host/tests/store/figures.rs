//! What was measured: what every store must do with it.

use kefu_core::figures::Tally;
use kefu_gateway::store::{
    Store,
    figures::{CountedRow, KEPT_MS, ReturnedRow},
};
use kefu_plugin_api::{
    capability::{Capabilities, Level},
    message::ContentKind,
};

use crate::fixture::{Place, at, wait};

fn row(minute: i64, desk: &str, provider: &str, openings: u64) -> CountedRow {
    CountedRow {
        begin: at(minute * 60_000),
        desk: desk.into(),
        provider: provider.into(),
        tally: Tally {
            openings,
            ..Tally::default()
        },
    }
}

fn answered(version: &str, digest: &str, sessions: u64, ms: i64) -> ReturnedRow {
    ReturnedRow {
        provider: "first".into(),
        app_version: version.into(),
        digest: digest.into(),
        capabilities: Capabilities::default().human(ContentKind::Location, Level::Full),
        sessions,
        last: at(ms),
    }
}

fn keep(store: &dyn Store, rows: Vec<CountedRow>, returned: Vec<ReturnedRow>) {
    wait(|done| store.keep_figures(rows, returned, done)).unwrap();
}

pub(crate) fn figures_are_kept_by_time_desk_and_provider(place: &mut impl Place) {
    let rows = vec![
        row(0, "desk", "first", 1),
        row(1, "desk", "first", 2),
        row(1, "desk", "second", 3),
        row(1, "other", "first", 4),
        row(2, "desk", "first", 5),
    ];
    keep(place.store(), rows.clone(), vec![]);
    keep(place.store(), vec![row(2, "desk", "first", 6)], vec![]);
    place.reopen();
    let store = place.store();
    let all = store.figures(None, at(60_000)..at(120_000)).unwrap();
    assert_eq!(all, rows[1..4]);
    let of = (&"desk".into(), &"first".into());
    let one = store.figures(Some(of), at(60_000)..at(180_000)).unwrap();
    assert_eq!(
        one,
        [row(1, "desk", "first", 2), row(2, "desk", "first", 6)]
    );
    assert_eq!(store.figures(None, at(5)..at(5)), Ok(vec![]));
}

pub(crate) fn what_vendors_answered_is_kept_once_per_answer(place: &mut impl Place) {
    let rows = vec![answered("1.0", "a", 1, 5), answered("", "b", 2, 9)];
    keep(place.store(), vec![], rows);
    keep(place.store(), vec![], vec![answered("1.0", "a", 7, 20)]);
    place.reopen();
    assert_eq!(
        place.store().returned(),
        Ok(vec![answered("1.0", "a", 7, 20), answered("", "b", 2, 9)])
    );
}

pub(crate) fn what_was_measured_long_ago_is_forgotten(place: &mut impl Place) {
    let store = place.store();
    let rows = vec![row(0, "desk", "first", 1), row(2, "desk", "first", 1)];
    let returned = vec![answered("1.0", "a", 1, 0), answered("2.0", "a", 1, 120_000)];
    keep(store, rows.clone(), returned.clone());
    wait(|done| store.sweep(at(KEPT_MS + 60_000), done)).unwrap();
    let left = store.figures(None, at(0)..at(i64::from(u32::MAX))).unwrap();
    assert_eq!(left, rows[1..]);
    assert_eq!(store.returned().unwrap(), returned[1..]);
}
