//! How a child ended, in words for operators.
//!
//! Owns the reading of exit status and last words. Deliberately decides
//! nothing by them. Invariant: the text never needs more than the child said
//! itself, and is bounded.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use super::{syscalls, trap};

/// The end of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Its number while it lived.
    pub pid: u32,
    /// What ended it.
    pub how: How,
    /// The end of what it wrote to standard error; may be empty.
    pub last_words: String,
}

/// What ended a child.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// It left with this code.
    Exit(i32),
    /// A signal, by its usual name.
    Signal(String),
    /// It made a system call that an adapter may not make.
    Forbidden {
        /// `the system call `openat``, or its number, or why neither is known.
        call: String,
    },
    /// A call took longer than this, so the gateway ended it.
    Overdue(Duration),
    /// It wrote what is no answer, so the gateway ended it.
    Garbage(String),
    /// It did not come up in time, so the gateway ended it.
    Slow(Duration),
    /// It was not needed any more.
    Dismissed,
}

impl How {
    /// The word in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exit(_) => "exit",
            Self::Signal(_) => "signal",
            Self::Forbidden { .. } => "forbidden",
            Self::Overdue(_) => "overdue",
            Self::Garbage(_) => "garbage",
            Self::Slow(_) => "slow",
            Self::Dismissed => "dismissed",
        }
    }
}

impl Death {
    /// Reads how a process ended that nobody here ended.
    pub(super) fn of(pid: u32, status: ExitStatus, last_words: String) -> Self {
        let how = match (status.code(), status.signal()) {
            (Some(trap::FORBIDDEN), _) => How::Forbidden {
                call: trap::read(&last_words)
                    .map_or_else(|| "an unnamed system call".into(), syscalls::describe),
            },
            (Some(code), _) => How::Exit(code),
            // One that has blocked the signal of the trap is ended by it.
            (None, Some(libc::SIGSYS)) => How::Forbidden {
                call: "a system call with all signals blocked, as starting a thread does".into(),
            },
            (None, signal) => How::Signal(signal_name(signal.unwrap_or_default())),
        };
        Self {
            pid,
            how,
            last_words,
        }
    }

    /// The last words as one short line; `None` if they say no more than the
    /// rest.
    fn quote(&self) -> Option<String> {
        if matches!(self.how, How::Forbidden { .. } | How::Dismissed) {
            return None;
        }
        let lines: Vec<_> = self
            .last_words
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(HINT))
            .collect();
        let text = lines.join(" / ");
        let skip = text.chars().count().saturating_sub(QUOTED);
        let text: String = text
            .chars()
            .skip(skip)
            .filter(|character| !character.is_control())
            .collect();
        (!text.is_empty()).then_some(text)
    }
}

/// Characters of last words in a text; all that is kept is in
/// [`Death::last_words`].
const QUOTED: usize = 500;

/// What std adds to the words of every panic.
const HINT: &str = "note: run with `RUST_BACKTRACE";

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Exit(code) => write!(f, "its process left with code {code}")?,
            How::Signal(name) => write!(f, "its process was ended by {name}")?,
            How::Forbidden { call } => {
                write!(f, "the adapter made {call}, which an adapter may not")?;
            }
            How::Overdue(budget) => write!(
                f,
                "a call took longer than {} ms, so its process was ended",
                budget.as_millis()
            )?,
            How::Garbage(found) => {
                write!(f, "its process was ended because of what it sent: {found}")?;
            }
            How::Slow(limit) => write!(
                f,
                "it took longer than {} ms to come up, so its process was ended",
                limit.as_millis()
            )?,
            How::Dismissed => f.write_str("its process was ended because it is not needed")?,
        }
        if let Some(words) = self.quote() {
            write!(f, "; its last words: {words}")?;
        }
        Ok(())
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT (abort)",
        libc::SIGSEGV => "SIGSEGV (bad memory access)",
        libc::SIGBUS => "SIGBUS (bad memory access)",
        libc::SIGILL => "SIGILL (bad instruction)",
        libc::SIGFPE => "SIGFPE (bad arithmetic)",
        libc::SIGTRAP => "SIGTRAP (breakpoint)",
        libc::SIGKILL => "SIGKILL (out of memory, or somebody's hand)",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU (processor time used up)",
        other => return format!("signal {other}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(status: i32, words: &str) -> Death {
        Death::of(7, ExitStatus::from_raw(status), words.into())
    }

    #[test]
    fn a_code_and_a_signal_are_told_with_the_last_words() {
        assert_eq!(
            death(3 << 8, "bye\n").to_string(),
            "its process left with code 3; its last words: bye"
        );
        assert_eq!(
            death(libc::SIGABRT, "memory allocation of 8 bytes failed\n").to_string(),
            "its process was ended by SIGABRT (abort); its last words: memory allocation of 8 bytes failed"
        );
        assert_eq!(
            death(64, "").to_string(),
            "its process was ended by signal 64"
        );
    }

    #[test]
    fn a_forbidden_call_is_named() {
        let line = "kefu-adapter-host: forbidden system call 9999\n";
        assert_eq!(
            death(trap::FORBIDDEN << 8, line).to_string(),
            "the adapter made system call 9999, which an adapter may not"
        );
        let unnamed = "the adapter made an unnamed system call, which an adapter may not";
        assert_eq!(death(trap::FORBIDDEN << 8, "").to_string(), unnamed);
        assert_eq!(
            death(libc::SIGSYS, "").to_string(),
            "the adapter made a system call with all signals blocked, as starting a thread does, which an adapter may not"
        );
    }

    #[test]
    fn words_are_one_line_without_hints_and_bounded() {
        let words = format!(
            "{}\nend\x1b[0m\nnote: run with `RUST_BACKTRACE=1`\n",
            "x".repeat(5_000)
        );
        let text = death(libc::SIGSEGV, &words).to_string();
        assert!(text.ends_with("x / end[0m"), "{text}");
        assert!(text.chars().count() < 600, "{}", text.len());
    }
}
