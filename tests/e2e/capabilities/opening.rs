//! Who answers, and how a visitor comes to an agent.

use anyhow::{Result, ensure};
use http::Method;
use kefu_core::session::conversation_id;
use kefu_plugin_api::descriptor::KeyedBy;
use kefu_test_support::chat::Chat;
use kefu_test_support::config::APP;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

use super::{HUMAN_FIRST, desk_of};

/// The state in which a session begins.
pub(super) async fn who_answers(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    let session = chat.session().await?;
    ensure!(session["provider"] == vendor.name(), "it went to {session}");
    Ok(text(&session["state"]))
}

pub(super) async fn human_first(stage: &Stage, vendor: Vendor) -> Result<String> {
    let desk = match vendor {
        Vendor::Zhichi | Vendor::Qiyu => desk_of(vendor, HUMAN_FIRST),
        _ => vendor.name().to_owned(),
    };
    let chat = Chat::open(&stage.simulators, stage.visitor(), vendor, &desk).await?;
    Ok(text(&chat.session().await?["state"]))
}

pub(super) async fn robot_welcome(stage: &Stage, vendor: Vendor) -> Result<String> {
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    let chat = stage.open(vendor).await?;
    let settings = stage.simulators.settings(vendor).await?;
    let first = chat
        .wait_for("a welcome", |event| event.from_kind().is_some())
        .await?;
    ensure!(first.from_kind() == Some("robot"), "{first:?}");
    Ok(called_welcome(
        &first.data,
        &settings["settings"]["robot"]["welcome"],
    ))
}

pub(super) async fn human_welcome(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let settings = stage.simulators.settings(vendor).await?;
    let is_agent = |event: &kefu_test_support::visitor::Event| event.from_kind() == Some("agent");
    let said = chat.wait_for("an agent's word", is_agent).await?;
    Ok(called_welcome(
        &said.data,
        &settings["settings"]["human"]["greeting"],
    ))
}

fn called_welcome(message: &Value, welcome: &Value) -> String {
    if message["content"]["text"] == *welcome {
        "welcome".into()
    } else {
        message["content"].to_string()
    }
}

pub(super) async fn hand_over(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    let asked = chat.visitor.ask_for_human(chat.id(), None).await?;
    if asked.status == 409 {
        asked.expect_problem(409, "already-human")?;
        return Ok("human already".into());
    }
    asked.expect(202)?;
    let queued = chat.wait_for_state("queued").await?;
    let place = queued["queue"]["position"].as_u64();
    ensure!(place.is_some_and(|place| place >= 1), "no place: {queued}");
    chat.agent(&json!({ "action": "accept", "agent": "1002" }))
        .await?;
    let served = chat.wait_for_state("human").await?;
    ensure!(served["agent"]["name"] == "客服二号", "who is it? {served}");
    ensure!(served["queue"].is_null(), "still queued: {served}");
    let again = chat.visitor.ask_for_human(chat.id(), None).await?;
    again.expect_problem(409, "already-human")?;
    Ok("queued, human".into())
}

/// The state after the robot's own word for an agent.
pub(super) async fn keyword(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    let said = chat.say("人工").await?;
    ensure!(chat.fate(&said.id).await?["status"] == "delivered");
    if matches!(vendor, Vendor::Aikefu | Vendor::Qiyu) {
        // An answer follows, and nothing after it.
        let others = |event: &kefu_test_support::visitor::Event| {
            event.seq > said.seq && matches!(event.from_kind(), Some("robot" | "agent"))
        };
        chat.wait_for("an answer", others).await?;
    } else {
        chat.wait_for_state("queued").await?;
    }
    Ok(text(&chat.session().await?["state"]))
}

/// The state after everything that might bring the robot back.
pub(super) async fn no_way_back(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let session = chat.session().await?;
    ensure!(
        session["capabilities"]["back_to_robot"] == false,
        "{session}"
    );
    if vendor.speaks_sdp() {
        push_robot(stage, &chat).await?;
    }
    let asked = chat.say("如何退货？").await?;
    ensure!(chat.fate(&asked.id).await?["status"] == "delivered");
    let heard = chat.lines_of_visitor().await?;
    ensure!(
        heard.iter().any(|line| line["text"] == "如何退货？"),
        "{heard:?}"
    );
    chat.agent_says("我来回答").await?;
    chat.wait_for_text("我来回答").await?;
    let log = chat.log().await?;
    let robot = log
        .iter()
        .filter(|event| event.from_kind() == Some("robot") && event.seq > asked.seq);
    ensure!(robot.count() == 0, "the robot answered: {log:?}");
    Ok(text(&chat.session().await?["state"]))
}

