//! Looks after calls of adapters that do not return.
//!
//! Owns the rule by which a call is late, the answer in its place, and the
//! count of late calls that operators see. Deliberately ends no thread: code in
//! this process cannot be stopped. Invariant: a late call shows within two
//! looks, whether or not a thread was left to replace it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::Isolation;
use kefu_plugin_api::ids::ProviderId;

use super::{
    engine::Shared,
    slot::Ended,
    worker::{Orphan, Seat, Seats, spawn},
};
use crate::plugin::{Fault, FaultKind, Running};

/// A call over its time.
struct Late {
    seat: Arc<Seat>,
    job: u64,
    running: Running,
    allowed: Duration,
}

/// Looks until the engine stops.
pub(super) fn watch(shared: &Arc<Shared>, seats: &Seats) {
    while !shared.stopped.load(Ordering::Acquire) {
        thread::sleep(WATCH_EVERY);
        look(shared, seats);
    }
}

fn look(shared: &Arc<Shared>, seats: &Seats) {
    let (budget, spare) = shared.call_budget();
    let (late, mut lost) = late_calls(seats, budget);
    let mut shown = BTreeMap::<ProviderId, u64>::new();
    let mut holding = BTreeMap::<ProviderId, usize>::new();
    let mut given_up = BTreeMap::<ProviderId, usize>::new();
    for late in late {
        let generation = Arc::clone(&late.running.generation);
        let provider = generation.provider().clone();
        *shown.entry(provider.clone()).or_default() += 1;
        let gone = late.seat.is_given_up() || {
            let replaced = lost < spare && replace(shared, seats, late);
            lost += usize::from(replaced);
            replaced
        };
        let current = shared.registry.current(&provider);
        if !gone {
            *holding.entry(provider).or_default() += 1;
        } else if current.is_some_and(|current| Arc::ptr_eq(&current, &generation)) {
            *given_up.entry(provider).or_default() += 1;
        }
    }
    let blocked = shared.dispatcher.blocked(&holding, &given_up, spare);
    tell(shared, &shown, &blocked);
}

/// The calls that are late, and how many threads are lost to calls that were
/// given up.
fn late_calls(seats: &Seats, budget: Duration) -> (Vec<Late>, usize) {
    let seats = seats.lock().unwrap_or_else(PoisonError::into_inner);
    let given_up = seats.iter().filter(|seat| seat.is_given_up()).count();
    let now = Instant::now();
    let late = |seat: &Arc<Seat>| {
        // The number first: a job that begins after it is another.
        let job = seat.job();
        let running = seat.clock.running()?;
        let allowed = allowed(&running, budget);
        let is_late = now.saturating_duration_since(running.since) > allowed;
        is_late.then(|| Late {
            seat: Arc::clone(seat),
            job,
            running,
            allowed,
        })
    };
    (seats.iter().filter_map(late).collect(), given_up)
}

/// How long a call may take. One in a process of its own is ended there, and
/// repeated once on the next process.
fn allowed(running: &Running, budget: Duration) -> Duration {
    match running.generation.isolation() {
        Isolation::InProcess => budget,
        Isolation::Process => budget * 3 + Duration::from_secs(2),
    }
}

/// Answers in the place of a worker whose adapter does not return, and puts
/// another thread on its work. Whether that was needed.
fn replace(shared: &Arc<Shared>, seats: &Seats, late: Late) -> bool {
    let Late {
        seat,
        job,
        running,
        allowed,
    } = late;
    let Some(Orphan { done, slot }) = seat.give_up(job, &shared.dispatcher) else {
        // It came back meanwhile.
        return false;
    };
    let detail = format!("no answer within {} ms", allowed.as_millis());
    let provider = running.generation.provider();
    tracing::error!(%provider, session = %running.session, detail, "an adapter call is stuck; its thread is replaced");
    if let Some(guarded) = shared.registry.guard_of(&running.generation) {
        guarded.blame(
            &running.session,
            &Fault::new(FaultKind::Timeout, detail.clone()),
        );
    }
    done(Ended::AdapterFailed(detail));
    if let Some(slot) = slot {
        shared.dispatcher.release(&slot);
    }
    if let Err(error) = spawn(shared, seats, SPARE) {
        tracing::error!(%error, "no thread can be started in the place of a stuck one");
    }
    true
}

/// Shows what is late. What waits for a provider that can begin no call is
/// refused from here on: the registry says so before the first of it is taken,
/// and until after the last.
fn tell(shared: &Shared, counts: &BTreeMap<ProviderId, u64>, blocked: &BTreeSet<ProviderId>) {
    let slots = shared.registry.slots();
    let show = |now: bool| {
        for slot in &slots {
            let id = &slot.provider().id;
            if blocked.contains(id) == now {
                let count = counts.get(id).copied().unwrap_or(0);
                if slot.health().set_stuck(count, now) {
                    tracing::error!(provider = %id, stuck_calls = count, blocked = now, "calls of an adapter are late");
                }
            }
        }
    };
    show(true);
    shared.dispatcher.set_refusing(blocked);
    show(false);
}

const WATCH_EVERY: Duration = Duration::from_millis(100);
/// The number in the name of a thread that replaced another.
const SPARE: usize = 99;
