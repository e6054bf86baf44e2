//! Open sessions by provider and by visitor, what their adapters remember, and
//! messages in their logs: what every store must answer.

use std::sync::mpsc;

use kefu_core::{session::Record, turn::Said};
use kefu_gateway::store::Committed;
use kefu_plugin_api::ids::MessageId;

use crate::fixture::{Place, commit, done, end, event, session, turn, who};

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

pub(crate) fn a_visitors_only_session_with_a_provider_is_guarded(place: &mut impl Place) {
    let store = place.store();
    let alone = |record: &mut Record| {
        let mut commit = turn(record);
        commit.alone = true;
        commit
    };
    let mut first = session("v", "desk", 0);
    done(store, alone(&mut first));
    let mut second = session("v", "other desk", 1);
    let open = Committed::AlreadyOpen(first.id.clone());
    assert_eq!(commit(store, alone(&mut second.clone())), Ok(open.clone()));
    // Its own row is in nobody's way, nor are those of others.
    done(store, alone(&mut first));
    done(store, alone(&mut session("another", "desk", 2)));
    let mut elsewhere = session("v", "third desk", 3);
    elsewhere.provider = "second".into();
    done(store, alone(&mut elsewhere));
    // It moves on to the first provider while it is opening.
    elsewhere.provider = "first".into();
    assert_eq!(commit(store, alone(&mut elsewhere.clone())), Ok(open));
    let mut where_open: Vec<_> = store
        .open_at(&who("v"))
        .unwrap()
        .into_iter()
        .map(|it| (it.desk.to_string(), it.session, it.provider.to_string()))
        .collect();
    where_open.sort();
    assert_eq!(
        where_open,
        [
            ("desk".to_owned(), first.id.clone(), "first".to_owned()),
            (
                "third desk".to_owned(),
                elsewhere.id.clone(),
                "second".to_owned()
            ),
        ]
    );
    done(store, end(&mut first));
    done(store, alone(&mut second));
}

pub(crate) fn a_message_is_found_in_its_log(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let id = MessageId::from("0192f0c1-2345-7000-8000-000000000001");
    let said = |record: &Record, seq: u64, body: serde_json::Value| {
        let mut event = event(record, seq);
        let json = serde_json::json!({
            "seq": seq, "id": "e", "session": record.id, "at": "2026-01-31T00:00:00.000Z",
            "type": body["type"], "data": body["data"],
        });
        event.json = json.to_string().into();
        event
    };
    let message = |id: &str, text: &str| {
        serde_json::json!({"type": "message", "data": {
            "id": id, "from": {"kind": "agent"}, "content": {"type": "text", "text": text},
        }})
    };
    let mut write = |body: serde_json::Value| {
        let mut commit = turn(&mut record);
        commit.events = vec![said(&commit.record, commit.record.last_seq, body)];
        done(store, commit);
        store.said(&record.id, &id).unwrap()
    };
    assert_eq!(
        write(message("another", id.as_str())),
        None,
        "it only quotes it"
    );
    let found = |seqs: &[u64], recalled| {
        Some(Said {
            seqs: seqs.to_vec(),
            recalled,
        })
    };
    assert_eq!(write(message(id.as_str(), "hello")), found(&[2], false));
    let status =
        serde_json::json!({"type": "message.status", "data": {"message": id, "status": "read"}});
    assert_eq!(write(status), found(&[2], false));
    assert_eq!(write(message(id.as_str(), "hello")), found(&[2, 4], false));
    let taken = serde_json::json!({"type": "message.recalled", "data": {"message": id}});
    assert_eq!(write(taken), found(&[2, 4], true));
    let other = session("v", "other desk", 1);
    assert_eq!(store.said(&other.id, &id), Ok(None));
}
