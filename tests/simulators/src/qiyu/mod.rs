//! 网易七鱼 (Qiyu), the published message interface, as a server.
//!
//! Owns the paths, the checksum, the result codes and the numbers of sessions.
//! Does not keep visitors: the call centre does. Invariant: a robot's part, an
//! agent's part and each transfer have a session number of their own, and a
//! visitor's newest one is the one that can be rated.

mod calls;
mod checksum;
mod events;
mod sessions;

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
use checksum::Keys;
use sessions::Sessions;

/// Where the interface is.
const PREFIX: &str = "/openapi/";

/// Who the simulated company is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `appKey` of the company.
    pub app_key: String,
    /// `appSecret` that belongs to it.
    pub app_secret: String,
    /// Where events go; may be set later.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            app_key: "demo-app-key".to_owned(),
            app_secret: "demo-app-secret".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let keys = Keys {
        app_key: config.app_key,
        app_secret: config.app_secret,
    };
    let vendor = move |_: &str| -> Box<dyn Vendor> {
        Box::new(Qiyu {
            keys,
            sessions: Arc::default(),
        })
    };
    serve::start(listen, vendor, config.settings, config.callback).await
}

struct Qiyu {
    keys: Keys,
    sessions: Arc<Sessions>,
}

/// The vendor's result codes.
mod code {
    pub(super) const OK: u16 = 200;
    pub(super) const APP_KEY: u16 = 14001;
    pub(super) const CHECKSUM: u16 = 14002;
    pub(super) const TIME: u16 = 14003;
    pub(super) const BODY: u16 = 14004;
    pub(super) const NOBODY: u16 = 14005;
    pub(super) const QUEUE: u16 = 14006;
    pub(super) const UNKNOWN_VISITOR: u16 = 14007;
    pub(super) const NOBODY_AND_NO_LEAVING: u16 = 14010;
}

impl Vendor for Qiyu {
    fn name(&self) -> (&'static str, &'static str) {
        ("qiyu", "网易七鱼")
    }

    fn trade(&self) -> &'static Trade {
        &Trade {
            kinds: &["text", "image", "voice"],
            keeps_unattended: false,
        }
    }

    fn operation<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(PREFIX)
    }

    fn visitor<'a>(&self, call: &'a Call) -> &'a str {
        call.json
            .get("uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn answer(&self, platform: &Arc<Platform>, operation: &str, call: &Call) -> Reply {
        if call.method != Method::POST {
            let body = json!({"error": "every call is a POST"});
            return Reply::json(StatusCode::METHOD_NOT_ALLOWED, &body).refused();
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        match self.keys.check(&call.query, &call.body, now) {
            Ok(()) => calls::answer(platform, &self.sessions, operation, call),
            Err((code, message)) => failure(code, message),
        }
    }

    fn error(&self, code: &str, message: &str) -> Value {
        let code = code
            .parse::<i64>()
            .map_or_else(|_| json!(code), |code| json!(code));
        json!({"code": code, "message": message})
    }

    fn pushes(&self, settings: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push> {
        events::word(&self.sessions, settings, visitor, happening)
    }

    fn address(&self, callback: &str, push: &Push, flaw: Flaw) -> Addressed {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let query = self.keys.sign(&push.event, &push.body, now, flaw);
        Addressed {
            url: format!("{callback}?{query}"),
            headers: Vec::new(),
        }
    }

    fn gives_up(&self, _status: u16) -> bool {
        false
    }

    fn wants_empty_answers(&self) -> bool {
        true
    }

    fn invalidate_tokens(&self) -> bool {
        false
    }

    fn reset(&self) {
        self.sessions.clear();
    }
}

/// The answer to a call that was carried out.
fn success(mut fields: Value) -> Reply {
    fields["code"] = json!(code::OK);
    Reply::json(StatusCode::OK, &fields)
}

/// The answer to a call that was turned away. The HTTP status stays 200.
fn failure(code: u16, message: &str) -> Reply {
    let body = json!({"code": code, "message": message});
    Reply::json(StatusCode::OK, &body).refused()
}
