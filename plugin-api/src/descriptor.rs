//! Who an adapter is and what it needs: everything a host knows before it
//! opens one.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::{
    capability::{Capabilities, Kinds, Level},
    message::ContentKind,
    wire::CONTRACT,
};

/// An adapter's description of itself. Pure data, the same at every call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptor {
    /// The vendor's name in lower case; the same for every version.
    pub id: String,
    /// The adapter's own version (semver).
    pub version: String,
    /// The oldest minor version of the contract that it can live with.
    #[serde(default)]
    pub contract_minor: u16,
    /// What sessions can do unless the vendor's answer says otherwise.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Parts of `capabilities` that are not the same for every session: what
    /// the vendor's answer or a setting decides. For people who compare
    /// adapters; the host acts on what each session is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// JSON Schema of the provider's `[settings]`; filled in by
    /// `export_adapter!` from the adapter's `Config`.
    #[serde(default)]
    pub settings: Schema,
    /// Hosts it wants to reach, if the provider's file names none.
    #[serde(default)]
    pub hosts: Vec<HostSource>,
    /// Tokens that the host keeps for it.
    #[serde(default)]
    pub tokens: Vec<TokenSpec>,
    /// What the vendor's callbacks are keyed by.
    #[serde(default)]
    pub keyed_by: KeyedBy,
    /// How callbacks prove themselves, in words, for operators: `Standard
    /// Webhooks`, `secret path segment`.
    #[serde(default)]
    pub callback_authentication: String,
}

impl Descriptor {
    /// A description with nothing in it yet.
    pub fn new(id: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            version: version.into(),
            contract_minor: CONTRACT.minor,
            capabilities: Capabilities::default(),
            conditions: Vec::new(),
            settings: Schema::default(),
            hosts: Vec::new(),
            tokens: Vec::new(),
            keyed_by: KeyedBy::default(),
            callback_authentication: String::new(),
        }
    }

    /// Declares a kind of content for robot and agent alike.
    #[must_use]
    pub fn supports(mut self, kind: ContentKind, level: Level) -> Self {
        self.capabilities = self.capabilities.both(kind, level);
        self
    }

    /// Replaces all capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Says which parts of the capabilities the vendor decides, session by
    /// session.
    #[must_use]
    pub fn decided_by_vendor(mut self, parts: &[&str]) -> Self {
        self.conditions.extend(parts.iter().map(|&part| Condition {
            part: part.to_owned(),
            by: DecidedBy::Vendor {},
        }));
        self
    }

    /// Says which part of the capabilities a setting decides.
    #[must_use]
    pub fn decided_by_setting(mut self, part: &str, setting: &str) -> Self {
        self.conditions.push(Condition {
            part: part.to_owned(),
            by: DecidedBy::Setting {
                setting: setting.to_owned(),
            },
        });
        self
    }

    /// Wants to reach the host of the URL that a setting holds.
    #[must_use]
    pub fn reaches_setting(mut self, setting: impl Into<String>) -> Self {
        self.hosts.push(HostSource::Setting {
            setting: setting.into(),
        });
        self
    }

    /// Wants a token to be kept, shared by all providers that agree in these
    /// settings.
    #[must_use]
    pub fn keeps_token(mut self, name: impl Into<String>, keyed_by: &[&str]) -> Self {
        self.tokens.push(TokenSpec {
            name: name.into(),
            keyed_by: keyed_by.iter().map(|&setting| setting.to_owned()).collect(),
        });
        self
    }

    /// Says how callbacks prove themselves.
    #[must_use]
    pub fn callbacks(mut self, keyed_by: KeyedBy, authentication: impl Into<String>) -> Self {
        self.keyed_by = keyed_by;
        self.callback_authentication = authentication.into();
        self
    }

    /// Whether any kind is carried at all.
    pub fn carries_something(&self) -> bool {
        let carries = |kinds: &Kinds| kinds.values().any(|&level| level > Level::Rejected);
        carries(&self.capabilities.robot) || carries(&self.capabilities.human)
    }
}

/// A part of the capabilities that is not the same for every session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Which part, as a path below `capabilities`: `/human/location`,
    /// `/evaluation/after_seconds`. A list's element is named by its value:
    /// `/evaluation/by/visitor`.
    pub part: String,
    /// Who decides it.
    pub by: DecidedBy,
}

/// Who decides a part of the capabilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DecidedBy {
    /// The vendor, by what it answers when a session opens or later
    /// (返回的配置条件).
    Vendor {},
    /// The operator, by a setting of the provider.
    Setting {
        /// The setting.
        setting: String,
    },
    /// Somebody newer than the reader.
    #[serde(other)]
    Unknown,
}

/// Where the name of a reachable host comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostSource {
    /// It is always this one: `name` or `name:port`.
    Fixed {
        /// The host.
        host: String,
    },
    /// The host of the URL in this setting.
    Setting {
        /// The setting.
        setting: String,
    },
}

/// A token that the host keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenSpec {
    /// By which requests name it.
    pub name: String,
    /// Settings that identify the account: providers of this adapter that
    /// agree in all of them share one token.
    pub keyed_by: Vec<String>,
}

/// What a vendor's callbacks name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyedBy {
    /// A conversation: one visitor may be in several at once.
    #[default]
    Conversation,
    /// The visitor alone: the host allows one open session per visitor and
    /// provider.
    Visitor,
}
