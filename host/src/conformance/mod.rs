//! The conformance kit: is this `.so` an adapter that one can rely on?
//!
//! Owns the tests that every adapter must pass, the processes that they run in,
//! and the report. Deliberately knows no vendor, talks to nobody, and needs
//! nothing but the file: settings are made up from its schema, sessions are
//! played through the gateway's own core.
//!
//! | module | what it owns |
//! |---|---|
//! | `kit` | a run: the file's bytes, the tests, the report |
//! | `process` | one test in a process of its own, and its end |
//! | `subject`, `place` | the adapter under test, in this process or in a child |
//! | `cases` | the tests |
//! | `play`, `corpus`, `door` | sessions, inputs and callbacks to test with |
//! | `mutate`, `tree`, `random` | inputs bent out of shape, again and again the same |
//! | `settings`, `schema` | settings made up from a schema |
//! | `report`, `junit`, `black_box` | what was found, and what was being tried |
//!
//! Invariants: the code under test never runs in the process that writes the
//! report; what could not be tested has failed.

mod black_box;
mod cases;
mod corpus;
mod door;
mod folder;
mod job;
mod junit;
mod kit;
mod mutate;
mod place;
mod play;
mod process;
mod random;
mod report;
pub(crate) mod schema;
mod settings;
mod subject;
mod tree;

use serde::{Deserialize, Serialize};

pub(crate) use folder::Folder;
pub use junit::to_junit;
pub use kit::{Kit, KitError};
pub(crate) use place::launch;
pub use process::{COMMAND, serve};
pub use report::{Adapter, Failure, Report, Reproduction, Test};

/// Where the adapter under test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In the process of the test, as in the gateway's own.
    InProcess,
    /// In the locked-down child that the gateway starts.
    Process,
}

impl Isolation {
    /// The name as the configuration writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::Process => "process",
        }
    }
}

/// Every test's name and what it is about, in the order they run.
pub fn tests() -> impl Iterator<Item = (&'static str, &'static str)> {
    cases::ALL.iter().map(|case| (case.name, case.title))
}
