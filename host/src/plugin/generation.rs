//! One opened adapter of a loaded plug-in.
//!
//! Owns the encoding on our side of the boundary, and how much may come back.
//! Deliberately does not know where the adapter runs
//! ([`opened`](super::opened) does), keeps no count of faults and decides
//! nothing about them; that is [`guard`](super::guard). Invariants: an adapter
//! is closed exactly once, after its last call; an answer is decoded only if it
//! is small enough.

mod bars;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kefu_core::config::Isolation;
use kefu_plugin_api::{
    descriptor::Descriptor,
    error::{AdapterError, FaultKind as AdapterFault, OpenError},
    http::Callback,
    ids::ProviderId,
    wire::{
        CONTRACT, Contract, HandleInput, HandleOutput, OpenInput, OpenOutput, ReceiveOutput,
        decode, encode,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use self::bars::{Asker, Bars};
use super::{
    About, Module,
    opened::{Bytes, Function, InProcess, Opened, ProcessStatus, judge},
};

/// How much an adapter may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLimits {
    /// Bytes of one answer.
    pub bytes: usize,
    /// Effects of one turn, and events of one callback.
    pub items: usize,
    /// Bytes of a session's state.
    pub state: usize,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            bytes: 4 << 20,
            items: 256,
            state: 64 << 10,
        }
    }
}

/// A call that gave nothing usable. The turn is dropped, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// In words, for operators.
    pub detail: String,
}

impl Fault {
    /// A fault with its words.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn too_large(what: &str, limit: usize, found: usize) -> Self {
        Self::new(
            FaultKind::TooLarge,
            format!("expected at most {limit} {what}, found {found}"),
        )
    }

    /// Whether it speaks against the adapter. What the vendor did wrong does
    /// not, however often it happens; nor does a call that was never made.
    pub fn blames_adapter(&self) -> bool {
        !matches!(self.kind, FaultKind::Vendor | FaultKind::Unavailable)
    }

    /// Whether the adapter never saw the call, so that it can be made later as
    /// if nothing had happened.
    pub fn is_absence(&self) -> bool {
        self.kind == FaultKind::Unavailable
    }
}

/// What went wrong in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The adapter panicked.
    Panic,
    /// The process that it runs in ended.
    Crash,
    /// It did not answer in time.
    Timeout,
    /// No process took the call: the next one is not there yet, or all of its
    /// threads are busy, or the session's calls have just ended two.
    Unavailable,
    /// The answer is larger than it may be.
    TooLarge,
    /// The answer cannot be read, or contains an effect that is not known.
    BadOutput,
    /// The answer asks for what the session's state does not allow; found by
    /// the engine.
    Illegal,
    /// The stored state cannot be read by this generation.
    State,
    /// The adapter itself failed the turn.
    Adapter,
    /// The adapter failed the turn because of what the vendor said.
    Vendor,
}

impl FaultKind {
    /// The name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Crash => "crash",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::BadOutput => "bad_output",
            Self::Illegal => "illegal",
            Self::State => "state",
            Self::Adapter => "adapter",
            Self::Vendor => "vendor",
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Panic => "the adapter panicked",
            Self::Crash => "the adapter ended its process",
            Self::Timeout => "the adapter did not answer in time",
            Self::Unavailable => "no process of the adapter took the call",
            Self::TooLarge => "the adapter answered too much",
            Self::BadOutput => "the adapter's answer cannot be read",
            Self::Illegal => "the adapter asked for what is not allowed",
            Self::State => "the adapter cannot read the session's state",
            Self::Adapter => "the adapter failed",
            Self::Vendor => "the vendor's answer cannot be used",
        })
    }
}

impl From<AdapterError> for Fault {
    fn from(error: AdapterError) -> Self {
        let kind = match error.kind {
            AdapterFault::Vendor => FaultKind::Vendor,
            AdapterFault::Panic => FaultKind::Panic,
            AdapterFault::State => FaultKind::State,
            // It could not read our input, or not write its own answer.
            AdapterFault::Wire => FaultKind::BadOutput,
            AdapterFault::Internal | AdapterFault::Closed | AdapterFault::Unknown => {
                FaultKind::Adapter
            }
        };
        Self::new(kind, error.detail)
    }
}

