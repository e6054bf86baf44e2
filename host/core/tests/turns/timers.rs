//! Timers: what an adapter that fails on one costs, and what it does not.

use kefu_core::{session::TimerKey, turn::Input};
use kefu_plugin_api::{
    capability::{Capabilities, SessionState},
    effect::Effect,
    event::Event,
    wire::HandleInput,
};

use crate::visit::{Answer, DAY_MS, Visit, nothing};

fn sets(timer: &str, seconds: u64) -> Effect {
    Effect::SetTimer {
        timer: timer.into(),
        after_ms: seconds * 1000,
    }
}

/// A session with these timers, due in so many seconds.
fn with_timers(timers: &[(&str, u64)]) -> Visit {
    let mut visit = Visit::standing(Capabilities::default(), SessionState::Human);
    let effects = timers.iter().map(|(timer, due)| sets(timer, *due));
    visit.effects(effects.collect());
    visit
}

/// An adapter that fails on one timer and does this on any other.
fn fails_on(bad: &str, does: Vec<Effect>) -> impl FnMut(&HandleInput) -> Answer {
    move |input| match &input.event {
        Event::TimerFired { timer } if timer.as_str() == bad => Err("panicked".into()),
        _ => Ok(does.clone()),
    }
}

fn is_set(visit: &Visit, timer: &str) -> bool {
    let key = TimerKey::Adapter(timer.into());
    visit.record.timers.contains_key(&key)
}

/// Seconds until the next timer of the adapter.
fn next_in(visit: &Visit, timer: &str) -> i64 {
    let key = TimerKey::Adapter(timer.into());
    visit.record.timers[&key].since_ms(visit.now) / 1000
}

#[test]
fn a_timer_that_fails_costs_neither_the_others_nor_the_gateways() {
    let mut visit = with_timers(&[("bad", 1), ("good", 1)]);
    visit.passes(DAY_MS / 1000 + 1);
    let lines = visit.does(Input::Timers, fails_on("bad", vec![sets("good", 60)]));
    // The idle timer is the gateway's: it comes first and ends the session.
    assert_eq!(lines, ["told first closing idle", "session.ended idle"]);

    let mut visit = with_timers(&[("bad", 1), ("good", 1)]);
    visit.passes(2);
    let lines = visit.does(Input::Timers, fails_on("bad", vec![sets("good", 60)]));
    assert_eq!(
        lines,
        ["told first timer_fired bad", "told first timer_fired good"]
    );
    assert_eq!(next_in(&visit, "good"), 60);
    assert_eq!(next_in(&visit, "bad"), 30);
}

#[test]
fn a_timer_that_keeps_failing_is_told_after_growing_waits_and_given_up() {
    let mut visit = with_timers(&[("bad", 1)]);
    visit.passes(1);
    let mut waits = Vec::new();
    let notes = loop {
        let ran = visit.run(Input::Timers, fails_on("bad", vec![])).unwrap();
        if !is_set(&visit, "bad") {
            break ran.outcome.notes;
        }
        waits.push(next_in(&visit, "bad"));
        visit.passes(next_in(&visit, "bad"));
    };
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920]);
    assert!(notes[0].contains("given up after 8"), "{notes:?}");
    assert!(visit.record.timer_failures.is_empty());
}

#[test]
fn a_timer_that_works_again_or_is_set_anew_starts_from_the_beginning() {
    for repair in ["fires", "set", "cancelled"] {
        let mut visit = with_timers(&[("bad", 1)]);
        visit.passes(1);
        visit.does(Input::Timers, fails_on("bad", vec![]));
        assert_eq!(visit.record.timer_failures.len(), 1);
        match repair {
            "fires" => {
                visit.passes(30);
                visit.does(Input::Timers, nothing);
            }
            "set" => drop(visit.effects(vec![sets("bad", 1)])),
            _ => drop(visit.effects(vec![Effect::CancelTimer {
                timer: "bad".into(),
            }])),
        }
        assert!(visit.record.timer_failures.is_empty(), "{repair}");
    }
}

#[test]
fn what_a_failed_timer_asked_for_is_dropped_and_the_rest_is_kept() {
    let mut visit = with_timers(&[("a-bad", 1), ("b-good", 1)]);
    visit.passes(1);
    let lines = visit.does(Input::Timers, |input| match &input.event {
        // Typing is possible, a token is not: all of this answer goes.
        Event::TimerFired { timer } if timer.as_str() == "a-bad" => Ok(vec![
            Effect::Typing {},
            sets("more", 5),
            Effect::Token {
                name: "api".into(),
                value: "x".into(),
                expires_in_seconds: 1,
            },
        ]),
        _ => Ok(vec![sets("kept", 7)]),
    });
    assert_eq!(
        lines,
        [
            "told first timer_fired a-bad",
            "told first timer_fired b-good"
        ]
    );
    assert!(!is_set(&visit, "more"));
    assert_eq!((next_in(&visit, "a-bad"), next_in(&visit, "kept")), (30, 7));
}

#[test]
fn timers_wait_unwritten_for_an_adapter_that_takes_no_calls() {
    let mut visit = with_timers(&[("poll", 1)]);
    visit.passes(1);
    let desk = std::mem::take(&mut visit.desk);
    let ran = visit.run(Input::Timers, nothing).unwrap();
    assert!(!ran.outcome.changed);
    assert_eq!(next_in(&visit, "poll"), 0);
    assert!(visit.record.timer_failures.is_empty());
    visit.desk = desk;
    let lines = visit.does(Input::Timers, nothing);
    assert_eq!(lines, ["told first timer_fired poll"]);
}

#[test]
fn a_timer_that_another_cancels_or_moves_in_the_same_turn_does_not_fire() {
    for does in [Effect::CancelTimer { timer: "b".into() }, sets("b", 60)] {
        let mut visit = with_timers(&[("a", 1), ("b", 1)]);
        visit.passes(1);
        let lines = visit.does(Input::Timers, fails_on("none", vec![does]));
        assert_eq!(lines, ["told first timer_fired a"]);
    }
}
