//! Minds providers that cannot serve, for those who wait there.
//!
//! Owns which providers count as failing, and the look at routes whose
//! `handover` cannot work. Deliberately moves no session: the engine does.
//! Invariant: a provider that an operator paused is not failing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::{config::Config, routing::Availability};
use kefu_plugin_api::{descriptor::Descriptor, ids::ProviderId};
use tokio::time::Instant;

use crate::{
    plugin::Registry,
    route::Router,
    session::{Engine, Failing},
};

/// What is looked at.
pub(super) struct Watch {
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) registry: Arc<Registry>,
    pub(super) router: Arc<Router>,
    pub(super) engine: Engine,
}

/// Looks every second, for ever.
pub(super) async fn mind(watch: Watch) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut failing, mut doubted) = (Failing::default(), BTreeSet::new());
    loop {
        every.tick().await;
        doubted = watch.warn_of_doubts(&doubted);
        if !watch.engine.reopens_waiting() {
            continue;
        }
        let reasons = watch.failing();
        let providers = reasons.keys().cloned().collect();
        for provider in failing.due(providers, Instant::now()) {
            let why = reasons.get(&provider).copied().unwrap_or_default();
            watch.engine.reopen_waiting(&provider, why).await;
        }
    }
}

impl Watch {
    /// Providers of desks that cannot serve, and why.
    fn failing(&self) -> BTreeMap<ProviderId, &'static str> {
        let config = self.config.load();
        let routes = config.main.desks.values().flat_map(|desk| &desk.routes);
        let named = routes.flat_map(|route| {
            let takes_over = route.handover.as_ref().map(|handover| &handover.to);
            std::iter::once(&route.provider).chain(takes_over)
        });
        let all: BTreeSet<_> = named.chain(config.providers.keys()).cloned().collect();
        all.into_iter()
            .chain(self.registry.draining().into_iter().map(|(id, _)| id))
            .filter_map(|provider| self.fails(&provider).map(|why| (provider, why)))
            .collect()
    }

    fn fails(&self, provider: &ProviderId) -> Option<&'static str> {
        match self.router.availability(provider) {
            Availability::Ready | Availability::Paused => None,
            Availability::Waiting => Some("it is not in service"),
            Availability::Quarantined => Some("its adapter is quarantined"),
            Availability::Failed => Some("its adapter does not run"),
            Availability::Failing => Some("its vendor fails"),
            Availability::Mute => Some("its vendor does not answer"),
            Availability::Draining => Some("it is taken out"),
        }
    }

    /// Says what is doubtful now and was not before.
    fn warn_of_doubts(&self, before: &BTreeSet<String>) -> BTreeSet<String> {
        let config = self.config.load();
        let descriptor = |provider: &ProviderId| {
            let generation = self.registry.current(provider)?;
            Some(Arc::clone(generation.descriptor()))
        };
        let doubts = doubts(&config, &descriptor);
        for doubt in doubts.difference(before) {
            tracing::warn!("{doubt}");
        }
        doubts
    }
}

/// What cannot work about handovers, by what the adapters in service declare.
fn doubts(
    config: &Config,
    descriptor: &dyn Fn(&ProviderId) -> Option<Arc<Descriptor>>,
) -> BTreeSet<String> {
    let mut doubts = BTreeSet::new();
    for (id, desk) in &config.main.desks {
        for (index, route) in desk.routes.iter().enumerate() {
            let Some(handover) = &route.handover else {
                continue;
            };
            let key = format!("desks.{id}.routes[{index}].handover");
            let (from, to) = (&route.provider, &handover.to);
            if descriptor(from).is_some_and(|it| it.capabilities.robot.is_empty()) {
                doubts.insert(format!(
                    "{key}: `{from}` declares no robot, so every visitor goes on to `{to}` at once; route to `{to}` instead"
                ));
            }
            if descriptor(to).is_some_and(|it| it.capabilities.human.is_empty()) {
                doubts.insert(format!(
                    "{key}.to = \"{to}\": declares no humans who could take over; name a provider that has some"
                ));
            }
        }
    }
    doubts
}

const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, assemble, check_main};
    use kefu_plugin_api::{
        capability::{Capabilities, Level},
        message::ContentKind,
    };

    use super::*;

    #[test]
    fn a_handover_without_a_robot_or_without_humans_is_doubted() {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secret = "12345678"
            [desks.support]
            app = "demo"
            [[desks.support.routes]]
            provider = "robots"
            handover = { to = "humans" }
            weight = 10
            [[desks.support.routes]]
            provider = "humans"
            handover = { to = "robots" }
            weight = 10
            [[desks.support.routes]]
            provider = "absent"
            handover = { to = "gone" }
        "#;
        let main = check_main("kefu.toml", text, &NoLookup).expect("it is valid");
        let (config, _) = assemble(main, vec![]);
        let declares = |provider: &ProviderId| {
            let text = ContentKind::Text;
            let capabilities = match provider.as_str() {
                "robots" => Capabilities::default().robot(text, Level::Full),
                "humans" => Capabilities::default().human(text, Level::Full),
                _ => return None,
            };
            let descriptor = Descriptor::new("d", "1.0.0").with_capabilities(capabilities);
            Some(Arc::new(descriptor))
        };
        let doubts: Vec<_> = doubts(&config, &declares).into_iter().collect();
        assert_eq!(doubts.len(), 2, "{doubts:?}");
        assert!(doubts[0].starts_with("desks.support.routes[1].handover.to = \"robots\""));
        assert!(doubts[1].starts_with("desks.support.routes[1].handover: `humans`"));
    }
}
