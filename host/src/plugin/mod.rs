//! The plug-in runtime: from an operator's file to answers of its adapter.
//!
//! Owns the loading of `.so` files, the open adapters, what is served to whom,
//! and the guard around every call. Deliberately does not watch files, does
//! not decide when to reload and knows nothing of sessions: it is given a
//! provider and gives back a [`Generation`], is given input and gives back
//! output or a [`Fault`].
//!
//! | module | what it owns |
//! |---|---|
//! | [`image`] | the bytes of a file: read once, hashed, checked, copied privately |
//! | [`loader`] | the private copy in memory, and whether its contract is ours |
//! | [`opened`] | an adapter that was opened, wherever its code runs |
//! | [`generation`] | what goes in and comes out of one, as values |
//! | [`guard`] | size limits, counted faults, quarantine, the clock of a call |
//! | [`registry`] | the way from a provider's configuration to a generation |
//! | [`slot`] | what serves a provider, what served before, how it is doing |
//!
//! Invariants: the dynamic loader never sees a path that an operator can
//! write to; what was loaded is never unloaded; nothing an adapter answers
//! reaches the engine before its size was checked.

mod about;
mod elf;
mod error;
pub mod generation;
pub mod guard;
pub mod image;
pub mod loader;
pub mod opened;
pub mod registry;
pub mod slot;
mod status;

pub use about::About;
pub use error::{LoadError, Refusal};
pub use generation::{Fault, FaultKind, Generation, OpenFault, OutputLimits};
pub use guard::{CallClock, CallKind, CallObserver, Guarded, Health, Running, Tolerance};
pub use image::Image;
pub use loader::{Loader, Module};
pub use opened::{Function, ProcessStatus};
pub use registry::{BringUpError, Registry};
pub use slot::{Availability, Slot};
pub use status::{LastError, ProviderStatus};
