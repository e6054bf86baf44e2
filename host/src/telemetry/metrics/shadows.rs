//! The numbers of shadows: what another provider would have made of sessions.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::Metrics;
use crate::shadow::Watched;

/// What is counted by desk, provider and shadow.
#[derive(Default)]
pub(super) struct Shadows {
    sessions: Family<Of, Counter>,
    left_out: Family<Of, Counter>,
    messages: Family<Came, Counter>,
    calls: Family<Came, Counter>,
    faults: Family<Faulted, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    desk: String,
    provider: String,
    shadow: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Came {
    desk: String,
    provider: String,
    shadow: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Faulted {
    desk: String,
    provider: String,
    shadow: String,
    kind: &'static str,
}

impl Shadows {
    pub(super) fn register(&self, it: &mut Registry) {
        it.register(
            "shadow_sessions",
            "Sessions that opened by a route with a shadow",
            self.sessions.clone(),
        );
        it.register(
            "shadow_left_out",
            "Those of them that were not followed to their end",
            self.left_out.clone(),
        );
        it.register(
            "shadow_messages",
            "Visitors' messages by what would have become of them",
            self.messages.clone(),
        );
        it.register(
            "shadow_calls",
            "Calls that the adapter would have made, by whether they could leave",
            self.calls.clone(),
        );
        it.register(
            "shadow_faults",
            "Faults of the adapter that cost nobody anything",
            self.faults.clone(),
        );
    }
}

impl Metrics {
    /// A session is followed.
    pub fn shadow_opened(&self, watched: &Watched) {
        self.0.shadows.sessions.get_or_create(&of(watched)).inc();
    }

    /// A session is not followed, or not on.
    pub fn shadow_left_out(&self, watched: &Watched) {
        self.0.shadows.left_out.get_or_create(&of(watched)).inc();
    }

    /// What would have become of a message: `full`, `converted`, `refused`,
    /// `failed`, `held`, `faulted`.
    pub fn shadow_message(&self, watched: &Watched, result: &'static str) {
        let came = came(watched, result);
        self.0.shadows.messages.get_or_create(&came).inc();
    }

    /// So many calls would have been made: `would_leave`, `refused`.
    pub fn shadow_calls(&self, watched: &Watched, result: &'static str, calls: u64) {
        let came = came(watched, result);
        self.0.shadows.calls.get_or_create(&came).inc_by(calls);
    }

    /// The adapter failed.
    pub fn shadow_fault(&self, watched: &Watched, kind: &'static str) {
        let Of {
            desk,
            provider,
            shadow,
        } = of(watched);
        let faulted = Faulted {
            desk,
            provider,
            shadow,
            kind,
        };
        self.0.shadows.faults.get_or_create(&faulted).inc();
    }
}

fn of(watched: &Watched) -> Of {
    Of {
        desk: watched.desk.as_str().to_owned(),
        provider: watched.provider.as_str().to_owned(),
        shadow: watched.shadow.as_str().to_owned(),
    }
}

fn came(watched: &Watched, result: &'static str) -> Came {
    let Of {
        desk,
        provider,
        shadow,
    } = of(watched);
    Came {
        desk,
        provider,
        shadow,
        result,
    }
}
