//! What the vendor sends to a user: from its words to neutral ones.
//!
//! Owns the reading of `message/send.json`, its answers, and how a repeat is
//! recognised. Invariant: an agent's words are shown, or the vendor is told in
//! its own codes that they are not.

use kefu_plugin_api::prelude::{
    Agent, Callback, Content, Incoming, ProviderEvent, Receipt, Received, Reject, Sender,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    auth::Proof,
    config::{Account, MEDIA_ID},
    emoticon,
};

/// Reads a message to a user, and words the answer.
///
/// # Errors
/// If it cannot be read, with the key that is wrong.
pub(crate) fn read(
    account: &Account,
    callback: &Callback,
    proof: &Proof,
) -> Result<Receipt, Reject> {
    if callback.method != "POST" || !matches!(callback.path.as_str(), "" | "/" | PATH) {
        return Err(Reject::malformed(format!("a message is a POST to {PATH}")));
    }
    let body: Value = callback.json()?;
    if !body.is_object() {
        return Err(Reject::malformed("it is no JSON object"));
    }
    if party(account, &body, "fromuser")? != account.account_id {
        return Err(Reject::malformed("`fromuser` is another account"));
    }
    let user = party(account, &body, "touser")?.to_owned();
    let contents = match contents(account, &body)? {
        Ok(contents) => contents,
        Err(refused) => return Ok(Receipt::json(&refused)),
    };
    let from = Sender::agent(agent(&body["userinfo"]));
    let receipt = Receipt::json(&json!({"errcode": 0, "errmsg": "ok"}));
    let events = contents.into_iter().enumerate().map(|(at, content)| {
        let message = Incoming::new(from.clone(), content);
        // The vendor gives no id. Its nonce is signed and the body is not: a
        // nonce counts once, whatever comes with it later.
        let key = format!("{}#{at}", proof.0);
        Received::keyed(user.clone(), key, ProviderEvent::Message { message })
    });
    Ok(events.fold(receipt, Receipt::with))
}

/// The id before `@appKey`.
fn party<'a>(account: &Account, body: &'a Value, key: &str) -> Result<&'a str, Reject> {
    body.get(key)
        .and_then(Value::as_str)
        .and_then(|text| text.strip_suffix(account.app_key.as_str()))
        .and_then(|text| text.strip_suffix('@'))
        .filter(|id| !id.is_empty() && id.len() <= 128 && !id.chars().any(char::is_control))
        .ok_or_else(|| Reject::malformed(format!("`{key}` must be an id with @ and the app key")))
}

/// What is to be shown, in pieces that an app may be shown; or the vendor's
/// answer to what cannot be.
fn contents(account: &Account, body: &Value) -> Result<Result<Vec<Content>, Value>, Reject> {
    let kind = body.get("msgtype").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| Reject::malformed("`msgtype` is missing or no text"))?;
    let object = &body[kind];
    let missing = |key: &str| Reject::malformed(format!("`{kind}.{key}` is missing or empty"));
    match kind {
        "text" => {
            let text = words(&object["content"]).ok_or_else(|| missing("content"))?;
            let letters: Vec<char> = emoticon::as_text(text).chars().collect();
            let pieces = letters.chunks(TEXT_LIMIT);
            let text = |piece: &[char]| Content::text(piece.iter().collect::<String>());
            Ok(Ok(pieces.map(text).collect()))
        }
        "image" | "voice" => {
            let id = words(&object["media_id"]).ok_or_else(|| missing("media_id"))?;
            let Some(url) = media(account, id) else {
                return Ok(Err(json!({"errcode": 1002, "errmsg": "invalid media id"})));
            };
            Ok(Ok(vec![match kind {
                "image" => Content::Image {
                    url,
                    thumbnail: None,
                    width: None,
                    height: None,
                },
                _ => Content::Voice {
                    url,
                    duration_ms: 0,
                    format: "aac".to_owned(),
                },
            }]))
        }
        "news" => {
            let articles = object["articles"].as_array();
            let articles = articles.map(Vec::as_slice).unwrap_or_default();
            let read: Vec<_> = articles.iter().filter_map(article).take(ARTICLES).collect();
            match read.is_empty() {
                true => Err(missing("articles")),
                false => Ok(Ok(read)),
            }
        }
        _ => Err(Reject::malformed(
            "`msgtype` must be text, image, voice or news",
        )),
    }
}

fn article(article: &Value) -> Option<Content> {
    let title = words(&article["title"]).unwrap_or_default();
    let summary = words(&article["description"]).unwrap_or_default();
    let image_url = words(&article["picurl"]).filter(|url| is_link(url));
    let url = words(&article["url"]).filter(|url| is_link(url));
    match url {
        Some(url) => Some(Content::Rich {
            title: short(if title.is_empty() { url } else { title }, 200),
            summary: short(summary, 1_000),
            image_url: image_url.map(str::to_owned),
            url: url.to_owned(),
        }),
        // Nothing to open: its words.
        None => {
            let words = [short(title, 200), short(summary, 1_000)].join("\n");
            let words = words.trim();
            (!words.is_empty()).then(|| Content::text(words))
        }
    }
}

fn media(account: &Account, id: &str) -> Option<String> {
    if is_link(id) {
        return Some(id.to_owned());
    }
    let pattern = account.media_url.as_ref().filter(|_| id.len() <= 256)?;
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
    Some(pattern.replace(MEDIA_ID, &id))
}

fn agent(info: &Value) -> Agent {
    let text = |key: &str| words(&info[key]);
    Agent {
        id: text("id").map(|id| short(id, 128)),
        name: text("name").map(|name| short(name, 100)),
        portrait: text("headimgurl")
            .filter(|url| is_link(url))
            .map(str::to_owned),
    }
}

fn words(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

fn short(text: &str, limit: usize) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.take(limit).collect()
}

fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= 2_048
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The platform's own path of sending.
const PATH: &str = "/message/send.json";
/// Characters that an app is shown in a text.
const TEXT_LIMIT: usize = 8_000;
/// Articles in one message.
const ARTICLES: usize = 8;
