//! Promises broken quietly: what only a test of the contract notices.
//!
//! Owns the lies that the setting `lie` asks for. Unlike a command a lie needs
//! no message: the adapter behaves otherwise from its opening on. Invariant:
//! each lie breaks one promise, so that one test has a reason to fail.
//!
//! | lie | what is broken |
//! |---|---|
//! | `deaf` | text is declared and nothing is done with it |
//! | `alone` | a human is declared and never comes |
//! | `clings` | leaving ends sessions, and they go on |
//! | `wanders` | requests go to a host that is not declared |
//! | `borrows` | requests carry a token that is not declared |
//! | `pries` | requests name a setting that there is not |
//! | `gullible` | every callback is believed |
//! | `moody` | the same input gives another answer |
//! | `forgetful` | a state is written that cannot be read |
//! | `pushy` | sessions are moved to where they cannot go |
//! | `hoards` | everything that was said is kept |
//! | `slow` | a long text takes longer than a call may |
//! | `brittle`, `fragile` | an odd character panics, or ends the process |
//! | `stuck` | the same takes for ever |
//! | `tells` | a refusal repeats the secret |

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use kefu_plugin_api::prelude::*;

use crate::{State, command, harm::Harm};

/// What is not true of this adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lie {
    #[default]
    None,
    Deaf,
    Alone,
    Clings,
    Wanders,
    Borrows,
    Pries,
    Gullible,
    Moody,
    Forgetful,
    Pushy,
    Hoards,
    Slow,
    Brittle,
    Fragile,
    Stuck,
    Tells,
}

/// Texts from this length on are long.
const LONG: usize = 2_000;

impl Lie {
    /// What opening says instead.
    pub(crate) fn open(self, key: &Secret) -> Result<(), OpenError> {
        if self == Self::Tells && key.expose().len() > 100 {
            let detail = format!("`{}` is too long", key.expose());
            return Err(OpenError::setting("key", detail));
        }
        Ok(())
    }

    /// Whether a callback needs no proof.
    pub(crate) fn believes(self) -> bool {
        self == Self::Gullible
    }

    /// What a turn does instead.
    pub(crate) fn handle(self, event: &Event, state: &mut State) -> Option<Vec<Effect>> {
        match (self, event) {
            (Self::Deaf, Event::FromVisitor { .. })
            | (Self::Alone, Event::HumanRequested { .. })
            | (Self::Clings, Event::Exited {}) => Some(Vec::new()),
            (_, Event::FromVisitor { message }) => self.message(message, state),
            (Self::Pushy, Event::HumanRequested { .. }) => Some(vec![
                Effect::state(SessionState::Human),
                Effect::state(SessionState::Robot),
            ]),
            (Self::Forgetful, Event::HumanRequested { .. }) => {
                state.filler = command::FORGOTTEN.into();
                Some(vec![Effect::state(SessionState::Human)])
            }
            _ => None,
        }
    }

    fn message(self, message: &Message, state: &mut State) -> Option<Vec<Effect>> {
        let text = message.content.to_text();
        let odd = || text.contains(['\0', '\u{feff}', '\u{202e}', '\u{fffd}']);
        let calls = |request: HttpRequest| {
            let call = Call::new(message.id.as_str(), request);
            Some(vec![call.carrying(message.id.clone()).into()])
        };
        let elsewhere = || HttpRequest::post_json("http://elsewhere.invalid/take", &text);
        match self {
            Self::Wanders => calls(elsewhere()),
            Self::Borrows => calls(elsewhere().with_stamp(Stamp::Token {
                name: "borrowed".into(),
                place: Place::header("authorization"),
                prefix: String::new(),
            })),
            Self::Pries => calls(elsewhere().with_stamp(Stamp::Secret {
                setting: "password".into(),
                place: Place::header("authorization"),
            })),
            Self::Moody => {
                static MOOD: AtomicU64 = AtomicU64::new(0);
                let mood = MOOD.fetch_add(1, Ordering::Relaxed);
                Some(vec![Effect::robot_says(format!("{text} {mood}"))])
            }
            Self::Hoards => {
                state.filler.push_str(&text);
                None
            }
            Self::Slow if text.len() > LONG => {
                // By the clock: enough also where the processor is shared.
                Harm::Loop(Some(Duration::from_secs(2))).commit();
                None
            }
            Self::Brittle if odd() => panic!("an odd character"),
            Self::Fragile if odd() => {
                Harm::Abort.commit();
                None
            }
            Self::Stuck if odd() => {
                Harm::Loop(None).commit();
                None
            }
            _ => None,
        }
    }
}
