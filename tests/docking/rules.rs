//! The scenes about what a session allows: config, account, flavours.

use kefu_jiaxin::Jiaxin;
use kefu_plugin_api::prelude::*;
use kefu_sdp_core::{
    Flavour, SdpAdapter,
    config::Config,
    testing::{SECRET, Script},
};
use kefu_xiaoneng::Xiaoneng;
use serde_json::{Value, json};

use crate::{Book, desk::*};

/// A config with every key.
pub(crate) fn config(book: &mut Book) {
    let mut desk = in_human(&json!({}));
    let config = book.take("7", 0);
    let effects = tell(
        &mut desk,
        &json!({"event": "capabilities.changed", "data": {"config": config}}),
    );
    let allowed = capabilities(&effects);
    assert_eq!(
        allowed.level(SessionState::Robot, ContentKind::Emoji),
        Level::Full
    );
    assert_eq!(allowed.leave_message.fields.len(), 3);
    assert_eq!(
        allowed
            .evaluation
            .human
            .expect("as the document has it")
            .tags,
        ["回复快", "专业"]
    );
    let shown = effects.iter().find_map(|effect| match effect {
        Effect::Capabilities { config, .. } => config.clone(),
        _ => None,
    });
    let idle = shown.expect("as the document has it").idle;
    assert_eq!(
        idle.visitor.expect("as the document has it").text,
        "您还在吗？"
    );
    assert_eq!(
        idle.agent.expect("as the document has it").after_seconds,
        120
    );
}

/// A vendor that tells its rules for the account, not for the session.
pub(crate) fn account(book: &mut Book) {
    let mut desk = desk();
    desk.take(&json!({"event": {"type": "opened", "visitor": {}, "client": {}}}));
    let reply = json!({"code": 0, "data": {"session_id": "S-1001", "mode": "robot"}});
    let effects = answer(&mut desk, "session.open", &reply);
    assert_sent(&effects[2..3], &[book.take("8.11", 0)]);
    let effects = answer(&mut desk, "capabilities", &book.take("8.11", 1));
    assert_eq!(
        capabilities(&effects).level(SessionState::Human, ContentKind::Voice),
        Level::Full
    );
}

/// The flavours: what their own adapters send, and their defaults.
pub(crate) fn flavours(book: &mut Book) {
    let settings = json!({"base_url": "https://v.example.com", "secret": SECRET, "org": "acme", "app": "shop", "channel": "10001"});
    let visitor = json!({"name": "Li Lei", "fields": {"grade": "3", "page": "订单详情", "product_id": "A-1", "define": "{\"order\":1024}"}});
    flavour::<Jiaxin>(book, "13.1", settings, visitor);
    let settings = json!({"base_url": "https://v.example.com", "secret": SECRET, "site_id": "kf_9999", "session_id": "kf_9999_1500000000000"});
    let visitor = json!({"id": "u-1", "name": "Li Lei", "custom": {"orderid": "1024"},
        "fields": {"grade": "3", "page": "订单详情", "product_id": "A-1", "define": "{\"order\":1024}"}});
    flavour::<Xiaoneng>(book, "13.2", settings, visitor);
}

fn flavour<F: Flavour>(book: &mut Book, section: &str, settings: Value, visitor: Value) {
    let mut desk = Script::<F>::new(settings, "acme/shop");
    desk.harness.view.conversation = "v-7f3a".into();
    desk.take(&json!({"event": {"type": "opened", "visitor": visitor, "client": {}}}));
    assert_eq!(desk.newest_call()["data"], book.take(section, 0));
    let shown: Config =
        serde_json::from_value(book.take(section, 1)).expect("as the document has it");
    let mut allowed = shown.capabilities(F::unlisted);
    let declared = <SdpAdapter<F> as Adapter>::descriptor().capabilities;
    // The document shows what differs from vendor to vendor, not every key.
    allowed.visitor_fields.clone_from(&declared.visitor_fields);
    assert_eq!(declared, allowed);
    // A vendor of plain SDP/1 may send the very same.
    let mut plain = in_human(&json!({}));
    let config = serde_json::to_value(&shown).expect("as the document has it");
    let effects = tell(
        &mut plain,
        &json!({"event": "capabilities.changed", "data": {"config": config}}),
    );
    assert_eq!(capabilities(&effects).leave_message, allowed.leave_message);
}
