//! The contract between the kefu gateway and its adapters.
//!
//! An adapter connects one customer-service vendor. It implements
//! [`Adapter`](adapter::Adapter): four functions, everything else is data. It
//! does no I/O; it turns [events](event::Event) into [effects](effect::Effect),
//! and the host performs them. A crate of type `cdylib` exports it with
//! [`export_adapter!`]; an operator drops the `.so` and a TOML file into the
//! gateway, and the vendor is live.
//!
//! The smallest adapter, whole:
//!
//! ```no_run
#![doc = include_str!("../../plugins/minimal/src/lib.rs")]
//! # fn main() {}
//! ```
//!
//! Read on: [`event`] and [`effect`] are the vocabulary, [`capability`] is what
//! a provider may claim, [`http`] is how requests are described, [`activation`] is
//! what an operator is asked when a provider is added, [`wire`] is what crosses
//! the boundary. [`testing`] (feature `testing`) is a harness.

pub mod abi;
pub mod activation;
pub mod adapter;
pub mod capability;
pub mod descriptor;
pub mod effect;
pub mod error;
pub mod event;
pub mod http;
pub mod ids;
pub mod message;
pub mod secret;
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod wire;

pub use schemars;
pub use secret::Secret;

/// Everything an adapter's source needs.
pub mod prelude {
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        activation::{Activation, Environment, Made, Question},
        adapter::{Adapter, Dedupe, Receipt, Received},
        capability::{
            AgentChange, Badge, Capabilities, EmojiForm, EndReason, Evaluation, EvaluationRules,
            EvaluationStart, EvaluationTarget, Exit, FormField, Group, HumanEvaluation,
            IdleReminder, IdleReminders, LeaveMessageKind, LeaveMessageRules, Level, Notice, Queue,
            RobotEvaluation, SessionConfig, SessionState, Verify,
        },
        descriptor::{Condition, DecidedBy, Descriptor, HostSource, KeyedBy},
        effect::{Call, Effect},
        error::{AdapterError, OpenError, Reject},
        event::{CallResult, Client, Event, ProviderEvent, Visitor},
        export_adapter,
        http::{
            Algorithm, Callback, Encoding, HttpRequest, HttpResponse, Part, Place, Stamp, TimeUnit,
        },
        ids::*,
        message::{
            Agent, Content, ContentKind, Incoming, Message, MessageStatus, Sender, SenderKind,
        },
        secret::Secret,
        session::{Scope, Session},
        time::Timestamp,
    };
}
