//! How the session's present provider serves it, as far as it is measured.

use kefu_plugin_api::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The moments by which a provider is measured in one session. They begin anew
/// with each provider that is asked to take it; a question that nobody has
/// answered stays asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// When the provider was asked to take the session.
    pub begun_at: Timestamp,
    /// When it took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// When the visitor first said something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When a robot or an agent first said something that can be an answer to
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

impl Service {
    /// Another provider is asked to take the session.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        let open = self.asked_at.filter(|_| self.answered_at.is_none());
        *self = Self {
            begun_at: now,
            asked_at: open,
            ..Self::default()
        };
    }

    /// The visitor says something.
    pub(crate) fn ask(&mut self, now: Timestamp) {
        self.asked_at.get_or_insert(now);
    }

    /// A robot or an agent says something.
    pub(crate) fn answer(&mut self, now: Timestamp) {
        if self.asked_at.is_some() {
            self.answered_at.get_or_insert(now);
        }
    }
}
