//! Who keeps whom waiting, as far as a session has to remember it.
//!
//! Owns the data. Deliberately knows no clock: turns say when a silence begins
//! and when it was long enough. Invariant: a side that nobody waits for is not
//! silent, however long ago it spoke.

use kefu_plugin_api::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Who keeps the other side waiting while an agent answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The visitor's.
    pub visitor: Quiet,
    /// The agent's.
    pub agent: Quiet,
}

impl Silence {
    /// Whether nobody waits for anybody.
    pub(super) fn is_broken(&self) -> bool {
        *self == Self::default()
    }
}

/// The silence of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quiet {
    /// Nobody waits for a word of it.
    #[default]
    NotAwaited,
    /// It is the side's turn to speak since then.
    Since(Timestamp),
    /// The visitor was reminded; once for each silence.
    Reminded,
}

/// One of the two who talk while an agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The visitor.
    Visitor,
    /// The agent.
    Agent,
}

impl Silence {
    /// The silence of one side.
    pub fn of(&mut self, side: Side) -> &mut Quiet {
        match side {
            Side::Visitor => &mut self.visitor,
            Side::Agent => &mut self.agent,
        }
    }
}
