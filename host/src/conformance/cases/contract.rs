//! The four functions answer in the contract's words, and a request that is
//! none is answered by an error.

use kefu_plugin_api::wire::{CONTRACT, encode};

use super::{Bench, Verdict, open};
use crate::{
    conformance::{corpus, report::name_of},
    plugin::{FaultKind, Function},
};

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let about = bench.about();
    if about.contract().major != CONTRACT.major {
        verdict.fail(format!(
            "expected contract {}.x, found {}",
            CONTRACT.major,
            about.contract()
        ));
    }
    if !about.rustc().starts_with("rustc ") {
        verdict.fail(format!(
            "expected the compiler as `rustc --version` prints it, found {:?}",
            about.rustc()
        ));
    }
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let opened = corpus::turn(corpus::opened(), Default::default());
    if let Err(fault) = adapter.handle(&opened) {
        verdict.fail_on(fault.to_string(), super::shown(&opened));
    }
    let callback = corpus::bare(b"{}");
    if let Err(fault) = adapter.receive(&callback) {
        let input = encode(&callback).unwrap_or_default();
        verdict.fail_on(
            fault.to_string(),
            bench.reproduction(Function::Receive, &input),
        );
    }
    if let Err(fault) = adapter.check_state(&[]) {
        verdict.fail(format!("a session without a state: {fault}"));
    }
    for function in [Function::Handle, Function::Receive] {
        for nonsense in [&b""[..], b"\xc1", b"\x81", b"not an input"] {
            match adapter.raw(function, nonsense) {
                Err(fault) if fault.kind == FaultKind::BadOutput => {}
                Ok(_) => verdict.fail_on(
                    format!("{} answers what is no input", name_of(function)),
                    bench.reproduction(function, nonsense),
                ),
                Err(fault) => verdict.fail_on(
                    format!("expected to be told that it is no input, found {fault}"),
                    bench.reproduction(function, nonsense),
                ),
            }
        }
    }
    opens_several_times(bench, verdict);
}

/// A replacement is opened while its predecessor serves.
fn opens_several_times(bench: &Bench<'_>, verdict: &mut Verdict) {
    let (Some(first), Some(second)) = (open(bench, verdict), open(bench, verdict)) else {
        return;
    };
    drop(first);
    let opened = corpus::turn(corpus::opened(), Default::default());
    if let Err(fault) = second.handle(&opened) {
        verdict.fail(format!("after another one was closed: {fault}"));
    }
}
