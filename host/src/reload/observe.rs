//! Which files have changed and are finished.
//!
//! Owns the join of what is heard, what is seen and how long to wait.
//! Invariant: a file that looks different is found by looking, whether
//! anything was heard of it or not; what was heard only says that its writer
//! is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    scan::{Passing, Places, Scan},
    settle::{Hint, Settle, Settled},
    watch::{Sight, Watch},
};
use crate::config::Fingerprint;

/// Looks after files.
pub(super) struct Observer {
    places: Places,
    watch: Watch,
    last: Scan,
    settle: Settle,
    looked: Instant,
    /// What the last look took.
    took: Duration,
}

impl Observer {
    /// Looks after files that were seen like this before.
    pub(super) fn new(places: Places, seen: Fingerprint, watch: Watch) -> Self {
        Self {
            places,
            watch,
            last: Scan::before(seen),
            settle: Settle::default(),
            looked: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Looks after other files from the next look on.
    pub(super) fn look_after(&mut self, places: Places) {
        self.places = places;
    }

    /// Looks after these files too.
    pub(super) fn refer_to(&mut self, references: BTreeSet<PathBuf>) {
        self.places.refer_to(references);
    }

    /// Looks at everything, and takes note of what differs.
    pub(super) fn look(&mut self, now: Instant) {
        let heard = self.watch.take();
        let scan = Scan::of(&self.places);
        self.watch.follow(&scan.folders, &heard);
        let changed: BTreeSet<PathBuf> = scan
            .files
            .changed_since(&self.last.files)
            .into_iter()
            .map(Path::to_owned)
            .collect();
        let explained = self.listen(&heard.sights, &scan, &changed);
        for file in changed.difference(&explained) {
            let hint = match scan.files.stamp(file) {
                Some(_) => Hint::Written,
                None => Hint::Gone,
            };
            self.settle.note(file, hint, now);
        }
        self.last = scan;
        self.looked = now;
        self.took = now.elapsed();
    }

    /// The files that are finished.
    pub(super) fn take(&mut self, now: Instant) -> Option<Settled> {
        self.settle.take(now)
    }

    /// The files that are not.
    pub(super) fn unsettled(&self) -> BTreeSet<PathBuf> {
        self.settle.unsettled()
    }

    /// The files as they were at the last look.
    pub(super) fn files(&self) -> &Fingerprint {
        &self.last.files
    }

    /// When to look again if nothing is heard.
    pub(super) fn wake_at(&self, now: Instant) -> Instant {
        let poll = self.looked + POLL;
        self.settle.wake_at(now).map_or(poll, |at| at.min(poll))
    }

    /// When to look after something was heard: soon, but not all the time,
    /// even in a folder so full that a look takes long.
    pub(super) fn stirred_at(&self) -> Instant {
        self.looked + BREATH.max(self.took * 10).min(POLL)
    }

    /// Takes note of what was heard of files; gives those of which enough was.
    fn listen(
        &mut self,
        heard: &BTreeMap<PathBuf, Sight>,
        scan: &Scan,
        changed: &BTreeSet<PathBuf>,
    ) -> BTreeSet<PathBuf> {
        let mut explained = BTreeSet::new();
        for (place, sight) in heard {
            // What was gone when it was heard may be back by now, and what is
            // gone now is seen to be.
            if sight.hint == Hint::Gone {
                continue;
            }
            let files: BTreeMap<_, _> = self
                .last
                .through(place)
                .chain(scan.through(place))
                .collect();
            for (file, passing) in files {
                let whole = sight.hint == Hint::Placed
                    && (changed.contains(file) || self.settle.knows(file));
                let says_something = passing == Passing::Itself || whole;
                if says_something && scan.files.stamp(file).is_some() {
                    self.settle.note(file, sight.hint, sight.at);
                    explained.insert(file.clone());
                }
            }
        }
        explained
    }
}

/// Between two looks when nothing is heard.
const POLL: Duration = Duration::from_secs(1);
/// Between two looks at least, however much is heard.
const BREATH: Duration = Duration::from_millis(10);
