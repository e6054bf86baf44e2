//! Ends calls: what delivery tells of them becomes a turn.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kefu_core::{
    outbox::{Finished, OutboxEntry},
    trail::CallEnd,
    turn::Input,
};
use kefu_plugin_api::{
    http::HttpRequest,
    ids::ProviderId,
    wire::{HandleInput, HandleOutput},
};
use tokio::sync::oneshot;

use super::Engine;
use crate::{
    session::{
        Settling, clock,
        dispatcher::{Call, Work},
        inbound::{Fetching, Settled},
        slot::{Ended, TurnJob, What},
    },
    store::StoreError,
};

impl Engine {
    /// Runs the turn that the end of a call is. `dead` says why it was given
    /// up.
    pub async fn settle(
        &self,
        entry: &OutboxEntry,
        finished: Finished,
        dead: Option<String>,
    ) -> Settling {
        let given_up = dead.map(|reason| (Box::new(entry.clone()), reason));
        let end = Box::new(CallEnd::of(entry, &finished));
        let mut known = Settled::new();
        let ended = loop {
            let job = TurnJob {
                dead: given_up.clone(),
                ended: Some(end.clone()),
                fetching: Some(Box::new(Fetching {
                    cause: format!("call {}/{}", entry.session, entry.number),
                    settled: known.clone(),
                })),
                ..TurnJob::new(Input::Finished(finished.clone()))
            };
            match self.run(&entry.session, job, true).await {
                Ended::NeedsMedia(wanted) => {
                    let (tell, told) = oneshot::channel();
                    self.fetch(wanted, move |settled| drop(tell.send(settled)));
                    match told.await {
                        Ok(settled) => known.extend(settled),
                        Err(_) => return Settling::Later("the gateway stops".into()),
                    }
                }
                ended => break ended,
            }
        };
        let ended = match ended {
            Ended::AdapterFailed(detail) => {
                // Deterministic: it would fail again. The call is settled
                // without the adapter, and what it was is kept for people.
                let letter = given_up.or_else(|| Some((Box::new(entry.clone()), detail)));
                let job = TurnJob {
                    dead: letter,
                    ended: Some(end),
                    without_adapter: true,
                    ..TurnJob::new(Input::Finished(finished))
                };
                self.run(&entry.session, job, true).await
            }
            ended => ended,
        };
        match ended {
            Ended::Ran { .. } | Ended::Gone => {
                self.count_end(entry);
                Settling::Done
            }
            Ended::RenewToken(name) => Settling::RenewToken(name),
            other => Settling::Later(self.problem(other).detail),
        }
    }

    fn count_end(&self, entry: &OutboxEntry) {
        let took = clock::now().since_ms(entry.created_at);
        let took = Duration::from_millis(u64::try_from(took).unwrap_or(0));
        self.0.metrics.delivered(took);
    }

    /// Asks the adapter for the form of an attempt.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn prepare(&self, entry: &OutboxEntry, attempt: u32) -> Result<HttpRequest, String> {
        let what = What::Prepare {
            entry: Box::new(entry.clone()),
            attempt,
        };
        match self.submit(&entry.session, what, true).await {
            Ended::Prepared(request) => Ok(request),
            other => Err(self.problem(other).detail),
        }
    }

    /// Asks an adapter in its provider's own scope, as one of the calls that
    /// this provider may have under way.
    ///
    /// # Errors
    /// Why there is no answer, for operators.
    pub async fn ask(
        &self,
        provider: &ProviderId,
        input: HandleInput,
    ) -> Result<HandleOutput, String> {
        let (tell, told) = oneshot::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        let late = Arc::clone(&tell);
        let (engine, of) = (self.clone(), provider.clone());
        self.0.dispatcher.push(Work::Call(Call {
            provider: provider.clone(),
            run: Box::new(move |seat| {
                let answer = match engine.0.registry.guarded(&of) {
                    Ok(guarded) => guarded
                        .handle(&seat.clock, &input)
                        .map_err(|fault| fault.to_string()),
                    Err(availability) => {
                        Err(format!("provider `{of}` takes no calls: {availability:?}"))
                    }
                };
                answer_once(&tell, answer);
            }),
            given_up: Box::new(move |_| {
                answer_once(&late, Err("the adapter did not answer in time".into()));
            }),
        }));
        told.await
            .unwrap_or_else(|_| Err("the engine has stopped".into()))
    }

    /// Makes durable that an entry is about to be sent, or that it surely did
    /// not arrive.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn mark_attempted(
        &self,
        entry: &OutboxEntry,
        attempted: bool,
    ) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| drop(tell.send(result)));
        self.0
            .store
            .mark_attempted(&entry.session, entry.number, attempted, done);
        told.await
            .unwrap_or_else(|_| Err(StoreError::new("write", "the writer has stopped")))
    }
}

type Waiting<T> = Mutex<Option<oneshot::Sender<T>>>;

/// Answers unless that was done already.
fn answer_once<T>(waiting: &Waiting<T>, answer: T) {
    let waits = waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(waits) = waits {
        // It may have gone away.
        drop(waits.send(answer));
    }
}
