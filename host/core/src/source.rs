//! Where visitors come from, as it is counted: the app's platform and channel.
//!
//! Owns which of an app's words become a source of their own. Deliberately
//! counts nothing. Invariant: the sources of an app are as many as its
//! configuration names, and a few more: what a visitor's client says can never
//! make a new one.

use kefu_plugin_api::{event::Client, ids::AppId};

use crate::config::{Config, When};

/// A platform and a channel (渠道).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// One of [`PLATFORMS`] or of those that the app's routes ask for; else
    /// [`OTHER`], or [`NONE`] if the app did not say.
    pub platform: String,
    /// One of those that the app or its routes name; else [`OTHER`], or
    /// [`NONE`] if the app did not say.
    pub channel: String,
}

/// Platforms that are known without being configured.
pub const PLATFORMS: [&str; 8] = [
    "android",
    "h5",
    "harmony",
    "ios",
    "macos",
    "miniprogram",
    "web",
    "windows",
];
/// What the app said is not known.
pub const OTHER: &str = "other";
/// The app said nothing.
pub const NONE: &str = "none";

impl Source {
    /// The source that a client of this app counts to.
    pub fn of(config: &Config, app: &AppId, client: &Client) -> Self {
        let routes = || {
            let desks = config.main.desks.values().filter(|desk| desk.app == *app);
            desks.flat_map(|desk| &desk.routes).map(|route| &route.when)
        };
        let named = |list: fn(&When) -> &[String], same: fn(&str, &str) -> bool, said: &str| {
            let mut names = routes().flat_map(list);
            names.find(|name| same(name, said)).cloned()
        };
        let platform = said(client.platform.as_deref(), |said| {
            let lower = said.to_ascii_lowercase();
            named(|when| &when.platform, str::eq_ignore_ascii_case, said)
                .map(|name| name.to_ascii_lowercase())
                .or_else(|| PLATFORMS.contains(&lower.as_str()).then_some(lower))
        });
        let listed = || config.main.apps.get(app).map(|app| &app.channels);
        let channel = said(client.channel.as_deref(), |said| {
            let mut listed = listed().into_iter().flatten();
            let of_app = listed.find(|name| *name == said).cloned();
            of_app.or_else(|| named(|when| &when.channel, str::eq, said))
        });
        Self { platform, channel }
    }
}

fn said(said: Option<&str>, known: impl Fn(&str) -> Option<String>) -> String {
    match said.map(str::trim) {
        None | Some("") => NONE.to_owned(),
        Some(said) => known(said).unwrap_or_else(|| OTHER.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NoLookup, assemble, check_main};

    #[test]
    fn only_what_is_known_or_configured_is_a_source_of_its_own() {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secret = "12345678"
            channels = ["10001", "wechat"]
            [apps.other]
            secret = "12345678"
            [desks.support]
            app = "demo"
            [[desks.support.routes]]
            provider = "a"
            when = { platform = "TV", channel = "market" }
        "#;
        let main = check_main("kefu.toml", text, &NoLookup).unwrap();
        let (config, _) = assemble(main, vec![]);
        let source = |app: &str, platform: Option<&str>, channel: Option<&str>| {
            let client = Client {
                platform: platform.map(str::to_owned),
                app_version: None,
                channel: channel.map(str::to_owned),
            };
            let Source { platform, channel } = Source::of(&config, &app.into(), &client);
            (platform, channel)
        };
        for ((app, platform, channel), expected) in [
            (("demo", Some("iOS"), Some("10001")), ("ios", "10001")),
            (("demo", Some("tv"), Some("market")), ("tv", "market")),
            (("demo", Some(" web "), Some(" wechat ")), ("web", "wechat")),
            (("demo", Some("a-1"), Some("Wechat")), ("other", "other")),
            (("demo", None, None), ("none", "none")),
            (("demo", Some(""), Some(" ")), ("none", "none")),
            (("other", Some("tv"), Some("10001")), ("other", "other")),
            (("gone", Some("web"), Some("10001")), ("web", "other")),
        ] {
            let (platform, channel) = source(app, platform, channel);
            assert_eq!((&*platform, &*channel), expected);
        }
    }
}
