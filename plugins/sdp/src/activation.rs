//! What an operator is asked and told when an account is added.

use kefu_plugin_api::prelude::{Activation, Made, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("标准对接协议（SDP/1）平台", "A vendor that speaks SDP/1")
        .before(
            "平台按标准对接协议 SDP/1 提供服务地址，并约定租户名与签名密钥。",
            "The vendor provides an address that speaks the standard docking protocol SDP/1; tenant and secret are agreed.",
        )
        .ask(Question::of("base_url", "服务地址", "Service address").help(
            "平台 SDP/1 服务的地址，如 https://kefu.example.com/sdp-base",
            "of the vendor's SDP/1 service, such as https://kefu.example.com/sdp-base",
        ))
        .ask(Question::of("secret", "双向签名密钥", "Shared secret").required().made(Made::WebhookSecret).help(
            "whsec_ 开头，与平台约定",
            "whsec_…, agreed with the vendor",
        ))
        .ask(Question::of("account", "租户名", "Tenant").help("开通时约定", "agreed at set-up"))
        .ask(Question::of("group", "默认技能组", "Default group").help(
            "未选择技能组的访客使用；没有可留空",
            "of visitors who chose none; empty for none",
        ))
        .ask(Question::of("channel", "默认渠道号", "Default channel number").help(
            "没有可留空",
            "empty for none",
        ))
        .after(
            "请平台把事件推送到 {callback}，用同一密钥签名",
            "Ask the vendor to send events to {callback}, signed with the same secret",
        )
}
