//! A provider as delivery sees it: its settings, its tokens, and the hosts it
//! may reach.
//!
//! Owns how a setting is found by its name and what the list of hosts allows.
//! Deliberately resolves no names; [`http`](super::http) does. Invariant:
//! an error text names settings and hosts, never a value.

use std::{borrow::Cow, sync::Arc};

use http::Uri;
use kefu_core::config::{AllowedHost, Provider};
use kefu_plugin_api::{
    descriptor::{Descriptor, HostSource, TokenSpec},
    ids::ProviderId,
};
use serde_json::Value;

use super::{Accounts, Standing};
use crate::plugin::{Availability, Registry};

/// A provider that serves: its configuration and its adapter's description.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its configuration.
    pub provider: Arc<Provider>,
    /// Who its adapter is.
    pub descriptor: Arc<Descriptor>,
}

impl Account {
    pub(super) fn id(&self) -> &ProviderId {
        &self.provider.id
    }

    /// The setting of this name; dots lead into tables. Where the operator
    /// wrote none it is what the adapter's schema gives as default.
    pub(super) fn setting(&self, path: &str) -> Option<&Value> {
        let written = path
            .split('.')
            .try_fold(self.provider.settings.expose(), |value, key| value.get(key));
        written.or_else(|| {
            let schema = self.descriptor.settings.as_value();
            let described = path
                .split('.')
                .try_fold(schema, |schema, key| schema.get("properties")?.get(key));
            described?.get("default")
        })
    }

    /// The text of a setting, or the first text of a list.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn text(&self, path: &str) -> Result<Cow<'_, str>, String> {
        let value = self.setting(path);
        let value = match value {
            Some(Value::Array(list)) => list.first(),
            value => value,
        };
        match value {
            Some(Value::String(text)) if !text.is_empty() => Ok(Cow::Borrowed(text)),
            Some(Value::Number(number)) => Ok(Cow::Owned(number.to_string())),
            _ => Err(format!(
                "setting `{path}` of provider `{}` is named by a request and holds no text",
                self.id()
            )),
        }
    }

    /// The token of this name as the adapter describes it.
    pub(crate) fn token(&self, name: &str) -> Option<&TokenSpec> {
        self.descriptor.tokens.iter().find(|spec| spec.name == name)
    }

    /// Checks that a request may go there.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_target(&self, uri: &Uri) -> Result<(), String> {
        let port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return Err("expected a URL with the scheme http or https".to_owned()),
        };
        let authority = uri.authority().ok_or("expected a URL that names a host")?;
        if authority.as_str().contains('@') {
            return Err("expected a URL without user and password".to_owned());
        }
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(port));
        if self.allows(host, port) {
            return Ok(());
        }
        Err(format!(
            "{host}:{port} is not among the hosts that provider `{}` may reach; add it to `hosts` if it should be",
            self.id()
        ))
    }

    /// Checks that media may be fetched there: at the provider's own hosts, or
    /// at one of those that are listed for media.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_media_target(&self, uri: &Uri) -> Result<(), String> {
        let Err(reason) = self.check_target(uri) else {
            return Ok(());
        };
        let default_port = if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let plain = uri.authority().filter(|one| !one.as_str().contains('@'));
        let listed = plain.is_some_and(|authority| {
            let mut hosts = self.provider.media.hosts.iter();
            hosts.any(|allowed| allowed.allows(authority.host(), port))
        });
        if is_web && listed {
            return Ok(());
        }
        Err(reason)
    }

    fn allows(&self, host: &str, port: u16) -> bool {
        if !self.provider.hosts.is_empty() {
            let mut hosts = self.provider.hosts.iter();
            return hosts.any(|allowed| allowed.allows(host, port));
        }
        self.descriptor.hosts.iter().any(|source| match source {
            HostSource::Fixed { host: fixed } => {
                AllowedHost::parse(fixed).is_some_and(|allowed| allowed.allows(host, port))
            }
            HostSource::Setting { setting } => self.setting_allows(setting, host, port),
        })
    }

    fn setting_allows(&self, setting: &str, host: &str, port: u16) -> bool {
        let Some(Ok(uri)) = self
            .setting(setting)
            .and_then(Value::as_str)
            .map(str::parse::<Uri>)
        else {
            return false;
        };
        let default_port = if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        };
        uri.host()
            .and_then(AllowedHost::parse)
            .is_some_and(|allowed| allowed.allows(host, port))
            && uri.port_u16().unwrap_or(default_port) == port
    }
}

impl Accounts for Registry {
    fn earlier(&self, provider: &ProviderId) -> Vec<Account> {
        let retained = self.slot(provider).map(|slot| slot.retained());
        retained
            .into_iter()
            .flatten()
            .map(|kept| Account {
                provider: kept.provider,
                descriptor: Arc::clone(kept.about.descriptor()),
            })
            .collect()
    }

