//! Who the adapter is, and settings that it opens with: what a run needs to
//! know before any test.

use super::{Bench, Verdict};
use crate::conformance::{report::Adapter, settings};

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let about = bench.about();
    let descriptor = about.descriptor();
    let adapter = Adapter::new(
        &descriptor.id,
        &descriptor.version,
        about.contract(),
        about.rustc(),
    );
    let settings = match &bench.job.settings {
        Some(given) => Ok(given.clone()),
        None => settings::make_up(bench),
    };
    match (serde_json::to_string(&adapter), settings) {
        (Ok(adapter), Ok(settings)) => verdict.digests = vec![adapter, settings.to_string()],
        (_, Err(reason)) => verdict.fail(reason),
        (Err(error), _) => verdict.fail(error.to_string()),
    }
}
