//! What vendors push, as tests need it: any body, with the vendor's own proof.
//!
//! Owns the words by which each vendor says an agent's text, and the waiting
//! for a push to be over. Who signs, and how often a push is tried, is the
//! simulators' business.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::chat::{Chat, entries};
use crate::config::fresh_secret;
use crate::http::escape;
use crate::simulators::Simulators;
use crate::token::now;
use crate::vendor::Vendor;
use crate::wait;

impl Vendor {
    /// The name under which a message of an agent is pushed, where the vendor
    /// tells it outside the body.
    pub fn message_event(self) -> &'static str {
        match self {
            Self::Qiyu => "MSG",
            _ => "raw",
        }
    }

    /// Changes whom a pushed body is about.
    pub fn readdress(self, body: &mut Value, visitor: &str) {
        let keys: &[&str] = match self {
            Self::Zhichi => &["partnerId", "cid"],
            Self::Qiyu => &["uid"],
            Self::Jiaxin | Self::Xiaoneng | Self::Sdp => &["visitor_id", "session_id"],
            Self::Aikefu => {
                body["touser"] = json!(format!("{visitor}@demo"));
                &[]
            }
        };
        for key in keys {
            body[*key] = json!(visitor);
        }
    }
}

impl Simulators {
    /// Has the vendor push this body once, with its proof, and returns the push
    /// when it is over.
    pub async fn push(
        &self,
        vendor: Vendor,
        visitor: &str,
        event: &str,
        body: &Value,
    ) -> Result<Value> {
        let id = body["id"].as_str().map_or_else(fresh_id, str::to_owned);
        let wanted = json!({ "visitor": visitor, "event": event, "body": body, "id": id });
        let request = self
            .request(vendor, Method::POST, "/control/push")
            .json(&wanted);
        request.send().await?.expect(202)?;
        let path = format!(
            "/control/pushes?visitor={}&event={}",
            escape(visitor),
            escape(event)
        );
        let over = |answer: &Value| {
            let pushes = answer["entries"].as_array()?.iter();
            let mut ours = pushes.filter(|push| push["id"] == id.as_str());
            ours.find(|push| push["state"] != "waiting").cloned()
        };
        self.wait_for(vendor, &path, "the push to be over", over)
            .await
    }
}

impl Chat<'_> {
    /// The body by which this vendor would push an agent's text now.
    pub async fn as_pushed(&self, text: &str) -> Result<Value> {
        let at_vendor = self.at_vendor().await?;
        let id = fresh_id();
        Ok(match self.vendor {
            Vendor::Zhichi => json!({
                "type": 202, "partnerId": at_vendor["id"], "cid": at_vendor["session"], "msgId": id, "msgType": "text",
                "content": text, "aid": "1001", "aname": "客服一号", "ts": now() * 1_000,
            }),
            Vendor::Qiyu => json!({
                "uid": at_vendor["id"], "msgId": id, "msgType": "TEXT", "content": text,
                "staffId": 1_001, "staffName": "客服一号", "timeStamp": now() * 1_000,
            }),
            Vendor::Aikefu => json!({
                "fromuser": "demo@demo", "touser": format!("{}@demo", at_vendor["id"].as_str().unwrap_or_default()),
                "msgtype": "text", "text": { "content": text }, "userinfo": { "id": "1001", "name": "客服一号" },
            }),
            Vendor::Jiaxin | Vendor::Xiaoneng | Vendor::Sdp => {
                let content = json!({ "type": "text", "text": text });
                let data = json!({ "msg_id": id, "from": { "kind": "agent", "id": "1001" }, "content": content });
                self.sdp_event("message", data).await?
            }
        })
    }

    /// An event of SDP/1 about this visitor.
    pub async fn sdp_event(&self, event: &str, data: Value) -> Result<Value> {
        let at_vendor = self.at_vendor().await?;
        let account = match self.vendor {
            Vendor::Jiaxin => "demo/demo",
            _ => "demo",
        };
        Ok(json!({
            "id": fresh_id(), "ts": "2026-01-01T00:00:00.000Z", "account": account,
            "visitor_id": at_vendor["id"], "session_id": at_vendor["session"], "event": event, "data": data,
        }))
    }

    /// Has the vendor push this body about this visitor; see [`Simulators::push`].
    pub async fn push(&self, event: &str, body: &Value) -> Result<Value> {
        let visitor = self.name_at_vendor().await?;
        self.simulators()
            .push(self.vendor, &visitor, event, body)
            .await
    }

    /// What the vendor pushed about this visitor, in order.
    pub async fn pushes(&self) -> Result<Vec<Value>> {
        let path = format!(
            "/control/pushes?visitor={}",
            escape(&self.name_at_vendor().await?)
        );
        let request = self.simulators().request(self.vendor, Method::GET, &path);
        entries(request.send().await?.expect(200)?.json()?)
    }

    /// Waits until the push that a fault of this kind hit is over.
    pub async fn spoilt_push(&self, kind: &str) -> Result<Value> {
        let hit = json!([kind]);
        wait::until(&format!("the push that {kind} hit"), async || {
            let pushes = self.pushes().await?.into_iter();
            let mut over = pushes.filter(|push| push["state"] != "waiting");
            Ok(over.find(|push| push["faults"] == hit))
        })
        .await
    }
}

fn fresh_id() -> String {
    fresh_secret()[..32].to_owned()
}
