//! The one thread through which every change goes.
//!
//! Owns the order: whatever asks for a change, it has its turn when the one
//! before is over. Deliberately decides nothing about the change itself.
//! Invariants: two reloads never overlap; a command that was taken is
//! answered; no more than a few commands wait; the thread waits, it never
//! spins.

use std::{
    fmt,
    future::Future,
    io,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use kefu_core::{config::Config, problem::Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    apply::{Applier, Found, ReloadError},
    observe::Observer,
    report::{Cause, History, Report},
    scan::Places,
    settle::Settled,
    target::Target,
    watch::Watch,
};
use crate::{config::Sources, telemetry::Metrics};

/// What a reloader is made of.
pub struct Parts {
    /// Which file said what when the gateway started.
    pub sources: Sources,
    /// The configuration in force; the reloader alone replaces it.
    pub config: Arc<ArcSwap<Config>>,
    /// Where changes take effect.
    pub target: Arc<dyn Target>,
    /// The numbers.
    pub metrics: Metrics,
}

/// Brings changes into force, one after the other. Cheap to clone; all clones
/// are one.
#[derive(Clone)]
pub struct Reloader {
    inbox: Sender<Message>,
    history: History,
    /// Places for commands that are waited for.
    places: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

type Answer = Result<Report, ReloadError>;

enum Message {
    /// Something was heard of the files.
    Stirred,
    /// Somebody wants something.
    Do {
        cause: Cause,
        asked: Instant,
        answer: Option<Waiting>,
    },
    /// Somebody wants a file changed, and what it says in force.
    Edit {
        write: Write,
        asked: Instant,
        answer: Waiting,
    },
    Stop,
}

/// Changes a file; whatever is in the way is said in words.
type Write = Box<dyn FnOnce() -> Result<(), Problem> + Send>;

/// Whoever waits for a command's end, and the place it takes until then.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Reloader {
    /// Starts to watch. What changed since the configuration was read is found
    /// at once.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let (inbox, messages) = channel();
        let history = History::default();
        let kept = history.clone();
        let stirs = inbox.clone();
        let mut worker = Worker::new(parts, kept, stirs);
        let stopping = Arc::clone(&worker.stopping);
        // Whatever happens after the return is heard.
        worker.observer.look(Instant::now());
        let thread = thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || worker.run(&messages))?;
        Ok(Self {
            inbox,
            history,
            places: Arc::new(Semaphore::new(MOST_COMMANDS)),
            stopping,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Makes a reload. It is taken, or refused, by the time this returns, and
    /// made even if nobody waits for the report that comes of it.
    ///
    /// The future fails only if nothing could be tried; what was tried and
    /// refused is a report.
    pub fn reload(&self, cause: Cause) -> impl Future<Output = Answer> + Send + use<> {
        let taken = self.take(cause);
        async { taken?.await.unwrap_or(Err(ReloadError::Stopping)) }
    }

    /// The same for a thread that may wait as long as a plug-in needs to open.
    /// Not to be called within a runtime.
    ///
    /// # Errors
    /// Only if nothing could be tried; what was tried and refused is a report.
    pub fn reload_now(&self, cause: Cause) -> Answer {
        let answered = self.take(cause)?.blocking_recv();
        answered.unwrap_or(Err(ReloadError::Stopping))
    }

    /// Has a file changed between two reloads and makes the one that brings the
    /// change into force, so that its report is about this change. If the
    /// change is refused nothing is reloaded.
    pub fn edit(
        &self,
        write: Box<dyn FnOnce() -> Result<(), Problem> + Send>,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let taken = self.place().and_then(|(answer, answered)| {
            self.post(Message::Edit {
                write,
                asked: Instant::now(),
                answer,
            })?;
            Ok(answered)
        });
        async { taken?.await.unwrap_or(Err(ReloadError::Stopping)) }
    }

    fn take(&self, cause: Cause) -> Result<oneshot::Receiver<Answer>, ReloadError> {
        let (waiting, answered) = self.place()?;
        self.send(cause, Some(waiting))?;
        Ok(answered)
    }

    /// A place among the commands that are waited for.
    fn place(&self) -> Result<(Waiting, oneshot::Receiver<Answer>), ReloadError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            answer,
            _place: place.map_err(|_| ReloadError::Busy)?,
        };
        Ok((waiting, answered))
    }

    /// Asks for a reload and waits for nothing. One that cannot be made any
    /// more is forgotten: the gateway stops.
    pub fn request(&self, cause: Cause) {
        let _ = self.send(cause, None);
    }

    /// The reports of the last reloads, newest first, at most so many.
    pub fn history(&self, most: usize) -> Vec<Report> {
        self.history.last(most)
    }

    /// Ends with the reload under way, and waits for that. Commands that have
    /// not begun are answered that they will not.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _ = self.inbox.send(Message::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the reloading thread panicked");
        }
    }

    fn send(&self, cause: Cause, answer: Option<Waiting>) -> Result<(), ReloadError> {
        self.post(Message::Do {
            cause,
            asked: Instant::now(),
            answer,
        })
    }

    fn post(&self, message: Message) -> Result<(), ReloadError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(ReloadError::Stopping);
        }
        let sent = self.inbox.send(message);
        sent.map_err(|_| ReloadError::Stopping)
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// The thread's own.
struct Worker {
    observer: Observer,
    applier: Applier,
    stirred: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    look_at: Instant,
}

