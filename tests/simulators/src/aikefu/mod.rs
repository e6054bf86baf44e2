//! 爱客服 (Aikefu) as the operator of an app public account (应用公众服务).
//!
//! Owns the form in which visitors' messages are routed to it, the signature of
//! both directions, and the sending to a user. Does not keep visitors: the call
//! centre does. Invariant: a `msgUID` is heard once, and no end, queue or rating
//! is ever told, because the vendor has no word for them.

mod sending;
mod signature;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::centre::{Author, Centre, Happening, Happenings, Phase, Reception, Trade, Visitor};
use crate::platform::{Call, Platform, Reply, Vendor};
use crate::push::{Addressed, Flaw, Push};
use crate::serve::{self, Handle};
use crate::settings::Settings;
use signature::Keys;

/// Where messages are taken.
const RECEIVE: &str = "/receive";

/// Who the simulated operator is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Id of the public account.
    pub account_id: String,
    /// App key that stands behind `@` in ids.
    pub app_key: String,
    /// App secret; signs both directions.
    pub app_secret: String,
    /// The gateway's callback address, in front of `/message/send.json`.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            account_id: "kefu".to_owned(),
            app_key: "demo-key".to_owned(),
            app_secret: "demo-secret".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let aikefu = Aikefu {
        account: config.account_id,
        keys: Keys {
            app_key: config.app_key,
            app_secret: config.app_secret,
        },
        heard: Mutex::default(),
    };
    let vendor = move |_: &str| -> Box<dyn Vendor> { Box::new(aikefu) };
    serve::start(listen, vendor, config.settings, config.callback).await
}

struct Aikefu {
    account: String,
    keys: Keys,
    /// Every `msgUID` so far.
    heard: Mutex<HashSet<String>>,
}

impl Vendor for Aikefu {
    fn name(&self) -> (&'static str, &'static str) {
        ("aikefu", "爱客服")
    }

    fn trade(&self) -> &'static Trade {
        &Trade {
            kinds: &["text", "image", "voice", "rich", "emoji"],
            keeps_unattended: true,
        }
    }

    fn operation<'a>(&self, path: &'a str) -> Option<&'a str> {
        (path == RECEIVE).then_some("receive")
    }

    /// As the form writes it; ids of the gateway need no encoding.
    fn visitor<'a>(&self, call: &'a Call) -> &'a str {
        let body = std::str::from_utf8(&call.body).unwrap_or_default();
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find_map(|(key, value)| (key == "fromUserId").then_some(value))
            .unwrap_or_default()
    }

    fn answer(&self, platform: &Arc<Platform>, _operation: &str, call: &Call) -> Reply {
        if call.method != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED, 1002, "routing is a POST");
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if !self.keys.proves(&call.query, now) {
            return refused(StatusCode::UNAUTHORIZED, 1004, "signature error");
        }
        let form = signature::pairs(std::str::from_utf8(&call.body).unwrap_or_default());
        match self.read(&form) {
            Ok(said) => self.take(platform, &said),
            Err(wrong) => refused(StatusCode::BAD_REQUEST, 1002, &wrong),
        }
    }

    fn error(&self, code: &str, message: &str) -> Value {
        let code = code
            .parse::<i64>()
            .map_or_else(|_| json!(code), |code| json!(code));
        json!({"errcode": code, "errmsg": message})
    }

    fn pushes(&self, _: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push> {
        let ids = (self.account.as_str(), self.keys.app_key.as_str());
        sending::word(ids, visitor, happening).into_iter().collect()
    }

    fn address(&self, callback: &str, push: &Push, flaw: Flaw) -> Addressed {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Addressed {
            url: format!("{callback}/message/send.json"),
            headers: self.keys.headers(&push.id, now, flaw),
        }
    }

    fn gives_up(&self, status: u16) -> bool {
        matches!(status, 400 | 401 | 404 | 413)
    }

    fn invalidate_tokens(&self) -> bool {
        false
    }

    fn reset(&self) {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// A visitor's message.
struct Said<'a> {
    visitor: &'a str,
    uid: &'a str,
    /// Who it is, as the platform's messages carry it.
    user: Value,
    content: Value,
}

impl Aikefu {
    /// What a form says, or what is wrong with it.
    fn read<'a>(&self, form: &'a BTreeMap<String, String>) -> Result<Said<'a>, String> {
        let field = |key: &str| {
            let value = form.get(key).filter(|value| !value.is_empty());
            value
                .map(String::as_str)
                .ok_or_else(|| format!("{key} is missing"))
        };
        if field("channelType")? != "MC" {
            return Err("channelType is not MC".to_owned());
        }
        if field("toUserId")? != self.account {
            return Err("toUserId is another account".to_owned());
        }
        if field("msgTimestamp")?.parse::<u64>().is_err() {
            return Err("msgTimestamp is no number of milliseconds".to_owned());
        }
        let said: Value = serde_json::from_str(field("content")?)
            .map_err(|error| format!("content is no JSON: {error}"))?;
        let name = field("objectName")?;
        let content = match name {
            "RC:TxtMsg" => json!({"type": "text", "text": said["content"]}),
            "RC:ImgMsg" => json!({"type": "image", "url": said["imageUri"]}),
            "RC:HQVCMsg" if said["type"] == "aac" => json!({
                "type": "voice", "url": said["remoteUrl"],
                "duration_ms": said["duration"].as_u64().map(|s| s * 1_000),
            }),
            _ => return Err(format!("{name} is not taken")),
        };
        if content
            .get("text")
            .or(content.get("url"))
            .is_none_or(|it| !it.is_string())
        {
            return Err(format!("content of {name} has another form"));
        }
        Ok(Said {
            visitor: field("fromUserId")?,
            uid: field("msgUID")?,
            user: said["user"].clone(),
            content,
        })
    }

    fn take(&self, platform: &Platform, said: &Said<'_>) -> Reply {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reply = Reply {
            status: StatusCode::OK,
            body: Bytes::from_static(b"ok"),
            repeat: false,
            processed: true,
        };
        if heard.insert(said.uid.to_owned()) {
            platform.change(|centre, settings, out| {
                if said.user.is_object() {
                    centre.visitor(said.visitor).profile["user"] = said.user.clone();
                }
                hear(centre, settings, said.visitor, &said.content, out);
            });
        } else {
            (reply.repeat, reply.processed) = (true, false);
        }
        reply
    }
}

/// Whoever writes has an agent at once, if one is there.
fn hear(centre: &mut Centre, settings: &Settings, id: &str, content: &Value, out: &mut Happenings) {
    let visitor = centre.visitor(id);
    if !visitor.is_open() {
        visitor.begin(Phase::Unattended);
    }
    if visitor.phase == Phase::Unattended {
        let mut at_once = settings.clone();
        at_once.human.hold = false;
        if let Reception::Connected {
            agent,
            greeting: Some((message, text)),
        } = centre.ask_human(&at_once, id, None, None, out)
        {
            let happening = Happening::Message {
                id: message,
                from: Author::Agent,
                agent: Some(agent),
                content: json!({"type": "text", "text": text}),
            };
            out.push((id.to_owned(), happening));
        }
    }
    centre.visitor(id).present = true;
    centre.hear(settings, id, content, out);
}

fn refused(status: StatusCode, code: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "errorMessage": message})).refused()
}
