//! The vendors of the demo: their names, their accounts, where they are.
//!
//! Owns what both sides of each account must know, how the simulators are told,
//! and the provider files. Invariant: every vendor has a provider, a desk and a
//! callback address of its own name.

use super::setup::random_hex;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A vendor of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vendor {
    Zhichi,
    Jiaxin,
    Xiaoneng,
    Aikefu,
    Qiyu,
    Sdp,
}

impl Vendor {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] = [
        Self::Zhichi,
        Self::Jiaxin,
        Self::Xiaoneng,
        Self::Aikefu,
        Self::Qiyu,
        Self::Sdp,
    ];

    /// Its provider, its desk, its key in `demo.json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zhichi => "zhichi",
            Self::Jiaxin => "jiaxin",
            Self::Xiaoneng => "xiaoneng",
            Self::Aikefu => "aikefu",
            Self::Qiyu => "qiyu",
            Self::Sdp => "sdp",
        }
    }

    /// What visitors and operators call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Zhichi => "智齿",
            Self::Jiaxin => "佳信",
            Self::Xiaoneng => "小能",
            Self::Aikefu => "爱客服",
            Self::Qiyu => "网易七鱼",
            Self::Sdp => "标准协议 SDP/1",
        }
    }
}

/// The secrets that a vendor and the gateway share.
pub(crate) struct Accounts {
    keys: BTreeMap<Vendor, String>,
    push: String,
}

impl Accounts {
    /// New ones.
    pub(crate) fn fresh() -> Result<Self> {
        let mut keys = BTreeMap::new();
        for vendor in Vendor::ALL {
            let random = random_hex()?;
            let key = match vendor {
                // Hex digits are base64 digits.
                Vendor::Jiaxin | Vendor::Xiaoneng | Vendor::Sdp => format!("whsec_{random}"),
                Vendor::Zhichi | Vendor::Aikefu | Vendor::Qiyu => random,
            };
            keys.insert(vendor, key);
        }
        let push = random_hex()?;
        Ok(Self { keys, push })
    }

    fn key(&self, vendor: Vendor) -> &str {
        // Every vendor was given one.
        self.keys.get(&vendor).map_or("", String::as_str)
    }

    /// How the simulators are told.
    pub(crate) fn flags(&self) -> Vec<&str> {
        let mut flags = vec!["--zhichi-app-id", ACCOUNT, "--jiaxin-org", ACCOUNT];
        flags.extend(["--jiaxin-app", ACCOUNT, "--xiaoneng-site", ACCOUNT]);
        flags.extend([
            "--aikefu-account-id",
            ACCOUNT,
            "--aikefu-app-key",
            ACCOUNT,
            "--qiyu-app-key",
            ACCOUNT,
            "--sdp-account",
            ACCOUNT,
        ]);
        for (flag, vendor) in [
            ("--zhichi-app-key", Vendor::Zhichi),
            ("--jiaxin-secret", Vendor::Jiaxin),
            ("--xiaoneng-secret", Vendor::Xiaoneng),
            ("--aikefu-app-secret", Vendor::Aikefu),
            ("--qiyu-app-secret", Vendor::Qiyu),
            ("--sdp-secret", Vendor::Sdp),
        ] {
            flags.extend([flag, self.key(vendor)]);
        }
        flags
    }

    /// Where a vendor calls back, below `/v1/callbacks/`.
    pub(crate) fn callback(&self, vendor: Vendor) -> String {
        match vendor {
            Vendor::Zhichi => format!("zhichi/{}", self.push),
            vendor => vendor.name().to_owned(),
        }
    }

    /// The provider's file of a vendor at this address.
    pub(crate) fn provider_file(&self, vendor: Vendor, url: &str) -> String {
        let (name, key, push) = (vendor.name(), self.key(vendor), &self.push);
        let settings = match vendor {
            Vendor::Zhichi => format!(
                "base_url = \"{url}\"\napp_id = \"{ACCOUNT}\"\napp_key = \"{key}\"\npush_secret = \"{push}\""
            ),
            Vendor::Jiaxin => format!(
                "base_url = \"{url}\"\nsecret = \"{key}\"\norg = \"{ACCOUNT}\"\napp = \"{ACCOUNT}\"\ngroup = \"service\"\nchannel = \"10001\""
            ),
            Vendor::Xiaoneng => format!(
                "base_url = \"{url}\"\nsecret = \"{key}\"\nsite_id = \"{ACCOUNT}\"\nsession_id = \"service\""
            ),
            Vendor::Aikefu => format!(
                "receive_url = \"{url}/receive\"\naccount_id = \"{ACCOUNT}\"\napp_key = \"{ACCOUNT}\"\napp_secret = \"{key}\""
            ),
            Vendor::Qiyu => format!(
                "base_url = \"{url}/openapi\"\napp_key = \"{ACCOUNT}\"\napp_secret = \"{key}\"\nqueue_poll_seconds = 5"
            ),
            Vendor::Sdp => {
                format!("base_url = \"{url}\"\nsecret = \"{key}\"\naccount = \"{ACCOUNT}\"")
            }
        };
        let host = url.trim_start_matches("http://");
        format!(
            "id = \"{name}\"\nplugin = \"libkefu_{name}.so\"\nhosts = [\"{host}\"]\n\n[settings]\n{settings}\n"
        )
    }
}

/// Where the simulators are.
pub(crate) struct Vendors {
    urls: BTreeMap<Vendor, String>,
    /// The demo application, which serves the chat page.
    pub(crate) app: String,
}

impl Vendors {
    /// From the simulators' ready line.
    pub(crate) fn from_ready(ready: &Value) -> Result<Self> {
        let url = |key: &str| {
            let url = ready[key].as_str().map(str::to_owned);
            url.with_context(|| format!("the simulators' ready line has no {key}: {ready}"))
        };
        let mut urls = BTreeMap::new();
        for vendor in Vendor::ALL {
            urls.insert(vendor, url(vendor.name())?);
        }
        let app = url("app")?;
        Ok(Self { urls, app })
    }

    /// Where a vendor is.
    pub(crate) fn url(&self, vendor: Vendor) -> &str {
        // Every vendor was in the ready line.
        self.urls.get(&vendor).map_or("", String::as_str)
    }

    /// By their names, as `demo.json` has them.
    pub(crate) fn json(&self) -> Value {
        let urls = self.urls.iter();
        let named = urls.map(|(vendor, url)| (vendor.name().to_owned(), url.as_str().into()));
        Value::Object(named.collect::<Map<_, _>>())
    }
}

/// Tenant, application and account, whatever a vendor calls it.
const ACCOUNT: &str = "demo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_has_a_file_of_its_own_and_is_told_its_secret() -> Result<()> {
        let accounts = Accounts::fresh()?;
        let flags = accounts.flags();
        for vendor in Vendor::ALL {
            let text = accounts.provider_file(vendor, "http://127.0.0.1:1");
            let file: toml::Table = text.parse().with_context(|| text.clone())?;
            assert_eq!(file["id"].as_str(), Some(vendor.name()));
            assert!(text.contains(accounts.key(vendor)), "{text}");
            assert!(flags.contains(&accounts.key(vendor)), "{vendor:?}");
        }
        let shipped: Vec<String> = Vendor::ALL
            .map(|vendor| format!("libkefu_{}.so", vendor.name()))
            .into();
        let files: Vec<&str> = crate::products::vendor_files().collect();
        assert_eq!(files, shipped);
        Ok(())
    }
}
