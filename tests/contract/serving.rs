//! Which generation serves a provider, with real plug-in files.
//!
//! Owns the life of a slot: waiting, active, failed, paused, quarantined, and
//! what operators are told about it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use kefu_core::config::{NoLookup, Provider, Trust, check_provider};
use kefu_gateway::plugin::{
    Availability, BringUpError, CallClock, FaultKind, Generation, Guarded, Registry, Tolerance,
};
use kefu_plugin_api::{
    prelude::*,
    session::SessionView,
    wire::{HandleInput, HandleOutput},
};
use kefu_test_support::plugins::{self, CHAOS, MINIMAL};
use tempfile::TempDir;

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
        let registry = Registry::new(dir.path(), copies, trust).with_tolerance(tolerance);
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
        self.registry.bring_up(provider(more))
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
fn a_failed_replacement_leaves_the_old_generation_in_service() {
    let place = chaos_registry();
    fs::write(place.file(), "half an upload").expect("written");
    place.bring_up("").expect_err("text is no plug-in");
    assert_eq!(place.availability(), Availability::Active);
    place.say("a", "hello").expect("it serves");
    place.put(CHAOS);
    let refused = "[settings]\non_open = \"refuse\"";
    place
        .bring_up(refused)
        .expect_err("the settings are refused");
    place.say("a", "hello").expect("it serves");
    let [status] = &place.registry.describe_all()[..] else {
        panic!("one provider")
    };
    let error = status.last_error.as_ref().expect("the reason is kept");
    assert!(error.text.contains("setting `on_open`"), "{}", error.text);
    assert_eq!(place.current().number(), 1);
}

#[test]
fn a_replacement_serves_new_calls_and_the_old_one_is_retained() {
    let place = chaos_registry();
    let old = place.guarded();
    place.put(MINIMAL);
    let settings = "[settings]\nsend_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";
    place.bring_up(settings).expect("it comes up");
    assert_eq!(place.current().descriptor().id, "minimal");
    assert!(place.current().number() > old.generation().number());
    // Whoever took the old one before may finish with it.
    old.handle(&CallClock::new(), &says("a", "hello"))
        .expect("it serves");
    let [status] = &place.registry.describe_all()[..] else {
        panic!("one provider")
    };
    assert_eq!(status.retained, [old.generation().number()]);
}

#[test]
fn only_a_few_old_generations_are_retained() {
    let place = chaos_registry();
    for _ in 0..10 {
        place.bring_up("").expect("it comes up");
    }
    let slot = place.registry.slot(&"vendor".into()).expect("declared");
    let retained: Vec<_> = slot.retained().iter().map(|old| old.number()).collect();
    assert_eq!(retained, [10, 9, 8, 7]);
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
        "the adapter panicked: asked to panic in handle"
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
