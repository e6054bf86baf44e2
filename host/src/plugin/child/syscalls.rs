//! The names of system calls, and their numbers on each machine.
//!
//! Owns the one table from which [`sandbox`](super::sandbox) takes its numbers
//! and operators get names instead of numbers. Deliberately not complete: it
//! has what a filter allows and what a library is likely to try. Invariant: on
//! this machine the numbers are those of `libc`.

use seccompiler::TargetArch;

/// The number that a name has on a machine; `None` if it has none there.
pub(super) fn number(name: &str, machine: TargetArch) -> Option<i64> {
    let (_, x86_64, aarch64) = TABLE.iter().find(|(listed, ..)| *listed == name)?;
    match machine {
        TargetArch::x86_64 => *x86_64,
        TargetArch::aarch64 => *aarch64,
        TargetArch::riscv64 => None,
    }
}

/// Whether the table has the name at all.
#[cfg(test)]
pub(super) fn is_listed(name: &str) -> bool {
    TABLE.iter().any(|(listed, ..)| *listed == name)
}

/// What an operator reads for a number on this machine.
pub(super) fn describe(number: i64) -> String {
    let machine = TargetArch::try_from(std::env::consts::ARCH).ok();
    let name = machine.and_then(|machine| {
        TABLE
            .iter()
            .map(|(name, ..)| *name)
            .find(|name| self::number(name, machine) == Some(number))
    });
    match name {
        Some(name) => format!("the system call `{name}`"),
        None => format!("system call {number}"),
    }
}

