//! What stands on disk now, and by which ways it is reached.
//!
//! Owns the list of the files that matter, their stamps, the folders in which
//! something can change what a path leads to, and the way from a place on disk
//! back to the paths that lead through it. Deliberately reads no content.
//! Invariant: a scan is the truth at its moment; nothing in it comes from an
//! event.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use kefu_core::config::Config;

use crate::config::{self, Fingerprint, Sources, Stamp};

/// Where the files that matter lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    main: PathBuf,
    providers: PathBuf,
    plugins: PathBuf,
    references: BTreeSet<PathBuf>,
}

impl Places {
    pub(super) fn of(sources: &Sources, config: &Config) -> Self {
        Self {
            main: sources.main_file().to_owned(),
            providers: sources.providers_folder(),
            plugins: config.main.plugins.dir.clone(),
            references: sources.references().map(Path::to_owned).collect(),
        }
    }

    /// Looks after these files too.
    pub(super) fn refer_to(&mut self, references: BTreeSet<PathBuf>) {
        self.references.extend(references);
    }
}

/// How a place on disk lies on the way to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passing {
    /// A folder or a link before it.
    Before,
    /// It is the file.
    Itself,
}

/// One look at everything.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Every file that matters.
    pub(super) files: Fingerprint,
    /// The real folders in which a change can matter, and which folder each is.
    pub(super) folders: BTreeMap<PathBuf, (u64, u64)>,
    /// For each place on disk the files that are reached through it.
    through: BTreeMap<PathBuf, BTreeMap<PathBuf, Passing>>,
}

impl Scan {
    /// What was seen by somebody who did not look for ways.
    pub(super) fn before(files: Fingerprint) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// Looks.
    pub(super) fn of(places: &Places) -> Self {
        let mut scan = Self::default();
        scan.file(&places.main);
        for file in &places.references {
            scan.file(file);
        }
        scan.folder(&places.providers, &["toml"]);
        scan.folder(&places.plugins, &["so", "minisig"]);
        scan
    }

    /// The files that are reached through a place on disk.
    pub(super) fn through(&self, place: &Path) -> impl Iterator<Item = (&PathBuf, Passing)> {
        let files = self.through.get(place).into_iter().flatten();
        files.map(|(file, passing)| (file, *passing))
    }

    fn file(&mut self, path: &Path) {
        let way = Way::to(path);
        self.note(path, &way.places);
        self.watch(way.folders);
    }

    fn folder(&mut self, folder: &Path, endings: &[&str]) {
        let way = Way::to(folder);
        for ending in endings {
            // A folder that cannot be listed has no files; whoever loads from
            // it says what is wrong with it.
            for file in config::list(folder, ending).unwrap_or_default() {
                self.within(&file, &way);
            }
        }
        let end = way.end.clone();
        self.watch(way.folders.into_iter().chain(end));
    }

    /// A file of a folder: the way to the folder is known.
    fn within(&mut self, file: &Path, folder: &Way) {
        let linked = fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink());
        match (&folder.end, file.file_name()) {
            (Some(end), Some(name)) if !linked => {
                let place = end.join(name);
                self.note(file, folder.places.iter().chain([&place]));
            }
            _ => self.file(file),
        }
    }

    fn note<'a>(&mut self, file: &Path, places: impl IntoIterator<Item = &'a PathBuf>) {
        self.files.note(file);
        let mut places = places.into_iter().peekable();
        while let Some(place) = places.next() {
            let passing = match places.peek() {
                Some(_) => Passing::Before,
                None => Passing::Itself,
            };
            let through = self.through.entry(place.clone()).or_default();
            through.insert(file.to_owned(), passing);
        }
    }

    fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        for folder in folders {
            if let Some(stamp) = Stamp::of(&folder) {
                self.folders.insert(folder, stamp.identity());
            }
        }
    }
}

/// The way that a path takes over folders and symbolic links.
#[derive(Debug, Default)]
struct Way {
    /// Every place it passes, its end included, by their real paths.
    places: Vec<PathBuf>,
    /// The folders whose entries decide where it leads: those of links, that
    /// of its end, and the last one before something is missing.
    folders: Vec<PathBuf>,
    /// Where it ends; absent where something is missing.
    end: Option<PathBuf>,
}

impl Way {
    fn to(path: &Path) -> Self {
        let mut way = Self::default();
        let mut here = PathBuf::from("/");
        // A path that cannot be made absolute leads nowhere.
        let path = std::path::absolute(path).unwrap_or_default();
        let mut ahead = parts(&path);
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            way.places.push(next.clone());
            match fs::symlink_metadata(&next) {
                Err(_) => {
                    way.folders.push(here);
                    return way;
                }
                Ok(found) if found.is_symlink() => {
                    way.folders.push(here.clone());
                    links += 1;
                    let Some(target) = fs::read_link(&next).ok().filter(|_| links <= MAX_LINKS)
                    else {
                        return way;
                    };
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    ahead.extend(parts(&target));
                }
                Ok(_) => here = next,
            }
        }
        way.folders.extend(here.parent().map(Path::to_owned));
        way.end = Some(here);
        way
    }
}

/// The names of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// As many as the kernel follows.
const MAX_LINKS: usize = 40;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_way_over_links_passes_every_folder_that_can_redirect_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("mount/v1")).unwrap();
        fs::write(root.join("mount/v1/a.toml"), "").unwrap();
        symlink("v1", root.join("mount/..data")).unwrap();
        symlink("..data/a.toml", root.join("mount/a.toml")).unwrap();
        symlink(root.join("mount"), root.join("config")).unwrap();
        let way = Way::to(&root.join("config/a.toml"));
        assert_eq!(way.end, Some(root.join("mount/v1/a.toml")));
        for folder in [root.clone(), root.join("mount"), root.join("mount/v1")] {
            assert!(way.folders.contains(&folder), "{folder:?} in {way:?}");
        }
        for place in ["config", "mount/a.toml", "mount/..data", "mount/v1/a.toml"] {
            assert!(way.places.contains(&root.join(place)), "{place} in {way:?}");
        }
    }

    #[test]
    fn of_a_missing_folder_the_nearest_one_above_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let way = Way::to(&root.join("a/b/c.toml"));
        assert_eq!((way.folders, way.end), (vec![root], None));
    }

    #[test]
    fn links_in_a_circle_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        symlink("two", folder.path().join("one")).unwrap();
        symlink("one", folder.path().join("two")).unwrap();
        assert_eq!(Way::to(&folder.path().join("one")).end, None);
    }
}
