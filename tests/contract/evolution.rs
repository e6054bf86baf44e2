//! Old and new sides of the contract, each against the other.
//!
//! Owns the promise that a 1.x gateway and a 1.y adapter get along as long as
//! neither needs what the other lacks. There is no later contract yet, so one
//! is made up: to every structure something is added that nobody knows, and
//! there are events, effects, capabilities and kinds that do not exist. What
//! crosses the boundary is bytes, and so are the cases here.

use std::{fs, path::Path};

use kefu_core::config::{Isolation, Settings};
use kefu_gateway::plugin::{
    FaultKind, Function, Image, OutputLimits,
    child::{CallError, Child, Launch, Nursery},
};
use kefu_plugin_api::{
    prelude::*,
    wire::{HandleInput, HandleOutput, OpenInput, OpenOutput, ReceiveOutput, decode, encode},
};
use kefu_test_support::plugins::{
    self, CHAOS, CHAOS_NEEDS_NEWER, CHAOS_NEWER_MAJOR, CHAOS_NEWER_MINOR, MINIMAL,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, time::Duration};

use super::isolated::{Place, says};

const BOTH: [Isolation; 2] = [Isolation::InProcess, Isolation::Process];

#[test]
fn whatever_grows_by_a_field_is_read_as_before() {
    let grown = every_golden_value(Case::GrownByAField);
    assert!(grown > 60, "only {grown} values were compared");
}

#[test]
fn whatever_was_written_for_1_0_is_read_by_a_side_that_expects_more() {
    let read = every_golden_value(Case::ReadByALaterSide);
    assert!(read > 60, "only {read} values were compared");
}

#[test]
fn an_adapter_of_a_newer_minor_that_needs_nothing_newer_serves() {
    for isolation in BOTH {
        let place = Place::new();
        let plugin = plugins::bytes(CHAOS_NEWER_MINOR).expect("it is built");
        let generation = place.bring_up(&plugin, isolation, &json!({}));
        let generation = generation.expect("it comes up");
        assert_eq!(generation.about().contract().to_string(), "1.1");
        assert_eq!(generation.contract().to_string(), "1.0", "what is spoken");
        let robot = &generation.descriptor().capabilities.robot;
        assert_eq!(robot.get(&ContentKind::Text), Some(&Level::Full));
        assert!(robot.contains_key(&ContentKind::Unknown), "a hologram");
        let output = generation.handle(&says("hello")).expect("it serves");
        assert_eq!(output.effects.len(), 2);
    }
}

#[test]
fn an_effect_that_is_not_known_yet_fails_its_turn_by_name_and_no_other() {
    for isolation in BOTH {
        let place = Place::new();
        let plugin = plugins::bytes(CHAOS_NEWER_MINOR).expect("it is built");
        let generation = place.bring_up(&plugin, isolation, &json!({}));
        let generation = generation.expect("it comes up");
        let fault = generation.handle(&says("newer effect"));
        let fault = fault.expect_err("nobody can send flowers");
        assert_eq!(fault.kind, FaultKind::BadOutput);
        assert!(fault.detail.contains("send_flowers"), "{}", fault.detail);
        generation.handle(&says("hello")).expect("it serves");
    }
}

#[test]
fn a_capability_and_a_kind_that_are_not_known_yet_are_passed_over() {
    for isolation in BOTH {
        let place = Place::new();
        let plugin = plugins::bytes(CHAOS_NEWER_MINOR).expect("it is built");
        let generation = place.bring_up(&plugin, isolation, &json!({}));
        let generation = generation.expect("it comes up");
        let output = generation.handle(&says("newer capability"));
        let effects = output.expect("the rest is understood").effects;
        let [Effect::Capabilities { capabilities, .. }] = &effects[..] else {
            panic!("{effects:?}")
        };
        let robot = &capabilities.as_ref().expect("there are some").robot;
        assert_eq!(robot.get(&ContentKind::Text), Some(&Level::Full));
        assert!(robot.contains_key(&ContentKind::Unknown), "a hologram");
    }
}

#[test]
fn an_adapter_that_needs_something_newer_is_refused_with_both_versions() {
    for isolation in BOTH {
        for (name, words) in [
            (CHAOS_NEEDS_NEWER, ["1.0", "1.1", "update the gateway"]),
            (CHAOS_NEWER_MAJOR, ["1.x", "2.0", "update the gateway"]),
        ] {
            let plugin = plugins::bytes(name).expect("it is built");
            let error = Place::new().bring_up(&plugin, isolation, &json!({}));
            let text = error.expect_err("it is refused").to_string();
            for word in words {
                assert!(text.contains(word), "{word:?} in {text}");
            }
        }
    }
}

