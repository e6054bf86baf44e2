//! What a child may ask of the kernel.
//!
//! Owns two lists of system calls, each entry with its reason: one for the
//! time in which the plug-in is loaded, one for the time in which it serves.
//! Everything else traps: the child says which call it was and ends
//! ([`trap`](super::trap)). Deliberately has no list of what is forbidden; a
//! system call that is invented tomorrow is forbidden too. Invariant: the
//! second list allows nothing that the first does not.
//!
//! The first list is the boundary. A plug-in's initialisers run under it, and
//! it has to let the second filter be put in place, so an initialiser that is
//! out to deceive can put one of its own there that pretends so, or never
//! return and speak for the child. Whoever does gains what the first list
//! allows: to read libraries, map code privately, and answer. The second takes
//! that away from adapters that only err, and the gateway looks from outside
//! whether it is there ([`nursery`](super::nursery)).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::syscalls;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The dynamic loader has to find and map libraries, and their
    /// initialisers run.
    Loading,
    /// An adapter computes.
    Serving,
}

/// Locks all threads of this process for a phase, for good.
pub(super) fn enter(phase: Phase) -> Result<(), String> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| e.to_string())?;
    let program = compile(phase, machine, std::process::id())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

/// The filter for a process of that number.
fn compile(phase: Phase, machine: TargetArch, pid: u32) -> Result<BpfProgram, String> {
    let groups = match phase {
        Phase::Loading => [LOADING, SERVING].concat(),
        Phase::Serving => SERVING.to_vec(),
    };
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    let mut unconditional = Vec::new();
    for (name, ways) in groups.iter().flat_map(|group| group.calls) {
        // Some are missing on some machines, where another does their work.
        let Some(number) = syscalls::number(name, machine) else {
            continue;
        };
        let chain = rules.entry(number).or_default();
        if ways.is_empty() {
            unconditional.push(number);
        }
        for way in *ways {
            chain.push(way.rule(pid)?);
        }
    }
    // An empty chain means "always": what one group allows always, the
    // conditions of another do not narrow.
    for number in unconditional {
        rules.insert(number, Vec::new());
    }
    SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, machine)
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())
}

/// Calls that are allowed for one reason.
#[derive(Clone, Copy)]
struct Group {
    #[cfg_attr(not(test), expect(dead_code, reason = "it is there to be read"))]
    why: &'static str,
    /// A name and the ways in which it may be called; none means any.
    calls: &'static [(&'static str, &'static [Way])],
}

