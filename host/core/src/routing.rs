//! Desk and visitor → provider.
//!
//! Owns the choice that is made once, when a session opens: which routes are
//! for this visitor, which one the visitor's bucket falls into, and who is next
//! when that provider cannot serve. Deliberately knows no sessions: one that is
//! open stays where it opened. Invariant: a pure function; the same visitor at
//! the same desk with the same routes, the same stages of migrations in force
//! and the same availability is answered the same, on every node and after
//! every restart.

mod calendar;
mod conditions;
mod split;
mod version;

use std::collections::BTreeMap;

use kefu_plugin_api::{
    event::Visitor,
    ids::{AppId, DeskId, ProviderId},
    time::Timestamp,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::{Desk, Route, Weight};

pub use calendar::{Calendar, DAYS, Hours};
pub use split::{By, Split, share_of};
pub use version::VersionRule;

/// How many buckets visitors are sorted into: hundredths of a percent.
pub const BUCKETS: u32 = 10_000;

/// What is known of a visitor who opens a session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RouteRequest<'a> {
    /// The visitor, as the app names its user.
    pub visitor: &'a str,
    /// The platform the app says it runs on.
    pub platform: Option<&'a str>,
    /// The app's version.
    pub app_version: Option<&'a str>,
    /// The channel the app was installed from, or whatever it calls so.
    pub channel: Option<&'a str>,
    /// The group asked for, by the desk's name for it.
    pub group: Option<&'a str>,
    /// What the app tells of its user.
    pub profile: Option<&'a Visitor>,
    /// When.
    pub at: Timestamp,
}

/// Whether a provider takes new sessions at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It does.
    Ready,
    /// Its file or its plug-in is not there yet.
    Waiting,
    /// An operator paused it.
    Paused,
    /// Its adapter failed too often.
    Quarantined,
    /// Its adapter does not run.
    Failed,
    /// Its vendor cannot be reached, or refuses nearly everything.
    Failing,
    /// Its vendor takes what is said and does not answer it.
    Mute,
    /// It is being taken out.
    Draining,
}

impl Availability {
    /// Whether it is asked where nobody is ready: whatever is wrong is at the
    /// vendor, where it may be over at any moment, and asking finds out.
    pub const fn is_worth_asking(self) -> bool {
        matches!(self, Self::Failing | Self::Mute)
    }
}

/// Who serves, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Where the visitor falls, from 0 to 9,999.
    pub bucket: u32,
    /// The first of `order` that is ready; where nobody is, the first that is
    /// [worth asking](Availability::is_worth_asking); `None` when there is
    /// none.
    pub chosen: Option<Choice>,
    /// Every route for this visitor in the order in which they are tried, the
    /// available ones and the others. When a vendor refuses the session that
    /// `chosen` began, the next one follows it here.
    pub order: Vec<Choice>,
    /// The explanation, in the order of thought.
    pub steps: Vec<Step>,
}

impl Decision {
    /// The provider that a migration gives this visitor to and that is passed
    /// over because it is out of order; not because somebody holds it back.
    pub fn not_moved_to(&self) -> Option<&ProviderId> {
        let first = self.order.first().filter(|it| it.migration.is_some())?;
        let is_its = |step: &&Step| match step {
            Step::PassedOver {
                provider,
                availability,
                ..
            } => {
                let held_back = matches!(
                    availability,
                    Availability::Waiting | Availability::Paused | Availability::Draining
                );
                *provider == first.provider && !held_back
            }
            _ => false,
        };
        self.steps.iter().find(is_its).map(|_| &first.provider)
    }
}

