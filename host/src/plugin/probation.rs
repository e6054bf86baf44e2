//! The time after a replacement in which the new generation has to prove
//! itself.
//!
//! Owns the count of sessions that a fresh generation failed. Deliberately
//! changes nothing: whoever counts the last one tells that it is unfit.
//! Invariants: only faults of the generation on probation count; it is found
//! unfit once.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use kefu_core::config::Rollback;
use kefu_plugin_api::ids::{ProviderId, SessionId};

/// A generation that should be given up for the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Whom it serves.
    pub provider: ProviderId,
    /// Its number.
    pub generation: u64,
    /// In how many sessions it faulted.
    pub sessions: usize,
    /// The last fault, in words.
    pub fault: String,
}

/// At most one generation of a provider is on probation.
#[derive(Debug, Default)]
pub(super) struct Probation(Mutex<Option<OnProbation>>);

#[derive(Debug)]
struct OnProbation {
    generation: u64,
    until: Instant,
    most: usize,
    failed: BTreeSet<SessionId>,
}

impl Probation {
    /// Watches a generation from now on, instead of any other.
    pub(super) fn begin(&self, generation: u64, now: Instant, rule: Rollback) {
        let watched = OnProbation {
            generation,
            until: now + rule.within,
            most: rule.sessions as usize,
            failed: BTreeSet::new(),
        };
        *self.lock() = (rule.sessions > 0).then_some(watched);
    }

    /// Watches none.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// Counts a fault. In how many sessions it failed, if this was one too
    /// many.
    pub(super) fn count(
        &self,
        generation: u64,
        session: &SessionId,
        now: Instant,
    ) -> Option<usize> {
        let mut watched = self.lock();
        let on_probation = watched.as_mut()?;
        if on_probation.generation != generation {
            return None;
        }
        if now > on_probation.until {
            *watched = None;
            return None;
        }
        on_probation.failed.insert(session.clone());
        let failed = on_probation.failed.len();
        if failed < on_probation.most {
            return None;
        }
        *watched = None;
        Some(failed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<OnProbation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULE: Rollback = Rollback {
        sessions: 2,
        within: Duration::from_secs(60),
    };

    #[test]
    fn faults_of_several_sessions_soon_after_the_swap_find_it_unfit_once() {
        let (probation, start) = (Probation::default(), Instant::now());
        probation.begin(7, start, RULE);
        assert_eq!(probation.count(7, &"a".into(), start), None);
        assert_eq!(probation.count(7, &"a".into(), start), None);
        assert_eq!(probation.count(7, &"b".into(), start), Some(2));
        assert_eq!(probation.count(7, &"c".into(), start), None);
    }

    #[test]
    fn late_faults_and_those_of_another_generation_do_not_count() {
        let (probation, start) = (Probation::default(), Instant::now());
        probation.begin(7, start, RULE);
        assert_eq!(probation.count(6, &"a".into(), start), None);
        assert_eq!(probation.count(6, &"b".into(), start), None);
        let late = start + RULE.within + Duration::from_millis(1);
        assert_eq!(probation.count(7, &"a".into(), start), None);
        assert_eq!(probation.count(7, &"b".into(), late), None);
    }

    #[test]
    fn without_a_rule_nothing_is_watched() {
        let (probation, start) = (Probation::default(), Instant::now());
        probation.begin(
            7,
            start,
            Rollback {
                sessions: 0,
                ..RULE
            },
        );
        assert_eq!(probation.count(7, &"a".into(), start), None);
        probation.begin(8, start, RULE);
        probation.end();
        assert_eq!(probation.count(8, &"a".into(), start), None);
        assert_eq!(probation.count(8, &"b".into(), start), None);
    }
}
