//! Hears from the system that something happens in a folder.
//!
//! Owns notify, and is its only door. Deliberately believes nothing: what is
//! heard says where to look and when, never what is there. Invariants: what is
//! kept between two looks is bounded, and losing events, or having no watcher
//! at all, costs time and nothing else.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};

use super::settle::Hint;

/// Folders that are watched.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeMap<PathBuf, (u64, u64)>,
    heard: Arc<Heard>,
}

/// What was heard of one place since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) hint: Hint,
    pub(super) at: Instant,
}

/// What was heard since the last look. Called from notify's thread.
struct Heard {
    sights: Mutex<BTreeMap<PathBuf, Sight>>,
    /// Tells whoever looks that there is something.
    stir: Box<dyn Fn() + Send + Sync>,
}

impl Watch {
    /// A watcher that watches nothing yet and calls `stir` when it has heard
    /// something. Where the system has none to give, looking now and then has
    /// to do.
    pub(super) fn new(stir: impl Fn() + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Heard {
            sights: Mutex::default(),
            stir: Box::new(stir),
        });
        let listener = Arc::clone(&heard);
        let watcher = notify::recommended_watcher(move |event| listener.hear(event))
            .inspect_err(|error| {
                tracing::warn!(%error, "file changes are not announced; they are found by looking once a second");
            })
            .ok();
        Self {
            watcher,
            followed: BTreeMap::new(),
            heard,
        }
    }

    /// Watches these folders and no others. One that is another folder than
    /// before under the same path is watched anew.
    pub(super) fn follow(&mut self, folders: &BTreeMap<PathBuf, (u64, u64)>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        self.followed.retain(|folder, identity| {
            let same = folders.get(folder) == Some(identity);
            if !same {
                // The folder may be gone, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
            same
        });
        for (folder, identity) in folders {
            if self.followed.contains_key(folder) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.followed.insert(folder.clone(), *identity);
                }
                // It is tried again at the next look.
                Err(error) => tracing::debug!(folder = %folder.display(), %error, "not watched"),
            }
        }
    }

    /// What was heard since the last call, by place.
    pub(super) fn take(&self) -> BTreeMap<PathBuf, Sight> {
        std::mem::take(&mut *self.heard.lock())
    }
}

impl Heard {
    fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            // Something was lost.
            (self.stir)();
            return;
        };
        if event.need_rescan() {
            tracing::debug!("file events were lost; looking instead");
        }
        let Some(hint) = hint(&event) else { return };
        let at = Instant::now();
        let mut sights = self.lock();
        for path in event.paths {
            if sights.len() >= MOST && !sights.contains_key(&path) {
                continue;
            }
            let sight = sights.entry(path).or_insert(Sight { hint, at });
            sight.at = at;
            if hint != Hint::Touched {
                sight.hint = hint;
            }
        }
        drop(sights);
        (self.stir)();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Sight>> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an event says of its path; `None` if it is not worth a look.
fn hint(event: &Event) -> Option<Hint> {
    Some(match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Hint::Closed,
        // Reading, our own included.
        EventKind::Access(_) => return None,
        EventKind::Create(CreateKind::Folder) => Hint::Touched,
        EventKind::Create(_) if event.paths.iter().all(|path| is_link(path)) => Hint::Placed,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Hint::Written,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Hint::Placed,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => Hint::Gone,
        // Each half of a rename was told already.
        EventKind::Modify(ModifyKind::Name(_)) => return None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Hint::Touched,
    })
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Places that are kept between two looks. What is beyond is found by looking.
const MOST: usize = 4096;