#[test]
fn an_adapter_of_1_0_ignores_an_event_of_a_later_gateway() {
    for (name, settings) in [(CHAOS, json!({})), (MINIMAL, minimal_settings())] {
        let child = child(name, settings);
        let mut input = serde_json::to_value(says("hello")).expect("printed");
        input["event"] = json!({"type": "visitor_sang", "song": {"verses": [1, 2]}});
        let output = handle(&child, &grown(input)).expect("it is ignored");
        assert!(output.effects.is_empty(), "{name}: {:?}", output.effects);
    }
}

#[test]
fn an_adapter_of_1_0_is_told_more_than_it_knows_and_serves() {
    let child = child(CHAOS, json!({"key": "k"}));
    let plain = serde_json::to_value(says("hello")).expect("printed");
    let as_before = handle(&child, &plain).expect("it serves");
    let output = handle(&child, &grown(plain)).expect("it serves");
    assert_eq!(output, as_before);

    let mut callback = kefu_plugin_api::testing::json_callback("", &json!({}));
    callback.headers.push(("x-key".into(), "k".into()));
    callback.body = br#"{"chat":"c","id":"1","text":"hi"}"#.to_vec();
    let callback = grown(serde_json::to_value(callback).expect("printed"));
    let bytes = encode(&callback).expect("written");
    let answer = child.call(Function::Receive, &bytes, PATIENCE);
    let output: ReceiveOutput = decode(&answer.expect("it serves")).expect("readable");
    assert!(matches!(output, ReceiveOutput::Accepted { .. }));
}

#[test]
fn content_that_is_not_known_yet_costs_an_adapter_of_1_0_nothing() {
    let child = child(CHAOS, json!({}));
    let mut input = serde_json::to_value(says("hello")).expect("printed");
    input["event"]["message"]["content"] = json!({"type": "hologram", "url": "https://x.example"});
    handle(&child, &input).expect("it is a message without text");
}

#[test]
fn what_cannot_be_added_in_1_x_is_refused_by_its_name() {
    // These have no catch-all on either side: a later gateway or adapter must
    // not use a new one before both speak the minor that brings it.
    let mut descriptor = golden("descriptor.whole");
    descriptor["capabilities"]["robot"]["text"] = "half".into();
    let error = read::<Descriptor>(&descriptor).expect_err("a level");
    assert!(error.contains("half"), "{error}");

    let mut input = serde_json::to_value(says("hello")).expect("printed");
    input["session"]["standing"] = "dreaming".into();
    let error = read::<HandleInput>(&input).expect_err("a standing");
    assert!(error.contains("dreaming"), "{error}");
}

/// What is done to every golden value.
#[derive(Clone, Copy)]
enum Case {
    /// The writer is newer than this reader.
    GrownByAField,
    /// This writer is older than the reader.
    ReadByALaterSide,
}

/// Goes through the wire's golden files; how many there were.
fn every_golden_value(case: Case) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(golden_folder()).expect("golden files") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("a name").to_owned();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            check_golden(case, &name, &golden(&name));
            count += 1;
        }
    }
    count
}

fn check_golden(case: Case, name: &str, value: &Value) {
    let (kind, sample) = name.split_once('.').expect("kind and sample");
    match (kind, sample) {
        ("event", _) => check::<Event>(case, name, value),
        ("provider_event", _) => check::<ProviderEvent>(case, name, value),
        ("effect", _) => check::<Effect>(case, name, value),
        ("content", _) => check::<Content>(case, name, value),
        ("call_result", _) => check::<CallResult>(case, name, value),
        ("stamp", _) => check::<Stamp>(case, name, value),
        ("dedupe", _) => check::<Dedupe>(case, name, value),
        ("reject", _) => check::<Reject>(case, name, value),
        ("error", _) => check::<AdapterError>(case, name, value),
        ("callback", _) => check::<Callback>(case, name, value),
        ("receipt", _) => check::<Receipt>(case, name, value),
        ("descriptor", _) => check::<Descriptor>(case, name, value),
        ("capabilities", _) => check::<Capabilities>(case, name, value),
        ("parts", _) => check_list::<Part>(case, name, value),
        ("call", "open_input") => check::<OpenInput>(case, name, value),
        ("call", "handle_input") => check::<HandleInput>(case, name, value),
        ("call", "handle_output") => check::<HandleOutput>(case, name, value),
        ("call", _) if sample.starts_with("open_output") => {
            check::<OpenOutput>(case, name, value);
        }
        ("call", _) if sample.starts_with("receive_output") => {
            check::<ReceiveOutput>(case, name, value);
        }
        _ => panic!("{name}: of which type is it?"),
    }
}

