//! What a file looked like, without its content.
//!
//! Owns the comparison that finds changed files. Deliberately reads no
//! content: whether a change means anything is found out by whoever loads the
//! file. Invariant: a stamp follows symbolic links, so that a link which is
//! pointed elsewhere is a change.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Which file stood at a path, and when it was last touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    /// The stamp of what stands at a path; `None` if nothing that can be
    /// looked at does.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path)
            .ok()
            .map(|metadata| Self::from(&metadata))
    }

    /// What tells one file from another, whatever is written into it.
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let nanos = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The stamps of many files, by the paths they are known by. A path with
/// nothing behind it is listed too: its appearing is a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<Stamp>>);

impl Fingerprint {
    /// Notes a file as it is now, unless it is noted already.
    pub fn note(&mut self, path: &Path) {
        if !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), Stamp::of(path));
        }
    }

    /// Takes over what another one noted; where both did, this one stays.
    pub fn merge(&mut self, other: Self) {
        for (path, stamp) in other.0 {
            self.0.entry(path).or_insert(stamp);
        }
    }

    /// The stamp of a noted file; `None` if it was not there, or not noted.
    pub fn stamp(&self, path: &Path) -> Option<Stamp> {
        self.0.get(path).copied().flatten()
    }

    /// The noted paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// The paths that look different now, among them those that only one of
    /// the two knows.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> Vec<&'a Path> {
        let differs = |path: &&PathBuf| self.stamp(path) != before.stamp(path);
        let here = self.0.keys().filter(differs);
        let gone = before
            .0
            .keys()
            .filter(|path| !self.0.contains_key(*path))
            .filter(differs);
        here.chain(gone).map(PathBuf::as_path).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_pointed_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, link] = ["one", "two", "link"].map(|name| folder.path().join(name));
        fs::write(&one, "same").unwrap();
        fs::write(&two, "same").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let before = noted(&[&link]);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&two, &link).unwrap();
        assert_eq!(noted(&[&link]).changed_since(&before), [&link]);
    }

    #[test]
    fn what_appears_and_what_goes_is_a_change_and_what_was_never_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let [new, gone, never] = ["new", "gone", "never"].map(|name| folder.path().join(name));
        fs::write(&gone, "x").unwrap();
        let before = noted(&[&gone, &never, &new]);
        fs::write(&new, "x").unwrap();
        fs::remove_file(&gone).unwrap();
        assert_eq!(noted(&[&new]).changed_since(&before), [&new, &gone]);
    }

    fn noted(paths: &[&Path]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for path in paths {
            fingerprint.note(path);
        }
        fingerprint
    }
}
