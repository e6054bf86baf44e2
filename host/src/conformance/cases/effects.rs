//! What the adapter asks for, against what a session and the provider's own
//! scope allow.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    effect::{Call, Effect},
    event::Event,
    wire::HandleInput,
};

use super::{Bench, Verdict, door, new_play, open, payloads, rehearse, shown, tell};
use crate::conformance::{corpus, play::Flaw, subject::Adapter};
use kefu_plugin_api::http::Stamp;

/// Sessions that are played.
const SESSIONS: u64 = 150;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let door = door::find(bench, &adapter);
    let payloads = payloads(bench);
    let mut signed = BTreeMap::new();
    for session in 0..SESSIONS {
        let mut play = new_play(bench, &adapter, door.as_ref(), &payloads, session);
        if let Err(flaw) = play.run(super::STEPS) {
            tell(*flaw, verdict);
        }
        for (turn, played) in play.turns.iter().enumerate() {
            for effect in &played.output.effects {
                let Effect::Call { call } = effect else {
                    continue;
                };
                well_formed(call, &played.input, verdict);
                once(call, (session, turn), &mut signed, &played.input, verdict);
                if call.prepare {
                    prepares(&adapter, call, &played.input, verdict);
                }
            }
        }
        if verdict.is_full() {
            return;
        }
    }
    in_provider_scope(bench, &adapter, verdict);
    no_answer_nobody_asked_for(bench, &adapter, verdict);
}

/// What HTTP itself asks of a request.
fn well_formed(call: &Call, input: &HandleInput, verdict: &mut Verdict) {
    let request = &call.request;
    let method_fits =
        !request.method.is_empty() && request.method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !method_fits {
        verdict.fail_on(
            format!("call `{}`: `{}` is no method", call.id, request.method),
            shown(input),
        );
    }
    for (name, value) in &request.headers {
        let parsed = name.parse::<http::HeaderName>();
        let lower = name.bytes().all(|byte| !byte.is_ascii_uppercase());
        if parsed.is_err() || !lower || http::HeaderValue::from_str(value).is_err() {
            verdict.fail_on(
                format!("call `{}`: header `{name}` cannot be sent", call.id),
                shown(input),
            );
        }
    }
    if call.id.as_str().is_empty() {
        verdict.fail_on("a call without an id", shown(input));
    }
}

/// The id of a Standard Webhooks call tells the vendor what is a repeat, so
/// that no two turns may share one.
fn once(
    call: &Call,
    turn: (u64, usize),
    signed: &mut BTreeMap<String, (u64, usize)>,
    input: &HandleInput,
    verdict: &mut Verdict,
) {
    let named = |stamp: &Stamp| matches!(stamp, Stamp::StandardWebhooks { .. });
    if !call.request.stamps.iter().any(named) {
        return;
    }
    let earlier = signed.insert(call.id.as_str().to_owned(), turn);
    if earlier.is_some_and(|earlier| earlier != turn) {
        verdict.fail_on(
            format!(
                "call `{}` is signed by Standard Webhooks and shares its id with another",
                call.id
            ),
            shown(input),
        );
    }
}

fn prepares(adapter: &Adapter<'_>, call: &Call, asked: &HandleInput, verdict: &mut Verdict) {
    let mut input = asked.clone();
    input.event = Event::PrepareAttempt {
        call: call.id.clone(),
        request: call.request.clone(),
        attempt: 1,
    };
    match adapter.handle(&input) {
        Ok(output) if matches!(output.effects.as_slice(), [Effect::Attempt { .. }]) => {}
        Ok(output) => verdict.fail_on(
            format!(
                "expected one attempt for call `{}`, found {} effects",
                call.id,
                output.effects.len()
            ),
            shown(&input),
        ),
        Err(fault) => verdict.fail_on(fault.to_string(), shown(&input)),
    }
}

/// In the provider's own scope tokens are fetched, and nothing else happens.
fn in_provider_scope(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    for token in &bench.about().descriptor().tokens {
        let needed = corpus::provider_turn(Event::TokenNeeded {
            name: token.name.clone(),
        });
        let mut inputs = vec![needed.clone()];
        let output = adapter.handle(&needed).unwrap_or_default();
        for effect in output.effects {
            if let Effect::Call { call } = effect {
                for body in payloads(bench) {
                    let finished = corpus::answered(call.id.clone(), 200, &body);
                    inputs.push(corpus::provider_turn(finished));
                }
            }
        }
        for input in inputs {
            let output = adapter.handle(&input).unwrap_or_default();
            let of_provider = |effect: &Effect| {
                matches!(
                    effect,
                    Effect::Call { .. } | Effect::Token { .. } | Effect::Attempt { .. }
                )
            };
            if !output.effects.iter().all(of_provider) {
                verdict.fail_on(
                    "expected calls and tokens only in the provider's scope, found another effect",
                    shown(&input),
                );
            }
        }
    }
}

/// An end of a call that this version never made: an older one may have.
fn no_answer_nobody_asked_for(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    for base in rehearse(bench, adapter, 4) {
        let mut input = base;
        input.event = corpus::answered("of-an-older-version".into(), 200, b"{}");
        if let Err(fault) = adapter.handle(&input)
            && fault.blames_adapter()
        {
            tell(Flaw::Fault(fault, Box::new(input)), verdict);
            return;
        }
    }
}
