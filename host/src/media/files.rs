//! Uploads as files: written once, read often.
//!
//! Owns the layout of the media folder: `signing.key`, `tmp/` for what is
//! coming in, and below the first two digits of its id each upload with its
//! description `<id>.json`. Deliberately lists nothing and removes nothing that
//! was answered. Invariant: a description exists only beside a complete file
//! that is on the disk.

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use kefu_core::config;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{About, FolderError, KEY_BYTES, Media, MediaId, UploadError, limit, links::hex, sniff};
use crate::session::VisitorKey;

/// An upload that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: MediaId,
    /// What it is.
    pub about: About,
}

/// An upload that is coming in. Dropping it forgets it.
pub struct Upload {
    media: Media,
    place: Place,
    file: tokio::fs::File,
    temporary: Temporary,
    claim: String,
    head: Vec<u8>,
    digest: Sha256,
    size: u64,
    /// Absent until enough was seen.
    content_type: Option<String>,
    limit: (u64, String),
}

/// The id that an upload will have.
struct Place {
    id: MediaId,
    /// Whether it came under an idempotency key.
    keyed: bool,
    media: Media,
}

/// A file that is removed unless it was moved away.
struct Temporary(Option<PathBuf>);

impl Media {
    /// Begins an upload of this visitor that claims to be of this content type.
    ///
    /// # Errors
    /// [`UploadError::InFlight`], or the folder's.
    pub async fn begin(
        &self,
        who: &VisitorKey,
        key: Option<&str>,
        claim: &str,
        rules: &config::Media,
    ) -> Result<Upload, UploadError> {
        let place = match key {
            None => Place::new(self, self.new_id(who), false),
            Some(key) => {
                let id = self.keyed_id(who, key);
                let mut under_way = self.under_way();
                if !under_way.insert(id.clone()) {
                    return Err(UploadError::InFlight);
                }
                drop(under_way);
                Place::new(self, id, true)
            }
        };
        let path = self
            .0
            .dir
            .join(TEMPORARY)
            .join(uuid::Uuid::now_v7().simple().to_string());
        let file = tokio::fs::File::create_new(&path).await?;
        Ok(Upload {
            media: self.clone(),
            place,
            file,
            temporary: Temporary(Some(path)),
            claim: claim.to_owned(),
            head: Vec::new(),
            digest: Sha256::new(),
            size: 0,
            content_type: None,
            limit: (rules.max_size(), "any upload".to_owned()),
        })
    }

    /// An upload and its description; `None` if there is no such upload.
    ///
    /// # Errors
    /// The folder's.
    pub async fn read(&self, id: &MediaId) -> io::Result<Option<(About, tokio::fs::File)>> {
        let path = self.path(id);
        let about = match tokio::fs::read(description(&path)).await {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some((about, tokio::fs::File::open(path).await?)))
    }

