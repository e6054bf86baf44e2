//! What the kit tests, each by its name.
//!
//! Owns the list. Every test is a function of a loaded file and of nothing
//! else, so that each runs in a process of its own and does the same again.
//! Invariant: a test that cannot do what it is for fails.

mod callbacks;
mod contract;
mod descriptor;
mod determinism;
mod effects;
mod introduction;
mod limits;
mod mutations;
mod needs;
mod self_test;
mod settings;
mod states;
mod unknown;

use kefu_plugin_api::wire::HandleInput;

use super::{
    door::{self, Door},
    play::{Flaw, Play},
    random::Random,
    report::{Reproduction, Verdict},
    subject::{Adapter, Bench},
    tree::Tree,
};

/// A test.
pub(super) struct Case {
    /// Its name, as `--only` takes it.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) title: &'static str,
    /// Does it.
    pub(super) run: fn(&Bench<'_>, &mut Verdict),
}

/// Every test, in the order they run.
pub(super) const ALL: [Case; 12] = [
    Case {
        name: "contract",
        title: "loads, and speaks the contract",
        run: contract::run,
    },
    Case {
        name: "self-test",
        title: "passes its self-test",
        run: self_test::run,
    },
    Case {
        name: "descriptor",
        title: "does what its descriptor says",
        run: descriptor::run,
    },
    Case {
        name: "needs",
        title: "reaches no host, token or secret that it does not declare",
        run: needs::run,
    },
    Case {
        name: "settings",
        title: "refuses settings that cannot be used by their names, and shows no secret",
        run: settings::run,
    },
    Case {
        name: "callbacks",
        title: "refuses callbacks that prove nothing",
        run: callbacks::run,
    },
    Case {
        name: "determinism",
        title: "gives the same output for the same input, in another process too",
        run: determinism::run,
    },
    Case {
        name: "unknown",
        title: "ignores events, fields and content that it does not know",
        run: unknown::run,
    },
    Case {
        name: "states",
        title: "reads the states that it and earlier versions wrote",
        run: states::run,
    },
    Case {
        name: "effects",
        title: "asks only for what a session allows",
        run: effects::run,
    },
    Case {
        name: "limits",
        title: "keeps the limits of size and time",
        run: limits::run,
    },
    Case {
        name: "mutations",
        title: "survives mutated inputs",
        run: mutations::run,
    },
];

/// The helper that comes before all tests.
pub(super) const INTRODUCTION: &str = "introduction";

/// What runs in a process of its own and is no test.
const HELPERS: [Case; 2] = [
    Case {
        name: INTRODUCTION,
        title: "",
        run: introduction::run,
    },
    Case {
        name: determinism::DIGESTS,
        title: "",
        run: determinism::digests,
    },
];

/// The test of this name.
pub(super) fn find(name: &str) -> Option<&'static Case> {
    static KNOWN: &[Case] = &ALL;
    static HIDDEN: &[Case] = &HELPERS;
    KNOWN.iter().chain(HIDDEN).find(|case| case.name == name)
}

/// Opens with the settings of the job; without that no test is worth anything.
fn open<'a>(bench: &'a Bench<'_>, verdict: &mut Verdict) -> Option<Adapter<'a>> {
    match bench.open() {
        Ok(adapter) => Some(adapter),
        Err(fault) => {
            verdict.fail(format!("the test did not run: {fault}"));
            None
        }
    }
}

/// A turn as a failure shows it.
fn shown(input: &HandleInput) -> Reproduction {
    Reproduction {
        function: "handle".to_owned(),
        index: None,
        value: Tree::of(input).map_or(serde_json::Value::Null, |tree| tree.to_json()),
    }
}

fn tell(flaw: Flaw, verdict: &mut Verdict) {
    match flaw {
        Flaw::Fault(fault, input) => verdict.fail_on(fault.to_string(), shown(&input)),
        Flaw::Violation(violation, input) => verdict.fail_on(violation, shown(&input)),
    }
}

/// Sessions to start from: as many as asked for, played with what a vendor may
/// say. What goes wrong in them is for the test `effects` to tell.
fn rehearse(bench: &Bench<'_>, adapter: &Adapter<'_>, sessions: u64) -> Vec<HandleInput> {
    let door = door::find(bench, adapter);
    let payloads = payloads(bench);
    let mut inputs = Vec::new();
    for session in 0..sessions {
        let mut play = new_play(bench, adapter, door.as_ref(), &payloads, session);
        // An input that led nowhere is worth starting from as well.
        if let Err(flaw) = play.run(STEPS) {
            let (Flaw::Fault(_, input) | Flaw::Violation(_, input)) = *flaw;
            inputs.push(*input);
        }
        inputs.extend(play.turns.into_iter().map(|played| played.input));
    }
    inputs
}

fn new_play<'a>(
    bench: &Bench<'_>,
    adapter: &'a Adapter<'a>,
    door: Option<&'a Door>,
    payloads: &'a [Vec<u8>],
    session: u64,
) -> Play<'a> {
    let descriptor = bench.about().descriptor().clone();
    let random = Random::of(bench.job.seed, session);
    Play::new(adapter, descriptor, door, payloads, random)
}

/// How much happens in one session.
const STEPS: usize = 40;

fn payloads(bench: &Bench<'_>) -> Vec<Vec<u8>> {
    super::corpus::payloads(&bench.job.samples)
        .iter()
        .map(|payload| payload.to_string().into_bytes())
        .collect()
}
