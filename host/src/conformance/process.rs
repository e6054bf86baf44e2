//! One test in a process of its own.
//!
//! Owns the starting and the end of that process: from this side, by starting
//! this program again, watching that it moves, and reading its verdict; from
//! the other, by running the test it was told. Deliberately trusts nothing that
//! the process leaves behind but its verdict, which it writes last. Invariants:
//! a process that dies or does not move has failed its test; none outlives the
//! run.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    black_box::{self, Last},
    cases,
    job::Job,
    report::{Reproduction, Verdict},
    subject::Bench,
};

/// The hidden command of this program that runs one test.
pub const COMMAND: &str = "conformance-case";

/// How long one call, one opening or the loading may show no sign of life.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test may take, whatever it shows.
const AT_MOST: Duration = Duration::from_secs(900);
/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a verdict.
    Judged(Verdict),
    /// Without one; what it was doing, if that is known.
    Lost {
        reason: String,
        input: Option<Reproduction>,
    },
}

/// Runs a test in a process of its own.
pub(super) fn run(job: &Job) -> Ended {
    let lost = |reason: String| Ended::Lost {
        reason,
        input: None,
    };
    // What is there may be of another test.
    for stale in [&job.black_box, &job.verdict] {
        let _ = fs::remove_file(stale);
    }
    let mut child = match start(job) {
        Ok(child) => child,
        Err(reason) => return lost(reason),
    };
    let ended = watch(&mut child, &job.black_box);
    let last = || black_box::last(&job.black_box).map(|Last { input, .. }| input);
    match ended {
        Err(reason) => Ended::Lost {
            reason,
            input: last(),
        },
        Ok(status) => match verdict(job) {
            Some(verdict) if status.success() => Ended::Judged(verdict),
            _ => Ended::Lost {
                reason: format!("{}{}", how(status), last_words(job)),
                input: last(),
            },
        },
    }
}

/// Runs a helper of a test in a second process, on the same job.
///
/// # Errors
/// Why it brought nothing.
pub(super) fn helper(job: &Job, case: &str) -> Result<Vec<String>, String> {
    let mut job = job.clone();
    case.clone_into(&mut job.case);
    job.black_box.set_extension("second");
    job.verdict.set_extension("second");
    match run(&job) {
        Ended::Judged(verdict) if verdict.failures.is_empty() => Ok(verdict.digests),
        Ended::Judged(verdict) => Err(verdict
            .failures
            .into_iter()
            .map(|failure| failure.reason)
            .collect::<Vec<_>>()
            .join("; ")),
        Ended::Lost { reason, .. } => Err(reason),
    }
}

fn start(job: &Job) -> Result<Child, String> {
    let file = beside(&job.verdict, "job");
    job.save(&file)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let words = fs::File::create(beside(&job.verdict, "stderr"))
        .map_err(|error| format!("cannot write beside {}: {error}", file.display()))?;
    Command::new("/proc/self/exe")
        .arg(COMMAND)
        .arg(&file)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .map_err(|error| format!("cannot start the process of the test: {error}"))
}

fn beside(file: &Path, what: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

/// Waits for the end for as long as the process moves.
fn watch(child: &mut Child, black_box: &Path) -> Result<ExitStatus, String> {
    let start = Instant::now();
    let mut moved = (0, start);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(format!("cannot wait for the process: {error}")),
        }
        let now = Instant::now();
        let count = black_box::count(black_box);
        if count != moved.0 {
            moved = (count, now);
        }
        let reason = if now.duration_since(moved.1) > PATIENCE {
            format!("a call did not return within {} s", PATIENCE.as_secs())
        } else if now.duration_since(start) > AT_MOST {
            format!("the test took longer than {} s", AT_MOST.as_secs())
        } else {
            thread::sleep(LOOK_EVERY);
            continue;
        };
        // Nothing of it is of use any more.
        let _ = child.kill();
        let _ = child.wait();
        return Err(reason);
    }
}

fn verdict(job: &Job) -> Option<Verdict> {
    serde_json::from_slice(&fs::read(&job.verdict).ok()?).ok()
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("the process was ended by {}", signal_name(signal)),
        (None, Some(code)) => {
            format!("the process ended by itself with code {code} before the test was over")
        }
        (None, None) => "the process ended before the test was over".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGABRT => "SIGABRT (it aborted)".to_owned(),
        libc::SIGSEGV => "SIGSEGV (it touched memory that is not its own)".to_owned(),
        libc::SIGBUS => "SIGBUS".to_owned(),
        libc::SIGILL => "SIGILL".to_owned(),
        libc::SIGFPE => "SIGFPE".to_owned(),
        libc::SIGKILL => "SIGKILL".to_owned(),
        libc::SIGSYS => "SIGSYS (it made a system call that is not allowed)".to_owned(),
        other => format!("signal {other}"),
    }
}

/// The end of what it printed: a panic's or a crash's own words.
fn last_words(job: &Job) -> String {
    let bytes = fs::read(beside(&job.verdict, "stderr")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last: Vec<_> = lines.iter().rev().take(3).rev().copied().collect();
    if last.is_empty() {
        return String::new();
    }
    let last: String = last.join(" | ").chars().take(400).collect();
    format!("; it said: {last}")
}

/// The other side: runs the test that the file describes.
///
/// # Errors
/// Why there is no verdict.
pub fn serve(file: &Path) -> anyhow::Result<ExitCode> {
    // Whoever asked for the test is gone: nobody wants to know.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let job = Job::load(file)?;
    let mut verdict = Verdict::default();
    match (cases::find(&job.case), Bench::load(&job)) {
        (None, _) => verdict.fail(format!("there is no test `{}`", job.case)),
        (Some(_), Err(reason)) => verdict.fail(reason),
        (Some(case), Ok(bench)) => {
            (case.run)(&bench, &mut verdict);
            verdict.calls = bench.calls();
        }
    }
    let whole = beside(&job.verdict, "part");
    fs::write(&whole, serde_json::to_vec(&verdict)?)?;
    fs::rename(&whole, &job.verdict)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        assert!(how(ExitStatus::from_raw(libc::SIGSEGV)).contains("SIGSEGV"));
        assert!(how(ExitStatus::from_raw(3 << 8)).contains("code 3"));
    }
}
