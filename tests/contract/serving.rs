//! Which generation serves a provider, with real plug-in files.
//!
//! Owns the life of a slot: waiting, active, failed, paused, quarantined, and
//! what operators are told about it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use kefu_core::config::{NoLookup, Plugins, Provider, Rollback, Trust, check_provider};
use kefu_gateway::plugin::{
    Availability, BringUpError, CallClock, FaultKind, Generation, Guarded, ProviderStatus,
    Registry, Stage, StoredState, StoredStates, Tolerance, Unfit, image,
};
use kefu_plugin_api::{
    prelude::*,
    session::SessionView,
    wire::{self, HandleInput, HandleOutput},
};
use kefu_test_support::{
    plugins::{self, CHAOS, MINIMAL},
    variants,
};
use tempfile::TempDir;

mod replacing;

/// A registry with a folder of its own.
pub(crate) struct Place {
    dir: TempDir,
    registry: Registry,
}

/// One with chaos in service.
pub(crate) fn chaos_registry() -> Place {
    let place = Place::new(Trust::Any);
    place.put(CHAOS);
    place.bring_up("").expect("chaos comes up");
    place
}

impl Place {
    fn new(trust: Trust) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let copies = dir.path().join("copies");
        let tolerance = Tolerance {
            sessions: 3,
            within: Duration::from_secs(3_600),
            rest: Duration::from_secs(3_600),
        };
        let plugins = Plugins {
            dir: dir.path().to_owned(),
            copies,
            trust,
            stage_timeout: Duration::from_secs(30),
            rollback: Rollback {
                sessions: 2,
                within: Duration::from_secs(3_600),
            },
        };
        let registry = Registry::new(&plugins, Duration::from_secs(30)).with_tolerance(tolerance);
        Self { dir, registry }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("plugin.so")
    }

    /// Puts a plug-in where the provider's file says.
    fn put(&self, name: &str) {
        let from = plugins::file(name).expect("the plug-in is built");
        fs::copy(from, self.file()).expect("a file can be copied");
    }

    fn bring_up(&self, more: &str) -> Result<Arc<Generation>, BringUpError> {
        let brought_up = self.registry.bring_up(provider(more))?;
        Ok(brought_up.generation)
    }

    fn status(&self) -> ProviderStatus {
        let mut all = self.registry.describe_all();
        assert_eq!(all.len(), 1, "one provider is declared");
        all.remove(0)
    }

    fn availability(&self) -> Availability {
        let availability = self.registry.availability(&"vendor".into());
        availability.expect("the provider is declared")
    }

    pub(crate) fn guarded(&self) -> Guarded {
        let guarded = self.registry.guarded(&"vendor".into());
        guarded.expect("the provider serves")
    }

    fn current(&self) -> Arc<Generation> {
        let current = self.registry.current(&"vendor".into());
        current.expect("a generation serves")
    }

    fn say(&self, session: &str, text: &str) -> Result<HandleOutput, FaultKind> {
        let turn = says(session, text);
        let output = self.guarded().handle(&CallClock::new(), &turn);
        output.map_err(|fault| fault.kind)
    }
}

fn provider(more: &str) -> Provider {
    let text = format!("id = \"vendor\"\nplugin = \"plugin.so\"\n{more}");
    let checked = check_provider("config/providers/vendor.toml", &text, &NoLookup);
    checked.expect("the provider's file is valid").settings
}

