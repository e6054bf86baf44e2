//! One conformance suite for every adapter, on its built plug-in.
//!
//! Owns the rules that hold for all of them; what is special about a vendor is
//! tested beside its adapter. To take part an adapter needs one entry in
//! [`adapters`]: its file, settings that it accepts, and how its vendor makes
//! a callback authentic.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use kefu_gateway::plugin::{Fault, FaultKind, Generation, Loader, Module, OpenFault, OutputLimits};
use kefu_plugin_api::{
    descriptor::HostSource,
    prelude::*,
    session::SessionView,
    testing::samples,
    wire::{HandleInput, HandleOutput, ReceiveOutput, encode},
};
use kefu_sdp_core::webhooks::Keys;
use kefu_test_support::plugins::{self, CHAOS, JIAXIN, MINIMAL, ZHICHI};
use serde_json::{Value, json};

/// One adapter and what the suite must know about it.
struct Conforming {
    /// Its plug-in.
    file: &'static str,
    /// Where its source is, for recorded payloads.
    folder: &'static str,
    /// Settings that it accepts.
    settings: Value,
    /// Makes a callback authentic, as its vendor does.
    authenticate: fn(Callback) -> Callback,
}

fn adapters() -> Vec<Conforming> {
    vec![
        Conforming {
            file: MINIMAL,
            folder: "plugins/minimal",
            settings: json!({"send_url": "https://vendor.example/send", "webhook_key": KEY}),
            authenticate: |callback| with_header(callback, "x-key", KEY),
        },
        Conforming {
            file: CHAOS,
            folder: "tests/chaos",
            settings: json!({"key": KEY}),
            authenticate: |callback| with_header(callback, "x-key", KEY),
        },
        Conforming {
            file: JIAXIN,
            folder: "plugins/jiaxin",
            settings: json!({
                "base_url": "https://vendor.example",
                "secret": WEBHOOK_SECRET,
                "org": "acme",
                "app": "shop",
                "channel": "10001",
            }),
            authenticate: sign_standard_webhooks,
        },
        Conforming {
            file: ZHICHI,
            folder: "plugins/zhichi",
            settings: json!({
                "app_id": "app-1",
                "app_key": "app-key-for-tests",
                "base_url": "https://vendor.example",
                "push_secret": KEY,
            }),
            authenticate: |callback| Callback {
                path: format!("/{KEY}"),
                ..callback
            },
        },
    ]
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_SECRET: &str = "whsec_a2VmdS1jb25mb3JtYW5jZS1zZWNyZXQtMDAwMDAwMDE=";
const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

fn with_header(mut callback: Callback, name: &str, value: &str) -> Callback {
    callback.headers.push((name.into(), value.into()));
    callback
}

fn sign_standard_webhooks(callback: Callback) -> Callback {
    let keys = Keys::parse(&[Secret::from(WEBHOOK_SECRET)]).expect("the secret is well formed");
    let (id, at) = ("webhook-1", callback.received_at.unix_seconds());
    let signature = keys.sign(id, at, &callback.body);
    let callback = with_header(callback, "webhook-id", id);
    let callback = with_header(callback, "webhook-timestamp", &at.to_string());
    with_header(callback, "webhook-signature", &signature)
}

impl Conforming {
    fn module(&self) -> Arc<Module> {
        let file = plugins::file(self.file).expect("the plug-in is built");
        let copies = tempfile::tempdir().expect("a folder can be made");
        let loaded = Loader::new(copies.path()).load(&file);
        loaded.unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_open(&self, settings: &Value) -> Result<Generation, OpenFault> {
        let limits = OutputLimits::default();
        Generation::open(self.module(), "provider".into(), settings, 1, limits)
    }

    fn open(&self) -> Generation {
        let opened = self.try_open(&self.settings);
        opened.unwrap_or_else(|fault| panic!("{}: {fault}", self.file))
    }

    /// A callback with that body that its vendor could have sent.
    fn authentic(&self, body: &[u8]) -> Callback {
        (self.authenticate)(bare(body))
    }

    /// JSON that its vendor is known to send, out of the recorded payloads.
    fn payloads(&self) -> Vec<Value> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut payloads = Vec::new();
        for file in files_in(&root.join(self.folder).join("tests/fixtures")) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            collect_objects(
                serde_json::from_str(&text).unwrap_or_default(),
                &mut payloads,
            );
        }
        payloads.push(json!({"chat": "c", "id": "1", "text": "hello"}));
        payloads.push(json!({"event": "message", "id": "1", "data": {"msg_id": "1"}}));
        payloads
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn collect_objects(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect_objects(value, into);
            }
        }
        Value::Object(fields) => {
            into.push(Value::Object(fields.clone()));
            for (_, value) in fields {
                collect_objects(value, into);
            }
        }
        _ => {}
    }
}

