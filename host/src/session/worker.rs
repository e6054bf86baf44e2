//! The threads that run turns.
//!
//! Owns the worker threads and their seats. What a turn is stands in `turns`,
//! whose turn it is in `rota`; `watchdog` looks after calls that do not return.
//! Deliberately never waits for a commit: the thread goes on with the next
//! session. Invariant: exactly one of worker and watchdog ends a job.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use kefu_plugin_api::ids::ProviderId;

use super::{
    dispatcher::{Call, Dispatcher, Work},
    engine::Shared,
    rota::Lane,
    slot::{EndedFn, Job, Slot, What},
    turns::{load, prepare, turn},
    watchdog,
};
use crate::plugin::CallClock;

/// One worker's place: what it is doing, readable by the watchdog.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) clock: CallClock,
    held: Mutex<Held>,
}

/// What a worker holds while it works.
#[derive(Default)]
struct Held {
    /// Whoever waits for the end of the job under way. The watchdog takes it
    /// to answer in the worker's place; the worker then knows that it was
    /// given up.
    waiting: Option<EndedFn>,
    /// Which job this is, counted from 1: the watchdog must not answer for
    /// the next one.
    job: u64,
    /// In whose name it holds its thread.
    lane: Lane,
    /// Whose turn it is.
    slot: Option<Arc<Slot>>,
    given_up: bool,
}

/// Whether a worker may call a provider.
pub(super) enum Admission {
    /// It may.
    Granted,
    /// The provider holds as many threads as it may.
    Full,
    /// The watchdog has ended the job.
    GivenUp,
}

/// Who waits for a job that was given up, and whose turn it was.
pub(super) struct Orphan {
    pub(super) done: EndedFn,
    pub(super) slot: Option<Arc<Slot>>,
}

impl Seat {
    fn sit_down(&self, lane: &Lane, slot: Option<&Arc<Slot>>, done: Option<EndedFn>) {
        let mut held = self.lock();
        held.job += 1;
        held.waiting = Some(done.unwrap_or_else(|| Box::new(|_| {})));
        held.lane = lane.clone();
        held.slot = slot.cloned();
    }

    /// Takes the answer back from the seat; `None` if the watchdog has taken
    /// it.
    pub(super) fn stand_up(&self) -> Option<EndedFn> {
        self.lock().waiting.take()
    }

    /// Asks for a place among the calls of a provider, in exchange for the one
    /// that is held.
    pub(super) fn admit(&self, dispatcher: &Dispatcher, provider: &ProviderId) -> Admission {
        let mut held = self.lock();
        if held.given_up {
            return Admission::GivenUp;
        }
        if held.lane.as_ref() == Some(provider) {
            return Admission::Granted;
        }
        let to = Some(provider.clone());
        if !dispatcher.try_switch(&held.lane, &to) {
            return Admission::Full;
        }
        held.lane = to;
        Admission::Granted
    }

    /// The job under way, for [`give_up`](Self::give_up).
    pub(super) fn job(&self) -> u64 {
        self.lock().job
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.lock().given_up
    }

    /// Takes the job out of the worker's hands, if it is still at it.
    pub(super) fn give_up(&self, job: u64, dispatcher: &Dispatcher) -> Option<Orphan> {
        let mut held = self.lock();
        let same = held.job == job;
        let done = held.waiting.take_if(|_| same)?;
        held.given_up = true;
        dispatcher.give_up(&held.lane);
        let slot = held.slot.take();
        // Before the worker can see that it was given up.
        if let Some(slot) = &slot {
            slot.set_hung(true);
        }
        Some(Orphan { done, slot })
    }

    /// Gives the lane back. `None` if the thread was replaced meanwhile.
    fn leave(&self, dispatcher: &Dispatcher) -> Option<Lane> {
        let mut held = self.lock();
        held.slot = None;
        let lane = held.lane.take();
        if held.given_up {
            dispatcher.came_back(&lane);
            return None;
        }
        Some(lane)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The seats of all threads, those that were replaced included.
pub(super) type Seats = Arc<Mutex<Vec<Arc<Seat>>>>;

/// Starts the workers and their watchdog.
pub(super) fn start(shared: &Arc<Shared>, threads: usize) -> std::io::Result<()> {
    let seats = Seats::default();
    for number in 0..threads {
        spawn(shared, &seats, number)?;
    }
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("engine-watchdog".into())
        .spawn(move || watchdog::watch(&shared, &seats))
        .map(drop)
}

pub(super) fn spawn(shared: &Arc<Shared>, seats: &Seats, number: usize) -> std::io::Result<()> {
    let seat = Arc::new(Seat::default());
    let place = Arc::clone(&seat);
    let (shared, all) = (Arc::clone(shared), Arc::clone(seats));
    thread::Builder::new()
        .name(format!("engine-{number}"))
        .spawn(move || {
            work(&shared, &place);
            all.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|other| !Arc::ptr_eq(other, &place));
        })?;
    seats
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(seat);
    Ok(())
}

/// Works until there is nothing more to do or the thread was replaced.
fn work(shared: &Arc<Shared>, seat: &Seat) {
    let mut before = None;
    while let Some((lane, work)) = shared.dispatcher.next(before.take()) {
        match work {
            Work::Session(slot) => run(shared, seat, &lane, &slot),
            Work::Call(Call { run, given_up, .. }) => {
                seat.sit_down(&lane, None, Some(given_up));
                run(seat);
                // Whoever waits was answered by the call itself.
                drop(seat.stand_up());
            }
        }
        match seat.leave(&shared.dispatcher) {
            Some(lane) => before = Some(lane),
            None => return,
        }
    }
}

/// Runs one job of a session.
fn run(shared: &Arc<Shared>, seat: &Seat, lane: &Lane, slot: &Arc<Slot>) {
    seat.sit_down(lane, Some(slot), None);
    if lane.is_none() && matches!(load(shared, slot), Ok(Some(_))) {
        // Now it is known whose turn it is: it waits where it belongs, so that
        // this thread calls nobody out of turn.
        drop(seat.stand_up());
        return shared.dispatcher.push(Work::Session(Arc::clone(slot)));
    }
    let Some(Job { what, done }) = slot.next_job() else {
        drop(seat.stand_up());
        return shared.dispatcher.release(slot);
    };
    seat.sit_down(lane, Some(slot), done);
    let ended = match what {
        What::Turn(job) => match turn(shared, seat, slot, *job) {
            // The commit tells the end.
            None => return,
            Some(ended) => ended,
        },
        What::Prepare { entry, attempt } => prepare(shared, seat, slot, *entry, attempt),
    };
    match seat.stand_up() {
        Some(done) => {
            done(ended);
            shared.dispatcher.release(slot);
        }
        // The watchdog has answered and let the session go on without its
        // adapter; from here on it may call it again.
        None => slot.set_hung(false),
    }
}
