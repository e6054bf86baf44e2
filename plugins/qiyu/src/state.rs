//! What a session must remember.
//!
//! Owns the state's shape. Invariant: every field has a default, and none is
//! ever renamed or removed, so that older and newer versions read each other's.

use kefu_plugin_api::prelude::{Agent, MessageId};
use serde::{Deserialize, Serialize};

use crate::rating::Grade;

/// The memory of one session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Makes the ids of calls differ.
    pub(crate) serial: u32,
    /// The group that was asked for last.
    pub(crate) group: Option<u64>,
    /// The newest request for robot or agent that the vendor has not answered
    /// yet, by the number of its call.
    pub(crate) asking: Option<u32>,
    /// Who answers, as far as the vendor told.
    pub(crate) agent: Option<Agent>,
    /// How the agent can be rated: as the app was told last. `None`: it was
    /// told nothing beyond the descriptor.
    pub(crate) grades: Option<Vec<Grade>>,
    /// How many wait before the visitor, as the app was told last.
    pub(crate) ahead: Option<u32>,
    /// The vendor takes no messages while nobody is there.
    pub(crate) leaving_is_off: bool,
    /// A long message of which a part was lost: the rest of it is no success.
    pub(crate) broken: Option<MessageId>,
}
