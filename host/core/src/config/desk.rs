//! Checked settings of apps and desks: who may open sessions, where, and
//! which providers serve them.
//!
//! Owns the types. Deliberately decides nothing: the choice of a provider is
//! `routing`. Invariant: every desk belongs to an app that exists, and every
//! group a route translates is a group of its desk. A route may name a provider
//! that is not there yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kefu_plugin_api::{
    Secret,
    ids::{AppId, DeskId, ProviderId},
};

use crate::routing::{Calendar, VersionRule};

/// `[apps.<key>]`: a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The app key: `iss` of visitor tokens, `App-Key` of server calls.
    pub key: AppId,
    /// The secrets that verify; never empty. The first one signs.
    pub secrets: Vec<Secret>,
    /// Pages that may call the visitor API from a browser.
    pub origins: Origins,
    /// How long a token that the gateway mints stays valid.
    pub token_ttl: Duration,
    /// Channels (渠道) that are counted by their names.
    pub channels: Vec<String>,
    /// Where the app's own server hears every message; absent when it does not.
    pub routing: Option<AppRouting>,
}

impl App {
    /// The secret to sign with.
    pub fn signing_secret(&self) -> &Secret {
        self.secrets.first().expect("a checked app has a secret")
    }
}

/// Which web origins may call the visitor API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any page (`"*"`); tokens, not cookies, authenticate.
    Any,
    /// These, as `scheme://host[:port]` in lower case. Empty: none.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether a page of this origin (the `Origin` header as sent) may call.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        }
    }
}

/// `routing` of an app: the push of its messages to its own server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRouting {
    /// Where each message is posted.
    pub url: String,
    /// What the posts are signed with, the one in force first; never empty. More
    /// than one during a rotation.
    pub secrets: Vec<Secret>,
    /// The form of a post.
    pub format: PushFormat,
    /// The waits between tries; one more try than waits, then it is given up.
    pub waits: Vec<Duration>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Posts that are under way at the same time.
    pub concurrency: u32,
}

/// The form in which an app server gets messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFormat {
    /// JSON events signed by Standard Webhooks.
    StandardWebhooks,
    /// RongCloud's message routing: form fields, signature in the query.
    RongCloud,
}

/// `[desks.<id>]`: a service entrance of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Desk {
    /// What an app opens a session at.
    pub id: DeskId,
    /// The tenant it belongs to.
    pub app: AppId,
    /// What visitors see; the id when nothing else is said.
    pub title: String,
    /// Groups a visitor may ask for, by names of the desk's own.
    pub groups: Vec<Group>,
    /// Who serves it, in order; never empty.
    pub routes: Vec<Route>,
    /// Whether a session that waits and has reached nobody is opened at the
    /// next provider when its own cannot serve.
    pub reopen_waiting: bool,
}

/// A group of a desk, stable while vendors change behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What an app names it by.
    pub id: String,
    /// What visitors see; the id when nothing else is said.
    pub name: String,
}

/// One way from a desk to a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Who serves.
    pub provider: ProviderId,
    /// Which visitors it is for; without conditions, all.
    pub when: When,
    /// Its share of them; absent: all that is left.
    pub weight: Option<Weight>,
    /// The vendor's group for visitors who ask for none.
    pub group: Option<String>,
    /// The desk's group ids in the vendor's words.
    pub groups: BTreeMap<String, String>,
    /// Whose adapter also sees the sessions that open by this route, with
    /// nothing sent, kept or shown.
    pub shadow: Option<ProviderId>,
    /// Whose humans take over from the robot of this provider; absent: its own.
    pub handover: Option<Handover>,
}

/// `handover` of a route: the robot of one provider, the humans of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Who takes over; another than the route's own provider.
    pub to: ProviderId,
    /// The vendor's group there for visitors who ask for none.
    pub group: Option<String>,
    /// The desk's group ids in that vendor's words.
    pub groups: BTreeMap<String, String>,
}

/// Conditions of a route; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// On the app's version.
    pub app_version: Option<VersionRule>,
    /// One of these platforms, upper and lower case alike. Empty: any.
    pub platform: Vec<String>,
    /// One of these channels, exactly. Empty: any.
    pub channel: Vec<String>,
    /// One of these of the desk's groups is asked for. Empty: any, or none.
    pub group: Vec<String>,
    /// One of these visitors, by the app's ids. Empty: any.
    pub visitors: BTreeSet<String>,
    /// Fields of the visitor's profile, each with the values that will do.
    pub profile: BTreeMap<String, Vec<String>>,
    /// Within the hours of this calendar.
    pub during: Option<Arc<Calendar>>,
    /// Outside the hours of this calendar.
    pub outside: Option<Arc<Calendar>>,
}

impl When {
    /// Whether it holds for everybody.
    pub fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// A share of visitors, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// Nobody; such a route serves only when others cannot.
    pub const ZERO: Self = Self(0);

    /// From whole percent; more than 100 counts as 100.
    pub const fn percent(percent: u32) -> Self {
        Self(if percent > 100 { 10_000 } else { percent * 100 })
    }

    /// From hundredths of a percent; more than 10,000 counts as 10,000.
    pub const fn hundredths(hundredths: u32) -> Self {
        Self(if hundredths > 10_000 {
            10_000
        } else {
            hundredths
        })
    }

    /// How many of the 10,000 buckets it takes.
    pub const fn buckets(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}
