//! What every store must do, whatever database is under it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use kefu_core::turn::NameKey;
use kefu_gateway::store::{Committed, Unsent};
use kefu_plugin_api::ids::SessionId;

pub(crate) use crate::figures::{
    figures_are_kept_by_time_desk_and_provider, what_vendors_answered_is_kept_once_per_answer,
    what_was_measured_long_ago_is_forgotten,
};
pub(crate) use crate::list::{
    a_page_of_sessions_walks_a_bounded_number_of_them, a_sessions_trail_is_kept_beside_its_log,
    a_visitors_sessions_are_listed_in_every_app, all_sessions_are_listed_newest_first_in_pages,
    the_list_follows_where_sessions_stand,
};
pub(crate) use crate::migrations::how_far_a_migration_has_come_is_kept;
pub(crate) use crate::open::{
    a_message_is_found_in_its_log, a_sample_of_many_sessions_is_taken_while_others_write,
    a_state_follows_its_session, a_visitors_only_session_with_a_provider_is_guarded,
    open_sessions_are_counted_and_listed_by_provider,
    states_are_sampled_from_every_version_newest_and_oldest,
};

pub(crate) use crate::pushes::{
    a_dead_letter_makes_way_once_for_what_is_tried_again,
    a_lane_goes_on_until_nothing_is_left_in_it,
    a_letter_that_a_turn_tries_again_goes_with_that_turn,
    a_push_that_is_given_up_leaves_a_letter_and_its_lane_goes_on,
    what_is_to_be_pushed_is_written_with_its_turn,
};

use crate::fixture::{
    Place, answer, at, commit, done, end, entry, event, key, letter, name, receive, seqs, session,
    turn, wait, who, word,
};

/// Writes a test for each sentence, over the places that a function makes.
macro_rules! conformance_of {
    ($place:path) => {
        $crate::conformance::conformance_of!($place:
            what_a_turn_wrote_is_read_back_whole
            what_was_written_is_there_after_reopening
            a_turn_of_another_version_writes_nothing
            a_second_session_at_a_desk_is_refused_with_the_open_one
            a_key_that_was_used_refuses_the_turn
            a_key_is_known_until_it_lapses
            a_repeated_event_is_dropped_until_its_key_lapses
            an_event_without_a_key_may_come_again
            an_event_of_the_inbox_is_handled_once
            an_event_that_nobody_can_handle_is_kept_as_a_dead_letter
            a_dead_letter_of_a_turn_is_kept_newest_first
            calls_wait_in_the_order_of_their_session
            events_wait_in_the_order_in_which_they_came
            a_name_means_the_newest_session
            a_visitors_sessions_come_newest_first
            a_log_is_read_in_pieces
            timers_are_found_by_the_time_they_are_due
            all_sessions_are_listed_newest_first_in_pages
            the_list_follows_where_sessions_stand
            a_visitors_sessions_are_listed_in_every_app
            a_page_of_sessions_walks_a_bounded_number_of_them
            a_sessions_trail_is_kept_beside_its_log
            open_sessions_are_counted_and_listed_by_provider
            states_are_sampled_from_every_version_newest_and_oldest
            a_state_follows_its_session
            a_visitors_only_session_with_a_provider_is_guarded
            a_message_is_found_in_its_log
            a_sample_of_many_sessions_is_taken_while_others_write
            figures_are_kept_by_time_desk_and_provider
            what_vendors_answered_is_kept_once_per_answer
            what_was_measured_long_ago_is_forgotten
            how_far_a_migration_has_come_is_kept
            what_is_to_be_pushed_is_written_with_its_turn
            a_lane_goes_on_until_nothing_is_left_in_it
            a_push_that_is_given_up_leaves_a_letter_and_its_lane_goes_on
            a_dead_letter_makes_way_once_for_what_is_tried_again
            a_letter_that_a_turn_tries_again_goes_with_that_turn
            every_write_is_told_once_and_in_the_order_of_its_session
            what_is_told_as_written_is_there_and_what_failed_is_not
        );
    };
    ($place:path: $($sentence:ident)*) => {$(
        #[test]
        fn $sentence() {
            $crate::conformance::$sentence(&mut $place());
        }
    )*};
}
pub(crate) use conformance_of;

