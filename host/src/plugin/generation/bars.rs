//! Who is not called for a while.
//!
//! Owns the memory of calls that ended their process, also when they were
//! repeated alone: whoever asked for one waits a few seconds before the adapter
//! is called for them again, so that one visitor who repeats a message does
//! not keep everybody's process from serving. Deliberately speaks of sessions
//! and callbacks only, never of a provider. Invariant: a bar ends by itself,
//! and at most so many are remembered.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kefu_plugin_api::{http::Callback, ids::SessionId};

use super::{Fault, FaultKind};

/// For whom a call is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    /// A session, or the provider's own scope if that is empty.
    Session(SessionId),
    /// Nobody who is known: a callback, by what it says.
    Callback(u64),
}

impl Asker {
    /// Whoever sent this callback, or sends the same again.
    pub(super) fn of(callback: &Callback) -> Self {
        let mut hasher = DefaultHasher::new();
        (&callback.path, &callback.query, &callback.body).hash(&mut hasher);
        Self::Callback(hasher.finish())
    }
}

/// The bars of one generation.
#[derive(Debug, Default)]
pub(super) struct Bars(Mutex<HashMap<Asker, (Instant, String)>>);

impl Bars {
    /// Why no call is made for this asker, if none is.
    pub(super) fn check(&self, asker: &Asker, now: Instant) -> Result<(), Fault> {
        let bars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((until, why)) = bars.get(asker).filter(|(until, _)| *until > now) else {
            return Ok(());
        };
        let left = until.duration_since(now).as_millis();
        let detail = format!("it is not called for this session for another {left} ms: {why}");
        Err(Fault::new(FaultKind::Unavailable, detail))
    }

    /// Takes note of how a call for this asker ended.
    pub(super) fn note(&self, asker: Asker, fault: &Fault, now: Instant) {
        if fault.kind != FaultKind::Crash {
            return;
        }
        let mut bars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bars.retain(|_, (until, _)| *until > now);
        if bars.len() < MOST {
            bars.insert(asker, (now + BAR, fault.to_string()));
        }
    }
}

/// How long nobody calls for whoever ended two processes.
const BAR: Duration = Duration::from_secs(5);
/// Bars that are remembered.
const MOST: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> Asker {
        Asker::Session(id.into())
    }

    #[test]
    fn a_session_that_ended_two_processes_waits_and_no_other_does() {
        let (bars, now) = (Bars::default(), Instant::now());
        let crash = Fault::new(FaultKind::Crash, "it left with code 7");
        bars.note(session("bad"), &crash, now);
        let fault = bars.check(&session("bad"), now).expect_err("it waits");
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert!(fault.detail.contains("code 7"), "{fault}");
        assert_eq!(bars.check(&session("good"), now), Ok(()));
        assert_eq!(bars.check(&session("bad"), now + BAR), Ok(()));
    }

    #[test]
    fn other_faults_bar_nobody() {
        let (bars, now) = (Bars::default(), Instant::now());
        for kind in [
            FaultKind::Panic,
            FaultKind::Timeout,
            FaultKind::Unavailable,
            FaultKind::Vendor,
        ] {
            bars.note(session("a"), &Fault::new(kind, "no"), now);
            assert_eq!(bars.check(&session("a"), now), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn bars_that_are_over_make_room_for_others() {
        let (bars, now) = (Bars::default(), Instant::now());
        let crash = Fault::new(FaultKind::Crash, "it ended");
        for number in 0..MOST + 10 {
            bars.note(session(&number.to_string()), &crash, now);
        }
        assert_eq!(bars.0.lock().expect("no panic").len(), MOST);
        bars.note(session("later"), &crash, now + BAR);
        assert_eq!(bars.0.lock().expect("no panic").len(), 1);
    }
}