fn bare(body: &[u8]) -> Callback {
    Callback {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_vec(),
        peer: None,
        received_at: NOW,
    }
}

fn turn(event: Event) -> HandleInput {
    HandleInput {
        event,
        session: SessionView {
            vendor_session: None,
            standing: SessionState::Opening,
            ..samples::view()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}

fn opened() -> HandleInput {
    turn(Event::Opened {
        visitor: Visitor {
            id: "visitor-1".into(),
            ..Visitor::default()
        },
        client: Client::default(),
        group: None,
    })
}

/// Every event that can happen, with every event of a vendor and every end of
/// a call inside.
fn every_event() -> Vec<Event> {
    let mut events: Vec<_> = samples::events().into_iter().map(|(_, it)| it).collect();
    for (_, event) in samples::provider_events() {
        events.push(Event::FromProvider { event });
    }
    for (_, content) in samples::contents() {
        events.push(Event::FromVisitor {
            message: Message {
                id: "message-1".into(),
                content,
                converted_from: None,
            },
        });
    }
    for (_, result) in samples::call_results() {
        events.push(Event::CallFinished {
            call: "send-1".into(),
            result,
            token_renewed: false,
        });
    }
    events
}

const STANDINGS: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];

/// Faults that no input excuses.
fn is_broken(fault: &Fault) -> bool {
    matches!(
        fault.kind,
        FaultKind::Panic | FaultKind::BadOutput | FaultKind::TooLarge | FaultKind::State
    )
}

#[test]
fn every_adapter_describes_itself_honestly() {
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let descriptor = generation.descriptor();
        let named = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        assert!(named(&descriptor.id), "{file}: id {:?}", descriptor.id);
        let numbers = descriptor.version.split(['-', '+']).next();
        let numbers: Vec<_> = numbers.unwrap_or_default().split('.').collect();
        assert!(
            numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok()),
            "{file}: version {:?}",
            descriptor.version
        );
        assert!(descriptor.carries_something(), "{file} carries nothing");
        assert!(
            !descriptor.callback_authentication.is_empty(),
            "{file} does not say how callbacks prove themselves"
        );
        assert!(generation.about().rustc().starts_with("rustc "), "{file}");
    }
}

#[test]
fn every_setting_that_a_descriptor_names_is_in_its_schema() {
    for adapter in adapters() {
        let (file, module) = (adapter.file, adapter.module());
        let descriptor = module.about().descriptor();
        let schema = descriptor.settings.as_value();
        let settings: BTreeSet<_> = schema["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{file} publishes no schema of its settings"))
            .keys()
            .collect();
        let named = descriptor
            .hosts
            .iter()
            .filter_map(|host| match host {
                HostSource::Setting { setting } => Some(setting),
                HostSource::Fixed { .. } => None,
            })
            .chain(descriptor.tokens.iter().flat_map(|token| &token.keyed_by));
        for setting in named {
            assert!(settings.contains(setting), "{file}: no setting {setting}");
        }
        for setting in adapter.settings.as_object().expect("a table").keys() {
            assert!(settings.contains(setting), "{file}: no setting {setting}");
        }
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_and_never_panic() {
    for adapter in adapters() {
        let file = adapter.file;
        let table = adapter.settings.as_object().expect("a table");
        for name in table.keys() {
            for wrong in [Value::Null, json!(7), json!([]), json!({"a": 1}), json!("")] {
                let mut settings = table.clone();
                settings.insert(name.clone(), wrong.clone());
                if let Err(fault) = adapter.try_open(&Value::Object(settings)) {
                    assert!(
                        matches!(fault, OpenFault::Refused(_)),
                        "{file}: {name} = {wrong}: {fault}"
                    );
                }
            }
            let mut settings = table.clone();
            settings.insert(name.clone(), json!({"a": 1}));
            let refused = adapter.try_open(&Value::Object(settings));
            assert!(refused.is_err(), "{file}: {name} as a table is accepted");
        }
        for whole in [Value::Null, json!([]), json!("settings")] {
            if let Err(fault) = adapter.try_open(&whole) {
                assert!(matches!(fault, OpenFault::Refused(_)), "{file}: {fault}");
            }
        }
    }
}

#[test]
fn a_callback_that_proves_nothing_is_refused_as_unauthenticated() {
    let refused = |generation: &Generation, callback: &Callback| {
        let output = generation.receive(callback);
        matches!(
            output,
            Ok(ReceiveOutput::Rejected {
                reject: Reject::Unauthenticated { .. }
            })
        )
    };
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        for payload in adapter.payloads() {
            let body = payload.to_string().into_bytes();
            let authentic = adapter.authentic(&body);
            let stranger = bare(&body);
            assert!(refused(&generation, &stranger), "{file}: without any proof");
            let emptied = Callback {
                path: "/".into(),
                headers: authentic
                    .headers
                    .iter()
                    .map(|(name, _)| (name.clone(), String::new()))
                    .collect(),
                ..stranger.clone()
            };
            assert!(refused(&generation, &emptied), "{file}: with empty proof");
            // Every single character of the proof matters.
            let damaged = damage(&authentic, &stranger);
            assert!(!damaged.is_empty(), "{file}: there is a proof");
            for callback in damaged {
                assert!(
                    refused(&generation, &callback),
                    "{file}: with damaged proof: path {:?}, headers {:?}",
                    callback.path,
                    callback.headers
                );
            }
        }
    }
}

