//! One account at each vendor: what both sides of it must know.
//!
//! Owns the secrets, which are new for every start, the simulators' command
//! line, and the provider files. Invariant: no two vendors share a secret, so
//! that what one of them signed proves nothing for another.

use crate::config::fresh_secret;
use crate::vendor::Vendor;

/// The secrets of all accounts.
pub(super) struct Accounts {
    /// The last part of 智齿's callback address.
    pub(super) push: String,
    zhichi: String,
    jiaxin: String,
    xiaoneng: String,
    aikefu: String,
    qiyu: String,
    sdp: String,
}

impl Accounts {
    /// New ones.
    pub(super) fn fresh() -> Self {
        // Hex digits are base64 digits, so a webhook secret is well-formed.
        let webhook = || format!("whsec_{}", fresh_secret());
        Self {
            push: fresh_secret(),
            zhichi: fresh_secret(),
            jiaxin: webhook(),
            xiaoneng: webhook(),
            aikefu: fresh_secret(),
            qiyu: fresh_secret(),
            sdp: webhook(),
        }
    }

    /// What a vendor and the gateway sign with.
    pub(super) fn secret(&self, vendor: Vendor) -> &str {
        match vendor {
            Vendor::Zhichi => &self.zhichi,
            Vendor::Jiaxin => &self.jiaxin,
            Vendor::Xiaoneng => &self.xiaoneng,
            Vendor::Aikefu => &self.aikefu,
            Vendor::Qiyu => &self.qiyu,
            Vendor::Sdp => &self.sdp,
        }
    }

    /// How the simulators learn of the accounts.
    pub(super) fn flags(&self) -> [&str; 26] {
        [
            "--zhichi-app-id",
            NAME,
            "--zhichi-app-key",
            &self.zhichi,
            "--jiaxin-secret",
            &self.jiaxin,
            "--jiaxin-org",
            NAME,
            "--jiaxin-app",
            NAME,
            "--xiaoneng-secret",
            &self.xiaoneng,
            "--xiaoneng-site",
            NAME,
            "--aikefu-account-id",
            NAME,
            "--aikefu-app-key",
            NAME,
            "--aikefu-app-secret",
            &self.aikefu,
            "--qiyu-app-key",
            NAME,
            "--qiyu-app-secret",
            &self.qiyu,
            "--sdp-secret",
            &self.sdp,
        ]
    }

    /// The provider's file of a vendor at this address.
    pub(super) fn provider_file(&self, vendor: Vendor, url: &str) -> String {
        let secret = self.secret(vendor);
        let settings = match vendor {
            Vendor::Zhichi => format!(
                "base_url = \"{url}\"\napp_id = \"{NAME}\"\napp_key = \"{secret}\"\npush_secret = \"{}\"",
                self.push
            ),
            Vendor::Jiaxin => format!(
                "base_url = \"{url}\"\nsecret = \"{secret}\"\norg = \"{NAME}\"\napp = \"{NAME}\"\nchannel = \"10001\""
            ),
            Vendor::Xiaoneng => format!(
                "base_url = \"{url}\"\nsecret = \"{secret}\"\nsite_id = \"{NAME}\"\nsession_id = \"service\""
            ),
            Vendor::Aikefu => format!(
                "receive_url = \"{url}/receive\"\naccount_id = \"{NAME}\"\napp_key = \"{NAME}\"\napp_secret = \"{secret}\""
            ),
            // As often as it may be: waiting visitors are found by asking.
            Vendor::Qiyu => format!(
                "base_url = \"{url}/openapi\"\napp_key = \"{NAME}\"\napp_secret = \"{secret}\"\nqueue_poll_seconds = 5"
            ),
            Vendor::Sdp => {
                format!("base_url = \"{url}\"\nsecret = \"{secret}\"\naccount = \"{NAME}\"")
            }
        };
        let host = url.trim_start_matches("http://");
        format!(
            "plugin = \"{}\"\nhosts = [\"{host}\"]\n[settings]\n{settings}\n",
            vendor.plugin()
        )
    }
}

/// Tenant, application and account, whatever a vendor calls it; the
/// simulators of SDP/1 are called so by default.
pub(super) const NAME: &str = "demo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_file_is_toml_with_a_secret_of_its_own() {
        let accounts = Accounts::fresh();
        let secrets: std::collections::BTreeSet<&str> = Vendor::ALL
            .iter()
            .map(|&vendor| accounts.secret(vendor))
            .collect();
        assert_eq!(secrets.len(), Vendor::ALL.len());
        for vendor in Vendor::ALL {
            let text = accounts.provider_file(vendor, "http://127.0.0.1:1");
            let file: toml::Table = text.parse().expect("TOML");
            assert_eq!(file["plugin"].as_str(), Some(vendor.plugin()));
            assert!(text.contains(accounts.secret(vendor)), "{text}");
        }
    }
}
