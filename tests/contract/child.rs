//! Adapters in a process of their own, with real plug-in files and the real
//! program.
//!
//! Owns what the locked-down child promises: the same answers as in this
//! process, an end that is told in words whatever the adapter does, and nothing
//! left behind.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::Settings;
use kefu_gateway::plugin::{
    Fault, FaultKind, Function, Generation, Image, Loader, OutputLimits, Stage,
    child::{CallError, Child, ChildError, ChildObserver, Death, How, Launch, Nursery, Supervisor},
};
use kefu_plugin_api::{
    ids::ProviderId,
    prelude::*,
    session::SessionView,
    wire::{HandleInput, HandleOutput, decode, encode},
};
use kefu_test_support::plugins::{
    self, CHAOS, CHAOS_ABORT, CHAOS_NEWER_MAJOR, CHAOS_OTHER_LAYOUT, MINIMAL,
};
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

    fn supervised(&self, budget: Duration, observer: Option<Arc<dyn ChildObserver>>) -> Supervisor {
        let (nursery, launch) = (self.nursery.clone(), self.launch(CHAOS, json!({})));
        let child = nursery.start(&launch).expect("chaos comes up");
        Supervisor::adopt(child, nursery, launch, budget, observer).expect("it is watched over")
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

fn ask(supervisor: &Supervisor, text: &str) -> Result<Vec<String>, Fault> {
    let output = supervisor.call(Function::Handle, &bytes(&says(text)))?;
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

fn kill(pid: u32) {
    let pid = pid.to_string();
    let killed = Command::new("kill").args(["-KILL", &pid]).status();
    assert!(killed.expect("kill runs").success(), "{pid}");
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
fn a_child_says_how_long_each_stage_took() {
    let place = Place::new();
    let child = place.chaos();
    let stages: Vec<_> = child.times().iter().map(|time| time.stage).collect();
    assert_eq!(
        stages,
        [Stage::Load, Stage::Describe, Stage::Open, Stage::SelfTest]
    );
    assert!(child.resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
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
fn the_same_ends_a_child_that_is_still_being_opened() {
    let place = Place::new();
    let error = place.start(CHAOS, json!({"on_open": "open /etc/passwd"}));
    let error = error.expect_err("it does not come up");
    assert_eq!(error.stage(), Stage::Open);
    assert_eq!(
        error.to_string(),
        "the adapter made the system call `openat`, which an adapter may not"
    );
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
fn a_copy_with_another_hash_is_not_loaded() {
    let place = Place::new();
    let launch = place.launch(CHAOS, json!({}));
    let wrong = Launch {
        sha256: "0".repeat(64),
        ..launch.clone()
    };
    let error = place.nursery.start(&wrong).expect_err("another hash");
    assert_eq!(error.stage(), Stage::Load);
    let text = error.to_string();
    assert!(text.contains(&launch.sha256), "{text}");
    assert!(text.contains(&"0".repeat(64)), "{text}");
    fs::remove_file(&launch.copy).expect("the copy can be removed");
    let error = place.nursery.start(&launch).expect_err("nothing is there");
    assert!(error.to_string().contains("cannot read"), "{error}");
}

#[test]
fn each_stage_refuses_in_its_own_words() {
    let place = Place::new();
    for (name, settings, stage, word) in [
        (CHAOS_OTHER_LAYOUT, json!({}), Stage::Describe, "layout"),
        (CHAOS_NEWER_MAJOR, json!({}), Stage::Describe, "contract 1"),
        (CHAOS_ABORT, json!({}), Stage::Describe, "panic = \"abort\""),
        (
            CHAOS,
            json!({"on_open": "refuse"}),
            Stage::Open,
            "refuses the settings: setting `on_open`",
        ),
        (CHAOS, json!({"on_open": "panic"}), Stage::Open, "panicked"),
        (
            CHAOS,
            json!({"on_open": "unknown"}),
            Stage::SelfTest,
            "self-test",
        ),
    ] {
        let error = place.start(name, settings).expect_err("it is refused");
        assert!(matches!(error, ChildError::Refused { .. }), "{error:?}");
        assert_eq!(error.stage(), stage, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_stage_that_takes_too_long_is_ended() {
    let place = Place::new();
    let limit = Duration::from_secs(3);
    let launch = Launch {
        stage_timeout: limit,
        ..place.launch(CHAOS, json!({"on_open": "loop"}))
    };
    let error = place.nursery.start(&launch).expect_err("it never opens");
    let stage = Stage::Open;
    assert_eq!(error, ChildError::TooSlow { stage, limit });
}

#[test]
fn one_that_is_only_tried_is_ended_by_the_processor_time_it_takes() {
    let place = Place::new();
    let launch = Launch {
        cpu_seconds: Some(1),
        ..place.launch(CHAOS, json!({"on_open": "loop"}))
    };
    let error = place.nursery.start(&launch).expect_err("it never opens");
    assert_eq!(error.stage(), Stage::Open);
    assert!(matches!(error, ChildError::Died { .. }), "{error}");
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
    println_now(&format!("child={}", child.pid()));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn println_now(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}")
        .and_then(|()| out.flush())
        .expect("written");
}

#[test]
fn a_child_that_is_sent_garbage_ends() {
    let program = &plugins::built().expect("the gateway is built").gateway;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 13], &[255; 64], &[3]] {
        let (mut ours, theirs) = UnixStream::pair().expect("a socket pair");
        let mut child = Command::new(program)
            .args(["adapter-host", &std::process::id().to_string()])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        ours.write_all(garbage).expect("written");
        ours.shutdown(std::net::Shutdown::Write).expect("shut");
        let mut words = String::new();
        let stderr = child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut words).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(4), "{words}");
        assert!(words.contains("expected"), "{words}");
    }
}

#[test]
fn a_child_of_somebody_else_does_nothing() {
    let program = &plugins::built().expect("the gateway is built").gateway;
    let output = Command::new(program)
        .args(["adapter-host", "1"])
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    assert_eq!(output.status.code(), Some(3));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("expected to be started by the gateway"),
        "{words}"
    );
}

#[test]
fn a_call_over_its_budget_ends_the_child_and_the_next_call_is_served() {
    let place = Place::new();
    let supervisor = place.supervised(Duration::from_secs(1), None);
    let before = supervisor.status().pid;
    let fault = ask(&supervisor, "loop").expect_err("it never answers");
    assert_eq!(fault.kind, FaultKind::Timeout, "{fault}");
    assert_eq!(ask(&supervisor, "hello").expect("it serves"), ["hello"]);
    let status = supervisor.status();
    assert_ne!(status.pid, before);
    assert_eq!(status.restarts, 1);
    let death = status.last_death.expect("it is remembered");
    assert!(death.contains("longer than 1000 ms"), "{death}");
}

#[test]
fn a_call_that_ends_two_children_is_a_crash_in_the_words_of_the_second() {
    let place = Place::new();
    let supervisor = place.supervised(PATIENCE, None);
    for (text, word) in [
        ("exit 7", "code 7"),
        ("open /etc/passwd", "system call `openat`"),
    ] {
        let fault = ask(&supervisor, text).expect_err("it ends the child");
        assert_eq!(fault.kind, FaultKind::Crash, "{fault}");
        assert!(fault.detail.contains(word), "{fault}");
        assert_eq!(ask(&supervisor, "hello").expect("it serves"), ["hello"]);
    }
    assert_eq!(supervisor.status().restarts, 4);
}

#[test]
fn a_call_that_was_under_way_in_a_child_that_died_is_answered_by_the_next() {
    let place = Place::new();
    let supervisor = place.supervised(PATIENCE, None);
    let pid = supervisor.status().pid.expect("it runs");
    thread::scope(|scope| {
        let calls: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| ask(&supervisor, "loop 1000")))
            .collect();
        until("calls under way", || busy_threads(pid) >= 3);
        kill(pid);
        for call in calls {
            let answer = call.join().expect("it returns");
            assert_eq!(answer.expect("it is answered"), ["loop 1000"]);
        }
    });
    assert_eq!(supervisor.status().restarts, 1);
}

/// Threads of a process that are at work.
fn busy_threads(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let is_busy = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" R"))
    };
    let tasks = tasks.expect("it lives").flatten();
    tasks
        .filter(|task| task.path().exists())
        .map(is_busy)
        .filter(|busy| *busy)
        .count()
}

