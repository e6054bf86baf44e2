//! What comes in: taken piece by piece, looked at, and handed to the store.
//!
//! Owns the way of an upload from its first byte to the store, and the folder
//! in which it rests meanwhile: content is judged before the store sees any of
//! it, and however slow a client is, it takes a file and no memory. Invariant:
//! what is refused, breaks off or is dropped leaves nothing.

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

use super::{
    About, FolderError, KEY_BYTES, Media, MediaId, UploadError, limit,
    links::hex,
    sniff,
    store::{Contents, Temporary, sync_dir},
};
use crate::session::VisitorKey;

/// An upload that is kept.
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

impl Media {
    /// Begins an upload of this visitor that claims to be of this content type.
    ///
    /// # Errors
    /// [`UploadError::InFlight`], or the store's.
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
        self.begin_at(place, claim, rules).await
    }

    /// Begins to take what will have this id; `None` if that is there already
    /// or on its way.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn begin_known(
        &self,
        id: MediaId,
        claim: &str,
        rules: &config::Media,
    ) -> Result<Option<Upload>, UploadError> {
        if !self.under_way().insert(id.clone()) {
            return Ok(None);
        }
        let place = Place::new(self, id, true);
        self.begin_at(place, claim, rules).await.map(Some)
    }

    async fn begin_at(
        &self,
        place: Place,
        claim: &str,
        rules: &config::Media,
    ) -> Result<Upload, UploadError> {
        let path = self.spool_path();
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

    /// What is known of an upload; `None` if there is no such upload.
    ///
    /// # Errors
    /// The store's.
    pub async fn about(&self, id: &MediaId) -> io::Result<Option<About>> {
        self.0.store.about(id).await
    }

    /// A part of an upload: `length` bytes from `start` on, all of them inside
    /// of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self, id: &MediaId, start: u64, length: u64) -> io::Result<Contents> {
        self.0.store.read(id, start..start + length).await
    }

    /// A path of its own for something that is coming in.
    pub(super) fn spool_path(&self) -> PathBuf {
        let name = uuid::Uuid::now_v7().simple().to_string();
        self.0.dir.join(TEMPORARY).join(name)
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
    /// taken, or the store's.
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

    /// What it is, once everything has come; `None` if there is nothing in it.
    ///
    /// # Errors
    /// It is of no kind that is taken, or too large for its kind.
    pub(super) fn settled(&mut self, rules: &config::Media) -> Result<Option<String>, UploadError> {
        if self.size > 0 && self.content_type.is_none() {
            self.settle(rules)?;
            self.check_size()?;
        }
        Ok(self.content_type.clone())
    }

    /// Ends the upload. When this returns, it is durable.
    ///
    /// # Errors
    /// If it is not taken, if its idempotency key belongs to another upload, or
    /// the store's.
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
            && let Some(first) = self.media.about(&self.place.id).await?
        {
            let same = first.sha256 == about.sha256;
            let id = self.place.id.clone();
            return same
                .then_some(Stored { id, about: first })
                .ok_or(UploadError::Reused);
        }
        let (media, place, staged) = (self.media, self.place, self.temporary);
        // Moved into a task: an upload is kept whole even if the client goes
        // away now, and its key is not free before that.
        let kept = tokio::spawn(async move {
            media.0.store.keep(&place.id, staged, &about).await?;
            let id = place.id.clone();
            Ok::<_, io::Error>(Stored { id, about })
        });
        Ok(kept.await.map_err(io::Error::other)??)
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

/// Makes the folder; what interrupted uploads left in it is removed.
pub(super) fn prepare(dir: &Path) -> Result<(), FolderError> {
    let temporary = dir.join(TEMPORARY);
    if temporary.exists() {
        fs::remove_dir_all(&temporary).map_err(unusable(&temporary))?;
    }
    for path in [temporary, dir.join(UNFINISHED)] {
        fs::create_dir_all(&path).map_err(unusable(&path))?;
    }
    Ok(())
}

/// Makes the folder and its key.
pub(super) fn key(dir: &Path) -> Result<[u8; KEY_BYTES], FolderError> {
    prepare(dir)?;
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

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::Unusable { path, source }
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
    sync_dir(dir)?;
    Ok(key)
}

/// How much of an upload is looked at to see what it is.
const HEAD: usize = 8 * 1024;
const TEMPORARY: &str = "tmp";
/// Notes of uploads in parts; they outlive the gateway.
pub(super) const UNFINISHED: &str = "unfinished";
const KEY_FILE: &str = "signing.key";

#[cfg(test)]
mod tests;
