//! The wire of contract 1: everything that crosses the boundary, there and
//! back, and against files that were written once and are never edited.
//!
//! `wire/v1/<type>.<sample>.json` and `.msgpack` hold one value each. With
//! `KEFU_WRITE_GOLDEN=1` missing files are added; one that exists is never
//! touched. `schema/contract-1.json` is written anew by `KEFU_WRITE_SCHEMA=1`.

use std::{fmt::Debug, fs, path::PathBuf};

use kefu_plugin_api::{
    adapter::{Dedupe, Receipt},
    capability::Capabilities,
    descriptor::Descriptor,
    effect::Effect,
    error::{AdapterError, OpenError, Reject},
    event::{CallResult, Event, ProviderEvent},
    http::{Callback, Part, Stamp},
    message::{Content, ContentKind},
    testing::samples::{self, Named},
    wire::{
        CONTRACT, HandleInput, HandleOutput, OpenInput, OpenOutput, ReceiveOutput, decode, encode,
    },
};
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// A type of the wire whose samples are compared.
trait Wire: Serialize + DeserializeOwned + PartialEq + Debug {}
impl<T: Serialize + DeserializeOwned + PartialEq + Debug> Wire for T {}

/// Somebody who wants to see every sample of every type.
trait Visit {
    fn visit<T: Wire>(&mut self, kind: &str, name: &str, sample: T);
}

fn every_sample(visitor: &mut impl Visit) {
    fn all<T: Wire>(visitor: &mut impl Visit, kind: &str, samples: Vec<Named<T>>) {
        for (name, sample) in samples {
            visitor.visit(kind, name, sample);
        }
    }
    all(visitor, "event", samples::events());
    all(visitor, "provider_event", samples::provider_events());
    all(visitor, "effect", samples::effects());
    all(visitor, "content", samples::contents());
    all(visitor, "call_result", samples::call_results());
    all(visitor, "stamp", samples::stamps());
    all(visitor, "dedupe", samples::dedupes());
    all(visitor, "reject", samples::rejects());
    all(visitor, "error", samples::errors());
    all(visitor, "call", calls());
    visitor.visit("callback", "whole", samples::callback());
    visitor.visit("receipt", "whole", samples::receipt());
    visitor.visit("descriptor", "whole", samples::descriptor());
    visitor.visit(
        "descriptor",
        "conditions",
        samples::conditional_descriptor(),
    );
    visitor.visit("capabilities", "whole", samples::capabilities());
    visitor.visit("capabilities", "none", Capabilities::default());
    visitor.visit("parts", "all", samples::parts());
}

/// What each function of the module is given and gives back.
fn calls() -> Vec<Named<Function>> {
    vec![
        (
            "open_input",
            Function::OpenInput(OpenInput {
                settings: json!({"base_url": "https://vendor.example", "retries": 3}),
                host: CONTRACT,
            }),
        ),
        (
            "open_output_opened",
            Function::OpenOutput(OpenOutput::Opened { handle: 1 }),
        ),
        (
            "open_output_refused",
            Function::OpenOutput(OpenOutput::Refused {
                error: samples::open_error(),
            }),
        ),
        (
            "handle_input",
            Function::HandleInput(Box::new(HandleInput {
                event: Event::Exited {},
                session: samples::view(),
                state: vec![0x81, 0xa1, b'n', 0x01],
                state_version: "1.2.3".into(),
            })),
        ),
        (
            "handle_output",
            Function::HandleOutput(HandleOutput {
                effects: samples::effects()
                    .into_iter()
                    .map(|(_, effect)| effect)
                    .collect(),
                state: vec![0x81, 0xa1, b'n', 0x02],
                state_version: "1.2.3".into(),
                notes: vec!["the vendor sent an empty page".into()],
            }),
        ),
        (
            "receive_output_accepted",
            Function::ReceiveOutput(ReceiveOutput::Accepted {
                receipt: samples::receipt(),
            }),
        ),
        (
            "receive_output_rejected",
            Function::ReceiveOutput(ReceiveOutput::Rejected {
                reject: Reject::unauthenticated("no signature"),
            }),
        ),
    ]
}

/// One of them, by its own shape: what is tried first must not take what
/// belongs to another.
#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Function {
    HandleInput(Box<HandleInput>),
    HandleOutput(HandleOutput),
    OpenInput(OpenInput),
    OpenOutput(OpenOutput),
    ReceiveOutput(ReceiveOutput),
}

