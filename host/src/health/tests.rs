//! What observers say, and what it comes to.

use super::*;

fn provider() -> ProviderId {
    "p".into()
}

#[test]
fn nobody_is_doubted_without_a_reason() {
    let health = Health::default();
    assert_eq!(health.availability(&provider()), Availability::Ready);
    assert_eq!(health.finding(&provider()), Finding::default());
    assert!(!health.is_down(&provider()));
}

#[test]
fn two_failed_connections_in_a_row_are_an_outage_and_one_that_holds_ends_it() {
    let (health, p) = (Health::default(), provider());
    health.not_connected(&p, "refused");
    health.connected(&p);
    health.not_connected(&p, "refused");
    assert_eq!(health.availability(&p), Availability::Ready);
    health.not_connected(&p, "refused");
    assert_eq!(health.availability(&p), Availability::Failing);
    assert!(health.is_down(&p));
    let finding = health.finding(&p);
    assert_eq!(finding.why.as_deref(), Some("refused"));
    assert!(finding.since.is_some());
    health.connected(&p);
    assert_eq!(health.availability(&p), Availability::Ready);
    assert_eq!(health.finding(&p).why, None);
}

#[test]
fn a_call_that_gets_through_ends_what_the_prober_thought() {
    let (health, p) = (Health::default(), provider());
    health.not_connected(&p, "refused");
    health.not_connected(&p, "refused");
    health.breaker_opened(&p, "refused");
    health.connected(&p);
    assert_eq!(health.availability(&p), Availability::Failing);
    health.breaker_closed(&p);
    assert_eq!(health.availability(&p), Availability::Ready);
}

#[test]
fn canaries_that_stay_without_answer_make_a_vendor_mute_until_one_is_answered() {
    let (health, p) = (Health::default(), provider());
    health.sung(&p, Sung::Unanswered("silence".into()));
    assert_eq!(health.availability(&p), Availability::Ready);
    health.sung(&p, Sung::Unanswered("silence".into()));
    assert_eq!(health.availability(&p), Availability::Mute);
    assert!(!health.is_down(&p), "there are connections");
    health.sung(&p, Sung::NotOpened("refused".into()));
    assert_eq!(health.availability(&p), Availability::Failing);
    health.sung(&p, Sung::Answered(Duration::from_millis(120)));
    assert_eq!(health.availability(&p), Availability::Ready);
    let last = health.finding(&p).canary.expect("there was one");
    assert_eq!((last.outcome, last.answered_in_ms), ("answered", Some(120)));
}

#[test]
fn what_canaries_said_does_not_outlive_them() {
    let (health, p) = (Health::default(), provider());
    for _ in 0..2 {
        health.sung(&p, Sung::Unanswered("silence".into()));
    }
    health.no_canary(&p);
    assert_eq!(health.finding(&p).canary, None);
    assert_eq!(health.availability(&p), Availability::Ready);
}

#[test]
fn a_vendor_that_refuses_nearly_everything_gets_no_sessions_and_all_its_calls() {
    let (health, p) = (Health::default(), provider());
    for number in 0..10 {
        let session = format!("s{number}").as_str().into();
        health.tried(&p, &session, "refused", Some(503));
        health.tried(&p, &session, "not_sent", None);
        health.tried(&p, &session, "refused", Some(429));
    }
    assert_eq!(health.availability(&p), Availability::Failing);
    assert!(!health.is_down(&p), "calls go on being tried");
    let why = health.finding(&p).why;
    assert_eq!(why.as_deref(), Some("10 of 10 attempts failed within 10 s"));
    health.tried(&p, &"s0".into(), "answered", Some(200));
    assert_eq!(health.finding(&p).state, State::Failing, "it rests");
}

#[tokio::test]
async fn whoever_waits_is_told_of_every_change() {
    let (health, p) = (Health::default(), provider());
    let mut changes = health.subscribe();
    let waiting = {
        let (health, p) = (health.clone(), p.clone());
        tokio::spawn(async move { health.went_down(&p).await })
    };
    health.breaker_opened(&p, "refused");
    waiting.await.expect("it is told");
    changes.changed().await.expect("the sender is there");
    health.breaker_opened(&p, "refused again");
    changes.mark_unchanged();
    health.connected(&p);
    assert!(!changes.has_changed().unwrap(), "nothing changed");
    health.breaker_closed(&p);
    assert!(changes.has_changed().unwrap());
}

#[test]
fn those_that_are_gone_are_forgotten() {
    let (health, p) = (Health::default(), provider());
    health.breaker_opened(&p, "refused");
    health.retain(|_| false);
    assert_eq!(health.availability(&p), Availability::Ready);
}
