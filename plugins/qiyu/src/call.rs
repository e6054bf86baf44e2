//! The calls: their names, paths, and whether they may be repeated.
//!
//! Owns how a call is recognised when it is over. Invariant: `read` undoes
//! `id`, and no two open calls of a session have the same id.
//!
//! | Call | Repeatable | Why |
//! |---|---|---|
//! | `event/applyStaff` | yes | the same request again is answered with the session that there is |
//! | `event/queryQueueStatus` | yes | only asks |
//! | `event/updateUInfo`, `event/evaluate` | yes | the same rows, the same rating once more |
//! | `message/send` | no | no idempotency key: the agent would see it twice |

use kefu_plugin_api::prelude::{Call, CallId, MessageId};
use serde::Serialize;

use crate::{auth, config::Account};

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallName {
    /// Robot or agent, please.
    Apply(Wish, u32),
    /// How many are before the visitor?
    Queue(u32),
    /// What is known of the visitor.
    Profile(u32),
    /// A rating.
    Rate(u32),
    /// A message, or one of the pieces of a long one.
    Send(Piece),
}

/// Who is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The robot, as a session opens.
    Robot,
    /// An agent.
    Human,
    /// Whoever has the visitor already; the robot if nobody has.
    Whoever,
}

impl Wish {
    fn name(self) -> &'static str {
        match self {
            Self::Robot => "robot",
            Self::Human => "human",
            Self::Whoever => "whoever",
        }
    }
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The visitor's message.
    pub(crate) message: MessageId,
    /// Which piece, from 1.
    pub(crate) number: usize,
    /// Of how many.
    pub(crate) of: usize,
}

impl CallName {
    fn id(&self) -> CallId {
        match self {
            Self::Apply(wish, serial) => format!("apply/{}/{serial}", wish.name()).into(),
            Self::Queue(serial) => format!("queue/{serial}").into(),
            Self::Profile(serial) => format!("profile/{serial}").into(),
            Self::Rate(serial) => format!("rate/{serial}").into(),
            Self::Send(Piece {
                message,
                number,
                of,
            }) => format!("send/{number}/{of}/{message}").into(),
        }
    }

    /// The call behind an id; `None` if it is none of this adapter's.
    pub(crate) fn read(id: &CallId) -> Option<Self> {
        let (name, rest) = id.as_str().split_once('/')?;
        Some(match name {
            "apply" => {
                let (wish, serial) = rest.split_once('/')?;
                let wish = [Wish::Robot, Wish::Human, Wish::Whoever]
                    .into_iter()
                    .find(|known| known.name() == wish)?;
                Self::Apply(wish, serial.parse().ok()?)
            }
            "queue" => Self::Queue(rest.parse().ok()?),
            "profile" => Self::Profile(rest.parse().ok()?),
            "rate" => Self::Rate(rest.parse().ok()?),
            "send" => {
                let (number, rest) = rest.split_once('/')?;
                let (of, message) = rest.split_once('/')?;
                Self::Send(Piece {
                    message: message.into(),
                    number: number.parse().ok()?,
                    of: of.parse().ok()?,
                })
            }
            _ => return None,
        })
    }

    /// The vendor's path of it.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Apply(..) => "event/applyStaff",
            Self::Queue(_) => "event/queryQueueStatus",
            Self::Profile(_) => "event/updateUInfo",
            Self::Rate(_) => "event/evaluate",
            Self::Send(_) => "message/send",
        }
    }

    /// The call itself.
    pub(crate) fn with(&self, account: &Account, body: &impl Serialize) -> Call {
        let request = auth::signed(account, self.operation(), body);
        let call = Call::new(self.id(), request);
        match self {
            Self::Send(piece) => call.carrying(piece.message.clone()),
            // An old place in the queue is worth nothing.
            Self::Queue(_) => call.repeatable().within_ms(QUEUE_DEADLINE_MS),
            _ => call.repeatable(),
        }
    }
}

const QUEUE_DEADLINE_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_recognised_by_its_id() {
        for name in [
            CallName::Apply(Wish::Robot, 1),
            CallName::Apply(Wish::Human, 2),
            CallName::Apply(Wish::Whoever, 3),
            CallName::Queue(4),
            CallName::Profile(5),
            CallName::Rate(6),
            CallName::Send(Piece {
                message: "m/1".into(),
                number: 1,
                of: 3,
            }),
        ] {
            assert_eq!(CallName::read(&name.id()), Some(name));
        }
    }

    #[test]
    fn a_foreign_id_is_no_call_of_this_adapter() {
        for id in [
            "",
            "apply",
            "apply/1",
            "apply/somebody/1",
            "queue/x",
            "send/1/m-1",
            "send/x/1/m-1",
            "hello/1",
        ] {
            assert_eq!(CallName::read(&id.into()), None, "{id}");
        }
    }
}
