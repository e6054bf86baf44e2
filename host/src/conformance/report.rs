//! What a run of the kit found.
//!
//! Owns the shapes that people and programs read. Deliberately prints nothing.
//! Invariants: a test that could not run has failed; every failure says why,
//! and with what input it can be had again where an input led to it.

use kefu_plugin_api::wire::Contract;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Isolation, tree::Tree};
use crate::plugin::Function;

/// One run of the kit on one file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this shape: fields are added, never changed.
    pub kit: u32,
    /// The operator's file.
    pub file: String,
    /// The hash of its bytes.
    pub sha256: String,
    /// Who its adapter is; absent if it could not be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// Where the settings came from: `given` or `made_up`.
    pub settings: &'static str,
    /// What all randomness was drawn from.
    pub seed: u64,
    /// Mutated inputs for each isolation.
    pub inputs: u64,
    /// Whether every test passed.
    pub passed: bool,
    /// Every test, in the order they ran.
    pub tests: Vec<Test>,
}

/// Who the tested adapter is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its vendor's name.
    pub id: String,
    /// Its own version.
    pub version: String,
    /// The contract it was built for.
    pub contract: String,
    /// The compiler it was built with.
    pub rustc: String,
}

impl Adapter {
    pub(super) fn new(id: &str, version: &str, contract: Contract, rustc: &str) -> Self {
        Self {
            id: id.to_owned(),
            version: version.to_owned(),
            contract: contract.to_string(),
            rustc: rustc.to_owned(),
        }
    }
}

/// One test in one isolation.
#[derive(Clone, Debug, Serialize)]
pub struct Test {
    /// Its name, as `--only` takes it.
    pub name: &'static str,
    /// What it is about, in a sentence.
    pub title: &'static str,
    /// Where the adapter ran.
    pub isolation: Isolation,
    /// Whether it passed.
    pub passed: bool,
    /// How long it took, starting its process included.
    pub took_ms: u64,
    /// Calls of the adapter.
    pub calls: u64,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
    /// Why it did not pass.
    pub failures: Vec<Failure>,
}

/// One reason why a test did not pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What was expected and what was found.
    pub reason: String,
    /// What led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Reproduction>,
}

/// An input that can be had again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// The function that was given it: `handle`, `receive`, `check_state`,
    /// `self_test`, `open` or `load`.
    pub function: String,
    /// Its number among the mutated inputs; with the run's seed it is made
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The input, as JSON; bytes that are no text as `{"hex": …}`.
    pub value: Value,
}

impl Reproduction {
    /// An input as it crossed the boundary.
    pub(super) fn of(function: &str, input: &[u8], index: Option<u64>) -> Self {
        let value = match Tree::read(input) {
            Ok(tree) if function != "check_state" || !input.is_empty() => tree.to_json(),
            _ => Tree::Bytes(input.to_vec()).to_json(),
        };
        Self {
            function: function.to_owned(),
            index,
            value,
        }
    }
}

/// What one test found; filled while it runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) failures: Vec<Failure>,
    pub(super) notes: Vec<String>,
    pub(super) calls: u64,
    /// What a test that runs in two processes compares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) digests: Vec<String>,
}

/// More say the same again.
const ENOUGH: usize = 5;

impl Verdict {
    /// Adds a reason that no single input led to.
    pub(super) fn fail(&mut self, reason: impl Into<String>) {
        self.add(Failure {
            reason: reason.into(),
            input: None,
        });
    }

    /// Adds a reason with the input that led to it.
    pub(super) fn fail_on(&mut self, reason: impl Into<String>, input: Reproduction) {
        self.add(Failure {
            reason: reason.into(),
            input: Some(input),
        });
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Whether nothing is learned from going on.
    pub(super) fn is_full(&self) -> bool {
        self.failures.len() >= ENOUGH
    }

    fn add(&mut self, failure: Failure) {
        let known = |old: &Failure| old.reason == failure.reason;
        if !self.is_full() && !self.failures.iter().any(known) {
            self.failures.push(failure);
        }
    }
}

/// The name of a function on the wire of reports.
pub(super) const fn name_of(function: Function) -> &'static str {
    match function {
        Function::Handle => "handle",
        Function::Receive => "receive",
        Function::SelfTest => "self_test",
        Function::CheckState => "check_state",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_told_once_and_no_more_than_a_few() {
        let mut verdict = Verdict::default();
        verdict.fail("one");
        verdict.fail("one");
        assert_eq!(verdict.failures.len(), 1);
        for index in 0..20 {
            verdict.fail(format!("{index}"));
        }
        assert_eq!(verdict.failures.len(), ENOUGH);
        assert!(verdict.is_full());
    }
}
