//! Moves of a session from one provider to another, as far as a session has to
//! remember them.
//!
//! Owns the data. Deliberately moves nothing: turns do. Invariant: a session
//! that never moved and cannot be handed over remembers nothing here.

use std::collections::BTreeMap;

use kefu_plugin_api::ids::{GroupId, MessageId, ProviderId};
use serde::{Deserialize, Serialize};

use super::Fallback;

/// How often a session may move, going back after a refusal not counted.
pub const MAX_MOVES: u32 = 3;

/// Whose humans take over, where they are not those of the robot's provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Who takes over.
    pub to: ProviderId,
    /// In which of its groups, unless the visitor asks for another; `None`
    /// leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The desk's group ids in this provider's words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

/// What is known about moves of this session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// How often it moved, going back after a refusal not counted.
    #[serde(default)]
    pub count: u32,
    /// Whether an earlier provider has taken it, so that apps have seen it.
    #[serde(default)]
    pub opened_before: bool,
    /// Whether a handover waits for the other provider to take it.
    #[serde(default)]
    pub handing_over: bool,
    /// Whether what was said waits until a human of this provider is asked for.
    #[serde(default)]
    pub holds_for_human: bool,
    /// The group that the app asked for, by the desk's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_group: Option<String>,
    /// Messages that the gateway made itself to say what was said before; they
    /// are in no log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<MessageId>,
    /// Entries of the outbox that were taken back at a move. One that was under
    /// way may still end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<u64>,
    /// The names that vendors gave the session before it left them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
}

/// A vendor's own session that was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Whose.
    pub provider: ProviderId,
    /// The vendor's own id of it.
    pub vendor_session: String,
}

impl Moves {
    /// Whether there is nothing to remember.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the session may move once more.
    pub fn may_move(&self) -> bool {
        self.count < MAX_MOVES
    }

    /// Whether a message is the gateway's own summary of what was said before.
    pub fn is_context(&self, message: &MessageId) -> bool {
        self.contexts.contains(message)
    }

    /// Whether this vendor's session is one that was left.
    pub fn has_left(&self, provider: &ProviderId, vendor_session: &str) -> bool {
        self.left
            .iter()
            .any(|left| left.provider == *provider && left.vendor_session == vendor_session)
    }
}

impl Handover {
    /// The provider's group for a visitor who asks for this group of the desk;
    /// a name that is not translated is the vendor's already.
    pub fn vendor_group(&self, asked: Option<&str>) -> Option<GroupId> {
        match asked {
            Some(name) => {
                let translated = self.groups.get(name).map_or(name, String::as_str);
                Some(translated.into())
            }
            None => self.group.clone(),
        }
    }
}

impl Fallback {
    /// A provider with no handover to another.
    pub fn new(provider: impl Into<ProviderId>, group: Option<GroupId>) -> Self {
        Self {
            provider: provider.into(),
            group,
            handover: None,
        }
    }
}
