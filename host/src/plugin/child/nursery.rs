//! Starting a child.
//!
//! Owns the thread that starts all children, what a child is started with, and
//! the stages until it takes calls, each with its limit. Deliberately keeps no
//! child. Invariants: the kernel ends a child when the *thread* that started
//! it ends, so that thread lives as long as any child does; a start that fails
//! leaves no process behind.

use std::{
    ffi::OsString,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{self, Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Arc, Once, mpsc},
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::Settings;
use kefu_plugin_api::ids::ProviderId;
use thiserror::Error;

use super::{
    Child, Death, How,
    calls::Calls,
    frame::{self, Frame, FrameError, FrameReader, Kind},
    hello::{self, Described, Load, Refused},
    line::Line,
    process::{Process, STACK},
};
use crate::plugin::{About, OutputLimits, Stage, StageTime};

/// What a child is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Whom it will serve; shown in the list of processes.
    pub provider: ProviderId,
    /// The private copy that it loads.
    pub copy: PathBuf,
    /// The hash that the copy must have.
    pub sha256: String,
    /// The copy's size in bytes.
    pub size: u64,
    /// What the adapter is opened with.
    pub settings: Settings,
    /// How much it may answer.
    pub limits: OutputLimits,
    /// Bytes of memory that it may take.
    pub memory: u64,
    /// Threads that take calls: as many calls can be under way.
    pub threads: usize,
    /// Seconds of processor time after which it is ended; for one that is only
    /// tried.
    pub cpu_seconds: Option<u64>,
    /// How long each stage of its start may take.
    pub stage_timeout: Duration,
}

/// A child that did not come up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChildError {
    /// It said why it will not serve.
    #[error("{text}")]
    Refused {
        /// In which stage.
        stage: Stage,
        /// Why.
        text: String,
    },
    /// It ended.
    #[error("{death}")]
    Died {
        /// In which stage.
        stage: Stage,
        /// How.
        death: Death,
    },
    /// It took too long and was ended.
    #[error("expected to be done within {} ms, found it still busy", limit.as_millis())]
    TooSlow {
        /// In which stage.
        stage: Stage,
        /// How long that may take.
        limit: Duration,
    },
}

impl ChildError {
    /// How far it came.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Refused { stage, .. }
            | Self::Died { stage, .. }
            | Self::TooSlow { stage, .. } => *stage,
        }
    }
}

/// Where children are started. Clones share the thread; it ends with the last
/// of them, and every child holds one.
#[derive(Clone, Debug)]
pub struct Nursery {
    program: PathBuf,
    orders: mpsc::Sender<Order>,
}

struct Order {
    command: Command,
    reply: mpsc::SyncSender<io::Result<process::Child>>,
}

impl Nursery {
    /// One whose children are this very program, also if its file was replaced
    /// meanwhile.
    ///
    /// # Errors
    /// If its thread cannot be started.
    pub fn new() -> io::Result<Self> {
        Self::of("/proc/self/exe")
    }

    /// One whose children are another file of this program.
    ///
    /// # Errors
    /// If its thread cannot be started.
    pub fn of(program: impl Into<PathBuf>) -> io::Result<Self> {
        let (orders, taken) = mpsc::channel::<Order>();
        thread::Builder::new()
            .name("adapter-nursery".into())
            .stack_size(STACK)
            .spawn(move || {
                while let Ok(Order { mut command, reply }) = taken.recv() {
                    let spawned = command.spawn();
                    // Our copy of the child's end of the socket: as long as it
                    // is open the socket does not end with the child.
                    drop(command);
                    if let Err(mpsc::SendError(Ok(mut child))) = reply.send(spawned) {
                        let _ = child.kill().and_then(|()| child.wait());
                    }
                }
            })?;
        Ok(Self {
            program: program.into(),
            orders,
        })
    }

    /// Starts a child and waits until it takes calls.
    ///
    /// # Errors
    /// Why it did not come up, and in which stage; it is gone then.
    pub fn start(&self, launch: &Launch) -> Result<Child, ChildError> {
        self.begin(launch)?.finish(launch)
    }

    /// Starts a child only to hear who the adapter is, whatever its settings;
    /// it is gone then.
    ///
    /// # Errors
    /// Why it did not say so, and in which stage.
    pub fn describe(&self, launch: &Launch) -> Result<About, ChildError> {
        self.begin(launch)?.describe(launch)
    }

