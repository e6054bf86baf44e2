//! What a turn is, from an input to its commit.
//!
//! Reads the session if it is not in memory, asks the core, calls the adapter
//! as often as the core wants, and hands the outcome to `commit`. Invariant: a
//! turn that does not come to its commit leaves nothing behind.

use std::{sync::Arc, time::Instant};

use kefu_core::{
    outbox::OutboxEntry,
    problem::{Problem, Slug},
    session::Record,
    turn::{Context, Input, Turn, Violation},
};
use kefu_plugin_api::{effect::Effect, event::Event, ids::ProviderId, wire::HandleInput};

use super::{
    IdempotencyKey, VisitorKey, clock,
    commit::{Basis, commit},
    dispatcher::Work,
    engine::Shared,
    facts::Facts,
    inbound::Fetching,
    replay::{Heard, Hearing},
    slot::{Ended, Job, Slot, TurnJob, What},
    worker::{Admission, Seat},
};
use crate::{
    plugin::{Fault, FaultKind},
    store::StoreError,
};

/// Runs a turn. `None` when it went on to the store.
pub(super) fn turn(
    shared: &Arc<Shared>,
    seat: &Seat,
    slot: &Arc<Slot>,
    mut job: TurnJob,
) -> Option<Ended> {
    let create = job.create.is_some();
    let record = match job
        .create
        .take()
        .map(Arc::new)
        .map_or_else(|| load(shared, slot), |new| Ok(Some(new)))
    {
        Ok(Some(record)) => record,
        Ok(None) => return Some(Ended::Gone),
        Err(error) => return Some(Ended::NotStored(error)),
    };
    if job
        .asker
        .as_ref()
        .is_some_and(|asker| !owns(asker, &record))
    {
        return Some(Ended::Gone);
    }
    match answered_before(shared, &job, &record) {
        Ok(None) => {}
        Ok(Some(ended)) => return Some(ended),
        Err(error) => return Some(Ended::NotStored(error)),
    }
    let started = Instant::now();
    let (now, seed) = job.replay.as_ref().map_or_else(
        || (clock::now(), clock::seed()),
        |past| (past.now, past.seed),
    );
    let facts = Facts::of(shared);
    let context = Context {
        now,
        seed,
        providers: &facts,
        log: &facts,
        trace: job.trace.as_deref(),
    };
    let mut turn = match Turn::begin((*record).clone(), job.input.clone(), context) {
        Ok(turn) => turn,
        Err(problem) => return Some(Ended::Refused(problem)),
    };
    if job.without_adapter {
        turn.skip_adapter();
    }
    let may_move = matches!(job.input, Input::Reopen { .. }) || record.handover.is_some();
    let mut hearing = Hearing::new(job.replay.as_deref_mut(), &record, may_move);
    let fetching = job.fetching.as_deref();
    if let Some(fetching) = fetching {
        turn.vendor_links(fetching.given_up());
    }
    match consult(shared, seat, slot, &mut turn, &mut hearing, fetching) {
        Ok(()) => {}
        Err(Stop::Ended(ended)) if matches!(*ended, Ended::NeedsMedia(_)) => {
            shared.metrics.turn_finished("waits", started.elapsed());
            return Some(*ended);
        }
        Err(Stop::Ended(ended)) => {
            shared.metrics.turn_finished("failed", started.elapsed());
            return Some(*ended);
        }
        Err(Stop::Wait(next)) => {
            let done = seat.stand_up()?;
            job.create = create.then(|| (*record).clone());
            job.replay = Some(Box::new(hearing.wait_for(next, now, seed)));
            let what = What::Turn(Box::new(job));
            slot.put_back(Job {
                what,
                done: Some(done),
            });
            shared.dispatcher.push(Work::Session(Arc::clone(slot)));
            return None;
        }
    }
    if let Some(error) = facts.unread() {
        return Some(Ended::NotStored(error));
    }
    let write = job.key.is_some() || job.inbox.is_some() || job.dead.is_some();
    let outcome = turn.finish(write);
    if let Some(token) = outcome.renew_token {
        return Some(Ended::RenewToken(token));
    }
    shared.metrics.turn_finished("done", started.elapsed());
    if !outcome.changed {
        if outcome.typing {
            shared.publish(&outcome.record, Vec::new(), true);
        }
        return Some(Ended::Ran {
            reply: outcome.reply,
            record,
        });
    }
    // Whoever waits was answered by the watchdog if it gave this turn up: then
    // nothing of it may be kept.
    let Some(done) = seat.stand_up() else {
        return Some(given_up());
    };
    let basis = Basis {
        before: record,
        create,
        now,
    };
    commit(shared, slot, job, basis, outcome, done);
    None
}

/// Why a turn does not come to its end now.
enum Stop {
    Ended(Box<Ended>),
    /// It has to wait for a place among the calls of this provider.
    Wait(ProviderId),
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(Box::new(ended))
    }
}