#[test]
fn every_value_comes_back_from_messagepack_and_from_its_print() {
    struct ThereAndBack;
    impl Visit for ThereAndBack {
        fn visit<T: Wire>(&mut self, kind: &str, name: &str, sample: T) {
            let bytes = encode(&sample).expect("it can be written");
            let read: T = decode(&bytes).unwrap_or_else(|error| panic!("{kind}.{name}: {error}"));
            assert_eq!(read, sample, "{kind}.{name} through MessagePack");
            let print = serde_json::to_string(&sample).expect("it can be printed");
            let read: T = serde_json::from_str(&print)
                .unwrap_or_else(|error| panic!("{kind}.{name}: {error}"));
            assert_eq!(read, sample, "{kind}.{name} through JSON");
        }
    }
    every_sample(&mut ThereAndBack);
}

#[test]
fn golden_files_are_read_and_written_as_they_are() {
    struct Golden {
        missing: Vec<String>,
    }
    impl Visit for Golden {
        fn visit<T: Wire>(&mut self, kind: &str, name: &str, sample: T) {
            let file = format!("{kind}.{name}");
            let (json, msgpack) = (golden(&file, "json"), golden(&file, "msgpack"));
            if std::env::var_os("KEFU_WRITE_GOLDEN").is_some() && !json.exists() {
                let print = serde_json::to_string_pretty(&sample).expect("printed");
                fs::write(&json, print + "\n").expect("written");
                fs::write(&msgpack, encode(&sample).expect("written")).expect("written");
            }
            let (Ok(print), Ok(bytes)) = (fs::read_to_string(&json), fs::read(&msgpack)) else {
                self.missing.push(file);
                return;
            };
            let read: T = serde_json::from_str(&print).expect(&file);
            assert_eq!(read, sample, "{file}.json");
            let written: Value = serde_json::to_value(&read).expect(&file);
            let golden: Value = serde_json::from_str(&print).expect(&file);
            assert_eq!(written, golden, "{file}.json is written in the same way");
            let read: T = decode(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(read, sample, "{file}.msgpack");
            let written = encode(&read).expect(&file);
            assert_eq!(written, bytes, "{file}.msgpack is written in the same way");
        }
    }
    let mut golden = Golden {
        missing: Vec::new(),
    };
    every_sample(&mut golden);
    assert!(
        golden.missing.is_empty(),
        "no golden file for {:?}; add them with KEFU_WRITE_GOLDEN=1",
        golden.missing
    );
}

#[test]
fn no_golden_file_is_left_without_a_test() {
    struct Names(Vec<String>);
    impl Visit for Names {
        fn visit<T: Wire>(&mut self, kind: &str, name: &str, _: T) {
            self.0.push(format!("{kind}.{name}"));
        }
    }
    let mut names = Names(Vec::new());
    every_sample(&mut names);
    for entry in fs::read_dir(folder()).expect("golden files") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let name = name.expect("a name").to_owned();
        assert!(names.0.contains(&name), "{name} is never compared");
    }
}

/// Reads what a newer writer may have written, both ways.
fn newer<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    let from_bytes = decode::<T>(&encode(value).expect("written"));
    let from_print = T::deserialize(value);
    assert_eq!(from_bytes.is_ok(), from_print.is_ok(), "{value}");
    from_bytes.map_err(|error| error.detail)
}

#[test]
fn what_is_newer_than_the_reader_is_tolerated_and_known_to_be_unknown() {
    let data = json!({"deep": [1, {"er": null}], "more": "text"});
    let with = |name: &str| {
        let mut value = data.clone();
        value["type"] = name.into();
        value
    };
    assert_eq!(newer(&with("visitor_sang")), Ok(Event::Unknown));
    assert_eq!(newer(&with("desk_burned")), Ok(ProviderEvent::Unknown));
    assert_eq!(newer(&with("hologram")), Ok(Content::Unknown));
    assert_eq!(newer(&json!("hologram")), Ok(ContentKind::Unknown));
    let error: AdapterError =
        newer(&json!({"kind": "melted", "detail": "d"})).expect("an unknown fault is one");
    assert_eq!(error.to_string(), "unknown fault: d");
    let nested = json!({"type": "from_provider", "event": with("desk_burned")});
    assert_eq!(
        newer(&nested),
        Ok(Event::FromProvider {
            event: ProviderEvent::Unknown
        })
    );
}

