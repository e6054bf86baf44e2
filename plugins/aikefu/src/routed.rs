//! What is routed to the vendor: a visitor's message, as the platform's message
//! routing sends it.
//!
//! Owns the form and its content in the platform's object names, and what the
//! vendor's answer means. Invariant: nothing is lost silently; a kind without an
//! object name of its own goes as text.

use kefu_plugin_api::prelude::{
    Call, CallId, CallResult, Content, Effect, HttpRequest, HttpResponse, Message, MessageStatus,
    Session,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{auth, config::Account, state::State};

/// The call that carries a message of the visitor. Routing may repeat, and
/// `msgUID` tells a repeat: the call may be repeated.
pub(crate) fn send(account: &Account, session: &mut Session<State>, message: &Message) -> Effect {
    let (name, mut content) = object(&message.content);
    let in_words = name == TEXT && !matches!(message.content, Content::Text { .. });
    if in_words {
        let kind = message.content.kind().as_str();
        session.note(format!("{kind} went as text: the vendor does not take it"));
    }
    let uid = session.fresh_id();
    let state = &session.state;
    let user = [("name", &state.name), ("portrait", &state.portrait)];
    let mut told = json!({"id": session.conversation().as_str()});
    for (key, value) in user {
        if let Some(value) = value {
            told[key] = json!(value);
        }
    }
    content["user"] = told;
    let content = content.to_string();
    let now = session.now().unix_ms().to_string();
    let source = source(session.view().client.platform.as_deref());
    let fields = [
        ("fromUserId", session.conversation().as_str()),
        ("toUserId", &account.account_id),
        ("objectName", name),
        ("content", &content),
        ("channelType", "MC"),
        ("msgTimestamp", &now),
        ("msgUID", &uid),
        ("source", source),
    ];
    let request = HttpRequest {
        method: "POST".into(),
        url: account.receive_url.clone(),
        headers: vec![(
            "content-type".into(),
            "application/x-www-form-urlencoded".into(),
        )],
        body: form(&fields).into_bytes(),
        stamps: Vec::new(),
    };
    let how = if in_words { IN_WORDS } else { WHOLE };
    Call::new(format!("{how}{}", message.id), auth::signed(request))
        .repeatable()
        .carrying(message.id.clone())
        .into()
}

/// The platform's object name of a content, and its JSON.
fn object(content: &Content) -> (&'static str, Value) {
    match content {
        // The thumbnail inside is for clients; there are no bytes to make one of.
        Content::Image { url, .. } => ("RC:ImgMsg", json!({"content": "", "imageUri": url})),
        Content::Voice {
            url,
            duration_ms,
            format,
        } if format.eq_ignore_ascii_case("aac") => {
            let duration = duration_ms.div_ceil(1_000).max(1);
            let voice = json!({"remoteUrl": url, "duration": duration, "type": "aac"});
            ("RC:HQVCMsg", voice)
        }
        other => (TEXT, json!({"content": other.to_text()})),
    }
}

/// The platform's names of where a message was written.
fn source(platform: Option<&str>) -> &'static str {
    match platform {
        Some(name) if name.eq_ignore_ascii_case("ios") => "iOS",
        Some(name) if name.eq_ignore_ascii_case("android") => "Android",
        _ => "Websocket",
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{key}={}", utf8_percent_encode(value, FORM));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// What became of a message.
pub(crate) fn finished(
    session: &mut Session<State>,
    call: &CallId,
    result: CallResult,
) -> Option<Effect> {
    let call = call.as_str();
    let (message, detail) = match call.strip_prefix(WHOLE) {
        Some(message) => (message, None),
        None => (call.strip_prefix(IN_WORDS)?, Some(TOLD_IN_WORDS.to_owned())),
    };
    // The host tells the fate of a message that got no answer.
    let CallResult::Answered { response } = result else {
        return None;
    };
    let Err((status, detail)) = verdict(&response) else {
        return Some(Effect::Status {
            message: message.into(),
            status: MessageStatus::Delivered,
            detail,
        });
    };
    session.note(format!("routing a message: {detail}"));
    Some(Effect::Status {
        message: message.into(),
        status,
        detail: Some(detail),
    })
}

/// Any 200 takes a message, unless its body says otherwise.
fn verdict(response: &HttpResponse) -> Result<(), (MessageStatus, String)> {
    let status = response.status;
    let failed = |detail: &str| Err((MessageStatus::Failed, format!("HTTP {status}: {detail}")));
    let unknown = |detail: &str| Err((MessageStatus::Unknown, format!("HTTP {status}: {detail}")));
    match status {
        200..300 => {}
        401 | 403 => return failed("the vendor refused the signature, check `app_secret`"),
        300..500 => return failed("the vendor refused, check `receive_url`"),
        _ => return unknown("an error at the vendor"),
    }
    let body = response.body.trim_ascii_start();
    if body.first() == Some(&b'<') {
        return unknown("a page, and not the vendor's answer");
    }
    let said: Value = response.json().unwrap_or_default();
    let code = ["errcode", "code"].into_iter().find_map(|key| {
        let code = said.get(key)?;
        code.as_i64().or_else(|| code.as_str()?.trim().parse().ok())
    });
    match code {
        None | Some(0 | 200) => Ok(()),
        Some(code) => failed(&format!("the vendor answered with code {code}")),
    }
}

const TEXT: &str = "RC:TxtMsg";

/// What the calls are named that carry a message whole, and in words where the
/// vendor does not take its form.
const WHOLE: &str = "send/";
const IN_WORDS: &str = "send-in-words/";
const TOLD_IN_WORDS: &str = "it went as text with a link: the vendor does not take it in this form";

/// What a form writes as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*');
