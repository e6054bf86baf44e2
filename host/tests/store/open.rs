//! Open sessions by provider, and what their adapters remember: what every
//! store must answer.

use std::sync::mpsc;

use kefu_gateway::store::Committed;

use crate::fixture::{Place, done, end, session, turn};

pub(crate) fn open_sessions_are_counted_and_listed_by_provider(place: &mut impl Place) {
    let mut records = Vec::new();
    for number in 0..7 {
        let mut record = session(&format!("v{number}"), "desk", number);
        record.provider = if number < 5 { "first" } else { "second" }.into();
        done(place.store(), turn(&mut record));
        records.push(record);
    }
    // One ends, one is handed on.
    done(place.store(), end(&mut records[0]));
    records[1].provider = "second".into();
    done(place.store(), turn(&mut records[1]));
    place.reopen();
    let store = place.store();
    let counts = store.open_by_provider().unwrap();
    assert_eq!(
        counts,
        [("first".into(), 3), ("second".into(), 3)]
            .into_iter()
            .collect()
    );
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .open_sessions_of(&"first".into(), after.as_ref(), 2)
            .unwrap();
        assert!(page.sessions.len() <= 2);
        listed.extend(page.sessions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    listed.sort();
    let mut expected: Vec<_> = records[2..5].iter().map(|one| one.id.clone()).collect();
    expected.sort();
    assert_eq!(listed, expected);
    let nobody = store.open_sessions_of(&"nobody".into(), None, 9).unwrap();
    assert_eq!((nobody.sessions.len(), nobody.next), (0, None));
}

pub(crate) fn states_are_sampled_from_every_version_newest_and_oldest(place: &mut impl Place) {
    let store = place.store();
    for number in 0..60_u8 {
        let mut record = session(&format!("v{number}"), "desk", i64::from(number) * 1_000);
        record.state_version = match number {
            // A rare one in the middle of a common one.
            30 => "0.9.0".into(),
            _ => "1.0.0".into(),
        };
        record.adapter_state = vec![number];
        match number {
            // Nobody has seen it yet.
            40 => {
                record.state_version.clear();
                record.adapter_state.clear();
            }
            41 => record.provider = "second".into(),
            _ => {}
        }
        done(store, turn(&mut record));
        if number == 59 {
            done(store, end(&mut record));
        }
    }
    let sample = |most| -> Vec<(String, u8)> {
        let states = store.states(&"first".into(), most).unwrap();
        states
            .into_iter()
            .map(|one| (one.version, one.state[0]))
            .collect()
    };
    let few = sample(6);
    assert!(few.len() <= 6);
    for expected in [("0.9.0", 30), ("1.0.0", 0), ("1.0.0", 58)] {
        let expected = (expected.0.to_owned(), expected.1);
        assert!(few.contains(&expected), "{expected:?} in {few:?}");
    }
    assert_eq!(sample(1_000).len(), 57, "neither ended, unseen nor others'");
    assert!(store.states(&"nobody".into(), 9).unwrap().is_empty());
}

pub(crate) fn a_state_follows_its_session(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    record.state_version = "1.0.0".into();
    done(store, turn(&mut record));
    record.state_version = "2.0.0".into();
    record.adapter_state = vec![7; 100];
    record.provider = "second".into();
    done(store, turn(&mut record));
    assert!(store.states(&"first".into(), 9).unwrap().is_empty());
    let states = store.states(&"second".into(), 9).unwrap();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].version, "2.0.0");
    assert_eq!(states[0].state, [7; 100]);
}

pub(crate) fn a_sample_of_many_sessions_is_taken_while_others_write(place: &mut impl Place) {
    let store = place.store();
    const SESSIONS: i64 = 3_000;
    let (tell, told) = mpsc::channel();
    for number in 0..SESSIONS {
        let mut record = session(&format!("v{number}"), "desk", number);
        record.state_version = format!("1.0.{}", number % 3);
        let tell = tell.clone();
        store.commit(
            turn(&mut record),
            Box::new(move |result| tell.send(result).unwrap()),
        );
        // Every now and then, amid the writes.
        if number % 1_000 == 999 {
            let states = store.states(&"first".into(), 100).unwrap();
            assert!(states.len() <= 100);
        }
    }
    for _ in 0..SESSIONS {
        assert_eq!(told.recv().unwrap(), Ok(Committed::Done));
    }
    let states = store.states(&"first".into(), 1_000).unwrap();
    assert_eq!(states.len(), 1_000);
    for version in ["1.0.0", "1.0.1", "1.0.2"] {
        let count = states.iter().filter(|one| one.version == version).count();
        assert!((333..=334).contains(&count), "{version}: {count}");
    }
}
