//! The neutral message: what visitors, robots and agents say to each other.
//!
//! Content is one of a closed list of kinds that every app can show; what a
//! vendor has beyond it travels as [`Content::Custom`] with a text that can be
//! shown instead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::MessageId;

/// What a message carries. Tagged by `type` in snake case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Plain text, emoji as Unicode.
    Text {
        /// At most 8,000 characters, not empty.
        text: String,
    },
    /// A picture.
    Image {
        /// Where it can be fetched.
        url: String,
        /// A small version of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail: Option<String>,
        /// Pixels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u32>,
        /// Pixels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
    },
    /// A recorded voice message.
    Voice {
        /// Where it can be fetched.
        url: String,
        /// Length in milliseconds.
        duration_ms: u64,
        /// Container or codec by its short name: `mp3`, `wav`, `amr`, `aac`, `webm`.
        format: String,
    },
    /// A place.
    Location {
        /// Degrees, −90 to 90, WGS 84.
        latitude: f64,
        /// Degrees, −180 to 180, WGS 84.
        longitude: f64,
        /// What the place is called.
        label: String,
    },
    /// Picture and text with a link (图文).
    Rich {
        /// Headline.
        title: String,
        /// A few lines below it.
        summary: String,
        /// A picture beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        /// What a click opens.
        url: String,
    },
    /// A short film.
    Video {
        /// Where it can be fetched.
        url: String,
        /// Length in milliseconds.
        duration_ms: u64,
        /// A still picture of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail: Option<String>,
    },
    /// Any other file.
    File {
        /// Where it can be fetched.
        url: String,
        /// File name to show.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// A vendor's own emoticon that has no Unicode form.
    Emoji {
        /// The vendor's short code.
        code: String,
        /// What to show instead.
        text: String,
    },
    /// Anything else, such as product information (商品信息).
    Custom {
        /// Agreed between app and desk.
        name: String,
        /// At most 32 KiB as JSON.
        payload: Value,
        /// Shown where the payload is not understood.
        fallback_text: String,
    },
    /// A kind that is newer than the reader.
    #[serde(other)]
    Unknown,
}

impl Content {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Which kind this is.
    pub fn kind(&self) -> ContentKind {
        match self {
            Self::Text { .. } => ContentKind::Text,
            Self::Image { .. } => ContentKind::Image,
            Self::Voice { .. } => ContentKind::Voice,
            Self::Location { .. } => ContentKind::Location,
            Self::Rich { .. } => ContentKind::Rich,
            Self::Video { .. } => ContentKind::Video,
            Self::File { .. } => ContentKind::File,
            Self::Emoji { .. } => ContentKind::Emoji,
            Self::Custom { .. } => ContentKind::Custom,
            Self::Unknown => ContentKind::Unknown,
        }
    }

    /// The content as one text that loses as little as possible: what is sent
    /// to a vendor that has no such kind.
    ///
    /// Order of degradation: custom → its fallback text; rich → title, summary
    /// and link; location → label, coordinates and a map link; picture, voice,
    /// film and file → link; emoticon → its text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text { text } | Self::Emoji { text, .. } => text.clone(),
            Self::Image { url, .. } => format!("[图片 image] {url}"),
            Self::Voice {
                url, duration_ms, ..
            } => {
                format!("[语音 voice {} s] {url}", duration_ms.div_ceil(1000))
            }
            Self::Location {
                latitude,
                longitude,
                label,
            } => format!(
                "[位置 location] {label} ({latitude}, {longitude}) https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
            ),
            Self::Rich {
                title,
                summary,
                url,
                ..
            } => {
                let lines = [title, summary, url].into_iter();
                let filled = lines.filter(|line| !line.trim().is_empty());
                filled.map(String::as_str).collect::<Vec<_>>().join("\n")
            }
            Self::Video { url, .. } => format!("[视频 video] {url}"),
            Self::File { url, name, .. } => format!("[文件 file] {name} {url}"),
            Self::Custom { fallback_text, .. } => fallback_text.clone(),
            Self::Unknown => String::from("[不支持的消息 unsupported message]"),
        }
    }

    /// The links in it that point at media, to be fetched or signed.
    pub fn media_urls_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Image { url, thumbnail, .. } | Self::Video { url, thumbnail, .. } => {
                std::iter::once(url).chain(thumbnail).collect()
            }
            Self::Voice { url, .. } | Self::File { url, .. } => vec![url],
            Self::Rich { image_url, .. } => image_url.iter_mut().collect(),
            Self::Text { .. }
            | Self::Location { .. }
            | Self::Emoji { .. }
            | Self::Custom { .. }
            | Self::Unknown => Vec::new(),
        }
    }
}

