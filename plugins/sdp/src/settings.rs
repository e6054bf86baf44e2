//! The provider's `[settings]`, as an operator writes them.

use std::collections::BTreeMap;

use kefu_plugin_api::prelude::{JsonSchema, OpenError, Secret};
use kefu_sdp_core::{Account, Inquiries, Rules, translate::FIELDS};
use serde::Deserialize;

use crate::defaults::Defaults;

/// Settings of a vendor that speaks SDP/1. 通过 SDP/1 接入的客服平台的设置。
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// Address of the vendor's SDP/1 service, such as
    /// `https://kefu.example.com/sdp-base`. 平台 SDP/1 服务的地址。
    base_url: String,
    /// Shared secret (`whsec_…`): signs what leaves, and what calls back is
    /// checked against it. 双向签名密钥（whsec_ 开头）。
    secret: Option<Secret>,
    /// More secrets that callbacks may be signed with, for the time of a
    /// rotation; without `secret` the first of them signs what leaves.
    /// 轮换期间同时有效的其他密钥；未填 secret 时用第一个签名。
    #[serde(default)]
    secrets: Vec<Secret>,
    /// Tenant at the vendor, as agreed at set-up. 平台的租户名，开通时约定。
    account: String,
    /// Group of visitors who chose none. 未选择技能组时使用的技能组。
    group: Option<String>,
    /// Channel number of visitors who came without one. 默认渠道号。
    channel: Option<String>,
    /// The only profile keys that the vendor may be sent; absent: all of them.
    /// Beside the keys of the protocol's section 6: `custom`. 允许发送给平台的访客资料字段；不填则全部。
    visitor_fields: Option<Vec<String>>,
    /// Ask for the account's config where a session brought none. 会话未返回配置时查询账户配置。
    #[serde(default = "yes")]
    ask_capabilities: bool,
    /// Ask for the groups where a session brought none. 会话未返回技能组时查询技能组。
    #[serde(default = "yes")]
    ask_groups: bool,
    /// Ask for the place in the queue so often, in seconds; 0: never, for a
    /// vendor that tells it. 排队时查询位置的间隔（秒）；0 表示不查询，由平台推送。
    #[serde(default)]
    queue_query_seconds: u32,
    /// After a call without an answer, ask so many seconds later whether the
    /// vendor still has the session; 0: never. 请求无应答后，隔多少秒查询会话状态；0 表示不查询。
    #[serde(default = "a_minute")]
    recheck_seconds: u32,
    /// Give the place in the queue up when a waiting visitor leaves. 访客排队中离开时放弃排队。
    #[serde(default)]
    cancel_queue_on_exit: bool,
    /// What holds where the vendor says nothing. 平台未返回时的默认值。
    #[serde(default)]
    defaults: Defaults,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        let (keys, signing_setting) = Account::keys(settings.secret.as_ref(), &settings.secrets)?;
        let length = settings.account.chars().count();
        if !(1..=128).contains(&length) {
            let detail = format!("a tenant's name has 1 to 128 characters, not {length}");
            return Err(OpenError::setting("account", detail));
        }
        for (name, value) in [("group", &settings.group), ("channel", &settings.channel)] {
            if value.as_ref().is_some_and(String::is_empty) {
                let detail = "it is empty; leave it out if there is none";
                return Err(OpenError::setting(name, detail));
            }
        }
        let known = |key: &str| FIELDS.contains(&key) || key == "custom";
        if let Some(strange) = settings
            .visitor_fields
            .iter()
            .flatten()
            .find(|key| !known(key))
        {
            let detail =
                format!("`{strange}` is no profile key of SDP/1; known: {FIELDS:?}, custom");
            return Err(OpenError::setting("visitor_fields", detail));
        }
        let mut defaults = settings.defaults.into_config()?;
        defaults.visitor_fields.clone_from(&settings.visitor_fields);
        let after_ms = |seconds: u32| (seconds > 0).then(|| u64::from(seconds) * 1_000);
        Ok(Self {
            base_url: Account::base_url(&settings.base_url)?,
            name: settings.account,
            keys,
            signing_setting,
            group: settings.group,
            channel_no: settings.channel,
            channels: BTreeMap::new(),
            rules: Rules {
                defaults,
                inquiries: Inquiries {
                    capabilities: settings.ask_capabilities,
                    groups: settings.ask_groups,
                    queue_every_ms: after_ms(settings.queue_query_seconds),
                    doubt_after_ms: after_ms(settings.recheck_seconds),
                    cancel_queue: settings.cancel_queue_on_exit,
                },
                visitor_fields: settings.visitor_fields,
            },
        })
    }
}

fn yes() -> bool {
    true
}

fn a_minute() -> u32 {
    60
}
