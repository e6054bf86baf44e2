//! What the gateway asks of its own accord: the account's rules, the place in
//! the queue, and whether a vendor that did not answer still has the session.
//!
//! Owns the two timers. Asks nothing that [`Inquiries`](crate::rules::Inquiries)
//! does not allow; no answer to a question ever fails what a visitor wanted.

use kefu_plugin_api::prelude::{Effect, SessionState};
use serde_json::json;

use crate::{call::Op, config::Config, conversation::Turn, flavour::Flavour};

/// Rings when the place in the queue is due.
const QUEUE: &str = "queue";
/// Rings when a vendor that did not answer is due.
const DOUBT: &str = "doubt";
/// How often the wait for a silent vendor doubles.
const DOUBLINGS: u32 = 6;

impl<F: Flavour> Turn<'_, F> {
    /// A timer of ours.
    pub(crate) fn rung(&mut self, timer: &str) {
        match (timer, self.standing) {
            (_, SessionState::Ended) => {}
            (QUEUE, SessionState::Queued) => self.call(Op::QueryQueue, json!({})),
            (DOUBT, _) => self.call(Op::Health, json!({})),
            _ => {}
        }
    }

    /// Asks for what the reply of `session.open` left unsaid.
    pub(crate) fn ask_for_more(&mut self, told: Option<Config>) {
        if self.standing == SessionState::Ended {
            return;
        }
        let asks = self.account.rules.inquiries;
        if asks.capabilities && told.is_none() {
            self.call(Op::Capabilities, json!({}));
        }
        if asks.groups && told.is_none_or(|config| config.groups.is_none()) {
            self.call(Op::Groups, json!({}));
        }
    }

    /// Takes over what is true of the whole account: what was told about this
    /// session stays.
    pub(crate) fn learn(&mut self, mut of_account: Config) {
        if self.standing != SessionState::Ended {
            of_account.take(self.session.state.config.clone());
            self.configure(of_account);
        }
    }

    /// Starts to ask for the place in the queue.
    pub(crate) fn watch_queue(&mut self) {
        if let Some(after_ms) = self.account.rules.inquiries.queue_every_ms {
            self.wait(QUEUE, after_ms);
        }
    }

    /// Goes on asking while the visitor waits.
    pub(crate) fn keep_watching(&mut self, asked: Op) {
        if asked == Op::QueryQueue && self.standing == SessionState::Queued {
            self.watch_queue();
        }
    }

    /// The visitor leaves: the place in the queue is given up, where the
    /// operator wants that.
    pub(crate) fn stop_waiting(&mut self) {
        if self.account.rules.inquiries.cancel_queue && self.standing == SessionState::Queued {
            self.call(Op::CancelQueue, json!({}));
        }
    }

    /// A call got no answer: the session may not be what it was.
    pub(crate) fn doubt(&mut self, unanswered: Op) {
        // An unanswered question about the vendor's health has doubted already.
        if !unanswered.of_account() && unanswered != Op::Open {
            self.doubt_again();
        }
    }

    /// Asks for a sign of life, later each time.
    pub(crate) fn doubt_again(&mut self) {
        if self.standing == SessionState::Ended {
            return;
        }
        if let Some(after_ms) = self.account.rules.inquiries.doubt_after_ms {
            let doubts = self.session.state.doubts;
            self.session.state.doubts = doubts.saturating_add(1);
            self.wait(DOUBT, after_ms.saturating_mul(1 << doubts.min(DOUBLINGS)));
        }
    }

    fn wait(&mut self, timer: &str, after_ms: u64) {
        self.effects.push(Effect::SetTimer {
            timer: timer.into(),
            after_ms,
        });
    }
}
