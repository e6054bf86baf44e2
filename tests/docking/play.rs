//! The scenes: which example is played when, and what it must lead to.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::{Book, desk::*};

/// A visitor arrives, talks to the robot, asks for a human, gives up waiting.
pub(crate) fn opening(book: &mut Book) {
    let mut desk = desk();
    let visitor = json!({
        "name": "Li Lei", "portrait": "https://app.example.com/p/7.png",
        "fields": {"page": "订单详情", "product_id": "A-1", "define": "{\"order\":1024}"},
    });
    let client = json!({"platform": "ios", "app_version": "2.8.16"});
    let opened = json!({"type": "opened", "visitor": visitor, "client": client});
    sends(&mut desk, opened, &[book.take("8.1", 0)]);
    let effects = answer(&mut desk, "session.open", &book.take("8.1", 1));
    assert_eq!(moved_to(&effects), [SessionState::Robot]);
    assert_eq!(said(&effects), ["您好，我是小助手，请问有什么可以帮您？"]);
    assert_sent(&effects, &[book.take("8.10", 0)]);
    let effects = answer(&mut desk, "groups.list", &book.take("8.10", 1));
    let groups = capabilities(&effects).groups;
    assert_eq!(
        groups.iter().map(|group| group.online).collect::<Vec<_>>(),
        [true, false]
    );

    sends(
        &mut desk,
        says("m-0002", &json!({"type": "text", "text": "怎么退货"})),
        &[book.take("8.2", 0)],
    );
    let effects = answer(&mut desk, "message.send", &book.take("8.2", 1));
    assert_eq!(effects[0], Effect::delivered("m-0002".into()));
    assert_eq!(said(&effects), ["七天内可无理由退货。"]);
    sends(
        &mut desk,
        says("m-0001", &json!({"type": "text", "text": "你好"})),
        &[book.take("3.1", 0)],
    );
    let effects = answer(&mut desk, "message.send", &book.take("3.2", 0));
    assert_eq!(effects, [Effect::delivered("m-0001".into())]);
    let changed = json!({"fields": {"mobile_no": "13800000000", "city": "北京", "page": "退货"}});
    sends(
        &mut desk,
        json!({"type": "profile_changed", "visitor": changed}),
        &[book.take("8.5", 0)],
    );
    assert_eq!(
        answer(&mut desk, "visitor.update", &book.take("8.5", 1)),
        []
    );

    sends(
        &mut desk,
        json!({"type": "human_requested"}),
        &[book.take("8.3", 0)],
    );
    let effects = answer(&mut desk, "session.to_human", &book.take("8.3", 1));
    assert_eq!(moved_to(&effects), [SessionState::Queued]);
    assert_eq!(places(&effects), [3]);
    assert_eq!(said(&effects), ["正在为您转接人工客服"]);
    let effects = desk.take(&json!({"timer": "queue"}));
    assert_sent(&effects, &[book.take("8.4", 0)]);
    assert_eq!(
        places(&answer(&mut desk, "queue.query", &book.take("8.4", 1))),
        [2]
    );
    let effects = desk.take(&json!({"event": {"type": "exited"}}));
    assert_sent(&effects[..1], &[book.take("8.4", 2)]);
    let effects = answer(&mut desk, "queue.cancel", &book.take("8.4", 3));
    assert_eq!(moved_to(&effects), [SessionState::Robot]);
}

/// Every kind of content, both ways.
pub(crate) fn content(book: &mut Book) {
    let kinds = book.take_all("5", 0);
    assert_eq!(kinds.len(), ContentKind::ALL.len());
    let mut desk = in_human(&json!({}));
    for (at, content) in kinds.iter().enumerate() {
        let id = format!("m-{at}");
        let effects = desk.take(&json!({"event": says(&id, content)}));
        assert_eq!(
            desk.newest_call()["data"]["content"],
            *content,
            "{effects:?}"
        );
        let data =
            json!({"msg_id": format!("V-{at}"), "from": {"kind": "agent"}, "content": content});
        let effects = tell(&mut desk, &json!({"event": "message", "data": data}));
        let [Effect::Deliver { message }] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(
            serde_json::to_value(&message.content).expect("as the document has it"),
            *content
        );
    }
}

/// The objects that operations and events share.
pub(crate) fn shared_objects(book: &mut Book) {
    let shared = book.take("6", 0);
    let mut desk = in_human(&json!({}));
    let queued = json!({"mode": "queued", "queue": shared["queue"]});
    let effects = tell(&mut desk, &json!({"event": "session.mode", "data": queued}));
    assert_eq!(places(&effects), [3]);
    let human = json!({"mode": "human", "agent": shared["agent"]});
    let effects = tell(&mut desk, &json!({"event": "session.mode", "data": human}));
    let agent: Agent =
        serde_json::from_value(shared["agent"].clone()).expect("as the document has it");
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Agent { agent: told, .. } if *told == agent))
    );
    let from =
        json!({"msg_id": "V-1", "from": shared["from"], "content": {"type": "text", "text": "好"}});
    let effects = tell(&mut desk, &json!({"event": "message", "data": from}));
    assert!(
        matches!(&effects[..], [Effect::Deliver { message }] if message.from == Sender::agent(agent.clone()))
    );
    let groups = json!({"config": {"groups": [shared["group"]]}});
    let effects = tell(
        &mut desk,
        &json!({"event": "capabilities.changed", "data": groups}),
    );
    assert_eq!(capabilities(&effects).groups[0].name, "售后");
}