pub(crate) fn what_a_turn_wrote_is_read_back_whole(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut first = turn(&mut record);
    first.calls = vec![entry(&record, 1), entry(&record, 2)];
    first.names = vec![name("conversation")];
    first.answered = Some((who("v"), key("k"), answer(&record)));
    done(store, first);
    assert_eq!(store.record(&record.id), Ok(Some(record.clone())));
    assert_eq!(
        store.events(&record.id, 0, 10).unwrap(),
        [event(&record, 1)]
    );
    assert_eq!(
        store.named(&name("conversation")),
        Ok(Some(record.id.clone()))
    );
    assert_eq!(
        store.answered(&who("v"), &key("k")),
        Ok(Some(answer(&record)))
    );
    assert_eq!(store.outbox().unwrap().len(), 2);
    assert_eq!(store.open_count(), Ok(1));
    let mut second = turn(&mut record);
    second.finished = vec![1];
    done(store, second);
    assert_eq!(store.record(&record.id), Ok(Some(record.clone())));
    assert_eq!(seqs(store, &record.id), [1, 2]);
    let left: Vec<_> = store.outbox().unwrap();
    assert_eq!(left[0].entry, entry(&record, 2));
    assert_eq!(store.record(&SessionId::new("unknown")), Ok(None));
}

pub(crate) fn what_was_written_is_there_after_reopening(place: &mut impl Place) {
    let mut record = session("v", "desk", 0);
    let store = place.store();
    let mut first = turn(&mut record);
    first.calls = vec![entry(&record, 1), entry(&record, 2)];
    first.names = vec![name("conversation")];
    first.answered = Some((who("v"), key("k"), answer(&record)));
    first.dead = Some(letter("l", &record.id, 0));
    done(store, first);
    for (number, attempted) in [(1, true), (2, true), (2, false)] {
        wait(|done| store.mark_attempted(&record.id, number, attempted, done)).unwrap();
    }
    receive(store, vec![word(&record.id, Some(("e", 1_000)), 0)]);
    // Not waited for: closing waits.
    store.commit(turn(&mut record), Box::new(drop));
    place.reopen();
    let store = place.store();
    assert_eq!(store.record(&record.id), Ok(Some(record.clone())));
    assert_eq!(seqs(store, &record.id), [1, 2]);
    let unsent = |number, attempted| Unsent {
        entry: entry(&record, number),
        attempted,
    };
    assert_eq!(store.outbox().unwrap(), [unsent(1, true), unsent(2, false)]);
    assert_eq!(
        store.named(&name("conversation")),
        Ok(Some(record.id.clone()))
    );
    assert_eq!(
        store.answered(&who("v"), &key("k")),
        Ok(Some(answer(&record)))
    );
    assert_eq!(store.dead_letters(9).unwrap(), [letter("l", &record.id, 0)]);
    assert_eq!(store.open_count(), Ok(1));
    let inbox = store.inbox().unwrap();
    assert_eq!(inbox[0].1, word(&record.id, Some(("e", 1_000)), 0));
    let repeat = word(&record.id, Some(("e", 1_000)), 1);
    assert_eq!(receive(store, vec![repeat]), [None]);
    done(store, turn(&mut record));
}

pub(crate) fn a_turn_of_another_version_writes_nothing(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    done(store, turn(&mut record));
    let committed = record.clone();
    for jump in [0, 2] {
        let mut other = committed.clone();
        other.version += jump;
        other.version -= 1;
        let mut late = turn(&mut other);
        late.create = false;
        late.calls = vec![entry(&record, 1)];
        late.names = vec![name("conversation")];
        late.answered = Some((who("v"), key("k"), answer(&record)));
        assert_eq!(commit(store, late), Ok(Committed::Conflict), "by {jump}");
    }
    let mut unknown = session("nobody", "desk", 0);
    unknown.version = 4;
    assert_eq!(commit(store, turn(&mut unknown)), Ok(Committed::Conflict));
    assert_eq!(store.record(&record.id), Ok(Some(committed)));
    assert_eq!(seqs(store, &record.id), [1]);
    assert_eq!(store.outbox(), Ok(vec![]));
    assert_eq!(store.named(&name("conversation")), Ok(None));
    assert_eq!(store.answered(&who("v"), &key("k")), Ok(None));
    done(store, turn(&mut record));
}

