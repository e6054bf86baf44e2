//! A vendor that joins by the standard docking protocol, SDP/1.
//!
//! Owns the vendor's side of the protocol: signatures, envelope, first replies.
//! What one vendor does its own way is its [`Profile`]. Does not keep visitors:
//! the call centre does. Invariant: a repeated `webhook-id` is answered with the first reply and
//! changes nothing.

mod calls;
mod events;
mod modes;
mod profile;
mod replies;
mod signature;
mod talk;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::centre::{Happening, Trade, Visitor};
use crate::platform::{Call, Platform, Reply, Vendor};
use crate::push::{Addressed, Flaw, Push};
use crate::serve::{self, Handle};
use crate::settings::Settings;
pub(crate) use profile::{Field, Profile};
use replies::Replies;
pub(crate) use signature::Keys;
use signature::Rejected;

/// Where the operations are.
const PREFIX: &str = "/sdp/v1/";

/// Starts a simulator; port 0 takes a free one.
pub(crate) async fn start(
    listen: SocketAddr,
    profile: Profile,
    keys: Keys,
    account: String,
    settings: Settings,
    callback: Option<String>,
) -> anyhow::Result<Handle> {
    let vendor = move |base_url: &str| -> Box<dyn Vendor> {
        Box::new(Sdp {
            profile,
            keys,
            account,
            base_url: base_url.to_owned(),
            replies: Replies::default(),
        })
    };
    serve::start(listen, vendor, settings, callback).await
}

struct Sdp {
    profile: Profile,
    keys: Keys,
    account: String,
    base_url: String,
    replies: Replies,
}

impl Vendor for Sdp {
    fn name(&self) -> (&'static str, &'static str) {
        (self.profile.name, self.profile.title)
    }

    fn trade(&self) -> &'static Trade {
        &Trade {
            kinds: &[
                "text", "image", "voice", "location", "rich", "video", "file", "emoji", "custom",
            ],
            keeps_unattended: true,
        }
    }

    fn operation<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(PREFIX)
    }

    fn visitor<'a>(&self, call: &'a Call) -> &'a str {
        call.json
            .get("visitor_id")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn answer(&self, platform: &Arc<Platform>, operation: &str, call: &Call) -> Reply {
        if call.method != Method::POST {
            let body = json!({"code": 4004, "msg": "every operation is a POST"});
            return Reply::json(StatusCode::METHOD_NOT_ALLOWED, &body).refused();
        }
        let id = match self
            .keys
            .verify(call, OffsetDateTime::now_utc().unix_timestamp())
        {
            Ok(id) => id,
            Err(Rejected::Signature) => {
                return refusal(StatusCode::UNAUTHORIZED, 4001, "signature missing or wrong");
            }
            Err(Rejected::Stale) => {
                return refusal(
                    StatusCode::UNAUTHORIZED,
                    4002,
                    "timestamp more than 300 s away",
                );
            }
        };
        if let Err(wrong) = self.check_envelope(operation, id, &call.json) {
            return refusal(StatusCode::BAD_REQUEST, 4004, &wrong);
        }
        let base_url = &self.base_url;
        self.replies.first_or(id, || {
            calls::answer(platform, &self.profile, base_url, operation, &call.json)
        })
    }

    fn error(&self, code: &str, message: &str) -> Value {
        let code = code
            .parse::<i64>()
            .map_or_else(|_| json!(code), |code| json!(code));
        json!({"code": code, "msg": message})
    }

    fn pushes(&self, settings: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push> {
        let teller = events::Teller {
            profile: &self.profile,
            settings,
            account: &self.account,
            base_url: &self.base_url,
        };
        let push = teller.word(visitor, happening);
        push.into_iter().collect()
    }

    fn address(&self, callback: &str, push: &Push, flaw: Flaw) -> Addressed {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Addressed {
            url: callback.to_owned(),
            headers: self.keys.sign(&push.id, now, &push.body, flaw),
        }
    }

    fn gives_up(&self, status: u16) -> bool {
        matches!(status, 400 | 401 | 404 | 413)
    }

    fn invalidate_tokens(&self) -> bool {
        false
    }

    fn reset(&self) {
        self.replies.clear();
    }
}

impl Sdp {
    /// What is wrong with the envelope, if anything.
    fn check_envelope(&self, operation: &str, id: &str, body: &Value) -> Result<(), String> {
        let text = |key: &str| {
            let value = body
                .get(key)
                .and_then(Value::as_str)
                .filter(|it| !it.is_empty());
            value.ok_or_else(|| format!("{key} is missing or no text"))
        };
        if !body.is_object() {
            return Err("the body is no JSON object".to_owned());
        }
        if text("id")? != id {
            return Err("id differs from webhook-id".to_owned());
        }
        text("ts")?;
        let account = text("account")?;
        if account != self.account {
            return Err(format!("account is {account:?}, not {:?}", self.account));
        }
        if text("op")? != operation {
            return Err("op differs from the path".to_owned());
        }
        if !matches!(operation, "groups.list" | "capabilities" | "health") {
            text("visitor_id")?;
        }
        match body.get("data") {
            Some(Value::Object(_)) => Ok(()),
            _ => Err("data is missing or no object".to_owned()),
        }
    }
}

/// A refusal that changed nothing.
fn refusal(status: StatusCode, code: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "msg": message})).refused()
}
