//! What a session allows where the vendor says nothing, as an operator writes it.
//!
//! Owns the words of `[settings.defaults]` and their meaning in the protocol's
//! config. What the vendor tells replaces it, key by key.

use kefu_plugin_api::prelude::{
    Badge, ContentKind, EmojiForm, Exit, IdleReminders, JsonSchema, Notice, OpenError,
};
use kefu_sdp_core::config::{Config, Evaluation, Human, Leave, Robot, Waiting};
use serde::Deserialize;

/// Defaults for what the vendor leaves unsaid. 平台未返回配置时使用的默认值。
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Whether there is a robot at all. 是否有机器人。
    robot: Option<bool>,
    /// The robot's name. 机器人名称。
    robot_name: Option<String>,
    /// Address of the robot's picture. 机器人头像地址。
    robot_icon: Option<String>,
    /// Kinds of messages that visitors may send to the robot; text if absent.
    /// 访客可发给机器人的消息类型；不填则为文本。
    robot_types: Option<Vec<ContentKind>>,
    /// Kinds of messages that visitors may send to an agent; text and image if
    /// absent. 访客可发给人工客服的消息类型；不填则为文本与图片。
    human_types: Option<Vec<ContentKind>>,
    /// Whether visitors may ask for a human. 是否允许转人工。
    to_human: Option<bool>,
    /// What leaving does: ends or keeps the session. 访客离开时结束（ends）或保留（keeps）会话。
    exit: Option<Exit>,
    /// Whether messages are taken while queued. 排队时是否接收消息。
    messages_while_queued: Option<bool>,
    /// Whether messages are taken while nobody is there. 无人在线时是否接收消息。
    messages_while_unattended: Option<bool>,
    /// Leaving a message: none, a page of the vendor, or a form. 留言：无、平台页面或表单。
    leave_message: Option<Leave>,
    /// Rating. 评价。
    evaluation: Option<Evaluation>,
    /// How agents' emoji arrive: native (Unicode) or text. 客服表情的形式：native 或 text。
    emoji: Option<EmojiForm>,
    /// Optional operations that the vendor implements: typing, read.
    /// 平台实现的可选操作：typing、read。
    optional: Option<Vec<String>>,
    /// The company behind the desk. 企业名称与图标。
    company: Option<Badge>,
    /// A notice above the conversation. 会话上方的通告。
    notice: Option<Notice>,
    /// Reminders when nobody says anything. 访客或客服长时间未发言时的提醒。
    idle: Option<IdleReminders>,
}

impl Defaults {
    /// The same in the protocol's words.
    ///
    /// # Errors
    /// If a default contradicts another one.
    pub(crate) fn into_config(self) -> Result<Config, OpenError> {
        let named = self.robot_name.is_some() || self.robot_icon.is_some();
        let robot = match self.robot {
            Some(false) if named || self.robot_types.is_some() => {
                let detail =
                    "`robot` is false, and yet a robot is described; remove one of the two";
                return Err(OpenError::setting("defaults.robot", detail));
            }
            Some(false) => Some(None),
            told => (told.is_some() || named || self.robot_types.is_some()).then(|| {
                let types = self.robot_types.unwrap_or_else(|| Robot::default().types);
                Some(Robot {
                    name: self.robot_name,
                    icon: self.robot_icon,
                    types,
                })
            }),
        };
        let waiting = |messages: Option<bool>| messages.map(|messages| Waiting { messages });
        Ok(Config {
            to_human: self.to_human,
            exit: self.exit,
            robot,
            human: self.human_types.map(|types| Human { types }),
            queued: waiting(self.messages_while_queued),
            unattended: waiting(self.messages_while_unattended),
            leave_message: self.leave_message,
            evaluation: self.evaluation,
            emoji: self.emoji,
            groups: None,
            visitor_fields: None,
            optional: self.optional,
            company: self.company,
            notice: self.notice,
            idle: self.idle,
        })
    }
}
