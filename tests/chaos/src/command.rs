//! What a text asks for, and the misbehaviour of one turn.
//!
//! Owns the little language of commands. Does not know when they are honoured;
//! each of the adapter's functions takes those it can. Invariant: a text that
//! is no command asks for nothing.

use std::time::{Duration, Instant};

use kefu_plugin_api::prelude::*;

use crate::State;

/// A state with this filler cannot be read again.
pub(crate) const FORGOTTEN: &str = "forgotten";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a text asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Panic,
    Loop(Duration),
    Flood(usize),
    Effects(usize),
    State(usize),
    Illegal,
    Stray,
    Error,
    Vendor,
    Forget,
    Refuse,
    Nothing,
}

impl Command {
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        match (name, number) {
            ("panic", None) => Self::Panic,
            ("loop", Some(ms)) => Self::Loop(Duration::from_millis(ms as u64)),
            ("flood", Some(mib)) => Self::Flood(mib.saturating_mul(MIB)),
            ("effects", Some(count)) => Self::Effects(count),
            ("state", Some(kib)) => Self::State(kib.saturating_mul(KIB)),
            ("illegal", None) => Self::Illegal,
            ("stray", None) => Self::Stray,
            ("error", None) => Self::Error,
            ("vendor", None) => Self::Vendor,
            ("forget", None) => Self::Forget,
            ("refuse", None) => Self::Refuse,
            _ => Self::Nothing,
        }
    }
}

/// One visitor's message.
pub(crate) fn obey(message: &Message, state: &mut State) -> Result<Vec<Effect>, AdapterError> {
    let text = message.content.to_text();
    Ok(match Command::parse(&text) {
        Command::Panic => panic!("asked to panic in handle"),
        Command::Error => return Err(AdapterError::internal("asked to fail")),
        Command::Vendor => return Err(AdapterError::vendor("asked to blame the vendor")),
        Command::Flood(bytes) => vec![Effect::robot_says("x".repeat(bytes))],
        Command::Effects(count) => (0..count)
            .map(|index| Effect::robot_says(index.to_string()))
            .collect(),
        Command::Illegal => illegal(),
        Command::Stray => stray(),
        Command::Loop(time) => {
            burn(time);
            echo(message, &text)
        }
        Command::State(bytes) => {
            state.filler = "x".repeat(bytes);
            echo(message, &text)
        }
        Command::Forget => {
            state.filler = FORGOTTEN.into();
            echo(message, &text)
        }
        Command::Refuse | Command::Nothing => echo(message, &text),
    })
}

/// Keeps the thread busy; the contract forbids both the clock and the wait.
pub(crate) fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn echo(message: &Message, text: &str) -> Vec<Effect> {
    vec![
        Effect::delivered(message.id.clone()),
        Effect::robot_says(text),
    ]
}

/// Nothing returns to `opening`, and nothing follows the end.
fn illegal() -> Vec<Effect> {
    vec![
        Effect::state(SessionState::Opening),
        Effect::Close {
            reason: EndReason::Robot,
        },
        Effect::state(SessionState::Human),
    ]
}

/// Effects that only make sense in answer to an event that did not happen.
fn stray() -> Vec<Effect> {
    vec![
        Effect::delivered("no-such-message".into()),
        Effect::TokenRejected {
            name: "no-such-token".into(),
        },
        Effect::Attempt {
            request: HttpRequest::get("http://no-such-host.invalid/"),
        },
        Effect::Token {
            name: "no-such-token".into(),
            value: "token".into(),
            expires_in_seconds: 1,
        },
    ]
}
