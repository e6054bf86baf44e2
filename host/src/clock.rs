//! The wall clock.
//!
//! Owns the one place where the gateway learns what time it is; whatever
//! decides takes it as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use kefu_plugin_api::time::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
