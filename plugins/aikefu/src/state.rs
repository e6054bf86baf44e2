//! What a session must remember.
//!
//! Owns the state's shape. Invariant: every field has a default, and none is
//! ever renamed or removed, so that older and newer versions read each other's.

use kefu_plugin_api::prelude::Visitor;
use serde::{Deserialize, Serialize};

/// The memory of one session: who the visitor is, told with each message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Name to show.
    pub(crate) name: Option<String>,
    /// Picture to show.
    pub(crate) portrait: Option<String>,
}

impl State {
    pub(crate) fn remember(&mut self, visitor: Visitor) {
        self.name = visitor.name;
        self.portrait = visitor.portrait;
    }
}
