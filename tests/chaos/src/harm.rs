//! Misbehaviour that does not go through the contract: what a process suffers.
//!
//! Owns the deeds that are the same wherever they are asked for, and the only
//! code here that breaks the language's own rules. Deliberately knows no
//! session and no event. Invariant: nothing happens unless [`Harm::commit`] is
//! called.

use std::{
    ffi::CString,
    fmt::Display,
    fs::{self, File},
    hint::black_box,
    io::{self, Write},
    net::UdpSocket,
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const MIB: usize = 1 << 20;

/// One deed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    Panic,
    Abort,
    Segfault,
    Overflow,
    Loop(Option<Duration>),
    Sleep(Duration),
    Allocate(Option<usize>),
    Exit(i32),
    Thread,
    Tls,
    Open(String),
    Create(String),
    Socket,
    Proc,
    Exec(String),
}

impl Harm {
    /// The deed that these words ask for, if they ask for one.
    pub(crate) fn parse(name: &str, argument: Option<&str>) -> Option<Self> {
        let number = || argument.and_then(|word| word.parse::<u64>().ok());
        let text = || argument.map(str::to_owned);
        Some(match (name, argument) {
            ("panic", None) => Self::Panic,
            ("abort", None) => Self::Abort,
            ("segfault", None) => Self::Segfault,
            ("overflow", None) => Self::Overflow,
            ("loop", None) => Self::Loop(None),
            ("loop", Some(_)) => Self::Loop(Some(Duration::from_millis(number()?))),
            ("sleep", Some(_)) => Self::Sleep(Duration::from_millis(number()?)),
            ("allocate", None) => Self::Allocate(None),
            ("allocate", Some(_)) => Self::Allocate(Some(usize::try_from(number()?).ok()?)),
            ("exit", Some(_)) => Self::Exit(i32::try_from(number()?).ok()?),
            ("thread", None) => Self::Thread,
            ("tls", None) => Self::Tls,
            ("open", Some(_)) => Self::Open(text()?),
            ("create", Some(_)) => Self::Create(text()?),
            ("socket", None) => Self::Socket,
            ("proc", None) => Self::Proc,
            ("exec", Some(_)) => Self::Exec(text()?),
            _ => return None,
        })
    }

    /// Does it. What comes back, if anything does, tells how it went; a deed
    /// that leaves nothing to tell gives no words.
    pub(crate) fn commit(self) -> Option<String> {
        match self {
            Self::Panic => fall("asked to panic"),
            Self::Abort => abort(),
            Self::Segfault => segfault(),
            Self::Overflow => {
                black_box(overflow(1));
            }
            Self::Loop(time) => burn(time),
            Self::Sleep(time) => thread::sleep(time),
            Self::Allocate(mib) => allocate(mib),
            Self::Exit(code) => exit(code),
            Self::Thread => return Some(told("thread", start_thread())),
            Self::Tls => return Some(leave_thread_local()),
            Self::Open(file) => return Some(told("open", read_size(&file))),
            Self::Create(file) => {
                return Some(told("create", File::create(file).map(|_| "created")));
            }
            Self::Socket => return Some(told("socket", bind())),
            Self::Proc => return Some(told("proc", read_size("/proc/self/status"))),
            Self::Exec(program) => return Some(told("exec", exec(&program))),
        }
        None
    }
}

fn told<T: Display>(deed: &str, outcome: io::Result<T>) -> String {
    match outcome {
        Ok(outcome) => format!("{deed}: {outcome}"),
        Err(error) => format!("{deed}: {error}"),
    }
}

/// Panics, where it unwinds without the hook's report: it would only fill what
/// the tests print.
fn fall(words: &'static str) -> ! {
    if cfg!(panic = "unwind") {
        std::panic::resume_unwind(Box::new(words));
    }
    panic!("{words}")
}

#[expect(clippy::disallowed_methods, reason = "that is what was asked for")]
fn abort() -> ! {
    process::abort()
}

#[expect(clippy::disallowed_methods, reason = "that is what was asked for")]
fn exit(code: i32) -> ! {
    process::exit(code)
}

/// Writes where nothing is mapped. Not to the null pointer itself: a build
/// with checks would panic before it got there.
fn segfault() {
    let nowhere = black_box(std::ptr::without_provenance_mut::<u8>(8));
    // SAFETY: there is none. The first page of a process is never mapped, so
    // nothing that anybody owns is overwritten; the processor raises the fault
    // that the test is about.
    #[expect(unsafe_code, reason = "no safe code ends in a segmentation fault")]
    unsafe {
        nowhere.write_volatile(1);
    }
}

/// Every call keeps its page alive until the next one has returned.
#[expect(unconditional_recursion, reason = "that is what was asked for")]
fn overflow(depth: usize) -> usize {
    let page = black_box([depth; 512]);
    overflow(page[0] + 1) + black_box(&page)[511]
}

/// Keeps the thread busy; the contract forbids both the clock and the wait.
fn burn(time: Option<Duration>) {
    let start = Instant::now();
    while time.is_none_or(|time| start.elapsed() < time) {
        std::hint::spin_loop();
    }
}

/// Takes memory and writes to every page of it: so much and gives it back, or
/// without end.
fn allocate(mib: Option<usize>) {
    let mut taken = Vec::new();
    while mib.is_none_or(|mib| taken.len() < mib) {
        taken.push(black_box(vec![1_u8; MIB]));
    }
}

/// A thread that outlives the call, the session and the generation.
fn start_thread() -> io::Result<&'static str> {
    let forever = || {
        loop {
            thread::park();
        }
    };
    let thread = thread::Builder::new().name("chaos-lives-on".into());
    thread.spawn(forever).map(|_| "it lives on")
}

/// How many of this thread-local were destroyed in this process.
static ENDED: AtomicU64 = AtomicU64::new(0);

struct Mark;

impl Drop for Mark {
    fn drop(&mut self) {
        let ended = ENDED.fetch_add(1, Ordering::Relaxed) + 1;
        // Nobody may be reading any more.
        let _ = writeln!(io::stderr(), "chaos: thread-local {ended} destroyed");
    }
}

thread_local! {
    static LEFT: Mark = const { Mark };
}

/// Leaves a value in this thread whose destructor is this library's code.
fn leave_thread_local() -> String {
    LEFT.with(|left| black_box(std::ptr::from_ref(left)));
    format!("tls: {} destroyed", ENDED.load(Ordering::Relaxed))
}

fn read_size(file: &str) -> io::Result<String> {
    let bytes = fs::read(file)?;
    Ok(format!("{} bytes read", bytes.len()))
}

fn bind() -> io::Result<&'static str> {
    UdpSocket::bind(("127.0.0.1", 0)).map(|_| "bound")
}

/// Replaces the whole process, without a fork before it: the call that a
/// profile has to stop is this one.
fn exec(program: &str) -> io::Result<&'static str> {
    let program = CString::new(program).map_err(io::Error::other)?;
    let arguments = [program.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: the program's name and both lists are valid until the call
    // returns, end as they must, and are only read.
    #[expect(unsafe_code, reason = "the safe way forks first")]
    unsafe {
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
    }
    Err(io::Error::last_os_error())
}