#[test]
fn a_child_that_dies_idle_is_replaced_before_anybody_asks() {
    #[derive(Default)]
    struct Seen(Mutex<(Vec<String>, usize)>);
    impl ChildObserver for Seen {
        fn died(&self, _: &ProviderId, death: &Death) {
            self.0.lock().expect("no panic").0.push(death.to_string());
        }
        fn restarted(&self, _: &ProviderId, _: Duration) {
            self.0.lock().expect("no panic").1 += 1;
        }
    }
    let (place, seen) = (Place::new(), Arc::new(Seen::default()));
    let supervisor = place.supervised(PATIENCE, Some(Arc::clone(&seen) as Arc<_>));
    let before = supervisor.status().pid.expect("it runs");
    kill(before);
    until("the next child", || {
        supervisor.status().pid.is_some_and(|pid| pid != before)
    });
    until("the observer", || seen.0.lock().expect("no panic").1 == 1);
    let deaths = seen.0.lock().expect("no panic").0.clone();
    assert_eq!(deaths.len(), 1);
    assert!(deaths[0].contains("SIGKILL"), "{deaths:?}");
    assert_eq!(ask(&supervisor, "hello").expect("it serves"), ["hello"]);
    assert!(supervisor.status().resident_bytes.is_some());
    assert!(supervisor.status().last_restart_ms.is_some());
}

