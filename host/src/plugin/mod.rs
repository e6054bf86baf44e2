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
//! | `trust` | whether the bytes may be loaded, by the operator's policy |
//! | `pipeline` | the stages from a file to a generation that could serve |
//! | `states` | whether a new generation can go on with open conversations |
//! | [`slot`] | what serves a provider, what can be gone back to, how it is doing |
//! | [`guard`] | counted faults, quarantine, the clock of a call |
//! | `probation` | the time in which a new generation has to prove itself |
//! | [`registry`] | all providers: bring up, replace, go back, drain, remove |
//!
//! Invariants: the dynamic loader never sees a path that an operator can
//! write to; what was loaded is never unloaded; nothing an adapter answers
//! reaches the engine before its size was checked.

mod about;
pub mod child;
mod copies;
mod elf;
mod error;
pub mod generation;
pub mod guard;
pub mod image;
pub mod loader;
pub mod opened;
mod pipeline;
mod probation;
pub mod registry;
pub mod slot;
mod stage;
mod states;
mod status;
mod trust;

pub use about::About;
pub use error::{BringUpError, LoadError, Refusal};
pub use generation::{Fault, FaultKind, Generation, OpenFault, OutputLimits};
pub use guard::{Alarm, CallClock, CallKind, CallObserver, Guarded, Health, Running, Tolerance};
pub use image::Image;
pub use loader::{Loader, Module};
pub use opened::{Function, ProcessStatus};
pub use probation::Unfit;
pub use registry::{BroughtUp, Registry};
pub use slot::{Availability, Retained, Slot};
pub use stage::{Stage, StageTime};
pub use states::{StoredState, StoredStates};
pub use status::{LastError, ProviderStatus, RetainedStatus};
pub use trust::signature_file;
