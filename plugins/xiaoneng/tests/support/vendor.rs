//! The vendor's side of a test: settings that fit.

use kefu_sdp_core::testing::SECRET;
use kefu_xiaoneng::Xiaoneng;
use serde_json::{Value, json};

/// A conversation at this adapter.
pub(crate) type Script = kefu_sdp_core::testing::Script<Xiaoneng>;

pub(crate) fn settings() -> Value {
    json!({
        "base_url": "https://xiaoneng.example/",
        "secret": SECRET,
        "site_id": "kf_9999",
        "session_id": "kf_9999_1500000000000",
    })
}

pub(crate) fn script() -> Script {
    Script::new(settings(), "kf_9999")
}
