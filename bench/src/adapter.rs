//! The adapter that is measured, and a call of it.
//!
//! Owns what "realistic" means here: the chaos plug-in as a good adapter, which
//! answers a visitor's line of 300 bytes with two effects (delivered, and the
//! robot's answer of the same length) and its state. Builds differ by the id
//! that is stamped into them, so that each has a hash of its own.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use kefu_core::config::{NoLookup, Plugins, Provider, Rollback, Trust, check_provider};
use kefu_gateway::plugin::Registry;
use kefu_gateway::plugin::child::Nursery;
use kefu_plugin_api::prelude::{Content, Event, Message, SessionState};
use kefu_plugin_api::session::SessionView;
use kefu_plugin_api::wire::HandleInput;
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::variants;
use tempfile::TempDir;

/// Where the code of an adapter runs.
pub(crate) const ISOLATIONS: [&str; 2] = ["in-process", "process"];

/// The file of the provider.
pub(crate) const FILE: &str = "libkefu_measured.so";

/// Far more than a good adapter needs.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// As many calls as the gateway lets into a child at once.
const CALLERS: usize = 4;

/// A registry with folders of its own.
pub(crate) struct Place {
    dir: TempDir,
    /// What is measured.
    pub(crate) registry: Registry,
}

impl Place {
    /// With nothing in service.
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::tempdir().context("making a folder")?;
        let plugins = Plugins {
            dir: dir.path().to_owned(),
            copies: dir.path().join("copies"),
            trust: Trust::Any,
            stage_timeout: Duration::from_secs(30),
            rollback: Rollback {
                sessions: 0,
                within: Duration::from_secs(60),
            },
        };
        // Children are the program that is measured, as in production.
        let nursery = Nursery::of(&plugins::built()?.gateway).context("starting a thread")?;
        let registry = Registry::new(&plugins, CALL_TIMEOUT).with_children(nursery, CALLERS);
        Ok(Self { dir, registry })
    }

    /// Puts this build where the provider's file says.
    pub(crate) fn put(&self, id: u64) -> Result<()> {
        let path = self.dir.path().join(FILE);
        fs::write(&path, build(id)?).with_context(|| format!("writing {}", path.display()))
    }
}

/// The adapter with this id in it.
pub(crate) fn build(id: u64) -> Result<Vec<u8>> {
    variants::stamp(&plugins::bytes(CHAOS)?, &id.to_string())
}

/// The declaration of the provider.
pub(crate) fn declaration(isolation: &str) -> String {
    format!("plugin = \"{FILE}\"\nisolation = \"{isolation}\"\nmax_copies = 10000\n")
}

/// The same as a checked value.
pub(crate) fn provider(isolation: &str) -> Result<Provider> {
    let text = format!("id = \"measured\"\n{}", declaration(isolation));
    match check_provider("measured.toml", &text, &NoLookup) {
        Ok(checked) => Ok(checked.settings),
        Err(errors) => anyhow::bail!("the provider's file is refused: {errors:?}"),
    }
}

/// A visitor's line of 300 bytes.
pub(crate) fn line() -> HandleInput {
    HandleInput {
        event: Event::FromVisitor {
            message: Message {
                id: "01a20890-79c1-76eb-97c6-2397e63bb951".into(),
                content: Content::text(
                    "退货多久到账"
                        .repeat(17)
                        .chars()
                        .take(100)
                        .collect::<String>(),
                ),
                converted_from: None,
            },
        },
        session: SessionView {
            id: "01a20890-79c1-76eb-97c6-2397e63bb950".into(),
            standing: SessionState::Robot,
            ..SessionView::default()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}