/// The callback with one character changed in what proves it.
fn damage(authentic: &Callback, stranger: &Callback) -> Vec<Callback> {
    let mut damaged = Vec::new();
    if authentic.path != stranger.path {
        for path in damage_text(&authentic.path) {
            damaged.push(Callback {
                path,
                ..authentic.clone()
            });
        }
    }
    for (index, header) in authentic.headers.iter().enumerate() {
        if stranger.headers.contains(header) {
            continue;
        }
        for value in damage_text(&header.1) {
            let mut callback = authentic.clone();
            callback.headers[index].1 = value;
            damaged.push(callback);
        }
    }
    damaged
}

fn damage_text(text: &str) -> Vec<String> {
    let mut damaged = vec![format!("{text}x"), text[..text.len() - 1].to_owned()];
    let last = text.len() - 1;
    for at in [text.len() / 2, last.saturating_sub(4)] {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        damaged.extend(String::from_utf8(bytes));
    }
    damaged
}

#[test]
fn an_authentic_callback_gets_past_the_door() {
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        for payload in adapter.payloads() {
            let callback = adapter.authentic(payload.to_string().as_bytes());
            let output = generation.receive(&callback);
            let output = output.unwrap_or_else(|fault| panic!("{file}: {fault}"));
            assert!(
                !matches!(
                    output,
                    ReceiveOutput::Rejected {
                        reject: Reject::Unauthenticated { .. }
                    }
                ),
                "{file}: {output:?}"
            );
        }
    }
}

#[test]
fn the_same_input_gives_the_same_output_twice() {
    for adapter in adapters() {
        let (file, module) = (adapter.file, adapter.open());
        // A second opening must not know what the first one has seen.
        let fresh = adapter.open();
        for event in every_event() {
            for standing in STANDINGS {
                let mut input = turn(event.clone());
                input.session.standing = standing;
                let written = |output: Result<HandleOutput, Fault>| match output {
                    Ok(output) => encode(&output).expect("an output can be written"),
                    Err(fault) => fault.to_string().into_bytes(),
                };
                let first = written(module.handle(&input));
                assert_eq!(first, written(module.handle(&input)), "{file}: {event:?}");
                assert_eq!(first, written(fresh.handle(&input)), "{file}: {event:?}");
            }
        }
    }
}

#[test]
fn an_unknown_event_is_ignored_in_every_state() {
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let begun = generation.handle(&opened()).expect("a session opens");
        for standing in STANDINGS {
            for event in [
                Event::Unknown,
                Event::FromProvider {
                    event: ProviderEvent::Unknown,
                },
            ] {
                let mut input = turn(event.clone());
                input.session.standing = standing;
                input.state.clone_from(&begun.state);
                input.state_version.clone_from(&begun.state_version);
                let output = generation.handle(&input);
                let output = output.unwrap_or_else(|fault| panic!("{file}: {fault}"));
                assert_eq!(output.effects, [], "{file}: {event:?} while {standing:?}");
            }
        }
    }
}

#[test]
fn an_absent_state_and_its_own_state_can_be_read() {
    const NIL: [u8; 1] = [0xc0];
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let begun = generation.handle(&opened()).expect("a session opens");
        let untouched = generation.handle(&turn(Event::Unknown)).expect("ignored");
        for state in [&[][..], &NIL, &begun.state, &untouched.state] {
            let checked = generation.check_state(state);
            assert_eq!(checked, Ok(()), "{file}: {state:?}");
            let mut input = turn(Event::Unknown);
            input.state = state.to_vec();
            generation.handle(&input).expect("it can be gone on from");
        }
        let version = &begun.state_version;
        assert_eq!(version, generation.version(), "{file} signs its states");
    }
}