    fn path(&self, id: &MediaId) -> PathBuf {
        // The digits that say which, not whose: one visitor may send much.
        let shelf = &id.as_str()[id.as_str().len() - 2..];
        self.0.dir.join(shelf).join(id.as_str())
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<MediaId>> {
        self.0
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As soon as the upload is known to be too large or not of a kind that is
    /// taken, or the folder's.
    pub async fn write(&mut self, piece: &[u8], rules: &config::Media) -> Result<(), UploadError> {
        self.size += piece.len() as u64;
        if self.head.len() < HEAD {
            let wanted = (HEAD - self.head.len()).min(piece.len());
            self.head.extend_from_slice(&piece[..wanted]);
            if self.head.len() == HEAD {
                self.settle(rules)?;
            }
        }
        self.check_size()?;
        self.digest.update(piece);
        self.file.write_all(piece).await?;
        Ok(())
    }

    /// Ends the upload. When this returns, it is on the disk.
    ///
    /// # Errors
    /// If it is not taken, if its idempotency key belongs to another upload, or
    /// the folder's.
    pub async fn finish(mut self, rules: &config::Media) -> Result<Stored, UploadError> {
        if self.size == 0 {
            return Err(UploadError::Empty);
        }
        if self.content_type.is_none() {
            self.settle(rules)?;
            self.check_size()?;
        }
        let about = About {
            content_type: self.content_type.take().unwrap_or_default(),
            size: self.size,
            sha256: hex(&self.digest.finalize_reset()),
        };
        self.file.flush().await?;
        if self.place.keyed
            && let Some((first, _)) = self.media.read(&self.place.id).await?
        {
            let same = first.sha256 == about.sha256;
            let id = self.place.id.clone();
            return same
                .then_some(Stored { id, about: first })
                .ok_or(UploadError::Reused);
        }
        let path = self.media.path(&self.place.id);
        let id = self.place.id.clone();
        let file = self.file.try_clone().await?.into_std().await;
        // Moved into the task: an upload is kept whole even if the client goes
        // away now.
        let kept = tokio::task::spawn_blocking(move || {
            let (mut temporary, place) = (self.temporary, self.place);
            keep(&file, &mut temporary, &path, &about)?;
            drop(place);
            Ok::<_, io::Error>(about)
        });
        let about = kept.await.map_err(io::Error::other)??;
        Ok(Stored { id, about })
    }

    fn settle(&mut self, rules: &config::Media) -> Result<(), UploadError> {
        let settled =
            sniff::settle(&self.claim, &self.head, rules).map_err(UploadError::NotTaken)?;
        if let Some((_, rule)) = rules.rule_for(&settled) {
            self.limit = limit(rule, &settled);
        }
        self.content_type = Some(settled);
        Ok(())
    }

    fn check_size(&self) -> Result<(), UploadError> {
        let (limit, what) = &self.limit;
        if self.size <= *limit {
            return Ok(());
        }
        Err(UploadError::TooLarge {
            limit: *limit,
            what: what.clone(),
        })
    }
}

impl Place {
    fn new(media: &Media, id: MediaId, keyed: bool) -> Self {
        Self {
            id,
            keyed,
            media: media.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.keyed {
            self.media.under_way().remove(&self.id);
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // At worst it is removed at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the folder and its key; what interrupted uploads left is removed.
pub(super) fn prepare(dir: &Path) -> Result<[u8; KEY_BYTES], FolderError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Unusable { path, source }
    };
    let temporary = dir.join(TEMPORARY);
    if temporary.exists() {
        fs::remove_dir_all(&temporary).map_err(unusable(&temporary))?;
    }
    fs::create_dir_all(&temporary).map_err(unusable(&temporary))?;
    let path = dir.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => bytes
            .as_slice()
            .try_into()
            .map_err(|_| FolderError::BadKey {
                path,
                found: bytes.len(),
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_key(dir, &path).map_err(unusable(&path))
        }
        Err(error) => Err(unusable(&path)(error)),
    }
}

fn make_key(dir: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    // Written aside and moved, so that a half-written key never counts.
    let aside = dir.join(TEMPORARY).join(KEY_FILE);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(key)
}

/// Moves an upload to its place, with its description, and sees it to the disk.
fn keep(file: &fs::File, temporary: &mut Temporary, path: &Path, about: &About) -> io::Result<()> {
    let Some(from) = temporary.0.as_deref() else {
        return Ok(());
    };
    let shelf = path.parent().unwrap_or(path);
    let is_new_shelf = !shelf.exists();
    fs::create_dir_all(shelf)?;
    file.sync_all()?;
    let aside = from.with_extension("json");
    let mut words = fs::File::create_new(&aside)?;
    words.write_all(&serde_json::to_vec(about)?)?;
    words.sync_all()?;
    fs::rename(from, path)?;
    temporary.0 = None;
    fs::rename(&aside, description(path))?;
    fs::File::open(shelf)?.sync_all()?;
    if is_new_shelf && let Some(dir) = shelf.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn description(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// How much of an upload is looked at to see what it is.
const HEAD: usize = 8 * 1024;
const TEMPORARY: &str = "tmp";
const KEY_FILE: &str = "signing.key";

#[cfg(test)]
mod tests;