pub(crate) fn a_second_session_at_a_desk_is_refused_with_the_open_one(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    done(store, turn(&mut record));
    let second = || turn(&mut session("v", "desk", 1));
    let open = Committed::AlreadyOpen(record.id.clone());
    assert_eq!(commit(store, second()), Ok(open));
    let refused = session("v", "desk", 1).id;
    assert_eq!(store.record(&refused), Ok(None));
    assert_eq!(
        store.open_session(&who("v"), &"desk".into()),
        Ok(Some(record.id.clone()))
    );
    done(store, turn(&mut session("v", "other desk", 2)));
    done(store, turn(&mut session("another", "desk", 3)));
    done(store, end(&mut record));
    assert_eq!(store.open_session(&who("v"), &"desk".into()), Ok(None));
    done(store, second());
    assert_eq!(store.open_count(), Ok(3));
    // The old one can still be written without taking the desk back.
    done(store, turn(&mut record));
    assert_eq!(
        store.open_session(&who("v"), &"desk".into()),
        Ok(Some(refused))
    );
}

pub(crate) fn a_key_that_was_used_refuses_the_turn(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut first = turn(&mut record);
    first.answered = Some((who("v"), key("k"), answer(&record)));
    done(store, first);
    let before = record.clone();
    let mut again = turn(&mut record);
    again.answered = Some((who("v"), key("k"), answer(&record)));
    assert_eq!(commit(store, again), Ok(Committed::KeyTaken));
    assert_eq!(store.record(&record.id), Ok(Some(before.clone())));
    assert_eq!(seqs(store, &record.id), [1]);
    record = before;
    let mut elsewhere = key("k");
    elsewhere.target = "POST elsewhere".into();
    for (owner, key) in [(who("v"), elsewhere), (who("another"), key("k"))] {
        let mut other = turn(&mut record);
        other.answered = Some((owner, key, answer(&record)));
        done(store, other);
    }
}

pub(crate) fn a_key_is_known_until_it_lapses(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    let mut first = turn(&mut record);
    first.answered = Some((who("v"), key("k"), answer(&record)));
    done(store, first);
    const DAY: i64 = 24 * 3600 * 1000;
    wait(|done| store.sweep(at(DAY), done)).unwrap();
    assert_eq!(
        store.answered(&who("v"), &key("k")),
        Ok(Some(answer(&record)))
    );
    wait(|done| store.sweep(at(10 * DAY), done)).unwrap();
    assert_eq!(store.answered(&who("v"), &key("k")), Ok(None));
    let mut again = turn(&mut record);
    again.answered = Some((who("v"), key("k"), answer(&record)));
    done(store, again);
}