#[test]
fn a_state_that_is_none_is_refused_and_never_panics() {
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        for state in [
            &b"\xc1"[..],
            b"\xff\xff\xff",
            b"\x81",
            &[0x93; 64],
            b"{\"a\":1}",
        ] {
            let fault = generation.check_state(state).expect_err("it is no state");
            assert_eq!(fault.kind, FaultKind::State, "{file}: {state:?}: {fault}");
        }
    }
}

#[test]
fn no_event_breaks_a_session_in_any_state() {
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let begun = generation.handle(&opened()).expect("a session opens");
        for event in every_event() {
            for standing in STANDINGS {
                for scope in [Scope::Session, Scope::Provider] {
                    for state in [&[][..], &begun.state] {
                        let mut input = turn(event.clone());
                        input.session.scope = scope;
                        input.session.standing = standing;
                        input.state = state.to_vec();
                        if let Err(fault) = generation.handle(&input) {
                            assert!(
                                !is_broken(&fault),
                                "{file}: {event:?} while {standing:?} in {scope:?}: {fault}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Rounds of each adapter; enough to find what is careless, quick enough for
/// every change.
const ROUNDS: usize = 2_000;

#[test]
fn no_body_of_a_callback_breaks_an_adapter() {
    let mut random = Random::seeded();
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let payloads: Vec<_> = adapter.payloads().iter().map(Value::to_string).collect();
        for round in 0..ROUNDS {
            let body = random.mutate(random.pick(&payloads).as_bytes());
            let callback = adapter.authentic(&body);
            if let Err(fault) = generation.receive(&callback) {
                panic!(
                    "{file}, seed {}, round {round}: {fault}\n{}",
                    random.seed,
                    body.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn no_answer_of_a_vendor_breaks_an_adapter() {
    let mut random = Random::seeded();
    for adapter in adapters() {
        let (file, generation) = (adapter.file, adapter.open());
        let begun = generation.handle(&opened()).expect("a session opens");
        let calls: Vec<_> = begun
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Call { call } => Some(call.id.clone()),
                _ => None,
            })
            .chain(["send-1".into()])
            .collect();
        let payloads: Vec<_> = adapter.payloads().iter().map(Value::to_string).collect();
        for round in 0..ROUNDS {
            let body = random.mutate(random.pick(&payloads).as_bytes());
            let mut input = turn(Event::CallFinished {
                call: random.pick(&calls).clone(),
                result: CallResult::Answered {
                    response: HttpResponse {
                        status: *random.pick(&[200, 201, 204, 302, 400, 401, 403, 429, 500, 503]),
                        headers: Vec::new(),
                        body: body.clone(),
                    },
                },
                token_renewed: random.next().is_multiple_of(2),
            });
            input.state.clone_from(&begun.state);
            input.session.standing = *random.pick(&STANDINGS);
            match generation.handle(&input) {
                Err(fault) if is_broken(&fault) => panic!(
                    "{file}, seed {}, round {round}: {fault}\n{}",
                    random.seed,
                    body.escape_ascii()
                ),
                _ => {}
            }
        }
    }
}

/// Randomness that can be had again: `KEFU_SEED` repeats a run.
struct Random {
    seed: u64,
    state: std::cell::Cell<u64>,
}

impl Random {
    #[expect(clippy::print_stderr, reason = "whoever repeats a run needs it")]
    fn seeded() -> Self {
        let chosen = std::env::var("KEFU_SEED").ok();
        let seed = chosen
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
                u64::from(since.subsec_nanos()) << 16 | 1
            });
        eprintln!("KEFU_SEED={seed}");
        Self {
            seed,
            state: seed.into(),
        }
    }

    fn next(&self) -> u64 {
        let mut word = self.state.get();
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        self.state.set(word);
        word
    }

    fn below(&self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn mutate(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(4) {
            self.mutate_once(&mut bytes);
        }
        bytes
    }

    fn mutate_once(&self, bytes: &mut Vec<u8>) {
        const TOKENS: [&[u8]; 12] = [
            b"null",
            b"-1",
            b"99999999999999999999",
            b"1e400",
            b"\"\"",
            b"[]",
            b"{}",
            b"true",
            b"\xff\xfe",
            b"\\ud800",
            b"\"\\u0000\"",
            b"[[[[[[[[[[[[[[[[",
        ];
        let at = self.below(bytes.len());
        let end = (at + self.below(12)).min(bytes.len());
        match self.next() % 6 {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = self.next() as u8,
            2 => bytes.insert(at, self.next() as u8),
            3 => drop(bytes.splice(at..end, self.pick(&TOKENS).iter().copied())),
            4 => drop(bytes.drain(at..end)),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.extend(again);
            }
        }
    }
}
