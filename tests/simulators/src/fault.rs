//! Faults that a test or an operator switches on while a simulator runs.
//!
//! Owns the list of fault rules and which call or push each one hits. Does not
//! carry a fault out: `serve` does that for calls, `push` for pushes.
//! Invariant: a rule with `times` hits exactly that many, then it is spent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A rule: which calls or pushes it hits, and what happens to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Given by the simulator.
    #[serde(default, skip_deserializing)]
    pub id: u64,
    /// Only this operation (calls) or this event (pushes); absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only this visitor; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// Let this many pass first.
    #[serde(default)]
    pub skip: u64,
    /// Hit this many, then stop; absent: until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How many were hit.
    #[serde(default, skip_deserializing)]
    pub hits: u64,
    /// What happens.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happens to a call or a push that a rule hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Call: this HTTP status instead of the answer.
    Status {
        /// The status, 400 to 599.
        status: u16,
        /// Sent as `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
        /// Carry the call out before failing.
        #[serde(default)]
        processed: bool,
    },
    /// Call: status 200 with the vendor's own error envelope.
    ErrorCode {
        /// The vendor's code.
        code: String,
        /// The vendor's text.
        #[serde(default)]
        message: String,
        /// Carry the call out before failing.
        #[serde(default)]
        processed: bool,
    },
    /// Call: status 200 with JSON that breaks off.
    BrokenJson {
        /// Carry the call out before failing.
        #[serde(default)]
        processed: bool,
    },
    /// Call: status 200 without a body.
    EmptyBody {
        /// Carry the call out before failing.
        #[serde(default)]
        processed: bool,
    },
    /// Call: status 200 with an HTML page, as a proxy in between would send.
    Html {
        /// Carry the call out before failing.
        #[serde(default)]
        processed: bool,
    },
    /// Call: carried out at once, answered late.
    Slow {
        /// How late.
        ms: u64,
    },
    /// Call: the connection is closed without an answer.
    Drop {
        /// Carry the call out first; this is the "answer lost" case.
        #[serde(default = "yes")]
        processed: bool,
    },
    /// Push: sent again, unchanged.
    Duplicate {
        /// How many more times.
        #[serde(default = "one")]
        copies: u32,
    },
    /// Push: sent this much later; pushes behind it overtake.
    Delay {
        /// How late.
        ms: u64,
    },
    /// Push: changes places with the next push for the same visitor.
    Swap {
        /// How long to wait for a next one.
        #[serde(default = "one_second")]
        hold_ms: u64,
    },
    /// Push: signed wrongly (佳信), or sent to a wrong secret path (智齿).
    BadSignature,
    /// Push: signed with another secret (佳信), or as `bad_signature` (智齿).
    WrongSecret,
    /// Push: signed for a time outside the window (佳信; 智齿 has no time).
    StaleTimestamp,
    /// Push: never sent.
    Lose,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn one_second() -> u64 {
    1_000
}

impl Kind {
    /// Whether this is about pushes; all other kinds are about calls.
    pub(crate) fn hits_pushes(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::ErrorCode { .. }
            | Self::BrokenJson { .. }
            | Self::EmptyBody { .. }
            | Self::Html { .. }
            | Self::Slow { .. }
            | Self::Drop { .. } => false,
            Self::Duplicate { .. }
            | Self::Delay { .. }
            | Self::Swap { .. }
            | Self::BadSignature
            | Self::WrongSecret
            | Self::StaleTimestamp
            | Self::Lose => true,
        }
    }

    /// Whether a call is carried out although its answer is spoilt.
    pub(crate) fn processed(&self) -> bool {
        match self {
            Self::Status { processed, .. }
            | Self::ErrorCode { processed, .. }
            | Self::BrokenJson { processed }
            | Self::EmptyBody { processed }
            | Self::Html { processed }
            | Self::Drop { processed } => *processed,
            _ => true,
        }
    }

    /// The name used in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::ErrorCode { .. } => "error_code",
            Self::BrokenJson { .. } => "broken_json",
            Self::EmptyBody { .. } => "empty_body",
            Self::Html { .. } => "html",
            Self::Slow { .. } => "slow",
            Self::Drop { .. } => "drop",
            Self::Duplicate { .. } => "duplicate",
            Self::Delay { .. } => "delay",
            Self::Swap { .. } => "swap",
            Self::BadSignature => "bad_signature",
            Self::WrongSecret => "wrong_secret",
            Self::StaleTimestamp => "stale_timestamp",
            Self::Lose => "lose",
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Status { status, .. } if !(400..=599).contains(status) => Err(format!(
                "status is {status}; a fault answers with 400 to 599"
            )),
            _ => Ok(()),
        }
    }
}

