//! Whoever follows sessions after the fact.
//!
//! Owns what is told of a committed turn, and when: after the commit, on the
//! store's thread. Deliberately waits for nothing and keeps nothing. Invariant:
//! a session that nobody follows costs a turn one look.

use std::sync::Arc;

use kefu_core::{
    command::Command,
    session::{Fallback, Record},
    turn::Input,
};
use kefu_plugin_api::ids::SessionId;

use super::engine::Shared;

/// Follows sessions; must never block.
pub trait Follower: Send + Sync {
    /// A session was created that is to be followed beside this provider.
    fn opened(&self, record: &Arc<Record>, shadow: Fallback);

    /// Whether a session is followed.
    fn follows(&self, session: &SessionId) -> bool;

    /// A turn of a session that is followed was committed: as it stood before,
    /// as it stands now, and what its visitor did, if it was the visitor.
    fn went_on(&self, before: Arc<Record>, after: &Arc<Record>, command: Option<Command>);
}

/// What is told of a turn once it is committed.
pub(super) enum Followed {
    Opened(Fallback),
    WentOn(Arc<Record>, Option<Command>),
}

impl Followed {
    /// What is to be told of a turn, if anything.
    pub(super) fn of(
        shared: &Shared,
        session: &SessionId,
        before: Arc<Record>,
        shadow: Option<Fallback>,
        input: Input,
    ) -> Option<Self> {
        let follower = shared.follower.get()?;
        if let Some(shadow) = shadow {
            return Some(Self::Opened(shadow));
        }
        if !follower.follows(session) {
            return None;
        }
        let command = match input {
            Input::Command(command) => Some(command),
            _ => None,
        };
        Some(Self::WentOn(before, command))
    }

    /// Tells it.
    pub(super) fn tell(self, shared: &Shared, record: &Arc<Record>) {
        let Some(follower) = shared.follower.get() else {
            return;
        };
        match self {
            Self::Opened(shadow) => follower.opened(record, shadow),
            Self::WentOn(before, command) if command.is_some() || before.state != record.state => {
                follower.went_on(before, record, command);
            }
            Self::WentOn(..) => {}
        }
    }
}
