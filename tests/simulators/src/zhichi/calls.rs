//! The visitor calls: what each one answers, with every status number.
//!
//! Owns the reading of requests and the wording of results. Invariant: whatever
//! the fate of a request, the HTTP status is 200 and `ret_code` tells it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{code, failure, lists, not_here, success};
use crate::centre::{Phase, Reception, fresh_id};
use crate::platform::{Call, Platform, Reply};
use crate::robot::Transfer;
use crate::settings::Settings;

use hyper::StatusCode;

pub(super) fn answer(platform: &Arc<Platform>, operation: &str, call: &Call) -> Reply {
    let body = match &call.json {
        Value::Object(body) => body,
        // Calls about nobody are also made without a body.
        Value::Null if call.body.is_empty() => &Map::new(),
        _ => return failure(code::PARAMETER_MISSING, "请求体不是 JSON 对象"),
    };
    match operation {
        "query_group" => lists::groups(platform),
        "query_agent" => lists::agents(platform),
        "admin_is_work" => lists::is_work(platform),
        "get_once_data" => lists::live_data(platform),
        "get_robot_guide" => lists::guide(platform, body),
        "robot_chat" => with_visitor(body, |id| robot_chat(platform, id, body)),
        "robot_feedback" => robot_feedback(platform, body),
        "chat_connect" => with_visitor(body, |id| chat_connect(platform, id, body)),
        "chat_send" => with_visitor(body, |id| chat_send(platform, id, body)),
        "comment" => with_visitor(body, |id| comment(platform, id, body)),
        "out" => with_visitor(body, |id| out(platform, id)),
        "query_session_status" => with_visitor(body, |id| session_status(platform, id)),
        _ => not_here(StatusCode::NOT_FOUND, "no such interface"),
    }
}

fn with_visitor(body: &Map<String, Value>, then: impl FnOnce(&str) -> Reply) -> Reply {
    match text(body, "partnerid") {
        Some(id) => then(id),
        None => failure(code::PARAMETER_MISSING, "partnerid 不能为空"),
    }
}