    /// Starts the process, and tells it what to load.
    pub(super) fn begin(&self, launch: &Launch) -> Result<Starting, ChildError> {
        let failed = |error: io::Error| ChildError::Refused {
            stage: Stage::Load,
            text: format!("cannot start a child process: {error}"),
        };
        let since = Instant::now();
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let child = self.spawn(launch, theirs.into()).map_err(failed)?;
        let calls = Arc::new(Calls::new(launch.threads));
        let ending = Arc::clone(&calls);
        let process = Process::watch(child, move || ending.end()).map_err(failed)?;
        let most = launch.limits.bytes.max(LEAST_FRAME);
        let starting = Starting {
            nursery: self.clone(),
            process: Dismiss {
                process,
                unwanted: true,
            },
            calls,
            reader: FrameReader::new(Line::new(ours), most),
            since,
            times: Vec::new(),
        };
        starting.order(launch)?;
        Ok(starting)
    }

    fn spawn(&self, launch: &Launch, socket: OwnedFd) -> io::Result<process::Child> {
        let gone = || io::Error::other("the thread that starts children is gone");
        let mut command = Command::new(&self.program);
        let mut provider = OsString::from("--provider=");
        provider.push(launch.provider.as_str());
        command
            .arg("adapter-host")
            .arg(process::id().to_string())
            .arg(provider)
            .env_clear()
            // One heap: it is smaller, and never asks how many processors
            // there are, which would be a forbidden file.
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/")
            // A signal from the terminal is for the gateway alone.
            .process_group(0)
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (reply, replied) = mpsc::sync_channel(1);
        let order = Order { command, reply };
        self.orders.send(order).map_err(|_| gone())?;
        replied.recv().map_err(|_| gone())?
    }
}

/// A child that does not take calls yet.
pub(super) struct Starting {
    nursery: Nursery,
    process: Dismiss,
    calls: Arc<Calls>,
    reader: FrameReader<Line>,
    since: Instant,
    times: Vec<StageTime>,
}

/// Ends a process that turned out to be unwanted, and waits until it is gone.
struct Dismiss {
    process: Arc<Process>,
    unwanted: bool,
}

impl Drop for Dismiss {
    fn drop(&mut self) {
        if self.unwanted {
            self.process.end(How::Dismissed);
            self.process.wait(REAPED);
        }
    }
}

/// How long the end of a killed process is waited for.
pub(super) const REAPED: Duration = Duration::from_secs(2);
/// How long the account of an end may come after the end of the socket.
pub(super) const ACCOUNTED: Duration = Duration::from_secs(1);
/// A descriptor with its schema must pass whatever the limit of answers is.
const LEAST_FRAME: usize = 1 << 20;

