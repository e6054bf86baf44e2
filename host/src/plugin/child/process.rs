//! One started process, until it is reaped.
//!
//! Owns killing it, listening to its standard error, waiting for it, and the
//! account of its end. Deliberately knows nothing of frames. Invariants: it is
//! reaped exactly once, by the one thread that waits for it, and never killed
//! after that, when its number may belong to somebody else; whoever ended it
//! first is named as the reason.

use std::{
    fmt,
    io::{self, Read},
    process::{self, ChildStderr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::{Death, How};

/// A process that was started here.
pub(super) struct Process {
    pid: u32,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    /// `None` once it is reaped.
    child: Option<process::Child>,
    /// Why the gateway ended it, if it did.
    verdict: Option<How>,
    death: Option<Arc<Death>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Watches a process, on a thread of its own. `then` is called there when
    /// it is over and its end is known.
    pub(super) fn watch(
        mut child: process::Child,
        then: impl FnOnce() + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let stderr = child.stderr.take();
        let process = Arc::new(Self {
            pid: child.id(),
            state: Mutex::new(State {
                child: Some(child),
                verdict: None,
                death: None,
            }),
            ended: Condvar::new(),
        });
        let watched = Arc::clone(&process);
        let watching = thread::Builder::new()
            .name("adapter-wait".into())
            .stack_size(STACK)
            .spawn(move || {
                watched.attend(stderr);
                then();
            });
        if let Err(error) = watching {
            process.end(How::Dismissed);
            process.reap(String::new());
            return Err(error);
        }
        Ok(process)
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it. The first reason is the one that is told; none is if it ended
    /// by itself.
    pub(super) fn end(&self, how: How) {
        let mut state = self.lock();
        let State { child, verdict, .. } = &mut *state;
        if let Some(child) = child {
            verdict.get_or_insert(how);
            if let Err(error) = child.kill() {
                tracing::error!(pid = self.pid, %error, "a child process cannot be ended");
            }
        }
    }

    /// How it ended, if it did.
    pub(super) fn death(&self) -> Option<Arc<Death>> {
        self.lock().death.clone()
    }

    /// How it ended, if it does within this time.
    pub(super) fn wait(&self, limit: Duration) -> Option<Arc<Death>> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(death) = &state.death {
                return Some(Arc::clone(death));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How it ended, whenever it does.
    pub(super) fn wait_for_ever(&self) -> Arc<Death> {
        let mut state = self.lock();
        loop {
            if let Some(death) = &state.death {
                return Arc::clone(death);
            }
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Listens, waits, reaps.
    fn attend(&self, stderr: Option<ChildStderr>) {
        let words = stderr.map(last_words).unwrap_or_default();
        // Waiting without reaping first: while it is a zombie its number is
        // taken, so that killing it stays harmless until the lock is held.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) =
                rustix::process::waitid(WaitId::Pid(pid), options)
            {}
        }
        self.reap(words);
    }

    fn reap(&self, words: String) {
        let mut state = self.lock();
        let Some(mut child) = state.child.take() else {
            return;
        };
        let mut death = match child.wait() {
            Ok(status) => Death::of(self.pid, status, words),
            Err(error) => {
                tracing::error!(pid = self.pid, %error, "a child process cannot be waited for");
                Death {
                    pid: self.pid,
                    how: How::Garbage(error.to_string()),
                    last_words: words,
                }
            }
        };
        if let Some(verdict) = state.verdict.take() {
            death.how = verdict;
        }
        state.death = Some(Arc::new(death));
        drop(state);
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of what a process writes, once it has closed the pipe.
fn last_words(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 1_024];
    loop {
        match stderr.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                kept.extend_from_slice(&piece[..read]);
                let excess = kept.len().saturating_sub(KEPT);
                kept.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Bytes of last words that are kept.
const KEPT: usize = 4 << 10;
/// Threads that only wait need little.
pub(super) const STACK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        process::{Command, Stdio},
        sync::mpsc,
    };

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Arc<Process> {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        Process::watch(child, || {}).expect("it is watched")
    }

    fn state_of(pid: u32) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
    }

    #[test]
    fn a_process_that_ends_is_reaped_and_its_last_words_are_kept() {
        let process = shell("echo some words >&2; exit 3");
        let death = process.wait(PATIENCE).expect("it ends");
        assert_eq!(
            (&death.how, &*death.last_words),
            (&How::Exit(3), "some words\n")
        );
        assert_eq!(state_of(process.pid()), None);
        assert_eq!(process.death(), Some(death));
    }

    #[test]
    fn who_ends_it_first_names_the_reason() {
        let process = shell("read line < /dev/zero");
        assert_eq!(process.wait(Duration::ZERO), None);
        process.end(How::Overdue(PATIENCE));
        process.end(How::Dismissed);
        let death = process.wait(PATIENCE).expect("it ends");
        assert_eq!(death.how, How::Overdue(PATIENCE));
        // Harmless afterwards.
        process.end(How::Dismissed);
        assert_eq!(process.wait_for_ever(), death);
    }

    #[test]
    fn only_the_end_of_long_words_is_kept() {
        let process = shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2");
        let death = process.wait(PATIENCE).expect("it ends");
        assert_eq!(death.last_words.len(), KEPT);
        assert!(death.last_words.ends_with("xend\n"));
    }

    #[test]
    fn what_follows_the_end_is_done_once_it_is_known() {
        let (tell, told) = mpsc::channel();
        let child = Command::new("/bin/true").spawn().expect("started");
        let process = Process::watch(child, move || {
            let _ = tell.send(());
        })
        .expect("watched");
        told.recv_timeout(PATIENCE).expect("it is told");
        assert_eq!(process.death().expect("known").how, How::Exit(0));
    }
}