/// A provider, by way of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Who serves.
    pub provider: ProviderId,
    /// The route's place in the desk's list, from 0.
    pub route_index: usize,
    /// The vendor's group; `None` leaves it to the provider's default.
    pub group: Option<String>,
    /// The migration that gives the route's visitor to this provider; `None`
    /// where it is the route's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A condition does not hold, so the route is not for this visitor.
    NotFor {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
        /// The key of the condition.
        condition: &'static str,
        /// Why it does not hold.
        reason: String,
    },
    /// The route is for this visitor and takes the buckets `from..to`.
    Share {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
        /// The first bucket it takes.
        from: u32,
        /// The first bucket it no longer takes.
        to: u32,
        /// Whether the visitor's bucket is among them.
        hit: bool,
    },
    /// The shares leave the visitor's bucket out; this route takes it.
    Rest {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
    },
    /// A stage of a migration is in force for the route that it is.
    Split {
        /// The migration.
        migration: String,
        /// The stage in force, from 1.
        stage: usize,
        /// The route's place, from 0.
        route: usize,
        /// Where the route leads.
        provider: ProviderId,
        /// Where the migration leads.
        new_provider: ProviderId,
        /// The first bucket of the route's share that stays with it.
        cut: u32,
        /// What gives the visitor to the new provider; absent: the visitor
        /// stays with the old one.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<By>,
    },
    /// The provider whose turn it was takes no sessions.
    PassedOver {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
        /// Why it takes none.
        availability: Availability,
    },
    /// This one it is.
    Chosen {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
    },
    /// Nobody is ready: the first whose vendor is all that is wrong is asked
    /// nevertheless.
    LastResort {
        /// The route's place, from 0.
        route: usize,
        /// Where it leads.
        provider: ProviderId,
    },
    /// No provider serves this visitor now.
    Nobody,
}

/// Decides which provider a new session of this visitor opens with, by the
/// desk's routes alone.
pub fn choose(
    desk: &Desk,
    request: &RouteRequest<'_>,
    available: &dyn Fn(&ProviderId) -> Availability,
) -> Decision {
    choose_among(desk, &[], request, available)
}

/// Decides which provider a new session of this visitor opens with, by the
/// desk's routes and the stages of migrations that are in force; those of other
/// desks do not matter.
pub fn choose_among(
    desk: &Desk,
    splits: &[Split],
    request: &RouteRequest<'_>,
    available: &dyn Fn(&ProviderId) -> Availability,
) -> Decision {
    let bucket = bucket(&desk.app, &desk.id, request.visitor);
    let mut steps = Vec::new();
    let matching = matching_routes(desk, request, &mut steps);
    let turn = first_by_share(&matching, bucket, &mut steps);
    let mut order: Vec<Choice> = failover_order(&matching, turn.place)
        .into_iter()
        .map(|(route_index, route)| Choice {
            provider: route.provider.clone(),
            route_index,
            group: vendor_group(route, request.group),
            migration: None,
        })
        .collect();
    if let Some(moved) = split::of(desk, splits, &order, &turn, (bucket, request), &mut steps) {
        // It was just asked, or could not be.
        order.retain(|choice| choice.provider != moved.provider);
        order.insert(0, moved);
    }
    let chosen = first_available(&order, available, &mut steps);
    Decision {
        bucket,
        chosen,
        order,
        steps,
    }
}

/// The first of the order that takes sessions; for want of one the first whose
/// vendor is all that is wrong.
fn first_available(
    order: &[Choice],
    available: &dyn Fn(&ProviderId) -> Availability,
    steps: &mut Vec<Step>,
) -> Option<Choice> {
    let mut last_resort = None;
    for choice in order {
        let (route, provider) = (choice.route_index, choice.provider.clone());
        let availability = available(&provider);
        if last_resort.is_none() && availability.is_worth_asking() {
            last_resort = Some(choice);
        }
        match availability {
            Availability::Ready => {
                steps.push(Step::Chosen { route, provider });
                return Some(choice.clone());
            }
            availability => steps.push(Step::PassedOver {
                route,
                provider,
                availability,
            }),
        }
    }
    let Some(choice) = last_resort else {
        steps.push(Step::Nobody);
        return None;
    };
    steps.push(Step::LastResort {
        route: choice.route_index,
        provider: choice.provider.clone(),
    });
    Some(choice.clone())
}