/// A kind of content, without the content.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentKind {
    /// [`Content::Text`]
    Text,
    /// [`Content::Image`]
    Image,
    /// [`Content::Voice`]
    Voice,
    /// [`Content::Location`]
    Location,
    /// [`Content::Rich`]
    Rich,
    /// [`Content::Video`]
    Video,
    /// [`Content::File`]
    File,
    /// [`Content::Emoji`]
    Emoji,
    /// [`Content::Custom`]
    Custom,
    /// A kind that is newer than the reader.
    #[serde(other)]
    Unknown,
}

impl ContentKind {
    /// Every kind that can be named.
    pub const ALL: [Self; 9] = [
        Self::Text,
        Self::Image,
        Self::Voice,
        Self::Location,
        Self::Rich,
        Self::Video,
        Self::File,
        Self::Emoji,
        Self::Custom,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Location => "location",
            Self::Rich => "rich",
            Self::Video => "video",
            Self::File => "file",
            Self::Emoji => "emoji",
            Self::Custom => "custom",
            Self::Unknown => "unknown",
        }
    }
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sender {
    /// Which side of the desk.
    pub kind: SenderKind,
    /// The vendor's or the app's id of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Picture to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portrait: Option<String>,
}

impl Sender {
    /// A sender of whom only the side is known.
    pub fn of(kind: SenderKind) -> Self {
        Self {
            kind,
            id: None,
            name: None,
            portrait: None,
        }
    }

    /// An agent with what the vendor told about it.
    pub fn agent(agent: Agent) -> Self {
        Self {
            kind: SenderKind::Agent,
            id: agent.id,
            name: agent.name,
            portrait: agent.portrait,
        }
    }
}

/// The side of the desk that a sender is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderKind {
    /// The app's user.
    Visitor,
    /// The vendor's robot.
    Robot,
    /// A human agent.
    Agent,
    /// Neither: a notice of the platform.
    System,
}

/// A human agent (坐席).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// The vendor's id of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Picture to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portrait: Option<String>,
}

/// A visitor's message on its way to the vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Its id in the session's log; to be named in [`Call`](crate::effect::Call)
    /// and in a status.
    pub id: MessageId,
    /// What it carries, already converted to a kind that the adapter said it
    /// can carry in this state.
    pub content: Content,
    /// The kind it had before conversion, if it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<ContentKind>,
}

/// A message from the desk on its way to the visitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incoming {
    /// The vendor's id of the message, by which it can be recalled later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// Who said it.
    pub from: Sender,
    /// What was said.
    pub content: Content,
    /// Questions that the visitor may pick with one click.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
}

impl Incoming {
    /// A message without an id of the vendor and without suggestions.
    pub fn new(from: Sender, content: Content) -> Self {
        Self {
            vendor_id: None,
            from,
            content,
            suggestions: Vec::new(),
        }
    }

    /// The same message with the vendor's id.
    #[must_use]
    pub fn with_vendor_id(mut self, id: impl Into<String>) -> Self {
        self.vendor_id = Some(id.into());
        self
    }
}

/// How far a visitor's message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// The vendor took it.
    Delivered,
    /// It did not reach the vendor, or the vendor refused it.
    Failed,
    /// It was sent, and nobody can say whether the vendor took it.
    Unknown,
    /// An agent has read it.
    Read,
}
