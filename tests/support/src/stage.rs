//! Vendors and a gateway at once, and conversations on them.
//!
//! Owns the whole that most tests play on. A [`Stage`] can be shared by tests
//! that bring visitors of their own and change no setting of a vendor; it goes
//! when the last of them is over. The shared one has a desk for every vendor;
//! a stage of a test's own has those it names, because every provider makes
//! the gateway's start longer. What happens on it is in
//! [`chat`](crate::chat).

use std::sync::{Arc, Weak};

use anyhow::Result;
use tokio::sync::Mutex;

use crate::chat::Chat;
use crate::config::{Config, fresh_secret};
use crate::gateway::Gateway;
use crate::simulators::{Simulators, Vendor, start_all};
use crate::visitor::Visitor;

/// The vendors, and a gateway that serves each at a desk of its name.
pub struct Stage {
    /// All vendors, the ones without a desk included.
    pub simulators: Simulators,
    /// The gateway.
    pub gateway: Gateway,
}

impl Stage {
    /// Sets up a stage of the test's own with [`Vendor::USUAL`]. Visitors of
    /// 智齿 may rate at once.
    pub async fn start() -> Result<Self> {
        Self::with(|config| config).await
    }

    /// As [`Stage::start`]; `change` may add to the configuration.
    pub async fn with(change: impl FnOnce(Config) -> Config) -> Result<Self> {
        Self::of_with(&Vendor::USUAL, change).await
    }

    /// As [`Stage::start`], with a desk for each of these vendors.
    pub async fn of(vendors: &[Vendor]) -> Result<Self> {
        Self::of_with(vendors, |config| config).await
    }

    /// As [`Stage::of`]; `change` may add to the configuration.
    pub async fn of_with(
        vendors: &[Vendor],
        change: impl FnOnce(Config) -> Config,
    ) -> Result<Self> {
        let rates = vendors.contains(&Vendor::Zhichi);
        let (simulators, gateway) = start_all(vendors, |config| {
            change(if rates {
                config.with_provider(Vendor::Zhichi.name(), RATE_AT_ONCE)
            } else {
                config
            })
        })
        .await?;
        Ok(Self {
            simulators,
            gateway,
        })
    }

    /// The stage that other tests of this program play on, too, with every
    /// vendor: bring a fresh visitor, aim faults at that visitor, leave all
    /// settings alone.
    pub async fn shared() -> Result<Arc<Self>> {
        // Not kept by the program itself, which would end without ending it.
        static SHARED: Mutex<Weak<Stage>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(stage) = shared.upgrade() {
            return Ok(stage);
        }
        let stage = Arc::new(Self::of(&Vendor::ALL).await?);
        *shared = Arc::downgrade(&stage);
        Ok(stage)
    }

    /// A visitor whom nobody has seen before.
    pub fn visitor(&self) -> Visitor {
        // The digits before are the time, which two visitors may share.
        let unique = &fresh_secret()[12..32];
        self.gateway.visitor(&format!("v-{unique}"))
    }

    /// A fresh visitor's session at a vendor, its handshake done.
    pub async fn open(&self, vendor: Vendor) -> Result<Chat<'_>> {
        self.open_as(self.visitor(), vendor).await
    }

    /// As [`Stage::open`], with a visitor of the test's choice.
    pub async fn open_as(&self, visitor: Visitor, vendor: Vendor) -> Result<Chat<'_>> {
        Chat::open(&self.simulators, visitor, vendor, vendor.name()).await
    }

    /// As [`Stage::open`], with an agent there already.
    pub async fn open_with_agent(&self, vendor: Vendor) -> Result<Chat<'_>> {
        let chat = self.open(vendor).await?;
        chat.reach_agent().await?;
        Ok(chat)
    }
}

/// The vendor's adapter would otherwise wait a minute before it asks.
const RATE_AT_ONCE: &str = "settings.evaluation_after_seconds = 0";