/// The rules that are switched on.
#[derive(Default)]
pub(crate) struct Faults {
    /// Read first, so that a simulator without faults takes no lock.
    any: AtomicBool,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    next_id: u64,
    list: Vec<Fault>,
}

impl Faults {
    /// Adds a rule and returns it with its id.
    pub(crate) fn add(&self, mut fault: Fault) -> Result<Fault, String> {
        fault.kind.check()?;
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.next_id += 1;
        fault.id = rules.next_id;
        rules.list.push(fault.clone());
        self.any.store(true, Ordering::Release);
        Ok(fault)
    }

    /// Every rule, spent ones included.
    pub(crate) fn list(&self) -> Vec<Fault> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.list.clone()
    }

    /// Removes one rule; false if there is none with this id.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let before = rules.list.len();
        rules.list.retain(|rule| rule.id != id);
        self.any.store(!rules.list.is_empty(), Ordering::Release);
        rules.list.len() != before
    }

    /// Removes every rule.
    pub(crate) fn clear(&self) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.list.clear();
        self.any.store(false, Ordering::Release);
    }

    /// The first rule that hits this call, counted.
    pub(crate) fn for_call(&self, operation: &str, visitor: &str) -> Option<Kind> {
        self.matching(false, operation, visitor, true).pop()
    }

    /// Every rule that hits this push, counted.
    pub(crate) fn for_push(&self, event: &str, visitor: &str) -> Vec<Kind> {
        self.matching(true, event, visitor, false)
    }

    fn matching(&self, pushes: bool, operation: &str, visitor: &str, first: bool) -> Vec<Kind> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hit = Vec::new();
        for rule in &mut rules.list {
            let applies = rule.kind.hits_pushes() == pushes
                && rule.operation.as_deref().is_none_or(|it| it == operation)
                && rule.visitor.as_deref().is_none_or(|it| it == visitor)
                && rule.times.is_none_or(|times| rule.hits < times);
            if !applies {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.hits += 1;
            hit.push(rule.kind.clone());
            if first {
                break;
            }
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Fault {
        serde_json::from_str(json).expect("a rule")
    }

    #[test]
    fn a_rule_with_skip_and_times_hits_exactly_those_calls() {
        let faults = Faults::default();
        let text = r#"{"kind":"status","status":503,"operation":"chat_send","skip":1,"times":2}"#;
        faults.add(rule(text)).expect("valid");
        let hits: Vec<bool> = (0..5)
            .map(|_| faults.for_call("chat_send", "v").is_some())
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.for_call("out", "v").is_none());
    }

    #[test]
    fn a_rule_about_pushes_leaves_calls_alone() {
        let faults = Faults::default();
        faults.add(rule(r#"{"kind":"duplicate"}"#)).expect("valid");
        assert!(faults.for_call("chat_send", "v").is_none());
        assert_eq!(faults.for_push("202", "v"), [Kind::Duplicate { copies: 1 }]);
    }

    #[test]
    fn a_status_that_is_no_failure_is_refused() {
        let refused = Faults::default().add(rule(r#"{"kind":"status","status":200}"#));
        assert!(refused.is_err_and(|text| text.contains("400 to 599")));
    }
}
