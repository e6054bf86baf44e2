//! The standard docking protocol SDP/1 as a library for its adapters.
//!
//! The protocol itself is written down in `docs/sdp.md`. An adapter for a
//! vendor that speaks it is a [`Flavour`]: settings, defaults, vocabulary;
//! [`SdpAdapter`] does the rest. This library exports no plug-in of its own.
//!
//! | module | owns |
//! |---|---|
//! | [`wire`] | the JSON, named as the protocol names it |
//! | [`config`] | what a session allows, merged and in the contract's words |
//! | [`webhooks`] | who may call back |
//! | [`limits`] | how large anything may be |
//! | [`call`] | requests to the vendor |
//! | [`translate`] | the vendor's events and profiles ⇄ neutral words |
//! | `conversation` | a turn: what the visitor does |
//! | `course` | what the vendor announces |
//! | `answers` | what the vendor answers |
//! | `inquiry` | what the gateway asks of its own accord |
//! | `probe` | whether the vendor accepts the settings |
//! | [`rules`] | what the operator decided |
//! | [`state`] | what a session remembers |

pub mod adapter;
mod answers;
pub mod call;
pub mod config;
mod conversation;
mod course;
pub mod flavour;
mod inquiry;
pub mod limits;
mod probe;
pub mod rules;
pub mod state;
#[cfg(feature = "testing")]
pub mod testing;
pub mod translate;
pub mod webhooks;
pub mod wire;

pub use adapter::SdpAdapter;
pub use flavour::{Account, Arrival, Flavour};
pub use rules::{Inquiries, Rules};
