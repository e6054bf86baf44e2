//! The bytes of a plug-in file.
//!
//! Owns the one reading of an operator's file, its SHA-256, and the private
//! copy that alone is ever loaded. Deliberately loads nothing: what is checked
//! here (and by whoever decides about trust) are exactly the bytes that are
//! copied. Invariant: the operator's path is opened once, for reading, and
//! never again; a copy has the hash that its name says.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};

use super::{LoadError, Refusal, elf};
use crate::config::open_regular;

/// The largest file that is taken for a plug-in.
pub const MAX_SIZE: u64 = 256 << 20;

/// A checked plug-in file in memory.
pub struct Image {
    file: PathBuf,
    bytes: Vec<u8>,
    sha256: String,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("file", &self.file)
            .field("size", &self.bytes.len())
            .field("sha256", &self.sha256)
            .finish()
    }
}

impl Image {
    /// Reads a file and checks that it is a complete shared object for this
    /// machine which exports what a plug-in exports.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, LoadError> {
        Self::read_bounded(file, MAX_SIZE)
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read_bounded(file: &Path, limit: u64) -> Result<Self, LoadError> {
        let refused = |refusal| LoadError {
            file: file.to_owned(),
            refusal,
        };
        let bytes = read_file(file, limit).map_err(refused)?;
        elf::check(&bytes).map_err(refused)?;
        Ok(Self {
            file: file.to_owned(),
            sha256: sha256(&bytes),
            bytes,
        })
    }

    /// One of any bytes, for tests of what does not run them.
    #[cfg(test)]
    pub(super) fn unchecked(file: impl Into<PathBuf>, bytes: &[u8]) -> Self {
        Self {
            file: file.into(),
            bytes: bytes.to_vec(),
            sha256: sha256(bytes),
        }
    }

    /// The operator's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The bytes as they were read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their hash, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Makes the private copy `<copies>/<sha256>.so`, or finds it intact.
    ///
    /// # Errors
    /// What is in the way of writing it.
    pub fn keep(&self, copies: &Path) -> Result<PathBuf, LoadError> {
        // Providers with the same plug-in come up side by side. A copy that was
        // handed out must stay the very file that it is: a child may open that
        // one and no other.
        static KEEPING: Mutex<()> = Mutex::new(());
        let _alone = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = copy_of(copies, &self.sha256);
        let kept = prepare(copies).and_then(|()| match self.is_kept(&copy) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => self.write(copies, &copy),
        });
        match kept {
            Ok(()) => Ok(copy),
            Err(error) => Err(LoadError {
                file: self.file.clone(),
                refusal: Refusal::Copy {
                    copy,
                    found: error.to_string(),
                },
            }),
        }
    }

    /// A copy that is already there may be damaged, or not ours at all.
    fn is_kept(&self, copy: &Path) -> io::Result<bool> {
        if !fs::symlink_metadata(copy)?.is_file() {
            return Ok(false);
        }
        Ok(fs::read(copy)? == self.bytes)
    }

    /// A rename puts the copy in place whole, as a new inode: a damaged one
    /// that is mapped already is left alone.
    fn write(&self, copies: &Path, copy: &Path) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = copies.join(format!(".{}.{}.{unique}", self.sha256, std::process::id()));
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&temporary)?;
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, copy)?;
            File::open(copies)?.sync_all()
        })();
        if written.is_err() {
            // The first error is the one worth telling.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// Makes the folder of the copies, or judges the one that is there: whoever may
/// write to it can put other code in the place of what was judged.
fn prepare(copies: &Path) -> io::Result<()> {
    if let Some(above) = copies.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(copies) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let folder = fs::metadata(copies)?;
    let (owner, us) = (folder.uid(), rustix::process::geteuid().as_raw());
    let others_write = folder.mode() & 0o022 != 0;
    if owner == us && !others_write {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "expected a folder that only user {us} may write to, found one of user {owner} with mode {:03o}; make it so with chown and chmod 700",
        folder.mode() & 0o777
    )))
}

/// Where the private copy of this content is kept.
pub(super) fn copy_of(copies: &Path, sha256: &str) -> PathBuf {
    copies.join(format!("{sha256}.so"))
}