pub(crate) fn a_repeated_event_is_dropped_until_its_key_lapses(place: &mut impl Place) {
    let store = place.store();
    let id = session("v", "desk", 0).id;
    let mut elsewhere = word(&id, Some(("e", 1_000)), 0);
    elsewhere.conversation = "another".into();
    let mut another = word(&id, Some(("e", 1_000)), 0);
    another.provider = "second".into();
    let numbers = receive(
        store,
        vec![
            word(&id, Some(("e", 1_000)), 0),
            word(&id, Some(("e", 1_000)), 0),
            elsewhere,
            another,
        ],
    );
    assert_eq!(
        numbers.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    assert_eq!(
        receive(store, vec![word(&id, Some(("e", 5_000)), 999)]),
        [None]
    );
    let lapsed = receive(store, vec![word(&id, Some(("e", 5_000)), 1_000)]);
    assert!(lapsed[0].is_some());
    assert_eq!(
        receive(store, vec![word(&id, Some(("e", 9_000)), 4_999)]),
        [None]
    );
    wait(|done| store.sweep(at(4_999), done)).unwrap();
    assert_eq!(
        receive(store, vec![word(&id, Some(("e", 9_000)), 4_999)]),
        [None]
    );
    assert_eq!(store.inbox().unwrap().len(), 4);
}

pub(crate) fn an_event_without_a_key_may_come_again(place: &mut impl Place) {
    let store = place.store();
    let id = session("v", "desk", 0).id;
    let numbers = receive(store, vec![word(&id, None, 0), word(&id, None, 0)]);
    assert!(numbers[0].is_some() && numbers[1] > numbers[0]);
}

pub(crate) fn an_event_of_the_inbox_is_handled_once(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    done(store, turn(&mut record));
    let number = receive(store, vec![word(&record.id, None, 0)])[0];
    let mut handled = turn(&mut record);
    handled.inbox = number;
    done(store, handled);
    assert_eq!(store.inbox(), Ok(vec![]));
    let before = record.clone();
    let mut again = turn(&mut record);
    again.inbox = number;
    assert_eq!(commit(store, again), Ok(Committed::Conflict));
    assert_eq!(store.record(&before.id), Ok(Some(before)));
}

pub(crate) fn an_event_that_nobody_can_handle_is_kept_as_a_dead_letter(place: &mut impl Place) {
    let store = place.store();
    let id = session("v", "desk", 0).id;
    let numbers = receive(store, vec![word(&id, None, 0), word(&id, None, 1)]);
    wait(|done| store.bury(numbers[0].unwrap(), letter("l", &id, 2), done)).unwrap();
    let left = store.inbox().unwrap();
    assert_eq!(left, [(numbers[1].unwrap(), word(&id, None, 1))]);
    assert_eq!(store.dead_letters(9).unwrap(), [letter("l", &id, 2)]);
}

pub(crate) fn a_dead_letter_of_a_turn_is_kept_newest_first(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    for (id, ms) in [("a", 1), ("c", 3), ("b", 2)] {
        let mut given_up = turn(&mut record);
        given_up.dead = Some(letter(id, &record.id, ms));
        done(store, given_up);
    }
    let ids = |limit| -> Vec<String> {
        let letters = store.dead_letters(limit).unwrap();
        letters.into_iter().map(|letter| letter.id).collect()
    };
    assert_eq!(ids(9), ["c", "b", "a"]);
    assert_eq!(ids(1), ["c"]);
}

pub(crate) fn calls_wait_in_the_order_of_their_session(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    for numbers in [10..13_u64, 1..10] {
        let mut asks = turn(&mut record);
        asks.calls = numbers.map(|number| entry(&record, number)).collect();
        done(store, asks);
    }
    place.reopen();
    let waiting = place.store().outbox().unwrap();
    let numbers: Vec<_> = waiting.iter().map(|unsent| unsent.entry.number).collect();
    assert_eq!(numbers, (1..13).collect::<Vec<_>>());
}

pub(crate) fn events_wait_in_the_order_in_which_they_came(place: &mut impl Place) {
    let id = session("v", "desk", 0).id;
    for ms in 0..12 {
        receive(place.store(), vec![word(&id, None, ms)]);
    }
    place.reopen();
    let inbox = place.store().inbox().unwrap();
    let came: Vec<_> = inbox.iter().map(|(_, event)| event.received_at).collect();
    assert_eq!(came, (0..12).map(at).collect::<Vec<_>>());
    // A number is never used twice, so that nobody takes one event for another.
    let last = inbox.last().unwrap().0;
    wait(|done| place.store().bury(last, letter("l", &id, 0), done)).unwrap();
    place.reopen();
    let next = receive(place.store(), vec![word(&id, None, 12)]);
    assert!(next[0] > Some(last));
}

pub(crate) fn a_name_means_the_newest_session(place: &mut impl Place) {
    let store = place.store();
    let mut first = session("v", "desk", 0);
    let mut opened = turn(&mut first);
    opened.names = vec![name("conversation")];
    done(store, opened);
    done(store, end(&mut first));
    let mut second = session("v", "desk", 1);
    let mut opened = turn(&mut second);
    opened.names = vec![name("conversation")];
    done(store, opened);
    assert_eq!(store.named(&name("conversation")), Ok(Some(second.id)));
    let mut vendors = name("");
    vendors.key = NameKey::Vendor("conversation".into());
    assert_eq!(store.named(&vendors), Ok(None));
    let mut others = name("conversation");
    others.provider = "second".into();
    assert_eq!(store.named(&others), Ok(None));
}

pub(crate) fn a_visitors_sessions_come_newest_first(place: &mut impl Place) {
    let store = place.store();
    let ids: Vec<_> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(index, desk)| {
            let mut record = session("v", desk, index as i64);
            done(store, turn(&mut record));
            if index == 1 {
                done(store, end(&mut record));
            }
            record.id
        })
        .collect();
    done(store, turn(&mut session("another", "a", 9)));
    let listed = |only_open, limit| -> Vec<SessionId> {
        let records = store.sessions(&who("v"), only_open, limit).unwrap();
        records.into_iter().map(|record| record.id).collect()
    };
    let [a, b, c] = &ids[..] else { unreachable!() };
    assert_eq!(listed(false, 9), [c.clone(), b.clone(), a.clone()]);
    assert_eq!(listed(true, 9), [c.clone(), a.clone()]);
    assert_eq!(listed(false, 1), std::slice::from_ref(c));
}

