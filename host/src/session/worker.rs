//! The threads that run turns, and the watchdog over them.
//!
//! Owns the worker threads. What a turn is stands in `turns`. Deliberately never
//! waits for a commit: the thread goes on with the next session. Invariant: an
//! adapter that does not return blocks its own sessions and one thread, which
//! the watchdog replaces up to a cap.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    dispatcher::{Ended, EndedFn, Job, Slot, What, Work},
    engine::Shared,
    turns::{prepare, turn},
};
use crate::plugin::{CallClock, CallKind, Fault, FaultKind};

/// One worker's place: what it is doing, readable by the watchdog.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) clock: CallClock,
    /// Whoever waits for the end of the job under way. The watchdog takes it
    /// to answer in the worker's place; the worker then knows that it was
    /// given up.
    waiting: Mutex<Option<EndedFn>>,
    /// Which job this is, counted from 1: the watchdog must not answer for
    /// the next one.
    job: AtomicUsize,
    replaced: AtomicBool,
}

impl Seat {
    fn sit_down(&self, done: Option<EndedFn>) {
        let mut waiting = self.lock();
        self.job.fetch_add(1, Ordering::Relaxed);
        *waiting = Some(done.unwrap_or_else(|| Box::new(|_| {})));
    }

    /// Takes the answer out of the worker's hands, if it is still at this job.
    fn give_up(&self, job: usize) -> Option<EndedFn> {
        let mut waiting = self.lock();
        let same = self.job.load(Ordering::Relaxed) == job;
        let done = waiting.take_if(|_| same)?;
        self.replaced.store(true, Ordering::Release);
        Some(done)
    }

    pub(super) fn stand_up(&self) -> Option<EndedFn> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<EndedFn>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the workers and their watchdog.
pub(super) fn start(shared: &Arc<Shared>, threads: usize) -> std::io::Result<()> {
    let seats = Arc::new(Mutex::new(Vec::new()));
    for number in 0..threads {
        spawn(shared, &seats, number)?;
    }
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("engine-watchdog".into())
        .spawn(move || watch(&shared, &seats))
        .map(drop)
}

type Seats = Arc<Mutex<Vec<Arc<Seat>>>>;

fn spawn(shared: &Arc<Shared>, seats: &Seats, number: usize) -> std::io::Result<()> {
    let seat = Arc::new(Seat::default());
    seats
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Arc::clone(&seat));
    let (shared, seats) = (Arc::clone(shared), Arc::clone(seats));
    thread::Builder::new()
        .name(format!("engine-{number}"))
        .spawn(move || {
            while let Some(work) = shared.dispatcher.next() {
                match work {
                    Work::Session(slot) => run(&shared, &seat, &slot),
                    Work::Callback(call) => call(&seat),
                }
                if seat.replaced.load(Ordering::Acquire) {
                    break;
                }
            }
            seats
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|other| !Arc::ptr_eq(other, &seat));
        })
        .map(drop)
}

/// Answers in the place of workers whose adapter does not return, and puts
/// others on their work.
fn watch(shared: &Arc<Shared>, seats: &Seats) {
    let stuck = AtomicUsize::new(0);
    while !shared.stopped.load(Ordering::Acquire) {
        thread::sleep(WATCH_EVERY);
        let (budget, cap) = shared.call_budget();
        let now = Instant::now();
        let late: Vec<_> = {
            let seats = seats.lock().unwrap_or_else(PoisonError::into_inner);
            stuck.store(
                seats
                    .iter()
                    .filter(|seat| seat.replaced.load(Ordering::Acquire))
                    .count(),
                Ordering::Release,
            );
            seats
                .iter()
                .filter(|seat| !seat.replaced.load(Ordering::Acquire))
                .filter_map(|seat| {
                    // The number first: a job that begins after it is another.
                    let job = seat.job.load(Ordering::Relaxed);
                    Some((Arc::clone(seat), job, seat.clock.overdue(now, budget)?))
                })
                .collect()
        };
        for (seat, job, running) in late {
            if stuck.load(Ordering::Acquire) >= cap {
                tracing::error!(
                    cap,
                    "the cap of stuck adapter calls is reached; no further thread is added"
                );
                break;
            }
            let done = seat.give_up(job);
            if done.is_none() && running.kind == CallKind::Handle {
                // It came back meanwhile.
                continue;
            }
            seat.replaced.store(true, Ordering::Release);
            stuck.fetch_add(1, Ordering::AcqRel);
            let detail = format!("no answer within {} ms", budget.as_millis());
            let provider = running.generation.provider();
            tracing::error!(%provider, session = %running.session, %detail, "an adapter call is stuck; its thread is replaced");
            if let Ok(guarded) = shared.registry.guarded(provider) {
                guarded.blame(
                    &running.session,
                    &Fault::new(FaultKind::Adapter, detail.clone()),
                );
            }
            if let Some(done) = done {
                done(Ended::AdapterFailed(detail));
            }
            if let Err(error) = spawn(shared, seats, SPARE) {
                tracing::error!(%error, "no thread can be started in the place of a stuck one");
            }
        }
    }
}

const WATCH_EVERY: Duration = Duration::from_millis(100);
/// The number in the name of a thread that replaced another.
const SPARE: usize = 99;

/// Runs one job of a session.
fn run(shared: &Arc<Shared>, seat: &Seat, slot: &Arc<Slot>) {
    let Some(Job { what, done }) = slot.next_job() else {
        return shared.dispatcher.release(slot);
    };
    seat.sit_down(done);
    let ended = match what {
        What::Turn(job) => match turn(shared, seat, slot, *job) {
            // The commit tells the end.
            None => return,
            Some(ended) => ended,
        },
        What::Prepare { entry, attempt } => prepare(shared, seat, slot, *entry, attempt),
    };
    if let Some(done) = seat.stand_up() {
        done(ended);
    }
    shared.dispatcher.release(slot);
}
