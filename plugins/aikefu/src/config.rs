//! The provider's `[settings]`, what they mean, and what sessions can do.
//!
//! Owns two types: [`Settings`] as an operator writes them, and `Account` as
//! the rest of the adapter uses them. Invariant: an `Account` is checked; what
//! it cannot use was refused with the setting's name.

use kefu_plugin_api::prelude::{
    Badge, Capabilities, ContentKind, EmojiForm, Exit, JsonSchema, Level, Notice, OpenError,
    Secret, SessionConfig,
};
use serde::Deserialize;

/// Settings of a public account at 爱客服. 爱客服公众号的设置。
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-activation" = crate::activation::activation()))]
pub struct Settings {
    /// Id of the app public account that the vendor operates. 应用公众号 ID。
    account_id: String,
    /// App key that stands behind `@` in the vendor's ids. 应用的 App Key。
    app_key: String,
    /// App secret; signs both directions. 应用的 App Secret，用于双向签名。
    app_secret: Secret,
    /// Where the vendor takes visitors' messages. 爱客服接收访客消息的地址。
    receive_url: String,
    /// Where media of agents can be fetched, with `{media_id}` in it; without
    /// it only links are taken. 客服媒体文件的下载地址，含 {media_id}；不填则只接受链接。
    media_url: Option<String>,
    /// The company behind the desk. 企业名称与图标。
    company: Option<Face>,
    /// Notice bar above the conversation. 会话上方的通告。
    notice: Option<Bar>,
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
    pub(crate) account_id: String,
    pub(crate) app_key: String,
    pub(crate) app_secret: Secret,
    pub(crate) receive_url: String,
    pub(crate) media_url: Option<String>,
    pub(crate) session_config: SessionConfig,
}

impl TryFrom<Settings> for Account {
    type Error = OpenError;

    fn try_from(settings: Settings) -> Result<Self, OpenError> {
        visible("account_id", &settings.account_id)?;
        visible("app_key", &settings.app_key)?;
        visible("app_secret", settings.app_secret.expose())?;
        address("receive_url", &settings.receive_url)?;
        if let Some(url) = &settings.media_url {
            address("media_url", url)?;
            if !url.contains(MEDIA_ID) {
                let detail = format!("`{url}` must hold {MEDIA_ID} where the id goes");
                return Err(OpenError::setting("media_url", detail));
            }
        }
        let company = settings
            .company
            .map(|Face { name, icon }| Badge { name, icon });
        let notice = settings
            .notice
            .map(|Bar { text, url }| Notice { text, url });
        let filled = |name: &str, text: Option<&String>| match text {
            Some(text) if text.trim().is_empty() => {
                let detail = "must not be empty; leave it out where there is none";
                Err(OpenError::setting(name, detail))
            }
            _ => Ok(()),
        };
        filled("company.name", company.as_ref().map(|badge| &badge.name))?;
        filled("notice.text", notice.as_ref().map(|notice| &notice.text))?;
        Ok(Self {
            account_id: settings.account_id,
            app_key: settings.app_key,
            app_secret: settings.app_secret,
            receive_url: settings.receive_url,
            media_url: settings.media_url,
            session_config: SessionConfig {
                company,
                notice,
                ..SessionConfig::default()
            },
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

fn address(name: &str, text: &str) -> Result<(), OpenError> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or_default();
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '@' | '\\');
    if host.is_empty() || host.starts_with(':') || rest.contains(bad) {
        let detail = format!("`{text}` must be an address such as https://www.aikf.com/receive");
        return Err(OpenError::setting(name, detail));
    }
    Ok(())
}

/// Where the id goes in `media_url`.
pub(crate) const MEDIA_ID: &str = "{media_id}";

/// What every session can do: nothing that needs a session at the vendor.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        exit: Exit::Ends,
        emoji: EmojiForm::Text,
        visitor_fields: vec!["name".to_owned(), "portrait".to_owned()],
        ..Capabilities::default()
    }
    .human(ContentKind::Text, Level::Full)
    .human(ContentKind::Image, Level::Full)
    // Whole as AAC; any other format goes as a link, and says so.
    .human(ContentKind::Voice, Level::Full)
    .human(ContentKind::Location, Level::Converted)
    .human(ContentKind::Rich, Level::Converted)
    .human(ContentKind::Video, Level::Converted)
    .human(ContentKind::File, Level::Converted)
    .human(ContentKind::Emoji, Level::Converted)
    .human(ContentKind::Custom, Level::Converted)
    .voice_formats(&["aac"])
}
