//! Why an adapter refuses: settings, a callback, a turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Settings that cannot be used. Ends the opening of a provider; an older
/// generation goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize, JsonSchema)]
#[error("{}{detail}", setting.as_ref().map(|name| format!("setting `{name}`: ")).unwrap_or_default())]
pub struct OpenError {
    /// Which setting, by its path in `[settings]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

impl OpenError {
    /// A setting that cannot be used.
    pub fn setting(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            setting: Some(name.into()),
            detail: detail.into(),
        }
    }
}

/// Why a callback is refused. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reject {
    /// It does not prove where it comes from: answered 401.
    #[error("not authentic: {detail}")]
    Unauthenticated {
        /// What is missing or wrong; no secret in it.
        detail: String,
    },
    /// It is authentic and cannot be read: answered 400.
    #[error("malformed: {detail}")]
    Malformed {
        /// What is wrong and where.
        detail: String,
    },
}

impl Reject {
    /// It does not prove where it comes from.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::Unauthenticated {
            detail: detail.into(),
        }
    }

    /// It cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed {
            detail: detail.into(),
        }
    }
}

/// A turn that failed. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize, JsonSchema)]
#[error("{kind}: {detail}")]
pub struct AdapterError {
    /// Whose fault it is.
    pub kind: FaultKind,
    /// What happened; no message text, no secrets.
    pub detail: String,
}

impl AdapterError {
    /// The vendor said something that the adapter cannot work with.
    pub fn vendor(detail: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Vendor,
            detail: detail.into(),
        }
    }

    /// The adapter found itself in a place it should not be in.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Internal,
            detail: detail.into(),
        }
    }
}

/// Whose fault a failed turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The vendor's.
    Vendor,
    /// The adapter's.
    Internal,
    /// The adapter panicked.
    Panic,
    /// The stored state cannot be read by this version of the adapter.
    State,
    /// What came over the boundary cannot be read.
    Wire,
    /// There is no such open adapter.
    Closed,
    /// A kind that is newer than the reader.
    #[serde(other)]
    Unknown,
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vendor => "vendor fault",
            Self::Internal => "adapter fault",
            Self::Panic => "adapter panicked",
            Self::State => "state cannot be read",
            Self::Wire => "boundary cannot be read",
            Self::Closed => "adapter is not open",
            Self::Unknown => "unknown fault",
        })
    }
}
