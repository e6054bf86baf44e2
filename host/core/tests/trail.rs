//! Trails out of what is on disk: each step told, nothing of what was said.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

use kefu_core::{
    log::{EventBody, LogEvent, LoggedMessage, StateChange},
    outbox::{DeadLetter, Finished, Letter, OutboxEntry},
    session::{Fallback, Opening, Record},
    trail::{CallEnd, Found, LaneFound, LogRow, Trail, UnsentFound, assemble},
};
use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    effect::Call,
    event::{CallResult, Client, Visitor},
    http::{HttpRequest, HttpResponse},
    ids::MessageId,
    message::{Agent, Content, MessageStatus, Sender, SenderKind},
    time::Timestamp,
};
use serde_json::{Value, json};

const SAID: &str = "the-words-that-were-said";

#[test]
fn each_step_of_a_message_is_told_in_order() {
    let mut end = call_end(1, "m1", answered(200));
    end.tries = 3;
    let rows = [
        row(1, message("m1", Content::text(SAID))),
        with_end(row(2, status("m1", MessageStatus::Delivered)), end),
        row(3, status("m1", MessageStatus::Read)),
    ];
    let trail = json!(trail(&rows, &[], &[], None));
    assert_eq!(
        trail["entries"],
        json!([{
            "seq": 1, "at": at(1), "type": "message",
            "id": "m1", "from": "visitor", "sender": "v", "content": "text", "length": SAID.len(),
            "steps": [
                {"at": at(1), "step": "accepted"},
                {"at": at(1), "step": "stored"},
                {"at": at(0), "step": "asked", "call": 1, "provider": "first"},
                {
                    "at": at(2), "step": "sent", "call": 1, "provider": "first", "tries": 3,
                    "outcome": "answered", "status": 200,
                },
                {"at": at(2), "step": "answer", "status": "delivered"},
                {"at": at(3), "step": "answer", "status": "read"},
            ],
        }])
    );
}

#[test]
fn what_waits_is_told_with_when_it_is_given_up() {
    let rows = [row(1, message("m1", Content::text("x")))];
    let unsent = [
        UnsentFound {
            entry: entry(1, Some("m1")),
            attempted: true,
        },
        UnsentFound {
            entry: entry(2, None),
            attempted: false,
        },
    ];
    let trail = json!(trail(&rows, &unsent, &[], None));
    let steps = &trail["entries"][0]["steps"];
    let waits = json!({"step": "waits", "call": 1, "attempted": true, "until": at(60)});
    assert_eq!(steps[3], waits);
    assert_eq!(trail["calls"].as_array().unwrap().len(), 2);
    assert_eq!(trail["calls"][1]["message"], Value::Null);
}

#[test]
fn what_was_given_up_names_its_letter() {
    let end = call_end(1, "m1", CallResult::NotSent { detail: "x".into() });
    let rows = [
        row(1, message("m1", Content::text("x"))),
        with_end(row(2, status("m1", MessageStatus::Failed)), end),
    ];
    let letters = [letter(Letter::Call {
        entry: Box::new(entry(1, None)),
    })];
    let trail = json!(trail(&rows, &[], &letters, None));
    let steps = trail["entries"][0]["steps"].as_array().unwrap();
    let given_up = json!({"at": at(9), "step": "given_up", "letter": "l", "reason": "refused"});
    assert_eq!(*steps.last().unwrap(), given_up, "found by its call");
    assert_eq!(steps[3]["outcome"], "not_sent");
    assert_eq!(trail["dead_letters"][0]["call"], 1);
}

#[test]
fn a_push_waits_is_over_or_was_given_up() {
    let told = |seq| {
        let mut row = row(seq, message(&format!("m{seq}"), Content::text("x")));
        row.pushed = Some(true);
        row
    };
    let mut untold = row(5, message("m5", Content::text("x")));
    untold.pushed = Some(false);
    let rows = [told(1), told(2), told(3), told(4), untold];
    let letters = [letter(Letter::Push {
        app: "app".into(),
        seq: 2,
        tries: 10,
    })];
    let lane = LaneFound {
        after: 2,
        last: 4,
        tries: 1,
        due: at(70),
        since: at(5),
    };
    let trail = json!(trail(&rows, &[], &letters, Some(lane)));
    let push = |place: usize| trail["entries"][place]["steps"][2].clone();
    assert_eq!(push(0), json!({"step": "push", "state": "over"}));
    let given_up = json!({"at": at(9), "step": "push", "state": "given_up", "tries": 10});
    assert_eq!(push(1), given_up);
    let next = json!({"step": "push", "state": "waits", "tries": 1, "due": at(70)});
    assert_eq!(push(2), next);
    assert_eq!(push(3), json!({"step": "push", "state": "waits"}));
    assert_eq!(push(4), Value::Null);
    assert_eq!(trail["push"]["after"], 2);
}

