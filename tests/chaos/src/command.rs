//! What a text asks for, and the misbehaviour of one turn.
//!
//! Owns the little language of commands. Does not know when they are honoured;
//! each of the adapter's functions takes those it can. Invariant: a text that
//! is no command asks for nothing.

use kefu_plugin_api::prelude::*;

use crate::{State, build_id::build_id, export::Instead, harm::Harm};

/// A state with this filler cannot be read again.
pub(crate) const FORGOTTEN: &str = "forgotten";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a text asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Harm(Harm),
    Garbage,
    NewerEffect,
    NewerCapability,
    Flood(usize),
    Effects(usize),
    State(usize),
    Illegal,
    Stray,
    Error,
    Vendor,
    Forget,
    Refuse,
    Build,
    Timer(u64),
    Call(String),
    Nothing,
}

impl Command {
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let argument = words.next();
        if let Some(harm) = Harm::parse(name, argument) {
            return Self::Harm(harm);
        }
        let number = argument.and_then(|word| word.parse::<usize>().ok());
        match (name, argument, number) {
            ("flood", _, Some(mib)) => Self::Flood(mib.saturating_mul(MIB)),
            ("effects", _, Some(count)) => Self::Effects(count),
            ("state", _, Some(kib)) => Self::State(kib.saturating_mul(KIB)),
            ("timer", _, Some(ms)) => Self::Timer(ms as u64),
            ("call", Some(url), _) => Self::Call(url.to_owned()),
            ("newer", Some("effect"), _) => Self::NewerEffect,
            ("newer", Some("capability"), _) => Self::NewerCapability,
            ("garbage", None, _) => Self::Garbage,
            ("illegal", None, _) => Self::Illegal,
            ("stray", None, _) => Self::Stray,
            ("error", None, _) => Self::Error,
            ("vendor", None, _) => Self::Vendor,
            ("forget", None, _) => Self::Forget,
            ("refuse", None, _) => Self::Refuse,
            ("build", None, _) => Self::Build,
            _ => Self::Nothing,
        }
    }
}

/// One visitor's message. With a tag every echo ends with it.
pub(crate) fn obey(
    message: &Message,
    state: &mut State,
    tag: Option<&str>,
) -> Result<Vec<Effect>, AdapterError> {
    let text = message.content.to_text();
    let echo = |text: &str| {
        let tag = tag.map(|tag| format!(" #{tag}")).unwrap_or_default();
        vec![
            Effect::delivered(message.id.clone()),
            Effect::robot_says(format!("{text}{tag}")),
        ]
    };
    Ok(match Command::parse(&text) {
        Command::Harm(harm) => echo(&harm.commit().unwrap_or(text)),
        Command::Garbage => {
            Instead::Garbage.answer();
            Vec::new()
        }
        Command::NewerEffect => {
            Instead::NewerEffect.answer();
            Vec::new()
        }
        Command::NewerCapability => {
            Instead::NewerCapability.answer();
            Vec::new()
        }
        Command::Error => return Err(AdapterError::internal("asked to fail")),
        Command::Vendor => return Err(AdapterError::vendor("asked to blame the vendor")),
        Command::Flood(bytes) => vec![Effect::robot_says("x".repeat(bytes))],
        Command::Effects(count) => (0..count)
            .map(|index| Effect::robot_says(index.to_string()))
            .collect(),
        Command::Illegal => illegal(),
        Command::Stray => stray(),
        Command::State(bytes) => {
            state.filler = "x".repeat(bytes);
            echo(&text)
        }
        Command::Forget => {
            state.filler = FORGOTTEN.into();
            echo(&text)
        }
        Command::Build => echo(&build_id()),
        Command::Timer(after_ms) => {
            let timer = Effect::SetTimer {
                timer: "chaos".into(),
                after_ms,
            };
            [vec![timer], echo(&text)].concat()
        }
        Command::Call(url) => {
            let request = HttpRequest::post_json(&url, &state.turns);
            let call = Call::new(message.id.as_str(), request);
            vec![call.carrying(message.id.clone()).into()]
        }
        Command::Refuse | Command::Nothing => echo(&text),
    })
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
