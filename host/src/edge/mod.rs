//! The listening side: HTTP for apps, vendors and operators.
//!
//! Owns connections, authentication, the shape of requests and answers, event
//! streams. Deliberately decides nothing about sessions: every call becomes one
//! question to the [`Engine`]. Invariants: nothing is asked of the engine
//! before the request was authenticated and checked; what was begun there is
//! ended even if the client goes away.
//!
//! | module | what it owns |
//! |---|---|
//! | [`listener`] | accept loop, time-outs, caps, drain |
//! | `public` | the way of a request: route, origin, token, answer |
//! | `routes` | the paths, as one table |
//! | `visitor` | app → us: sessions, messages, event streams |
//! | `callback` | vendor → us: everything goes to the adapter |
//! | `admin` | health, metrics, commands on providers |
//! | `console` | the operators' pages |
//! | `respond` | every problem → HTTP answer, in one place |
//!
//! How it is started, for each of the two listeners:
//!
//! ```text
//! let (trigger, shutdown) = edge::shutdown_signal();
//! let public = edge::Public::new(edge::Parts { …, shutdown: shutdown.clone() });
//! let (change, limits) = watch::channel(edge::Limits::from(&config.main.server.limits));
//! tokio::spawn(edge::serve(listener, public, limits, metrics, shutdown));
//! // later
//! trigger.stop(); // both `serve` futures end, at the latest after the grace
//! ```

mod admin;
pub(crate) mod auth;
mod body;
mod callback;
mod console;
mod json;
pub mod listener;
mod media;
mod openapi;
mod operations;
mod origin;
mod peer;
mod public;
mod query;
mod range;
mod rate;
mod request_id;
mod respond;
mod routes;
mod token;
mod visitor;
mod widget;

use std::sync::Arc;

use arc_swap::ArcSwap;
use kefu_core::config::Config;

pub use admin::Admin;
pub use body::Body;
pub use listener::{Limits, Shutdown, ShutdownTrigger, serve, shutdown_signal};
pub use operations::{
    Commanded, DeskWeights, Editing, FiguresOf, FiguresReport, FiguresStep, FiguresWanted,
    Inspecting, Measuring, Migrating, NewWeights, Operations, ProviderReport, SessionPage,
};
pub use public::Public;

use crate::{media::Media, session::Engine, telemetry::Metrics};

/// What the public listener is made of.
#[derive(Clone)]
pub struct Parts {
    /// The configuration in force; every request looks at it anew.
    pub config: Arc<ArcSwap<Config>>,
    /// The sessions.
    pub engine: Engine,
    /// The uploads.
    pub media: Media,
    /// The numbers.
    pub metrics: Metrics,
    /// What is known of providers.
    pub operations: Arc<dyn Operations>,
    /// How the outside reaches the public listener, without a slash at the end.
    pub public_url: String,
    /// Ends the event streams.
    pub shutdown: Shutdown,
}