    fn config(&self, provider: &ProviderId) -> Option<Arc<Provider>> {
        Some(self.slot(provider)?.provider())
    }

    fn standing(&self, provider: &ProviderId) -> Standing {
        let absent = |reason: String| Standing::Absent {
            reason: format!("provider `{provider}`: {reason}"),
        };
        let Some(slot) = self.slot(provider) else {
            return absent("it is not configured any more".to_owned());
        };
        match (slot.availability(), slot.current()) {
            (Availability::Paused, _) => Standing::Held,
            (standing, Some(generation)) if standing.sends() => Standing::Serves(Account {
                provider: slot.provider(),
                descriptor: Arc::clone(generation.descriptor()),
            }),
            (standing, _) => absent(why_not(standing)),
        }
    }
}

fn why_not(standing: Availability) -> String {
    match standing {
        Availability::Active | Availability::Draining { .. } => {
            "its plug-in is not loaded".to_owned()
        }
        Availability::Paused => "an operator paused it".to_owned(),
        Availability::Waiting { reason }
        | Availability::Failed { reason }
        | Availability::Quarantined { reason }
        | Availability::Stuck { reason } => reason,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use kefu_core::config::{Isolation, OnUnknown, ProviderLimits, Settings};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_listed_hosts_are_reached() {
        let account = account(json!({}), &["api.example.com", "127.0.0.1:8080", "[::1]:9"]);
        for url in [
            "https://api.example.com/x",
            "http://API.example.com:81/",
            "http://127.0.0.1:8080/x?y",
            "http://[::1]:9/",
        ] {
            assert_eq!(check(&account, url), Ok(()), "{url}");
        }
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.1:8081/",
            "https://example.com/",
            "https://api.example.com.evil.com/",
            "http://169.254.169.254/latest",
            "ftp://api.example.com/",
            "https://user:pass@api.example.com/",
            "/api",
        ] {
            assert!(check(&account, url).is_err(), "{url}");
        }
    }

    #[test]
    fn without_a_list_the_descriptor_says_which_hosts_are_reached() {
        let mut account = account(json!({"base_url": "https://desk.example.com/kefu"}), &[]);
        let descriptor = Descriptor::new("x", "1.0.0").reaches_setting("base_url");
        account.descriptor = Arc::new(descriptor);
        assert_eq!(check(&account, "https://desk.example.com/else"), Ok(()));
        assert!(check(&account, "http://desk.example.com/").is_err());
        assert!(check(&account, "https://desk.example.com:8443/").is_err());
        assert!(check(&account, "https://other.example.com/").is_err());
    }

    #[test]
    fn a_setting_that_nobody_wrote_has_the_default_of_its_schema() {
        let mut account = account(json!({"api": {"key": "k"}}), &[]);
        let mut descriptor = Descriptor::new("x", "1.0.0").reaches_setting("base_url");
        descriptor.settings = json!({
            "properties": {"base_url": {"default": "https://www.example.com"}}
        })
        .try_into()
        .unwrap();
        account.descriptor = Arc::new(descriptor);
        assert_eq!(account.text("base_url").unwrap(), "https://www.example.com");
        assert_eq!(account.text("api.key").unwrap(), "k");
        assert_eq!(check(&account, "https://www.example.com/api"), Ok(()));
        for missing in ["api", "api.secret", "else", ""] {
            assert!(account.text(missing).is_err(), "{missing}");
        }
    }

    fn check(account: &Account, url: &str) -> Result<(), String> {
        account.check_target(&url.parse().unwrap())
    }

    pub(in super::super) fn account(settings: Value, hosts: &[&str]) -> Account {
        let provider = Provider {
            id: "p".into(),
            plugin: "libkefu_p.so".into(),
            isolation: Isolation::InProcess,
            hosts: hosts
                .iter()
                .map(|host| AllowedHost::parse(host).unwrap())
                .collect(),
            limits: ProviderLimits {
                requests_per_second: 0,
                concurrency: 64,
                timeout: Duration::from_secs(10),
                connect_timeout: Duration::from_secs(3),
                max_response: 1 << 20,
                deadline: Duration::from_secs(3600),
                memory: 256 << 20,
            },
            on_unknown: OnUnknown::Report,
            emoji: None,
            visitor_fields: None,
            media: kefu_core::config::InboundMedia::default(),
            max_idle: Duration::from_secs(3600),
            drain: Duration::from_secs(3600),
            max_copies: 8,
            health: kefu_core::config::HealthRules {
                connect_every: None,
            },
            canary: None,
            sha256: Vec::new(),
            settings: Settings::new(settings),
        };
        Account {
            provider: Arc::new(provider),
            descriptor: Arc::new(Descriptor::new("x", "1.0.0")),
        }
    }
}
