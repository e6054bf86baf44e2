//! The encoding of everything that crosses the boundary, and the contract's
//! version.
//!
//! MessagePack with named fields: self-describing, so that a field or a
//! variant can be added without breaking an adapter that exists. The same
//! values print as JSON for people. Invariants: enums are tagged internally by
//! `type` and have struct variants only; ids and times are text; map keys are
//! text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    adapter::Receipt,
    effect::Effect,
    error::{AdapterError, FaultKind, OpenError, Reject},
    event::Event,
    session::SessionView,
};

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    /// Differs: they cannot talk.
    pub major: u16,
    /// Differs: the lower one is spoken.
    pub minor: u16,
}

impl std::fmt::Display for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The contract that this crate describes. Its own number, tied to no release.
pub const CONTRACT: Contract = Contract { major: 1, minor: 0 };

/// What `open` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenInput {
    /// The provider's `[settings]`, secrets filled in.
    pub settings: Value,
    /// The contract that the host speaks.
    pub host: Contract,
}

/// What `handle` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandleInput {
    /// What happened.
    pub event: Event,
    /// To whom and when.
    pub session: SessionView,
    /// The state as the adapter last wrote it; empty for none.
    #[serde(default, with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub state: Vec<u8>,
    /// The version of the adapter that wrote it; empty for none.
    #[serde(default)]
    pub state_version: String,
}

/// What `handle` gives back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandleOutput {
    /// What to do.
    pub effects: Vec<Effect>,
    /// The new state.
    #[serde(default, with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub state: Vec<u8>,
    /// The version of the adapter that wrote it.
    #[serde(default)]
    pub state_version: String,
    /// Lines for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What `receive` gives back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReceiveOutput {
    /// It is authentic and understood.
    Accepted {
        /// What it means.
        receipt: Receipt,
    },
    /// It is refused.
    Rejected {
        /// Why.
        reject: Reject,
    },
}

/// What `open` gives back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OpenOutput {
    /// It is open under this number.
    Opened {
        /// To be given with every further call.
        handle: u64,
    },
    /// The settings cannot be used.
    Refused {
        /// Why.
        error: OpenError,
    },
}

/// Writes a value.
///
/// # Errors
/// If it has no form in this encoding; a value of this crate always has one.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, AdapterError> {
    let mut bytes = Vec::with_capacity(512);
    let mut writer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value.serialize(&mut writer).map_err(|error| AdapterError {
        kind: FaultKind::Wire,
        detail: format!(
            "cannot write {}: {error}",
            std::any::type_name_of_val(value)
        ),
    })?;
    Ok(bytes)
}

/// Reads a value.
///
/// # Errors
/// If it is not of that shape. A variant that the reader does not know is
/// named in the text.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AdapterError> {
    rmp_serde::from_slice(bytes).map_err(|error| AdapterError {
        kind: FaultKind::Wire,
        detail: format!("cannot read {}: {error}", std::any::type_name::<T>()),
    })
}
