//! All sessions in their order, and what is kept of one for operators: what
//! every store must answer.

use kefu_core::{
    session::Record,
    trail::{CallEnd, CallOutcome},
};
use kefu_gateway::store::{Listed, Store, Wanted};
use kefu_plugin_api::{capability::SessionState, ids::SessionId};

use crate::fixture::{Place, at, done, end, entry, event, letter, session, turn};

pub(crate) fn all_sessions_are_listed_newest_first_in_pages(place: &mut impl Place) {
    let mut records = Vec::new();
    for number in 0..7 {
        // Two of them in the same moment.
        let mut record = session(&format!("v{number}"), "desk", number.min(5) * 1_000);
        done(place.store(), turn(&mut record));
        records.push(record);
    }
    place.reopen();
    let mut expected = ids(&records);
    expected.sort_by_key(|id| {
        let record = records.iter().find(|it| it.id == *id).unwrap();
        std::cmp::Reverse((record.opened_at, id.clone()))
    });
    let all = list(place.store(), Wanted::default());
    assert_eq!(ids(&all.sessions), expected);
    assert_eq!(all.next, None);
    assert_eq!(all.sessions.last(), Some(&records[0]), "whole");
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page = list(
            place.store(),
            Wanted {
                before: before.clone(),
                limit: 3,
                ..Wanted::default()
            },
        );
        assert!(page.sessions.len() <= 3);
        paged.extend(ids(&page.sessions));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected);
    let nobody = list(
        place.store(),
        Wanted {
            before: Some("nobody".into()),
            ..Wanted::default()
        },
    );
    assert_eq!(nobody, Listed::default());
}

pub(crate) fn the_list_follows_where_sessions_stand(place: &mut impl Place) {
    let store = place.store();
    let mut records = Vec::new();
    for number in 0..4 {
        let desk = if number == 0 { "night" } else { "desk" };
        let mut record = session(&format!("v{number}"), desk, number * 1_000);
        done(store, turn(&mut record));
        records.push(record);
    }
    records[1].state = SessionState::Human;
    done(store, turn(&mut records[1]));
    records[2].provider = "second".into();
    done(store, turn(&mut records[2]));
    done(store, end(&mut records[3]));
    // A turn after which it stands where it stood costs the list nothing.
    let mut still = turn(&mut records[3]);
    still.moved = false;
    done(store, still);
    let found = |wanted: Wanted| -> Vec<usize> {
        let listed = list(store, wanted);
        let place = |id: &SessionId| records.iter().position(|it| it.id == *id).unwrap();
        listed.sessions.iter().map(|it| place(&it.id)).collect()
    };
    let all = Wanted::default;
    let open = |open| Wanted {
        open: Some(open),
        ..all()
    };
    let state = |state| Wanted {
        state: Some(state),
        ..all()
    };
    assert_eq!(found(open(true)), [2, 1, 0]);
    assert_eq!(found(open(false)), [3]);
    assert_eq!(found(state(SessionState::Human)), [1]);
    assert_eq!(found(state(SessionState::Ended)), [3]);
    assert_eq!(found(state(SessionState::Opening)), [2, 0]);
    let desk = Wanted {
        desk: Some("night".into()),
        ..all()
    };
    assert_eq!(found(desk), [0]);
    let provider = Wanted {
        provider: Some("second".into()),
        ..all()
    };
    assert_eq!(found(provider), [2]);
    let both = Wanted {
        provider: Some("second".into()),
        ..open(false)
    };
    assert_eq!(found(both), [0_usize; 0]);
    let impossible = Wanted {
        state: Some(SessionState::Human),
        ..open(false)
    };
    assert_eq!(found(impossible), [0_usize; 0]);
}

