//! The same input, the same output: at once, after another opening, and in
//! another process.

use kefu_plugin_api::{http::Callback, wire::encode};

use super::{Adapter, Bench, Verdict, open, payloads, rehearse};
use crate::{
    conformance::{corpus, door, process, report::name_of},
    plugin::{Function, image::sha256},
};

/// The helper that runs in the second process.
pub(super) const DIGESTS: &str = "determinism-digests";

/// Sessions that are played for their turns.
const SESSIONS: u64 = 8;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let (Some(adapter), Some(other)) = (open(bench, verdict), open(bench, verdict)) else {
        return;
    };
    let inputs = inputs(bench, &adapter);
    let mut digests = Vec::new();
    for (function, input) in &inputs {
        let first = digest(&adapter, *function, input);
        for (what, again) in [
            ("when asked again", digest(&adapter, *function, input)),
            ("when opened again", digest(&other, *function, input)),
        ] {
            if first != again {
                verdict.fail_on(
                    format!("{} answers otherwise {what}", name_of(*function)),
                    bench.reproduction(*function, input),
                );
            }
        }
        digests.push(first);
    }
    let elsewhere = match process::helper(bench.job, DIGESTS) {
        Ok(elsewhere) => elsewhere,
        Err(reason) => {
            verdict.fail(format!("the second process: {reason}"));
            return;
        }
    };
    if elsewhere.len() != digests.len() {
        verdict.fail("sessions take another course in another process");
    }
    for (index, (here, there)) in digests.iter().zip(&elsewhere).enumerate() {
        if here != there
            && let Some((function, input)) = inputs.get(index)
        {
            verdict.fail_on(
                format!(
                    "{} answers otherwise in another process",
                    name_of(*function)
                ),
                bench.reproduction(*function, input),
            );
        }
    }
}

/// The other process's half.
pub(super) fn digests(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    verdict.digests = inputs(bench, &adapter)
        .iter()
        .map(|(function, input)| digest(&adapter, *function, input))
        .collect();
}

fn inputs(bench: &Bench<'_>, adapter: &Adapter<'_>) -> Vec<(Function, Vec<u8>)> {
    let mut inputs = Vec::new();
    let played = rehearse(bench, adapter, SESSIONS);
    let everywhere = corpus::events()
        .into_iter()
        .flat_map(|event| corpus::STANDINGS.map(|standing| corpus::turn(event.clone(), standing)));
    let provider = corpus::events().into_iter().map(corpus::provider_turn);
    for turn in everywhere.chain(provider).chain(played) {
        inputs.extend(encode(&turn).map(|bytes| (Function::Handle, bytes)));
    }
    let door = door::find(bench, adapter);
    for body in payloads(bench) {
        let bare = corpus::bare(&body);
        let proven: Option<Callback> = door.as_ref().map(|door| door.pass(bare.clone()));
        for callback in proven.into_iter().chain([bare]) {
            inputs.extend(encode(&callback).map(|bytes| (Function::Receive, bytes)));
        }
    }
    inputs
}

fn digest(adapter: &Adapter<'_>, function: Function, input: &[u8]) -> String {
    match adapter.raw(function, input) {
        Ok(answer) => sha256(&answer),
        // A fault is an answer too.
        Err(fault) => fault.to_string(),
    }
}
