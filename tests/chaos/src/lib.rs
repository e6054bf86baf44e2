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
//! | `abort`, `exit CODE` | ends the process | yes | yes |
//! | `segfault`, `overflow` | writes to memory that is not there; exhausts the stack | yes | yes |
//! | `loop`, `loop MS` | busy for ever, or for so long | yes | yes |
//! | `sleep MS` | idle for so long | yes | yes |
//! | `allocate`, `allocate MIB` | memory without end, or so much and given back | yes | yes |
//! | `thread` | starts one that lives on | yes | yes |
//! | `tls` | leaves a thread-local that says on standard error when it is destroyed, and answers how many were | yes | yes |
//! | `open FILE`, `create FILE`, `proc` | opens, makes, reads `/proc/self/status`, and answers how that went | yes | yes |
//! | `socket`, `exec FILE` | binds one; becomes that program, without a fork | yes | yes |
//! | `garbage` | an answer that is no MessagePack | yes | yes |
//! | `newer effect`, `newer capability` | an answer from a later contract | | |
//! | `flood MIB` | output of that size | yes | |
//! | `effects N` | so many effects | | |
//! | `state KIB` | state of that size | | |
//! | `illegal` | transitions that no session allows | | |
//! | `stray` | effects that belong to no call, timer or scope of this session | | |
//! | `error`, `vendor` | fails the turn, by its own or the vendor's fault | | |
//! | `forget` | state that the next turn cannot read | | |
//! | `refuse` | | | yes |
//! | `unknown` | | | answers an unknown event, so that the self-test fails |
//!
//! Three commands are well behaved: `build` answers the id that is stamped into
//! the file (`build_id.rs`), `timer MS` sets a timer whose end it tells, and
//! `call URL` posts the number of turns so far there and says `called` when it
//! was answered.
//!
//! | setting | what it does |
//! |---|---|
//! | `key` | what callbacks carry in the header `x-key` |
//! | `on_open` | a command of the last column; to take a minute is `loop 60000` or `sleep 60000` |
//! | `tag` | ends every echo with ` #` and the build id |
//! | `lie` | a promise that is broken quietly (`lies.rs`) |
//! | `wears_out` | ends the process at every so-manieth turn in it: a crash that is gone when the turn is repeated in the next process |
//!
//! | feature | what the build claims |
//! |---|---|
//! | `newer-major` | contract 2.0 |
//! | `newer-minor` | contract 1.1, and a descriptor that says more than 1.0 knows and needs none of it |
//! | `needs-newer` | the same, and needs it |
//! | `other-layout` | a root module of another shape under the right name |
//! | `no-export` | nothing: there is no root module |

#![cfg_attr(
    any(feature = "other-layout", feature = "no-export"),
    allow(dead_code, reason = "those variants export no adapter")
)]

mod build_id;
mod command;
mod export;
mod harm;
mod lies;
#[cfg(feature = "other-layout")]
mod other_layout;

use std::sync::atomic::{AtomicU64, Ordering};

use command::Command;
use export::Instead;
use harm::Harm;
use kefu_plugin_api::prelude::*;
use lies::Lie;
#[cfg(feature = "other-layout")]
pub use other_layout::OtherModule;

#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct Config {
    /// What callbacks carry in the header `x-key`.
    key: Secret,
    /// What goes wrong while it is opened.
    on_open: String,
    /// Whether every echo ends with the build id.
    tag: bool,
    /// Which turn of a process ends it; 0 for none.
    wears_out: u64,
    /// Which promise it breaks.
    lie: Lie,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key: "chaos".into(),
            on_open: String::new(),
            tag: false,
            wears_out: 0,
            lie: Lie::None,
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
    tag: Option<String>,
    wears_out: u64,
    lie: Lie,
}

impl Chaos {
    /// Counts the turns of this process, whichever adapter they are for.
    fn wear(&self) {
        static TURNS: AtomicU64 = AtomicU64::new(0);
        let turn = TURNS.fetch_add(1, Ordering::Relaxed) + 1;
        if self.wears_out > 0 && turn.is_multiple_of(self.wears_out) {
            Harm::Abort.commit();
        }
    }
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
            Command::Harm(harm) => drop(harm.commit()),
            Command::Garbage => Instead::Garbage.answer(),
            _ => {}
        }
        config.lie.open(&config.key)?;
        Ok(Self {
            lie: config.lie,
            key: config.key,
            answers_unknown: config.on_open == "unknown",
            tag: config.tag.then(build_id::build_id),
            wears_out: config.wears_out,
        })
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        if !self.lie.believes() && !self.key.matches(callback.header("x-key")) {
            return Err(Reject::unauthenticated("header x-key is missing or wrong"));
        }
        match Command::parse(&String::from_utf8_lossy(&callback.body)) {
            Command::Harm(harm) => return Ok(answered(harm.commit().unwrap_or_default())),
            Command::Garbage => {
                Instead::Garbage.answer();
                return Ok(Receipt::ok());
            }
            Command::Flood(bytes) => return Ok(answered("x".repeat(bytes))),
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
        self.wear();
        // A state from elsewhere may have counted to the end.
        session.state.turns = session.state.turns.saturating_add(1);
        if let Some(effects) = self.lie.handle(&event, &mut session.state) {
            return Ok(effects);
        }
        match event {
            Event::Opened { .. } => Ok(vec![Effect::state(SessionState::Robot)]),
            Event::FromVisitor { message } => {
                command::obey(&message, &mut session.state, self.tag.as_deref())
            }
            Event::TimerFired { timer } => Ok(vec![Effect::robot_says(format!("timer {timer}"))]),
            Event::CallFinished { call, .. } => Ok(vec![
                Effect::delivered(call.into_string().into()),
                Effect::robot_says("called"),
            ]),
            Event::HumanRequested { .. } => Ok(vec![Effect::state(SessionState::Human)]),
            Event::FromProvider { event } => Ok(Effect::from_provider(event)),
            Event::Exited {} => Ok(vec![Effect::Close {
                reason: EndReason::Visitor,
            }]),
            _ => Ok(Vec::new()),
        }
    }
}

/// An answer to the vendor, and no event.
fn answered(body: String) -> Receipt {
    Receipt {
        body: body.into_bytes(),
        ..Receipt::ok()
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
