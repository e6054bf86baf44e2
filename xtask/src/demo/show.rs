//! What the demo tells: `demo.json` for programs, a page of text for people.

use super::setup::{APP, SHARED, Secrets, desks};
use super::vendors::{Vendor, Vendors};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Where everything is.
pub(crate) struct Addresses {
    /// The public listener.
    pub(crate) gateway: String,
    /// The operators' listener.
    pub(crate) admin: String,
    pub(crate) vendors: Vendors,
    pub(crate) secrets: Secrets,
}

impl Addresses {
    /// From the gateway's ready line and what is known already.
    pub(crate) fn new(ready: &Value, vendors: Vendors, secrets: Secrets) -> Result<Self> {
        let url = |key: &str| {
            let url = ready[key].as_str().map(str::to_owned);
            url.with_context(|| format!("the gateway's ready line has no {key}: {ready}"))
        };
        Ok(Self {
            gateway: url("public")?,
            admin: url("admin")?,
            vendors,
            secrets,
        })
    }

    /// The chat page.
    pub(crate) fn page(&self) -> String {
        format!("{}/", self.vendors.app)
    }

    /// Writes `demo.json` in one step, so that whoever waits for it reads all of it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let fresh = path.with_extension("new");
        let text = serde_json::to_string_pretty(&self.json()).context("printing demo.json")?;
        fs::write(&fresh, text + "\n")
            .and_then(|()| fs::rename(&fresh, path))
            .with_context(|| format!("writing {}", path.display()))
    }

    fn json(&self) -> Value {
        json!({
            "gateway": self.gateway,
            "admin": self.admin,
            "admin_token": self.secrets.admin,
            "page": self.page(),
            "apps": { APP: { "key": APP, "secret": self.secrets.app } },
            "desks": desks(),
            "simulators": self.vendors.json(),
            // The demo's own process: ending it ends all of it.
            "pid": std::process::id(),
        })
    }

    /// The page of text.
    pub(crate) fn describe(&self, dir: &Path) -> String {
        let Self {
            gateway,
            admin,
            vendors,
            secrets,
        } = self;
        let page = self.page();
        let rows: String = Vendor::ALL
            .iter()
            .map(|&vendor| {
                let (name, desk) = (vendor.name(), vendors.url(vendor));
                format!(
                    "  {name:<9} {page}?desk={name:<9} {desk}/desk   {}\n",
                    vendor.title()
                )
            })
            .collect();
        format!(
            r#"
The demo is running. 演示已启动。

  Chat page         访客聊天页        {page}
    half of the visitors at 智齿, half at 佳信   一半访客在智齿，一半在佳信
  Visitor API       访客接口          {gateway}/openapi.json
  Admin API         管理接口          {admin}/admin/v1/providers
    its token       管理令牌          {token}
  Console           控制台            {admin}/console/
    log in with that token   用上面的令牌登录
  Files and logs    文件与日志        {dir}

  Each vendor alone: chat page, agent desk   各平台：聊天页、坐席工作台
{rows}
Ask for a human on the chat page, accept on the agent desk. 爱客服 has neither robot nor queue: the first message brings an agent.
在聊天页输入“人工”转人工，在坐席工作台接入。爱客服没有机器人与排队，发出第一条消息即有坐席接待。

By hand, as an app does it 用命令行体验：

  TOKEN=$(curl -s '{page}token?visitor=alice' | sed 's/.*"token":"\([^"]*\)".*/\1/')
  curl -s {gateway}/v1/sessions -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"desk":"{SHARED}"}}'
  curl -s {admin}/admin/v1/providers -H 'Authorization: Bearer {token}'

Ctrl-C stops everything. 按 Ctrl-C 全部停止。
"#,
            token = secrets.admin,
            dir = dir.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_json_has_exactly_the_keys_that_programs_rely_on() -> Result<()> {
        let mut ready = json!({ "event": "ready", "app": "http://a" });
        for vendor in Vendor::ALL {
            ready[vendor.name()] = format!("http://{}", vendor.name()).into();
        }
        let gateway = json!({ "event": "ready", "public": "http://g", "admin": "http://m" });
        let addresses = Addresses::new(&gateway, Vendors::from_ready(&ready)?, Secrets::fresh()?)?;
        let json = addresses.json();
        let keys: Vec<&str> = json
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        let expected = [
            "admin",
            "admin_token",
            "apps",
            "desks",
            "gateway",
            "page",
            "pid",
            "simulators",
        ];
        assert_eq!(keys, expected);
        assert_eq!(json["apps"]["demo"]["key"], "demo");
        for vendor in Vendor::ALL {
            let url = format!("http://{}", vendor.name());
            assert_eq!(json["simulators"][vendor.name()], url);
            assert!(
                addresses
                    .describe(Path::new("demo"))
                    .contains(&format!("{url}/desk"))
            );
        }
        assert_eq!(json["desks"][0], "support");
        Ok(())
    }
}
