//! A child whose part is played by the test, frame by frame.

use std::{
    io::Write,
    net::Shutdown,
    process::{Command, Stdio},
};

use kefu_core::config::Settings;
use kefu_plugin_api::{descriptor::Descriptor, wire::CONTRACT};

use super::*;
use crate::plugin::OutputLimits;

const PATIENCE: Duration = Duration::from_secs(60);

/// The other end of the socket.
struct Part {
    reader: FrameReader<UnixStream>,
    socket: UnixStream,
}

impl Part {
    fn hear(&mut self) -> Frame {
        self.reader.next().expect("readable").expect("a call")
    }

    fn say(&self, id: u64, kind: Kind, payload: &[u8]) {
        frame::write(&self.socket, id, kind, payload).expect("written");
    }
}

/// A child with so many threads, and whoever plays it. The process behind it
/// does nothing but live.
fn child(threads: usize) -> (Child, Part) {
    let idle = Command::new("/bin/sh")
        .args(["-c", "read line < /dev/zero"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    let calls = Arc::new(Calls::new(threads));
    let ending = Arc::clone(&calls);
    let process = Process::watch(idle, move || ending.end()).expect("watched");
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let limits = OutputLimits::default();
    let launch = Launch {
        provider: "vendor".into(),
        copy: "copy.so".into(),
        sha256: String::new(),
        size: 0,
        settings: Settings::new(serde_json::Value::Null),
        limits,
        memory: 0,
        threads,
        cpu_seconds: None,
        stage_timeout: PATIENCE,
    };
    let about = About {
        descriptor: Arc::new(Descriptor::new("played", "1.0.0")),
        contract: CONTRACT,
        rustc: String::new(),
        sha256: String::new(),
        copy: "copy.so".into(),
        size: 0,
    };
    let child = Child::new(
        Nursery::new().expect("a thread can be started"),
        process,
        calls,
        FrameReader::new(Line::new(ours), limits.bytes),
        about,
        Vec::new(),
        &launch,
    )
    .expect("it is listened to");
    let socket = theirs.try_clone().expect("cloned");
    let reader = FrameReader::new(theirs, MOST_INPUT);
    (child, Part { reader, socket })
}

fn handle(child: &Child, input: &[u8]) -> Result<Vec<u8>, CallError> {
    child.call(Function::Handle, input, PATIENCE)
}

/// How a child ends that answers one call like this.
fn end_of(answer: impl FnOnce(&mut Part, u64) + Send) -> How {
    let (child, mut part) = child(1);
    thread::scope(|scope| {
        let call = scope.spawn(|| handle(&child, b"hello"));
        let id = part.hear().id;
        answer(&mut part, id);
        match call.join().expect("it returns") {
            Err(CallError::Died {
                death,
                under_way: true,
            }) => death.how.clone(),
            other => panic!("expected a death, found {other:?}"),
        }
    })
}

#[test]
fn bytes_go_to_the_function_and_come_back_as_they_are() {
    let (child, mut part) = child(1);
    for (function, kind) in [
        (Function::Handle, Kind::Handle),
        (Function::Receive, Kind::Receive),
        (Function::SelfTest, Kind::SelfTest),
        (Function::CheckState, Kind::CheckState),
    ] {
        thread::scope(|scope| {
            let call = scope.spawn(|| child.call(function, b"\x00in\xff", PATIENCE));
            let frame = part.hear();
            assert_eq!((frame.kind, &*frame.payload), (kind, &b"\x00in\xff"[..]));
            part.say(frame.id, Kind::Answer, b"\xffout\x00");
            let answer = call.join().expect("it returns");
            assert_eq!(answer.as_deref(), Ok(&b"\xffout\x00"[..]));
        });
    }
}

#[test]
fn answers_may_come_in_any_order() {
    let (child, mut part) = child(2);
    thread::scope(|scope| {
        let calls = [&b"one"[..], b"two"].map(|input| {
            let child = &child;
            (input, scope.spawn(move || handle(child, input)))
        });
        let (first, second) = (part.hear(), part.hear());
        part.say(second.id, Kind::Answer, &second.payload);
        part.say(first.id, Kind::Answer, &first.payload);
        for (input, call) in calls {
            let answer = call.join().expect("it returns");
            assert_eq!(answer.as_deref(), Ok(input));
        }
    });
}

#[test]
fn too_much_is_a_fault_and_costs_nothing_else() {
    let (child, mut part) = child(1);
    thread::scope(|scope| {
        let call = scope.spawn(|| handle(&child, b"hello"));
        let id = part.hear().id;
        part.say(id, Kind::TooLarge, &5_000_000_u64.to_le_bytes());
        let error = call.join().expect("it returns").expect_err("too large");
        assert_eq!(
            error.to_string(),
            "the adapter answered too much: expected at most 4194304 bytes, found 5000000"
        );
    });
    let input = vec![0; MOST_INPUT + 1];
    let error = handle(&child, &input).expect_err("nobody reads that much");
    assert!(matches!(error, CallError::Fault(_)), "{error}");
    assert_eq!(child.death(), None);
}

#[test]
fn whatever_is_no_answer_ends_the_child() {
    for (kind, payload) in [
        (Kind::Handle, &b""[..]),
        (Kind::Refused, b""),
        (Kind::SelfTested, b""),
        (Kind::TooLarge, b"no length"),
    ] {
        let how = end_of(|part, id| part.say(id, kind, payload));
        assert!(matches!(how, How::Garbage(_)), "{kind:?}: {how:?}");
    }
    let how = end_of(|part, id| part.say(id + 1, Kind::Answer, b""));
    assert_eq!(
        how,
        How::Garbage("an answer to call 2, which is not under way".into())
    );
    let how = end_of(|part, _| part.socket.write_all(&[255; 20]).expect("written"));
    assert!(matches!(&how, How::Garbage(found) if found.contains("kind of frame")));
    let mut huge = [0; 13];
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    huge[12] = Kind::Answer as u8;
    let how = end_of(|part, _| part.socket.write_all(&huge).expect("written"));
    assert!(matches!(&how, How::Garbage(found) if found.contains("at most")));
}

#[test]
fn a_child_that_closes_its_socket_and_lives_on_is_ended() {
    for bytes in [&b""[..], &[1, 0, 0]] {
        let how = end_of(|part, _| {
            part.socket.write_all(bytes).expect("written");
            part.socket.shutdown(Shutdown::Both).expect("shut");
        });
        let expected = "expected an answer, found the end";
        assert_eq!(how, How::Garbage(expected.into()));
    }
}

#[test]
fn a_call_over_its_budget_ends_the_child_and_tells_the_others() {
    let (child, mut part) = child(2);
    thread::scope(|scope| {
        let patient = scope.spawn(|| handle(&child, b"patient"));
        part.hear();
        let budget = Duration::from_millis(1);
        let error = child.call(Function::Handle, b"hasty", budget);
        assert_eq!(error, Err(CallError::Overdue { budget }));
        let Err(CallError::Died { death, under_way }) = patient.join().expect("it returns") else {
            panic!("the child is ended")
        };
        assert_eq!((&death.how, under_way), (&How::Overdue(budget), true));
    });
    let Err(CallError::Died { under_way, .. }) = handle(&child, b"late") else {
        panic!("the child is over")
    };
    assert!(!under_way);
}

#[test]
fn a_call_that_finds_all_threads_busy_costs_the_child_nothing() {
    let (child, mut part) = child(1);
    thread::scope(|scope| {
        let first = scope.spawn(|| handle(&child, b"first"));
        let id = part.hear().id;
        let budget = Duration::from_millis(1);
        let error = child.call(Function::Handle, b"second", budget);
        assert_eq!(error, Err(CallError::Busy { budget }));
        part.say(id, Kind::Answer, b"done");
        let answer = first.join().expect("it returns");
        assert_eq!(answer.as_deref(), Ok(&b"done"[..]));
    });
    assert_eq!(child.death(), None);
}
