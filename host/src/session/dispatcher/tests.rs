use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use kefu_core::{
    outbox::OutboxEntry,
    session::{Fallback, Opening},
    turn::Input,
};
use kefu_plugin_api::{
    effect::Call as VendorCall,
    event::{Client, Visitor},
    http::HttpRequest,
    time::Timestamp,
};

use super::*;
use crate::session::slot::{TurnJob, What};

/// Threads that tell what they take and go on when they are told to.
struct Bench {
    dispatcher: Arc<Dispatcher>,
    taken: Receiver<Taken>,
}

struct Taken {
    lane: Lane,
    job: u32,
    go_on: Sender<()>,
}

impl Bench {
    fn new(threads: usize) -> Self {
        let rota = Rota::new(threads, 0);
        let dispatcher = Arc::new(Dispatcher::new(1_000, 1_000, rota));
        let (tell, taken) = mpsc::channel();
        for _ in 0..threads {
            let (dispatcher, tell) = (Arc::clone(&dispatcher), tell.clone());
            thread::spawn(move || serve(&dispatcher, &tell));
        }
        Self { dispatcher, taken }
    }

    /// Work of a session whose provider is known.
    fn submit(&self, session: &str, provider: &str, number: u32) {
        let job = Job {
            what: What::Prepare {
                entry: Box::new(entry(session, provider)),
                attempt: number,
            },
            done: None,
        };
        assert!(self.dispatcher.submit(&session.into(), job, true).is_ok());
    }

    fn next(&self) -> Taken {
        let taken = self.taken.recv_timeout(Duration::from_secs(30));
        taken.expect("a thread takes something")
    }

    fn nothing_is_taken(&self) -> bool {
        !self.dispatcher.lock_ready().rota.can_take() && self.taken.try_recv().is_err()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.dispatcher.close();
    }
}

fn serve(dispatcher: &Dispatcher, tell: &Sender<Taken>) {
    let mut before = None;
    while let Some((lane, Work::Session(slot))) = dispatcher.next(before.take()) {
        let job = match slot.next_job().map(|job| job.what) {
            Some(What::Prepare { attempt, .. }) => attempt,
            _ => 0,
        };
        let (go_on, wait) = mpsc::channel();
        let taken = Taken {
            lane: lane.clone(),
            job,
            go_on,
        };
        if tell.send(taken).is_err() {
            return;
        }
        // Dropped at the end of a test.
        let _ = wait.recv();
        dispatcher.release(&slot);
        before = Some(lane);
    }
}

fn entry(session: &str, provider: &str) -> OutboxEntry {
    OutboxEntry {
        session: session.into(),
        number: 1,
        provider: provider.into(),
        call: VendorCall::new("c", HttpRequest::get("https://vendor.example/")),
        created_at: Timestamp::from_unix_ms(0),
        deadline_at: Timestamp::from_unix_ms(0),
        gives_way: false,
        media: Vec::new(),
        trace: None,
    }
}

fn record(provider: &str) -> Record {
    let order = vec![Fallback::new(provider, None)];
    Record::open(Opening {
        synthetic: false,
        id: "s".into(),
        app: "app".into(),
        desk: "desk".into(),
        visitor: Visitor::default(),
        client: Client::default(),
        asked_group: None,
        order,
        now: Timestamp::from_unix_ms(0),
    })
    .expect("there is somebody to ask")
}

#[test]
fn a_hanging_provider_leaves_the_others_their_threads() {
    let bench = Bench::new(4);
    for session in 0..20 {
        bench.submit(&format!("a{session}"), "a", 1);
    }
    let hung = [bench.next(), bench.next()];
    assert!(hung.iter().all(|taken| taken.lane == Some("a".into())));
    for round in 0..100 {
        bench.submit("b", "b", round);
        let taken = bench.next();
        assert_eq!((taken.lane, taken.job), (Some("b".into()), round));
        drop(taken.go_on);
    }
    bench.submit("b", "b", 0);
    let also_hung = bench.next();
    bench.submit("c", "c", 7);
    assert_eq!(bench.next().job, 7, "beside two that hang");
    drop((hung, also_hung));
}

#[test]
fn what_waited_for_a_full_provider_goes_on_when_a_call_returns() {
    let bench = Bench::new(4);
    for session in 0..3 {
        bench.submit(&format!("a{session}"), "a", session);
    }
    let first = bench.next();
    let second = bench.next();
    assert!(bench.nothing_is_taken());
    drop(first.go_on);
    assert_eq!(bench.next().job, 2);
    drop(second);
}

#[test]
fn a_session_has_one_turn_at_a_time_and_in_order() {
    let bench = Bench::new(8);
    const SESSIONS: u32 = 30;
    const JOBS: u32 = 40;
    for job in 0..JOBS {
        for session in 0..SESSIONS {
            let provider = ["a", "b", "c"][session as usize % 3];
            bench.submit(&format!("s{session}"), provider, session * 1_000 + job);
        }
    }
    let mut next = HashMap::new();
    let mut held: Vec<Taken> = Vec::new();
    for step in 0..SESSIONS * JOBS {
        let taken = bench.next();
        let (session, job) = (taken.job / 1_000, taken.job % 1_000);
        assert_eq!(job, *next.entry(session).or_insert(0), "session {session}");
        next.insert(session, job + 1);
        assert!(held.iter().all(|other| other.job / 1_000 != session));
        held.push(taken);
        // Some are kept for a while, so that others pass them; not at the end,
        // when nothing else is left.
        let keep = if step < SESSIONS * (JOBS - 10) {
            step as usize % 3
        } else {
            0
        };
        while held.len() > keep {
            drop(held.remove(held.len() / 2).go_on);
        }
    }
}

#[test]
fn a_session_waits_where_its_next_job_belongs() {
    let slot = Slot::new("s".into());
    let add = |what| {
        let job = Job { what, done: None };
        assert!(slot.add(job, 0, None).is_ok());
    };
    add(What::Turn(Box::new(TurnJob::new(Input::Timers))));
    assert_eq!(slot.lane(), None, "it has to be read first");
    slot.set_record(Some(Arc::new(record("known"))));
    assert_eq!(slot.lane(), Some("known".into()));
    slot.next_job();
    add(What::Prepare {
        entry: Box::new(entry("s", "vendor")),
        attempt: 1,
    });
    assert_eq!(slot.lane(), Some("vendor".into()));
    slot.next_job();
    let mut job = TurnJob::new(Input::Open);
    job.create = Some(record("new"));
    add(What::Turn(Box::new(job)));
    assert_eq!(slot.lane(), Some("new".into()));
}

#[test]
fn a_full_session_refuses_what_may_be_refused() {
    let dispatcher = Dispatcher::new(10, 1, Rota::new(2, 0));
    let job = || Job {
        what: What::Turn(Box::new(TurnJob::new(Input::Timers))),
        done: None,
    };
    assert!(dispatcher.submit(&"s".into(), job(), false).is_ok());
    assert!(dispatcher.submit(&"s".into(), job(), false).is_err());
    assert!(dispatcher.submit(&"s".into(), job(), true).is_ok());
}
