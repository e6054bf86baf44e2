//! Inputs bent out of shape: events, states, callbacks, answers, settings, and
//! plain bytes.
//!
//! Each input follows from the seed and its number alone, so that a failure
//! names both and nothing else is needed to have it again.

use kefu_plugin_api::{
    effect::Effect,
    http::Callback,
    ids::CallId,
    wire::{HandleInput, HandleOutput, ReceiveOutput, decode, encode},
};
use serde_json::Value;

use super::{Adapter, Bench, Verdict, door, open, payloads, rehearse};
use crate::{
    conformance::{
        corpus::{self, STANDINGS},
        door::Door,
        mutate,
        random::Random,
        report::Reproduction,
        schema::masked,
        subject::{check_receipt, check_turn, read},
        tree::Tree,
    },
    plugin::{Fault, FaultKind, Function, OpenFault},
};

/// Sessions that are played to start from.
const SESSIONS: u64 = 30;
/// Turns to start from, at most.
const MOST_TURNS: usize = 2_000;
/// Where opening is dear, one input in so many bends the settings.
const OPENINGS: usize = 2_000;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let material = Material::gather(bench, &adapter);
    if material.door.is_none() {
        verdict.note("no authentic callback is known: mutated ones are refused at the door");
    }
    unbent(bench, &adapter, &material, verdict);
    for index in 0..bench.job.inputs {
        bench.set_index(Some(index));
        let mut random = Random::of(bench.job.seed, index);
        one(bench, &adapter, &material, &mut random, verdict);
        if verdict.is_full() {
            break;
        }
    }
    bench.set_index(None);
}

/// What is right to begin with must not break anything either.
fn unbent(bench: &Bench<'_>, adapter: &Adapter<'_>, material: &Material, verdict: &mut Verdict) {
    let turns = material
        .turns
        .iter()
        .filter_map(|turn| Some((Function::Handle, encode(turn).ok()?)));
    let bodies = material.payloads.iter().map(|body| corpus::bare(body));
    let callbacks = bodies
        .map(|bare| match &material.door {
            Some(door) => door.pass(bare),
            None => bare,
        })
        .filter_map(|callback| Some((Function::Receive, encode(&callback).ok()?)));
    for (function, input) in turns.chain(callbacks) {
        let answer = adapter.raw(function, &input);
        if let Some(reason) = judge(adapter, function, &input, answer) {
            verdict.fail_on(reason, bench.reproduction(function, &input));
        }
    }
}

/// What is bent.
struct Material {
    turns: Vec<HandleInput>,
    calls: Vec<CallId>,
    payloads: Vec<Vec<u8>>,
    words: Vec<String>,
    door: Option<Door>,
}

impl Material {
    fn gather(bench: &Bench<'_>, adapter: &Adapter<'_>) -> Self {
        let mut turns = rehearse(bench, adapter, SESSIONS);
        for event in corpus::events() {
            for standing in STANDINGS {
                turns.push(corpus::turn(event.clone(), standing));
            }
            turns.push(corpus::provider_turn(event));
        }
        turns.truncate(MOST_TURNS);
        let mut words = Vec::new();
        let mut calls = vec!["send-1".into()];
        for turn in &turns {
            if let Ok(tree) = Tree::of(turn) {
                mutate::words(&tree, &mut words);
            }
            let output = adapter.handle(turn).unwrap_or_default();
            calls.extend(
                output
                    .effects
                    .into_iter()
                    .filter_map(|effect| match effect {
                        Effect::Call { call } => Some(call.id),
                        _ => None,
                    }),
            );
        }
        words.sort();
        words.dedup();
        calls.sort();
        calls.dedup();
        Self {
            turns,
            calls,
            payloads: payloads(bench),
            words,
            door: door::find(bench, adapter),
        }
    }

    fn turn(&self, random: &mut Random) -> HandleInput {
        random
            .pick(&self.turns)
            .cloned()
            .unwrap_or_else(|| corpus::turn(corpus::opened(), Default::default()))
    }

    /// A payload, its structure bent more often than its bytes.
    fn body(&self, random: &mut Random) -> Vec<u8> {
        let whole = random.pick(&self.payloads).cloned().unwrap_or_default();
        if random.one_in(3) {
            return mutate::bytes(random, &whole);
        }
        let Ok(mut tree) = serde_json::from_slice::<Tree>(&whole) else {
            return whole;
        };
        mutate::tree(random, &mut tree, &self.words);
        tree.to_json().to_string().into_bytes()
    }
}

fn one(
    bench: &Bench<'_>,
    adapter: &Adapter<'_>,
    material: &Material,
    random: &mut Random,
    verdict: &mut Verdict,
) {
    let (function, input) = match random.below(20) {
        0..=6 => (Function::Handle, bent_turn(material, random)),
        7..=8 => (Function::Handle, bent_state(material, random)),
        9..=12 => (Function::Handle, bent_answer(material, random)),
        13..=15 => (Function::Receive, bent_callback(material, random)),
        16 => {
            let state = material.turn(random).state;
            (Function::CheckState, mutate::bytes(random, &state))
        }
        17 => {
            let openings = if bench.opens_cheaply() {
                4
            } else {
                OPENINGS / 20
            };
            if random.one_in(openings) {
                return bent_settings(bench, random, material, verdict);
            }
            (Function::Handle, bent_turn(material, random))
        }
        18 => {
            let whole = encode(&material.turn(random)).unwrap_or_default();
            (Function::Handle, mutate::bytes(random, &whole))
        }
        _ => {
            let callback = corpus::bare(&material.body(random));
            let whole = encode(&callback).unwrap_or_default();
            (Function::Receive, mutate::bytes(random, &whole))
        }
    };
    let answer = adapter.raw(function, &input);
    if let Some(reason) = judge(adapter, function, &input, answer) {
        verdict.fail_on(reason, bench.reproduction(function, &input));
    }
}

