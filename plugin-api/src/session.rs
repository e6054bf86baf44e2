//! What an adapter sees of a session: who, where, when, and its own memory.
//!
//! Time and randomness come in through here, so that the same input gives the
//! same output twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    capability::SessionState,
    event::Client,
    ids::{AppId, ConversationId, DeskId, ProviderId, SessionId, VisitorId},
    time::Timestamp,
};

/// A session during one turn. Changes to `state` are kept if the turn
/// succeeds.
#[derive(Debug)]
pub struct Session<S> {
    /// The adapter's own memory of this session, or of the provider in the
    /// provider's scope.
    pub state: S,
    view: SessionView,
    drawn: u32,
    notes: Vec<String>,
}

impl<S> Session<S> {
    /// A session for one turn.
    pub fn new(view: SessionView, state: S) -> Self {
        Self {
            state,
            view,
            drawn: 0,
            notes: Vec::new(),
        }
    }

    /// Everything the host tells about the session.
    pub fn view(&self) -> &SessionView {
        &self.view
    }

    /// Whether this is a session or the provider itself.
    pub fn scope(&self) -> Scope {
        self.view.scope
    }

    /// The moment of this turn.
    pub fn now(&self) -> Timestamp {
        self.view.now
    }

    /// The name under which the vendor's callbacks find this session.
    pub fn conversation(&self) -> &ConversationId {
        &self.view.conversation
    }

    /// Where the session stands before this turn.
    pub fn standing(&self) -> SessionState {
        self.view.standing
    }

    /// The vendor's own id of the session, once named.
    pub fn vendor_session(&self) -> Option<&str> {
        self.view.vendor_session.as_deref()
    }

    /// A fresh id of 32 hexadecimal digits: different at every call, the same
    /// when the turn is repeated.
    pub fn fresh_id(&mut self) -> String {
        self.drawn += 1;
        // Two rounds of a 64-bit mixer over seed and counter: unique within a
        // turn by the counter, across turns by the host's random seed.
        let word = |salt: u64| {
            mix(self
                .view
                .seed
                .wrapping_add(salt)
                .wrapping_add(u64::from(self.drawn) << 32))
        };
        format!(
            "{:016x}{:016x}",
            word(0x9e37_79b9_7f4a_7c15),
            word(0xd1b5_4a32_d192_ed03)
        )
    }

    /// Tells operators something about this turn. Shown in the trail, never to
    /// the visitor; no message text, no secrets.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Takes the session apart after the turn.
    pub fn into_parts(self) -> (S, Vec<String>) {
        (self.state, self.notes)
    }
}

/// What the host tells about a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionView {
    /// Whether this is a session or the provider itself.
    pub scope: Scope,
    /// The session; empty in the provider's scope.
    pub id: SessionId,
    /// The provider it is pinned to.
    pub provider: ProviderId,
    /// The tenant.
    pub app: AppId,
    /// Where it was opened.
    pub desk: DeskId,
    /// Who opened it.
    pub visitor: VisitorId,
    /// With what.
    pub client: Client,
    /// The name under which callbacks find it.
    pub conversation: ConversationId,
    /// The vendor's own id, once named.
    pub vendor_session: Option<String>,
    /// Where it stands.
    pub standing: SessionState,
    /// The moment of this turn.
    pub now: Timestamp,
    /// The turn's randomness.
    pub seed: u64,
    /// Where the vendor can call back: `{public_url}/v1/callbacks/{provider}`.
    pub callback_url: String,
}

/// What a turn is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One visitor's session.
    #[default]
    Session,
    /// The provider itself: tokens, groups, opening hours.
    Provider,
}

const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_differ_within_a_turn_and_repeat_with_the_turn() {
        let mut turn = Session::new(
            SessionView {
                seed: 7,
                ..SessionView::default()
            },
            (),
        );
        let ids = [turn.fresh_id(), turn.fresh_id()];
        assert_ne!(ids[0], ids[1]);
        let mut again = Session::new(
            SessionView {
                seed: 7,
                ..SessionView::default()
            },
            (),
        );
        assert_eq!(ids, [again.fresh_id(), again.fresh_id()]);
    }
}
