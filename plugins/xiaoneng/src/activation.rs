//! What an operator is asked and told when an account is added.

use kefu_plugin_api::prelude::{Activation, Environment, Made, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("小能", "Xiaoneng")
        .before(
            "向小能商务提供开发与生产环境的 App Key 和邮箱，由小能开通账户并在后台生成 sessionId。",
            "Give Xiaoneng the app keys of development and production and an e-mail address; Xiaoneng opens the account, and its console makes the sessionId.",
        )
        .before(
            "小能按标准对接协议 SDP/1 提供服务地址，或在其前部署连接器。",
            "Xiaoneng provides an address that speaks the standard docking protocol SDP/1, or a connector is put in front of it.",
        )
        .ask(
            Question::of("app_key", "生产环境 App Key", "Production app key")
                .only_in(Environment::Production)
                .required()
                .help("提供给小能的 App Key；仅作记录，不发送", "the app key given to Xiaoneng; for the record, not sent"),
        )
        .ask(
            Question::of("dev_app_key", "开发环境 App Key", "Development app key")
                .only_in(Environment::Development)
                .required()
                .help("提供给小能的 App Key；仅作记录，不发送", "the app key given to Xiaoneng; for the record, not sent"),
        )
        .ask(Question::of("email", "邮箱", "E-mail").required().help(
            "开通账户时使用的邮箱；仅作记录，不发送",
            "with which the account was opened; for the record, not sent",
        ))
        .ask(Question::of("base_url", "服务地址", "Service address").help(
            "小能 SDP/1 服务或连接器的地址，如 https://kefu.example.com/xiaoneng",
            "of Xiaoneng's SDP/1 service or of the connector, such as https://kefu.example.com/xiaoneng",
        ))
        .ask(
            Question::of("secret", "双向签名密钥", "Shared secret")
                .only_in(Environment::Production)
                .required()
                .made(Made::WebhookSecret)
                .help("whsec_ 开头，与小能约定", "whsec_…, agreed with Xiaoneng"),
        )
        .ask(
            Question::of("dev_secret", "开发环境双向签名密钥", "Shared secret of development")
                .only_in(Environment::Development)
                .required()
                .made(Made::WebhookSecret)
                .help("whsec_ 开头，与小能约定，不得与生产环境相同", "whsec_…, agreed with Xiaoneng, never that of production"),
        )
        .ask(Question::of("site_id", "租户号 siteid", "Tenant (siteid)").help("如 kf_9999", "such as kf_9999"))
        .ask(Question::of("session_id", "sessionId", "sessionId").help(
            "小能后台生成的接待组编号",
            "the reception group, as Xiaoneng's console makes it",
        ))
        .by_environment("environment", "production", "development")
        .after(
            "请小能把事件推送到 {callback}，用同一密钥签名",
            "Ask Xiaoneng to send events to {callback}, signed with the same secret",
        )
        .after(
            "在小能后台设置机器人、接待组 {session_id} 与在线客服。",
            "Set up the robot, the reception group {session_id} and agents in Xiaoneng's console.",
        )
}
