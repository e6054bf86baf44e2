//! The adapter's own self-test, alone and after other calls.

use super::{Bench, Verdict, open};
use crate::{conformance::corpus, plugin::Function};

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    // Opening runs it once.
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    for standing in corpus::STANDINGS {
        // Whatever comes of it; the next self-test must not know.
        let _ = adapter.handle(&corpus::turn(corpus::opened(), standing));
        if let Err(fault) = adapter.raw(Function::SelfTest, &[]) {
            verdict.fail(format!("after a session was opened: {fault}"));
        }
    }
}