impl Starting {
    /// The process, for whoever wants to end it before its time.
    pub(super) fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.process)
    }

    fn order(&self, launch: &Launch) -> Result<(), ChildError> {
        let refused = |text: String| ChildError::Refused {
            stage: Stage::Load,
            text,
        };
        // The child stands in another folder.
        let copy = fs::canonicalize(&launch.copy).or_else(|_| path::absolute(&launch.copy));
        let load = hello::encode(&Load {
            copy: copy.unwrap_or_else(|_| launch.copy.clone()),
            sha256: launch.sha256.clone(),
            settings: launch.settings.expose().clone(),
            most: launch.limits.bytes,
            memory: launch.memory,
            threads: launch.threads.max(1),
            cpu_seconds: launch.cpu_seconds,
        });
        let load =
            load.map_err(|error| refused(format!("cannot tell it what to load: {error}")))?;
        let socket = self.reader.source().socket();
        let written = socket
            .set_write_timeout(Some(launch.stage_timeout))
            .and_then(|()| frame::write(socket, 0, Kind::Load, &load));
        // A child that does not take it will say so, or be found dead.
        if let Err(error) = written {
            tracing::debug!(%error, "a child did not take its order");
        }
        Ok(())
    }

    /// Waits for one stage after the other.
    pub(super) fn finish(mut self, launch: &Launch) -> Result<Child, ChildError> {
        let limit = launch.stage_timeout;
        let about = self.describe(launch)?;
        self.pass(Stage::Open, Kind::Opened, limit)?;
        self.pass(Stage::SelfTest, Kind::SelfTested, limit)?;
        let process = self.process();
        let Self {
            nursery,
            process: mut dismiss,
            calls,
            reader,
            times,
            ..
        } = self;
        let child =
            Child::new(nursery, process, calls, reader, about, times, launch).map_err(|error| {
                ChildError::Refused {
                    stage: Stage::SelfTest,
                    text: format!("cannot listen to the child process: {error}"),
                }
            })?;
        dismiss.unwanted = false;
        Ok(child)
    }

    /// Waits until it has said who the adapter is.
    fn describe(&mut self, launch: &Launch) -> Result<About, ChildError> {
        let limit = launch.stage_timeout;
        self.pass(Stage::Load, Kind::Loaded, limit)?;
        self.check_filters()?;
        let described = self.pass(Stage::Describe, Kind::Described, limit)?;
        let described: Described = hello::decode(&described.payload)
            .map_err(|error| self.garbage(Stage::Describe, error.to_string()))?;
        if !described.files_restricted {
            warn_of_open_files();
        }
        Ok(About {
            descriptor: Arc::new(described.descriptor),
            contract: described.contract,
            rustc: described.rustc,
            sha256: launch.sha256.clone(),
            copy: launch.copy.clone(),
            size: launch.size,
        })
    }

    /// Looks from outside whether both filters are in place: an initialiser of
    /// the plug-in ran before it could be asked, and whatever the child says
    /// from then on, it may be the plug-in that says it. This finds one that
    /// went ahead without the second filter; what no one can talk their way
    /// out of is the first.
    fn check_filters(&self) -> Result<(), ChildError> {
        let ours = filters(Path::new("/proc/thread-self/status")).unwrap_or(0);
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.process.pid()));
        for task in tasks.into_iter().flatten().flatten() {
            // Older kernels do not tell, and a task may end meanwhile.
            let Some(found) = filters(&task.path().join("status")) else {
                continue;
            };
            let expected = ours + FILTERS;
            if found < expected {
                let text = format!(
                    "expected {expected} filters of system calls after loading, found {found}"
                );
                return Err(self.garbage(Stage::Load, text));
            }
        }
        Ok(())
    }

    fn pass(&mut self, stage: Stage, expected: Kind, limit: Duration) -> Result<Frame, ChildError> {
        let frame = self.next(stage, limit)?;
        let now = Instant::now();
        let took = now.duration_since(self.since);
        self.since = now;
        self.times.push(StageTime { stage, took });
        if frame.kind == expected {
            return Ok(frame);
        }
        if frame.kind == Kind::Refused
            && let Ok(Refused { stage, text }) = hello::decode(&frame.payload)
        {
            return Err(ChildError::Refused { stage, text });
        }
        let found = format!("expected {expected:?}, found {:?}", frame.kind);
        Err(self.garbage(stage, found))
    }

    fn next(&mut self, stage: Stage, limit: Duration) -> Result<Frame, ChildError> {
        let too_slow = ChildError::TooSlow { stage, limit };
        let deadline = self.since + limit;
        let armed = self.reader.source_mut().set_deadline(Some(deadline));
        let error = match armed
            .map_err(FrameError::Read)
            .and_then(|()| self.reader.next())
        {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => None,
            Err(FrameError::Read(error)) if timed_out(&error) => return Err(too_slow),
            // Reset instead of ended, if it left something unread.
            Err(FrameError::Read(_)) => None,
            Err(error) => Some(error),
        };
        // It has most likely ended, and its own end says more.
        if let Some(death) = self.process.process.wait(ACCOUNTED) {
            let death = Death::clone(&death);
            return Err(ChildError::Died { stage, death });
        }
        let found = error.map_or_else(
            || "expected a report of its progress, found the end".into(),
            |error| error.to_string(),
        );
        Err(self.garbage(stage, found))
    }

    fn garbage(&self, stage: Stage, found: String) -> ChildError {
        self.process.process.end(How::Garbage(found.clone()));
        match self.process.process.wait(REAPED) {
            Some(death) => ChildError::Died {
                stage,
                death: Death::clone(&death),
            },
            None => ChildError::Refused { stage, text: found },
        }
    }
}

/// Filters that a child puts in place, one for each phase.
const FILTERS: u32 = 2;

/// How many filters of system calls a task has, if the kernel says so.
fn filters(status: &Path) -> Option<u32> {
    let status = fs::read_to_string(status).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    line.trim().parse().ok()
}

/// Says once that plug-ins can read files while they are loaded.
fn warn_of_open_files() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "this kernel has no Landlock (Linux 5.13, and switched on): while a plug-in is loaded its initialisers can read every file that the gateway can; load only plug-ins that you trust, or update the kernel"
        );
    });
}

/// What a read or write gives that took longer than its time-out.
pub(super) fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
