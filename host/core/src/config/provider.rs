//! Checked settings of one provider: its plug-in, its limits, and the section
//! that only the adapter understands.
//!
//! Owns the types. Deliberately does not look inside [`Settings`]: the
//! adapter's own schema checks them when it is opened. Invariant: the plug-in
//! is a plain file name, so nothing outside the plug-in folder can be named.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use kefu_plugin_api::ids::ProviderId;

use super::{AllowedHost, Canary, HealthRules, InboundMedia};
use crate::emoji::EmojiTable;

/// One configured account at a vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its name in routes, callback addresses and logs.
    pub id: ProviderId,
    /// The plug-in's file name inside the plug-in folder.
    pub plugin: String,
    /// Where the adapter's code runs.
    pub isolation: Isolation,
    /// The only hosts the adapter's requests may reach. Empty: those that the
    /// adapter's descriptor names.
    pub hosts: Vec<AllowedHost>,
    /// Budgets of what leaves.
    pub limits: ProviderLimits,
    /// What to do when a call that cannot be repeated got no answer.
    pub on_unknown: OnUnknown,
    /// The table between the vendor's emoticon codes and Unicode; absent if
    /// none is named, and if the one that is named was never right.
    pub emoji: Option<Emoji>,
    /// The only fields of a visitor's profile that may be sent to the vendor;
    /// absent: those that the adapter declares.
    pub visitor_fields: Option<Arc<[String]>>,
    /// What becomes of links to media that the vendor sends.
    pub media: InboundMedia,
    /// How it is found out whether the vendor can be reached.
    pub health: HealthRules,
    /// How it is found out whether the vendor answers; absent: not at all.
    pub canary: Option<Canary>,
    /// How long a session that its visitor left stays open.
    pub max_idle: Duration,
    /// How long open sessions have once the provider is taken out.
    pub drain: Duration,
    /// Retained copies in memory after which a reload is refused.
    pub max_copies: u32,
    /// SHA-256 of the files that may be loaded, in lower-case hex; several
    /// during an upgrade. Read when plug-ins must be listed.
    pub sha256: Vec<String>,
    /// The adapter's own section.
    pub settings: Settings,
}

/// A table of emoji, and the file that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Emoji {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub table: Arc<EmojiTable>,
}

/// Where an adapter's code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In the gateway's process: fastest, for trusted adapters.
    InProcess,
    /// In a locked-down child process.
    Process,
}

impl Isolation {
    /// The name in the configuration and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::Process => "process",
        }
    }
}

/// Budgets of what leaves for one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Requests a second; 0 for no limit.
    pub requests_per_second: u32,
    /// Requests under way at the same time.
    pub concurrency: u32,
    /// How long one attempt may take, connecting included.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The largest answer in bytes.
    pub max_response: u64,
    /// How long a request is tried before it becomes a dead letter.
    pub deadline: Duration,
    /// The memory in bytes that a child process which runs the adapter may
    /// take: the one that tries a new file out, and the one that serves with
    /// [`Isolation::Process`].
    pub memory: u64,
}

/// What to do when nobody knows whether the vendor took a request that cannot
/// be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// Tell the visitor's app; the message may be missing at the vendor.
    Report,
    /// Send again; the message may arrive twice.
    Retry,
}

/// The `[settings]` of a provider: for its adapter alone, masked when printed.
#[derive(Clone, PartialEq)]
pub struct Settings(serde_json::Value);

impl Settings {
    /// Wraps an adapter's settings.
    pub fn new(settings: serde_json::Value) -> Self {
        Self(settings)
    }

    /// The settings themselves, secrets included: for the adapter, never for a
    /// log or an answer.
    pub fn expose(&self) -> &serde_json::Value {
        &self.0
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self
            .0
            .as_object()
            .map(|table| table.keys().collect())
            .unwrap_or_default();
        write!(f, "Settings({keys:?}, values masked)")
    }
}
