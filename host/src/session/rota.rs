//! Whose turn it is: work is queued by provider and taken round robin.
//!
//! Owns the queues and the account of which provider holds how many threads.
//! Deliberately has no threads, no lock and no clock, so that every order of
//! events can be played through. Invariants: work of one provider is taken in
//! the order in which it came; a provider that holds no thread gets one as soon
//! as any is free, before others get their next.
//!
//! How much of the machine one provider may hold is decided by what is left
//! free: it may begin one more call while it holds fewer threads than are idle.
//! Alone it comes to half of the threads (of which there are twice as many as
//! processors, so the machine is in full use); beside one that hangs it comes
//! to half of the rest, and so on: of `n` threads it takes about `log2 n`
//! providers that hang at the same moment until somebody finds none, and by
//! then the first have been replaced. On top of that, calls that were given up
//! because they do not return count against their provider for as long as they
//! last, so that it cannot eat up the spare threads of the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kefu_plugin_api::ids::ProviderId;

/// Whose queue it is. `None` holds work whose provider has to be looked up
/// first, which calls no adapter.
pub(super) type Lane = Option<ProviderId>;

/// Queues of work, and who holds threads.
pub(super) struct Rota<T> {
    lanes: BTreeMap<Lane, Queue<T>>,
    /// Lanes with waiting work, each once; the one that waits longest first.
    ring: VecDeque<Lane>,
    threads: usize,
    /// Threads that have work; those that were replaced do not count.
    busy: usize,
    /// Calls of one provider that may be under way or given up together.
    most: usize,
}

struct Queue<T> {
    waiting: VecDeque<T>,
    running: usize,
    /// Calls that were given up and have not returned.
    given_up: usize,
    /// Its work is refused without a call, so it needs no thread for long.
    refusing: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            running: 0,
            given_up: 0,
            refusing: false,
        }
    }
}

impl<T> Rota<T> {
    /// Nothing to do, for so many threads. `spare` is how many threads may be
    /// replaced.
    pub(super) fn new(threads: usize, spare: usize) -> Self {
        let mut rota = Self {
            lanes: BTreeMap::new(),
            ring: VecDeque::new(),
            threads,
            busy: 0,
            most: 0,
        };
        rota.set_spare(spare);
        rota
    }

    /// Says how many threads may be replaced: one provider may use up half of
    /// them.
    pub(super) fn set_spare(&mut self, spare: usize) {
        self.most = self.threads.div_ceil(2).max(spare / 2);
    }

    /// Work came.
    pub(super) fn push(&mut self, lane: Lane, work: T) {
        let queue = self.lanes.entry(lane.clone()).or_default();
        queue.waiting.push_back(work);
        if queue.waiting.len() == 1 {
            self.ring.push_back(lane);
        }
    }

    /// A thread is free: what it does next.
    pub(super) fn take(&mut self) -> Option<(Lane, T)> {
        let index = self.next_index()?;
        let lane = self.ring.remove(index)?;
        let queue = self.lanes.get_mut(&lane)?;
        let work = queue.waiting.pop_front()?;
        queue.running += 1;
        self.busy += 1;
        if !queue.waiting.is_empty() {
            self.ring.push_back(lane.clone());
        }
        Some((lane, work))
    }

    /// Whether a free thread would find something to do.
    pub(super) fn can_take(&self) -> bool {
        self.next_index().is_some()
    }

    /// A thread is through with its work.
    pub(super) fn leave(&mut self, lane: &Lane) {
        self.busy -= 1;
        self.with(lane, |queue| queue.running -= 1);
    }

    /// A thread that holds a place in one lane wants to call the provider of
    /// another. Whether there is room.
    pub(super) fn try_switch(&mut self, from: &Lane, to: &Lane) -> bool {
        if from == to {
            return true;
        }
        // It holds a thread already: its own counts as idle here.
        self.busy -= 1;
        let room = self.has_room(to);
        self.busy += 1;
        if room {
            self.with(from, |queue| queue.running -= 1);
            self.lanes.entry(to.clone()).or_default().running += 1;
        }
        room
    }

    /// A thread's call does not return; another thread takes its place.
    pub(super) fn give_up(&mut self, lane: &Lane) {
        self.leave(lane);
        self.lanes.entry(lane.clone()).or_default().given_up += 1;
    }

    /// A call that was given up has returned after all.
    pub(super) fn came_back(&mut self, lane: &Lane) {
        self.with(lane, |queue| {
            queue.given_up = queue.given_up.saturating_sub(1);
        });
    }

    /// Says how many calls that were given up still count: those of an adapter
    /// that was replaced do not speak against the next.
    pub(super) fn set_given_up(&mut self, counts: &BTreeMap<ProviderId, usize>) {
        let lanes: Vec<Lane> = self.lanes.keys().cloned().collect();
        for lane in lanes {
            let count = lane.as_ref().and_then(|id| counts.get(id)).copied();
            self.with(&lane, |queue| queue.given_up = count.unwrap_or(0));
        }
    }

    /// The providers that can begin no call because of `late` ones: so many of
    /// the calls under way are over their time, for each provider.
    pub(super) fn blocked(&self, late: &BTreeMap<ProviderId, usize>) -> BTreeSet<ProviderId> {
        let blocked = |(lane, queue): (&Lane, &Queue<T>)| {
            let provider = lane.as_ref()?;
            let late = late.get(provider).copied().unwrap_or(0);
            let stands_still = late >= queue.running && late + queue.given_up > 0;
            let full = queue.running + queue.given_up >= self.most
                || (late > 0 && queue.running >= self.idle());
            (stands_still && full).then(|| provider.clone())
        };
        self.lanes.iter().filter_map(blocked).collect()
    }

    /// Names the providers whose work is refused without a call.
    pub(super) fn set_refusing(&mut self, providers: &BTreeSet<ProviderId>) {
        for (lane, queue) in &mut self.lanes {
            queue.refusing = lane.as_ref().is_some_and(|id| providers.contains(id));
        }
    }

    fn next_index(&self) -> Option<usize> {
        self.ring.iter().position(|lane| self.has_room(lane))
    }

    fn has_room(&self, lane: &Lane) -> bool {
        let idle = self.idle();
        match self.lanes.get(lane) {
            None => idle > 0,
            Some(queue) if queue.refusing => idle > 0,
            Some(queue) => {
                queue.running < idle
                    && (lane.is_none() || queue.running + queue.given_up < self.most)
            }
        }
    }

    fn idle(&self) -> usize {
        self.threads.saturating_sub(self.busy)
    }

    /// Forgets a lane that has nothing, so that their number stays that of the
    /// providers.
    fn with(&mut self, lane: &Lane, change: impl FnOnce(&mut Queue<T>)) {
        let Some(queue) = self.lanes.get_mut(lane) else {
            return;
        };
        change(queue);
        if queue.waiting.is_empty() && queue.running == 0 && queue.given_up == 0 {
            self.lanes.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests;
