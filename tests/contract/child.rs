//! Adapters in a process of their own, with real plug-in files and the real
//! program.
//!
//! Owns what the locked-down child promises: the same answers as in this
//! process, an end that is told in words whatever the adapter does, and nothing
//! left behind.

mod start;
mod supervised;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::Settings;
use kefu_gateway::plugin::{
    FaultKind, Function, Generation, Image, Loader, OutputLimits,
    child::{CallError, Child, ChildError, Death, How, Launch, Nursery},
};
use kefu_plugin_api::{
    prelude::*,
    session::SessionView,
    wire::{HandleInput, HandleOutput, decode, encode},
};
use kefu_test_support::plugins::{self, CHAOS, MINIMAL};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of private copies, and a nursery with the real program.
struct Place {
    dir: TempDir,
    nursery: Nursery,
}

impl Place {
    fn new() -> Self {
        let program = &plugins::built().expect("the gateway is built").gateway;
        Self {
            dir: tempfile::tempdir().expect("a folder can be made"),
            nursery: Nursery::of(program).expect("a thread can be started"),
        }
    }

    fn launch(&self, name: &str, settings: Value) -> Launch {
        let file = plugins::file(name).expect("the plug-in is built");
        let image = Image::read(&file).expect("it is a plug-in");
        Launch {
            provider: "vendor".into(),
            copy: image.keep(self.dir.path()).expect("a copy can be made"),
            sha256: image.sha256().to_owned(),
            size: image.bytes().len() as u64,
            settings: Settings::new(settings),
            limits: OutputLimits::default(),
            memory: 256 << 20,
            threads: 4,
            cpu_seconds: None,
            stage_timeout: PATIENCE,
        }
    }

    fn start(&self, name: &str, settings: Value) -> Result<Child, ChildError> {
        self.nursery.start(&self.launch(name, settings))
    }

    fn chaos(&self) -> Child {
        self.start(CHAOS, json!({})).expect("chaos comes up")
    }
}

fn says(text: &str) -> HandleInput {
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
            conversation: "conversation-1".into(),
            standing: SessionState::Robot,
            ..SessionView::default()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}

fn bytes(input: &HandleInput) -> Vec<u8> {
    encode(input).expect("it has a form")
}

fn said(output: &[u8]) -> Vec<String> {
    let output: HandleOutput = decode(output).expect("a turn's output");
    let said = output.effects.iter().filter_map(|effect| match effect {
        Effect::Deliver { message } => Some(message.content.to_text()),
        _ => None,
    });
    said.collect()
}

fn say(child: &Child, text: &str) -> Result<Vec<String>, CallError> {
    let output = child.call(Function::Handle, &bytes(&says(text)), PATIENCE)?;
    Ok(said(&output))
}

