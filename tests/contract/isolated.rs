//! A plug-in file brought up as a provider, in this process or in a child.
//!
//! Owns a folder and a registry with the real program for children. For tests
//! that ask the same of both isolations and start from bytes.

use std::{fs, sync::Arc, time::Duration};

use kefu_core::config::{Isolation, NoLookup, Plugins, Rollback, Settings, Trust, check_provider};
use kefu_gateway::plugin::{Availability, BringUpError, Generation, Registry, child::Nursery};
use kefu_plugin_api::{
    prelude::{Content, Event, Message, SessionState},
    session::SessionView,
    wire::HandleInput,
};
use kefu_test_support::plugins;
use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry with a folder of its own.
pub(crate) struct Place {
    dir: TempDir,
    registry: Registry,
}

impl Place {
    /// Nothing in it yet.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let settings = Plugins {
            dir: dir.path().to_owned(),
            copies: dir.path().join("copies"),
            trust: Trust::Any,
            stage_timeout: PATIENCE,
            rollback: Rollback {
                sessions: 3,
                within: PATIENCE,
            },
        };
        let program = &plugins::built().expect("the gateway is built").gateway;
        let nursery = Nursery::of(program).expect("a thread can be started");
        let registry = Registry::new(&settings, PATIENCE).with_children(nursery, 2);
        Self { dir, registry }
    }

    /// Puts the file where the provider says and runs the whole pipeline.
    pub(crate) fn bring_up(
        &self,
        plugin: &[u8],
        isolation: Isolation,
        settings: &Value,
    ) -> Result<Arc<Generation>, BringUpError> {
        fs::write(self.dir.path().join("plugin.so"), plugin).expect("a file can be written");
        let text = format!(
            "id = \"vendor\"\nplugin = \"plugin.so\"\nhosts = [\"vendor.example\"]\nisolation = \"{}\"",
            isolation.as_str()
        );
        let checked = check_provider("config/providers/vendor.toml", &text, &NoLookup);
        let mut provider = checked.expect("the provider's file is valid").settings;
        provider.settings = Settings::new(settings.clone());
        let brought_up = self.registry.bring_up(provider)?;
        Ok(brought_up.generation)
    }

    /// Whether the provider serves.
    pub(crate) fn availability(&self) -> Option<Availability> {
        self.registry.availability(&"vendor".into())
    }
}

/// A visitor's line in a session with a robot.
pub(crate) fn says(text: &str) -> HandleInput {
    HandleInput {
        event: Event::FromVisitor {
            message: Message {
                id: "message-1".into(),
                content: Content::text(text),
                converted_from: None,
            },
        },
        session: SessionView {
            id: "session-1".into(),
            standing: SessionState::Robot,
            ..SessionView::default()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}
