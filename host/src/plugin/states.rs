//! Whether a new generation can go on with the conversations that are open.
//!
//! Owns the judgement over a sample of stored states. Deliberately knows
//! neither where they are stored nor where the new adapter runs. Invariants: a
//! state that the generation in service reads and the new one does not refuses
//! the new one; a state that nobody can read any more stands in nobody's way;
//! the one in service is never asked to read what ended a process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kefu_plugin_api::ids::ProviderId;

use super::{
    BringUpError, Fault, FaultKind, Function, Generation,
    child::{CallError, Child, ChildError, Launch, Nursery},
    pipeline::within,
};

/// A stored state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// The version of the adapter that wrote it.
    pub version: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where the states of open sessions are found.
pub trait StoredStates: Send + Sync {
    /// At most so many states of a provider's open sessions: of every version
    /// that wrote one, the newest and the oldest first.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn sample(&self, provider: &ProviderId, most: usize) -> Result<Vec<StoredState>, String>;
}

/// Why the sample stands against a new generation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// It cannot read what is read today; in words.
    Unreadable(String),
    /// It took too long.
    TooSlow,
}

/// Lets a new adapter read each state, within the limit.
pub(super) fn check(
    states: &[StoredState],
    current: Option<&Arc<Generation>>,
    limit: Duration,
    mut read: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Against> {
    let deadline = Instant::now() + limit;
    let mut failed = Vec::new();
    for state in states {
        if let Err(fault) = read(&state.bytes) {
            failed.push((state, fault));
        }
        if Instant::now() > deadline {
            return Err(Against::TooSlow);
        }
    }
    let (Some((first, fault)), Some(current)) = (failed.first(), current) else {
        return note(&failed, states.len());
    };
    let ended = failed
        .iter()
        .find(|(_, fault)| matches!(fault.kind, FaultKind::Crash | FaultKind::Timeout));
    let (example, fault) = match ended {
        Some((example, fault)) => (example, fault),
        None if reads_any(current, &failed, limit) => (first, fault),
        None => return note(&failed, states.len()),
    };
    Err(Against::Unreadable(format!(
        "expected it to read the states of open sessions, found {} of {} that it cannot read, such as one written by version `{}`: {fault}",
        failed.len(),
        states.len(),
        example.version
    )))
}

/// Those that fail were read by nobody before either.
fn note(failed: &[(&StoredState, Fault)], sampled: usize) -> Result<(), Against> {
    if let Some((_, fault)) = failed.first() {
        tracing::warn!(unreadable = failed.len(), sampled, %fault, "states of open sessions cannot be read; their next turn will fail");
    }
    Ok(())
}

/// Whether the generation in service reads any of these.
fn reads_any(current: &Arc<Generation>, failed: &[(&StoredState, Fault)], limit: Duration) -> bool {
    let current = Arc::clone(current);
    let asked: Vec<_> = failed
        .iter()
        .take(ASKED)
        .map(|(state, _)| state.bytes.clone())
        .collect();
    // It may run in this process, where nothing can be stopped.
    let reads = move || asked.iter().any(|state| current.check_state(state).is_ok());
    within(limit, reads).unwrap_or(false)
}

/// States that the one in service is asked to read.
const ASKED: usize = 50;

/// A new adapter in a child process that may end over a state.
pub(super) struct Trial<'a> {
    pub(super) nursery: &'a Nursery,
    pub(super) launch: &'a Launch,
    pub(super) child: Child,
    pub(super) ended: usize,
}

impl Trial<'_> {
    /// Reads a state. After the end of a child the next one goes on.
    pub(super) fn read(&mut self, state: &[u8]) -> Result<(), Fault> {
        if self.ended > ENOUGH {
            let detail = "not tried after so many others had ended its process";
            return Err(Fault::new(FaultKind::Crash, detail));
        }
        match self
            .child
            .call(Function::CheckState, state, self.launch.stage_timeout)
        {
            Ok(_) => Ok(()),
            Err(CallError::Fault(fault)) => Err(fault),
            Err(end) => {
                self.ended += 1;
                let fault = Fault::new(FaultKind::Crash, end.to_string());
                match self.nursery.start(self.launch) {
                    Ok(child) => self.child = child,
                    Err(error) => self.give_up(&error),
                }
                Err(fault)
            }
        }
    }

    fn give_up(&mut self, error: &ChildError) {
        tracing::warn!(%error, "no further child comes up to read stored states");
        self.ended = ENOUGH + 1;
    }
}

/// Ends of children over states after which no other is tried.
const ENOUGH: usize = 3;

impl Against {
    /// As an operator reads it.
    pub(super) fn of(self, file: &std::path::Path, limit: Duration) -> BringUpError {
        let (file, stage) = (file.to_owned(), super::Stage::States);
        match self {
            Self::Unreadable(detail) => BringUpError::Refused {
                file,
                stage,
                detail,
            },
            Self::TooSlow => BringUpError::TooSlow { file, stage, limit },
        }
    }
}
