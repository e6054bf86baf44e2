//! An opened adapter, wherever its code runs.
//!
//! Owns the seam between a [`Generation`](super::Generation), which knows what
//! the bytes mean, and the places that can run an adapter: this process, or a
//! locked-down child. Deliberately encodes nothing. Invariant: whatever
//! happens to the code behind it, a call ends with bytes or with a [`Fault`].

use std::{fmt, ops::Deref, sync::Arc, thread, time::Duration};

use abi_stable::std_types::RVec;
use kefu_core::config::Isolation;
use kefu_plugin_api::{abi::Answer, error::AdapterError, wire::decode};
use serde::Serialize;

use super::{Fault, FaultKind, Module};

/// A function of an opened adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// One turn.
    Handle,
    /// One callback.
    Receive,
    /// A try on harmless input.
    SelfTest,
    /// Whether a stored state can be read.
    CheckState,
}

/// An opened adapter. Calls may come from many threads at once.
pub(super) trait Opened: fmt::Debug + Send + Sync {
    /// Calls it. An answer of more than the output limit is a fault.
    fn call(&self, function: Function, input: &[u8]) -> Result<Bytes, Fault>;

    /// Where it runs.
    fn isolation(&self) -> Isolation;

    /// Lets calls take so long from now on, where a call can be ended.
    fn set_budget(&self, _budget: Duration) {}

    /// The process it runs in, if that is not this one.
    fn process(&self) -> Option<ProcessStatus> {
        None
    }

    /// Why it takes no calls for a while, if it does not.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// A child process, as operators see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessStatus {
    /// Its id; absent while the next one is being started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Memory that is resident, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// How often one was started in the place of one that had died.
    pub restarts: u64,
    /// How long the last such start took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_restart_ms: Option<u64>,
    /// How the last one died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_death: Option<String>,
}

/// An answer, without a copy from wherever it was written.
pub(super) enum Bytes {
    /// Allocated by the plug-in.
    Foreign(RVec<u8>),
    /// Allocated here.
    Own(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Foreign(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

/// An adapter that runs in this process.
pub(super) struct InProcess {
    module: Arc<Module>,
    handle: u64,
    most: usize,
}

impl InProcess {
    /// Takes over a handle that the module opened. Dropping closes it.
    pub(super) fn new(module: Arc<Module>, handle: u64, most: usize) -> Self {
        module.hold();
        Self {
            module,
            handle,
            most,
        }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("module", &self.module)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Opened for InProcess {
    fn call(&self, function: Function, input: &[u8]) -> Result<Bytes, Fault> {
        let answer = match function {
            Function::Handle => self.module.handle(self.handle, input),
            Function::Receive => self.module.receive(self.handle, input),
            Function::SelfTest => self.module.self_test(self.handle),
            Function::CheckState => self.module.check_state(input),
        };
        judge(answer, self.most)
    }

    fn isolation(&self) -> Isolation {
        Isolation::InProcess
    }
}

impl Drop for InProcess {
    /// Closing runs code of the adapter, which may not come back: on a thread
    /// that nobody waits for.
    fn drop(&mut self) {
        let (module, handle) = (Arc::clone(&self.module), self.handle);
        let closing = thread::Builder::new()
            .name("plugin-close".into())
            .spawn(move || module.close(handle));
        if let Err(error) = closing {
            tracing::warn!(%error, "no thread can be started to close an adapter; it stays open");
        }
    }
}

/// An answer of at most so many bytes, or the fault that it is.
pub(super) fn judge(answer: Answer, most: usize) -> Result<Bytes, Fault> {
    let answer = answer.into_result();
    let length = match &answer {
        Ok(bytes) | Err(bytes) => bytes.len(),
    };
    if length > most {
        return Err(Fault::too_large("bytes", most, length));
    }
    answer.map(Bytes::Foreign).map_err(|bytes| refused(&bytes))
}

/// The fault that an adapter's error bytes tell of.
pub(super) fn refused(bytes: &[u8]) -> Fault {
    decode::<AdapterError>(bytes)
        .map(Fault::from)
        .unwrap_or_else(|error| Fault::new(FaultKind::BadOutput, error.detail))
}
