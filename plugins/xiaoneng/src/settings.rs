//! The provider's `[settings]`, as an operator writes them.
//!
//! Owns the two sets of keys, production and development, which stand side by
//! side; `environment` chooses one. Invariant: development never signs with a
//! production key, nor the other way round.

use std::collections::BTreeMap;

use kefu_plugin_api::prelude::{JsonSchema, OpenError, Secret};
use kefu_sdp_core::{Account, Rules, config::Config, translate::FIELDS};
use serde::Deserialize;

use crate::{flavour, form};

/// Settings of a Xiaoneng account. 小能账户的设置。
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// Which keys are in use: production or development. 使用的环境：production 或 development。
    #[serde(default)]
    environment: Environment,
    /// Address of Xiaoneng's SDP/1 service or of the connector in front of it,
    /// such as `https://kefu.example.com/xiaoneng`. 小能 SDP/1 服务或其前置连接器的地址。
    base_url: String,
    /// Production: shared secret (`whsec_…`); signs what leaves, and what calls
    /// back is checked against it. 生产环境双向签名密钥（whsec_ 开头）。
    secret: Option<Secret>,
    /// Production: more secrets that callbacks may be signed with, for the time
    /// of a rotation. 生产环境轮换期间同时有效的其他密钥。
    #[serde(default)]
    secrets: Vec<Secret>,
    /// Development: the same as `secret`. 开发环境签名密钥。
    dev_secret: Option<Secret>,
    /// Development: the same as `secrets`. 开发环境轮换密钥。
    #[serde(default)]
    dev_secrets: Vec<Secret>,
    /// Development: the same as `base_url`; absent: that of production.
    /// 开发环境地址；不填则与生产环境相同。
    dev_base_url: Option<String>,
    /// Tenant at Xiaoneng (siteid), such as `kf_9999`. 小能租户号（siteid）。
    site_id: String,
    /// Development: the same as `site_id`; absent: that of production.
    /// 开发环境租户号；不填则与生产环境相同。
    dev_site_id: Option<String>,
    /// Reception group (接待组, settingid) of visitors who chose none: the
    /// sessionId that Xiaoneng's console shows. 小能后台生成的 sessionId（接待组）。
    session_id: String,
    /// Development: the same as `session_id`; absent: that of production.
    /// 开发环境 sessionId；不填则与生产环境相同。
    dev_session_id: Option<String>,
    /// App key of the production app that was given to Xiaoneng when the account was
    /// opened; for the record, not sent. 开通时提供给小能的生产环境 App Key；仅作记录，不发送。
    #[serde(rename = "app_key")]
    _app_key: Option<String>,
    /// App key of the development app, likewise. 开发环境 App Key；仅作记录。
    #[serde(rename = "dev_app_key")]
    _dev_app_key: Option<String>,
    /// E-mail of who opened the account at Xiaoneng; for the record, not sent.
    /// 开通账户时使用的邮箱；仅作记录，不发送。
    #[schemars(extend("format" = "email"))]
    email: Option<String>,
    /// The form in which a message is left; absent: phone, email, content.
    /// 留言表单的字段；不填则为电话、邮箱、留言内容。
    leave_message_fields: Option<Vec<form::Field>>,
    /// The only profile keys that Xiaoneng may be sent; absent: all of them.
    /// 允许发送给小能的访客资料字段；不填则全部。
    visitor_fields: Option<Vec<String>>,
}

/// Which of an account's two sets of keys is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Environment {
    /// Real visitors. 生产环境。
    #[default]
    Production,
    /// Trials. 开发环境。
    Development,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        Account::email("email", settings.email.as_deref())?;
        let production = settings.environment == Environment::Production;
        // With each value the name of the setting that an operator would correct.
        let choose =
            |usual: (&'static str, &String), dev: (&'static str, &Option<String>)| match dev {
                (name, Some(value)) if !production => (name, value.clone()),
                _ => (usual.0, usual.1.clone()),
            };
        let (address, base_url) = choose(
            ("base_url", &settings.base_url),
            ("dev_base_url", &settings.dev_base_url),
        );
        let (site, site_id) = choose(
            ("site_id", &settings.site_id),
            ("dev_site_id", &settings.dev_site_id),
        );
        let (session, session_id) = choose(
            ("session_id", &settings.session_id),
            ("dev_session_id", &settings.dev_session_id),
        );
        for (name, value) in [(site, &site_id), (session, &session_id)] {
            if value.is_empty()
                || value.len() > 128
                || !value.bytes().all(|byte| byte.is_ascii_graphic())
            {
                let detail = format!(
                    "`{value}` must be an id as Xiaoneng's console shows it, such as kf_9999"
                );
                return Err(OpenError::setting(name, detail));
            }
        }
        let (keys, signing_setting) = if production {
            Account::keys(settings.secret.as_ref(), &settings.secrets)?
        } else {
            let dev = (settings.dev_secret.as_ref(), &settings.dev_secrets);
            let (keys, signing) = Account::keys(dev.0, dev.1)
                .map_err(|error| OpenError::setting("dev_secret", error.to_string()))?;
            (
                keys,
                if signing == "secret" {
                    "dev_secret"
                } else {
                    "dev_secrets"
                },
            )
        };
        let known = |key: &str| FIELDS.contains(&key) || key == "custom";
        if let Some(strange) = settings
            .visitor_fields
            .iter()
            .flatten()
            .find(|key| !known(key))
        {
            let detail = format!("`{strange}` is no profile key; known: {FIELDS:?}, custom");
            return Err(OpenError::setting("visitor_fields", detail));
        }
        let fields = settings
            .leave_message_fields
            .map(form::checked)
            .transpose()?;
        Ok(Self {
            base_url: Account::base_url(&base_url).map_err(|error| match address {
                "base_url" => error,
                name => OpenError::setting(name, error.to_string()),
            })?,
            name: site_id,
            keys,
            signing_setting,
            group: Some(session_id),
            channel_no: None,
            channels: BTreeMap::new(),
            rules: Rules {
                defaults: Config {
                    leave_message: fields.map(flavour::leave_message),
                    visitor_fields: settings.visitor_fields.clone(),
                    ..Config::default()
                },
                visitor_fields: settings.visitor_fields,
                ..Rules::default()
            },
        })
    }
}
