//! Brings the providers up when the gateway starts.
//!
//! Owns what the plug-in runtime is made of in a real gateway: child
//! processes, numbers, stored states. Invariant: a provider that cannot be
//! brought up is listed with its reason and keeps no other waiting.

use std::{io, sync::Arc, thread, time::Duration};

use kefu_core::config::Config;
use kefu_plugin_api::ids::ProviderId;

use crate::{
    plugin::{
        Registry, StoredState, StoredStates,
        child::{ChildObserver, Death, Nursery},
    },
    store::Store,
    telemetry::Metrics,
};

/// The plug-in runtime by the configuration, with nothing in service.
///
/// # Errors
/// The thread that starts child processes cannot be started.
pub fn runtime(config: &Config) -> io::Result<Registry> {
    let limits = &config.main.limits;
    let registry = Registry::new(&config.main.plugins, limits.call_timeout);
    Ok(registry.with_children(Nursery::new()?, CALLS_IN_A_CHILD))
}

/// Brings every provider up, side by side: most of the time is spent in child
/// processes.
pub fn bring_up_all(registry: &Registry, config: &Config) {
    thread::scope(|scope| {
        for provider in config.providers.values() {
            scope.spawn(|| {
                let id = provider.id.clone();
                match registry.bring_up(provider.clone()) {
                    Ok(up) => {
                        let (about, generation) = (up.generation.about(), up.generation.number());
                        let (adapter, version) =
                            (&about.descriptor().id, &about.descriptor().version);
                        tracing::info!(provider = %id, adapter, version, sha256 = about.sha256(), generation, "provider brought up");
                    }
                    Err(error) => {
                        tracing::warn!(provider = %id, %error, "provider not brought up");
                    }
                }
            });
        }
    });
}

/// Calls that one child process takes at the same time; more wait.
const CALLS_IN_A_CHILD: usize = 4;

/// The store, as the plug-in runtime sees it.
pub(super) struct StatesIn(pub(super) Arc<dyn Store>);

impl StoredStates for StatesIn {
    fn sample(&self, provider: &ProviderId, most: usize) -> Result<Vec<StoredState>, String> {
        let states = self
            .0
            .states(provider, most)
            .map_err(|error| error.to_string())?;
        Ok(states
            .into_iter()
            .map(|stored| StoredState {
                version: stored.version,
                bytes: stored.state,
            })
            .collect())
    }
}

/// The numbers, as children see them.
pub(super) struct Counted(pub(super) Metrics);

impl ChildObserver for Counted {
    fn died(&self, provider: &ProviderId, death: &Death) {
        self.0.child_died(provider, death.how.as_str());
    }

    fn restarted(&self, _: &ProviderId, took: Duration) {
        self.0.child_restarted(took);
    }
}
