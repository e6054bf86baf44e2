//! What makes one vendor's SDP/1 its own: settings, defaults, vocabulary.
//!
//! A flavour adds words and chooses defaults. It changes no rule of the
//! protocol, which is why it has no say in a session's course.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    activation::is_email,
    prelude::{Client, ContentKind, Descriptor, JsonSchema, Level, OpenError, Secret, Visitor},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    config::{self, Config},
    rules::Rules,
    webhooks::Keys,
};

/// A vendor that speaks SDP/1.
pub trait Flavour: Send + Sync + 'static {
    /// The provider's `[settings]`.
    type Settings: DeserializeOwned + JsonSchema;

    /// The adapter's id.
    const ID: &'static str;
    /// The adapter's version.
    const VERSION: &'static str;
    /// The settings that hold addresses of the vendor.
    const ADDRESSES: &'static [&'static str] = &["base_url"];

    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting and what would be right.
    fn account(settings: Self::Settings) -> Result<Account, OpenError>;

    /// What a session allows where the vendor says nothing.
    fn defaults() -> Config;

    /// What becomes of a kind of content that the vendor does not list.
    fn unlisted(kind: ContentKind) -> Level {
        config::in_words(kind)
    }

    /// Which parts of the capabilities are not settled by the defaults: what
    /// the vendor's config decides, and what a setting does.
    fn conditional(descriptor: Descriptor) -> Descriptor {
        descriptor
    }

    /// Brings a vendor's name for an event, and what it leaves out, into
    /// SDP's words. Empty: an event that means nothing here.
    fn event(name: String, data: Value) -> (String, Value) {
        (name, data)
    }

    /// The channel number (渠道号) that this visitor came through.
    fn channel_no(account: &Account, _visitor: &Visitor, client: &Client) -> Option<String> {
        client
            .channel
            .clone()
            .or_else(|| account.channel_of(client).map(str::to_owned))
    }

    /// The profile once more in the vendor's own words, and the key it goes
    /// under.
    fn vocabulary(_account: &Account, _arrival: &Arrival<'_>) -> Option<(&'static str, Value)> {
        None
    }
}

/// One tenant at a vendor, checked.
#[derive(Debug)]
pub struct Account {
    /// The vendor's address, without a slash at its end.
    pub base_url: String,
    /// The tenant's name in every envelope.
    pub name: String,
    /// Who may call back.
    pub keys: Keys,
    /// The setting with the secret that signs what leaves.
    pub signing_setting: &'static str,
    /// The group (技能组) of visitors who chose none.
    pub group: Option<String>,
    /// The channel number (渠道号) of visitors who came without one.
    pub channel_no: Option<String>,
    /// The channel number of those who came with an app of this platform, by
    /// its name in lower case.
    pub channels: BTreeMap<String, String>,
    /// What the operator of the gateway has decided.
    pub rules: Rules,
}

impl Account {
    /// The channel number of visitors who name none: that of their app's
    /// platform, else the account's own.
    pub fn channel_of(&self, client: &Client) -> Option<&str> {
        let platform = client.platform.as_deref().unwrap_or_default();
        let platform = platform.trim().to_ascii_lowercase();
        let native = NATIVE.contains(&platform.as_str()).then_some("app");
        let of_platform = [Some(platform.as_str()), native].into_iter().flatten();
        of_platform
            .filter_map(|name| self.channels.get(name))
            .next()
            .or(self.channel_no.as_ref())
            .map(String::as_str)
    }

    /// Reads the two settings that hold secrets: `secret`, and `secrets` for
    /// the time of a rotation.
    ///
    /// # Errors
    /// Names the setting that cannot be used, never its value.
    pub fn keys(
        secret: Option<&Secret>,
        secrets: &[Secret],
    ) -> Result<(Keys, &'static str), OpenError> {
        let signing = if secret.is_some() {
            "secret"
        } else {
            "secrets"
        };
        let keys = Keys::parse(secret.into_iter().chain(secrets))
            .map_err(|error| OpenError::setting(signing, error.to_string()))?;
        Ok((keys, signing))
    }

    /// Checks a setting that holds an e-mail address for the record.
    ///
    /// # Errors
    /// It is none.
    pub fn email(name: &str, text: Option<&str>) -> Result<(), OpenError> {
        match text {
            Some(text) if !is_email(text) => {
                let detail =
                    format!("`{text}` must be an e-mail address such as admin@example.com");
                Err(OpenError::setting(name, detail))
            }
            _ => Ok(()),
        }
    }

    /// Reads the vendor's address.
    ///
    /// # Errors
    /// If it is not an absolute `http` or `https` URL without query.
    pub fn base_url(url: &str) -> Result<String, OpenError> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let fits = rest.is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' '])
        });
        if fits {
            Ok(url.trim_end_matches('/').to_owned())
        } else {
            let detail =
                format!("`{url}` is not an address such as https://vendor.example.com/base");
            Err(OpenError::setting("base_url", detail))
        }
    }
}

/// A visitor on arrival, as a flavour words it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// SDP's key of the visitor.
    pub visitor_id: &'a str,
    /// The profile.
    pub visitor: &'a Visitor,
    /// The channel number, if there is one.
    pub channel_no: Option<&'a str>,
}

/// Platforms that `app` stands for where they have no channel of their own.
const NATIVE: [&str; 5] = ["android", "harmony", "harmonyos", "ios", "ohos"];