pub(crate) fn a_visitors_sessions_are_listed_in_every_app(place: &mut impl Place) {
    let store = place.store();
    let mut records = Vec::new();
    for number in 0..6 {
        let mut record = session("v", &format!("desk {number}"), number * 1_000);
        record.app = if number % 2 == 0 { "app" } else { "another" }.into();
        done(store, turn(&mut record));
        records.push(record);
    }
    done(store, turn(&mut session("somebody else", "desk", 9_000)));
    records.reverse();
    let of_v = |before, limit| {
        list(
            store,
            Wanted {
                visitor: Some("v".into()),
                before,
                limit,
                ..Wanted::default()
            },
        )
    };
    assert_eq!(ids(&of_v(None, 100).sessions), ids(&records));
    assert_eq!(of_v(None, 100).next, None);
    let first = of_v(None, 4);
    assert_eq!(ids(&first.sessions), ids(&records[..4]));
    assert_eq!(first.next, Some(records[3].id.clone()));
    let second = of_v(first.next, 4);
    assert_eq!(ids(&second.sessions), ids(&records[4..]));
    assert_eq!(second.next, None);
}

pub(crate) fn a_page_of_sessions_walks_a_bounded_number_of_them(place: &mut impl Place) {
    let store = place.store();
    const SESSIONS: i64 = 20_005;
    let (tell, told) = std::sync::mpsc::channel();
    for number in 0..SESSIONS {
        let desk = if number == 0 { "rare" } else { "desk" };
        let mut record = session(&format!("v{number}"), desk, number);
        let tell = tell.clone();
        store.commit(
            turn(&mut record),
            Box::new(move |result| tell.send(result).unwrap()),
        );
    }
    for _ in 0..SESSIONS {
        told.recv().unwrap().unwrap();
    }
    let rare = |before| {
        list(
            store,
            Wanted {
                desk: Some("rare".into()),
                before,
                ..Wanted::default()
            },
        )
    };
    let first = rare(None);
    assert!(first.sessions.is_empty(), "it is beyond what a page walks");
    assert!(first.next.is_some());
    let second = rare(first.next);
    assert_eq!(second.sessions.len(), 1);
    assert_eq!(second.next, None);
}

pub(crate) fn a_sessions_trail_is_kept_beside_its_log(place: &mut impl Place) {
    let mut record = session("v", "desk", 0);
    let id = record.id.clone();
    let other = session("v", "other desk", 1);
    let mut first = turn(&mut record);
    first.events = (1..=3).map(|seq| event(&first.record, seq)).collect();
    first.pushes = Some((2, 3));
    first.calls = vec![entry(&first.record, 1), entry(&first.record, 2)];
    record.last_seq = 3;
    done(place.store(), first);
    let call_end = CallEnd {
        number: 1,
        provider: "first".into(),
        message: Some("m".into()),
        asked_at: at(0),
        tries: 2,
        outcome: CallOutcome::Answered,
        status: Some(200),
    };
    let mut second = turn(&mut record);
    second.events = (4..=5).map(|seq| event(&second.record, seq)).collect();
    second.ended = Some(call_end.clone());
    second.finished = vec![1];
    second.dead = Some(letter("l", &id, 0));
    done(place.store(), second);
    let mut letters_of_others = turn(&mut other.clone());
    letters_of_others.dead = Some(letter("k", &other.id, 0));
    done(place.store(), letters_of_others);
    place.reopen();
    let store = place.store();

    let kept = store.kept(&id, 0, 100).unwrap();
    let calls: Vec<_> = kept.rows.iter().map(|row| row.call.clone()).collect();
    assert_eq!(calls, [None, None, None, Some(call_end), None]);
    let pushed: Vec<_> = kept.rows.iter().map(|row| row.pushed).collect();
    assert_eq!(pushed, [false, true, true, false, false].map(Some));
    assert_eq!(kept.last, 5);
    assert_eq!(kept.unsent.len(), 1);
    assert_eq!(kept.unsent[0].entry.number, 2);
    let letters: Vec<_> = kept.letters.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(letters, ["l"]);
    assert_eq!(kept.lane.map(|lane| (lane.after, lane.last)), Some((1, 3)));
    let piece = store.kept(&id, 1, 2).unwrap();
    assert_eq!((piece.rows.len(), piece.last), (2, 3));
    let nothing = store.kept(&"nobody".into(), 0, 100).unwrap();
    assert_eq!((nothing.rows.len(), nothing.last), (0, 0));
}

fn list(store: &dyn Store, mut wanted: Wanted) -> Listed {
    if wanted.limit == 0 {
        wanted.limit = 100;
    }
    store.list(&wanted).unwrap()
}

fn ids(records: &[Record]) -> Vec<SessionId> {
    records.iter().map(|record| record.id.clone()).collect()
}
