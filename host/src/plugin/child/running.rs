//! A child that takes calls.
//!
//! Owns the gateway's end of its socket: writing calls, and the one thread
//! that reads answers and brings them to whoever waits. Deliberately repeats
//! nothing and starts nothing; that is [`supervisor`](super::supervisor).
//! Invariants: a call ends within its budget or a little later, because a child
//! that exceeds it is ended; dropping a child ends it and leaves no zombie.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{
    Death, How, Launch, Nursery,
    calls::{Calls, NoEntry, Over, Reply, Ticket},
    frame::{self, Frame, FrameError, FrameReader, Kind},
    line::Line,
    nursery::{ACCOUNTED, REAPED, timed_out},
    process::{Process, STACK},
    serve::MOST_INPUT,
};
use crate::plugin::{About, Fault, Function, StageTime, opened};

/// A running child.
#[derive(Debug)]
pub struct Child {
    process: Arc<Process>,
    calls: Arc<Calls>,
    socket: Mutex<UnixStream>,
    about: Arc<About>,
    times: Vec<StageTime>,
    most: usize,
    /// The thread that started it must not end before it.
    _nursery: Nursery,
}

/// A call that gave no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The adapter's own failure.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It took too long, so the child was ended.
    #[error("no answer within {} ms", budget.as_millis())]
    Overdue {
        /// How long it may take.
        budget: Duration,
    },
    /// No thread of the child was free in that time; the child goes on.
    #[error("no thread of the adapter's process was free within {} ms", budget.as_millis())]
    Busy {
        /// How long it waited.
        budget: Duration,
    },
    /// The child ended.
    #[error("{death}")]
    Died {
        /// How.
        death: Arc<Death>,
        /// Whether the call had reached it.
        under_way: bool,
    },
}

impl Child {
    pub(super) fn new(
        nursery: Nursery,
        process: Arc<Process>,
        calls: Arc<Calls>,
        mut reader: FrameReader<Line>,
        about: About,
        times: Vec<StageTime>,
        launch: &Launch,
    ) -> io::Result<Self> {
        reader.source_mut().set_deadline(None)?;
        let socket = reader.source().socket().try_clone()?;
        socket.set_write_timeout(Some(TAKEN))?;
        let listener = Listener {
            process: Arc::clone(&process),
            calls: Arc::clone(&calls),
            reader,
        };
        thread::Builder::new()
            .name("adapter-read".into())
            .stack_size(STACK)
            .spawn(move || listener.run())?;
        Ok(Self {
            process,
            calls,
            socket: Mutex::new(socket),
            about: Arc::new(about),
            times,
            most: launch.limits.bytes,
            _nursery: nursery,
        })
    }

