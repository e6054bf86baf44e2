//! What an operator is asked and told when an account is added.

use kefu_plugin_api::prelude::{Activation, Made, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("智齿", "Zhichi (Sobot)")
        .before(
            "以企业管理员身份登录智齿控制台，开通“在线客服 API”，取得 appid 与 app_key。",
            "Sign in to the Zhichi console as the company's administrator, have the online-service API enabled, and note appid and app_key.",
        )
        .ask(Question::of("admin_email", "管理员邮箱", "Administrator e-mail").required().help(
            "开通智齿企业账户时使用的邮箱；仅作记录，不发送",
            "with which the company's account was opened; for the record, not sent",
        ))
        .ask(Question::of("app_id", "appid", "App id").help("智齿控制台的 API 设置", "in the API settings of the Zhichi console"))
        .ask(Question::of("app_key", "app_key", "App key").help("与 appid 在同一处", "beside the app id"))
        .ask(Question::of("push_secret", "回调密钥", "Push secret").made(Made::Token).help(
            "回调地址的最后一段，自行约定；至少 16 个字母、数字、-、_",
            "last part of the callback address, of your own choice: 16 or more letters, digits, - or _",
        ))
        .ask(Question::of("base_url", "站点地址", "Site").help(
            "阿里云企业用 https://www.sobot.com，腾讯云企业用 https://www.soboten.com",
            "https://www.sobot.com for companies on Alibaba Cloud, https://www.soboten.com on Tencent Cloud",
        ))
        .ask(Question::of("reception", "接待模式", "Reception").help(
            "与智齿控制台的设置一致",
            "as it is set in the Zhichi console",
        ))
        .ask(Question::of("group", "默认技能组", "Default skill group").help(
            "未选择技能组的访客进入的技能组编号；没有可留空",
            "id of the group of visitors who chose none; empty for none",
        ))
        .callback("{callback_url}/{push_secret}")
        .after(
            "在智齿控制台把“客服消息推送”地址设为 {callback}",
            "In the Zhichi console, set the address that agents' messages are pushed to: {callback}",
        )
        .after(
            "确认没有其他系统用同一 appid 取令牌：每取一次，之前的令牌即失效。",
            "Make sure that nothing else fetches tokens with this app id: each new one ends the one before.",
        )
        .after(
            "在控制台设置机器人、欢迎语、技能组与在线客服，并安排人员值班。",
            "Set up robot, welcome texts, skill groups and agents in the console, and have somebody on duty.",
        )
}
