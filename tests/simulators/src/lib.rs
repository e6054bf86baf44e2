//! Simulators of customer-service vendors, for tests and the demo.
//!
//! Owns one HTTP server per vendor, with that vendor's paths, bodies and rules
//! as its public documents give them, a control API to drive and to question it,
//! a desk page for a human agent, and the demo's application server. It is
//! deliberately not written from the adapters, and shares no code with them: an
//! adapter that misreads a vendor must fail against it. What rests on an
//! assumption is listed in this package's README.
//!
//! Invariant: a simulator never answers differently because of who asks; every
//! difference is a setting, a fault rule, or the visitor's own history.

pub mod aikefu;
pub mod app;
mod centre;
mod control;
mod fault;
pub mod jiaxin;
mod journal;
mod media;
pub mod plain;
mod platform;
mod push;
pub mod qiyu;
mod robot;
mod sdp;
mod serve;
mod settings;
pub mod xiaoneng;
pub mod zhichi;

pub use fault::{Fault, Kind};
pub use serve::Handle;
pub use settings::{
    Agent, Answer, Group, Human, LeaveMessage, Log, Pushes, Rating, Robot, Settings,
};