pub(crate) fn a_log_is_read_in_pieces(place: &mut impl Place) {
    let store = place.store();
    let mut record = session("v", "desk", 0);
    for _ in 0..11 {
        done(store, turn(&mut record));
    }
    done(store, end(&mut record));
    let numbers = |after, limit| -> Vec<u64> {
        let events = store.events(&record.id, after, limit).unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(numbers(0, 3), [1, 2, 3]);
    assert_eq!(numbers(9, 100), [10, 11, 12]);
    assert!(numbers(12, 100).is_empty());
    assert!(numbers(u64::MAX, 100).is_empty());
    let last: Vec<_> = store.events(&record.id, 10, 9).unwrap();
    assert_eq!(
        last.iter().map(|event| event.last).collect::<Vec<_>>(),
        [false, true]
    );
}

pub(crate) fn timers_are_found_by_the_time_they_are_due(place: &mut impl Place) {
    let store = place.store();
    let mut late = session("late", "desk", 100);
    let mut early = session("early", "desk", 0);
    let mut over = session("over", "desk", 0);
    done(store, turn(&mut late));
    done(store, turn(&mut early));
    done(store, turn(&mut over));
    done(store, end(&mut over));
    let due = vec![(early.id, at(5_000)), (late.id, at(5_100))];
    assert_eq!(store.due(), Ok(due));
}

pub(crate) fn every_write_is_told_once_and_in_the_order_of_its_session(place: &mut impl Place) {
    const THREADS: usize = 8;
    const TURNS: u64 = 60;
    let store = place.store();
    let told = Arc::new(Mutex::new(HashMap::<SessionId, Vec<u64>>::new()));
    let (tell, ends) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (told, tell) = (Arc::clone(&told), tell.clone());
            scope.spawn(move || {
                let mut record = session(&format!("v{number}"), "desk", 0);
                for _ in 0..TURNS {
                    let turn = turn(&mut record);
                    let (id, version) = (record.id.clone(), record.version);
                    let (told, tell) = (Arc::clone(&told), tell.clone());
                    store.commit(
                        turn,
                        Box::new(move |result| {
                            assert_eq!(result, Ok(Committed::Done));
                            told.lock().unwrap().entry(id).or_default().push(version);
                            tell.send(()).unwrap();
                        }),
                    );
                }
            });
        }
    });
    drop(tell);
    // Ends when every callback has run and was dropped.
    assert_eq!(ends.iter().count(), THREADS * TURNS as usize);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), THREADS);
    for (id, versions) in told.iter() {
        assert_eq!(*versions, (1..=TURNS).collect::<Vec<_>>());
        assert_eq!(seqs(store, id), (1..=TURNS).collect::<Vec<_>>());
        assert_eq!(store.record(id).unwrap().unwrap().version, TURNS);
    }
}

pub(crate) fn what_is_told_as_written_is_there_and_what_failed_is_not(place: &mut impl Place) {
    let store = place.store();
    let mut spoilt = session("spoilt", "desk", 0);
    done(store, turn(&mut spoilt));
    let before = spoilt.clone();
    let (tell, told) = mpsc::channel();
    let submit = |commit: kefu_gateway::store::Commit| {
        let (id, tell) = (commit.record.id.clone(), tell.clone());
        let done = Box::new(move |result| tell.send((id, result)).unwrap());
        store.commit(commit, done);
    };
    // A number that is in the log already cannot be written; whatever shares
    // its batch fails with it.
    let mut impossible = turn(&mut spoilt);
    impossible.events = vec![event(&spoilt, 1)];
    let around = |from: i64| (from..from + 20).map(|n| session(&format!("v{n}"), "desk", n));
    around(0).for_each(|mut record| submit(turn(&mut record)));
    submit(impossible);
    around(100).for_each(|mut record| submit(turn(&mut record)));
    drop(tell);
    let mut failed = 0;
    for _ in 0..41 {
        let (id, result) = told.recv().unwrap();
        let there = store.record(&id).unwrap();
        match result {
            Ok(committed) => {
                assert_eq!(committed, Committed::Done);
                assert_eq!(there.unwrap().version, 1);
                assert_eq!(seqs(store, &id), [1]);
            }
            Err(_) if id == before.id => {
                failed += 1;
                assert_eq!(there, Some(before.clone()));
            }
            Err(_) => assert_eq!(there, None),
        }
    }
    assert_eq!(failed, 1);
    let mut after = before;
    done(store, turn(&mut after));
}
