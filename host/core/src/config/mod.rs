//! Configuration: from the text of TOML files to settings that need no
//! further checking.
//!
//! Owns the shape of the files (`raw`), the checked settings (the types
//! re-exported here), every message about what is wrong and where, and the
//! difference between two configurations. Deliberately reads no file and no
//! environment: texts come in as arguments, `${VAR}` and `${file:…}` are looked
//! and tables of emoji are looked up through [`Lookup`].
//!
//! Invariant: a value of [`Main`], [`Provider`] or [`Config`] is valid as it
//! stands. A file is taken whole or not at all, and a bad provider file never
//! stops another. A bad table of emoji stops nobody: codes are shown as they
//! are, or as the table before had them.
//!
//! ```
//! use kefu_core::config::{assemble, check_main, NoLookup};
//!
//! let text = r#"
//!     [admin]
//!     token = "a-token-for-the-example"
//! "#;
//! let main = check_main("kefu.toml", text, &NoLookup).unwrap();
//! let (config, problems) = assemble(main, vec![]);
//! assert_eq!(config.main.server.listen.port(), 8080);
//! assert!(problems.is_empty());
//! ```

mod address;
mod assemble;
mod check;
mod desk;
mod diff;
mod error;
mod health;
mod interpolate;
mod locate;
mod media;
mod migration;
mod provider;
mod raw;
mod settings;
mod units;

use std::{collections::BTreeMap, sync::Arc};

use kefu_plugin_api::ids::{AppId, DeskId, ProviderId};

use crate::routing::Calendar;

pub use address::{AddressRange, AllowedHost};
pub use assemble::{CheckedFile, assemble};
pub use check::{check_emoji, check_main, check_provider};
pub use desk::{App, AppRouting, Desk, Group, Handover, Origins, PushFormat, Route, Weight, When};
pub use diff::{Changes, Difference, diff};
pub use error::{ConfigError, ConfigErrors, Severity};
pub use health::{CONNECT_AGAIN, CONNECT_WITHIN, Canary, Expect, HealthRules};
pub use interpolate::{Lookup, NoLookup};
pub use media::{Converter, Inbound, InboundMedia, Media, MediaKind, MediaRule, MediaStore, S3};
pub use migration::{Guards, Migration, OnBreach, Points, Stage};
pub use provider::{Emoji, Isolation, OnUnknown, Provider, ProviderLimits, Settings};
pub use settings::{
    Admin, Limits, Log, LogFormat, LogLevel, Plugins, Rollback, Server, ServerLimits, Store,
    StoreUrl, Trust,
};
pub use units::{format_duration, format_size, parse_duration, parse_size};

/// Everything the gateway runs by: the main file and the providers that were
/// fit to join it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the main file says.
    pub main: Main,
    /// The providers by their id; those whose file was wrong are absent.
    pub providers: BTreeMap<ProviderId, Provider>,
}

impl Config {
    /// The provider of this id.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.get(&ProviderId::new(id))
    }

    /// The app of this key.
    pub fn app(&self, key: &str) -> Option<&App> {
        self.main.apps.get(&AppId::new(key))
    }

    /// The desk of this id.
    pub fn desk(&self, id: &str) -> Option<&Desk> {
        self.main.desks.get(&DeskId::new(id))
    }

    /// Where a provider's canary goes, by its own word or as the first desk that
    /// leads to the provider.
    pub fn canary_desk(&self, provider: &Provider) -> Option<&Desk> {
        let canary = provider.canary.as_ref()?;
        match &canary.desk {
            Some(desk) => self.main.desks.get(desk),
            None => self
                .main
                .desks
                .values()
                .find(|desk| self.leads_to(desk, &provider.id)),
        }
    }

    fn leads_to(&self, desk: &Desk, provider: &ProviderId) -> bool {
        let migrations = &mut self.main.migrations.values();
        desk.routes.iter().any(|route| route.provider == *provider)
            || migrations.any(|one| one.desk == desk.id && one.to == *provider)
    }

    /// The migration of this name.
    pub fn migration(&self, name: &str) -> Option<&Migration> {
        self.main.migrations.get(name)
    }
}

/// The main file, checked: every section with its defaults filled in and its
/// relative paths joined to the folder of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Main {
    /// The public listener.
    pub server: Server,
    /// The operators' listener.
    pub admin: Admin,
    /// Where sessions are kept.
    pub store: Store,
    /// Where plug-ins come from.
    pub plugins: Plugins,
    /// What visitors may upload, and where it is kept.
    pub media: Media,
    /// Budgets of the running gateway.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: Log,
    /// Opening hours by their name.
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// The tenants by their key.
    pub apps: BTreeMap<AppId, App>,
    /// The service entrances by their id.
    pub desks: BTreeMap<DeskId, Desk>,
    /// The moves from one provider to another by their name.
    pub migrations: BTreeMap<String, Migration>,
}