#[test]
fn calls_fail_at_once_while_the_next_child_cannot_come_up() {
    let place = Place::new();
    let supervisor = place.supervised(PATIENCE, None);
    let copy = place.launch(CHAOS, json!({})).copy;
    let aside = place.dir.path().join("aside.so");
    fs::rename(&copy, &aside).expect("the copy can be moved");
    let fault = ask(&supervisor, "exit 1").expect_err("nothing comes after it");
    assert_eq!(fault.kind, FaultKind::Crash, "{fault}");
    assert!(fault.detail.contains("cannot read"), "{fault}");
    fs::rename(&aside, &copy).expect("the copy can be moved back");
    until("the next child", || ask(&supervisor, "hello").is_ok());
}

#[test]
fn a_child_that_dies_all_the_time_is_given_a_rest() {
    let place = Place::new();
    let supervisor = place.supervised(PATIENCE, None);
    until("a rest", || {
        let fault = ask(&supervisor, "exit 1").expect_err("it ends the child");
        assert_eq!(fault.kind, FaultKind::Crash, "{fault}");
        fault.detail.contains("it is not called for another")
    });
    until("the end of the rest", || ask(&supervisor, "hello").is_ok());
}

#[test]
fn a_dropped_supervisor_leaves_nothing_behind() {
    let place = Place::new();
    let supervisor = place.supervised(PATIENCE, None);
    let pid = supervisor.status().pid.expect("it runs");
    drop(supervisor);
    assert!(!is_there(pid));
}

/// Not a test of anything but speed, and no judgement: it prints.
#[test]
#[ignore = "measures"]
fn round_trips_are_measured() {
    let place = Place::new();
    let child = place.chaos();
    let input = bytes(&says(&"x".repeat(300)));
    let mut times: Vec<_> = (0..20_000)
        .map(|_| {
            let start = Instant::now();
            let answer = child.call(Function::Handle, &input, PATIENCE);
            answer.expect("it answers");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println_now(&format!(
        "round trip p50 {:?} p90 {:?} p99 {:?}",
        at(0.5),
        at(0.9),
        at(0.99)
    ));
    for time in child.times() {
        println_now(&format!("{}: {:?}", time.stage, time.took));
    }
}
