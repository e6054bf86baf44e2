//! 智齿 (Sobot), the published v5 interface, as a server.
//!
//! Owns the paths, the token rule, the envelope, the status numbers and the push
//! bodies. Does not keep visitors: the call centre does. Invariant: exactly one
//! token is valid at a time, the one that was fetched last.

mod calls;
mod lists;
mod pushes;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::centre::{Happening, Trade, Visitor};
use crate::platform::{Call, Platform, Reply, Vendor};
use crate::push::{Addressed, Flaw, Push};
use crate::serve::{self, Handle};
use crate::settings::Settings;
use token::Tokens;

/// Where the visitor calls are.
const CHAT: &str = "/api/chat/5/user/";
/// Where the robot's greeting is.
const ROBOT: &str = "/api/robot/5/";

/// Who the simulated company is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `appid` of the token call.
    pub app_id: String,
    /// The key that signs the token call.
    pub app_key: String,
    /// Where pushes go, secret path segment included; may be set later.
    pub callback: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            app_id: "demo-app".to_owned(),
            app_key: "demo-key".to_owned(),
            callback: None,
            settings: Settings::default(),
        }
    }
}

/// Starts a simulator; port 0 takes a free one.
pub async fn start(listen: SocketAddr, config: Config) -> anyhow::Result<Handle> {
    let tokens = Tokens::new(&config.app_id, &config.app_key);
    let vendor = move |_: &str| -> Box<dyn Vendor> { Box::new(Zhichi { tokens }) };
    serve::start(listen, vendor, config.settings, config.callback).await
}

struct Zhichi {
    tokens: Tokens,
}

/// The vendor's result codes.
mod code {
    pub(super) const OK: &str = "000000";
    pub(super) const TOKEN_MISSING: &str = "900001";
    pub(super) const TOKEN_EXPIRED: &str = "900002";
    pub(super) const BAD_SIGNATURE: &str = "900003";
    pub(super) const NO_COMPANY: &str = "900004";
    pub(super) const PARAMETER_MISSING: &str = "400004";
    pub(super) const PARAMETER_WRONG: &str = "400001";
}

impl Vendor for Zhichi {
    fn name(&self) -> (&'static str, &'static str) {
        ("zhichi", "智齿")
    }

    fn trade(&self) -> &'static Trade {
        &Trade {
            kinds: &["text", "image", "voice", "video", "file"],
            keeps_unattended: false,
        }
    }

    fn operation<'a>(&self, path: &'a str) -> Option<&'a str> {
        if path == "/api/get_token" {
            return Some("get_token");
        }
        path.strip_prefix(CHAT).or_else(|| path.strip_prefix(ROBOT))
    }

    fn visitor<'a>(&self, call: &'a Call) -> &'a str {
        call.json
            .get("partnerid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn answer(&self, platform: &Arc<Platform>, operation: &str, call: &Call) -> Reply {
        if operation == "get_token" {
            return match call.method {
                Method::GET => self
                    .tokens
                    .issue(&call.query, platform.settings().token_ttl_s),
                _ => not_here(StatusCode::METHOD_NOT_ALLOWED, "get_token is a GET"),
            };
        }
        if call.method != Method::POST {
            return not_here(
                StatusCode::METHOD_NOT_ALLOWED,
                "every visitor call is a POST",
            );
        }
        if let Err(code) = self.tokens.check(call.header("token")) {
            return failure(
                code,
                if code == code::TOKEN_MISSING {
                    "token为空"
                } else {
                    "token已失效，请重新获取"
                },
            );
        }
        calls::answer(platform, operation, call)
    }

    fn error(&self, code: &str, message: &str) -> Value {
        json!({"ret_code": code, "ret_msg": message})
    }

    fn pushes(&self, settings: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push> {
        pushes::word(settings, visitor, happening)
    }

    fn address(&self, callback: &str, _push: &Push, flaw: Flaw) -> Addressed {
        let url = match flaw {
            // The push has no signature; the secret is the last path segment.
            Flaw::BadSignature | Flaw::WrongSecret => match callback.rsplit_once('/') {
                Some((front, _)) => format!("{front}/not-the-secret"),
                None => callback.to_owned(),
            },
            Flaw::None | Flaw::StaleTimestamp => callback.to_owned(),
        };
        Addressed {
            url,
            headers: Vec::new(),
        }
    }

    fn gives_up(&self, _status: u16) -> bool {
        false
    }

    fn invalidate_tokens(&self) -> bool {
        self.tokens.invalidate();
        true
    }

    fn reset(&self) {
        self.tokens.invalidate();
    }
}

/// The envelope of a success.
fn success(key: &str, value: Value) -> Reply {
    let mut envelope = json!({"ret_code": code::OK, "ret_msg": "操作成功"});
    if let Some(object) = envelope.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    Reply::json(StatusCode::OK, &envelope)
}

/// The envelope of a call that was turned away. The HTTP status stays 200.
fn failure(code: &str, message: &str) -> Reply {
    Reply::json(
        StatusCode::OK,
        &json!({"ret_code": code, "ret_msg": message}),
    )
    .refused()
}

fn not_here(status: StatusCode, text: &str) -> Reply {
    Reply::json(status, &json!({"error": text})).refused()
}
