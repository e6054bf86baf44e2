//! Who waits for which answer of a child.
//!
//! Owns the calls under way: their numbers, their bound, and the place where
//! each finds its answer. Deliberately reads and writes no socket. Invariants:
//! every call that entered gets exactly one of an answer, the news that the
//! child is over, or its own giving up; not more calls are under way than the
//! child has threads, so that each is running and its time is its own.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What a child answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The adapter's bytes.
    Answer(Vec<u8>),
    /// The adapter's error bytes.
    Failed(Vec<u8>),
    /// So many bytes, which were not sent.
    TooLarge(u64),
}

/// The child is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over;

/// Why a call cannot enter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEntry {
    /// The child is over.
    Over,
    /// All threads of the child were busy until the deadline.
    Full,
}

/// The calls of one child.
#[derive(Debug)]
pub(super) struct Calls {
    board: Mutex<Board>,
    room: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct Board {
    next: u64,
    waiting: HashMap<u64, Arc<Place>>,
    queued: usize,
    over: bool,
}

#[derive(Debug, Default)]
struct Place {
    outcome: Mutex<Option<Result<Reply, Over>>>,
    told: Condvar,
}

/// One call under way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    place: Arc<Place>,
}

impl Calls {
    /// None yet, at most so many at once.
    pub(super) fn new(most: usize) -> Self {
        Self {
            board: Mutex::default(),
            room: Condvar::new(),
            most: most.max(1),
        }
    }

    /// Takes a number, as soon as there is room.
    pub(super) fn enter(&self, deadline: Instant) -> Result<Ticket, NoEntry> {
        let mut board = self.lock();
        while !board.over && board.waiting.len() >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoEntry::Full);
            }
            board.queued += 1;
            let waited = self.room.wait_timeout(board, left);
            board = waited.unwrap_or_else(PoisonError::into_inner).0;
            board.queued -= 1;
        }
        if board.over {
            return Err(NoEntry::Over);
        }
        board.next += 1;
        let ticket = Ticket {
            id: board.next,
            place: Arc::default(),
        };
        board.waiting.insert(ticket.id, Arc::clone(&ticket.place));
        Ok(ticket)
    }

    /// Brings an answer; whether anybody has that number.
    pub(super) fn answer(&self, id: u64, reply: Reply) -> bool {
        let Some(place) = self.take(id) else {
            return false;
        };
        place.tell(Ok(reply));
        true
    }

    /// Gives a call up; whether it still had no answer.
    pub(super) fn give_up(&self, ticket: &Ticket) -> bool {
        self.take(ticket.id).is_some()
    }

    /// Nobody enters any more, and everybody under way learns it.
    pub(super) fn end(&self) {
        let waiting = {
            let mut board = self.lock();
            board.over = true;
            std::mem::take(&mut board.waiting)
        };
        self.room.notify_all();
        for place in waiting.into_values() {
            place.tell(Err(Over));
        }
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.lock().waiting.len()
    }

    fn take(&self, id: u64) -> Option<Arc<Place>> {
        let mut board = self.lock();
        let place = board.waiting.remove(&id)?;
        let somebody_queues = board.queued > 0;
        drop(board);
        if somebody_queues {
            self.room.notify_one();
        }
        Some(place)
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The answer, or `None` if there is none until then.
    pub(super) fn wait(&self, deadline: Instant) -> Option<Result<Reply, Over>> {
        let mut outcome = self.place.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return Some(outcome);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.place.told.wait_timeout(outcome, left);
            outcome = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Place {
    fn tell(&self, outcome: Result<Reply, Over>) {
        *self.lock() = Some(outcome);
        self.told.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Result<Reply, Over>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Duration};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn answers_find_their_calls_in_any_order() {
        let calls = Calls::new(2);
        let first = calls.enter(soon()).expect("room");
        let second = calls.enter(soon()).expect("room");
        assert_eq!(calls.under_way(), 2);
        assert!(calls.answer(second.id, Reply::Answer(b"two".to_vec())));
        assert!(calls.answer(first.id, Reply::TooLarge(9)));
        assert_eq!(first.wait(soon()), Some(Ok(Reply::TooLarge(9))));
        let answer = Reply::Answer(b"two".to_vec());
        assert_eq!(second.wait(soon()), Some(Ok(answer)));
        assert_eq!(calls.under_way(), 0);
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_noticed() {
        let calls = Calls::new(1);
        assert!(!calls.answer(7, Reply::TooLarge(1)));
        let ticket = calls.enter(soon()).expect("room");
        assert!(calls.answer(ticket.id, Reply::TooLarge(1)));
        assert!(!calls.answer(ticket.id, Reply::TooLarge(1)));
    }

    #[test]
    fn one_that_gives_up_gets_no_answer_and_makes_room() {
        let calls = Calls::new(1);
        let ticket = calls.enter(soon()).expect("room");
        assert_eq!(ticket.wait(Instant::now()), None);
        assert_eq!(
            calls.enter(Instant::now()).expect_err("no room"),
            NoEntry::Full
        );
        assert!(calls.give_up(&ticket) && !calls.give_up(&ticket));
        assert!(!calls.answer(ticket.id, Reply::TooLarge(1)));
        calls.enter(soon()).expect("room again");
    }

    #[test]
    fn the_end_is_told_to_everybody_under_way_and_to_everybody_after() {
        let calls = Calls::new(1);
        let ticket = calls.enter(soon()).expect("room");
        thread::scope(|scope| {
            let queued = scope.spawn(|| calls.enter(soon()).expect_err("it is over"));
            calls.end();
            assert_eq!(ticket.wait(soon()), Some(Err(Over)));
            assert_eq!(queued.join().expect("it ends"), NoEntry::Over);
        });
        assert_eq!(calls.enter(soon()).expect_err("it is over"), NoEntry::Over);
    }

    #[test]
    fn room_goes_to_whoever_queues() {
        let calls = Calls::new(1);
        let ticket = calls.enter(soon()).expect("room");
        thread::scope(|scope| {
            let queued = scope.spawn(|| calls.enter(soon()));
            assert!(calls.answer(ticket.id, Reply::TooLarge(1)));
            queued.join().expect("it ends").expect("room");
        });
    }
}
