//! A vendor without a flavour: it speaks SDP/1 and adds nothing of its own.
//!
//! Owns who the tenant is, and that the vendor uses all that the protocol
//! offers: a form for messages, ratings by visitors where the settings say so.
//! Everything else is the protocol's, in `sdp`.

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
    /// The tenant's name, as agreed at set-up.
    pub account: String,
    /// Where events go; may be set later.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secrets: vec!["whsec_a2VmdS1kZW1vLXNlY3JldC1mb3Itc2RwLXBsYWluLTAx".to_owned()],
            account: "demo".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let keys = Keys::parse(&config.secrets).context("the secrets of the SDP/1 simulator")?;
    sdp::start(
        listen,
        PROFILE,
        keys,
        config.account,
        config.settings,
        config.callback,
    )
    .await
}

/// Messages in the app's form; ratings by visitors where the settings say so.
const PROFILE: Profile = Profile {
    name: "sdp",
    title: "标准协议 SDP/1",
    needs_channel: false,
    form: &[
        Field {
            key: "name",
            label: "称呼",
            required: false,
            multiline: false,
            verify: None,
            max: 50,
        },
        Field {
            key: "phone",
            label: "电话",
            required: true,
            multiline: false,
            verify: Some("phone"),
            max: 20,
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