/// Name, number on x86_64, number on aarch64.
#[rustfmt::skip]
const TABLE: [(&str, Option<i64>, Option<i64>); 197] = [
    ("accept", Some(43), Some(202)),
    ("accept4", Some(288), Some(242)),
    ("access", Some(21), None),
    ("arch_prctl", Some(158), None),
    ("bind", Some(49), Some(200)),
    ("bpf", Some(321), Some(280)),
    ("brk", Some(12), Some(214)),
    ("chdir", Some(80), Some(49)),
    ("chmod", Some(90), None),
    ("chown", Some(92), None),
    ("chroot", Some(161), Some(51)),
    ("clock_getres", Some(229), Some(114)),
    ("clock_gettime", Some(228), Some(113)),
    ("clock_nanosleep", Some(230), Some(115)),
    ("clone", Some(56), Some(220)),
    ("clone3", Some(435), Some(435)),
    ("close", Some(3), Some(57)),
    ("close_range", Some(436), Some(436)),
    ("connect", Some(42), Some(203)),
    ("copy_file_range", Some(326), Some(285)),
    ("creat", Some(85), None),
    ("dup", Some(32), Some(23)),
    ("dup2", Some(33), None),
    ("dup3", Some(292), Some(24)),
    ("epoll_create1", Some(291), Some(20)),
    ("epoll_ctl", Some(233), Some(21)),
    ("epoll_pwait", Some(281), Some(22)),
    ("epoll_wait", Some(232), None),
    ("eventfd2", Some(290), Some(19)),
    ("execve", Some(59), Some(221)),
    ("execveat", Some(322), Some(281)),
    ("exit", Some(60), Some(93)),
    ("exit_group", Some(231), Some(94)),
    ("faccessat", Some(269), Some(48)),
    ("faccessat2", Some(439), Some(439)),
    ("fallocate", Some(285), Some(47)),
    ("fchmod", Some(91), Some(52)),
    ("fchmodat", Some(268), Some(53)),
    ("fchown", Some(93), Some(55)),
    ("fchownat", Some(260), Some(54)),
    ("fcntl", Some(72), Some(25)),
    ("fdatasync", Some(75), Some(83)),
    ("flock", Some(73), Some(32)),
    ("fork", Some(57), None),
    ("fstat", Some(5), Some(80)),
    ("fsync", Some(74), Some(82)),
    ("ftruncate", Some(77), Some(46)),
    ("futex", Some(202), Some(98)),
    ("getcwd", Some(79), Some(17)),
    ("getdents64", Some(217), Some(61)),
    ("getegid", Some(108), Some(177)),
    ("geteuid", Some(107), Some(175)),
    ("getgid", Some(104), Some(176)),
    ("getpeername", Some(52), Some(205)),
    ("getpid", Some(39), Some(172)),
    ("getppid", Some(110), Some(173)),
    ("getpriority", Some(140), Some(141)),
    ("getrandom", Some(318), Some(278)),
    ("getresuid", Some(118), Some(148)),
    ("getrlimit", Some(97), None),
    ("getrusage", Some(98), Some(165)),
    ("getsockname", Some(51), Some(204)),
    ("getsockopt", Some(55), Some(209)),
    ("gettid", Some(186), Some(178)),
    ("gettimeofday", Some(96), Some(169)),
    ("getuid", Some(102), Some(174)),
    ("inotify_add_watch", Some(254), Some(27)),
    ("inotify_init1", Some(294), Some(26)),
    ("io_uring_enter", Some(426), Some(426)),
    ("io_uring_setup", Some(425), Some(425)),
    ("ioctl", Some(16), Some(29)),
    ("keyctl", Some(250), Some(219)),
    ("kill", Some(62), Some(129)),
    ("landlock_restrict_self", Some(446), Some(446)),
    ("link", Some(86), None),
    ("linkat", Some(265), Some(37)),
    ("listen", Some(50), Some(201)),
    ("lseek", Some(8), Some(62)),
    ("lstat", Some(6), None),
    ("madvise", Some(28), Some(233)),
    ("membarrier", Some(324), Some(283)),
    ("memfd_create", Some(319), Some(279)),
    ("mincore", Some(27), Some(232)),
    ("mkdir", Some(83), None),
    ("mkdirat", Some(258), Some(34)),
    ("mknod", Some(133), None),
    ("mlock", Some(149), Some(228)),
    ("mmap", Some(9), Some(222)),
    ("mount", Some(165), Some(40)),
    ("mprotect", Some(10), Some(226)),
    ("mremap", Some(25), Some(216)),
    ("msync", Some(26), Some(227)),
    ("munmap", Some(11), Some(215)),
    ("name_to_handle_at", Some(303), Some(264)),
    ("nanosleep", Some(35), Some(101)),
    ("newfstatat", Some(262), Some(79)),
    ("open", Some(2), None),
    ("open_by_handle_at", Some(304), Some(265)),
    ("openat", Some(257), Some(56)),
    ("openat2", Some(437), Some(437)),
    ("pause", Some(34), None),
    ("perf_event_open", Some(298), Some(241)),
    ("personality", Some(135), Some(92)),
    ("pidfd_open", Some(434), Some(434)),
    ("pidfd_send_signal", Some(424), Some(424)),
    ("pipe", Some(22), None),
    ("pipe2", Some(293), Some(59)),
    ("pivot_root", Some(155), Some(41)),
    ("poll", Some(7), None),
    ("ppoll", Some(271), Some(73)),
    ("prctl", Some(157), Some(167)),
    ("pread64", Some(17), Some(67)),
    ("preadv", Some(295), Some(69)),
    ("prlimit64", Some(302), Some(261)),
    ("process_vm_readv", Some(310), Some(270)),
    ("process_vm_writev", Some(311), Some(271)),
    ("pselect6", Some(270), Some(72)),
    ("ptrace", Some(101), Some(117)),
    ("pwrite64", Some(18), Some(68)),
    ("pwritev", Some(296), Some(70)),
    ("read", Some(0), Some(63)),
    ("readlink", Some(89), None),
    ("readlinkat", Some(267), Some(78)),
    ("readv", Some(19), Some(65)),
    ("recvfrom", Some(45), Some(207)),
    ("recvmmsg", Some(299), Some(243)),
    ("recvmsg", Some(47), Some(212)),
    ("rename", Some(82), None),
    ("renameat", Some(264), None),
    ("renameat2", Some(316), Some(276)),
    ("restart_syscall", Some(219), Some(128)),
    ("rmdir", Some(84), None),
    ("rseq", Some(334), Some(293)),
    ("rt_sigaction", Some(13), Some(134)),
    ("rt_sigpending", Some(127), Some(136)),
    ("rt_sigprocmask", Some(14), Some(135)),
    ("rt_sigqueueinfo", Some(129), Some(138)),
    ("rt_sigreturn", Some(15), Some(139)),
    ("rt_sigsuspend", Some(130), Some(133)),
    ("rt_sigtimedwait", Some(128), Some(137)),
    ("rt_tgsigqueueinfo", Some(297), Some(240)),
    ("sched_getaffinity", Some(204), Some(123)),
    ("sched_setaffinity", Some(203), Some(122)),
    ("sched_setscheduler", Some(144), Some(119)),
    ("sched_yield", Some(24), Some(124)),
    ("seccomp", Some(317), Some(277)),
    ("select", Some(23), None),
    ("sendfile", Some(40), Some(71)),
    ("sendmmsg", Some(307), Some(269)),
    ("sendmsg", Some(46), Some(211)),
    ("sendto", Some(44), Some(206)),
    ("set_robust_list", Some(273), Some(99)),
    ("set_tid_address", Some(218), Some(96)),
    ("setgid", Some(106), Some(144)),
    ("setitimer", Some(38), Some(103)),
    ("setns", Some(308), Some(268)),
    ("setpgid", Some(109), Some(154)),
    ("setpriority", Some(141), Some(140)),
    ("setrlimit", Some(160), None),
    ("setsid", Some(112), Some(157)),
    ("setsockopt", Some(54), Some(208)),
    ("setuid", Some(105), Some(146)),
    ("shmat", Some(30), Some(196)),
    ("shmget", Some(29), Some(194)),
    ("shutdown", Some(48), Some(210)),
    ("sigaltstack", Some(131), Some(132)),
    ("signalfd4", Some(289), Some(74)),
    ("socket", Some(41), Some(198)),
    ("socketpair", Some(53), Some(199)),
    ("splice", Some(275), Some(76)),
    ("stat", Some(4), None),
    ("statfs", Some(137), Some(43)),
    ("statx", Some(332), Some(291)),
    ("symlink", Some(88), None),
    ("symlinkat", Some(266), Some(36)),
    ("sysinfo", Some(99), Some(179)),
    ("tgkill", Some(234), Some(131)),
    ("time", Some(201), None),
    ("timer_create", Some(222), Some(107)),
    ("timerfd_create", Some(283), Some(85)),
    ("timerfd_settime", Some(286), Some(86)),
    ("tkill", Some(200), Some(130)),
    ("truncate", Some(76), Some(45)),
    ("umask", Some(95), Some(166)),
    ("umount2", Some(166), Some(39)),
    ("uname", Some(63), Some(160)),
    ("unlink", Some(87), None),
    ("unlinkat", Some(263), Some(35)),
    ("unshare", Some(272), Some(97)),
    ("userfaultfd", Some(323), Some(282)),
    ("utimensat", Some(280), Some(88)),
    ("vfork", Some(58), None),
    ("vmsplice", Some(278), Some(75)),
    ("wait4", Some(61), Some(260)),
    ("waitid", Some(247), Some(95)),
    ("write", Some(1), Some(64)),
    ("writev", Some(20), Some(66)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A few of each end of the table, by the names that `libc` has everywhere.
    const KNOWN: [(&str, libc::c_long); 12] = [
        ("accept4", libc::SYS_accept4),
        ("brk", libc::SYS_brk),
        ("clone3", libc::SYS_clone3),
        ("execve", libc::SYS_execve),
        ("futex", libc::SYS_futex),
        ("mmap", libc::SYS_mmap),
        ("openat", libc::SYS_openat),
        ("ptrace", libc::SYS_ptrace),
        ("rt_sigreturn", libc::SYS_rt_sigreturn),
        ("seccomp", libc::SYS_seccomp),
        ("socket", libc::SYS_socket),
        ("writev", libc::SYS_writev),
    ];

    #[test]
    fn numbers_are_those_of_this_machine() {
        let machine = TargetArch::try_from(std::env::consts::ARCH).expect("a known machine");
        for (name, expected) in KNOWN {
            assert_eq!(number(name, machine), Some(expected), "{name}");
            assert_eq!(describe(expected), format!("the system call `{name}`"));
        }
    }

    #[test]
    fn names_are_listed_once_and_numbers_belong_to_one_name() {
        for machine in [TargetArch::x86_64, TargetArch::aarch64] {
            let mut names: Vec<_> = TABLE.iter().map(|(name, ..)| *name).collect();
            let mut numbers: Vec<_> = names
                .iter()
                .filter_map(|name| number(name, machine))
                .collect();
            let listed = (names.len(), numbers.len());
            names.sort_unstable();
            names.dedup();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!((names.len(), numbers.len()), listed);
        }
    }

    #[test]
    fn a_number_without_a_name_is_still_told() {
        assert_eq!(describe(9_999), "system call 9999");
        assert_eq!(number("no_such_call", TargetArch::x86_64), None);
    }
}