/// Why an adapter did not open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenFault {
    /// It does not accept the settings.
    #[error("the adapter refuses the settings: {0}")]
    Refused(#[source] OpenError),
    /// It failed while it was opened.
    #[error("the adapter did not open: {0}")]
    Broken(#[source] Fault),
    /// It opened and did not pass its self-test.
    #[error("the adapter does not pass its self-test: {0}")]
    SelfTest(#[source] Fault),
}

/// One opened adapter. Calls may come from many threads at once.
#[derive(Debug)]
pub struct Generation {
    opened: Box<dyn Opened>,
    about: Arc<About>,
    provider: ProviderId,
    number: u64,
    limits: OutputLimits,
    in_flight: AtomicU64,
    bars: Bars,
}

impl Generation {
    /// Opens the module's adapter in this process for a provider with its
    /// settings, and runs its self-test.
    ///
    /// # Errors
    /// Why it cannot serve this provider.
    pub fn open(
        module: Arc<Module>,
        provider: ProviderId,
        settings: &Value,
        number: u64,
        limits: OutputLimits,
    ) -> Result<Self, OpenFault> {
        let input = write(&OpenInput {
            settings: settings.clone(),
            host: CONTRACT,
        })
        .map_err(OpenFault::Broken)?;
        let output = judge(module.open(&input), limits.bytes)
            .and_then(|bytes| read(&bytes))
            .map_err(OpenFault::Broken)?;
        let handle = match output {
            OpenOutput::Opened { handle } => handle,
            OpenOutput::Refused { error } => return Err(OpenFault::Refused(error)),
        };
        let about = Arc::clone(module.about());
        // From here on dropping closes it.
        let opened = InProcess::new(module, handle, limits.bytes);
        opened
            .call(Function::SelfTest, &[])
            .map_err(OpenFault::SelfTest)?;
        Ok(Self::of(Box::new(opened), about, provider, number, limits))
    }

    /// Wraps an adapter that was opened and tested already.
    pub(super) fn of(
        opened: Box<dyn Opened>,
        about: Arc<About>,
        provider: ProviderId,
        number: u64,
        limits: OutputLimits,
    ) -> Self {
        Self {
            opened,
            about,
            provider,
            number,
            limits,
            in_flight: AtomicU64::new(0),
            bars: Bars::default(),
        }
    }

    /// One turn.
    ///
    /// # Errors
    /// Why there is no usable answer.
    pub fn handle(&self, input: &HandleInput) -> Result<HandleOutput, Fault> {
        let _call = self.enter();
        let asker = Asker::Session(input.session.id.clone());
        let output: HandleOutput = self.ask_for(asker, Function::Handle, input)?;
        self.check_count("effects", output.effects.len())?;
        if output.state.len() > self.limits.state {
            return Err(Fault::too_large(
                "bytes of state",
                self.limits.state,
                output.state.len(),
            ));
        }
        Ok(output)
    }

    /// One callback of the vendor.
    ///
    /// # Errors
    /// Why there is no usable answer. A callback that the adapter refuses is
    /// an answer.
    pub fn receive(&self, callback: &Callback) -> Result<ReceiveOutput, Fault> {
        let _call = self.enter();
        let output = self.ask_for(Asker::of(callback), Function::Receive, callback)?;
        if let ReceiveOutput::Accepted { receipt } = &output {
            self.check_count("events", receipt.events.len())?;
        }
        Ok(output)
    }

    /// Whether a stored state can be read.
    ///
    /// # Errors
    /// Why not.
    pub fn check_state(&self, state: &[u8]) -> Result<(), Fault> {
        let _call = self.enter();
        self.opened.call(Function::CheckState, state).map(drop)
    }

    /// Bytes in, bytes out, unread: for whoever tests adapters.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) fn exchange(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let _call = self.enter();
        self.opened
            .call(function, input)
            .map(|bytes| bytes.to_vec())
    }

    /// The facts of the file it was opened from.
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }

    /// Where it runs.
    pub fn isolation(&self) -> Isolation {
        self.opened.isolation()
    }

    /// Lets calls take so long from now on, where a call can be ended.
    pub(super) fn set_budget(&self, budget: Duration) {
        self.opened.set_budget(budget);
    }

    /// The process it runs in, if that is not this one.
    pub fn process(&self) -> Option<ProcessStatus> {
        self.opened.process()
    }

    /// Who its adapter is.
    pub fn descriptor(&self) -> &Arc<Descriptor> {
        self.about.descriptor()
    }

    /// Whom it serves.
    pub fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// Counted from 1 for each provider, one more at each replacement.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The adapter's own version.
    pub fn version(&self) -> &str {
        &self.descriptor().version
    }

    /// The contract that both sides speak: the lower minor.
    #[expect(
        clippy::unnecessary_min_or_max,
        reason = "our minor is 0 today and will not stay so"
    )]
    pub fn contract(&self) -> Contract {
        let theirs = self.about.contract();
        Contract {
            major: CONTRACT.major,
            minor: CONTRACT.minor.min(theirs.minor),
        }
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn ask_for<T: DeserializeOwned>(
        &self,
        asker: Asker,
        function: Function,
        input: &impl Serialize,
    ) -> Result<T, Fault> {
        self.bars.check(&asker, Instant::now())?;
        let answer = self.opened.call(function, &write(input)?);
        if let Err(fault) = &answer {
            self.bars.note(asker, fault, Instant::now());
        }
        read(&answer?)
    }

    fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    fn check_count(&self, what: &str, found: usize) -> Result<(), Fault> {
        if found > self.limits.items {
            return Err(Fault::too_large(what, self.limits.items, found));
        }
        Ok(())
    }
}

struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn write(input: &impl Serialize) -> Result<Vec<u8>, Fault> {
    encode(input).map_err(Fault::from)
}

fn read<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Fault> {
    decode(bytes).map_err(|error| Fault::new(FaultKind::BadOutput, error.detail))
}