#[test]
fn a_newer_kind_of_content_among_capabilities_is_kept_apart() {
    let levels = json!({"robot": {"text": "full", "hologram": "full"}, "teleport": true});
    let capabilities: Capabilities = newer(&levels).expect("the rest is understood");
    assert_eq!(capabilities.robot.len(), 2);
    assert!(capabilities.robot.contains_key(&ContentKind::Unknown));
}

#[test]
fn a_field_that_is_newer_than_the_reader_is_ignored() {
    struct WithMore;
    impl Visit for WithMore {
        fn visit<T: Wire>(&mut self, kind: &str, name: &str, sample: T) {
            let mut value = serde_json::to_value(&sample).expect("printed");
            let Some(object) = value.as_object_mut() else {
                return;
            };
            object.insert("newer".into(), json!({"a": [1, 2, {"b": null}]}));
            let read: T = T::deserialize(&value).unwrap_or_else(|e| panic!("{kind}.{name}: {e}"));
            assert_eq!(read, sample, "{kind}.{name}");
        }
    }
    every_sample(&mut WithMore);
}

#[test]
fn an_effect_that_is_newer_than_the_host_fails_the_turn_by_its_name() {
    let output = json!({"effects": [{"type": "typing"}, {"type": "send_flowers", "to": "agent"}]});
    let error = newer::<HandleOutput>(&output).expect_err("it is not understood");
    assert!(error.contains("send_flowers"), "{error}");
    for (value, name) in [
        (json!({"type": "sealed_in_wax", "seal": 1}), "sealed_in_wax"),
        (
            json!({"type": "retina", "place": {"type": "header", "name": "x"}}),
            "retina",
        ),
    ] {
        let error = newer::<Stamp>(&value).expect_err("it is not understood");
        assert!(error.contains(name), "{error}");
    }
    let error = newer::<Part>(&json!({"type": "aura"})).expect_err("not understood");
    assert!(error.contains("aura"), "{error}");
    let error = newer::<Dedupe>(&json!({"type": "dream"})).expect_err("not understood");
    assert!(error.contains("dream"), "{error}");
}

#[test]
fn what_is_missing_falls_back_and_what_must_be_there_is_named() {
    let receipt: Receipt = newer(&json!({"status": 204})).expect("the rest has defaults");
    assert_eq!((receipt.status, receipt.events.len()), (204, 0));
    let output: HandleOutput = newer(&json!({"effects": []})).expect("the rest has defaults");
    assert!(output.state.is_empty() && output.notes.is_empty());
    let error = newer::<Event>(&json!({"type": "timer_fired"})).expect_err("no timer");
    assert!(error.contains("timer"), "{error}");
    let error = newer::<Event>(&json!({"timer": "t"})).expect_err("no type");
    assert!(error.contains("type"), "{error}");
}

#[test]
fn bytes_that_are_cut_short_are_an_error_at_every_length() {
    let whole = encode(&samples::callback()).expect("written");
    for keep in 0..whole.len() {
        assert!(decode::<Callback>(&whole[..keep]).is_err(), "{keep}");
    }
}

#[test]
fn no_secret_is_printed_with_a_token() {
    let effects = samples::effects();
    let token = effects.iter().find(|(name, _)| *name == "token");
    let (_, token) = token.expect("there is one");
    assert!(!format!("{token:?}").contains("a-token-of-the-vendor"));
}

/// The whole contract as one schema; each property is one type.
#[derive(JsonSchema)]
#[schemars(title = "kefu plug-in contract 1")]
#[expect(dead_code, reason = "its shape is all that is wanted")]
struct Contract1 {
    descriptor: Descriptor,
    open_input: OpenInput,
    open_output: OpenOutput,
    callback: Callback,
    receive_output: ReceiveOutput,
    handle_input: HandleInput,
    handle_output: HandleOutput,
    adapter_error: AdapterError,
    open_error: OpenError,
    event: Event,
    provider_event: ProviderEvent,
    effect: Effect,
    content: Content,
    call_result: CallResult,
}

#[test]
fn the_published_schema_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/contract-1.json");
    let schema = serde_json::to_string_pretty(&schema_for!(Contract1)).expect("printed") + "\n";
    if std::env::var_os("KEFU_WRITE_SCHEMA").is_some() {
        fs::write(&path, &schema).expect("written");
    }
    let published = fs::read_to_string(&path).expect("the schema is published");
    assert!(
        published == schema,
        "schema/contract-1.json is out of date; write it with KEFU_WRITE_SCHEMA=1"
    );
}

fn golden(name: &str, extension: &str) -> PathBuf {
    folder().join(format!("{name}.{extension}"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1")
}