fn bent_turn(material: &Material, random: &mut Random) -> Vec<u8> {
    let turn = material.turn(random);
    let Ok(mut tree) = Tree::of(&turn) else {
        return Vec::new();
    };
    // The state keeps its form here, and so does most of the session.
    let part = if random.one_in(6) { "session" } else { "event" };
    if let Some(part) = tree.get_mut(part) {
        mutate::tree(random, part, &material.words);
    }
    tree.write().unwrap_or_default()
}

fn bent_state(material: &Material, random: &mut Random) -> Vec<u8> {
    let mut turn = material.turn(random);
    turn.state = match Tree::read(&turn.state) {
        Ok(mut state) if !random.one_in(4) => {
            mutate::tree(random, &mut state, &material.words);
            state.write().unwrap_or_default()
        }
        _ => mutate::bytes(random, &turn.state),
    };
    encode(&turn).unwrap_or_default()
}

fn bent_answer(material: &Material, random: &mut Random) -> Vec<u8> {
    let mut turn = material.turn(random);
    let call = random.pick(&material.calls).cloned().unwrap_or_default();
    let status = random
        .pick(&[200, 200, 200, 201, 204, 302, 400, 401, 403, 429, 500, 503])
        .copied()
        .unwrap_or(200);
    turn.event = corpus::answered(call, status, &material.body(random));
    encode(&turn).unwrap_or_default()
}

fn bent_callback(material: &Material, random: &mut Random) -> Vec<u8> {
    let bare = corpus::bare(&material.body(random));
    let callback: Callback = match &material.door {
        Some(door) => door.pass(bare),
        None => bare,
    };
    let Ok(mut tree) = Tree::of(&callback) else {
        return Vec::new();
    };
    if random.one_in(6) {
        mutate::tree(random, &mut tree, &material.words);
    }
    tree.write().unwrap_or_default()
}

fn bent_settings(
    bench: &Bench<'_>,
    random: &mut Random,
    material: &Material,
    verdict: &mut Verdict,
) {
    let Ok(mut tree) = Tree::of(bench.settings()) else {
        return;
    };
    mutate::tree(random, &mut tree, &material.words);
    let settings: Value = tree.to_json();
    let broken = match bench.open_with(&settings) {
        Ok(_) | Err(OpenFault::Refused(_)) => return,
        Err(fault) => fault,
    };
    let schema = bench.about().descriptor().settings.as_value();
    verdict.fail_on(
        broken.to_string(),
        Reproduction {
            function: "open".to_owned(),
            index: None,
            value: masked(schema, &settings),
        },
    );
}

/// What is wrong with an answer, if anything is.
fn judge(
    adapter: &Adapter<'_>,
    function: Function,
    input: &[u8],
    answer: Result<Vec<u8>, Fault>,
) -> Option<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => {
            return is_broken(&fault, || readable(function, input)).then(|| fault.to_string());
        }
    };
    let checked = match function {
        Function::Handle => read::<HandleOutput>(&answer).and_then(|output| {
            check_turn(&output)?;
            adapter.check_state(&output.state)
        }),
        Function::Receive => {
            read::<ReceiveOutput>(&answer).and_then(|output| check_receipt(&output))
        }
        Function::SelfTest | Function::CheckState => Ok(()),
    };
    checked.err().map(|fault| fault.to_string())
}

/// Whether no input excuses this fault. An input that the contract's own
/// reader does not read either may be refused as unreadable.
fn is_broken(fault: &Fault, readable: impl FnOnce() -> bool) -> bool {
    match fault.kind {
        FaultKind::Panic | FaultKind::Crash | FaultKind::Timeout | FaultKind::TooLarge => true,
        FaultKind::BadOutput => readable(),
        // The state was bent, or the turn makes no sense.
        _ => false,
    }
}

fn readable(function: Function, input: &[u8]) -> bool {
    match function {
        Function::Handle => decode::<HandleInput>(input).is_ok(),
        Function::Receive => decode::<Callback>(input).is_ok(),
        Function::SelfTest | Function::CheckState => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_input_excuses_is_broken() {
        let broken = |kind, readable| is_broken(&Fault::new(kind, ""), || readable);
        for kind in [
            FaultKind::Panic,
            FaultKind::Crash,
            FaultKind::Timeout,
            FaultKind::TooLarge,
        ] {
            assert!(broken(kind, false), "{kind:?}");
        }
        assert!(broken(FaultKind::BadOutput, true));
        assert!(!broken(FaultKind::BadOutput, false));
        assert!(!broken(FaultKind::State, true));
        assert!(!broken(FaultKind::Vendor, true));
    }
}
