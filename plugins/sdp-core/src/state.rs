//! What a session remembers between two turns.
//!
//! Fields are added with a default, never renamed and never removed: an older
//! version must read what a newer one wrote, and the other way round.

use kefu_plugin_api::prelude::Agent;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The memory of one session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The vendor's own id of the session: the latest one it told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What the vendor told about this session, over the flavour's defaults.
    pub config: Config,
    /// The agent who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Whether an agent ever had it: then there is no way back to the robot.
    pub had_human: bool,
    /// How often in a row the vendor was asked for a sign of life in vain.
    #[serde(skip_serializing_if = "is_zero")]
    pub doubts: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
