//! What a session must remember.
//!
//! Owns the state's shape. Invariant: every field has a default, and none is
//! ever renamed or removed, so that older and newer versions read each other's.

use std::collections::BTreeMap;

use kefu_plugin_api::prelude::{Agent, Evaluation, Group, Message};
use serde::{Deserialize, Serialize};

/// The memory of one session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The visitor's name and picture, for the calls that take them.
    pub(crate) name: Option<String>,
    pub(crate) portrait: Option<String>,
    /// The skill group that was asked for last.
    pub(crate) group: Option<String>,
    /// Makes the ids of calls differ.
    pub(crate) serial: u32,
    /// The newest wish for an agent that the vendor has not answered yet, by
    /// the number of its call.
    pub(crate) connecting: Option<u32>,
    /// Messages that came meanwhile: only the answer tells who shall get them.
    pub(crate) held: Vec<Message>,
    /// What the robot suggested last, to know a click from typing.
    pub(crate) suggested: Vec<Suggested>,
    /// The groups that the vendor listed, until it is known who works in them.
    pub(crate) groups: Vec<Group>,
    /// Who answers, as far as the vendor told.
    pub(crate) agent: Option<Agent>,
    /// The last rating, should the vendor ask for it again.
    pub(crate) rating: Option<Evaluation>,
    /// Vendor ids of long messages that were shown in so many pieces.
    pub(crate) pieces: BTreeMap<String, u32>,
}

/// An entry that the robot suggested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Suggested {
    /// What the visitor saw.
    pub(crate) shown: String,
    /// How the entry is asked for.
    pub(crate) question: String,
    /// The entry's id.
    pub(crate) docid: String,
}