/// How a child ended that was told this.
fn death(child: &Child, text: &str) -> Arc<Death> {
    match say(child, text) {
        Err(CallError::Died {
            death,
            under_way: true,
        }) => death,
        other => panic!("{text}: expected a death, found {other:?}"),
    }
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_adapter_gives_the_same_bytes_in_a_child_as_in_this_process() {
    let place = Place::new();
    let minimal = json!({"send_url": "https://vendor.example/send", "webhook_key": "k"});
    for (name, settings) in [(MINIMAL, minimal), (CHAOS, json!({}))] {
        let child = place.start(name, settings.clone()).expect("it comes up");
        let loader = Loader::new(place.dir.path());
        let module = loader
            .load(&plugins::file(name).expect("built"))
            .expect("it is loaded");
        let here = Generation::open(
            Arc::clone(&module),
            "vendor".into(),
            &settings,
            1,
            OutputLimits::default(),
        )
        .expect("it opens");
        assert_eq!(child.about().descriptor(), module.about().descriptor());
        assert_eq!(child.about().contract(), module.about().contract());
        assert_eq!(child.about().rustc(), module.about().rustc());
        assert_eq!(child.about().sha256(), module.about().sha256());
        assert_eq!(child.about().size(), module.about().size());
        let mut input = says("hello");
        for text in ["hello", "你好", ""] {
            if let Event::FromVisitor { message } = &mut input.event {
                message.content = Content::text(text);
            }
            let there = child.call(Function::Handle, &bytes(&input), PATIENCE);
            let there = there.expect("it answers");
            let here = here.handle(&input).expect("it answers");
            assert_eq!(
                there,
                encode(&here).expect("it has a form"),
                "{name} {text}"
            );
            (input.state, input.state_version) = (here.state, here.state_version);
        }
        child
            .call(Function::CheckState, &input.state, PATIENCE)
            .expect("it reads its own state");
        child
            .call(Function::SelfTest, &[], PATIENCE)
            .expect("it passes again");
    }
}

#[test]
fn a_panic_and_what_is_too_large_cost_the_call_and_not_the_child() {
    let place = Place::new();
    let child = place.chaos();
    for (text, kind) in [
        ("panic", FaultKind::Panic),
        ("vendor", FaultKind::Vendor),
        ("flood 20", FaultKind::TooLarge),
        ("error", FaultKind::Adapter),
    ] {
        let Err(CallError::Fault(fault)) = say(&child, text) else {
            panic!("{text} is a fault")
        };
        assert_eq!(fault.kind, kind, "{fault}");
        assert_eq!(say(&child, "hello").expect("it serves"), ["hello"]);
    }
    let roomy = Launch {
        memory: 1 << 30,
        ..place.launch(CHAOS, json!({}))
    };
    let large = place.nursery.start(&roomy).expect("it comes up");
    let fault = say(&large, "flood 100").expect_err("100 MiB are not sent");
    let text = fault.to_string();
    assert!(
        text.contains("expected at most 4194304 bytes, found 104857"),
        "{text}"
    );
    let garbage = child.call(Function::Handle, b"no message at all", PATIENCE);
    let Err(CallError::Fault(fault)) = garbage else {
        panic!("garbage is a fault")
    };
    assert_eq!(fault.kind, FaultKind::BadOutput);
    assert_eq!(child.death(), None);
}

#[test]
fn many_threads_get_their_own_answers() {
    let place = Place::new();
    let child = place.chaos();
    thread::scope(|scope| {
        for caller in 0..16 {
            let child = &child;
            scope.spawn(move || {
                for number in 0..50 {
                    // Up to half a megabyte, so that frames come in pieces.
                    let padding = "x".repeat((caller * 50 + number) * 600);
                    let text = format!("{caller} {number} {padding}");
                    assert_eq!(say(child, &text).expect("it answers"), [text]);
                }
            });
        }
    });
    assert_eq!(child.under_way(), 0);
}

#[test]
fn what_an_adapter_may_not_ask_the_kernel_ends_it_and_is_named() {
    let place = Place::new();
    let file = place.dir.path().join("made-by-an-adapter");
    for (text, call) in [
        ("open /etc/passwd", "openat"),
        ("proc", "openat"),
        (&*format!("create {}", file.display()), "openat"),
        ("socket", "socket"),
        ("exec /bin/true", "execve"),
        ("sleep 10", "clock_nanosleep"),
    ] {
        let death = death(&place.chaos(), text);
        let expected = How::Forbidden {
            call: format!("the system call `{call}`"),
        };
        assert_eq!(death.how, expected, "{text}: {death}");
        assert_eq!(
            death.to_string(),
            format!("the adapter made the system call `{call}`, which an adapter may not")
        );
    }
    assert!(!file.exists());
    let thread = death(&place.chaos(), "thread");
    assert!(matches!(thread.how, How::Forbidden { .. }), "{thread}");
}

#[test]
fn every_other_way_to_end_a_process_is_told_in_its_words() {
    let place = Place::new();
    for (text, how, word) in [
        ("abort", "SIGABRT", ""),
        ("segfault", "SIGSEGV", ""),
        ("overflow", "SIGABRT", "overflowed its stack"),
        ("allocate", "SIGABRT", "memory allocation of"),
        ("exit 7", "code 7", ""),
    ] {
        let death = death(&place.chaos(), text).to_string();
        assert!(
            death.contains(how) && death.contains(word),
            "{text}: {death}"
        );
    }
}

#[test]
fn an_adapter_within_its_memory_lives_and_one_beyond_it_does_not() {
    let place = Place::new();
    let child = place.chaos();
    say(&child, "allocate 100").expect("100 of 256 MiB are there");
    let death = death(&child, "allocate 300").to_string();
    assert!(death.contains("memory allocation of"), "{death}");
    let tight = Launch {
        memory: 1 << 20,
        ..place.launch(CHAOS, json!({}))
    };
    place
        .nursery
        .start(&tight)
        .expect_err("nobody lives on a mebibyte");
}

#[test]
fn a_dropped_child_leaves_nothing_behind() {
    let place = Place::new();
    let child = place.chaos();
    let pid = child.pid();
    assert!(is_there(pid));
    drop(child);
    assert!(!is_there(pid));
}

#[test]
fn a_child_ends_with_its_gateway() {
    let mut gateway = Command::new(std::env::current_exe().expect("a test has a program"))
        .args([
            "--exact",
            "child::stands_for_a_gateway",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can be started");
    let mut lines = BufReader::new(gateway.stdout.take().expect("piped")).lines();
    let pid = lines.find_map(|line| {
        let line = line.expect("text");
        line.split_once("child=")?.1.trim().parse::<u32>().ok()
    });
    let pid = pid.expect("it says whom it started");
    assert!(is_there(pid));
    gateway.kill().expect("it can be killed");
    gateway.wait().expect("it ends");
    until("the end of the child", || !is_there(pid));
}

#[test]
#[ignore = "is started by the test of a gateway's end"]
fn stands_for_a_gateway() {
    let child = Place::new().chaos();
    print_line(&format!("child={}", child.pid()));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}")
        .and_then(|()| out.flush())
        .expect("written");
}

/// Not a test of anything but speed, and no judgement: it prints.
#[test]
#[ignore = "measures"]
fn round_trips_are_measured() {
    let place = Place::new();
    let child = place.chaos();
    let turn = says(&"x".repeat(300));
    let input = bytes(&turn);
    measured("a turn in a child", || {
        let answer = child.call(Function::Handle, &input, PATIENCE);
        answer.expect("it answers");
    });
    measured("next to nothing in a child", || {
        let answer = child.call(Function::CheckState, &[], PATIENCE);
        answer.expect("it answers");
    });
    let loader = Loader::new(place.dir.path());
    let module = loader.load(&plugins::file(CHAOS).expect("built"));
    let here = Generation::open(
        module.expect("it is loaded"),
        "vendor".into(),
        &json!({}),
        1,
        OutputLimits::default(),
    )
    .expect("it opens");
    measured("a turn in this process", || {
        here.handle(&turn).expect("it answers");
    });
    for time in child.times() {
        print_line(&format!("{}: {:?}", time.stage, time.took));
    }
}

fn measured(what: &str, mut call: impl FnMut()) {
    let mut times: Vec<_> = (0..20_000)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    print_line(&format!(
        "{what}: p50 {:?} p90 {:?} p99 {:?}",
        at(50),
        at(90),
        at(99)
    ));
}
