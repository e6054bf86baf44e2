//! One type per id, so that two of them cannot be swapped by mistake.
//!
//! Owns nothing but names: ids are opaque text, compared and passed on, never
//! parsed. Each type says who makes the id and within what it is unique.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text of an id.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as owned text.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

ids! {
    /// A session of the gateway. Made by the host, unique everywhere.
    SessionId;
    /// The name under which a vendor's callbacks find a session. Made by the
    /// host from app, desk, visitor and provider; stable across sessions of
    /// the same visitor, unique within the provider.
    ConversationId;
    /// A message in a session's log. Made by the host, unique within the
    /// session.
    MessageId;
    /// A request that an adapter asked for. Chosen by the adapter, unique
    /// among the calls of one session that have not finished.
    CallId;
    /// A timer. Chosen by the adapter, unique within the session; setting it
    /// again replaces it.
    TimerId;
    /// A visitor, as the app names its user. Unique within the app.
    VisitorId;
    /// A skill group at the vendor (技能组). Made by the vendor.
    GroupId;
    /// A configured account at a vendor. Chosen by the operator, unique within
    /// the gateway.
    ProviderId;
    /// A tenant of the gateway: its app key. Chosen by the operator.
    AppId;
    /// A service entrance of an app (客服入口). Chosen by the operator, unique
    /// within the gateway.
    DeskId;
}
