//! The provider's `[settings]`, and what they mean.
//!
//! Owns two types: [`Settings`] as an operator writes them, and `Account` as
//! the rest of the adapter uses them. Invariant: an `Account` is checked; its
//! addresses end without a slash, and what it cannot use was refused with the
//! setting's name.

mod abilities;

use kefu_plugin_api::{
    activation::is_email,
    prelude::{
        Badge, Capabilities, IdleReminder, IdleReminders, JsonSchema, Notice, OpenError, Secret,
        SessionConfig,
    },
};
use serde::Deserialize;

use crate::auth::Network;

pub(crate) use abilities::{conditional, default_capabilities};

/// Settings of an account at 智齿.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// `appid` of the company, from the vendor.
    app_id: String,
    /// `app_key` that belongs to it; signs the request for a token.
    app_key: Secret,
    /// E-mail of the administrator who opened the company's account; for the
    /// record, not sent.
    #[schemars(extend("format" = "email"))]
    admin_email: Option<String>,
    /// Where the company lives: `https://www.sobot.com` (Alibaba Cloud),
    /// `https://www.soboten.com` (Tencent Cloud), or a regional address.
    #[serde(default = "default::base_url")]
    base_url: String,
    /// Path of the visitor calls (`chat_connect`, `chat_send`, `robot_chat`, …).
    #[serde(default = "default::chat_path")]
    chat_path: String,
    /// Path of the robot's greeting (`get_robot_guide`).
    #[serde(default = "default::robot_path")]
    robot_path: String,
    /// Path of the token call.
    #[serde(default = "default::token_path")]
    token_path: String,
    /// Header that carries the token.
    #[serde(default = "default::token_header")]
    token_header: String,
    /// Written before the token in that header, such as `Bearer `.
    #[serde(default)]
    token_prefix: String,
    /// Secret last segment of the address that the vendor pushes to: at least
    /// 16 letters, digits, `-` or `_`.
    push_secret: Secret,
    /// Addresses or networks (`203.0.113.0/24`) that pushes may come from;
    /// empty for any.
    #[serde(default)]
    push_addresses: Vec<String>,
    /// Number of the robot (机器人编号), for companies with several.
    robot_flag: Option<u32>,
    /// Channel (渠道标识) that sessions are counted under.
    channel_flag: Option<String>,
    /// Where visitors come from, in the vendor's numbers: 2 is an app.
    #[serde(default = "default::source")]
    source: u32,
    /// Skill group (技能组) of visitors who chose none.
    group: Option<String>,
    /// Whether each session asks which groups there are and whether somebody
    /// is there, for apps that let visitors choose: two calls more a session.
    #[serde(default)]
    ask_groups: bool,
    /// Who receives visitors; set at the vendor, to be repeated here.
    #[serde(default)]
    #[schemars(extend("default" = "robot_first"))]
    reception: Reception,
    /// Whether the robot can be rated: solved, yes or no.
    #[serde(default = "default::yes")]
    robot_evaluation: bool,
    /// Whether the rating of an agent asks if the matter was solved.
    #[serde(default = "default::yes")]
    evaluation_resolved: bool,
    /// Whether the rating of an agent asks for one to five stars.
    #[serde(default = "default::yes")]
    evaluation_stars: bool,
    /// Tags to choose from when an agent is rated.
    #[serde(default)]
    evaluation_tags: Vec<String>,
    /// Whether a text may be added to the rating of an agent.
    #[serde(default = "default::yes")]
    evaluation_comment: bool,
    /// Whether visitors may rate an agent whenever they like, besides on
    /// leaving and when invited.
    #[serde(default)]
    evaluation_by_visitor: bool,
    /// A rating on leaving is asked for only after so many seconds.
    #[serde(default = "default::evaluation_after_seconds")]
    evaluation_after_seconds: u64,
    /// The company behind the desk.
    company: Option<Face>,
    /// Name and picture of the robot.
    robot: Option<Face>,
    /// Notice bar (通告) above the conversation.
    notice: Option<Bar>,
    /// Shown when the visitor says nothing for a while.
    idle_visitor: Option<Reminder>,
    /// Shown when the agent says nothing for a while.
    idle_agent: Option<Reminder>,
}

