//! The start of a child: what each stage refuses, in which words, and that
//! nothing is left behind.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    process::{Command, Stdio},
    time::Duration,
};

use kefu_gateway::plugin::{
    Stage,
    child::{Child, ChildError, Launch, Nursery},
};
use kefu_test_support::plugins::{self, CHAOS, CHAOS_ABORT, CHAOS_NEWER_MAJOR, CHAOS_OTHER_LAYOUT};
use serde_json::json;

use super::Place;

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
fn one_that_sends_a_byte_now_and_then_is_too_slow_like_any_other() {
    // The beginning of a frame of a million bytes.
    let script = r"printf '\100\102\017\000\000\000\000\000\000\000\000\000\021' >&0
while printf x >&0; do sleep 0.05; done";
    let limit = Duration::from_secs(1);
    let error = start_of(script, limit);
    let stage = Stage::Load;
    assert_eq!(error, ChildError::TooSlow { stage, limit });
}

#[test]
fn one_that_only_says_that_it_is_locked_is_found_out() {
    let script = r"printf '\000\000\000\000\000\000\000\000\000\000\000\000\021' >&0
exec sleep 60";
    let error = start_of(script, super::PATIENCE);
    let text = error.to_string();
    assert!(text.contains("filters of system calls"), "{text}");
}

#[test]
fn files_that_the_gateway_inherited_do_not_reach_a_plug_in() {
    let gateway = &plugins::built().expect("the gateway is built").gateway;
    let script = format!("exec 7</etc/passwd\nexec '{}' \"$@\"", gateway.display());
    let (_place, started) = play(&script, super::PATIENCE);
    let child = started.expect("it comes up");
    let open = fs::read_dir(format!("/proc/{}/fd", child.pid())).expect("it lives");
    let mut open: Vec<_> = open
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    open.sort();
    assert_eq!(open, ["0", "1", "2"]);
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

/// Why a child did not come up whose program is that script.
fn start_of(script: &str, limit: Duration) -> ChildError {
    let (_place, started) = play(script, limit);
    let error = started.expect_err("a script is no gateway");
    assert_eq!(error.stage(), Stage::Load);
    error
}

/// What becomes of a child whose program is that script, and where it lives.
fn play(script: &str, limit: Duration) -> (Place, Result<Child, ChildError>) {
    let place = Place::new();
    let program = place.dir.path().join("program");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made a program");
    let launch = Launch {
        stage_timeout: limit,
        ..place.launch(CHAOS, json!({}))
    };
    let nursery = Nursery::of(&program).expect("a thread can be started");
    loop {
        let started = nursery.start(&launch);
        // Another test that starts a process at this moment may hold the
        // script open until that process is there.
        if !matches!(&started, Err(error) if error.to_string().contains("Text file busy")) {
            return (place, started);
        }
    }
}

#[test]
fn a_program_that_is_no_gateway_is_found_out() {
    for (script, word) in [
        ("exit 9", "code 9"),
        ("echo some words >&2; exit 9", "its last words: some words"),
        (
            "head -c 20 /dev/zero >&0; exec sleep 60",
            "kind of frame, found 0",
        ),
        ("exec 0</dev/null; exec sleep 60", "found the end"),
        ("kill -SEGV $$", "SIGSEGV"),
    ] {
        let error = start_of(script, super::PATIENCE);
        assert!(matches!(error, ChildError::Died { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(word), "{script}: {text}");
    }
    let limit = Duration::from_millis(300);
    let stage = Stage::Load;
    let silent = start_of("exec sleep 60", limit);
    assert_eq!(silent, ChildError::TooSlow { stage, limit });
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let nursery = Nursery::of(place.dir.path().join("no-such-program")).expect("a thread");
    let error = nursery.start(&place.launch(CHAOS, json!({})));
    let text = error.expect_err("nothing is there").to_string();
    assert!(text.contains("cannot start a child process"), "{text}");
}
