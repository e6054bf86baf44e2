//! Children that are replaced when they die: whose calls are repeated, who is
//! blamed, and when nothing is started for a while.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use kefu_core::config::Isolation;
use kefu_gateway::plugin::{
    Fault, FaultKind, Function,
    child::{ChildObserver, Death, Launch, Supervisor},
};
use kefu_plugin_api::ids::ProviderId;
use kefu_test_support::plugins::{self, CHAOS};
use serde_json::json;

use crate::isolated;

use super::{PATIENCE, Place, bytes, is_there, print_line, said, says, until};

fn supervised(
    place: &Place,
    budget: Duration,
    observer: Option<Arc<dyn ChildObserver>>,
) -> Supervisor {
    let (nursery, launch) = (place.nursery.clone(), place.launch(CHAOS, json!({})));
    let child = nursery.start(&launch).expect("chaos comes up");
    Supervisor::adopt(child, nursery, launch, budget, observer).expect("it is watched over")
}

fn ask(supervisor: &Supervisor, text: &str) -> Result<Vec<String>, Fault> {
    let output = supervisor.call(Function::Handle, &bytes(&says(text)))?;
    Ok(said(&output))
}

fn kill(pid: u32) {
    let pid = pid.to_string();
    let killed = Command::new("kill").args(["-KILL", &pid]).status();
    assert!(killed.expect("kill runs").success(), "{pid}");
}

#[test]
fn a_call_over_its_budget_ends_the_child_and_the_next_call_is_served() {
    let place = Place::new();
    let supervisor = supervised(&place, Duration::from_secs(1), None);
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
    let supervisor = supervised(&place, PATIENCE, None);
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
fn one_who_ends_children_over_and_over_stops_nobody_else() {
    let place = Place::new();
    let supervisor = supervised(&place, PATIENCE, None);
    // Many more ends than bring a rest if nobody is to blame for them.
    for _ in 0..25 {
        let fault = ask(&supervisor, "exit 7").expect_err("it ends the child");
        assert_eq!(fault.kind, FaultKind::Crash, "{fault}");
        assert_eq!(ask(&supervisor, "hello").expect("it serves"), ["hello"]);
    }
    assert_eq!(supervisor.status().restarts, 50);
}

#[test]
fn a_session_that_ended_two_children_waits_and_others_do_not() {
    let place = isolated::Place::new();
    let plugin = fs::read(plugins::file(CHAOS).expect("built")).expect("readable");
    let generation = place.bring_up(&plugin, Isolation::Process, &json!({}));
    let generation = generation.expect("chaos comes up");
    let handle = |session: &str, text: &str| {
        let mut input = says(text);
        input.session.id = session.into();
        generation.handle(&input).map(drop)
    };
    let fault = handle("bad", "exit 7").expect_err("it ends the child");
    assert_eq!(fault.kind, FaultKind::Crash, "{fault}");
    let restarts = generation.process().expect("a child").restarts;
    for _ in 0..30 {
        let fault = handle("bad", "exit 7").expect_err("it is not asked");
        assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
        assert!(fault.detail.contains("code 7"), "{fault}");
        handle("good", "hello").expect("others are served");
    }
    // One start may have come after the question above.
    assert!(generation.process().expect("a child").restarts <= restarts + 1);
}

#[test]
fn a_call_that_finds_no_free_thread_is_nobodys_fault() {
    let place = Place::new();
    let one = Launch {
        threads: 1,
        ..place.launch(CHAOS, json!({}))
    };
    let child = place.nursery.start(&one).expect("chaos comes up");
    let budget = Duration::from_secs(2);
    let supervisor = Supervisor::adopt(child, place.nursery.clone(), one, budget, None);
    let supervisor = supervisor.expect("it is watched over");
    let pid = supervisor.status().pid.expect("it runs");
    thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&supervisor, "loop"));
        until("the call is under way", || busy_threads(pid) >= 1);
        supervisor.set_budget(Duration::from_millis(1));
        let fault = ask(&supervisor, "hello").expect_err("nobody is free");
        assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
        let fault = slow.join().expect("it returns").expect_err("it hangs");
        assert_eq!(fault.kind, FaultKind::Timeout, "{fault}");
    });
}

#[test]
fn a_call_that_was_under_way_in_a_child_that_died_is_answered_by_the_next() {
    let place = Place::new();
    let supervisor = supervised(&place, PATIENCE, None);
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
    let supervisor = supervised(&place, PATIENCE, Some(Arc::clone(&seen) as Arc<_>));
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
    let supervisor = supervised(&place, PATIENCE, None);
    let copy = place.launch(CHAOS, json!({})).copy;
    let aside = place.dir.path().join("aside.so");
    fs::rename(&copy, &aside).expect("the copy can be moved");
    let fault = ask(&supervisor, "exit 1").expect_err("nothing comes after it");
    // That it ended one is no proof: it may have been somebody else's doing.
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    assert!(fault.detail.contains("cannot read"), "{fault}");
    fs::rename(&aside, &copy).expect("the copy can be moved back");
    until("the next child", || ask(&supervisor, "hello").is_ok());
}

#[test]
fn a_dropped_supervisor_leaves_nothing_behind() {
    let place = Place::new();
    let supervisor = supervised(&place, PATIENCE, None);
    let pid = supervisor.status().pid.expect("it runs");
    drop(supervisor);
    assert!(!is_there(pid));
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

/// Not a test of anything but speed, and no judgement: it prints.
#[test]
#[ignore = "measures"]
fn restarts_are_measured() {
    let place = Place::new();
    let mut times = Vec::new();
    // Fewer than would bring a rest, several times over.
    for _ in 0..5 {
        let supervisor = supervised(&place, PATIENCE, None);
        for restarts in 1..=20 {
            kill(supervisor.status().pid.expect("it runs"));
            until("the next child", || {
                supervisor.status().restarts == restarts
            });
            times.push(supervisor.status().last_restart_ms.expect("timed"));
        }
    }
    times.sort_unstable();
    print_line(&format!(
        "next child after: p50 {} ms p90 {} ms p99 {} ms",
        times[49], times[89], times[98]
    ));
}
