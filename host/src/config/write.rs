//! Writes a changed main file back.
//!
//! Owns the way from a text that was edited to the file that holds it: the
//! check that a reload would make, the digest by which a change made meanwhile
//! is noticed, the file beside it and the rename. Invariants: a text that a
//! reload would refuse is never written; whoever reads sees the old file or
//! the new one, whole; its owner, its permissions and the links to it stay.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use kefu_core::config::{ConfigError, ConfigErrors, Main, check_main};
use sha2::{Digest, Sha256};

use super::{EditError, Recorder, open, open_regular};

/// A main file as it stands.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its text.
    pub text: String,
    /// What tells this text from every other.
    pub digest: String,
}

/// Why a change did not reach the file, which stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the text that the change was made for.
    #[error("{} was changed meanwhile, so nothing was written; look at it again and repeat the change", .0.display())]
    Changed(PathBuf),
    /// The change has no place in it.
    #[error("{} {source}", path.display())]
    NoPlace {
        /// Which.
        path: PathBuf,
        /// What is missing.
        source: EditError,
    },
    /// A reload would refuse the new text.
    #[error("the change was not written: {0}")]
    Refused(ConfigErrors),
    /// It must not be written.
    #[error("{} is read-only for the gateway, or its folder is, or somebody else owns it, so nothing was written; let the gateway write both and own the file, or change it where it comes from", .0.display())]
    ReadOnly(PathBuf),
    /// Writing failed.
    #[error("cannot write {}: {source}; the file stays as it was", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a main file.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Written, WriteError> {
    let text = open_regular(path)
        .and_then(|file| open::read_text(&file))
        .map_err(|source| WriteError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Ok(Written {
        digest: digest(&text),
        text,
    })
}

/// Changes a main file and gives what is doubtful in the new text. Nothing is
/// written if the text stays the same.
///
/// # Errors
/// The file has another digest than the one given, the change has no place in
/// it, a reload would refuse it, or it cannot be written.
pub fn change(
    path: &Path,
    expected: Option<&str>,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Vec<ConfigError>, WriteError> {
    let before = read(path)?;
    if expected.is_some_and(|expected| expected != before.digest) {
        return Err(WriteError::Changed(path.to_owned()));
    }
    let text = edit(&before.text).map_err(|source| WriteError::NoPlace {
        path: path.to_owned(),
        source,
    })?;
    let warnings = check(path, &text)?;
    if text != before.text {
        replace(path, &text, &before.digest)?;
    }
    Ok(warnings)
}

/// What a reload would say of this text.
fn check(path: &Path, text: &str) -> Result<Vec<ConfigError>, WriteError> {
    let lookup = Recorder {
        before: None,
        unsettled: &Default::default(),
        read: Default::default(),
    };
    let checked = check_main(&super::name(path), text, &lookup).map_err(WriteError::Refused)?;
    let kefu_core::config::CheckedFile::<Main> { warnings, .. } = checked;
    Ok(warnings)
}

/// Puts the text in the file's place.
fn replace(path: &Path, text: &str, before: &str) -> Result<(), WriteError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            WriteError::ReadOnly(path.to_owned())
        }
        _ => WriteError::Unwritable {
            path: path.to_owned(),
            source,
        },
    };
    // Links stay links: the file they lead to is replaced.
    let real = fs::canonicalize(path).map_err(failed)?;
    let there = fs::metadata(&real).map_err(failed)?;
    // A superuser could write it all the same; whoever took the right away
    // meant it.
    if there.permissions().readonly() {
        return Err(WriteError::ReadOnly(path.to_owned()));
    }
    let folder = real.parent().unwrap_or(Path::new("/"));
    let beside = beside(&real);
    let written = write_beside(&beside, text, &there).and_then(|()| {
        let now = fs::read_to_string(&real)?;
        Ok(digest(&now) == before)
    });
    let outcome = match written {
        Ok(true) => fs::rename(&beside, &real).map_err(failed),
        Ok(false) => Err(WriteError::Changed(path.to_owned())),
        Err(source) => Err(failed(source)),
    };
    if outcome.is_ok()
        && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        // It is in its place; only a power cut could still take it back.
        tracing::warn!(folder = %folder.display(), %error, "the folder of a written file was not synced");
    }
    if outcome.is_err() {
        // Where nothing could be written there is nothing to remove.
        let _ = fs::remove_file(&beside);
    }
    outcome
}

