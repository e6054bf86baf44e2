//! Why a file is not loaded, or does not come into service.
//!
//! Owns every refusal between the operator's file and a generation that
//! serves, and their texts. Invariant: each text says what was expected and
//! what was found, and the file is always named.

use std::{path::PathBuf, time::Duration};

use kefu_plugin_api::{ids::ProviderId, wire::Contract};
use thiserror::Error;

use super::{OpenFault, Stage};

/// Why a provider was not brought up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BringUpError {
    /// Its plug-in was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its plug-in is not one that this gateway trusts.
    #[error("plug-in {} is not trusted: {detail}", file.display())]
    Untrusted {
        /// The operator's file.
        file: PathBuf,
        /// What was expected and what was found.
        detail: String,
    },
    /// A stage refused it.
    #[error("plug-in {} was refused at the stage `{stage}`: {detail}", file.display())]
    Refused {
        /// The operator's file.
        file: PathBuf,
        /// Which stage.
        stage: Stage,
        /// What was expected and what was found.
        detail: String,
    },
    /// A stage took too long.
    #[error("plug-in {} did not come through the stage `{stage}` within {} ms (stage_timeout)", file.display(), limit.as_millis())]
    TooSlow {
        /// The operator's file.
        file: PathBuf,
        /// Which stage.
        stage: Stage,
        /// How long it may take.
        limit: Duration,
    },
    /// Its adapter did not open.
    #[error("plug-in {}: {fault}", file.display())]
    Open {
        /// The operator's file.
        file: PathBuf,
        /// Why.
        #[source]
        fault: OpenFault,
    },
    /// There is no such generation to go back to.
    #[error("provider `{provider}` cannot go back{}: {}", to(*wanted), can_go_back_to(retained))]
    NotRetained {
        /// The provider.
        provider: ProviderId,
        /// The generation that was asked for.
        wanted: Option<u64>,
        /// Those that are there.
        retained: Vec<u64>,
    },
    /// Another generation serves by now than the one that was to be left.
    #[error("provider `{provider}` is not served by generation {generation} any more")]
    Replaced {
        /// The provider.
        provider: ProviderId,
        /// The generation that was to be left.
        generation: u64,
    },
    /// It asks for what this gateway does not have.
    #[error("provider `{provider}`: {detail}")]
    Unsupported {
        /// The provider.
        provider: ProviderId,
        /// What is missing, and what can be done.
        detail: String,
    },
}

impl BringUpError {
    /// Whether the file is merely not there yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Load(error) if error.is_waiting())
    }

    /// The stage that refused, for numbers; `None` if none was begun.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Load(LoadError {
                refusal: Refusal::Copy { .. },
                ..
            }) => Some(Stage::Copy),
            Self::Load(_) => Some(Stage::Read),
            Self::Untrusted { .. } => Some(Stage::Trust),
            Self::Refused { stage, .. } | Self::TooSlow { stage, .. } => Some(*stage),
            Self::Open { .. } => Some(Stage::Start),
            Self::NotRetained { .. } | Self::Replaced { .. } | Self::Unsupported { .. } => None,
        }
    }
}

fn to(wanted: Option<u64>) -> String {
    wanted.map_or_else(String::new, |number| format!(" to generation {number}"))
}

fn can_go_back_to(retained: &[u64]) -> String {
    if retained.is_empty() {
        return "nothing else has served it since the gateway started".into();
    }
    let numbers: Vec<_> = retained.iter().map(u64::to_string).collect();
    format!("it can go back to {}", numbers.join(", "))
}

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
