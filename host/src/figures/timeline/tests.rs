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
        let key = ("desk".into(), "vendor".into());
        let mut sum = self.0.of(&key, at(from)..at(to)).answered_within(MINUTE);
        let overdue = self.0.overdue(&key, MINUTE, at(now));
        let in_span = |since: &&Timestamp| (at(from)..at(to)).contains(since);
        sum.unanswered += overdue.iter().filter(in_span).count() as u64;
        sum
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
        let key = (desk_id.into(), provider.into());
        desk.0.of(&key, span()).openings
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
fn old_slots_make_way_once_they_are_written() {
    let mut desk = desk();
    desk.sees(0, Seen::Taken);
    let later = KEPT_MS / 1000 + 120;
    desk.sees(later, Seen::Ended);
    assert_eq!(desk.0.slots.len(), 2, "not written yet");
    assert_eq!(desk.0.take_unwritten().rows.len(), 2);
    desk.sees(later + 1, Seen::Ended);
    assert_eq!(desk.0.slots.len(), 1);
    assert_eq!(desk.0.begins(), at(120));
}

fn written(desk: &mut Desk) -> Vec<(i64, u64)> {
    let rows = desk.0.take_unwritten().rows;
    let second = |begin: Timestamp| begin.since_ms(NOON) / 1000;
    rows.iter()
        .map(|row| (second(row.begin), row.tally.openings))
        .collect()
}

#[test]
fn slots_of_a_minute_are_written_together_unless_they_are_cut() {
    let mut desk = desk();
    for second in [5, 35] {
        desk.sees(second, Seen::Taken);
    }
    desk.0.cut(at(40));
    for second in [41, 55, 65] {
        desk.sees(second, Seen::Taken);
    }
    assert_eq!(written(&mut desk), [(0, 2), (40, 2), (60, 1)]);
    assert_eq!(written(&mut desk), []);
    desk.sees(55, Seen::Taken);
    assert_eq!(written(&mut desk), [(40, 3)], "a piece is written whole");
}

#[test]
fn what_was_written_goes_on_after_a_restart_and_a_cut_stays_cut() {
    let mut before = desk();
    before.sees(5, Seen::NotTaken);
    before.0.cut(at(7));
    before.sees(8, Seen::Taken);
    let rows = before.0.take_unwritten().rows;
    let mut after = Desk(Timeline::new(at(20)));
    after.0.restore(rows);
    after.sees(21, Seen::Taken);
    assert_eq!(after.of(7, 60, 60).openings, 2);
    assert_eq!(after.of(0, 7, 60).opening_failures, 1);
    assert_eq!(written(&mut after), [(7, 2)], "with what was there before");
}

#[test]
fn what_could_not_be_written_is_written_the_next_time() {
    let mut desk = desk();
    desk.sees(5, Seen::Taken);
    let lost = desk.0.take_unwritten();
    let pieces = lost.rows.iter();
    let pieces = pieces.map(|row| (row.begin, (row.desk.clone(), row.provider.clone())));
    desk.0.give_back(pieces.collect(), lost.late);
    assert_eq!(written(&mut desk), [(0, 1)]);
}

#[test]
fn an_answer_to_a_question_of_long_ago_goes_to_where_it_was_asked() {
    let mut desk = Desk(Timeline::new(at(0)));
    let since = at(-KEPT_MS / 1000 - 90);
    desk.sees(0, Seen::Unanswered { since });
    let unwritten = desk.0.take_unwritten();
    assert_eq!(unwritten.rows, []);
    let late: Vec<_> = unwritten.late.into_iter().collect();
    let ((begin, _), tally) = &late[0];
    assert_eq!(*begin, floor(since, PIECE_MS));
    assert_eq!(tally.unanswered, 1);
}

#[test]
fn a_question_that_is_settled_while_open_ones_are_found_stays_settled() {
    let mut desk = Desk(Timeline::new(at(0)));
    desk.sees_in("s1", 1, Seen::Unanswered { since: at(-30) });
    for session in ["s1", "s2"] {
        desk.0
            .found_open("desk".into(), "vendor".into(), session.into(), at(-30));
    }
    desk.0.found_all();
    let overdue = desk
        .0
        .overdue(&("desk".into(), "vendor".into()), MINUTE, at(100));
    assert_eq!(overdue, [at(-30)]);
}

mod properties {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What comes, after so many milliseconds.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Count(i64),
        Cut(i64),
        Write(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let wait = 0_i64..40_000;
        prop_oneof![
            6 => wait.clone().prop_map(Step::Count),
            2 => wait.clone().prop_map(Step::Cut),
            1 => wait.prop_map(Step::Write),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_cut_and_written_every_count_is_there_once_and_on_its_side(
            steps in vec(step(), 1..80),
        ) {
            let mut desk = desk();
            let mut now = NOON;
            let mut disk = BTreeMap::new();
            let (mut counted, mut cuts) = (Vec::new(), Vec::new());
            for step in steps {
                let (Step::Count(wait) | Step::Cut(wait) | Step::Write(wait)) = step;
                now = now.plus_ms(wait);
                match step {
                    Step::Count(_) => {
                        let observation = Observation { provider: "vendor".into(), seen: Seen::Taken };
                        desk.0.count(&"desk".into(), &"s1".into(), &observation, now);
                        counted.push((now, cuts.len()));
                    }
                    Step::Cut(_) => {
                        // What is counted in the same millisecond before it is beyond it.
                        now = now.plus_ms(1);
                        desk.0.cut(now);
                        cuts.push(now);
                    }
                    Step::Write(_) => {}
                }
                if matches!(step, Step::Write(_)) {
                    disk.extend(desk.0.take_unwritten().rows.into_iter().map(|row| (row.begin, row)));
                }
            }
            disk.extend(desk.0.take_unwritten().rows.into_iter().map(|row| (row.begin, row)));
            let mut restored = Desk(Timeline::new(now));
            restored.0.restore(disk.into_values().collect());
            let key = ("desk".into(), "vendor".into());
            let end = now.plus_ms(60_000);
            for (index, cut) in cuts.iter().enumerate() {
                let after = counted.iter().filter(|(_, cuts)| *cuts > index).count() as u64;
                let before = counted.len() as u64 - after;
                for timeline in [&desk.0, &restored.0] {
                    prop_assert_eq!(timeline.of(&key, *cut..end).openings, after);
                    prop_assert_eq!(timeline.of(&key, NOON.plus_ms(-60_000)..*cut).openings, before);
                }
            }
            let whole = restored.0.of(&key, NOON.plus_ms(-60_000)..end).openings;
            prop_assert_eq!(whole, counted.len() as u64);
        }
    }
}
