//! Real plug-in files through the real loader.
//!
//! Owns what happens between an operator's file and a served turn: which files
//! are refused and in which words, that the operator's path is left alone once
//! it was read, and what a misbehaving adapter costs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use kefu_gateway::plugin::{
    CallClock, FaultKind, Generation, Loader, Module, OpenFault, OutputLimits, Refusal,
};
use kefu_plugin_api::{
    prelude::*,
    session::SessionView,
    wire::{HandleInput, HandleOutput, ReceiveOutput},
};
use kefu_test_support::{
    plugins::{
        self, CHAOS, CHAOS_ABORT, CHAOS_NEWER_MAJOR, CHAOS_NO_EXPORT, CHAOS_OTHER_LAYOUT, MINIMAL,
    },
    variants,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A plug-in folder, as an operator has it, and a loader with its own copies.
struct Place {
    dir: TempDir,
    loader: Loader,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let loader = Loader::new(dir.path().join("copies"));
        Self { dir, loader }
    }

    /// Puts bytes where an operator would.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    }

    fn load(&self, file: &Path) -> Arc<Module> {
        self.loader.load(file).expect("a good plug-in is loaded")
    }

    /// Why the bytes are refused; the text must name the file.
    fn refusal(&self, bytes: &[u8]) -> Refusal {
        let file = self.put("libkefu_wrong.so", bytes);
        let error = self.loader.load(&file).expect_err("it is refused");
        assert_eq!(error.file, file);
        let text = error.to_string();
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(
            text.contains("expected ") && text.contains("found"),
            "{text}"
        );
        error.refusal
    }
}

fn bytes(name: &str) -> Vec<u8> {
    plugins::bytes(name).expect("the plug-in is built")
}

fn open(module: &Arc<Module>, settings: &Value) -> Result<Generation, OpenFault> {
    Generation::open(
        Arc::clone(module),
        "provider".into(),
        settings,
        1,
        OutputLimits::default(),
    )
}

fn chaos() -> Generation {
    let place = Place::new();
    let file = place.put(CHAOS, &bytes(CHAOS));
    open(&place.load(&file), &json!({})).expect("chaos opens without settings")
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
            conversation: "conversation-1".into(),
            standing: SessionState::Robot,
            ..SessionView::default()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}

fn then(input: &HandleInput, before: &HandleOutput) -> HandleInput {
    HandleInput {
        state: before.state.clone(),
        state_version: before.state_version.clone(),
        ..input.clone()
    }
}