/// The visitor waits, in vain or not.
pub(crate) fn waiting(book: &mut Book) {
    let mut desk = in_human(&json!({}));
    let queued = json!({"event": "session.mode", "data": {"mode": "queued"}});
    tell(&mut desk, &queued);
    assert_eq!(places(&tell(&mut desk, &book.take("9.4", 0))), [1]);
    let effects = tell(&mut desk, &book.take("9.5", 0));
    assert_eq!(moved_to(&effects), [SessionState::Unattended]);
    assert_eq!(offered(&effects), ["https://v.example.com/leave/service"]);
    tell(&mut desk, &queued);
    let effects = tell(&mut desk, &book.take("9.6", 0));
    assert_eq!(moved_to(&effects), [SessionState::Unattended]);
    assert_eq!(said(&effects), ["当前没有客服在线，请留言"]);
    assert_eq!(offered(&effects), ["https://v.example.com/leave/service"]);
    let fields = json!({"name": "Li Lei", "phone": "13800000000", "content": "请尽快联系我"});
    sends(
        &mut desk,
        json!({"type": "leave_message", "fields": fields}),
        &[book.take("8.6", 0)],
    );
    assert_eq!(answer(&mut desk, "leave.submit", &book.take("8.6", 1)), []);
    let effects = tell(&mut desk, &book.take("9.3", 0));
    assert_eq!(moved_to(&effects), [SessionState::Human]);
    assert_eq!(said(&effects), ["您好，我是小王，很高兴为您服务。"]);
}

/// An agent has the session, until the end.
pub(crate) fn human(book: &mut Book) {
    let mut desk = in_human(&json!({"optional": ["typing", "read"]}));
    let message = book.take("9.1", 0);
    let receipt = desk.receive(&message).expect("as the document has it");
    assert_eq!(
        serde_json::from_slice::<Value>(&receipt.body).expect("as the document has it"),
        book.take("3.3", 0)
    );
    assert_eq!(
        said(&tell(&mut desk, &message)),
        ["您好，请问订单号是多少？"]
    );
    let effects = tell(&mut desk, &book.take("9.2", 0));
    assert_eq!(
        effects,
        [Effect::Recall {
            vendor_id: "V-900".into()
        }]
    );
    assert_eq!(tell(&mut desk, &book.take("9.11", 0)), [Effect::Typing {}]);
    let effects = tell(&mut desk, &book.take("9.11", 1));
    assert!(
        matches!(
            &effects[..],
            [Effect::Status {
                status: MessageStatus::Read,
                ..
            }]
        ),
        "{effects:?}"
    );
    sends(
        &mut desk,
        json!({"type": "typing"}),
        &[book.take("8.13", 0)],
    );
    sends(
        &mut desk,
        json!({"type": "read", "message": "x"}),
        &[book.take("8.13", 1)],
    );
    let effects = tell(&mut desk, &book.take("9.10", 0));
    assert_eq!(
        capabilities(&effects).level(SessionState::Human, ContentKind::Location),
        Level::Full
    );

    desk.take(&json!({"event": says("m-1", &json!({"type": "text", "text": "在吗"}))}));
    let effects = desk.take(&json!({"unanswered": "message.send"}));
    desk.harness.notes.clear();
    assert_eq!(
        effects,
        [Effect::SetTimer {
            timer: "doubt".into(),
            after_ms: 60_000
        }]
    );
    let effects = desk.take(&json!({"timer": "doubt"}));
    assert_sent(&effects, &[book.take("8.12", 0)]);
    let effects = answer(&mut desk, "health", &book.take("8.12", 1));
    assert_sent(&effects, &[book.take("8.9", 0)]);
    assert_eq!(answer(&mut desk, "session.state", &book.take("8.9", 1)), []);

    let effects = tell(&mut desk, &book.take("9.8", 0));
    assert!(
        matches!(&effects[..], [Effect::Invite { form: Some(form), .. }] if form.labels.len() == 5)
    );
    let rating = json!({"target": "human", "stars": 5, "tags": ["专业"], "comment": "谢谢", "invited": true});
    sends(
        &mut desk,
        json!({"type": "evaluated", "evaluation": rating}),
        &[book.take("8.7", 0)],
    );
    assert_eq!(
        answer(&mut desk, "evaluate.submit", &book.take("8.7", 1)),
        []
    );
    sends(&mut desk, json!({"type": "exited"}), &[book.take("8.8", 0)]);
    assert_eq!(answer(&mut desk, "session.leave", &book.take("8.8", 1)), []);
    let effects = tell(&mut desk, &book.take("9.7", 0));
    assert_eq!(desk.harness.view.vendor_session.as_deref(), Some("S-1002"));
    assert_eq!(said(&effects), ["您好，我是小张"]);
    let effects = tell(&mut desk, &book.take("9.9", 0));
    assert!(matches!(
        &effects[..],
        [
            Effect::Invite { .. },
            Effect::Close {
                reason: EndReason::Agent
            }
        ]
    ));
}