/// Conditions on arguments that must all hold.
struct Way(&'static [If]);

/// A condition on the argument of that index.
enum If {
    Is(u8, u64),
    /// Of these bits exactly those are set.
    Bits(u8, u64, u64),
    Above(u8, u64),
    /// It is this very process.
    Own(u8),
}

impl Way {
    fn rule(&self, pid: u32) -> Result<SeccompRule, String> {
        let conditions = self.0.iter().map(|condition| {
            let (index, operator, value) = match *condition {
                If::Is(index, value) => (index, SeccompCmpOp::Eq, value),
                If::Bits(index, mask, value) => (index, SeccompCmpOp::MaskedEq(mask), value),
                If::Above(index, value) => (index, SeccompCmpOp::Gt, value),
                If::Own(index) => (index, SeccompCmpOp::Eq, u64::from(pid)),
            };
            // All of them are ints or words whose high half means nothing.
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
        });
        conditions
            .collect::<Result<Vec<_>, _>>()
            .and_then(SeccompRule::new)
            .map_err(|error| error.to_string())
    }
}

const SERVING: &[Group] = &[
    Group {
        why: "memory that is private, anonymous and never executable; memory that grows \
              downwards would not count against the limit",
        calls: &[
            ("brk", ANYHOW),
            (
                "mmap",
                &[
                    Way(&[If::Bits(2, EXEC, 0), If::Bits(3, MAP_KIND, MAP_PRIVATE)]),
                    // Where the C library keeps the state of its random numbers.
                    Way(&[If::Bits(2, EXEC, 0), If::Bits(3, MAP_KIND, MAP_DROPPABLE)]),
                ],
            ),
            ("mprotect", &[Way(&[If::Bits(2, EXEC, 0)])]),
            ("munmap", ANYHOW),
            ("mremap", ANYHOW),
            ("madvise", ANYHOW),
        ],
    },
    Group {
        why: "threads of the child wait for each other",
        calls: &[("futex", ANYHOW), ("sched_yield", ANYHOW)],
    },
    Group {
        why: "frames come from the socket and go to it; last words go to standard error; \
              what is printed goes to standard output, which nobody reads",
        calls: &[
            ("read", &[Way(&[If::Is(0, SOCKET)])]),
            (
                "write",
                &[
                    Way(&[If::Is(0, SOCKET)]),
                    Way(&[If::Is(0, STDOUT)]),
                    Way(&[If::Is(0, STDERR)]),
                ],
            ),
            (
                "writev",
                &[
                    Way(&[If::Is(0, SOCKET)]),
                    Way(&[If::Is(0, STDOUT)]),
                    Way(&[If::Is(0, STDERR)]),
                ],
            ),
        ],
    },
    Group {
        why: "a stack overflow is told from other bad accesses, on a stack of its own",
        calls: &[
            ("sigaltstack", ANYHOW),
            ("rt_sigprocmask", ANYHOW),
            ("rt_sigreturn", ANYHOW),
            (
                "rt_sigaction",
                &[
                    Way(&[If::Is(0, libc::SIGSEGV as u64)]),
                    Way(&[If::Is(0, libc::SIGBUS as u64)]),
                    Way(&[If::Is(0, libc::SIGABRT as u64)]),
                ],
            ),
            ("restart_syscall", ANYHOW),
        ],
    },
    Group {
        why: "a process may end itself: by abort(), by leaving",
        calls: &[
            ("getpid", ANYHOW),
            ("gettid", ANYHOW),
            (
                "tgkill",
                &[Way(&[If::Own(0), If::Is(2, libc::SIGABRT as u64)])],
            ),
            ("exit", ANYHOW),
            ("exit_group", ANYHOW),
        ],
    },
    Group {
        why: "hash maps take a random seed; a clock that is not mapped is asked for",
        calls: &[("getrandom", ANYHOW), ("clock_gettime", ANYHOW)],
    },
];

/// In addition, until the plug-in is mapped. Files can be opened for reading,
/// because the dynamic loader must; which ones is for
/// [`landlock`](super::landlock) to say.
const LOADING: &[Group] = &[
    Group {
        why: "libraries are found and read",
        calls: &[
            ("openat", &[Way(&[If::Bits(2, WRITING, 0)])]),
            ("read", &[Way(&[If::Above(0, STDERR)])]),
            ("pread64", ANYHOW),
            ("lseek", ANYHOW),
            ("fstat", ANYHOW),
            ("newfstatat", ANYHOW),
            ("statx", ANYHOW),
            // Asked of every folder before a `..` in the path of the copy.
            ("access", ANYHOW),
            ("faccessat", ANYHOW),
            ("faccessat2", ANYHOW),
            ("readlink", ANYHOW),
            ("readlinkat", ANYHOW),
            ("close", &[Way(&[If::Above(0, STDERR)])]),
        ],
    },
    Group {
        why: "their code is mapped, privately",
        calls: &[
            (
                "mmap",
                &[Way(&[If::Bits(3, MAP_LIMITED, libc::MAP_PRIVATE as u64)])],
            ),
            ("mprotect", ANYHOW),
        ],
    },
    Group {
        why: "the next filter is put in place",
        calls: &[
            ("prctl", &[Way(&[If::Is(0, NO_NEW_PRIVILEGES)])]),
            ("seccomp", ANYHOW),
        ],
    },
];

const ANYHOW: &[Way] = &[];
const SOCKET: u64 = 0;
const STDOUT: u64 = 1;
const STDERR: u64 = 2;
const EXEC: u64 = libc::PROT_EXEC as u64;
/// How it is shared, and the two kinds whose size nobody limits.
const MAP_LIMITED: u64 = 0x0f | libc::MAP_GROWSDOWN as u64 | libc::MAP_HUGETLB as u64;
/// The same, and whether there is a file.
const MAP_KIND: u64 = MAP_LIMITED | libc::MAP_ANONYMOUS as u64;
const MAP_PRIVATE: u64 = libc::MAP_PRIVATE as u64 | libc::MAP_ANONYMOUS as u64;
const MAP_DROPPABLE: u64 = 0x08 | libc::MAP_ANONYMOUS as u64;
/// An unnamed temporary file needs the right to write as well.
const WRITING: u64 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u64;
const NO_NEW_PRIVILEGES: u64 = libc::PR_SET_NO_NEW_PRIVS as u64;

#[cfg(test)]
mod tests;