#[test]
fn what_happened_in_between_is_told_and_what_is_unknown_is_named() {
    let change = StateChange {
        from: SessionState::Robot,
        to: SessionState::Human,
        agent: Some(Agent {
            name: Some(SAID.into()),
            ..Agent::default()
        }),
        queue: None,
        reason: Some(SAID.into()),
    };
    let mut tomorrow = row(
        3,
        EventBody::Ended {
            reason: EndReason::Agent,
        },
    );
    let json = String::from_utf8(tomorrow.json).unwrap();
    tomorrow.json = json.replace("session.ended", "session.of_tomorrow").into();
    let rows = [
        row(1, EventBody::State(change)),
        // Of a message in another piece.
        row(2, status("m0", MessageStatus::Read)),
        tomorrow,
        row(
            4,
            EventBody::Ended {
                reason: EndReason::Agent,
            },
        ),
    ];
    let trail = json!(trail(&rows, &[], &[], None));
    assert_eq!(
        trail["entries"],
        json!([
            {"seq": 1, "at": at(1), "type": "session.state", "from": "robot", "to": "human"},
            {"seq": 2, "at": at(2), "type": "message.status", "message": "m0", "status": "read"},
            {"seq": 3, "at": at(3), "type": "session.of_tomorrow"},
            {"seq": 4, "at": at(4), "type": "session.ended", "reason": "agent"},
        ])
    );
}

#[test]
fn nothing_of_what_was_said_is_in_a_trail() {
    let contents = [
        json!({"type": "text", "text": SAID}),
        json!({"type": "image", "url": SAID, "thumbnail": SAID}),
        json!({"type": "voice", "url": SAID, "duration_ms": 1, "format": "mp3"}),
        json!({"type": "location", "latitude": 1.0, "longitude": 2.0, "label": SAID}),
        json!({"type": "rich", "title": SAID, "summary": SAID, "image_url": SAID, "url": SAID}),
        json!({"type": "video", "url": SAID, "duration_ms": 1}),
        json!({"type": "file", "url": SAID, "name": SAID, "size": 1}),
        json!({"type": "emoji", "code": SAID, "text": SAID}),
        json!({"type": "custom", "name": SAID, "payload": {"x": SAID}, "fallback_text": SAID}),
    ];
    let mut rows: Vec<LogRow> = Vec::new();
    for content in contents {
        let seq = rows.len() as u64 + 1;
        let content = serde_json::from_value(content).unwrap();
        rows.push(row(seq, message(&format!("m{seq}"), content)));
    }
    let left = [("email".to_owned(), SAID.to_owned())].into();
    rows.push(row(10, EventBody::LeaveMessageSubmitted { fields: left }));
    let mut unsent = entry(1, Some("m1"));
    unsent.call.request.body = SAID.into();
    let letters = [letter(Letter::Call {
        entry: Box::new(unsent.clone()),
    })];
    let unsent = [UnsentFound {
        entry: unsent,
        attempted: false,
    }];
    let mut record = record();
    record.visitor.name = Some(SAID.into());
    record.adapter_state = SAID.into();
    let told = json!(assemble(&Found {
        record: &record,
        rows: &rows,
        unsent: &unsent,
        letters: &letters,
        lane: None,
        next: None,
    }));
    assert_eq!(told["entries"].as_array().unwrap().len(), 10);
    assert!(!told.to_string().contains(SAID), "{told}");
}

fn trail(
    rows: &[LogRow],
    unsent: &[UnsentFound],
    letters: &[DeadLetter],
    lane: Option<LaneFound>,
) -> Trail {
    assemble(&Found {
        record: &record(),
        rows,
        unsent,
        letters,
        lane,
        next: None,
    })
}

fn record() -> Record {
    Record::open(Opening {
        synthetic: false,
        id: "s".into(),
        app: "app".into(),
        desk: "desk".into(),
        visitor: Visitor {
            id: "v".into(),
            ..Visitor::default()
        },
        client: Client::default(),
        asked_group: None,
        order: vec![Fallback::new("first", None)],
        now: at(0),
    })
    .unwrap()
}

fn row(seq: u64, body: EventBody) -> LogRow {
    let event = LogEvent {
        seq,
        id: format!("e{seq}"),
        session: "s".into(),
        body,
        at: at(i64::try_from(seq).unwrap()),
    };
    LogRow {
        json: serde_json::to_vec(&event).unwrap(),
        call: None,
        pushed: None,
    }
}

fn with_end(mut row: LogRow, end: CallEnd) -> LogRow {
    row.call = Some(end);
    row
}

fn message(id: &str, content: Content) -> EventBody {
    EventBody::Message(LoggedMessage {
        id: id.into(),
        from: Sender {
            id: Some("v".into()),
            ..Sender::of(SenderKind::Visitor)
        },
        content,
        suggestions: vec![SAID.into()],
        converted_from: None,
        detail: Some(SAID.into()),
    })
}

fn status(message: &str, status: MessageStatus) -> EventBody {
    EventBody::Status {
        message: message.into(),
        status,
        detail: None,
    }
}

fn entry(number: u64, message: Option<&str>) -> OutboxEntry {
    let mut call = Call::new("send", HttpRequest::get("https://vendor.example/"));
    call.message = message.map(MessageId::from);
    OutboxEntry {
        session: "s".into(),
        number,
        provider: "first".into(),
        call,
        created_at: at(0),
        deadline_at: at(60),
        gives_way: false,
        media: vec![],
        trace: None,
    }
}

fn call_end(number: u64, message: &str, result: CallResult) -> CallEnd {
    let finished = Finished {
        number,
        result,
        token_renewed: false,
        attempts: 1,
    };
    CallEnd::of(&entry(number, Some(message)), &finished)
}

fn answered(status: u16) -> CallResult {
    CallResult::Answered {
        response: HttpResponse {
            status,
            headers: vec![],
            body: SAID.into(),
        },
    }
}

fn letter(letter: Letter) -> DeadLetter {
    DeadLetter {
        id: "l".into(),
        session: "s".into(),
        provider: "first".into(),
        at: at(9),
        reason: "refused".into(),
        letter,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000 + seconds * 1000)
}
