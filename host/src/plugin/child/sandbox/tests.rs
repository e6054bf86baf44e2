//! The filters, run on system calls that are only pretended.

use super::*;
use seccompiler::sock_filter;

const PID: u32 = 4_711;
const MACHINES: [TargetArch; 2] = [TargetArch::x86_64, TargetArch::aarch64];
const PHASES: [Phase; 2] = [Phase::Loading, Phase::Serving];

/// What the kernel would do with a call.
fn allows(phase: Phase, machine: TargetArch, name: &str, arguments: [u64; 4]) -> bool {
    let number = syscalls::number(name, machine).expect("a listed name");
    let program = compile(phase, machine, PID).expect("it compiles");
    judge(&program, machine, number, arguments) == ALLOW
}

/// The verdict of a filter: enough of the kernel's interpreter for what the
/// compiler makes.
fn judge(program: &[sock_filter], machine: TargetArch, number: i64, arguments: [u64; 4]) -> u32 {
    let architecture: u32 = match machine {
        TargetArch::x86_64 => 0xc000_003e,
        _ => 0xc000_00b7,
    };
    let mut data = Vec::new();
    data.extend((number as u32).to_le_bytes());
    data.extend(architecture.to_le_bytes());
    data.extend(0_u64.to_le_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    data.extend([0; 16]);
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let step = &program[at];
        let (yes, no) = (usize::from(step.jt), usize::from(step.jf));
        at += 1;
        match step.code {
            0x20 => {
                let from = step.k as usize;
                value = u32::from_le_bytes(data[from..from + 4].try_into().expect("a word"));
            }
            0x54 => value &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += if value == step.k { yes } else { no },
            0x25 => at += if value > step.k { yes } else { no },
            0x35 => at += if value >= step.k { yes } else { no },
            0x06 => return step.k,
            other => panic!("the interpreter does not know {other:#x}"),
        }
    }
}

const ALLOW: u32 = 0x7fff_0000;
const TRAP: u32 = 0x0003_0000;

#[test]
fn both_lists_compile_for_both_machines() {
    for (phase, machine) in PHASES
        .into_iter()
        .flat_map(|phase| MACHINES.map(|m| (phase, m)))
    {
        let program = compile(phase, machine, PID).expect("it compiles");
        assert!(program.len() < 4_096, "{}", program.len());
        assert_eq!(judge(&program, machine, 9_999, [0; 4]), TRAP);
    }
}

#[test]
fn every_entry_has_a_known_name_and_every_group_a_reason() {
    for group in [LOADING, SERVING].concat() {
        assert!(!group.why.is_empty() && !group.calls.is_empty());
        for (name, _) in group.calls {
            assert!(syscalls::is_listed(name), "{name}");
        }
    }
}

#[test]
fn an_adapter_that_serves_has_no_file_no_socket_and_no_process() {
    let forbidden = [
        "openat",
        "openat2",
        "close",
        "dup3",
        "socket",
        "connect",
        "socketpair",
        "sendto",
        "recvfrom",
        "ioctl",
        "clone",
        "clone3",
        "execve",
        "execveat",
        "ptrace",
        "process_vm_readv",
        "kill",
        "tkill",
        "clock_nanosleep",
        "nanosleep",
        "prctl",
        "seccomp",
        "setrlimit",
        "prlimit64",
        "memfd_create",
        "mount",
        "unshare",
        "bpf",
        "io_uring_setup",
        "userfaultfd",
        "pread64",
        "statx",
        "getdents64",
    ];
    for (machine, name) in MACHINES.into_iter().flat_map(|m| forbidden.map(|n| (m, n))) {
        if syscalls::number(name, machine).is_some() {
            assert!(!allows(Phase::Serving, machine, name, [0; 4]), "{name}");
        }
    }
}

#[test]
fn a_library_that_is_loaded_may_be_read_and_mapped_and_nothing_more() {
    for machine in MACHINES {
        let allows = |name, arguments| allows(Phase::Loading, machine, name, arguments);
        assert!(allows("openat", [0, 0, libc::O_CLOEXEC as u64, 0]));
        for writing in [
            libc::O_WRONLY,
            libc::O_RDWR,
            libc::O_CREAT,
            libc::O_TRUNC,
            libc::O_APPEND,
        ] {
            assert!(!allows("openat", [0, 0, writing as u64, 0]), "{writing}");
        }
        assert!(allows("faccessat2", [0; 4]));
        assert!(allows("mmap", [0, 0, EXEC, libc::MAP_PRIVATE as u64]));
        assert!(!allows("mmap", [0, 0, 0, libc::MAP_SHARED as u64]));
        assert!(!allows("close", [SOCKET, 0, 0, 0]) && allows("close", [3, 0, 0, 0]));
        assert!(allows("prctl", [NO_NEW_PRIVILEGES, 1, 0, 0]));
        assert!(!allows("prctl", [libc::PR_SET_PDEATHSIG as u64, 0, 0, 0]));
        for name in ["socket", "execve", "clone", "clone3", "ptrace", "kill"] {
            assert!(!allows(name, [0; 4]), "{name}");
        }
    }
}

#[test]
fn arguments_are_judged_where_they_matter() {
    for machine in MACHINES {
        let allows = |name, arguments| allows(Phase::Serving, machine, name, arguments);
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let writable = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        assert!(allows("mmap", [0, 4_096, writable, anonymous]));
        assert!(!allows("mmap", [0, 4_096, writable | EXEC, anonymous]));
        for also in [libc::MAP_SHARED, libc::MAP_GROWSDOWN, libc::MAP_HUGETLB] {
            assert!(!allows(
                "mmap",
                [0, 4_096, writable, anonymous | also as u64]
            ));
        }
        assert!(!allows(
            "mmap",
            [0, 4_096, writable, libc::MAP_PRIVATE as u64]
        ));
        assert!(allows("mprotect", [0, 4_096, writable, 0]));
        assert!(!allows("mprotect", [0, 4_096, EXEC, 0]));
        assert!(allows("read", [SOCKET, 0, 0, 0]) && !allows("read", [3, 0, 0, 0]));
        for name in ["write", "writev"] {
            assert!(allows(name, [SOCKET, 0, 0, 0]) && allows(name, [STDERR, 0, 0, 0]));
            // What is printed goes to /dev/null.
            assert!(allows(name, [STDOUT, 0, 0, 0]) && !allows(name, [3, 0, 0, 0]));
        }
        let (own, abort) = (u64::from(PID), libc::SIGABRT as u64);
        assert!(allows("tgkill", [own, 1, abort, 0]));
        assert!(!allows("tgkill", [own + 1, 1, abort, 0]));
        assert!(!allows("tgkill", [own, 1, libc::SIGKILL as u64, 0]));
        assert!(allows("rt_sigaction", [libc::SIGSEGV as u64, 0, 0, 0]));
        assert!(!allows("rt_sigaction", [libc::SIGSYS as u64, 0, 0, 0]));
    }
}

#[test]
fn what_serving_allows_loading_allows_too() {
    for (name, ways) in SERVING.iter().flat_map(|group| group.calls) {
        for machine in MACHINES {
            let Some(number) = syscalls::number(name, machine) else {
                continue;
            };
            if ways.is_empty() {
                let program = compile(Phase::Loading, machine, PID).expect("it compiles");
                let verdict = judge(&program, machine, number, [u64::MAX; 4]);
                assert_eq!(verdict, ALLOW, "{name}");
            }
        }
    }
}
