//! States: absent, its own, of earlier versions, of newer ones, and none.

use super::{Adapter, Bench, Verdict, open, rehearse, shown};
use crate::{
    conformance::{corpus, report::Reproduction, tree::Tree},
    plugin::FaultKind,
};
use kefu_plugin_api::event::Event;

/// Sessions that are played for their states.
const SESSIONS: u64 = 12;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    for (what, state) in [("an absent state", &b""[..]), ("a nil state", b"\xc0")] {
        readable(&adapter, what, state, verdict);
    }
    for golden in &bench.job.states {
        let what = format!("the state of {}", golden.name);
        readable(&adapter, &what, &golden.bytes, verdict);
    }
    if bench.job.states.is_empty() {
        verdict.note("no states of earlier versions were given (--states DIR)");
    }
    own(bench, &adapter, verdict);
    for nonsense in [
        &b"\xc1"[..],
        b"\xff\xff\xff",
        b"\x81",
        &[0x93; 64],
        b"{\"a\":1}",
    ] {
        match adapter.check_state(nonsense) {
            Err(fault) if fault.kind == FaultKind::State => {}
            Err(fault) => verdict.fail_on(
                format!("expected to be told that it is no state, found {fault}"),
                reproduction(nonsense),
            ),
            Ok(()) => verdict.fail_on("reads what is no state", reproduction(nonsense)),
        }
    }
}

/// Everything that this version writes, read again by itself, also as if a
/// newer version had added to it.
fn own(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    let version = &bench.about().descriptor().version;
    for input in rehearse(bench, adapter, SESSIONS) {
        let Ok(output) = adapter.handle(&input) else {
            continue;
        };
        if output.state_version != *version {
            verdict.fail_on(
                format!(
                    "expected a state signed by version `{version}`, found `{}`",
                    output.state_version
                ),
                shown(&input),
            );
        }
        if let Err(fault) = adapter.check_state(&output.state) {
            verdict.fail_on(format!("its own state: {fault}"), shown(&input));
        }
        readable(adapter, "its own state", &output.state, verdict);
        added_to(adapter, &output.state, verdict);
        if verdict.is_full() {
            return;
        }
    }
}

/// An operator may roll back from a version that remembers more.
fn added_to(adapter: &Adapter<'_>, state: &[u8], verdict: &mut Verdict) {
    let Ok(Tree::Map(mut entries)) = Tree::read(state) else {
        return;
    };
    entries.push((
        Tree::Text("of_a_newer_version".into()),
        Tree::Map(vec![(Tree::Text("deep".into()), Tree::Int(1))]),
    ));
    let newer = Tree::Map(entries).write().unwrap_or_default();
    readable(adapter, "its own state with a field more", &newer, verdict);
}

fn readable(adapter: &Adapter<'_>, what: &str, state: &[u8], verdict: &mut Verdict) {
    if let Err(fault) = adapter.check_state(state) {
        verdict.fail_on(format!("{what} is not read: {fault}"), reproduction(state));
        return;
    }
    let mut input = corpus::turn(Event::Unknown, Default::default());
    input.state = state.to_vec();
    if let Err(fault) = adapter.handle(&input) {
        verdict.fail_on(format!("a turn with {what}: {fault}"), reproduction(state));
    }
}

fn reproduction(state: &[u8]) -> Reproduction {
    Reproduction::of("check_state", state, None)
}
