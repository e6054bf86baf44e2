//! What is newer than the adapter: events, fields, kinds of content.

use kefu_plugin_api::{message::Content, wire::encode};

use super::{Adapter, Bench, Verdict, open, shown};
use crate::{
    conformance::{
        corpus::{self, STANDINGS},
        report::name_of,
        subject::read,
        tree::Tree,
    },
    plugin::{FaultKind, Function},
};
use kefu_plugin_api::wire::{HandleInput, HandleOutput};

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let begun = adapter
        .handle(&corpus::turn(corpus::opened(), Default::default()))
        .map(|output| output.state)
        .unwrap_or_default();
    for standing in STANDINGS {
        for event in corpus::unknown_events() {
            for state in [&[][..], &begun] {
                let mut input = corpus::turn(event.clone(), standing);
                input.state = state.to_vec();
                ignores(&adapter, &input, verdict);
                as_newer_host(bench, &adapter, &input, verdict);
            }
        }
        let input = corpus::turn(corpus::says("message-1", Content::Unknown), standing);
        if let Err(fault) = adapter.handle(&input)
            && fault.blames_adapter()
        {
            verdict.fail_on(
                format!("content of an unknown kind: {fault}"),
                shown(&input),
            );
        }
    }
    with_unknown_fields(bench, &adapter, verdict);
}

fn ignores(adapter: &Adapter<'_>, input: &HandleInput, verdict: &mut Verdict) {
    match adapter.handle(input) {
        Ok(output) if output.effects.is_empty() => {}
        Ok(output) => verdict.fail_on(
            format!(
                "expected no effects for an unknown event, found {}",
                output.effects.len()
            ),
            shown(input),
        ),
        Err(fault) => verdict.fail_on(format!("an unknown event: {fault}"), shown(input)),
    }
}

/// The same event under a name that no version of the contract has yet.
fn as_newer_host(
    bench: &Bench<'_>,
    adapter: &Adapter<'_>,
    input: &HandleInput,
    verdict: &mut Verdict,
) {
    let Ok(mut tree) = Tree::of(input) else {
        return;
    };
    let Some(event) = tree.get_mut("event") else {
        return;
    };
    let inner = match event.get_mut("event") {
        Some(inner) => inner,
        None => event,
    };
    *inner = Tree::Map(vec![
        (text("type"), text("from_a_newer_host")),
        (text("what"), Tree::List(vec![Tree::Int(1)])),
    ]);
    let bytes = tree.write().unwrap_or_default();
    let answer = adapter
        .raw(Function::Handle, &bytes)
        .and_then(|answer| read::<HandleOutput>(&answer));
    match answer {
        Ok(output) if output.effects.is_empty() => {}
        Ok(_) => verdict.fail_on(
            "expected no effects for an event of a newer gateway",
            bench.reproduction(Function::Handle, &bytes),
        ),
        Err(fault) => verdict.fail_on(
            format!("an event of a newer gateway: {fault}"),
            bench.reproduction(Function::Handle, &bytes),
        ),
    }
}

/// A newer gateway adds fields; what they say must change nothing.
fn with_unknown_fields(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    let turns = corpus::events().into_iter().map(|event| {
        (
            Function::Handle,
            encode(&corpus::turn(event, Default::default())),
        )
    });
    let callback = std::iter::once((Function::Receive, encode(&corpus::bare(b"{}"))));
    for (function, plain) in turns.chain(callback) {
        let Ok(plain) = plain else { continue };
        let Ok(mut tree) = Tree::read(&plain) else {
            continue;
        };
        for key in ["event", "session"] {
            if let Some(inner) = tree.get_mut(key) {
                add_unknown(inner);
            }
        }
        add_unknown(&mut tree);
        let newer = tree.write().unwrap_or_default();
        let (before, after) = (adapter.raw(function, &plain), adapter.raw(function, &newer));
        if before == after {
            continue;
        }
        let reason = match after {
            Err(fault) if fault.kind == FaultKind::BadOutput => {
                format!("{} does not read an unknown field", name_of(function))
            }
            _ => format!(
                "{} answers otherwise to an unknown field",
                name_of(function)
            ),
        };
        verdict.fail_on(reason, bench.reproduction(function, &newer));
    }
}

fn add_unknown(tree: &mut Tree) {
    if let Tree::Map(entries) = tree {
        entries.push((
            text("from_a_newer_host"),
            Tree::Map(vec![(text("deep"), Tree::Bool(true))]),
        ));
    }
}

fn text(text: &str) -> Tree {
    Tree::Text(text.to_owned())
}
