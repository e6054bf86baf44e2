//! The adapter under test, wherever its code runs.
//!
//! Owns [`Subject`], bytes in and bytes out, and around it what every test
//! needs: values instead of bytes, the sizes and the time that are allowed, the
//! note of what is being tried. Deliberately judges nothing else; tests do.
//! Invariant: no call of the adapter passes unnoted.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use kefu_plugin_api::{
    http::Callback,
    wire::{HandleInput, HandleOutput, ReceiveOutput, decode, encode},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Isolation,
    black_box::BlackBox,
    job::Job,
    place::Place,
    report::{Reproduction, name_of},
    schema::masked,
};
use crate::plugin::{About, Fault, FaultKind, Function, Generation, OpenFault, OutputLimits};

/// How long one call may take; the gateway counts one of a second as stuck.
pub(super) const CALL_BUDGET: Duration = Duration::from_millis(500);

/// An opened adapter: bytes in, bytes out.
pub(super) trait Subject {
    /// Calls it.
    fn call(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault>;

    /// The processor time that it has taken so far, where the system tells.
    fn worked(&self) -> Option<Duration>;
}

impl Subject for Generation {
    fn call(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault> {
        self.exchange(function, input)
    }

    fn worked(&self) -> Option<Duration> {
        worked(Path::new("/proc/thread-self"))
    }
}

/// The processor time of one thread.
pub(super) fn worked(thread: &Path) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// A loaded file, ready to be opened as often as a test likes.
pub(super) struct Bench<'a> {
    pub(super) job: &'a Job,
    about: Arc<About>,
    place: Place,
    black_box: BlackBox,
    calls: Cell<u64>,
    index: Cell<Option<u64>>,
}

impl<'a> Bench<'a> {
    /// Loads the file where the job says.
    ///
    /// # Errors
    /// Why it was not loaded.
    pub(super) fn load(job: &'a Job) -> Result<Self, String> {
        let black_box = BlackBox::create(&job.black_box)
            .map_err(|error| format!("cannot write {}: {error}", job.black_box.display()))?;
        black_box.note("load", None, &[]);
        let place = Place::load(job)?;
        Ok(Self {
            job,
            about: place.about(),
            place,
            black_box,
            calls: Cell::new(0),
            index: Cell::new(None),
        })
    }

    /// What is known of the file.
    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// The settings of the job.
    pub(super) fn settings(&self) -> &Value {
        const NONE: &Value = &Value::Null;
        self.job.settings.as_ref().unwrap_or(NONE)
    }

    /// Opens an adapter with the settings of the job.
    ///
    /// # Errors
    /// Why it did not open.
    pub(super) fn open(&self) -> Result<Adapter<'_>, OpenFault> {
        self.open_with(self.settings())
    }

    /// Opens an adapter with these settings.
    ///
    /// # Errors
    /// Why it did not open.
    pub(super) fn open_with(&self, settings: &Value) -> Result<Adapter<'_>, OpenFault> {
        // It may be shown in a report.
        let shown = masked(self.about.descriptor().settings.as_value(), settings);
        let input = encode(&shown).map_err(|error| OpenFault::Broken(error.into()))?;
        self.black_box.note("open", self.index.get(), &input);
        self.calls.set(self.calls.get() + 1);
        Ok(Adapter {
            subject: RefCell::new(self.place.open(settings)?),
            settings: settings.clone(),
            bench: self,
        })
    }

    /// Calls of the adapter so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Marks all calls from here on with the number of a mutated input.
    pub(super) fn set_index(&self, index: Option<u64>) {
        self.index.set(index);
    }

    /// An input as a failure shows it.
    pub(super) fn reproduction(&self, function: Function, input: &[u8]) -> Reproduction {
        Reproduction::of(name_of(function), input, self.index.get())
    }

    /// Whether opening costs next to nothing.
    pub(super) fn opens_cheaply(&self) -> bool {
        self.job.isolation == Isolation::InProcess
    }
}

/// An opened adapter under test.
pub(super) struct Adapter<'a> {
    subject: RefCell<Box<dyn Subject>>,
    settings: Value,
    bench: &'a Bench<'a>,
}

