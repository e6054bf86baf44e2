//! The provider's `[settings]`, as an operator writes them.

use std::collections::BTreeMap;

use kefu_plugin_api::prelude::{JsonSchema, OpenError, Secret};
use kefu_sdp_core::{Account, Rules};
use serde::Deserialize;

/// Settings of a Jiaxin account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// Address of Jiaxin's SDP/1 service or of the connector in front of it,
    /// such as `https://kefu.example.com/jiaxin`.
    base_url: String,
    /// Shared secret (`whsec_…`): signs what leaves, and what calls back is
    /// checked against it.
    secret: Option<Secret>,
    /// More secrets that callbacks may be signed with, for the time of a
    /// rotation. Without `secret` the first of them signs what leaves.
    #[serde(default)]
    secrets: Vec<Secret>,
    /// Tenant at Jiaxin (`orgName`).
    org: String,
    /// Application at Jiaxin (`appName`).
    app: String,
    /// Skill group (技能组) of visitors who chose none.
    #[serde(default = "service")]
    group: String,
    /// Channel number (渠道号) of visitors who came without one; Jiaxin's
    /// console shows it.
    channel: String,
    /// Channel numbers by the app's platform, such as
    /// `{ web = "10001", app = "10002" }`; `app` stands for ios, android and
    /// harmony where they have none of their own. Of platforms that are not
    /// listed, `channel` is the number.
    #[serde(default)]
    channels: BTreeMap<String, String>,
    /// App key of the production app that was given to Jiaxin when the account
    /// was opened; for the record, not sent. 开通时提供给佳信的生产环境 App Key；仅作记录，不发送。
    #[serde(rename = "app_key")]
    _app_key: Option<String>,
    /// App key of the development app, likewise. 开发环境 App Key；仅作记录。
    #[serde(rename = "dev_app_key")]
    _dev_app_key: Option<String>,
    /// E-mail of who opened the account at Jiaxin; for the record, not sent.
    /// 开通账户时使用的邮箱；仅作记录，不发送。
    #[schemars(extend("format" = "email"))]
    email: Option<String>,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        Account::email("email", settings.email.as_deref())?;
        let (keys, signing_setting) = Account::keys(settings.secret.as_ref(), &settings.secrets)?;
        for (name, value) in [
            ("org", &settings.org),
            ("app", &settings.app),
            ("group", &settings.group),
        ] {
            if value.is_empty() || value.contains('/') {
                let detail =
                    format!("`{value}` must be a name at Jiaxin, without `/` and not empty");
                return Err(OpenError::setting(name, detail));
            }
        }
        if !is_channel_number(&settings.channel) {
            let detail = format!(
                "`{}` must be a channel number such as 10001",
                settings.channel
            );
            return Err(OpenError::setting("channel", detail));
        }
        let channels = by_platform(settings.channels)?;
        Ok(Self {
            base_url: Account::base_url(&settings.base_url)?,
            name: format!("{}/{}", settings.org, settings.app),
            keys,
            signing_setting,
            group: Some(settings.group),
            channel_no: Some(settings.channel),
            channels,
            rules: Rules::default(),
        })
    }
}

/// The table of platforms, their names in lower case.
fn by_platform(table: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, OpenError> {
    let mut channels = BTreeMap::new();
    for (platform, number) in table {
        let setting = format!("channels.{platform}");
        let name = platform.trim().to_ascii_lowercase();
        if name.is_empty() {
            let detail = "a platform without a name; right would be one such as web, app or ios";
            return Err(OpenError::setting("channels", detail));
        }
        if !is_channel_number(&number) {
            let detail = format!("`{number}` must be a channel number such as 10001");
            return Err(OpenError::setting(&setting, detail));
        }
        if channels.insert(name, number).is_some() {
            let detail =
                format!("`{platform}` is there twice; capitals do not tell platforms apart");
            return Err(OpenError::setting(&setting, detail));
        }
    }
    Ok(channels)
}

/// Whether a text looks like one of Jiaxin's channel numbers.
pub(crate) fn is_channel_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn service() -> String {
    "service".to_owned()
}
