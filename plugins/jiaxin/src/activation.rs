//! What an operator is asked and told when an account is added.

use kefu_plugin_api::prelude::{Activation, Environment, Made, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("佳信", "Jiaxin")
        .before(
            "向佳信商务提供开发与生产环境的 App Key 和邮箱，由佳信开通账户。",
            "Give Jiaxin the app keys of development and production and an e-mail address; Jiaxin opens the account.",
        )
        .before(
            "佳信按标准对接协议 SDP/1 提供服务地址，或在其前部署连接器。",
            "Jiaxin provides an address that speaks the standard docking protocol SDP/1, or a connector is put in front of it.",
        )
        .ask(
            Question::of("app_key", "生产环境 App Key", "Production app key")
                .only_in(Environment::Production)
                .required()
                .help("提供给佳信的 App Key；仅作记录，不发送", "the app key given to Jiaxin; for the record, not sent"),
        )
        .ask(
            Question::of("dev_app_key", "开发环境 App Key", "Development app key")
                .only_in(Environment::Development)
                .required()
                .help("提供给佳信的 App Key；仅作记录，不发送", "the app key given to Jiaxin; for the record, not sent"),
        )
        .ask(Question::of("email", "邮箱", "E-mail").required().help(
            "开通账户时使用的邮箱；仅作记录，不发送",
            "with which the account was opened; for the record, not sent",
        ))
        .ask(Question::of("base_url", "服务地址", "Service address").help(
            "佳信 SDP/1 服务或连接器的地址，如 https://kefu.example.com/jiaxin",
            "of Jiaxin's SDP/1 service or of the connector, such as https://kefu.example.com/jiaxin",
        ))
        .ask(Question::of("secret", "双向签名密钥", "Shared secret").required().made(Made::WebhookSecret).help(
            "whsec_ 开头，与佳信约定",
            "whsec_…, agreed with Jiaxin",
        ))
        .ask(Question::of("org", "租户 orgName", "Tenant (orgName)"))
        .ask(Question::of("app", "应用 appName", "Application (appName)"))
        .ask(Question::of("group", "技能组 ID", "Skill group id").help(
            "未选择技能组的访客进入的技能组",
            "of visitors who chose none",
        ))
        .ask(Question::of("channel", "渠道号", "Channel number").help(
            "佳信控制台“渠道”中的编号，如 10001",
            "as Jiaxin's console shows it, such as 10001",
        ))
        .after(
            "请佳信把事件推送到 {callback}，用同一密钥签名",
            "Ask Jiaxin to send events to {callback}, signed with the same secret",
        )
        .after(
            "在佳信控制台设置机器人、技能组 {group} 与在线客服。",
            "Set up the robot, the skill group {group} and agents in Jiaxin's console.",
        )
}