fn says(session: &str, text: &str) -> HandleInput {
    HandleInput {
        event: Event::FromVisitor {
            message: Message {
                id: "message-1".into(),
                content: Content::text(text),
                converted_from: None,
            },
        },
        session: SessionView {
            id: session.into(),
            standing: SessionState::Robot,
            ..SessionView::default()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}

#[test]
fn a_provider_waits_for_its_file_and_then_comes_up() {
    let place = Place::new(Trust::Any);
    let error = place.bring_up("").expect_err("nothing is there");
    assert!(error.is_waiting(), "{error}");
    assert!(matches!(place.availability(), Availability::Waiting { .. }));
    assert!(place.registry.guarded(&"vendor".into()).is_err());
    place.put(CHAOS);
    assert_eq!(place.bring_up("").expect("it comes up").number(), 1);
    assert_eq!(place.availability(), Availability::Active);
}

#[test]
fn a_provider_that_never_came_up_says_why() {
    let place = Place::new(Trust::Any);
    fs::write(place.file(), "not a library").expect("written");
    place.bring_up("").expect_err("text is no plug-in");
    let Availability::Failed { reason } = place.availability() else {
        panic!("{:?}", place.availability())
    };
    assert!(
        reason.contains("plugin.so") && reason.contains("ELF"),
        "{reason}"
    );
}

#[test]
fn a_drained_provider_takes_turns_and_no_sessions_until_it_is_back() {
    let place = chaos_registry();
    let vendor: ProviderId = "vendor".into();
    let until = Instant::now() + Duration::from_secs(60);
    place.registry.retire(&vendor, until);
    place
        .registry
        .retire(&vendor, until + Duration::from_secs(60));
    assert_eq!(place.registry.draining(), [(vendor.clone(), until)]);
    assert!(!place.availability().takes_sessions() && place.availability().sends());
    place.say("a", "hello").expect("turns are still taken");
    place.bring_up("").expect("it is back");
    assert_eq!(place.availability(), Availability::Active);
    assert!(place.registry.draining().is_empty());
}

#[test]
fn only_so_many_versions_are_mapped_into_the_gateway() {
    let place = Place::new(Trust::Any);
    place.put(CHAOS);
    place.bring_up("max_copies = 1").expect("it is the first");
    place
        .bring_up("max_copies = 1\n[settings]\nkey = \"new\"")
        .expect("it is the same file");
    let bytes = fs::read(place.file()).expect("readable");
    let second = variants::stamp(&bytes, "mapped by no other test").expect("it has a build id");
    fs::write(place.file(), second).expect("written");
    let error = place.bring_up("max_copies = 1");
    let error = error.expect_err("it would be the second").to_string();
    assert!(
        error.contains("max_copies") && error.contains("process"),
        "{error}"
    );
    place.say("a", "hello").expect("the first still serves");
}

#[test]
fn copies_that_nothing_can_go_back_to_are_removed() {
    let place = chaos_registry();
    let copies = place.dir.path().join("copies");
    fs::write(copies.join(format!("{}.so", "0".repeat(64))), b"old").expect("written");
    place.registry.sweep_copies();
    let left: Vec<_> = fs::read_dir(&copies).expect("a folder").collect();
    assert_eq!(left.len(), 1);
    place.say("a", "hello").expect("it serves");
}

#[test]
fn faults_of_several_sessions_quarantine_the_provider_until_it_is_replaced() {
    let place = chaos_registry();
    for session in ["a", "a", "a", "b", "c"] {
        assert_eq!(place.availability(), Availability::Active);
        assert_eq!(place.say(session, "panic"), Err(FaultKind::Panic));
    }
    let Availability::Quarantined { reason } = place.availability() else {
        panic!("{:?}", place.availability())
    };
    assert!(reason.contains("asked to panic"), "{reason}");
    assert!(!place.availability().takes_sessions());
    assert!(place.registry.guarded(&"vendor".into()).is_err());
    place.bring_up("").expect("it comes up");
    place.say("a", "hello").expect("it serves");
}

#[test]
fn callbacks_that_panic_never_quarantine_a_provider() {
    let place = chaos_registry();
    let mut callback = kefu_plugin_api::testing::json_callback("", &serde_json::json!({}));
    callback.headers.push(("x-key".into(), "chaos".into()));
    callback.body = b"panic".to_vec();
    for _ in 0..20 {
        let fault = place.guarded().receive(&CallClock::new(), &callback);
        assert_eq!(fault.expect_err("it panics").kind, FaultKind::Panic);
    }
    assert_eq!(place.availability(), Availability::Active);
}

#[test]
fn a_paused_provider_takes_turns_and_no_sessions() {
    let place = chaos_registry();
    let slot = place.registry.slot(&"vendor".into()).expect("declared");
    slot.set_paused(true);
    assert_eq!(place.availability(), Availability::Paused);
    assert!(!place.availability().takes_sessions() && !place.availability().sends());
    place.say("a", "hello").expect("turns are still taken");
    slot.set_paused(false);
    assert_eq!(place.availability(), Availability::Active);
}

#[test]
fn only_listed_files_are_trusted_where_they_must_be_listed() {
    let place = Place::new(Trust::Listed);
    place.put(CHAOS);
    let error = place.bring_up("").expect_err("it is not listed");
    assert!(matches!(error, BringUpError::Untrusted { .. }), "{error}");
    let found = error.to_string();
    let hash = found
        .rsplit(' ')
        .next()
        .expect("the text ends with the hash");
    place
        .bring_up(&format!("sha256 = [\"{hash}\"]"))
        .expect("it is listed now");
}

#[test]
fn operators_see_what_serves_and_how_it_has_been_doing() {
    let place = chaos_registry();
    place.say("a", "hello").expect("it serves");
    place.say("a", "panic").expect_err("it panics");
    let status = serde_json::to_value(place.registry.describe_all()).expect("JSON");
    let status = &status[0];
    for (key, expected) in [
        ("id", "vendor"),
        ("state", "active"),
        ("adapter", "chaos"),
        ("version", "0.1.0"),
        ("contract", "1.0"),
        ("plugin", "plugin.so"),
        ("isolation", "in-process"),
    ] {
        assert_eq!(status[key], expected, "{key}");
    }
    assert_eq!(status["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(
        (
            &status["generation"],
            &status["calls"],
            &status["in_flight"],
            &status["faults"]
        ),
        (&1.into(), &2.into(), &0.into(), &1.into())
    );
    assert_eq!(status["faults_by_kind"]["panic"], 1);
    assert_eq!(
        status["last_error"]["text"],
        "the adapter panicked: asked to panic"
    );
}

#[test]
fn a_removed_provider_is_gone_and_its_calls_finish() {
    let place = chaos_registry();
    let guarded = place.guarded();
    assert!(place.registry.remove(&"vendor".into()).is_some());
    assert_eq!(place.registry.availability(&"vendor".into()), None);
    assert!(place.registry.describe_all().is_empty());
    guarded
        .handle(&CallClock::new(), &says("a", "hello"))
        .expect("it serves");
}
