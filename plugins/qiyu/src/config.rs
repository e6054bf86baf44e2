//! The provider's `[settings]`, and what they mean.
//!
//! Owns two types: [`Settings`] as an operator writes them, and `Account` as
//! the rest of the adapter uses them. Invariant: an `Account` is checked; its
//! address ends without a slash, and what it cannot use was refused with the
//! setting's name.

use kefu_plugin_api::prelude::{
    Badge, Capabilities, JsonSchema, Notice, OpenError, Secret, SessionConfig,
};
use serde::Deserialize;

use crate::abilities;

/// Settings of a company at 网易七鱼. 网易七鱼企业的设置。
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// `appKey` of the company, from 设置 → 消息接口. 企业的 appKey。
    app_key: String,
    /// `appSecret` beside it; signs calls and proves events. 企业的 appSecret，用于双向签名校验。
    app_secret: Secret,
    /// Where the interface is. 接口地址。
    #[serde(default = "default::base_url")]
    base_url: String,
    /// Who receives visitors. 接待模式。
    #[serde(default)]
    #[schemars(extend("default" = "robot_first"))]
    reception: Reception,
    /// Number of the group (客服分组) of visitors who chose none. 未选择分组时使用的客服分组编号。
    group: Option<u64>,
    /// Product that sessions are counted under: a package name or bundle id. 产品标识，如包名或 bundle id。
    product_id: Option<String>,
    /// How often a waiting visitor's place is asked for, in seconds: 5 to 600.
    /// 排队时查询位置的间隔秒数，5 至 600。
    #[serde(default = "default::queue_poll_seconds")]
    queue_poll_seconds: u64,
    /// The company behind the desk. 企业名称与图标。
    company: Option<Face>,
    /// Name and picture of the robot. 机器人名称与头像。
    robot: Option<Face>,
    /// Notice bar above the conversation. 会话上方的通告。
    notice: Option<Bar>,
}

/// Who receives visitors (接待模式).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reception {
    /// The robot; an agent on request. 机器人优先。
    #[default]
    RobotFirst,
    /// The robot, and nobody else. 仅机器人。
    RobotOnly,
    /// An agent; the robot where none is there. 人工优先，无客服在线时由机器人接待。
    HumanFirst,
    /// An agent, for companies that have no robot. 仅人工。
    HumanOnly,
}

/// A name with a picture.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Face {
    /// Name to show. 显示名称。
    name: String,
    /// Address of the picture. 图片地址。
    icon: Option<String>,
}

/// A line above the conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bar {
    /// The text. 通告内容。
    text: String,
    /// What a click opens. 点击后打开的地址。
    url: Option<String>,
}

/// A checked account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) app_key: String,
    pub(crate) app_secret: Secret,
    /// Without a slash at the end.
    pub(crate) base: String,
    pub(crate) reception: Reception,
    pub(crate) group: Option<u64>,
    pub(crate) product_id: Option<String>,
    pub(crate) queue_poll_ms: u64,
    pub(crate) capabilities: Capabilities,
    pub(crate) session_config: SessionConfig,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        visible("app_key", &settings.app_key)?;
        visible("app_secret", settings.app_secret.expose())?;
        let seconds = settings.queue_poll_seconds;
        if !(5..=600).contains(&seconds) {
            let detail = format!("{seconds} must be 5 to 600 seconds");
            return Err(OpenError::setting("queue_poll_seconds", detail));
        }
        if settings.group == Some(0) {
            let detail = "0 is no group; leave it out where there is none";
            return Err(OpenError::setting("group", detail));
        }
        Ok(Self {
            base: base_url(&settings.base_url)?,
            capabilities: abilities::by_settings(settings.reception),
            product_id: filled("product_id", settings.product_id)?,
            session_config: SessionConfig {
                company: badge("company", settings.company)?,
                robot: badge("robot", settings.robot)?,
                notice: notice(settings.notice)?,
                ..SessionConfig::default()
            },
            app_key: settings.app_key,
            app_secret: settings.app_secret,
            reception: settings.reception,
            group: settings.group,
            queue_poll_ms: seconds * 1_000,
        })
    }
}

fn visible(name: &str, text: &str) -> Result<(), OpenError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = "must be as the vendor shows it: visible ASCII characters, not empty";
        return Err(OpenError::setting(name, detail));
    }
    Ok(())
}

fn base_url(text: &str) -> Result<String, OpenError> {
    let refuse = || {
        let detail = format!("`{text}` must be an address such as https://qiyukf.com/openapi");
        OpenError::setting("base_url", detail)
    };
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(refuse)?;
    let host = rest.split('/').next().unwrap_or_default();
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\');
    if host.is_empty() || host.starts_with(':') || rest.contains(bad) {
        return Err(refuse());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn filled(name: &str, value: Option<String>) -> Result<Option<String>, OpenError> {
    match value {
        Some(text) if text.trim().is_empty() => {
            let detail = "must not be empty; leave it out where there is none";
            Err(OpenError::setting(name, detail))
        }
        value => Ok(value),
    }
}

fn badge(setting: &str, face: Option<Face>) -> Result<Option<Badge>, OpenError> {
    let Some(Face { name, icon }) = face else {
        return Ok(None);
    };
    let name = filled(&format!("{setting}.name"), Some(name))?.unwrap_or_default();
    Ok(Some(Badge { name, icon }))
}

fn notice(bar: Option<Bar>) -> Result<Option<Notice>, OpenError> {
    let Some(Bar { text, url }) = bar else {
        return Ok(None);
    };
    let text = filled("notice.text", Some(text))?.unwrap_or_default();
    Ok(Some(Notice { text, url }))
}

mod default {
    pub(super) fn base_url() -> String {
        "https://qiyukf.com/openapi".to_owned()
    }

    pub(super) fn queue_poll_seconds() -> u64 {
        15
    }
}
