//! The gateway's end of a child's socket, while its patience has an end.
//!
//! Owns one thing: that a deadline holds for all reads together. A time-out of
//! the socket alone begins anew with every byte, so a child that sends one now
//! and then would never be too slow. Deliberately knows no frames. Invariant:
//! after the deadline nothing is read any more, whatever has arrived.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    time::Instant,
};

/// A socket whose reads end at a deadline, if there is one.
#[derive(Debug)]
pub(super) struct Line {
    socket: UnixStream,
    deadline: Option<Instant>,
}

impl Line {
    /// Without a deadline.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            deadline: None,
        }
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Lets reads end then; `None` lets them take as long as they like.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.deadline = deadline;
        match deadline {
            // Set at every read.
            Some(_) => Ok(()),
            None => self.socket.set_read_timeout(None),
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
        }
        self.socket.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::child::nursery::timed_out;
    use std::{io::Write, thread, time::Duration};

    #[test]
    fn a_deadline_holds_for_all_bytes_together() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        // Ends with the other end.
        let dripping = thread::spawn(move || {
            while theirs.write_all(&[0]).is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut line = Line::new(ours);
        let soon = Instant::now() + Duration::from_millis(200);
        line.set_deadline(Some(soon)).expect("taken");
        let error = line.read_to_end(&mut Vec::new()).expect_err("no end");
        assert!(timed_out(&error), "{error}");
        line.set_deadline(None).expect("taken");
        line.read_exact(&mut [0; 30]).expect("bytes still come");
        drop(line);
        dripping.join().expect("it ends");
    }
}
