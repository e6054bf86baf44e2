//! Where counts go in time.

use super::*;

/// A round moment; slots begin here.
const NOON: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    NOON.plus_ms(seconds * 1000)
}

struct Desk(Timeline);

impl Desk {
    fn sees(&mut self, seconds: i64, seen: Seen) {
        self.sees_in("s1", seconds, seen);
    }

    fn sees_in(&mut self, session: &str, seconds: i64, seen: Seen) {
        let observation = Observation {
            provider: "vendor".into(),
            seen,
        };
        self.0
            .count(&"desk".into(), &session.into(), &observation, at(seconds));
    }

    fn of(&self, from: i64, to: i64, now: i64) -> Tally {
        let span = at(from)..at(to);
        self.0
            .of(&"desk".into(), &"vendor".into(), span, MINUTE, at(now))
    }
}

fn desk() -> Desk {
    Desk(Timeline::default())
}

#[test]
fn a_window_has_the_slots_that_begin_in_it() {
    let mut desk = desk();
    for second in [0, 9, 10, 25] {
        desk.sees(second, Seen::Taken);
    }
    assert_eq!(desk.of(0, 10, 30).openings, 2);
    assert_eq!(desk.of(0, 11, 30).openings, 3);
    assert_eq!(desk.of(1, 20, 30).openings, 1);
    assert_eq!(desk.of(20, 0, 30).openings, 0, "a span of nothing");
    assert_eq!(desk.of(5, 5, 30).openings, 0);
}

#[test]
fn a_cut_tells_apart_what_came_before_and_after_it() {
    let mut desk = desk();
    desk.sees(2, Seen::NotTaken);
    desk.0.cut(at(3));
    desk.sees(3, Seen::Taken);
    desk.sees(8, Seen::Taken);
    desk.0.cut(at(3));
    desk.sees(12, Seen::Taken);
    let since = desk.of(3, 60, 60);
    assert_eq!((since.openings, since.opening_failures), (3, 0));
    assert_eq!(desk.of(0, 3, 60).opening_failures, 1);
}

#[test]
fn a_question_counts_when_it_was_asked_whenever_it_is_answered() {
    let mut desk = desk();
    desk.sees(5, Seen::Asked { since: at(5) });
    desk.0.cut(at(7));
    desk.sees(
        30,
        Seen::Answered {
            since: at(5),
            took: Duration::from_secs(25),
        },
    );
    let before = desk.of(0, 7, 40);
    assert_eq!((before.asked, before.answered), (1, 1));
    assert_eq!(before.first_answer(50.0).unwrap().as_secs(), 25);
    assert_eq!(desk.of(7, 60, 40), Tally::default());
}

#[test]
fn a_question_without_an_answer_counts_once_it_has_waited_for_too_long() {
    let mut desk = desk();
    desk.sees_in("s1", 5, Seen::Asked { since: at(5) });
    desk.sees_in("s2", 50, Seen::Asked { since: at(50) });
    assert_eq!(desk.of(0, 60, 64).unanswered, 0);
    assert_eq!(desk.of(0, 60, 66).unanswered, 1);
    assert_eq!(desk.of(10, 60, 66).unanswered, 0, "it was asked before");
    assert_eq!(desk.of(0, 60, 200).unanswered, 2);
    desk.sees_in("s1", 300, Seen::Unanswered { since: at(5) });
    assert_eq!(desk.of(0, 60, 300).unanswered, 2, "still counted once");
    desk.sees_in(
        "s2",
        300,
        Seen::Answered {
            since: at(50),
            took: Duration::from_secs(250),
        },
    );
    let late = desk.of(0, 60, 300);
    assert_eq!((late.answered, late.unanswered), (0, 2), "too late");
}

#[test]
fn providers_and_desks_are_told_apart() {
    let mut desk = desk();
    desk.sees(0, Seen::Taken);
    let span = || at(0)..at(10);
    let of = |desk_id: &str, provider: &str| {
        desk.0
            .of(&desk_id.into(), &provider.into(), span(), MINUTE, at(9))
            .openings
    };
    assert_eq!(of("desk", "vendor"), 1);
    assert_eq!(of("desk", "other"), 0);
    assert_eq!(of("other", "vendor"), 0);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let mut desk = desk();
    desk.sees(100, Seen::Taken);
    desk.sees(50, Seen::Taken);
    desk.sees(101, Seen::Taken);
    assert_eq!(desk.of(0, 200, 200).openings, 3);
}

#[test]
fn old_slots_make_way() {
    let mut desk = desk();
    desk.sees(0, Seen::Taken);
    let later = KEPT_MS / 1000 + 20;
    desk.sees(later, Seen::Ended);
    assert_eq!(desk.0.slots.len(), 1);
}
