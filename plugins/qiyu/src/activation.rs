//! What an operator is asked and told when a company is added.

use kefu_plugin_api::prelude::{Activation, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("网易七鱼", "NetEase Qiyu")
        .before(
            "以管理员身份登录七鱼后台，在“设置 → 消息接口”中开启接口。",
            "Sign in to the Qiyu console as administrator and enable the interface under 设置 → 消息接口.",
        )
        .ask(Question::of("app_key", "appKey", "App key").help("设置 → 消息接口", "under 设置 → 消息接口"))
        .ask(Question::of("app_secret", "appSecret", "App secret").help("与 appKey 在同一处", "beside the app key"))
        .ask(Question::of("reception", "接待模式", "Reception"))
        .ask(Question::of("group", "默认客服分组编号", "Default group number").help(
            "未选择分组的访客进入的分组；没有可留空",
            "of visitors who chose none; empty for none",
        ))
        .after(
            "在“设置 → 消息接口”中把事件接收地址设为 {callback}",
            "Under 设置 → 消息接口, enter {callback} as the address for events",
        )
        .after(
            "在七鱼后台设置机器人、客服分组与在线客服。",
            "Set up robot, groups and agents in the Qiyu console.",
        )
}