impl Worker {
    fn new(parts: Parts, history: History, stirs: Sender<Message>) -> Self {
        let stirred = Arc::new(AtomicBool::new(false));
        let watch = Watch::new({
            let stirred = Arc::clone(&stirred);
            // One message stands for all that comes before it is taken.
            move || {
                if !stirred.swap(true, Ordering::AcqRel) {
                    let _ = stirs.send(Message::Stirred);
                }
            }
        });
        let places = Places::of(&parts.sources, &parts.config.load());
        let observer = Observer::new(places, parts.sources.seen().clone(), watch);
        let applier = Applier::new(
            parts.sources,
            parts.config,
            parts.target,
            parts.metrics,
            history,
        );
        Self {
            observer,
            applier,
            stirred,
            stopping: Arc::default(),
            look_at: Instant::now(),
        }
    }

    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let now = Instant::now();
            if now >= self.look_at || now >= self.observer.wake_at(now) {
                self.look_at = now + PAUSE;
                // What was wrong is in the log.
                let _ = self.guarded(|worker| worker.look(now));
                continue;
            }
            let until = self.look_at.min(self.observer.wake_at(now));
            match messages.recv_timeout(until.saturating_duration_since(now)) {
                Ok(Message::Stirred) => {
                    self.stirred.store(false, Ordering::Release);
                    self.look_at = self.look_at.min(self.observer.stirred_at());
                }
                Ok(Message::Do {
                    cause,
                    asked,
                    answer,
                }) => {
                    let done = self.guarded(|worker| worker.command(&cause, asked));
                    let done = done.flatten();
                    match answer {
                        // Who does not wait any more has no use for it.
                        Some(waiting) => drop(waiting.answer.send(done)),
                        None => drop(done),
                    }
                }
                Ok(Message::Edit {
                    write,
                    asked,
                    answer,
                }) => {
                    let done = self.guarded(|worker| worker.edit(write, asked));
                    drop(answer.answer.send(done.flatten()));
                }
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Looks, and reloads what is finished.
    fn look(&mut self, now: Instant) {
        self.observer.look(now);
        self.look_at = self.observer.wake_at(now);
        if let Some(settled) = self.observer.take(now) {
            self.look_at = self.observer.stirred_at();
            if let Err(error) = self.apply(&Cause::Files, &settled, now) {
                tracing::error!(%error, "changed files were not looked at");
            }
        }
    }

    fn command(&mut self, cause: &Cause, asked: Instant) -> Answer {
        if self.stopping.load(Ordering::Acquire) {
            return Err(ReloadError::Stopping);
        }
        if let Cause::RollBack {
            provider,
            generation,
            why,
        } = cause
        {
            let applier = &mut self.applier;
            return applier.roll_back(cause, provider, *generation, why, asked);
        }
        let settled = self.wait_for_files();
        self.apply(cause, &settled, asked)
    }

    fn edit(&mut self, write: Write, asked: Instant) -> Answer {
        if self.stopping.load(Ordering::Acquire) {
            return Err(ReloadError::Stopping);
        }
        write().map_err(|problem| ReloadError::NotWritten(Box::new(problem)))?;
        self.command(&Cause::Edit, asked)
    }

    /// Looks and does, unless it panics: the thread is needed for the next one.
    fn guarded<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T, ReloadError> {
        panic::catch_unwind(AssertUnwindSafe(|| act(self))).map_err(|_| {
            tracing::error!("a reload panicked; the next one is made all the same");
            ReloadError::Broken
        })
    }

    /// Lets files that are being written come to their end, within reason.
    fn wait_for_files(&mut self) -> Settled {
        let patience = Instant::now() + PATIENCE;
        let mut settled = Settled::default();
        loop {
            let now = Instant::now();
            self.observer.look(now);
            if let Some(more) = self.observer.take(now) {
                settled.closed = settled.closed.max(more.closed);
                settled.files.extend(more.files);
            }
            let next = self.observer.wake_at(now).min(patience);
            if self.observer.unsettled().is_empty() || now >= patience {
                return settled;
            }
            thread::sleep(next.saturating_duration_since(now).max(BREATH));
        }
    }

    fn apply(&mut self, cause: &Cause, settled: &Settled, asked: Instant) -> Answer {
        let unsettled = self.observer.unsettled();
        let found = Found {
            settled,
            unsettled: &unsettled,
            files: self.observer.files(),
        };
        let (report, references) = self.applier.reload(cause, &found, asked)?;
        let applier = &self.applier;
        self.observer
            .look_after(Places::of(applier.sources(), &applier.config()));
        self.observer.refer_to(references);
        Ok(report)
    }
}

/// Commands that are waited for, the one under way among them.
const MOST_COMMANDS: usize = 16;
/// How long a command waits for files that are being written.
const PATIENCE: Duration = Duration::from_secs(3);
/// Before the next look where one came to no end.
const PAUSE: Duration = Duration::from_secs(1);
/// The least time between two looks while it waits.
const BREATH: Duration = Duration::from_millis(5);
