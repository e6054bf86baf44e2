//! The calls: what each one answers, with every result code.
//!
//! Owns the reading of requests and the wording of results. Invariant: whatever
//! the fate of a request, the HTTP status is 200 and `code` tells it.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{code, events, failure, sessions::Sessions, success};
use crate::centre::{Author, Centre, Happening, Happenings, Phase, Reception};
use crate::platform::{Call, Platform, Reply};
use crate::settings::Settings;

/// What the vendor takes as one text.
const LONGEST_TEXT: usize = 4_000;

pub(super) fn answer(
    platform: &Arc<Platform>,
    sessions: &Sessions,
    operation: &str,
    call: &Call,
) -> Reply {
    let Value::Object(body) = &call.json else {
        return failure(code::BODY, "内容格式不是 json");
    };
    let Some(id) = text(body, "uid") else {
        return failure(code::BODY, "缺少 uid");
    };
    match operation {
        "message/send" => send(platform, sessions, id, body),
        "event/applyStaff" => apply_staff(platform, sessions, id, body),
        "event/queryQueueStatus" => queue_status(platform, id),
        "event/updateUInfo" => update_info(platform, id, body),
        "event/evaluate" => evaluate(platform, sessions, id, body),
        _ => {
            let body = json!({"error": "no such interface"});
            Reply::json(StatusCode::NOT_FOUND, &body).refused()
        }
    }
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let text = body.get(key).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

fn number(body: &Map<String, Value>, key: &str) -> Option<u64> {
    body.get(key).and_then(Value::as_u64)
}

/// What a message holds, in the call centre's words.
fn content(body: &Map<String, Value>) -> Option<Value> {
    let said = body.get("content")?;
    let file = || {
        let url = said.get("url").and_then(Value::as_str)?;
        let size = said.get("size").and_then(Value::as_u64)?;
        let md5 = said.get("md5").and_then(Value::as_str)?;
        (size > 0 && md5.len() == 32).then_some(url)
    };
    match text(body, "msgType")? {
        "TEXT" => {
            let text = said.as_str().filter(|text| !text.is_empty())?;
            let fits = text.chars().count() <= LONGEST_TEXT;
            fits.then(|| json!({"type": "text", "text": text}))
        }
        "PICTURE" => Some(json!({"type": "image", "url": file()?})),
        "AUDIO" => {
            let dur = said.get("dur").and_then(Value::as_u64)?;
            Some(json!({"type": "voice", "url": file()?, "duration_ms": dur}))
        }
        _ => None,
    }
}

fn send(
    platform: &Arc<Platform>,
    sessions: &Sessions,
    id: &str,
    body: &Map<String, Value>,
) -> Reply {
    let Some(content) = content(body) else {
        return failure(code::BODY, "缺少必备的字段，或者参数不正确");
    };
    let heard = platform.change(|centre, settings, out| {
        // Whoever has been given to nobody goes to the robot, or to an agent.
        if !centre.visitor(id).is_open() {
            if settings.robot.enabled {
                open_robot(centre, sessions, id);
            } else {
                let (code, _) = ask_human(centre, settings, id, None, None, out);
                match code {
                    code::OK => join(centre, id, false, None, out),
                    code::QUEUE => return Err(code),
                    _ => {}
                }
            }
        }
        match centre.visitor(id).phase {
            Phase::Robot => ask_robot(centre, settings, id, &content, out),
            Phase::Human => {
                centre.visitor(id).present = true;
                centre.hear(settings, id, &content, out);
            }
            Phase::Unattended if settings.leave_message.enabled => {
                centre.hear(settings, id, &content, out);
                centre.visitor(id).tickets.push(content.clone());
            }
            Phase::Queued => return Err(code::QUEUE),
            _ => return Err(code::NOBODY_AND_NO_LEAVING),
        }
        Ok(())
    });
    match heard {
        Ok(()) => success(json!({})),
        Err(code) => failure(code, "没有客服可以接收消息"),
    }
}

fn ask_robot(
    centre: &mut Centre,
    settings: &Settings,
    id: &str,
    content: &Value,
    out: &mut Happenings,
) {
    let question = content.get("text").and_then(Value::as_str);
    let (message, answer) = centre.ask_robot(settings, id, question.unwrap_or("[文件]"));
    let happening = Happening::Message {
        id: message,
        from: Author::Robot,
        agent: None,
        content: json!({"type": "text", "text": answer.text}),
    };
    out.push((id.to_owned(), happening));
}

fn open_robot(centre: &mut Centre, sessions: &Sessions, id: &str) {
    let visitor = centre.visitor(id);
    visitor.begin(Phase::Robot);
    sessions.begin(id);
}

/// Tells the gateway that the agent of this visitor has begun.
fn join(
    centre: &mut Centre,
    id: &str,
    direct: bool,
    greeting: Option<(String, String)>,
    out: &mut Happenings,
) {
    if let Some(agent) = centre.visitor(id).agent.clone() {
        let happening = Happening::Joined {
            agent,
            greeting,
            direct,
        };
        out.push((id.to_owned(), happening));
    }
}

/// The code of the answer, with the place in the queue or the greeting.
fn ask_human(
    centre: &mut Centre,
    settings: &Settings,
    id: &str,
    group: Option<&str>,
    staff: Option<&str>,
    out: &mut Happenings,
) -> (u16, Wait) {
    let visitor = centre.visitor(id);
    if !visitor.is_open() {
        visitor.begin(Phase::Unattended);
    }
    match centre.ask_human(settings, id, group, staff, out) {
        Reception::Already(_) => (code::OK, Wait::None),
        Reception::Connected { greeting, .. } => (code::OK, Wait::Greeted(greeting)),
        Reception::Queued(position) => (code::QUEUE, Wait::Behind(position - 1)),
        Reception::NoAgent | Reception::Blocked if settings.leave_message.enabled => {
            centre.visitor(id).phase = Phase::Unattended;
            (code::NOBODY, Wait::None)
        }
        Reception::NoAgent | Reception::Blocked => (code::NOBODY_AND_NO_LEAVING, Wait::None),
    }
}

enum Wait {
    None,
    Behind(usize),
    Greeted(Option<(String, String)>),
}

fn apply_staff(
    platform: &Arc<Platform>,
    sessions: &Sessions,
    id: &str,
    body: &Map<String, Value>,
) -> Reply {
    let named = |key: &str| {
        number(body, key)
            .filter(|&id| id > 0)
            .map(|id| id.to_string())
    };
    let (staff, group) = (named("staffId"), named("groupId"));
    let wants_human =
        staff.is_some() || group.is_some() || number(body, "staffType").unwrap_or(0) == 1;
    let answer = platform.change(|centre, settings, out| {
        let visitor = centre.visitor(id);
        if !wants_human && visitor.phase != Phase::Human && settings.robot.enabled {
            let greets = visitor.phase != Phase::Robot;
            if greets {
                centre.leave_queue(id, out);
                open_robot(centre, sessions, id);
            }
            return (code::OK, greets.then(|| settings.robot.welcome.clone()), 0);
        }
        let (group, staff) = (group.as_deref(), staff.as_deref());
        let (code, wait) = ask_human(centre, settings, id, group, staff, out);
        match wait {
            Wait::None => (code, None, 0),
            Wait::Behind(count) => (code, None, count),
            Wait::Greeted(greeting) => {
                let text = greeting.as_ref().map(|(_, text)| text.clone());
                join(centre, id, true, greeting, out);
                (code, text, 0)
            }
        }
    });
    let settings = platform.settings();
    match answer {
        (code::OK, greeting, _) => {
            let agent = platform.look(|centre| centre.visitor(id).agent.clone());
            let number = sessions.newest(id).unwrap_or_default();
            let mut seat = events::session(id, number, agent.as_ref());
            seat["message"] = json!(greeting.unwrap_or_default());
            seat["count"] = json!(0);
            if agent.is_some() {
                seat["evaluationModel"] = events::model(&settings);
            } else {
                seat["staffId"] = json!(events::ROBOT);
                seat["staffName"] = json!(settings.robot.name);
                seat["staffType"] = json!(0);
            }
            success(seat)
        }
        (code::QUEUE, _, count) => {
            platform.accept_later(id);
            let message = format!("请稍候，您前面还有 {count} 位");
            let body = json!({"code": code::QUEUE, "count": count, "message": message});
            Reply::json(StatusCode::OK, &body)
        }
        (code, ..) => Reply::json(
            StatusCode::OK,
            &json!({"code": code, "message": "当前没有客服在线"}),
        ),
    }
}

fn queue_status(platform: &Arc<Platform>, id: &str) -> Reply {
    let count = platform.look(|centre| match centre.known(id).map(|it| it.phase) {
        Some(Phase::Queued) => centre.position(id).map(|place| json!(place - 1)),
        Some(Phase::Human | Phase::Robot) => Some(json!(-1)),
        _ => None,
    });
    match count {
        Some(count) => success(json!({"count": count})),
        None => failure(code::UNKNOWN_VISITOR, "用户没有请求过客服"),
    }
}

fn update_info(platform: &Arc<Platform>, id: &str, body: &Map<String, Value>) -> Reply {
    let rows = body.get("userinfo").and_then(Value::as_array);
    let keyed = |row: &Value| row.get("key").is_some_and(Value::is_string);
    let Some(rows) = rows.filter(|rows| rows.iter().all(keyed)) else {
        return failure(code::BODY, "userinfo 必须是一个 json 数组，每项须有 key");
    };
    platform.change(|centre, _, _| {
        let profile = &mut centre.visitor(id).profile;
        for row in rows {
            if let Some(key) = row["key"].as_str() {
                profile[key] = row["value"].clone();
            }
        }
    });
    success(json!({}))
}

fn evaluate(
    platform: &Arc<Platform>,
    sessions: &Sessions,
    id: &str,
    body: &Map<String, Value>,
) -> Reply {
    let value = body.get("evaluation").and_then(Value::as_i64);
    let known = value.is_some_and(|value| events::LEVELS.contains(&value));
    let session = number(body, "sessionId");
    let mine = session.is_some() && session == sessions.newest(id);
    let rated = platform.change(|centre, _, _| {
        let visitor = centre.visitor(id);
        let rated = known && mine && visitor.met_human;
        if rated {
            visitor.invited = false;
            let mut rating = body.clone();
            rating.remove("uid");
            visitor.ratings.push(Value::Object(rating));
        }
        rated
    });
    if rated {
        success(json!({}))
    } else {
        failure(code::BODY, "sessionId 或 evaluation 不正确")
    }
}