/// A file beside it with the same owner and permissions, safe on disk.
fn write_beside(beside: &Path, text: &str, like: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // It holds secrets perhaps: nobody else may look before the rights of
        // the original are set.
        .mode(0o600)
        .open(beside)?;
    file.write_all(text.as_bytes())?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(like.permissions())?;
    file.sync_all()
}

/// Hidden, and of no ending that the gateway looks for.
fn beside(real: &Path) -> PathBuf {
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    real.with_file_name(format!(".{name}.{}.new", uuid::Uuid::now_v7().simple()))
}

fn digest(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use kefu_core::config::Weight;

    use super::*;
    use crate::config::{NewWeight, set_weights};

    const TEXT: &str = "# kept\r\n[admin]\r\ntoken = \"a-token-for-the-test\"\r\n[apps.demo]\r\nsecret = \"a-secret\"\r\n[desks.support]\r\napp = \"demo\"\r\nroutes = [{ provider = \"a\", weight = 10 }, { provider = \"b\" }] # kept too\r\n";

    #[test]
    fn a_change_goes_through_a_link_and_keeps_the_rights() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.toml");
        fs::write(&real, TEXT).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("kefu.toml");
        symlink("real.toml", &link).unwrap();
        let digest = read(&link).unwrap().digest;
        change(&link, Some(&digest), to(20)).unwrap();
        let expected = TEXT.replace("weight = 10", "weight = 20");
        assert_eq!(fs::read_to_string(&real).unwrap(), expected);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&real).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["kefu.toml", "real.toml"]);
    }

    #[test]
    fn a_change_made_meanwhile_is_not_lost() {
        let (folder, file) = file();
        let digest = read(&file).unwrap().digest;
        let other = format!("{TEXT}# somebody else\n");
        fs::write(&file, &other).unwrap();
        let error = change(&file, Some(&digest), to(20)).unwrap_err();
        assert!(matches!(error, WriteError::Changed(_)), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), other);

        let digest = read(&file).unwrap().digest;
        let meanwhile = change(&file, Some(&digest), |text| {
            fs::write(&file, TEXT).unwrap();
            to(20)(text)
        });
        assert!(matches!(meanwhile, Err(WriteError::Changed(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), TEXT);
        assert_eq!(names(folder.path()), ["kefu.toml"]);
    }

    #[test]
    fn a_text_that_a_reload_would_refuse_is_not_written() {
        let (folder, file) = file();
        let broken = |text: &str| Ok(text.replace("weight = 10", "weight = 101"));
        let error = change(&file, None, broken).unwrap_err().to_string();
        assert!(error.contains("kefu.toml:8:"), "{error}");
        assert!(error.contains("desks.support.routes[0].weight"), "{error}");
        assert!(error.contains("from 0 to 100"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), TEXT);
        assert_eq!(names(folder.path()), ["kefu.toml"]);
    }

    #[test]
    fn a_file_that_is_read_only_is_left_alone_and_said_to_be() {
        let (folder, file) = file();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
        let error = change(&file, None, to(20)).unwrap_err();
        assert!(matches!(error, WriteError::ReadOnly(_)), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), TEXT);
        assert_eq!(names(folder.path()), ["kefu.toml"]);
        // What stays the same needs no right to write.
        assert!(change(&file, None, to(10)).is_ok());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let (folder, file) = file();
        let missing = folder.path().join("gone.toml");
        let error = change(&missing, None, to(20)).unwrap_err().to_string();
        assert!(error.contains("gone.toml"), "{error}");
        let error = change(&file, None, |text| set_weights(text, &"night".into(), &[]));
        assert!(error.unwrap_err().to_string().contains("no desk `night`"));
    }

    fn to(percent: u32) -> impl FnOnce(&str) -> Result<String, EditError> {
        move |text| {
            let wanted = [NewWeight {
                route: 0,
                weight: Weight::percent(percent),
            }];
            set_weights(text, &"support".into(), &wanted)
        }
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kefu.toml");
        fs::write(&file, TEXT).unwrap();
        (folder, file)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
