//! 小能 (Xiaoneng) as it would join by the standard docking protocol, SDP/1.
//!
//! Owns who the tenant is and what Xiaoneng does its own way. Everything else is
//! the protocol's, in `sdp`.

use std::net::SocketAddr;

use anyhow::Context;

use crate::sdp::{self, Field, Keys, Profile};
use crate::serve::Handle;
use crate::settings::Settings;

/// Who the simulated tenant is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `whsec_` secrets; the first signs, all are accepted.
    pub secrets: Vec<String>,
    /// `siteid` at the vendor.
    pub site: String,
    /// Where events go; may be set later.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secrets: vec!["whsec_a2VmdS1kZW1vLXNlY3JldC1mb3IteGlhb25lbmctMDE=".to_owned()],
            site: "kf_9999".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let keys = Keys::parse(&config.secrets).context("the secrets of the 小能 simulator")?;
    sdp::start(
        listen,
        PROFILE,
        keys,
        config.site,
        config.settings,
        config.callback,
    )
    .await
}

/// Messages in the app's form; ratings by visitors where the settings say so.
const PROFILE: Profile = Profile {
    name: "xiaoneng",
    title: "小能",
    needs_channel: false,
    form: &[
        Field {
            key: "phone",
            label: "电话",
            required: true,
            multiline: false,
            verify: Some("phone"),
            max: 20,
        },
        Field {
            key: "email",
            label: "邮箱",
            required: false,
            multiline: false,
            verify: Some("email"),
            max: 100,
        },
        Field {
            key: "content",
            label: "留言内容",
            required: true,
            multiline: true,
            verify: None,
            max: 1_000,
        },
    ],
    self_rating: true,
    numbers: false,
};