/// A text that is there and not empty.
fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    body.get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// A number, as number or text: clients of this vendor send both.
pub(super) fn number(body: &Map<String, Value>, key: &str) -> Option<i64> {
    let value = body.get(key)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn keep_profile(profile: &mut Value, body: &Map<String, Value>) {
    const KEYS: [&str; 9] = [
        "user_nick",
        "user_name",
        "user_tels",
        "user_emails",
        "user_img",
        "user_face",
        "params",
        "source",
        "channel_flag",
    ];
    let Some(profile) = profile.as_object_mut() else {
        return;
    };
    for key in KEYS {
        if let Some(value) = body.get(key) {
            profile.insert(key.to_owned(), value.clone());
        }
    }
}

fn chat_connect(platform: &Arc<Platform>, id: &str, body: &Map<String, Value>) -> Reply {
    let (reception, session, visitor) = platform.change(|centre, settings, out| {
        let visitor = centre.visitor(id);
        if !visitor.is_open() {
            visitor.begin(Phase::Unattended);
        }
        keep_profile(&mut visitor.profile, body);
        let reception = centre.ask_human(
            settings,
            id,
            text(body, "groupid"),
            text(body, "agentid"),
            out,
        );
        if let Reception::Connected { agent, greeting } = &reception {
            let happening = crate::centre::Happening::Joined {
                agent: agent.clone(),
                greeting: greeting.clone(),
                direct: true,
            };
            out.push((id.to_owned(), happening));
        }
        let visitor = centre.visitor(id);
        // Without robot and without agent there is no session at this vendor.
        if visitor.phase == Phase::Unattended {
            visitor.phase = Phase::Ended;
        }
        (
            reception,
            visitor.session.clone(),
            visitor.vendor_id.clone(),
        )
    });
    let mut item = json!({"cid": session, "visitorid": visitor});
    let mut put = |key: &str, value: Value| {
        if let Some(item) = item.as_object_mut() {
            item.insert(key.to_owned(), value);
        }
    };
    match reception {
        Reception::Already(agent) => {
            put("status", json!(-1));
            put("agentid", json!(agent.id));
        }
        Reception::Queued(position) => {
            put("status", json!(0));
            put("count", json!(position));
            platform.accept_later(id);
        }
        Reception::Connected { agent, .. } => {
            put("status", json!(1));
            put("agentid", json!(agent.id));
            put("agent_name", json!(agent.name));
            put("agent_face", json!(agent.portrait));
        }
        Reception::NoAgent => put("status", json!(2)),
        Reception::Blocked => put("status", json!(3)),
    }
    success("item", item)
}

fn chat_send(platform: &Arc<Platform>, id: &str, body: &Map<String, Value>) -> Reply {
    let Some(said) = text(body, "content") else {
        return failure(code::PARAMETER_MISSING, "content 不能为空");
    };
    let kind = text(body, "msg_type").unwrap_or("text");
    let content = match kind {
        "text" => json!({"type": "text", "text": said}),
        "image" | "voice" | "video" => json!({"type": kind, "url": said}),
        _ => {
            return failure(
                code::PARAMETER_WRONG,
                "msg_type 应为 text、image、voice、video",
            );
        }
    };
    let heard = platform.change(|centre, settings, out| {
        let visitor = centre.visitor(id);
        if visitor.phase != Phase::Human {
            return false;
        }
        visitor.present = true;
        centre.hear(settings, id, &content, out);
        true
    });
    if heard {
        success("item", json!({"status": 1}))
    } else {
        success("item", json!({"status": 2})).refused()
    }
}

fn robot_chat(platform: &Arc<Platform>, id: &str, body: &Map<String, Value>) -> Reply {
    let Some(question) = text(body, "question") else {
        return failure(code::PARAMETER_MISSING, "question 不能为空");
    };
    let answered = platform.change(|centre, settings, _| {
        if !settings.robot.enabled || settings.blocked.iter().any(|it| it == id) {
            return None;
        }
        let visitor = centre.visitor(id);
        if visitor.phase == Phase::Human {
            return None;
        }
        let new = !visitor.is_open();
        if new {
            visitor.begin(Phase::Robot);
        }
        keep_profile(&mut visitor.profile, body);
        let (message, answer) = centre.ask_robot(settings, id, question);
        let visitor = centre.visitor(id);
        Some(json!({
            "answer": answer.text,
            // 1 direct, 3 unknown.
            "answer_type": if answer.entry.is_some() || answer.transfer == Transfer::Keyword { "1" } else { "3" },
            "suggestions": suggestions(settings, &answer.suggestions),
            "stripe": if answer.suggestions.is_empty() { "" } else { "您是否想问：" },
            "question": question,
            "docid": answer.entry.map_or_else(String::new, doc_id),
            "cid": visitor.session,
            "msgid": message,
            "visitorid": visitor.vendor_id,
            "robot_flag": number(body, "robot_flag").unwrap_or(1).to_string(),
            "session_new": if new { "true" } else { "false" },
            "transfer_type": match answer.transfer {
                Transfer::None => 0,
                Transfer::Repeated => 1,
                Transfer::Mood => 2,
                Transfer::Keyword => 3,
            },
            "multi_response_info": null,
        }))
    });
    match answered {
        Some(item) => success("item", item),
        None => failure("999999", "当前会话不能使用机器人"),
    }
}

fn suggestions(settings: &Settings, questions: &[String]) -> Value {
    let entry = |question: &String| {
        let known = settings
            .robot
            .answers
            .iter()
            .position(|answer| answer.keywords.iter().any(|word| question.contains(word)));
        json!({"question": question, "docid": known.map_or_else(fresh_id, doc_id), "answer": ""})
    };
    questions.iter().map(entry).collect()
}

pub(super) fn doc_id(entry: usize) -> String {
    format!("doc-{}", entry + 1)
}

fn robot_feedback(platform: &Arc<Platform>, body: &Map<String, Value>) -> Reply {
    let asked = [text(body, "cid"), text(body, "docid"), text(body, "msgid")];
    let who = text(body, "partnerid").or_else(|| text(body, "visitorid"));
    let (Some(who), Some(status), [Some(_), Some(_), Some(_)]) =
        (who, number(body, "status"), asked)
    else {
        return failure(
            code::PARAMETER_MISSING,
            "cid、docid、msgid、status、partnerid 或 visitorid 不能为空",
        );
    };
    if !matches!(status, 1 | -1) {
        return failure(code::PARAMETER_WRONG, "status 应为 1 或 -1");
    }
    let state = platform.look(|centre| {
        let known = centre
            .all()
            .find(|visitor| visitor.id == who || visitor.vendor_id == who);
        known.map_or(0, |visitor| state_number(visitor.phase))
    });
    success("item", json!({"ustatus": state}))
}

fn comment(platform: &Arc<Platform>, id: &str, body: &Map<String, Value>) -> Reply {
    let (Some(target @ (0 | 1)), score, solved) = (
        number(body, "type"),
        number(body, "score"),
        number(body, "solved"),
    ) else {
        return failure(code::PARAMETER_WRONG, "type 应为 0 或 1");
    };
    let wrong = score.is_some_and(|it| !(1..=5).contains(&it))
        || solved.is_some_and(|it| !(0..=1).contains(&it));
    if wrong || (score.is_none() && solved.is_none()) {
        return failure(
            code::PARAMETER_WRONG,
            "score 应为 1 到 5，solved 应为 0 或 1，至少给出一项",
        );
    }
    let (status, session) = platform.change(|centre, _, _| {
        let visitor = centre.visitor(id);
        let human = target == 1;
        let met = if human {
            visitor.met_human
        } else {
            visitor.met_robot
        };
        // After `out` the vendor has closed the book; after the agent's end it has not.
        let closed = visitor.end_reason == Some("visitor");
        let rated = if human {
            &mut visitor.rated_human
        } else {
            &mut visitor.rated_robot
        };
        if !met || closed {
            return (3, visitor.session.clone());
        }
        if *rated {
            return (2, visitor.session.clone());
        }
        *rated = true;
        visitor.invited = false;
        let mut rating = body.clone();
        rating.remove("partnerid");
        rating.insert("session".to_owned(), json!(visitor.session));
        visitor.ratings.push(Value::Object(rating));
        (1, visitor.session.clone())
    });
    success("item", json!({"status": status, "cid": session}))
}

fn out(platform: &Arc<Platform>, id: &str) -> Reply {
    platform.change(|centre, _, out| centre.close(id, "visitor", out));
    success("item", json!({"status": 1}))
}

fn session_status(platform: &Arc<Platform>, id: &str) -> Reply {
    let item = platform.look(|centre| match centre.known(id) {
        Some(visitor) => json!({"status": state_number(visitor.phase), "cid": visitor.session}),
        None => json!({"status": 0, "cid": ""}),
    });
    success("item", item)
}

/// −2 queued, −1 robot, 0 offline, 1 online.
fn state_number(phase: Phase) -> i64 {
    match phase {
        Phase::Queued => -2,
        Phase::Robot => -1,
        Phase::Human => 1,
        Phase::New | Phase::Unattended | Phase::Ended => 0,
    }
}
