//! An adapter that misbehaves on request.
//!
//! Owns every kind of misbehaviour that tests of the host need. What it does
//! is decided by the first word of a visitor's message, of a callback's body,
//! or by its settings; anything else is answered like a well-behaved robot
//! that echoes. Deliberately breaks every rule of the contract that its tests
//! are about, and no other: without a command it is a good adapter.
//!
//! | command | in `handle` | in `receive` | as setting `on_open` |
//! |---|---|---|---|
//! | `panic` | yes | yes | yes |
//! | `loop MS` | busy for so long | yes | yes |
//! | `flood MIB` | output of that size | yes | |
//! | `effects N` | so many effects | | |
//! | `state KIB` | state of that size | | |
//! | `illegal` | transitions that no session allows | | |
//! | `stray` | effects that belong to no call, timer or scope of this session | | |
//! | `error`, `vendor` | fails the turn, by its own or the vendor's fault | | |
//! | `forget` | state that the next turn cannot read | | |
//! | `refuse` | | | yes |
//! | `unknown` | | | answers an unknown event, so that the self-test fails |

#![cfg_attr(
    feature = "other-layout",
    allow(dead_code, reason = "that variant exports a module of its own")
)]

mod command;
#[cfg(feature = "other-layout")]
mod other_layout;

use command::Command;
use kefu_plugin_api::prelude::*;
#[cfg(feature = "other-layout")]
pub use other_layout::OtherModule;

#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct Config {
    /// What callbacks carry in the header `x-key`.
    key: Secret,
    /// What goes wrong while it is opened.
    on_open: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key: "chaos".into(),
            on_open: String::new(),
        }
    }
}

/// Counts turns, so that a lost or repeated turn shows.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    turns: u64,
    #[serde(deserialize_with = "refuse_forgotten")]
    filler: String,
}

#[derive(Deserialize)]
struct Hook {
    chat: String,
    id: String,
    text: String,
}

struct Chaos {
    key: Secret,
    answers_unknown: bool,
}

impl Adapter for Chaos {
    type Config = Config;
    type State = State;

    fn descriptor() -> Descriptor {
        Descriptor::new("chaos", env!("CARGO_PKG_VERSION"))
            .with_capabilities(
                Capabilities {
                    to_human: true,
                    ..Capabilities::default()
                }
                .both(ContentKind::Text, Level::Full),
            )
            .callbacks(KeyedBy::Conversation, "shared key in the header x-key")
    }

    fn open(config: Config) -> Result<Self, OpenError> {
        match Command::parse(&config.on_open) {
            Command::Refuse => {
                return Err(OpenError::setting(
                    "on_open",
                    "is `refuse`; anything but `refuse` would be taken",
                ));
            }
            Command::Panic => panic!("asked to panic in open"),
            Command::Loop(time) => command::burn(time),
            _ => {}
        }
        Ok(Self {
            key: config.key,
            answers_unknown: config.on_open == "unknown",
        })
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        if !self.key.matches(callback.header("x-key")) {
            return Err(Reject::unauthenticated("header x-key is missing or wrong"));
        }
        match Command::parse(&String::from_utf8_lossy(&callback.body)) {
            Command::Panic => panic!("asked to panic in receive"),
            Command::Loop(time) => command::burn(time),
            Command::Flood(bytes) => {
                let mut receipt = Receipt::ok();
                receipt.body = vec![b'x'; bytes];
                return Ok(receipt);
            }
            _ => {}
        }
        let Hook { chat, id, text } = callback.json()?;
        let message = Incoming::new(Sender::of(SenderKind::Agent), Content::text(text));
        Ok(Receipt::ok().with(Received::keyed(
            chat,
            id,
            ProviderEvent::Message { message },
        )))
    }

    fn handle(
        &self,
        event: Event,
        session: &mut Session<State>,
    ) -> Result<Vec<Effect>, AdapterError> {
        if event == Event::Unknown {
            return Ok(if self.answers_unknown {
                vec![Effect::robot_says("what was that?")]
            } else {
                Vec::new()
            });
        }
        session.state.turns += 1;
        match event {
            Event::Opened { .. } => Ok(vec![Effect::state(SessionState::Robot)]),
            Event::FromVisitor { message } => command::obey(&message, &mut session.state),
            Event::HumanRequested { .. } => Ok(vec![Effect::state(SessionState::Human)]),
            Event::FromProvider { event } => Ok(Effect::from_provider(event)),
            Event::Exited {} => Ok(vec![Effect::Close {
                reason: EndReason::Visitor,
            }]),
            _ => Ok(Vec::new()),
        }
    }
}

/// Fails on the filler that the command `forget` leaves behind.
fn refuse_forgotten<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let filler = String::deserialize(deserializer)?;
    if filler == command::FORGOTTEN {
        return Err(serde::de::Error::custom("asked to forget its own state"));
    }
    Ok(filler)
}

#[cfg(not(any(feature = "newer-major", feature = "other-layout")))]
export_adapter!(Chaos);

#[cfg(all(feature = "newer-major", not(feature = "other-layout")))]
export_adapter!(
    Chaos,
    contract = kefu_plugin_api::wire::Contract { major: 2, minor: 0 }
);