fn check_list<T: DeserializeOwned + PartialEq + Debug>(case: Case, name: &str, list: &Value) {
    for value in list.as_array().expect("a list") {
        check::<T>(case, name, value);
    }
}

fn check<T: DeserializeOwned + PartialEq + Debug>(case: Case, name: &str, value: &Value) {
    let as_before: T = read(value).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = match case {
        Case::GrownByAField => read::<T>(&grown(value.clone())),
        Case::ReadByALaterSide => read::<Later<T>>(value).map(|later| {
            assert_eq!(later.newer, None, "{name}");
            later.of_today
        }),
    };
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(found, as_before, "{name}");
}

/// The same type in a later contract: everything of today, and something that
/// today's side does not write.
#[derive(Deserialize)]
struct Later<T> {
    #[serde(flatten)]
    of_today: T,
    #[serde(default)]
    newer: Option<Value>,
}

/// Adds to every structure in a value what nobody knows. Maps whose keys are
/// data are left alone: there a new key is no new field.
fn grown(mut value: Value) -> Value {
    grow(&mut value);
    value
}

fn grow(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(grow),
        Value::Object(fields) => {
            let are_capabilities = fields.contains_key("to_human");
            for (key, field) in fields.iter_mut() {
                let is_map = match key.as_str() {
                    "custom" | "data" | "payload" | "settings" => true,
                    "fields" => field.is_object(),
                    "robot" | "human" => are_capabilities,
                    _ => false,
                };
                if !is_map {
                    grow(field);
                }
            }
            fields.insert("newer".into(), json!({"a": [1, {"b": null}], "type": "x"}));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn growing_reaches_every_structure_and_no_map() {
    let value = json!({"visitor": {"fields": {"a": "b"}}, "list": [{"x": 1}], "n": 1});
    let newer = json!({"a": [1, {"b": null}], "type": "x"});
    let expected = json!({
        "visitor": {"fields": {"a": "b"}, "newer": newer},
        "list": [{"x": 1, "newer": newer}],
        "n": 1,
        "newer": newer,
    });
    assert_eq!(grown(value), expected);
}

/// Through the bytes that cross the boundary.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    let bytes = encode(value).expect("written");
    decode(&bytes).map_err(|error| error.detail)
}

fn golden(name: &str) -> Value {
    let file = golden_folder().join(format!("{name}.json"));
    let text = fs::read_to_string(file).expect("a golden file");
    serde_json::from_str(&text).expect("JSON")
}

fn golden_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/tests/wire/v1")
}

/// An adapter that takes bytes as they are, as only a child does.
fn child(name: &str, settings: Value) -> Child {
    let program = &plugins::built().expect("the gateway is built").gateway;
    let nursery = Nursery::of(program).expect("a thread can be started");
    let dir = tempfile::tempdir().expect("a folder can be made");
    let image = Image::read(&plugins::file(name).expect("it is built")).expect("a plug-in");
    let launch = Launch {
        provider: "vendor".into(),
        copy: image.keep(dir.path()).expect("a copy can be made"),
        sha256: image.sha256().to_owned(),
        size: image.bytes().len() as u64,
        settings: Settings::new(settings),
        limits: OutputLimits::default(),
        memory: 256 << 20,
        threads: 1,
        cpu_seconds: None,
        stage_timeout: PATIENCE,
    };
    nursery.start(&launch).expect("it comes up")
}

fn handle(child: &Child, input: &Value) -> Result<HandleOutput, CallError> {
    let bytes = encode(input).expect("written");
    let answer = child.call(Function::Handle, &bytes, PATIENCE)?;
    Ok(decode(&answer).expect("readable"))
}

fn minimal_settings() -> Value {
    json!({"send_url": "https://vendor.example/send", "webhook_key": "k"})
}

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