impl Adapter<'_> {
    /// One call, bytes in and bytes out. One that takes too long is repeated,
    /// which a pure function does not mind: only if it is slow each time was it
    /// the adapter and not the machine.
    pub(super) fn raw(&self, function: Function, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let bench = self.bench;
        bench
            .black_box
            .note(name_of(function), bench.index.get(), input);
        let mut fastest = Duration::MAX;
        for attempt in 0..ATTEMPTS {
            bench.calls.set(bench.calls.get() + 1);
            let (answer, took) = self.timed(function, input, attempt > 0);
            if let Err(fault) = &answer
                && matches!(fault.kind, FaultKind::Crash | FaultKind::Timeout)
            {
                self.revive();
                return answer;
            }
            fastest = fastest.min(took);
            if fastest <= CALL_BUDGET {
                return answer;
            }
        }
        Err(Fault::new(
            FaultKind::Timeout,
            format!(
                "expected at most {CALL_BUDGET:?} of a processor for a call, found {fastest:?} as the least of {ATTEMPTS}"
            ),
        ))
    }

    /// One call and what it took of a processor: a busy machine makes no
    /// adapter slow, but standing still does. Asking for it costs more than most
    /// calls, so the first is only clocked.
    fn timed(
        &self,
        function: Function,
        input: &[u8],
        measured: bool,
    ) -> (Result<Vec<u8>, Fault>, Duration) {
        let subject = self.subject.borrow();
        let before = measured.then(|| subject.worked()).flatten();
        let start = Instant::now();
        let answer = subject.call(function, input);
        let elapsed = start.elapsed();
        if elapsed <= CALL_BUDGET || elapsed > STANDSTILL {
            return (answer, elapsed);
        }
        let after = subject.worked();
        let worked = before
            .zip(after)
            .map(|(before, after)| after.saturating_sub(before));
        (answer, worked.unwrap_or(elapsed))
    }

    /// The process that it ran in is gone; the next input deserves one.
    fn revive(&self) {
        // Where none can be had, the next call says so.
        if let Ok(subject) = self.bench.place.open(&self.settings) {
            *self.subject.borrow_mut() = subject;
        }
    }

    /// One turn.
    pub(super) fn handle(&self, input: &HandleInput) -> Result<HandleOutput, Fault> {
        let output = self.ask(Function::Handle, &encode(input)?)?;
        check_turn(&output)?;
        Ok(output)
    }

    /// One callback.
    pub(super) fn receive(&self, callback: &Callback) -> Result<ReceiveOutput, Fault> {
        let output = self.ask(Function::Receive, &encode(callback)?)?;
        check_receipt(&output)?;
        Ok(output)
    }

    /// Whether a state can be read.
    pub(super) fn check_state(&self, state: &[u8]) -> Result<(), Fault> {
        self.raw(Function::CheckState, state).map(drop)
    }

    fn ask<T: DeserializeOwned>(&self, function: Function, input: &[u8]) -> Result<T, Fault> {
        read(&self.raw(function, input)?)
    }
}

const ATTEMPTS: u32 = 3;

/// From here on waiting counts as working.
const STANDSTILL: Duration = Duration::from_secs(4);

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Fault> {
    decode(answer).map_err(|error| Fault::new(FaultKind::BadOutput, error.detail))
}

/// Whether a turn asks for no more than it may.
pub(super) fn check_turn(output: &HandleOutput) -> Result<(), Fault> {
    let limits = OutputLimits::default();
    at_most("effects", limits.items, output.effects.len())?;
    at_most("bytes of state", limits.state, output.state.len())
}

/// Whether a callback brings no more than it may.
pub(super) fn check_receipt(output: &ReceiveOutput) -> Result<(), Fault> {
    match output {
        ReceiveOutput::Accepted { receipt } => at_most(
            "events",
            OutputLimits::default().items,
            receipt.events.len(),
        ),
        ReceiveOutput::Rejected { .. } => Ok(()),
    }
}

fn at_most(what: &str, limit: usize, found: usize) -> Result<(), Fault> {
    if found <= limit {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::TooLarge,
        format!("expected at most {limit} {what}, found {found}"),
    ))
}
