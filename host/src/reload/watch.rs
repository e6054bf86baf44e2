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

/// What was heard since the last look.
#[derive(Debug, Default)]
pub(super) struct News {
    /// By place.
    pub(super) sights: BTreeMap<PathBuf, Sight>,
    /// Something was said that did not get here.
    lost: bool,
}

impl News {
    /// Whether the folder that stood here may have been another one.
    fn of_another(&self, folder: &Path) -> bool {
        let gone = |sight: &Sight| sight.hint == Hint::Gone;
        self.lost || self.sights.get(folder).is_some_and(gone)
    }
}

/// Where it is kept until then. Called from notify's thread.
struct Heard {
    news: Mutex<News>,
    /// Tells whoever looks that there is something.
    stir: Box<dyn Fn() + Send + Sync>,
}

impl Watch {
    /// A watcher that watches nothing yet and calls `stir` when it has heard
    /// something. Where the system has none to give, looking now and then has
    /// to do.
    pub(super) fn new(stir: impl Fn() + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Heard {
            news: Mutex::default(),
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
    /// before under the same path is watched anew, and so is one that was heard
    /// to go: the next folder may have got its number.
    pub(super) fn follow(&mut self, folders: &BTreeMap<PathBuf, (u64, u64)>, news: &News) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        self.followed.retain(|folder, identity| {
            let same = folders.get(folder) == Some(identity) && !news.of_another(folder);
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

    /// What was heard since the last call.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut *self.heard.lock())
    }
}

impl Heard {
    fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            self.lock().lost = true;
            (self.stir)();
            return;
        };
        if event.need_rescan() {
            tracing::debug!("file events were lost; looking instead");
            self.lock().lost = true;
        }
        let Some(hint) = hint(&event) else { return };
        let at = Instant::now();
        let mut news = self.lock();
        for path in event.paths {
            if news.sights.len() >= MOST && !news.sights.contains_key(&path) {
                news.lost = true;
                continue;
            }
            let sight = news.sights.entry(path).or_insert(Sight { hint, at });
            sight.at = at;
            if hint != Hint::Touched {
                sight.hint = hint;
            }
        }
        drop(news);
        (self.stir)();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use std::{
        sync::mpsc::{Receiver, channel},
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_folder_that_got_the_number_of_the_one_before_is_watched_too() {
        let folder = tempfile::tempdir().unwrap();
        let watched = folder.path().canonicalize().unwrap().join("providers");
        let file = watched.join("a.toml");
        // Which numbers a file system gives again is its own matter.
        let folders = BTreeMap::from([(watched.clone(), (1, 1))]);
        let (stir, stirred) = channel();
        let mut watch = Watch::new(move || stir.send(()).unwrap_or_default());
        fs::create_dir(&watched).unwrap();
        watch.follow(&folders, &News::default());
        fs::write(&file, "").unwrap();
        until(&mut watch, &stirred, &folders, (&file, Hint::Closed));

        fs::remove_dir_all(&watched).unwrap();
        fs::create_dir(&watched).unwrap();
        until(&mut watch, &stirred, &folders, (&watched, Hint::Gone));
        fs::write(&file, "").unwrap();
        until(&mut watch, &stirred, &folders, (&file, Hint::Closed));
    }

    #[test]
    fn when_something_was_lost_every_folder_may_be_another_one() {
        let (watch, folder) = (Watch::new(|| {}), Path::new("providers"));
        assert!(!watch.take().of_another(folder));
        watch.heard.hear(Err(notify::Error::generic("lost")));
        assert!(watch.take().of_another(folder));
        for number in 0..=MOST {
            let event = Event::new(EventKind::Any).add_path(number.to_string().into());
            assert!(!watch.heard.lock().lost);
            watch.heard.hear(Ok(event));
        }
        assert!(watch.take().of_another(folder));
        assert!(!watch.take().of_another(folder));
    }

    /// Looks until this is heard of a place.
    fn until(
        watch: &mut Watch,
        stirred: &Receiver<()>,
        folders: &BTreeMap<PathBuf, (u64, u64)>,
        (place, hint): (&Path, Hint),
    ) {
        loop {
            let heard = stirred.recv_timeout(Duration::from_secs(20));
            assert!(heard.is_ok(), "nothing was heard of {}", place.display());
            let news = watch.take();
            watch.follow(folders, &news);
            let sight = news.sights.get(place);
            if sight.is_some_and(|sight| sight.hint == hint) {
                return;
            }
        }
    }
}
