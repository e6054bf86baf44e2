//! Why a file is not loaded.
//!
//! Owns every refusal between the operator's file and a loaded module, and
//! their texts. Invariant: each text says what was expected and what was
//! found, and the file is always named.

use std::path::PathBuf;

use kefu_plugin_api::wire::Contract;
use thiserror::Error;

/// A file that was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot load plug-in {}: {refusal}", file.display())]
pub struct LoadError {
    /// The operator's file.
    pub file: PathBuf,
    /// Why.
    pub refusal: Refusal,
}

impl LoadError {
    /// Whether the file is merely not there yet.
    pub fn is_waiting(&self) -> bool {
        self.refusal == Refusal::Missing
    }
}

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is nothing at that path.
    #[error("expected a file, found nothing at that path")]
    Missing,
    /// A folder, a pipe, a device.
    #[error("expected a regular file, found {found}")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// It cannot be read.
    #[error("expected to read it, found: {found}")]
    Unreadable {
        /// The system's words.
        found: String,
    },
    /// It is larger than any sensible plug-in.
    #[error("expected at most {expected} bytes, found {found}")]
    TooLarge {
        /// The limit.
        expected: u64,
        /// Its size.
        found: u64,
    },
    /// It is no shared object at all.
    #[error("expected a shared object (ELF), found a file that starts with {found}")]
    NotElf {
        /// Its first bytes.
        found: String,
    },
    /// It is cut short, or its tables point outside.
    #[error(
        "expected a complete shared object of at least {expected} bytes for its {part}, found {found}; was it still being copied?"
    )]
    Incomplete {
        /// Which part lies outside.
        part: &'static str,
        /// How long the file must be for it.
        expected: u64,
        /// How long it is.
        found: u64,
    },
    /// Its header does not describe a shared object.
    #[error("expected a {expected}, found {found}")]
    WrongKind {
        /// What it must be.
        expected: &'static str,
        /// What its header says.
        found: String,
    },
    /// It is for another processor.
    #[error("expected code for {expected}, found {found}")]
    WrongMachine {
        /// This machine.
        expected: &'static str,
        /// The file's.
        found: String,
    },
    /// It is a shared object, and none of our plug-ins.
    #[error(
        "expected the exported symbol `{expected}`, found none of that name; is it a plug-in made with export_adapter!?"
    )]
    NoModule {
        /// The symbol.
        expected: &'static str,
    },
    /// The private copy could not be made.
    #[error("expected to write the private copy {}, found: {found}", copy.display())]
    Copy {
        /// Where.
        copy: PathBuf,
        /// The system's words.
        found: String,
    },
    /// The system's loader refused it.
    #[error("expected the system to load it, found: {found}")]
    NotLoadable {
        /// The loader's words.
        found: String,
    },
    /// Its root module is laid out differently.
    #[error("expected the module layout of contract {expected}, found another: {found}")]
    OtherLayout {
        /// Our contract.
        expected: Contract,
        /// The differences.
        found: String,
    },
    /// It was built for a contract that cannot be spoken here.
    #[error("expected contract {}.x, found {found}; {}", expected.major, which_is_newer(*expected, *found))]
    OtherMajor {
        /// Our contract.
        expected: Contract,
        /// Its contract.
        found: Contract,
    },
    /// It needs something of the contract that is newer than this gateway.
    #[error(
        "expected contract {expected} or older to be enough, found that it needs {found}; update the gateway"
    )]
    NeedsNewer {
        /// Our contract.
        expected: Contract,
        /// The least it can live with.
        found: Contract,
    },
    /// A panic inside would end the gateway.
    #[error(
        "expected panics that unwind, found a build with panic = \"abort\"; remove that line from the profile it is built with"
    )]
    Aborts,
    /// It cannot say who it is.
    #[error("expected a descriptor, found: {found}")]
    Undescribed {
        /// What came instead.
        found: String,
    },
}

fn which_is_newer(ours: Contract, theirs: Contract) -> &'static str {
    if theirs.major > ours.major {
        "update the gateway"
    } else {
        "build the plug-in again with a newer kefu-plugin-api"
    }
}
