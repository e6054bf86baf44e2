//! What an operator is asked and told when a public account is added.

use kefu_plugin_api::prelude::{Activation, Question};

pub(crate) fn activation() -> Activation {
    Activation::of("爱客服", "Aikefu")
        .before(
            "第一步：创建应用公众号，取得公众号 ID、App Key 与 App Secret。",
            "First: create the app public account; note its id, app key and app secret.",
        )
        .before(
            "第二步：把该公众号授权给爱客服，由爱客服作为运营方接收访客消息。",
            "Second: authorise Aikefu to operate that account and to receive visitors' messages.",
        )
        .ask(Question::of("account_id", "公众号 ID", "Public account id").help("第一步创建的应用公众号", "of the app public account just created"))
        .ask(Question::of("app_key", "App Key", "App key"))
        .ask(Question::of("app_secret", "App Secret", "App secret").help("用于双向签名", "signs both directions"))
        .ask(Question::of("receive_url", "接收地址", "Receiving address").help(
            "爱客服接收访客消息的地址，授权后由爱客服提供",
            "where Aikefu takes visitors' messages; Aikefu tells it after the authorisation",
        ))
        .ask(Question::of("media_url", "媒体下载地址", "Media address").help(
            "客服媒体文件的下载地址，含 {media_id}；没有可留空",
            "where agents' media are fetched, with {media_id} in it; empty for none",
        ))
        .callback("{callback_url}/message/send.json")
        .after(
            "第三步：在爱客服后台绑定公众号 {account_id}，把发送地址设为 {callback}",
            "Third: bind the public account {account_id} in the Aikefu console, with {callback} as the address to send to",
        )
        .after(
            "在爱客服后台分配坐席。",
            "Assign agents in the Aikefu console.",
        )
}
