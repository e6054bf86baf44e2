//! Media as files: written once, read often.
//!
//! Owns the layout: below the last two digits of its id each upload, with its
//! description `<id>.json` beside it. An upload is moved to its place, never
//! copied, which is why a general file store does not do: it would write each
//! byte twice. Invariant: a description is moved to its place only when the
//! file is there and on the disk.

use std::{
    fs, io,
    io::{SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use tokio::{io::AsyncSeekExt, task::spawn_blocking};

use super::{Contents, DESCRIPTION, From, Page, Temporary, note, shelf};
use crate::media::{About, MediaId};

/// A folder of media.
pub(in crate::media) struct Folder {
    dir: PathBuf,
}

impl Folder {
    pub(in crate::media) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) async fn keep(
        &self,
        id: &MediaId,
        staged: Temporary,
        about: &About,
    ) -> io::Result<()> {
        let path = self.path(id);
        let words = serde_json::to_vec(about)?;
        // A task of its own: what was begun ends, whoever goes away meanwhile.
        spawn_blocking(move || keep(staged, &path, &words))
            .await
            .map_err(io::Error::other)?
    }

    pub(super) async fn description(&self, id: &MediaId) -> io::Result<Vec<u8>> {
        tokio::fs::read(description(&self.path(id))).await
    }

    pub(super) async fn read(&self, id: &MediaId, range: Range<u64>) -> io::Result<Contents> {
        let mut file = tokio::fs::File::open(self.path(id)).await?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).await?;
        }
        let left = range.end - range.start;
        Ok(Contents(From::File { file, left }))
    }

    /// One shelf at least, and more of them while little was seen.
    pub(super) async fn look(&self, from: Option<String>) -> io::Result<Page> {
        let dir = self.dir.clone();
        spawn_blocking(move || {
            let first = from.map_or(0, |from| u16::from_str_radix(&from, 16).unwrap_or(0));
            let mut seen = Vec::new();
            for number in first..SHELVES {
                if seen.len() >= LOOKS {
                    let next = Some(format!("{number:02x}"));
                    return Ok(Page { seen, next });
                }
                look_at_shelf(&dir.join(format!("{number:02x}")), &mut seen)?;
            }
            Ok(Page { seen, next: None })
        })
        .await
        .map_err(io::Error::other)?
    }

    pub(super) async fn remove(&self, id: &MediaId) -> io::Result<()> {
        let path = self.path(id);
        for path in [description(&path), path] {
            match tokio::fs::remove_file(path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, id: &MediaId) -> PathBuf {
        self.dir.join(shelf(id)).join(id.as_str())
    }
}

/// Moves an upload to its place, with its description, and sees it to the disk.
fn keep(mut staged: Temporary, path: &Path, words: &[u8]) -> io::Result<()> {
    let from = staged.path().to_owned();
    let shelf = path.parent().unwrap_or(path);
    let is_new_shelf = !shelf.exists();
    fs::create_dir_all(shelf)?;
    fs::File::open(&from)?.sync_all()?;
    let mut aside = Temporary(Some(from.with_extension("json")));
    let mut file = fs::File::create_new(aside.path())?;
    file.write_all(words)?;
    file.sync_all()?;
    fs::rename(&from, path)?;
    staged.0 = None;
    fs::rename(aside.path(), description(path))?;
    aside.0 = None;
    sync_dir(shelf)?;
    if is_new_shelf && let Some(dir) = shelf.parent() {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Sees a folder's entries to the disk.
pub(in crate::media) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn look_at_shelf(shelf: &Path, seen: &mut Vec<super::Seen>) -> io::Result<()> {
    let entries = match fs::read_dir(shelf) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // It may have been removed meanwhile.
        if let (Ok(name), Ok(about)) = (entry.file_name().into_string(), entry.metadata()) {
            found.push((name, about.modified()?));
        }
    }
    // In order, both files of an upload are beside each other.
    found.sort();
    let mut here = Vec::new();
    for (name, at) in found {
        note(&mut here, &name, at);
    }
    seen.append(&mut here);
    Ok(())
}

fn description(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(DESCRIPTION);
    path.into()
}

const SHELVES: u16 = 256;
/// After so many uploads a look ends with its shelf.
const LOOKS: usize = 2_000;
