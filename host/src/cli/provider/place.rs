//! Puts the files in place.
//!
//! Owns the order: secrets first, then the file that refers to them, so that a
//! watching gateway never reads a reference that leads nowhere. Invariants: a
//! file appears whole or not at all; what existed is not replaced unless that
//! was asked for; if anything fails, everything is as it was.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tempfile::Builder;

use super::draft::{Draft, Place};

/// Names the files that exist and would be replaced.
pub(super) fn in_the_way(draft: &Draft) -> Vec<PathBuf> {
    files(draft)
        .map(|(path, ..)| path.to_owned())
        .filter(|path| fs::symlink_metadata(path).is_ok())
        .collect()
}

/// Writes all of them.
///
/// # Errors
/// What could not be written; then nothing was.
pub(super) fn put(draft: &Draft, replace: bool) -> anyhow::Result<()> {
    let mut done = Vec::new();
    for (path, text, mode) in files(draft) {
        let written = write(path, text, mode, replace);
        match written {
            Ok(before) => done.push((path, before)),
            Err(error) => {
                for (path, before) in done.into_iter().rev() {
                    take_back(path, before);
                }
                return Err(error.context("nothing was changed"));
            }
        }
    }
    Ok(())
}

/// Every file in its order, with its mode.
fn files(draft: &Draft) -> impl Iterator<Item = (&Path, &str, u32)> {
    let secrets = draft.kept.iter().filter_map(|kept| match &kept.place {
        Place::File(path) => Some((path.as_path(), kept.secret.expose(), SECRET)),
        Place::Variable(_) => None,
    });
    secrets.chain([(draft.file.as_path(), draft.text.as_str(), PLAIN)])
}

/// What stood there before, if anything did.
type Before = Option<(Vec<u8>, u32)>;

fn write(path: &Path, text: &str, mode: u32, replace: bool) -> anyhow::Result<Before> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let write = || -> anyhow::Result<Before> {
        let folder_mode = if mode == SECRET { 0o700 } else { 0o755 };
        if !folder.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(folder_mode)
                .create(folder)?;
            like_parent(folder)?;
        }
        let before = match fs::read(path) {
            Ok(bytes) => Some((bytes, fs::metadata(path)?.permissions().mode())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if before.is_some() && !replace {
            bail!("it exists; --force replaces it");
        }
        // Hidden, so that nobody takes it for a provider's file meanwhile.
        let mut fresh = Builder::new()
            .prefix(".new-")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        io::Write::write_all(&mut fresh, text.as_bytes())?;
        fresh.as_file().sync_all()?;
        like_parent(fresh.path())?;
        if replace {
            fresh.persist(path)?;
        } else {
            // Somebody may have made one since we looked.
            fresh.persist_noclobber(path)?;
        }
        fs::File::open(folder)?.sync_all()?;
        Ok(before)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Written by root for a gateway that is not: it has to be able to read it.
fn like_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    else {
        return Ok(());
    };
    let (of_parent, own) = (fs::metadata(parent)?, fs::metadata(path)?);
    if own.uid() == 0 && of_parent.uid() != 0 {
        chown(path, Some(of_parent.uid()), Some(of_parent.gid()))?;
    }
    Ok(())
}

/// As well as it can be done: whoever is told of the failure looks anyway.
fn take_back(path: &Path, before: Before) {
    match before {
        None => drop(fs::remove_file(path)),
        Some((bytes, mode)) => {
            drop(fs::write(path, bytes));
            drop(fs::set_permissions(path, fs::Permissions::from_mode(mode)));
        }
    }
}

/// Only the gateway's user reads it.
const SECRET: u32 = 0o600;
/// There is no secret in it.
const PLAIN: u32 = 0o644;

#[cfg(test)]
mod tests {
    use kefu_plugin_api::Secret;

    use super::*;
    use crate::cli::provider::draft::Kept;

    fn draft(folder: &Path) -> Draft {
        Draft {
            file: folder.join("providers/a.toml"),
            text: "id = \"a\"\n".into(),
            kept: vec![Kept {
                setting: "key".into(),
                reference: "${file:secrets/a.key}".into(),
                place: Place::File(folder.join("secrets/a.key")),
                secret: Secret::new("k"),
            }],
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn secrets_are_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let draft = draft(folder.path());
        put(&draft, false).expect("written");
        assert_eq!(fs::read_to_string(&draft.file).expect("there"), draft.text);
        assert_eq!(mode(&folder.path().join("secrets/a.key")), 0o600);
        assert_eq!(mode(&folder.path().join("secrets")), 0o700);
        assert_eq!(names(&folder.path().join("providers")), ["a.toml"]);
    }

    #[test]
    fn what_exists_is_replaced_only_on_demand_and_otherwise_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let draft = draft(folder.path());
        fs::create_dir(folder.path().join("providers")).expect("made");
        fs::write(&draft.file, "theirs").expect("written");
        assert_eq!(in_the_way(&draft), std::slice::from_ref(&draft.file));
        let error = format!("{:#}", put(&draft, false).unwrap_err());
        assert!(
            error.contains("--force") && error.contains("a.toml"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&draft.file).expect("there"), "theirs");
        assert!(names(&folder.path().join("secrets")).is_empty());
        put(&draft, true).expect("replaced");
        assert_eq!(fs::read_to_string(&draft.file).expect("there"), draft.text);
    }

    #[test]
    fn a_failure_gives_back_what_was_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let draft = draft(folder.path());
        fs::create_dir(folder.path().join("secrets")).expect("made");
        fs::write(folder.path().join("secrets/a.key"), "old").expect("written");
        // Where the file should go there is a folder.
        fs::create_dir_all(&draft.file).expect("made");
        put(&draft, true).unwrap_err();
        let old = fs::read_to_string(folder.path().join("secrets/a.key")).expect("there");
        assert_eq!(old, "old");
    }
}