/// Lets the adapter see what it has to see.
fn consult(
    shared: &Arc<Shared>,
    seat: &Seat,
    slot: &Slot,
    turn: &mut Turn<'_>,
    hearing: &mut Hearing,
    fetching: Option<&Fetching>,
) -> Result<(), Stop> {
    while let Some(input) = turn.next_call() {
        let provider = turn.provider().clone();
        let heard = match hearing.again(&provider) {
            Some(heard) => heard,
            None => {
                match seat.admit(&shared.dispatcher, &provider) {
                    Admission::Granted => {}
                    Admission::Full => return Err(Stop::Wait(provider)),
                    Admission::GivenUp => return Err(given_up().into()),
                }
                let heard = ask(shared, seat, slot, &provider, &input);
                hearing.keep(&provider, &heard);
                heard
            }
        };
        match heard {
            Heard::Output(mut output) => {
                if let (Some(fetching), Some(fetcher)) = (fetching, shared.fetcher.get()) {
                    fetching
                        .apply(fetcher, turn.record(), &mut output.effects)
                        .map_err(Ended::NeedsMedia)?;
                }
                if let Err(Violation(detail)) = turn.apply(*output) {
                    if let Ok(guarded) = shared.registry.guarded(&provider) {
                        let fault = Fault::new(FaultKind::Illegal, detail.clone());
                        guarded.blame(&input.session.id, &fault);
                    }
                    turn.adapter_failed(&detail)
                        .map_err(|_| Ended::AdapterFailed(detail))?;
                }
            }
            Heard::Failed(detail) => turn
                .adapter_failed(&detail)
                .map_err(|_| Ended::AdapterFailed(detail))?,
            Heard::Absent(detail) => turn
                .adapter_absent(&detail)
                .map_err(|_| Ended::ProviderAbsent(detail))?,
        }
    }
    Ok(())
}

fn ask(
    shared: &Shared,
    seat: &Seat,
    slot: &Slot,
    provider: &ProviderId,
    input: &HandleInput,
) -> Heard {
    if slot.is_hung() {
        return Heard::Absent(format!(
            "a call of provider `{provider}` for this session has not returned yet"
        ));
    }
    match shared.registry.guarded(provider) {
        Ok(guarded) => match guarded.handle(&seat.clock, input) {
            Ok(output) => Heard::Output(Box::new(output)),
            // The adapter never saw it, so it can wait until it does.
            Err(fault) if fault.is_absence() => Heard::Absent(fault.to_string()),
            Err(fault) => Heard::Failed(fault.to_string()),
        },
        Err(availability) => Heard::Absent(format!(
            "provider `{provider}` is not available: {availability:?}"
        )),
    }
}

fn given_up() -> Ended {
    Ended::AdapterFailed("given up by the watchdog".into())
}

/// Asks the adapter for the form of an attempt. Nothing of it is kept.
pub(super) fn prepare(
    shared: &Arc<Shared>,
    seat: &Seat,
    slot: &Arc<Slot>,
    entry: OutboxEntry,
    attempt: u32,
) -> Ended {
    let record = match load(shared, slot) {
        Ok(Some(record)) => record,
        Ok(None) => return Ended::Gone,
        Err(error) => return Ended::NotStored(error),
    };
    // After a move what is remembered is another adapter's.
    let (state, state_version) = if entry.provider == record.provider {
        (record.adapter_state.clone(), record.state_version.clone())
    } else {
        Default::default()
    };
    let input = HandleInput {
        event: Event::PrepareAttempt {
            call: entry.call.id,
            request: entry.call.request,
            attempt,
        },
        session: record.view(
            clock::now(),
            clock::seed(),
            &shared.callback_url(&entry.provider),
        ),
        state,
        state_version,
    };
    match ask(shared, seat, slot, &entry.provider, &input) {
        Heard::Absent(detail) => Ended::ProviderAbsent(detail),
        Heard::Failed(detail) => Ended::AdapterFailed(detail),
        Heard::Output(output) => match output.effects.into_iter().next() {
            Some(Effect::Attempt { request }) => Ended::Prepared(request),
            _ => Ended::AdapterFailed("prepare was not answered by an attempt".into()),
        },
    }
}

/// The session as it was last committed, read if it is not in memory.
pub(super) fn load(shared: &Shared, slot: &Slot) -> Result<Option<Arc<Record>>, StoreError> {
    if let Some(record) = slot.record() {
        return Ok(Some(record));
    }
    let record = shared.store.record(&slot.id)?.map(Arc::new);
    slot.set_record(record.clone());
    Ok(record)
}

/// A request that came before is answered as it was then.
fn answered_before(
    shared: &Shared,
    job: &TurnJob,
    record: &Arc<Record>,
) -> Result<Option<Ended>, StoreError> {
    let (Some(key), Some(asker)) = (&job.key, &job.asker) else {
        return Ok(None);
    };
    Ok(shared.store.answered(asker, key)?.map(|answered| {
        if answered.body == key.body {
            Ended::Ran {
                reply: answered.reply(),
                record: Arc::clone(record),
            }
        } else {
            Ended::Refused(reused(key))
        }
    }))
}

/// The key came with another body.
pub(super) fn reused(key: &IdempotencyKey) -> Problem {
    Problem::new(
        Slug::IdempotencyKeyReused,
        format!(
            "the key `{}` came before with another body to {}",
            key.key, key.target
        ),
    )
}

/// Whether a session is this visitor's.
pub(super) fn owns(asker: &VisitorKey, record: &Record) -> bool {
    record.app == asker.app && record.visitor.id == asker.visitor
}
