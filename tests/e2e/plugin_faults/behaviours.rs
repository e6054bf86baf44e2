//! What each misbehaviour of an open adapter costs, in both isolations.
//!
//! Owns the tables. Where the code runs in the gateway's own process, what ends
//! a process is not in the table: nothing survives it, which is why such code
//! must not come that far (`opening.rs`).

use Outcome::{Answers, Ends, Faults};

/// What whoever asked for it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer that begins so.
    Answers(&'static str),
    /// A refusal, for a fault of this kind; `a|b` for one of two.
    Faults(&'static str),
    /// The same, and the adapter has another process afterwards; the end of the
    /// one before is told with these words, or one of them.
    Ends(&'static str, &'static str),
}

/// A command of chaos and what comes of it.
pub(super) type Behaviour = (&'static str, Outcome);

/// What costs the same wherever the code runs.
const EVERYWHERE: [Behaviour; 11] = [
    ("panic", Faults("panic")),
    ("error", Faults("adapter")),
    ("vendor", Faults("vendor")),
    ("illegal", Faults("illegal")),
    ("stray", Faults("illegal")),
    ("garbage", Faults("bad_output")),
    ("newer effect", Faults("bad_output")),
    ("effects 300", Faults("too_large")),
    ("state 65", Faults("too_large")),
    ("allocate 8", Answers("allocate 8")),
    ("tls", Answers("tls: ")),
];

/// What a process that may do everything lets pass, or only notices late.
const ONLY_IN_PROCESS: [Behaviour; 8] = [
    ("flood 100", Faults("too_large")),
    ("thread", Answers("thread: it lives on")),
    ("open /proc/self/maps", Answers("open: ")),
    ("socket", Answers("socket: bound")),
    ("proc", Answers("proc: ")),
    ("exec /no/such/program", Answers("exec: ")),
    ("loop 2000", Faults("timeout")),
    ("sleep 2000", Faults("timeout")),
];

/// What a child is ended for, or ends by itself.
const ONLY_IN_A_CHILD: [Behaviour; 16] = [
    ("abort", Ends("crash", "SIGABRT")),
    ("segfault", Ends("crash", "SIGSEGV")),
    ("overflow", Ends("crash", "overflowed its stack")),
    ("exit 0", Ends("crash", "left with code 0")),
    ("exit 3", Ends("crash", "left with code 3")),
    // On a busy machine the time may be over before the memory is.
    (
        "allocate",
        Ends("crash|timeout", "memory allocation of|longer than"),
    ),
    (
        "flood 100",
        Ends("crash|timeout", "memory allocation of|longer than"),
    ),
    ("loop", Ends("timeout", "longer than 1000 ms")),
    ("sleep 2000", Ends("crash", "`clock_nanosleep`")),
    ("open /proc/self/maps", Ends("crash", "`openat`")),
    ("create chaos-was-here", Ends("crash", "`openat`")),
    ("proc", Ends("crash", "`openat`")),
    ("socket", Ends("crash", "`socket`")),
    ("exec /no/such/program", Ends("crash", "`execve`")),
    ("exec /bin/true", Ends("crash", "`execve`")),
    // The standard library blocks every signal before it starts one, also the
    // one that would have brought the name of the call.
    ("thread", Ends("crash", "system call")),
];

/// Everything that can be survived where the code runs so.
pub(super) fn of(isolation: &str) -> Vec<Behaviour> {
    let rest: &[Behaviour] = match isolation {
        "process" => &ONLY_IN_A_CHILD,
        _ => &ONLY_IN_PROCESS,
    };
    [&EVERYWHERE, rest].concat()
}
