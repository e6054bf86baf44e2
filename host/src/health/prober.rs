//! Connections that are tried for their own sake.
//!
//! Owns when each vendor is tried: every `connect_every`, soon again after a
//! failure, and while it is known not to be reachable at least every
//! [`LONGEST_WHILE_DOWN`], also where `connect_every` is off. What is tried is
//! delivery's `reach`. Deliberately does nothing to a vendor whose provider does
//! not serve. Invariant: one try of each vendor is under way at most.
//!
//! A vendor may have several addresses. It counts as unreachable when none of
//! them takes connections, or one that did since this gateway started: an
//! address that never did may be one that this installation has no way to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::config::{CONNECT_AGAIN, Config};
use kefu_plugin_api::ids::ProviderId;
use tokio::{task::JoinSet, time::Instant};

use super::Health;
use crate::delivery::{
    Accounts, BreakerState, Delivery, Standing,
    reach::{Reached, reach},
};

/// What the prober works with.
pub(crate) struct Parts {
    pub(crate) health: Health,
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) delivery: Delivery,
}

/// What is remembered of one vendor.
struct Watched {
    next: Instant,
    under_way: bool,
    /// Addresses that took a connection.
    reached: BTreeSet<String>,
}

/// Tries all vendors, for ever.
pub(crate) async fn mind(parts: Parts) {
    let mut watched = BTreeMap::new();
    let mut tries: JoinSet<(ProviderId, Vec<Reached>)> = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => parts.begin(&mut watched, &mut tries),
            Some(tried) = tries.join_next() => if let Ok((provider, found)) = tried {
                parts.take_in(&mut watched, &provider, found);
            },
        }
    }
}

impl Parts {
    /// Begins every try whose time has come.
    fn begin(
        &self,
        watched: &mut BTreeMap<ProviderId, Watched>,
        tries: &mut JoinSet<(ProviderId, Vec<Reached>)>,
    ) {
        let config = self.config.load();
        let is_served = |provider: &ProviderId| config.providers.contains_key(provider);
        self.health.retain(is_served);
        watched.retain(|provider, _| is_served(provider));
        let now = Instant::now();
        for (id, provider) in &config.providers {
            let asked_for = provider.health.connect_every.is_some();
            if !asked_for && !self.health.is_down(id) {
                continue;
            }
            let one = watched.entry(id.clone()).or_insert_with(|| Watched {
                next: now,
                under_way: false,
                reached: BTreeSet::new(),
            });
            if one.under_way || now < one.next {
                continue;
            }
            let Standing::Serves(account) = self.accounts.standing(id) else {
                continue;
            };
            one.under_way = true;
            one.next = now + self.interval(id, provider.health.connect_every);
            let id = id.clone();
            tries.spawn(async move { (id, reach(&account).await) });
        }
    }

    fn interval(&self, provider: &ProviderId, every: Option<Duration>) -> Duration {
        let every = every.unwrap_or(LONGEST_WHILE_DOWN);
        match self.health.is_down(provider) {
            true => every.min(LONGEST_WHILE_DOWN),
            false => every,
        }
    }

    /// Tells what a try has found.
    fn take_in(
        &self,
        watched: &mut BTreeMap<ProviderId, Watched>,
        provider: &ProviderId,
        found: Vec<Reached>,
    ) {
        let Some(one) = watched.get_mut(provider) else {
            return;
        };
        one.under_way = false;
        if found.is_empty() {
            return self.without_addresses(provider);
        }
        let why = verdict(&mut one.reached, found);
        let Some(why) = why else {
            self.health.connected(provider);
            if self.delivery.status(provider).breaker != BreakerState::Closed {
                self.delivery.reached(provider);
            } else {
                // Its opening may have been told after its closing.
                self.health.breaker_closed(provider);
            }
            return;
        };
        if !self.health.is_down(provider) {
            one.next = Instant::now() + CONNECT_AGAIN;
        }
        self.health.not_connected(provider, &why);
    }

    /// Nobody can find out for a vendor without addresses: after a while a
    /// call may.
    fn without_addresses(&self, provider: &ProviderId) {
        // What was found of addresses that are no more counts no more.
        self.health.connected(provider);
        let open_for = self.health.breaker_open_for(provider);
        if open_for.is_some_and(|time| time >= WITHOUT_ADDRESSES) {
            self.delivery.reached(provider);
        }
    }
}

/// Why a vendor counts as unreachable, by what was found and which of its
/// addresses took connections before.
fn verdict(reached: &mut BTreeSet<String>, found: Vec<Reached>) -> Option<String> {
    let none = found.iter().all(|(_, result)| result.is_err());
    let mut why = None;
    for (url, result) in found {
        match result {
            Ok(()) => drop(reached.insert(url)),
            Err(reason) if none || reached.contains(&url) => {
                why.get_or_insert(reason);
            }
            Err(_) => {}
        }
    }
    why
}

/// How often it is looked whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a vendor that is down is tried at least.
const LONGEST_WHILE_DOWN: Duration = Duration::from_secs(2);
/// After which time a call may find out about a vendor without addresses.
const WITHOUT_ADDRESSES: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn up(url: &str) -> Reached {
        (url.to_owned(), Ok(()))
    }

    fn down(url: &str) -> Reached {
        (url.to_owned(), Err(format!("{url} refused")))
    }

    #[test]
    fn an_address_that_never_took_a_connection_says_nothing_beside_one_that_does() {
        let mut reached = BTreeSet::new();
        assert_eq!(verdict(&mut reached, vec![up("a"), down("b")]), None);
        let gone = verdict(&mut reached, vec![down("a"), down("b")]);
        assert_eq!(gone.as_deref(), Some("a refused"));
        assert_eq!(verdict(&mut reached, vec![up("a"), up("b")]), None);
        let half = verdict(&mut reached, vec![up("a"), down("b")]);
        assert_eq!(half.as_deref(), Some("b refused"));
    }

    #[test]
    fn a_vendor_that_was_never_there_is_down() {
        let why = verdict(&mut BTreeSet::new(), vec![down("a")]);
        assert_eq!(why.as_deref(), Some("a refused"));
    }
}
