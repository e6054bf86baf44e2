//! What gateway and child tell each other before the first call.
//!
//! Owns the payloads of the frames up to `SelfTested`. Deliberately apart from
//! the contract with adapters: both sides are always the same program, so
//! nothing here has to be understood by another version.

use std::path::PathBuf;

use kefu_plugin_api::{descriptor::Descriptor, wire::Contract};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use crate::plugin::Stage;

/// What the child is to do, and within which bounds.
#[derive(Serialize, Deserialize)]
pub(super) struct Load {
    /// The private copy.
    pub(super) copy: PathBuf,
    /// The hash that it must have.
    pub(super) sha256: String,
    /// What the adapter is opened with; with its secrets, so never printed.
    pub(super) settings: Value,
    /// Bytes of the largest answer that is sent.
    pub(super) most: usize,
    /// Bytes of memory that it may take.
    pub(super) memory: u64,
    /// Threads that take calls.
    pub(super) threads: usize,
    /// Seconds of processor time after which it is ended, if at all.
    pub(super) cpu_seconds: Option<u64>,
}

/// Who the adapter is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Described {
    pub(super) descriptor: Descriptor,
    pub(super) contract: Contract,
    pub(super) rustc: String,
    /// Whether the kernel kept all files but libraries from it meanwhile.
    pub(super) files_restricted: bool,
}

/// Why the child will not serve.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) stage: Stage,
    pub(super) text: String,
}

/// A payload that is not of its shape.
#[derive(Debug, Error)]
#[error("cannot read {what}: {found}")]
pub(super) struct Unreadable {
    what: &'static str,
    found: String,
}

/// Writes a payload.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(value).map_err(|error| error.to_string())
}

/// Reads a payload.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    rmp_serde::from_slice(bytes).map_err(|error| Unreadable {
        what: std::any::type_name::<T>(),
        found: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_way() {
        let load = Load {
            copy: "copies/abc.so".into(),
            sha256: "abc".into(),
            settings: serde_json::json!({ "key": ["value", 1, 2.5, null] }),
            most: 1,
            memory: 2,
            threads: 3,
            cpu_seconds: Some(4),
        };
        let back: Load = decode(&encode(&load).expect("it has a form")).expect("readable");
        assert_eq!(back.copy, load.copy);
        assert_eq!(back.settings, load.settings);
        assert_eq!(
            (back.most, back.memory, back.threads, back.cpu_seconds),
            (1, 2, 3, Some(4))
        );
    }

    #[test]
    fn bytes_of_another_shape_are_named() {
        let error = decode::<Refused>(b"\xc1").expect_err("no value at all");
        assert!(error.to_string().contains("Refused"), "{error}");
    }
}
