//! 佳信 (Jiaxin) as it would join by the standard docking protocol, SDP/1.
//!
//! Owns who the tenant is and what Jiaxin does its own way. Everything else is
//! the protocol's, in `sdp`.

use std::net::SocketAddr;

use anyhow::Context;

use crate::sdp::{self, Keys, Profile};
use crate::serve::Handle;
use crate::settings::Settings;

/// Who the simulated tenant is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `whsec_` secrets; the first signs, all are accepted.
    pub secrets: Vec<String>,
    /// `orgName` at the vendor.
    pub org: String,
    /// `appName` at the vendor.
    pub app: String,
    /// Where events go; may be set later.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secrets: vec!["whsec_a2VmdS1kZW1vLXNlY3JldC1mb3ItamlheGluLTAx".to_owned()],
            org: "demo".to_owned(),
            app: "kefu".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let keys = Keys::parse(&config.secrets).context("the secrets of the 佳信 simulator")?;
    let account = format!("{}/{}", config.org, config.app);
    sdp::start(
        listen,
        PROFILE,
        keys,
        account,
        config.settings,
        config.callback,
    )
    .await
}

/// A page of its own for messages, ratings on invitation, numbered events.
const PROFILE: Profile = Profile {
    name: "jiaxin",
    title: "佳信",
    needs_channel: true,
    form: &[],
    self_rating: false,
    numbers: true,
};
