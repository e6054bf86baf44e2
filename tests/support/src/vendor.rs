//! The vendors there are, and what tests must know to treat them alike.
//!
//! Owns their names and the few words in which their simulators differ. Knows
//! nothing of what an adapter does.

use crate::plugins;
use serde_json::Value;

/// A simulated vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// 智齿.
    Zhichi,
    /// 佳信.
    Jiaxin,
    /// 小能.
    Xiaoneng,
    /// 爱客服.
    Aikefu,
    /// 网易七鱼.
    Qiyu,
    /// One that speaks SDP/1 without a flavour.
    Sdp,
}

impl Vendor {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Zhichi,
        Self::Jiaxin,
        Self::Xiaoneng,
        Self::Aikefu,
        Self::Qiyu,
        Self::Sdp,
    ];

    /// The two that a [`Stage`](crate::stage::Stage) has when a test asks for
    /// nothing else: one with an interface of its own, one by SDP/1.
    pub const USUAL: [Self; 2] = [Self::Zhichi, Self::Jiaxin];

    /// Its name as provider, and of the desk that it serves alone.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zhichi => "zhichi",
            Self::Jiaxin => "jiaxin",
            Self::Xiaoneng => "xiaoneng",
            Self::Aikefu => "aikefu",
            Self::Qiyu => "qiyu",
            Self::Sdp => "sdp",
        }
    }

    /// The file of its adapter.
    pub fn plugin(self) -> &'static str {
        match self {
            Self::Zhichi => plugins::ZHICHI,
            Self::Jiaxin => plugins::JIAXIN,
            Self::Xiaoneng => plugins::XIAONENG,
            Self::Aikefu => plugins::AIKEFU,
            Self::Qiyu => plugins::QIYU,
            Self::Sdp => plugins::SDP,
        }
    }

    /// Whether it is called by the standard docking protocol.
    pub fn speaks_sdp(self) -> bool {
        matches!(self, Self::Jiaxin | Self::Xiaoneng | Self::Sdp)
    }

    /// Whether a session begins with the robot, as the simulators are set.
    pub fn has_robot(self) -> bool {
        self != Self::Aikefu
    }

    /// The operation that begins a session; none where the vendor hears of a
    /// visitor by the first message only.
    pub fn opening(self) -> Option<&'static str> {
        match self {
            Self::Zhichi => Some("get_robot_guide"),
            Self::Qiyu => Some("event/applyStaff"),
            Self::Jiaxin | Self::Xiaoneng | Self::Sdp => Some("session.open"),
            Self::Aikefu => None,
        }
    }

    /// The operation by which a message reaches an agent.
    pub fn saying(self) -> &'static str {
        match self {
            Self::Zhichi => "chat_send",
            Self::Qiyu => "message/send",
            Self::Jiaxin | Self::Xiaoneng | Self::Sdp => "message.send",
            Self::Aikefu => "receive",
        }
    }

    /// Whether it can tell the repeat of a message, so that nothing of which
    /// the fate is unknown stays unknown.
    pub fn knows_repeats(self) -> bool {
        !matches!(self, Self::Zhichi | Self::Qiyu)
    }

    /// The visitor's name in what the vendor was told of the visitor.
    pub(crate) fn name_of_visitor(self, profile: &Value) -> &Value {
        match self {
            Self::Zhichi => &profile["user_nick"],
            Self::Jiaxin | Self::Xiaoneng | Self::Sdp => &profile["visitor"]["name"],
            Self::Qiyu => &profile["real_name"],
            Self::Aikefu => &profile["user"]["name"],
        }
    }
}