fn said(output: &HandleOutput) -> Vec<String> {
    let said = output.effects.iter().filter_map(|effect| match effect {
        Effect::Deliver { message } => Some(message.content.to_text()),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_good_file_is_loaded_and_described() {
    let place = Place::new();
    let file = place.put(MINIMAL, &bytes(MINIMAL));
    let module = place.load(&file);
    assert_eq!(module.about().descriptor().id, "minimal");
    assert_eq!(module.about().contract().to_string(), "1.0");
    assert!(
        module.about().rustc().starts_with("rustc "),
        "{}",
        module.about().rustc()
    );
    assert_eq!(
        module
            .about()
            .copy()
            .file_name()
            .and_then(|name| name.to_str()),
        Some(format!("{}.so", module.about().sha256()).as_str())
    );
    assert_ne!(module.about().copy(), file);
}

#[test]
fn the_same_bytes_are_loaded_once() {
    let place = Place::new();
    let first = place.load(&place.put("first.so", &bytes(CHAOS)));
    let second = place.load(&place.put("second.so", &bytes(CHAOS)));
    let elsewhere = Place::new();
    let third = elsewhere.load(&elsewhere.put("third.so", &bytes(CHAOS)));
    assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
}

#[test]
fn one_file_stamped_twice_is_two_builds_that_say_their_own_id() {
    let place = Place::new();
    let whole = bytes(CHAOS);
    let mut hashes = std::collections::BTreeSet::new();
    for id in ["1", "build-000002", &"x".repeat(variants::LONGEST_ID)] {
        let stamped = variants::stamp(&whole, id).expect("chaos has a reserved section");
        assert_eq!(variants::build_id(&stamped).ok().as_deref(), Some(id));
        assert_eq!(stamped.len(), whole.len());
        let module = place.load(&place.put(CHAOS, &stamped));
        assert!(
            hashes.insert(module.about().sha256().to_owned()),
            "a new hash"
        );
        let tagged = open(&module, &json!({"tag": true})).expect("it opens");
        let output = tagged.handle(&says("s", "hello")).expect("it serves");
        assert_eq!(said(&output), [format!("hello #{id}")]);
        let output = tagged.handle(&says("s", "build")).expect("it serves");
        assert_eq!(said(&output), [format!("{id} #{id}")]);
    }
    let untagged = chaos().handle(&says("s", "build")).expect("it serves");
    assert_eq!(said(&untagged), ["unstamped"]);
    for wrong in ["", "with\0zero", &"x".repeat(variants::LONGEST_ID + 1)] {
        assert!(variants::stamp(&whole, wrong).is_err(), "{wrong:?}");
    }
    assert!(variants::stamp(&bytes(MINIMAL), "1").is_err());
}

#[test]
fn different_plugins_are_loaded_side_by_side() {
    let place = Place::new();
    let chaos = place.load(&place.put(CHAOS, &bytes(CHAOS)));
    let minimal = place.load(&place.put(MINIMAL, &bytes(MINIMAL)));
    assert_eq!(
        (
            chaos.about().descriptor().id.as_str(),
            minimal.about().descriptor().id.as_str()
        ),
        ("chaos", "minimal")
    );
}

#[test]
fn a_replaced_file_does_not_disturb_what_was_loaded_from_it() {
    let place = Place::new();
    let file = place.put("libkefu.so", &bytes(CHAOS));
    let generation = open(&place.load(&file), &json!({})).expect("it opens");
    // Written in place and cut short: a mapped file would now be SIGBUS.
    fs::write(&file, b"").expect("the operator may write");
    let output = generation.handle(&says("s", "hello")).expect("it serves");
    assert_eq!(said(&output), ["hello"]);
    // The same path with other content is another plug-in.
    fs::write(&file, bytes(MINIMAL)).expect("the operator may write");
    assert_eq!(place.load(&file).about().descriptor().id, "minimal");
    fs::remove_file(&file).expect("the operator may remove");
    let output = generation
        .handle(&says("s", "still here"))
        .expect("it serves");
    assert_eq!(said(&output), ["still here"]);
}

#[test]
fn a_missing_file_is_waited_for() {
    let place = Place::new();
    let file = place.dir.path().join("libkefu_later.so");
    let error = place.loader.load(&file).expect_err("nothing is there");
    assert!(error.is_waiting(), "{error}");
    assert!(error.to_string().contains("libkefu_later.so"), "{error}");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_was_cut() {
    let (place, whole) = (Place::new(), bytes(CHAOS));
    for keep in [10, 64, 4_096, whole.len() / 2, whole.len() - 1] {
        let refusal = place.refusal(&whole[..keep]);
        assert!(
            matches!(refusal, Refusal::Incomplete { .. }),
            "{keep}: {refusal}"
        );
    }
}

#[test]
fn a_text_file_is_refused_with_how_it_starts() {
    let refusal = Place::new().refusal(b"id = \"zhichi\"\nplugin = 1\n");
    let Refusal::NotElf { found } = &refusal else {
        panic!("{refusal}")
    };
    assert_eq!(found, r#""id = \"zhichi\"\npl""#);
}

#[test]
fn a_file_for_another_machine_is_refused_with_both_names() {
    let place = Place::new();
    let patched = variants::for_another_machine(&bytes(CHAOS)).expect("chaos is ELF");
    for foreign in [patched, variants::foreign_library()] {
        let refusal = place.refusal(&foreign);
        let Refusal::WrongMachine { expected, found } = &refusal else {
            panic!("{refusal}")
        };
        assert_eq!(*expected, std::env::consts::ARCH);
        assert!(["x86_64", "aarch64"].contains(&found.as_str()) && found != expected);
    }
}

#[test]
fn a_flipped_bit_that_shows_before_any_code_runs_is_refused_in_words() {
    let (place, whole) = (Place::new(), bytes(CHAOS));
    let vital = variants::vital_bits(&whole).expect("chaos has all tables");
    let shows = |part: &str| {
        let bit = vital.iter().find(|bit| bit.part == part).expect(part);
        let refusal = place.refusal(&variants::flipped(&whole, bit.at, bit.bit));
        (refusal.to_string(), refusal)
    };
    let (text, refusal) = shows("the kind of file");
    assert!(matches!(refusal, Refusal::WrongKind { .. }), "{text}");
    let (text, refusal) = shows("the number of program headers");
    assert!(
        matches!(
            refusal,
            Refusal::Incomplete { .. } | Refusal::WrongKind { .. }
        ),
        "{text}"
    );
    let (text, refusal) = shows("the name of the exported symbol");
    assert!(matches!(refusal, Refusal::NoModule { .. }), "{text}");
    let (text, refusal) = shows("the mark of the header");
    assert!(matches!(refusal, Refusal::OtherLayout { .. }), "{text}");
}

#[test]
fn a_library_without_the_exported_symbol_is_refused() {
    let place = Place::new();
    // A test program exports nothing, and its refusal tells the symbol's name.
    let program = std::env::current_exe()
        .and_then(fs::read)
        .expect("readable");
    let Refusal::NoModule { expected } = place.refusal(&program) else {
        panic!("a test program is no plug-in")
    };
    assert_eq!(
        place.refusal(&bytes(CHAOS_NO_EXPORT)),
        Refusal::NoModule { expected }
    );
    let mut renamed = bytes(CHAOS);
    let mut places = 0;
    for at in 0..renamed.len() - expected.len() {
        if renamed[at..].starts_with(expected.as_bytes()) {
            renamed[at] = b'X';
            places += 1;
        }
    }
    assert!(places > 0, "chaos exports {expected}");
    assert_eq!(place.refusal(&renamed), Refusal::NoModule { expected });
}

#[test]
fn another_module_layout_is_refused() {
    let refusal = Place::new().refusal(&bytes(CHAOS_OTHER_LAYOUT));
    let Refusal::OtherLayout { found, .. } = &refusal else {
        panic!("{refusal}")
    };
    assert!(found.starts_with("mismatched type: "), "{found}");
    assert!(found.contains("OtherModule"), "{found}");
    // Nothing of the refused file is left behind in the checker.
    let place = Place::new();
    place.load(&place.put(CHAOS, &bytes(CHAOS)));
}

#[test]
fn a_newer_contract_major_is_refused_with_both_versions() {
    let refusal = Place::new().refusal(&bytes(CHAOS_NEWER_MAJOR));
    assert!(matches!(refusal, Refusal::OtherMajor { .. }), "{refusal}");
    assert_eq!(
        refusal.to_string(),
        "expected contract 1.x, found 2.0; update the gateway"
    );
}

#[test]
fn a_build_whose_panics_abort_is_refused_with_what_to_change() {
    let refusal = Place::new().refusal(&bytes(CHAOS_ABORT));
    assert_eq!(refusal, Refusal::Aborts);
    assert!(
        refusal.to_string().contains("panic = \"abort\""),
        "{refusal}"
    );
}

#[test]
fn refused_settings_come_back_with_the_adapters_words() {
    let place = Place::new();
    let module = place.load(&place.put(CHAOS, &bytes(CHAOS)));
    let fault = open(&module, &json!({"on_open": "refuse"})).expect_err("refused");
    assert_eq!(
        fault.to_string(),
        "the adapter refuses the settings: setting `on_open`: is `refuse`; anything but `refuse` would be taken"
    );
    let wrong_type = open(&module, &json!({"on_open": 3})).expect_err("refused");
    assert!(matches!(wrong_type, OpenFault::Refused(_)), "{wrong_type}");
}

#[test]
fn a_panic_while_opening_and_a_failed_self_test_are_faults_of_the_adapter() {
    let place = Place::new();
    let module = place.load(&place.put(CHAOS, &bytes(CHAOS)));
    let fault = open(&module, &json!({"on_open": "panic"})).expect_err("panics");
    assert!(
        matches!(&fault, OpenFault::Broken(fault) if fault.kind == FaultKind::Panic),
        "{fault}"
    );
    let fault = open(&module, &json!({"on_open": "unknown"})).expect_err("fails");
    assert!(matches!(fault, OpenFault::SelfTest(_)), "{fault}");
    open(&module, &json!({})).expect("the module itself is none the worse");
}

#[test]
fn a_panic_costs_the_turn_only() {
    let generation = chaos();
    let first = generation.handle(&says("a", "one")).expect("it serves");
    let fault = generation
        .handle(&then(&says("a", "panic"), &first))
        .expect_err("it panics");
    assert_eq!(fault.kind, FaultKind::Panic);
    assert_eq!(fault.detail, "asked to panic");
    let second = generation
        .handle(&then(&says("a", "two"), &first))
        .expect("it serves");
    assert_eq!(said(&second), ["two"]);
    generation.handle(&says("b", "other")).expect("it serves");
    assert_eq!(generation.in_flight(), 0);
}

#[test]
fn a_panic_in_receive_costs_that_callback_only() {
    let generation = chaos();
    let mut callback = kefu_plugin_api::testing::json_callback("", &json!({}));
    callback.headers.push(("x-key".into(), "chaos".into()));
    callback.body = b"panic".to_vec();
    let fault = generation.receive(&callback).expect_err("it panics");
    assert_eq!(fault.kind, FaultKind::Panic);
    callback.body = br#"{"chat":"c","id":"1","text":"hi"}"#.to_vec();
    let output = generation.receive(&callback).expect("it serves");
    assert!(matches!(output, ReceiveOutput::Accepted { .. }));
}

#[test]
fn an_answer_that_is_too_large_is_dropped_with_limit_and_size() {
    let generation = chaos();
    for (command, expected) in [
        ("flood 100", "expected at most 4194304 bytes, found 1048"),
        ("effects 257", "expected at most 256 effects, found 257"),
        (
            "state 65",
            "expected at most 65536 bytes of state, found 665",
        ),
    ] {
        let fault = generation.handle(&says("a", command)).expect_err(command);
        assert_eq!(fault.kind, FaultKind::TooLarge, "{command}");
        assert!(fault.detail.starts_with(expected), "{}", fault.detail);
    }
    let output = generation
        .handle(&says("a", "effects 256"))
        .expect("allowed");
    assert_eq!(output.effects.len(), 256);
}

#[test]
fn a_state_that_cannot_be_read_back_is_named_as_such() {
    let generation = chaos();
    let output = generation.handle(&says("a", "forget")).expect("it serves");
    let fault = generation
        .handle(&then(&says("a", "hello"), &output))
        .expect_err("it cannot be read");
    assert_eq!(fault.kind, FaultKind::State);
    assert!(generation.check_state(&output.state).is_err());
    generation
        .check_state(b"")
        .expect("no state is the default");
}

#[test]
fn whose_fault_a_failed_turn_is_decides_who_is_blamed() {
    let generation = chaos();
    let own = generation.handle(&says("a", "error")).expect_err("fails");
    assert!(own.kind == FaultKind::Adapter && own.blames_adapter());
    let vendors = generation.handle(&says("a", "vendor")).expect_err("fails");
    assert!(vendors.kind == FaultKind::Vendor && !vendors.blames_adapter());
}

#[test]
fn a_call_under_way_is_seen_from_another_thread_until_it_returns() {
    let guarded = super::serving::chaos_registry().guarded();
    let clock = CallClock::new();
    thread::scope(|scope| {
        let call = scope.spawn(|| guarded.handle(&clock, &says("slow", "loop 200")));
        let running = loop {
            if let Some(running) = clock.running() {
                break running;
            }
            assert!(!call.is_finished(), "the call is seen while it runs");
            thread::yield_now();
        };
        assert_eq!(running.session, "slow".into());
        assert_eq!(running.generation.in_flight(), 1);
        let output = call.join().expect("no panic").expect("it serves");
        assert_eq!(said(&output), ["loop 200"]);
    });
    assert!(clock.running().is_none());
    assert_eq!(guarded.generation().in_flight(), 0);
}
