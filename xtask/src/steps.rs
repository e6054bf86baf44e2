//! Running named steps one after the other and summing them up.
//!
//! Owns the announcements, the times and the summary. Knows nothing of what a
//! step does. Invariant: a step that was not run is never counted as passed,
//! and every failure makes the whole fail.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// One step.
pub(crate) struct Step<'a> {
    /// Its short name, as `--only` takes it.
    pub(crate) name: &'static str,
    /// What it does, for the announcement.
    pub(crate) what: &'static str,
    /// The work.
    pub(crate) work: Box<dyn FnMut() -> Result<()> + 'a>,
}

/// How a step ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration, String),
    NotRun,
}

/// Runs the steps in order and prints a summary; an error when one failed.
pub(crate) fn run(mut steps: Vec<Step<'_>>, keep_going: bool) -> Result<()> {
    let start = Instant::now();
    let count = steps.len();
    let mut outcomes = Vec::with_capacity(count);
    let mut stopped = false;
    for (place, step) in (1..).zip(&mut steps) {
        let outcome = if stopped {
            Outcome::NotRun
        } else {
            crate::complain(&format!(
                "\n==> [{place}/{count}] {}: {}",
                step.name, step.what
            ));
            run_step(step)
        };
        stopped |= matches!(outcome, Outcome::Failed(..)) && !keep_going;
        outcomes.push((step.name, outcome));
    }
    summarize(&outcomes, start.elapsed())
}

fn run_step(step: &mut Step<'_>) -> Outcome {
    let start = Instant::now();
    let result = (step.work)();
    let took = start.elapsed();
    match result {
        Ok(()) => {
            crate::complain(&format!("<== {} passed in {}", step.name, seconds(took)));
            Outcome::Passed(took)
        }
        Err(error) => {
            crate::complain(&format!(
                "<== {} FAILED after {}\n{error:#}",
                step.name,
                seconds(took)
            ));
            Outcome::Failed(took, format!("{error:#}"))
        }
    }
}

fn summarize(outcomes: &[(&str, Outcome)], took: Duration) -> Result<()> {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut lines = vec![String::from("\nsummary")];
    for (name, outcome) in outcomes {
        let (word, time, why) = match outcome {
            Outcome::Passed(time) => ("passed", seconds(*time), ""),
            Outcome::Failed(time, why) => ("FAILED", seconds(*time), first_line(why)),
            Outcome::NotRun => ("not run", String::new(), ""),
        };
        match outcome {
            Outcome::Passed(_) => passed += 1,
            Outcome::Failed(..) => failed += 1,
            Outcome::NotRun => skipped += 1,
        }
        lines.push(
            format!("  {name:<10} {word:<8} {time:>9}  {why}")
                .trim_end()
                .to_owned(),
        );
    }
    lines.push(format!("  {:<10} {:<8} {:>9}", "all", "", seconds(took)));
    lines.push(match skipped {
        0 => format!("steps: {passed} passed, {failed} failed"),
        _ => format!("steps: {passed} passed, {failed} failed, {skipped} skipped"),
    });
    crate::say(&lines.join("\n"));
    if failed > 0 || passed == 0 {
        bail!(
            "{failed} of {} steps failed, {skipped} were not run",
            outcomes.len()
        );
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn step<'a>(name: &'static str, log: &'a RefCell<Vec<&'static str>>, fails: bool) -> Step<'a> {
        let work = move || {
            log.borrow_mut().push(name);
            if fails { bail!("it is broken") } else { Ok(()) }
        };
        Step {
            name,
            what: "",
            work: Box::new(work),
        }
    }

    #[test]
    fn the_first_failure_stops_the_rest_and_fails_the_whole() {
        let log = RefCell::default();
        let steps = vec![
            step("a", &log, false),
            step("b", &log, true),
            step("c", &log, false),
        ];
        assert!(run(steps, false).is_err());
        assert_eq!(*log.borrow(), ["a", "b"]);
    }

    #[test]
    fn keep_going_runs_everything_and_still_fails() {
        let log = RefCell::default();
        let steps = vec![step("a", &log, true), step("b", &log, false)];
        assert!(run(steps, true).is_err());
        assert_eq!(*log.borrow(), ["a", "b"]);
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(run(Vec::new(), false).is_err());
    }
}
