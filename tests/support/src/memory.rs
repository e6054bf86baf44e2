//! What processes hold in memory, as the kernel counts it.
//!
//! Owns the reading of `/proc`. Knows nothing of what the processes are, and
//! interprets nothing: *resident* is everything in memory, pages of files and
//! pages shared with other processes included; *anonymous* is what belongs to
//! no file and is given back by nobody but the process.

use std::fmt;
use std::fs;
use std::iter::Sum;
use std::ops::Add;

use anyhow::{Context, Result};

/// The memory of one process, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// KiB in memory.
    pub resident: u64,
    /// KiB of it that no file holds.
    pub anonymous: u64,
}

impl Memory {
    /// Of a process now.
    ///
    /// # Errors
    /// There is no such process, or it is somebody else's.
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        parse(&text).with_context(|| format!("{path} has no Rss and Anonymous: {text}"))
    }

    /// Of a process's children now. One that ends meanwhile counts nothing.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of_children(pid: u32) -> Result<(usize, Self)> {
        let pids = children(pid)?;
        let each = pids.iter().filter_map(|&child| Self::of(child).ok());
        Ok((pids.len(), each.sum()))
    }

    /// How much more this is than before, in KiB; negative for less.
    pub fn growth_since(self, before: Self) -> (i64, i64) {
        let grown = |now: u64, then: u64| now.cast_signed() - then.cast_signed();
        (
            grown(self.resident, before.resident),
            grown(self.anonymous, before.anonymous),
        )
    }
}

/// The processes that a process has started and not waited for.
///
/// # Errors
/// There is no such process.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let tasks = format!("/proc/{pid}/task");
    let mut all = Vec::new();
    for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        // A thread may end between the listing and the reading.
        let of_task = task.map(|task| task.path().join("children"));
        let text = of_task.and_then(fs::read_to_string).unwrap_or_default();
        all.extend(
            text.split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        );
    }
    Ok(all)
}

impl Add for Memory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            resident: self.resident + other.resident,
            anonymous: self.anonymous + other.anonymous,
        }
    }
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1_024.0;
        write!(
            f,
            "{:.1} MiB resident, {:.1} MiB anonymous",
            mib(self.resident),
            mib(self.anonymous)
        )
    }
}

fn parse(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory {
        resident: field("Rss:")?,
        anonymous: field("Anonymous:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn what_a_process_touches_is_resident_and_anonymous() -> Result<()> {
        let before = Memory::of(std::process::id())?;
        let block = vec![1_u8; 32 << 20];
        let grown = Memory::of(std::process::id())?.growth_since(before);
        assert!(block.iter().all(|byte| *byte == 1));
        assert!(grown.0 > 30 << 10 && grown.1 > 30 << 10, "{grown:?} KiB");
        Ok(())
    }

    #[test]
    fn a_child_is_counted_while_it_is_there() -> Result<()> {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        assert!(children(std::process::id())?.contains(&child.id()));
        assert!(Memory::of(child.id())?.resident > 0);
        drop(child.stdin.take());
        child.wait()?;
        assert!(!children(std::process::id())?.contains(&child.id()));
        Ok(())
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_and_text_without_fields_too() {
        assert!(Memory::of(u32::MAX).is_err());
        assert!(children(u32::MAX).is_err());
        assert_eq!(parse("Rss: 12 kB\n"), None);
    }
}
