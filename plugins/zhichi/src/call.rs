//! The calls: their names, addresses, and whether they may be repeated.
//!
//! Owns how a call is recognised when it is over. Invariant: `read` undoes
//! `id`, and no two open calls of a session have the same id.
//!
//! | Call | Repeatable | Why |
//! |---|---|---|
//! | `get_robot_guide`, `query_session_status`, `query_group`, `query_agent` | yes | only asks |
//! | `chat_connect` | yes | a repeat is answered −1 |
//! | `comment`, `out` | yes | a repeat changes nothing |
//! | `chat_send` | no | no idempotency key: the agent would see it twice |
//! | `robot_chat` | no | the robot counts repeated questions, hands over after some, and steps on in dialogues of several rounds |

use kefu_plugin_api::prelude::{Call, CallId, HttpRequest, MessageId};
use serde::Serialize;

use crate::{auth, config::Account};

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallName {
    /// The robot's greeting.
    Guide,
    /// Which groups are there?
    Groups,
    /// Who works in them?
    Agents,
    /// An agent, please.
    Connect(Try),
    /// Where does the session stand?
    Standing(Try),
    /// A question for the robot.
    Ask(MessageId),
    /// A message for the agent.
    Send(MessageId),
    /// The same in words, because the vendor does not take its form.
    SendInWords(MessageId),
    /// A rating.
    Rate(Try),
    /// The visitor leaves.
    Out(Try),
}

/// Which try, for calls that this adapter repeats once by itself when the
/// vendor does not know what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    /// Makes the id unique.
    pub(crate) serial: u32,
    /// Whether it is a repeat.
    pub(crate) again: bool,
}

impl CallName {
    fn id(&self) -> CallId {
        let numbered = |name: &str, Try { serial, again }: &Try| {
            let again = if *again { "/again" } else { "" };
            format!("{name}/{serial}{again}").into()
        };
        match self {
            Self::Guide => "guide".into(),
            Self::Groups => "groups".into(),
            Self::Agents => "agents".into(),
            Self::Connect(which) => numbered("connect", which),
            Self::Standing(which) => numbered("standing", which),
            Self::Ask(message) => format!("ask/{message}").into(),
            Self::Send(message) => format!("send/{message}").into(),
            Self::SendInWords(message) => format!("send-in-words/{message}").into(),
            Self::Rate(which) => numbered("rate", which),
            Self::Out(which) => numbered("out", which),
        }
    }

    /// The call behind an id; `None` if it is none of this adapter's.
    pub(crate) fn read(id: &CallId) -> Option<Self> {
        let (name, rest) = id.as_str().split_once('/').unwrap_or((id.as_str(), ""));
        let which = || {
            let (serial, again) = match rest.split_once('/') {
                Some((serial, "again")) => (serial, true),
                Some(_) => return None,
                None => (rest, false),
            };
            let serial = serial.parse().ok()?;
            Some(Try { serial, again })
        };
        Some(match name {
            "guide" => Self::Guide,
            "groups" => Self::Groups,
            "agents" => Self::Agents,
            "connect" => Self::Connect(which()?),
            "standing" => Self::Standing(which()?),
            "ask" => Self::Ask(rest.into()),
            "send" => Self::Send(rest.into()),
            "send-in-words" => Self::SendInWords(rest.into()),
            "rate" => Self::Rate(which()?),
            "out" => Self::Out(which()?),
            _ => return None,
        })
    }

    /// The visitor's message that it carries.
    pub(crate) fn message(&self) -> Option<&MessageId> {
        match self {
            Self::Ask(message) | Self::Send(message) | Self::SendInWords(message) => Some(message),
            _ => None,
        }
    }

    /// The vendor's name of it.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Guide => "get_robot_guide",
            Self::Groups => "query_group",
            Self::Agents => "query_agent",
            Self::Connect(_) => "chat_connect",
            Self::Standing(_) => "query_session_status",
            Self::Ask(_) => "robot_chat",
            Self::Send(_) | Self::SendInWords(_) => "chat_send",
            Self::Rate(_) => "comment",
            Self::Out(_) => "out",
        }
    }

    /// The call itself.
    pub(crate) fn with(&self, account: &Account, body: &impl Serialize) -> Call {
        let path = match self {
            Self::Guide => &account.robot,
            _ => &account.chat,
        };
        let request = HttpRequest::post_json(format!("{path}/{}", self.operation()), body);
        let call = Call::new(self.id(), auth::with_token(account, request));
        match self {
            Self::Ask(message) | Self::Send(message) | Self::SendInWords(message) => {
                call.carrying(message.clone())
            }
            // A greeting that comes late is worth less than a session that opens.
            Self::Guide | Self::Groups | Self::Agents => {
                call.repeatable().within_ms(GUIDE_DEADLINE_MS)
            }
            _ => call.repeatable(),
        }
    }
}

const GUIDE_DEADLINE_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_recognised_by_its_id() {
        let (first, second) = (
            Try {
                serial: 1,
                again: false,
            },
            Try {
                serial: 2,
                again: true,
            },
        );
        for name in [
            CallName::Guide,
            CallName::Groups,
            CallName::Agents,
            CallName::Connect(first),
            CallName::Connect(second),
            CallName::Standing(second),
            CallName::Ask("m/1".into()),
            CallName::Send("m-1".into()),
            CallName::SendInWords("m-1".into()),
            CallName::Rate(first),
            CallName::Out(second),
        ] {
            assert_eq!(CallName::read(&name.id()), Some(name));
        }
    }

    #[test]
    fn a_foreign_id_is_no_call_of_this_adapter() {
        for id in [
            "",
            "connect",
            "connect/x",
            "connect/1/twice",
            "token",
            "hello/1",
        ] {
            assert_eq!(CallName::read(&id.into()), None, "{id}");
        }
    }
}
