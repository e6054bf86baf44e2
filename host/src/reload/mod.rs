//! Changes while the gateway runs.
//!
//! Owns the way from a file that was closed, a signal or a command to what is
//! in force. Deliberately loads no plug-in and serves nobody: a [`Target`]
//! does. Invariants: everything that changes goes through one thread, one
//! change after the other; what is wrong leaves in force what was.
//!
//! | module | what it owns |
//! |---|---|
//! | `watch` | hearing that something happens (the only door to notify) |
//! | `scan` | seeing what is there, over every link |
//! | `settle` | when a changed file is finished |
//! | `observe` | the join of the three |
//! | `plan` | what a changed configuration asks for |
//! | `apply` | one reload |
//! | `reloader` | the thread |
//! | [`report`] | what a reload came to, and the last two hundred |
//! | [`target`] | where it takes effect |
//! | [`signal`] | SIGHUP |
//! | [`catalogue`] | what lies in the plug-in folder |
//!
//! ```no_run
//! # use std::{path::Path, sync::Arc};
//! # use kefu_gateway::{config, reload::{self, Cause, Parts, Reloader, Target}, telemetry::Metrics};
//! # fn start(target: Arc<dyn Target>, metrics: Metrics) -> anyhow::Result<()> {
//! let hang_up = reload::signal::HangUp::take()?;
//! let loaded = config::load(Path::new("config/kefu.toml"))?;
//! // … the providers of `loaded.config` are brought up …
//! let reloader = Reloader::start(Parts {
//!     sources: loaded.sources,
//!     config: Arc::new(arc_swap::ArcSwap::from_pointee(loaded.config)),
//!     target,
//!     metrics,
//! })?;
//! let hang_up = hang_up.reload(reloader.clone());
//! let report = reloader.reload_now(Cause::Admin)?; // or `reload`, which is a future
//! println!("{}", serde_json::to_string(&report)?);
//! hang_up.abort();
//! reloader.stop(); // before the engine stops
//! # Ok(())
//! # }
//! ```

mod apply;
pub mod catalogue;
mod observe;
mod plan;
mod reloader;
pub mod report;
mod scan;
mod settle;
pub mod signal;
pub mod target;
mod watch;

pub use apply::ReloadError;
pub use plan::Action;
pub use reloader::{Parts, Reloader};
pub use report::{Cause, Report, Why};
pub use target::{Failure, FailureKind, Live, Target};
