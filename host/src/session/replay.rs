//! A turn that waits for another provider, and goes on where it stood.
//!
//! Where an opening session passes from one provider to the next, the turn
//! needs a place among the calls of the next. If there is none the turn is
//! dropped, waits its turn there, and runs again: same moment, same randomness,
//! and what the adapters had answered is not asked a second time. Invariant: a
//! turn that runs again comes to the point at which it was dropped.

use std::collections::VecDeque;

use kefu_core::session::Record;
use kefu_plugin_api::{ids::ProviderId, time::Timestamp, wire::HandleOutput};

/// What an adapter said to one call of a turn.
#[derive(Clone)]
pub(super) enum Heard {
    /// Its answer.
    Output(Box<HandleOutput>),
    /// It failed.
    Failed(String),
    /// It takes no calls now.
    Absent(String),
}

/// What was found out before a turn had to wait.
pub(super) struct Replay {
    /// When the turn began.
    pub(super) now: Timestamp,
    /// Its randomness.
    pub(super) seed: u64,
    heard: VecDeque<(ProviderId, Heard)>,
    next: ProviderId,
}

impl Replay {
    /// Whom the turn waits for.
    pub(super) fn provider(&self) -> &ProviderId {
        &self.next
    }
}

/// What the adapters say in one turn: first what they said before.
pub(super) struct Hearing {
    past: VecDeque<(ProviderId, Heard)>,
    /// Kept only where the turn may have to wait.
    kept: Option<VecDeque<(ProviderId, Heard)>>,
}

impl Hearing {
    /// Takes the answers out of a replay, if there is one. Only a session that
    /// is opening or may move passes to another provider, so only its answers
    /// are kept.
    pub(super) fn new(replay: Option<&mut Replay>, record: &Record, may_move: bool) -> Self {
        let opening = record.state == kefu_plugin_api::capability::SessionState::Opening;
        Self {
            past: replay.map_or_else(VecDeque::new, |replay| std::mem::take(&mut replay.heard)),
            kept: (opening || may_move).then(VecDeque::new),
        }
    }

    /// What this provider had said at this point of the turn.
    pub(super) fn again(&mut self, provider: &ProviderId) -> Option<Heard> {
        if self.past.front().is_none_or(|(of, _)| of != provider) {
            // The world has changed meanwhile: what follows is of no use.
            self.past.clear();
            return None;
        }
        let (_, heard) = self.past.pop_front()?;
        self.keep(provider, &heard);
        Some(heard)
    }

    /// Remembers what was said now.
    pub(super) fn keep(&mut self, provider: &ProviderId, heard: &Heard) {
        if let Some(kept) = &mut self.kept {
            kept.push_back((provider.clone(), heard.clone()));
        }
    }

    /// The turn has to wait for this provider.
    pub(super) fn wait_for(self, next: ProviderId, now: Timestamp, seed: u64) -> Replay {
        Replay {
            now,
            seed,
            heard: self.kept.unwrap_or_default(),
            next,
        }
    }
}
