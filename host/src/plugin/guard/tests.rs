use super::*;

const TOLERANCE: Tolerance = Tolerance {
    sessions: 3,
    within: Duration::from_secs(10),
    rest: Duration::from_secs(30),
};

fn panic() -> Fault {
    Fault::new(FaultKind::Panic, "boom")
}

fn fail(health: &Health, session: &str, at: Instant) -> bool {
    health.count(&panic(), &session.into(), at, &TOLERANCE)
}

#[test]
fn faults_of_several_sessions_bring_a_quarantine_that_ends() {
    let (health, start) = (Health::default(), Instant::now());
    assert!(!fail(&health, "a", start));
    assert!(!fail(&health, "b", start));
    assert!(fail(&health, "c", start));
    let until = start + TOLERANCE.rest;
    assert_eq!(health.quarantined_until(start), Some(until));
    assert_eq!(health.quarantined_until(until), None);
    assert_eq!(health.faults()[&FaultKind::Panic], 3);
}

#[test]
fn one_session_alone_never_brings_a_quarantine() {
    let (health, start) = (Health::default(), Instant::now());
    assert!((0..10_000).all(|_| !fail(&health, "a", start)));
    assert!(health.record().recent.len() <= MOST_REMEMBERED);
    assert_eq!(health.faults()[&FaultKind::Panic], 10_000);
}

#[test]
fn faults_far_apart_are_forgotten() {
    let (health, start) = (Health::default(), Instant::now());
    for (index, session) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let at = start + (TOLERANCE.within + Duration::from_secs(1)) * index as u32;
        assert!(!fail(&health, session, at));
    }
}

#[test]
fn what_the_vendor_does_wrong_is_counted_and_not_held_against_the_adapter() {
    let (health, start) = (Health::default(), Instant::now());
    let fault = Fault::new(FaultKind::Vendor, "HTML instead of JSON");
    for session in ["a", "b", "c", "d", "e"] {
        assert!(!health.count(&fault, &session.into(), start, &TOLERANCE));
    }
    assert_eq!(health.faults()[&FaultKind::Vendor], 5);
    assert!(health.last_error().is_some());
}

#[test]
fn a_call_that_no_process_took_is_counted_and_held_against_nobody() {
    let (health, start) = (Health::default(), Instant::now());
    let fault = Fault::new(FaultKind::Unavailable, "the next one is not there yet");
    for session in ["a", "b", "c", "d", "e"] {
        assert!(!health.count(&fault, &session.into(), start, &TOLERANCE));
    }
    assert_eq!(health.faults()[&FaultKind::Unavailable], 5);
}

#[test]
fn a_replaced_adapter_starts_without_a_record() {
    let (health, start) = (Health::default(), Instant::now());
    for session in ["a", "b", "c"] {
        fail(&health, session, start);
    }
    health.forgive();
    assert_eq!(health.quarantined_until(start), None);
    assert!(!fail(&health, "d", start));
    assert_eq!(health.faults()[&FaultKind::Panic], 4);
}