    /// The facts of the file that it loaded.
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }

    /// How long each stage of its start took.
    pub fn times(&self) -> &[StageTime] {
        &self.times
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How it ended, if it did.
    pub fn death(&self) -> Option<Arc<Death>> {
        self.process.death()
    }

    /// Calls that are running in it.
    pub fn under_way(&self) -> usize {
        self.calls.under_way()
    }

    /// Memory of it that is resident, in bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes << 10)
    }

    /// Ends it. Calls under way learn it.
    pub(super) fn dismiss(&self) {
        self.process.end(How::Dismissed);
    }

    /// Waits for its end, whenever that is.
    pub(super) fn wait(&self) -> Arc<Death> {
        self.process.wait_for_ever()
    }

    /// Calls a function of the adapter. Many threads may call at once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn call(
        &self,
        function: Function,
        input: &[u8],
        budget: Duration,
    ) -> Result<Vec<u8>, CallError> {
        if input.len() > MOST_INPUT {
            let fault = Fault::too_large("bytes of input", MOST_INPUT, input.len());
            return Err(CallError::Fault(fault));
        }
        let ticket = match self.calls.enter(Instant::now() + budget) {
            Ok(ticket) => ticket,
            Err(NoEntry::Full) => return Err(CallError::Busy { budget }),
            Err(NoEntry::Over) => return Err(self.died(false)),
        };
        self.send(&ticket, function, input)?;
        // From here on a thread of the child is at it.
        let reply = match ticket.wait(Instant::now() + budget) {
            Some(outcome) => outcome,
            None if self.calls.give_up(&ticket) => {
                self.process.end(How::Overdue(budget));
                return Err(CallError::Overdue { budget });
            }
            // It is being brought at this moment.
            None => ticket.wait(Instant::now() + REAPED).unwrap_or(Err(Over)),
        };
        match reply {
            Ok(Reply::Answer(bytes)) => Ok(bytes),
            Ok(Reply::Failed(bytes)) => Err(opened::refused(&bytes).into()),
            Ok(Reply::TooLarge(found)) => {
                let found = usize::try_from(found).unwrap_or(usize::MAX);
                Err(Fault::too_large("bytes", self.most, found).into())
            }
            Err(Over) => Err(self.died(true)),
        }
    }

    fn send(&self, ticket: &Ticket, function: Function, input: &[u8]) -> Result<(), CallError> {
        let kind = match function {
            Function::Handle => Kind::Handle,
            Function::Receive => Kind::Receive,
            Function::SelfTest => Kind::SelfTest,
            Function::CheckState => Kind::CheckState,
        };
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = frame::write(&*socket, ticket.id, kind, input) else {
            return Ok(());
        };
        // Half a call may be in the socket: nothing can follow it.
        if timed_out(&error) {
            self.process.end(How::Overdue(TAKEN));
        }
        drop(socket);
        self.calls.give_up(ticket);
        Err(self.died(false))
    }

    /// Its end, which is there or will be in a moment.
    fn died(&self, under_way: bool) -> CallError {
        let death = self.process.wait(ACCOUNTED).or_else(|| {
            self.process
                .end(How::Garbage("it closed its socket".into()));
            self.process.wait(REAPED)
        });
        let death = death.unwrap_or_else(|| {
            Arc::new(Death {
                pid: self.pid(),
                how: How::Garbage("it closed its socket and cannot be ended".into()),
                last_words: String::new(),
            })
        });
        CallError::Died { death, under_way }
    }
}

/// How long a child may take to read a call. It always has a thread for it.
const TAKEN: Duration = Duration::from_secs(5);

impl Drop for Child {
    fn drop(&mut self) {
        self.process.end(How::Dismissed);
        self.process.wait(REAPED);
    }
}

/// Brings answers to whoever waits for them.
struct Listener {
    process: Arc<Process>,
    calls: Arc<Calls>,
    reader: FrameReader<Line>,
}

impl Listener {
    fn run(mut self) {
        let ended = loop {
            match self.reader.next() {
                Ok(Some(frame)) => {
                    if let Err(garbage) = self.bring(frame) {
                        break garbage;
                    }
                }
                Ok(None) | Err(FrameError::Cut | FrameError::Read(_)) => {
                    // Its end says more than the end of its socket.
                    if self.process.wait(ACCOUNTED).is_some() {
                        return;
                    }
                    break "expected an answer, found the end".into();
                }
                Err(error) => break error.to_string(),
            }
        };
        self.process.end(How::Garbage(ended));
    }

    fn bring(&self, frame: Frame) -> Result<(), String> {
        let reply = match frame.kind {
            Kind::Answer => Reply::Answer(frame.payload),
            Kind::Failed => Reply::Failed(frame.payload),
            Kind::TooLarge => {
                let found = <[u8; 8]>::try_from(frame.payload.as_slice());
                let found = found.map_err(|_| "expected a length of eight bytes".to_owned())?;
                Reply::TooLarge(u64::from_le_bytes(found))
            }
            other => return Err(format!("expected an answer, found {other:?}")),
        };
        if self.calls.answer(frame.id, reply) {
            return Ok(());
        }
        Err(format!(
            "an answer to call {}, which is not under way",
            frame.id
        ))
    }
}

#[cfg(test)]
mod tests;