/// Who receives visitors (接待模式).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reception {
    /// The robot; an agent on request.
    #[default]
    RobotFirst,
    /// The robot, and nobody else.
    RobotOnly,
    /// An agent; the robot while nobody is there.
    HumanFirst,
    /// An agent, and nobody else.
    HumanOnly,
}

impl Reception {
    /// Whether the robot ever answers.
    pub(crate) fn has_robot(self) -> bool {
        self != Self::HumanOnly
    }

    /// Whether an agent ever answers.
    pub(crate) fn has_human(self) -> bool {
        self != Self::RobotOnly
    }

    /// Whether a session opens with the robot.
    pub(crate) fn opens_with_robot(self) -> bool {
        matches!(self, Self::RobotFirst | Self::RobotOnly)
    }
}

/// A name with a picture.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Face {
    /// Name to show.
    name: String,
    /// Address of the picture.
    icon: Option<String>,
}

/// A line above the conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bar {
    /// The text.
    text: String,
    /// What a click opens.
    url: Option<String>,
}

/// A reminder after silence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reminder {
    /// Silence before it is shown, in seconds.
    after_seconds: u64,
    /// What is shown.
    text: String,
}

/// A checked account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) app_id: String,
    /// Up to and including the path, without a slash at the end.
    pub(crate) chat: String,
    pub(crate) robot: String,
    pub(crate) token: String,
    pub(crate) token_header: String,
    pub(crate) token_prefix: String,
    pub(crate) push_secret: Secret,
    pub(crate) push_networks: Vec<Network>,
    pub(crate) robot_flag: Option<u32>,
    pub(crate) channel_flag: Option<String>,
    pub(crate) source: u32,
    pub(crate) group: Option<String>,
    pub(crate) ask_groups: bool,
    pub(crate) reception: Reception,
    pub(crate) capabilities: Capabilities,
    pub(crate) session_config: SessionConfig,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        check_credentials(&settings)?;
        check_evaluation(&settings)?;
        let base = base_url(&settings.base_url)?;
        let address = |name, path: &str| path_of(name, path).map(|path| format!("{base}{path}"));
        Ok(Self {
            chat: address("chat_path", &settings.chat_path)?,
            robot: address("robot_path", &settings.robot_path)?,
            token: address("token_path", &settings.token_path)?,
            push_networks: settings
                .push_addresses
                .iter()
                .map(|text| network(text))
                .collect::<Result<_, _>>()?,
            capabilities: abilities::capabilities(&settings),
            channel_flag: filled("channel_flag", settings.channel_flag)?,
            group: filled("group", settings.group)?,
            session_config: SessionConfig {
                company: badge("company", settings.company)?,
                robot: badge("robot", settings.robot)?,
                notice: notice(settings.notice)?,
                idle: IdleReminders {
                    visitor: reminder("idle_visitor", settings.idle_visitor)?,
                    agent: reminder("idle_agent", settings.idle_agent)?,
                },
                blocked: false,
            },
            app_id: settings.app_id,
            token_header: settings.token_header,
            token_prefix: settings.token_prefix,
            push_secret: settings.push_secret,
            robot_flag: settings.robot_flag,
            source: settings.source,
            ask_groups: settings.ask_groups,
            reception: settings.reception,
        })
    }
}

