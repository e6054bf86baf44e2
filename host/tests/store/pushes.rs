//! What apps' servers are still to be told, and dead letters that are tried
//! again: what every store must do.

use kefu_core::outbox::{DeadLetter, Letter};
use kefu_gateway::store::{Again, Committed, PushLane, Store};
use kefu_plugin_api::ids::SessionId;

use crate::fixture::{Place, at, commit, done, letter, session, turn, wait, word};

fn lane(session: &SessionId, after: u64, last: u64) -> PushLane {
    PushLane {
        session: session.clone(),
        replay: None,
        app: "app".into(),
        after,
        last,
        tries: 0,
        due: at(0),
        since: at(0),
    }
}

fn pushed(store: &dyn Store, lane: PushLane, dead: Option<DeadLetter>) -> bool {
    wait(|done| store.pushed(lane, dead, done)).unwrap()
}

fn push_letter(id: &str, session: &SessionId, seq: u64) -> DeadLetter {
    DeadLetter {
        provider: Default::default(),
        letter: Letter::Push {
            app: "app".into(),
            seq,
            tries: 10,
        },
        ..letter(id, session, 0)
    }
}

pub(crate) fn what_is_to_be_pushed_is_written_with_its_turn(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    done(store, turn(&mut record));
    assert_eq!(store.push_lanes(), Ok(vec![]), "nobody is to be told");
    let mut told = turn(&mut record);
    told.pushes = Some((2, 2));
    done(store, told);
    // More joins the lane; where it stands stays.
    let mut more = turn(&mut record);
    more.pushes = Some((3, 5));
    more.now = at(9_000);
    done(store, more);
    // What is refused adds nothing.
    let mut late = turn(&mut record);
    late.record.version += 7;
    late.pushes = Some((9, 9));
    assert_eq!(commit(store, late), Ok(Committed::Conflict));
    place.reopen();
    let mut expected = lane(&record.id, 1, 5);
    expected.due = kefu_plugin_api::time::Timestamp::default();
    assert_eq!(place.store().push_lanes(), Ok(vec![expected]));
}

pub(crate) fn a_lane_goes_on_until_nothing_is_left_in_it(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut told = turn(&mut record);
    told.pushes = Some((1, 3));
    done(store, told);
    let mut tried = lane(&record.id, 1, 3);
    (tried.tries, tried.due, tried.since) = (4, at(60_000), at(5));
    assert!(pushed(store, tried.clone(), None));
    assert_eq!(store.push_lanes(), Ok(vec![tried]));
    // A turn adds to it while its last push is under way.
    let mut more = turn(&mut record);
    more.pushes = Some((4, 4));
    done(store, more);
    assert!(pushed(store, lane(&record.id, 3, 3), None));
    assert_eq!(store.push_lanes().unwrap()[0].last, 4);
    assert!(!pushed(store, lane(&record.id, 4, 4), None));
    assert_eq!(store.push_lanes(), Ok(vec![]));
}

pub(crate) fn a_push_that_is_given_up_leaves_a_letter_and_its_lane_goes_on(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut told = turn(&mut record);
    told.pushes = Some((1, 2));
    done(store, told);
    let dead = push_letter("l", &record.id, 1);
    assert!(pushed(store, lane(&record.id, 1, 2), Some(dead.clone())));
    assert_eq!(store.dead_letter("l"), Ok(Some(dead.clone())));
    assert_eq!(store.dead_letters(9), Ok(vec![dead]));
    // Of an app that is told nothing any more nothing is left.
    let app = "app".into();
    assert_eq!(wait(|done| store.drop_pushes(&app, done)), Ok(1));
    let late = push_letter("late", &record.id, 2);
    assert!(!pushed(store, lane(&record.id, 2, 2), Some(late)));
    assert_eq!(store.dead_letter("late"), Ok(None));
    // What is told again since begins where it began, whatever an old try says.
    let mut anew = turn(&mut record);
    anew.pushes = Some((7, 8));
    done(store, anew);
    for old in [lane(&record.id, 1, 2), lane(&record.id, 2, 2)] {
        assert!(!pushed(store, old, None));
    }
    let lanes = store.push_lanes().unwrap();
    assert_eq!((lanes[0].after, lanes[0].last), (6, 8));
}

pub(crate) fn a_dead_letter_makes_way_once_for_what_is_tried_again(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut first = turn(&mut record);
    first.dead = Some(letter("event", &record.id, 0));
    first.pushes = Some((1, 1));
    done(store, first);
    assert!(!pushed(
        store,
        lane(&record.id, 1, 1),
        Some(push_letter("push", &record.id, 1))
    ));
    let mut replay = lane(&record.id, 0, 1);
    replay.replay = Some("push".into());
    for (id, again) in [
        ("event", Again::Event(Box::new(word(&record.id, None, 7)))),
        ("push", Again::Push(replay.clone())),
    ] {
        let unbury = || wait(|done| store.unbury(id, again.clone(), done));
        assert!(unbury().unwrap().is_some(), "{id}");
        assert_eq!(unbury(), Ok(None), "{id} again");
    }
    assert_eq!(store.dead_letters(9), Ok(vec![]));
    assert_eq!(store.inbox().unwrap().len(), 1);
    assert_eq!(store.push_lanes(), Ok(vec![replay.clone()]));
    // Beside the session's own lane.
    let mut more = turn(&mut record);
    more.pushes = Some((2, 2));
    done(store, more);
    assert_eq!(store.push_lanes().unwrap().len(), 2);
    assert!(!pushed(store, replay_at(&replay, 1), None));
    assert_eq!(store.push_lanes().unwrap()[0].replay, None);
}

fn replay_at(replay: &PushLane, after: u64) -> PushLane {
    PushLane {
        after,
        ..replay.clone()
    }
}

pub(crate) fn a_letter_that_a_turn_tries_again_goes_with_that_turn(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut first = turn(&mut record);
    first.dead = Some(letter("l", &record.id, 0));
    done(store, first);
    let before = record.clone();
    let mut again = turn(&mut record);
    again.revived = Some("l".into());
    done(store, again);
    assert_eq!(store.dead_letter("l"), Ok(None));
    let mut twice = turn(&mut record);
    twice.revived = Some("l".into());
    assert_eq!(commit(store, twice), Ok(Committed::Conflict));
    assert_eq!(
        store.record(&before.id).unwrap().unwrap().version,
        before.version + 1
    );
}
