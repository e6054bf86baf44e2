//! What was being tried when a process died.
//!
//! Owns one small file: the process of a test writes each input into it before
//! it is given to the adapter, the run reads it once that process is gone or
//! does not move. Invariant: an input is written whole before the call, so that
//! no crash can lose it.

use std::{
    cell::{Cell, RefCell},
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::report::Reproduction;

/// The names of what can be tried, by their number in the file.
const TRIED: [&str; 6] = [
    "load",
    "open",
    "handle",
    "receive",
    "self_test",
    "check_state",
];

/// Bytes before the input: counter, index, what is tried, length.
const HEAD: usize = 8 + 8 + 1 + 4;

/// The writing end.
#[derive(Debug)]
pub(super) struct BlackBox {
    file: File,
    written: Cell<u64>,
    buffer: RefCell<Vec<u8>>,
}

impl BlackBox {
    /// Begins a new file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            written: Cell::new(0),
            buffer: RefCell::default(),
        })
    }

    /// Writes down what comes next.
    pub(super) fn note(&self, tried: &str, index: Option<u64>, input: &[u8]) {
        let count = self.written.get() + 1;
        self.written.set(count);
        let tried = TRIED.iter().position(|name| *name == tried).unwrap_or(0);
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        buffer.extend(count.to_le_bytes());
        buffer.extend(index.unwrap_or(u64::MAX).to_le_bytes());
        buffer.push(u8::try_from(tried).unwrap_or(0));
        buffer.extend(u32::try_from(input.len()).unwrap_or(0).to_le_bytes());
        buffer.extend(input);
        // A full disk must not end the test; then a crash has no input.
        let _ = self.file.write_all_at(&buffer, 0);
    }
}

/// What was written last.
#[derive(Debug, PartialEq)]
pub(super) struct Last {
    /// Counted up by every input.
    pub(super) count: u64,
    /// The input.
    pub(super) input: Reproduction,
}

/// Only the counter: whether the process still moves.
pub(super) fn count(path: &Path) -> u64 {
    let mut count = [0; 8];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut count, 0));
    if read.is_ok() {
        u64::from_le_bytes(count)
    } else {
        0
    }
}

/// Reads what was tried last; `None` if nothing was.
pub(super) fn last(path: &Path) -> Option<Last> {
    let bytes = fs::read(path).ok()?;
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (count, head) = head.split_first_chunk::<8>()?;
    let (index, head) = head.split_first_chunk::<8>()?;
    let (tried, length) = head.split_first()?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let input = rest.get(..usize::try_from(length).ok()?)?;
    let index = Some(u64::from_le_bytes(*index)).filter(|&index| index != u64::MAX);
    let tried = TRIED.get(usize::from(*tried))?;
    Some(Last {
        count: u64::from_le_bytes(*count),
        input: Reproduction::of(tried, input, index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_input_is_found_whole_after_a_longer_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("box");
        assert_eq!(last(&path), None);
        let written = BlackBox::create(&path).expect("created");
        assert_eq!((last(&path), count(&path)), (None, 0));
        written.note("receive", None, &[0xff; 300]);
        written.note("handle", Some(7), b"\xa2hi");
        let found = last(&path).expect("written");
        assert_eq!((found.count, count(&path)), (2, 2));
        assert_eq!(found.input, Reproduction::of("handle", b"\xa2hi", Some(7)));
        assert_eq!(found.input.value, "hi");
    }
}
