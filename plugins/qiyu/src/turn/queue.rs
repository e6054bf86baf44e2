//! Waiting for an agent: asked for again and again, because no event tells it.
//!
//! Owns the timer and the place that the app was told. Invariant: the timer
//! runs while the session is queued, and a place is told only when it changed.

use kefu_plugin_api::prelude::{Effect, Queue, SessionState};

use super::Turn;
use crate::{api::About, call::CallName};

impl Turn<'_> {
    /// Where does the visitor wait? Only asking tells when an agent is there.
    pub(super) fn ask_for_place(&mut self) {
        if self.standing != SessionState::Queued {
            return;
        }
        let serial = self.serial();
        let uid = self.session.conversation().as_str();
        let call = CallName::Queue(serial).with(self.account, &About { uid });
        self.effects.push(call.into());
    }

    pub(super) fn wait(&mut self) {
        if self.standing == SessionState::Queued {
            self.effects.push(Effect::SetTimer {
                timer: TIMER.into(),
                after_ms: self.account.queue_poll_ms,
            });
        }
    }

    /// So many are before the visitor.
    pub(super) fn queued(&mut self, ahead: Option<i64>) {
        if self.standing != SessionState::Queued {
            self.session.state.ahead = None;
        }
        self.stand(SessionState::Queued, None);
        let Some(ahead) = ahead.and_then(|ahead| u32::try_from(ahead.max(0)).ok()) else {
            return;
        };
        if self.session.state.ahead != Some(ahead) {
            self.session.state.ahead = Some(ahead);
            self.effects.push(Effect::Queue {
                queue: Queue {
                    position: ahead.saturating_add(1),
                    ahead: Some(ahead),
                    eta_seconds: None,
                },
            });
        }
    }
}

/// Fires while a visitor waits.
pub(super) const TIMER: &str = "queue";