/// A vendor that hands its visitor back to the robot, against the rules.
async fn push_robot(stage: &Stage, chat: &Chat<'_>) -> Result<()> {
    let id = chat.name_at_vendor().await?;
    let seen = chat.at_vendor().await?;
    let event = uuid();
    let account = match chat.vendor {
        Vendor::Jiaxin => "demo/demo",
        _ => "demo",
    };
    let body = json!({
        "id": event, "ts": "2026-01-01T00:00:00.000Z", "account": account, "visitor_id": id,
        "session_id": seen["session"], "event": "session.mode", "data": { "mode": "robot" },
    });
    let push = json!({ "visitor": id, "event": "session.mode", "body": body, "id": event });
    let request = stage
        .simulators
        .request(chat.vendor, Method::POST, "/control/push");
    request.json(&push).send().await?.expect(202)?;
    let path = format!("/control/pushes?visitor={id}&event=session.mode&state=delivered");
    let arrived = |answer: &Value| {
        let pushes = answer["entries"].as_array()?;
        pushes
            .iter()
            .any(|push| push["id"] == event.as_str())
            .then_some(())
    };
    let what = "the push to be answered";
    stage
        .simulators
        .wait_for(chat.vendor, &path, what, arrived)
        .await
}

/// The groups of a session, each with whether somebody is there.
pub(super) async fn groups(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    if vendor == Vendor::Zhichi {
        // It is asked for them, beside everything else.
        wait::until("the groups", async || {
            let session = chat.session().await?;
            let groups = session["capabilities"]["groups"].as_array();
            Ok(groups
                .is_some_and(|groups| !groups.is_empty())
                .then_some(()))
        })
        .await?;
    }
    let session = chat.session().await?;
    let groups = session["capabilities"]["groups"].as_array().cloned();
    let named = groups.unwrap_or_default().into_iter().map(|group| {
        let there = if group["online"] == true {
            "online"
        } else {
            "offline"
        };
        format!("{} {there}", text(&group["id"]))
    });
    Ok(or_dash(named.collect::<Vec<_>>().join(", ")))
}

pub(super) async fn chosen_group(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    let asked = chat.visitor.ask_for_human(chat.id(), Some("7")).await?;
    if asked.status == 409 {
        return Ok("-".into());
    }
    asked.expect(202)?;
    chat.wait_for_state("queued").await?;
    let seen = chat.at_vendor().await?;
    Ok(if seen["group"] == "7" {
        "told".into()
    } else {
        text(&seen["group"])
    })
}

pub(super) async fn place(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    let queued = chat.wait_for_state("queued").await?;
    let place = queued["queue"]["position"].as_u64();
    ensure!(place.is_some_and(|place| place >= 1), "no place: {queued}");
    // 七鱼 is asked now and then and tells no change of its own.
    if vendor == Vendor::Qiyu {
        return Ok("told".into());
    }
    chat.agent(&json!({ "action": "queue", "position": 77 }))
        .await?;
    let moved = |event: &kefu_test_support::visitor::Event| {
        event.kind == "queue" && event.data["position"] == 77
    };
    chat.wait_for("the new place", moved).await?;
    ensure!(chat.session().await?["queue"]["position"] == 77);
    Ok("told, and each change".into())
}

pub(super) async fn nobody_there(stage: &Stage, vendor: Vendor) -> Result<String> {
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    let chat = unattended(stage, vendor).await?;
    let session = chat.session().await?;
    let state = text(&session["state"]);
    if state == "robot" {
        return Ok("robot, with a notice".into());
    }
    let taken = session["capabilities"]["messages_while"]
        .as_array()
        .cloned();
    let taken = taken.unwrap_or_default().contains(&json!("unattended"));
    if taken {
        return Ok(format!("{state}, writing is taken"));
    }
    let offered = chat.wait_for_type("leave_message.offered").await?;
    Ok(format!("{state}, {} offered", text(&offered.data["kind"])))
}

/// A visitor who asked for a human while nobody was there, and was told.
pub(super) async fn unattended(stage: &Stage, vendor: Vendor) -> Result<Chat<'_>> {
    let chat = stage.open(vendor).await?;
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    let told = |event: &kefu_test_support::visitor::Event| event.from_kind() == Some("system");
    chat.wait_for("a notice that nobody is there", told).await?;
    Ok(chat)
}

pub(super) async fn blocked(stage: &Stage, vendor: Vendor) -> Result<String> {
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    let visitor = stage.visitor();
    let name = vendor.name();
    let id = conversation_id(
        &APP.into(),
        &name.into(),
        visitor.id(),
        &name.into(),
        KeyedBy::Conversation,
    );
    stage
        .simulators
        .set(vendor, &json!({ "blocked": [id.as_str()] }))
        .await?;
    let session = visitor
        .open_with(&json!({ "desk": name, "visitor": { "name": visitor.id() } }))
        .await?;
    let chat = Chat::of(&stage.simulators, visitor, vendor, &session)?;
    // A vendor may tell at once, or when an agent is asked for.
    wait::until("the session to leave `opening`", async || {
        let state = text(&chat.session().await?["state"]);
        Ok((state != "opening").then_some(()))
    })
    .await?;
    if chat.session().await?["state"] == "robot" {
        chat.visitor
            .ask_for_human(chat.id(), None)
            .await?
            .expect(202)?;
    }
    wait::until("an outcome", async || {
        let session = chat.session().await?;
        Ok(match session["state"].as_str() {
            Some("ended") => Some(text(&session["end_reason"])),
            Some("unattended") => Some("unattended".into()),
            _ => None,
        })
    })
    .await
}

pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn or_dash(words: String) -> String {
    if words.is_empty() { "-".into() } else { words }
}

fn uuid() -> String {
    kefu_test_support::config::fresh_secret()
}
