//! Whether a running gateway serves the new provider.
//!
//! Owns the looking, through the admin API. Deliberately fails nothing: a
//! gateway that is not running is no mistake. Invariant: it ends.

use std::{
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::Config;
use serde::Serialize;
use serde_json::Value;

use crate::cli::operate::{Client, address};

/// A gateway that answers, as it was before the files were written.
pub(super) struct Watch {
    client: Client,
    id: String,
    generation: Option<u64>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "gateway", rename_all = "snake_case")]
pub(super) enum Seen {
    /// It serves.
    Live {
        /// How long after the file was in place.
        after_ms: u64,
    },
    /// It was refused there, though not here.
    Refused {
        /// Why.
        reason: String,
    },
    /// It is not there yet.
    NotYet,
    /// No gateway answers.
    NotRunning,
}

impl Watch {
    /// Looks whether a gateway of this configuration is running.
    pub(super) fn begin(config: &Config, id: &str) -> Option<Self> {
        let admin = &config.main.admin;
        let client = Client::new(&address(admin).ok()?, admin.token.clone()).ok()?;
        let mut watch = Self {
            client,
            id: id.to_owned(),
            generation: None,
        };
        let entry = watch.entry()?;
        watch.generation = entry["generation"].as_u64();
        Some(watch)
    }

    /// Waits until it serves, for a while.
    pub(super) fn until_live(&self) -> Seen {
        let begun = Instant::now();
        let mut reason = None;
        while begun.elapsed() < PATIENCE {
            let entry = self.entry().unwrap_or_default();
            let fresh = entry["generation"].as_u64() > self.generation;
            match entry["state"].as_str() {
                Some("active") if fresh => {
                    let after_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Seen::Live { after_ms };
                }
                Some("failed") => reason = entry["reason"].as_str().map(str::to_owned),
                _ => {}
            }
            thread::sleep(LOOK_AGAIN);
        }
        reason.map_or(Seen::NotYet, |reason| Seen::Refused { reason })
    }

    /// The provider as the gateway lists it; null where it does not; none
    /// where there is no gateway.
    fn entry(&self) -> Option<Value> {
        let answer = self.client.get("/admin/v1/providers").ok()?;
        let list = answer["providers"].as_array()?;
        let found = list.iter().find(|entry| entry["id"] == self.id.as_str());
        Some(found.cloned().unwrap_or_default())
    }
}

/// Longer than a reload may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
