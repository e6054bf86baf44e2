//! What the descriptor says, against what the adapter does.

mod promises;
mod words;

use super::{Bench, Verdict, open};

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    words::check(bench.about().descriptor(), verdict);
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    promises::check(bench, &adapter, verdict);
}
