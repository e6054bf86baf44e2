//! One adapter call at a time, given up when it takes too long.
//!
//! Owns a thread for each provider that is called. Deliberately not the guard of
//! live calls: its counts bring quarantines and rollbacks, and nothing that
//! happens here may. A call that does not return cannot be stopped: its thread
//! is left to it, and its provider gets no other call before that one is back,
//! so that an adapter that hangs keeps one thread and no more. Where an adapter
//! has a process of its own, the process ends calls that take too long, as it
//! does for live ones.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use kefu_plugin_api::{
    ids::ProviderId,
    wire::{HandleInput, HandleOutput},
};

use crate::plugin::{Fault, FaultKind, Generation};

/// The threads on which adapters are called.
#[derive(Default)]
pub(super) struct Callers {
    ready: BTreeMap<ProviderId, SyncSender<Job>>,
    /// Providers with a call that has not returned; set once it has.
    hung: BTreeMap<ProviderId, Arc<AtomicBool>>,
}

struct Job {
    generation: Arc<Generation>,
    input: HandleInput,
    tell: SyncSender<Result<HandleOutput, Fault>>,
    back: Arc<AtomicBool>,
}

impl Callers {
    /// Whether a call of this provider has not returned.
    pub(super) fn hangs(&mut self, provider: &ProviderId) -> bool {
        let back = |hung: &Arc<AtomicBool>| hung.load(Ordering::Acquire);
        if self.hung.get(provider).is_some_and(back) {
            self.hung.remove(provider);
        }
        self.hung.contains_key(provider)
    }

    /// Makes a call and waits for it, at most so long.
    ///
    /// # Errors
    /// Why there is no usable answer.
    pub(super) fn call(
        &mut self,
        generation: &Arc<Generation>,
        input: HandleInput,
        patience: Duration,
    ) -> Result<HandleOutput, Fault> {
        let provider = generation.provider().clone();
        let (tell, told) = sync_channel(1);
        let back = Arc::new(AtomicBool::new(false));
        let job = Job {
            generation: Arc::clone(generation),
            input,
            tell,
            back: Arc::clone(&back),
        };
        self.thread(&provider)?
            .send(job)
            .map_err(|_| unavailable("the thread of its calls has ended"))?;
        match told.recv_timeout(patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.ready.remove(&provider);
                self.hung.insert(provider, back);
                let detail = format!("no answer within {patience:?}");
                Err(Fault::new(FaultKind::Timeout, detail))
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.ready.remove(&provider);
                Err(unavailable("the thread of its calls broke"))
            }
        }
    }

    fn thread(&mut self, provider: &ProviderId) -> Result<SyncSender<Job>, Fault> {
        if let Some(thread) = self.ready.get(provider) {
            return Ok(thread.clone());
        }
        let (jobs, todo) = sync_channel(1);
        thread::Builder::new()
            .name("shadow-call".into())
            .spawn(move || call_all(&todo))
            .map_err(|error| unavailable(&error.to_string()))?;
        self.ready.insert(provider.clone(), jobs.clone());
        Ok(jobs)
    }
}

fn call_all(todo: &Receiver<Job>) {
    for job in todo {
        let Job {
            generation,
            input,
            tell,
            back,
        } = job;
        let answer = generation.handle(&input);
        // It may hold the last reference to the adapter, whose end runs code of
        // it: before anybody believes that it is back.
        drop(generation);
        back.store(true, Ordering::Release);
        // Nobody waits any more if it took too long.
        drop(tell.send(answer));
    }
}

fn unavailable(detail: &str) -> Fault {
    Fault::new(FaultKind::Unavailable, detail)
}