/// Where a visitor falls at a desk, from 0 to 9,999: the first eight bytes of
/// SHA-256 over app, desk and visitor, taken as one big-endian number.
pub fn bucket(app: &AppId, desk: &DeskId, visitor: &str) -> u32 {
    let digest = Sha256::new()
        .chain_update(app.as_str())
        .chain_update([0])
        .chain_update(desk.as_str())
        .chain_update([0])
        .chain_update(visitor)
        .finalize();
    let start: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
    u32::try_from(u64::from_be_bytes(start) % u64::from(BUCKETS))
        .expect("a remainder of 10,000 fits")
}

/// The vendor's group for a session that takes this route: the one asked for,
/// in the vendor's words; else the route's; else `None`, the provider's own
/// default. A name that the route does not translate is the vendor's already.
pub fn vendor_group(route: &Route, requested: Option<&str>) -> Option<String> {
    in_vendors_words(&route.groups, route.group.as_ref(), requested)
}

fn in_vendors_words(
    groups: &BTreeMap<String, String>,
    default: Option<&String>,
    requested: Option<&str>,
) -> Option<String> {
    match requested {
        Some(name) => Some(groups.get(name).map_or(name, String::as_str).to_owned()),
        None => default.cloned(),
    }
}

/// The routes whose conditions hold, with their places.
fn matching_routes<'a>(
    desk: &'a Desk,
    request: &RouteRequest<'_>,
    steps: &mut Vec<Step>,
) -> Vec<(usize, &'a Route)> {
    let mut matching = Vec::with_capacity(desk.routes.len());
    for (index, route) in desk.routes.iter().enumerate() {
        match conditions::check(&route.when, request) {
            Ok(()) => matching.push((index, route)),
            Err((condition, reason)) => {
                let provider = route.provider.clone();
                steps.push(Step::NotFor {
                    route: index,
                    provider,
                    condition,
                    reason,
                });
            }
        }
    }
    matching
}

/// Whose turn it is, before anybody is found not to be available.
struct Turn {
    /// The route's place among those that are for this visitor.
    place: usize,
    /// The first bucket that falls to it.
    from: u32,
    /// The first bucket that no longer does.
    to: u32,
}

/// The route that the bucket falls to.
fn first_by_share(matching: &[(usize, &Route)], bucket: u32, steps: &mut Vec<Step>) -> Turn {
    let mut from = 0;
    let mut first = None;
    let mut last = None;
    for (place, (index, route)) in matching.iter().enumerate() {
        let to = route
            .weight
            .map_or(BUCKETS, |weight| (from + weight.buckets()).min(BUCKETS));
        let hit = (from..to).contains(&bucket);
        steps.push(Step::Share {
            route: *index,
            provider: route.provider.clone(),
            from,
            to,
            hit,
        });
        if route.weight != Some(Weight::ZERO) {
            let to = BUCKETS;
            last = Some(Turn { place, from, to });
        }
        if hit {
            first = Some(Turn { place, from, to });
        }
        from = to;
    }
    // Shares that do not add up: the last route that has one takes the rest, so
    // that raising any weight still moves nobody towards the end.
    let rest = last.filter(|_| from < BUCKETS);
    match (first, rest) {
        (Some(first), Some(rest)) if first.place == rest.place => rest,
        (Some(first), _) => first,
        (None, Some(rest)) => {
            let (index, route) = matching[rest.place];
            steps.push(Step::Rest {
                route: index,
                provider: route.provider.clone(),
            });
            rest
        }
        // Nobody has a share, so everybody is the first one's.
        (None, None) => Turn {
            place: 0,
            from: 0,
            to: BUCKETS,
        },
    }
}

/// The chosen route, those after it in order, then those before it.
fn failover_order<'a>(matching: &[(usize, &'a Route)], first: usize) -> Vec<(usize, &'a Route)> {
    let (before, from_first) = matching.split_at(first);
    from_first.iter().chain(before).copied().collect()
}