fn check_credentials(settings: &Settings) -> Result<(), OpenError> {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(&settings.app_id) {
        let detail = "must be the appid from the vendor: visible ASCII characters, not empty";
        return Err(OpenError::setting("app_id", detail));
    }
    if !visible(settings.app_key.expose()) {
        let detail = "must be the app_key from the vendor: visible ASCII characters, not empty";
        return Err(OpenError::setting("app_key", detail));
    }
    check_email("admin_email", settings.admin_email.as_deref())?;
    let secret = settings.push_secret.expose();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(16..=128).contains(&secret.len()) || !secret.bytes().all(fits) {
        let detail = format!(
            "has {} characters; must be 16 to 128 letters, digits, `-` or `_`",
            secret.chars().count()
        );
        return Err(OpenError::setting("push_secret", detail));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if settings.token_header.is_empty() || !settings.token_header.bytes().all(fits) {
        let detail = format!(
            "`{}` must be the name of a header, such as token",
            settings.token_header
        );
        return Err(OpenError::setting("token_header", detail));
    }
    if settings.source > 99 {
        let detail = format!(
            "{} must be one of the vendor's source numbers: 0 desktop web, 1 WeChat, 2 app, 4 mobile web, …",
            settings.source
        );
        return Err(OpenError::setting("source", detail));
    }
    Ok(())
}

fn check_email(name: &str, text: Option<&str>) -> Result<(), OpenError> {
    match text {
        Some(text) if !is_email(text) => {
            let detail = format!("`{text}` must be an e-mail address such as admin@example.com");
            Err(OpenError::setting(name, detail))
        }
        _ => Ok(()),
    }
}

fn check_evaluation(settings: &Settings) -> Result<(), OpenError> {
    if settings.evaluation_after_seconds > 86_400 {
        let detail = format!(
            "{} must be at most 86400, one day",
            settings.evaluation_after_seconds
        );
        return Err(OpenError::setting("evaluation_after_seconds", detail));
    }
    // The vendor takes all chosen tags as one text with commas between.
    let bad = |tag: &&String| tag.trim().is_empty() || tag.contains([',', '，']);
    if let Some(tag) = settings.evaluation_tags.iter().find(bad) {
        let detail = format!("`{tag}` must be a text without commas, not empty");
        return Err(OpenError::setting("evaluation_tags", detail));
    }
    Ok(())
}

fn base_url(text: &str) -> Result<String, OpenError> {
    let refuse = || {
        let detail = format!("`{text}` must be an address such as https://www.sobot.com");
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

fn path_of<'a>(name: &str, path: &'a str) -> Result<&'a str, OpenError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\');
    if !path.starts_with('/') || path.starts_with("//") || path.contains(bad) {
        let detail = format!("`{path}` must be a path such as /api/chat/5/user");
        return Err(OpenError::setting(name, detail));
    }
    Ok(path.trim_end_matches('/'))
}

fn network(text: &str) -> Result<Network, OpenError> {
    Network::parse(text).ok_or_else(|| {
        let detail = format!(
            "`{text}` must be an address or a network, such as 203.0.113.7 or 2001:db8::/32"
        );
        OpenError::setting("push_addresses", detail)
    })
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

fn reminder(setting: &str, from: Option<Reminder>) -> Result<Option<IdleReminder>, OpenError> {
    let Some(Reminder {
        after_seconds,
        text,
    }) = from
    else {
        return Ok(None);
    };
    if after_seconds == 0 {
        let detail = "0 must be at least 1";
        return Err(OpenError::setting(
            format!("{setting}.after_seconds"),
            detail,
        ));
    }
    let text = filled(&format!("{setting}.text"), Some(text))?.unwrap_or_default();
    Ok(Some(IdleReminder {
        after_seconds,
        text,
    }))
}

mod default {
    pub(super) fn base_url() -> String {
        "https://www.sobot.com".to_owned()
    }

    pub(super) fn chat_path() -> String {
        "/api/chat/5/user".to_owned()
    }

    pub(super) fn robot_path() -> String {
        "/api/robot/5".to_owned()
    }

    pub(super) fn token_path() -> String {
        "/api/get_token".to_owned()
    }

    pub(super) fn token_header() -> String {
        "token".to_owned()
    }

    pub(super) fn source() -> u32 {
        2
    }

    pub(super) fn yes() -> bool {
        true
    }

    pub(super) fn evaluation_after_seconds() -> u64 {
        60
    }
}
