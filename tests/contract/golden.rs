//! Plug-ins that were built once, for contract 1.0, in every later build.
//!
//! Owns the promise that an adapter built for 1.0 loads in every 1.x gateway
//! and behaves there as it did: the files in `tests/fixtures/golden` are
//! loaded as they are, in this process and in a child, and each is led through
//! a conversation whose outcome was written down when the file was built. What
//! a later contract adds to a value is no difference; what it takes away is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kefu_core::config::Isolation;
use kefu_gateway::plugin::{Generation, image::sha256};
use kefu_plugin_api::{
    event::Event,
    session::SessionView,
    wire::{HandleInput, decode},
};
use kefu_test_support::plugins::{self, CHAOS, MINIMAL};
use serde_json::{Value, json};

use super::isolated::Place;

#[test]
fn minimal_of_contract_1_0_serves_in_this_process() {
    Golden::new(MINIMAL).serves(Isolation::InProcess);
}

#[test]
fn minimal_of_contract_1_0_serves_in_a_child() {
    Golden::new(MINIMAL).serves(Isolation::Process);
}

#[test]
fn chaos_of_contract_1_0_serves_in_this_process() {
    Golden::new(CHAOS).serves(Isolation::InProcess);
}

#[test]
fn chaos_of_contract_1_0_serves_in_a_child() {
    Golden::new(CHAOS).serves(Isolation::Process);
}

#[test]
fn a_state_that_chaos_of_contract_1_0_wrote_is_read_by_chaos_of_today() {
    let golden = Golden::new(CHAOS);
    let place = Place::new();
    let old = place.bring_up(&golden.plugin, Isolation::InProcess, &golden.settings());
    let (_, state) = golden.converse(&old.expect("it comes up"));
    let today = plugins::bytes(CHAOS).expect("chaos is built");
    let today = place.bring_up(&today, Isolation::InProcess, &json!({}));
    let today = today.expect("it comes up");
    today.check_state(&state).expect("it reads the old state");
}

#[test]
fn every_golden_plugin_is_the_one_that_was_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let readme = fs::read_to_string(folder.join("README.md")).expect("a list");
    for name in [MINIMAL, CHAOS] {
        let hash = sha256(&Golden::new(name).plugin);
        assert!(readme.contains(&hash), "{name} has {hash}");
    }
}

/// One plug-in file with its conversation.
struct Golden {
    plugin: Vec<u8>,
    /// What happens, step by step.
    script: Value,
    /// What came of it when the file was built.
    expected: PathBuf,
}

impl Golden {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/contract-1.0");
        let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        let file = folder.join(&platform).join(name);
        let plugin = fs::read(&file).unwrap_or_else(|error| {
            panic!(
                "no golden plug-in for {platform}: {}: {error}; {}",
                file.display(),
                "tests/fixtures/golden/README.md says how to build one from the pinned commit"
            )
        });
        let story = name.trim_start_matches("libkefu_").trim_end_matches(".so");
        let script = fs::read_to_string(folder.join(format!("{story}.script.json")));
        Self {
            plugin,
            script: serde_json::from_str(&script.expect("a script")).expect("JSON"),
            expected: folder.join(format!("{story}.expected.json")),
        }
    }

    fn settings(&self) -> Value {
        self.script["settings"].clone()
    }

    fn serves(&self, isolation: Isolation) {
        let place = Place::new();
        let generation = place.bring_up(&self.plugin, isolation, &self.settings());
        let generation = generation.expect("it comes up");
        assert_eq!(generation.isolation(), isolation);
        assert_eq!(generation.contract().to_string(), "1.0");
        let (answers, state) = self.converse(&generation);
        generation.check_state(&state).expect("it reads its state");
        let found = json!({
            "descriptor": &**generation.descriptor(),
            "answers": answers,
        });
        if std::env::var_os("KEFU_WRITE_GOLDEN").is_some() && !self.expected.exists() {
            let text = serde_json::to_string_pretty(&found).expect("printed") + "\n";
            fs::write(&self.expected, text).expect("written");
        }
        let expected = fs::read_to_string(&self.expected).expect("what is expected");
        let expected = serde_json::from_str(&expected).expect("JSON");
        if let Err(difference) = holds(&found, &expected, "") {
            panic!("{difference}\nin {found:#}");
        }
    }

    /// Leads it through the script: what came of each step, and the state in
    /// the end.
    fn converse(&self, generation: &Generation) -> (Vec<Value>, Vec<u8>) {
        let mut last = (Vec::new(), String::new());
        let steps = self.script["steps"].as_array().expect("steps");
        let answers = steps.iter().map(|step| {
            if !step["receive"].is_null() {
                return received(generation, &step["receive"]);
            }
            let outcome = generation.handle(&turn(&step["handle"], &step["standing"], &last));
            match outcome {
                Err(fault) => json!({"fault": fault.kind.as_str(), "detail": fault.detail}),
                Ok(output) => {
                    let state: Value = decode(&output.state).expect("state is readable");
                    last = (output.state, output.state_version);
                    json!({"effects": output.effects, "state": state, "notes": output.notes})
                }
            }
        });
        (answers.collect(), last.0)
    }
}

fn turn(event: &Value, standing: &Value, last: &(Vec<u8>, String)) -> HandleInput {
    let event: Event = serde_json::from_value(event.clone()).expect("an event");
    let standing = serde_json::from_value(standing.clone()).expect("a standing");
    HandleInput {
        event,
        session: SessionView {
            id: "session-1".into(),
            provider: "provider".into(),
            conversation: "conversation-1".into(),
            seed: 7,
            standing,
            ..SessionView::default()
        },
        state: last.0.clone(),
        state_version: last.1.clone(),
    }
}

fn received(generation: &Generation, step: &Value) -> Value {
    let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let mut callback = kefu_plugin_api::testing::json_callback("", &json!({}));
    callback.body = text("body").into_bytes();
    callback.headers.push(("x-key".into(), text("x-key")));
    match generation.receive(&callback) {
        Ok(output) => serde_json::to_value(output).expect("printed"),
        Err(fault) => json!({"fault": fault.kind.as_str(), "detail": fault.detail}),
    }
}

/// Whether everything that is expected is there; more may be.
fn holds(found: &Value, expected: &Value, path: &str) -> Result<(), String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().try_for_each(|(key, expected)| {
                let value = found.get(key).unwrap_or(&Value::Null);
                holds(value, expected, &format!("{path}/{key}"))
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .try_for_each(|(index, (found, expected))| {
                holds(found, expected, &format!("{path}/{index}"))
            }),
        _ if found == expected => Ok(()),
        _ => Err(format!("at {path}: expected {expected}, found {found}")),
    }
}

#[test]
fn a_value_that_grew_holds_and_one_that_lost_something_does_not() {
    let then = json!({"effects": [{"type": "typing"}], "state": {"turns": 1}});
    let grown =
        json!({"effects": [{"type": "typing", "for_ms": 3}], "state": {"turns": 1}, "x": 1});
    assert_eq!(holds(&grown, &then, ""), Ok(()));
    for lost in [
        json!({"effects": [{"type": "typing"}]}),
        json!({"effects": [], "state": {"turns": 1}}),
        json!({"effects": [{"type": "typing"}], "state": {"turns": 2}}),
        json!({"effects": [{"type": "typing"}, {"type": "typing"}], "state": {"turns": 1}}),
    ] {
        assert!(holds(&lost, &then, "").is_err(), "{lost}");
    }
}