/// The hash of bytes, as it is written everywhere.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read_file(file: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    // For words of its own; that it is still a file is seen when it is opened.
    let kind = fs::metadata(file).map_err(unreadable)?.file_type();
    if !kind.is_file() {
        return Err(Refusal::NotAFile {
            found: if kind.is_dir() {
                "a folder"
            } else {
                "a pipe, socket or device"
            },
        });
    }
    let mut bytes = Vec::new();
    let opened = open_regular(file).map_err(unreadable)?;
    let size = opened.metadata().map_err(unreadable)?.len();
    if size > limit {
        return Err(Refusal::TooLarge {
            expected: limit,
            found: size,
        });
    }
    // It may grow while it is read.
    opened
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge {
            expected: limit,
            found: bytes.len() as u64,
        });
    }
    Ok(bytes)
}

fn unreadable(error: io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::NotFound {
        return Refusal::Missing;
    }
    Refusal::Unreadable {
        found: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &[u8]) -> Image {
        Image::unchecked("plugin.so", bytes)
    }

    #[test]
    fn a_copy_is_named_by_its_hash() {
        let dir = tempfile::tempdir().expect("a folder");
        let copies = dir.path().join("deep/copies");
        let copy = image(b"abc").keep(&copies).expect("kept");
        assert_eq!(
            copy.file_name().expect("a name"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.so"
        );
        assert_eq!(fs::read(copy).expect("readable"), b"abc");
        assert_eq!(fs::read_dir(copies).expect("a folder").count(), 1);
    }

    #[test]
    fn a_damaged_copy_is_replaced_and_a_good_one_kept() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("a folder");
        let inode = |path: &Path| fs::metadata(path).expect("a file").ino();
        let image = image(b"abc");
        let copy = image.keep(dir.path()).expect("kept");
        let first = inode(&copy);
        assert_eq!(inode(&image.keep(dir.path()).expect("kept")), first);
        fs::write(&copy, b"ab").expect("damaged");
        image.keep(dir.path()).expect("kept");
        assert_eq!(fs::read(&copy).expect("readable"), b"abc");
        assert_ne!(inode(&copy), first);
    }

    #[test]
    fn a_copy_that_was_handed_out_is_not_replaced_by_others_who_keep_the_same() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("a folder");
        let bytes = vec![7; 1 << 20];
        let inodes: std::collections::BTreeSet<u64> = std::thread::scope(|scope| {
            let keeping: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let copy = image(&bytes).keep(dir.path()).expect("kept");
                        fs::metadata(copy).expect("a file").ino()
                    })
                })
                .collect();
            let inodes = keeping.into_iter().map(|kept| kept.join().expect("kept"));
            inodes.collect()
        });
        assert_eq!(inodes.len(), 1);
    }

    #[test]
    fn a_copy_that_cannot_be_written_names_copy_and_reason() {
        let dir = tempfile::tempdir().expect("a folder");
        let blocked = dir.path().join("file");
        fs::write(&blocked, b"").expect("written");
        let error = image(b"abc").keep(&blocked).expect_err("not a folder");
        assert!(matches!(error.refusal, Refusal::Copy { .. }), "{error}");
        assert!(error.to_string().contains("plugin.so"), "{error}");
    }

    #[test]
    fn a_folder_that_others_may_write_to_keeps_no_copies() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let copies = dir.path().join("copies");
        image(b"abc").keep(&copies).expect("kept");
        let mode = fs::metadata(&copies).expect("a folder").mode() & 0o777;
        assert_eq!(mode, 0o700);
        fs::set_permissions(&copies, fs::Permissions::from_mode(0o770)).expect("changed");
        let error = image(b"abc")
            .keep(&copies)
            .expect_err("the group may write");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_told_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        let refusal = |path: &Path| Image::read(path).expect_err("no file").refusal;
        assert_eq!(refusal(&dir.path().join("no.so")), Refusal::Missing);
        assert_eq!(refusal(dir.path()), Refusal::NotAFile { found: "a folder" });
        let large = dir.path().join("large.so");
        fs::write(&large, [0; 11]).expect("written");
        assert_eq!(
            Image::read_bounded(&large, 10)
                .expect_err("too large")
                .refusal,
            Refusal::TooLarge {
                expected: 10,
                found: 11
            }
        );
    }
}
