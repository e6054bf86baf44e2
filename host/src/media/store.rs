//! Where media are kept, behind one seam.
//!
//! Owns what a store promises; `folder` and `bucket` keep it, and the same
//! tests run on both. Deliberately knows neither visitors nor limits: what
//! comes here was checked. Invariants: what was kept is durable when
//! [`Store::keep`] returns; a description exists only beside its whole file,
//! so that whoever finds the description can read the file; what cannot be
//! kept leaves nothing that is found later.

mod bucket;
mod folder;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use tokio::io::AsyncReadExt;

use super::{About, MediaId};

pub(super) use self::{
    bucket::Bucket,
    folder::{Folder, sync_dir},
};

/// A place for media.
pub(super) enum Store {
    /// A folder of this machine.
    Folder(Folder),
    /// A bucket of an S3-compatible store.
    Bucket(Bucket),
}

/// A file that is removed unless it was moved away.
pub(super) struct Temporary(pub(super) Option<PathBuf>);

/// What there is of one upload when a store is looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whose and which.
    pub(super) id: MediaId,
    /// Whether the description is there; without one it is what an interrupted
    /// upload left.
    pub(super) described: bool,
    /// When it was kept.
    pub(super) at: SystemTime,
}

/// A part of a store that was looked through.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What is there.
    pub(super) seen: Vec<Seen>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<String>,
}

/// Content on its way out.
pub struct Contents(From);

enum From {
    File { file: tokio::fs::File, left: u64 },
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

impl Store {
    /// Keeps a file under an id, with its description. When this returns, both
    /// are durable. The file was written to its end, and need not be synced.
    ///
    /// # Errors
    /// The store does not take it; nothing of it is found later.
    pub(super) async fn keep(
        &self,
        id: &MediaId,
        staged: Temporary,
        about: &About,
    ) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.keep(id, staged, about).await,
            Self::Bucket(bucket) => bucket.keep(id, staged, about).await,
        }
    }

    /// The description of an upload; `None` if there is no such upload.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn about(&self, id: &MediaId) -> io::Result<Option<About>> {
        let found = match self {
            Self::Folder(folder) => folder.description(id).await,
            Self::Bucket(bucket) => bucket.description(id).await,
        };
        match found {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A part of the content; the range is not empty and inside of it.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(&self, id: &MediaId, range: Range<u64>) -> io::Result<Contents> {
        match self {
            Self::Folder(folder) => folder.read(id, range).await,
            Self::Bucket(bucket) => bucket.read(id, range).await,
        }
    }

    /// Looks through a bounded part of the store, from a place where an earlier
    /// look ended or from the beginning.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn look(&self, from: Option<String>) -> io::Result<Page> {
        match self {
            Self::Folder(folder) => folder.look(from).await,
            Self::Bucket(bucket) => bucket.look(from).await,
        }
    }

    /// Removes an upload, its description first. What is gone already is no
    /// error.
    ///
    /// # Errors
    /// The store's; the rest is found at a later look.
    pub(super) async fn remove(&self, id: &MediaId) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.remove(id).await,
            Self::Bucket(bucket) => bucket.remove(id).await,
        }
    }

    /// Gives up what was being kept when the gateway stopped last. How much
    /// that was.
    ///
    /// # Errors
    /// The store's; to be tried again.
    pub(super) async fn abandon_unfinished(&self) -> io::Result<usize> {
        match self {
            Self::Folder(_) => Ok(0),
            Self::Bucket(bucket) => bucket.abandon_unfinished().await,
        }
    }

    /// A place from which looks may begin after a start, so that a gateway
    /// that is restarted often does not look at the first part only.
    pub(super) fn somewhere(&self, moment: Duration) -> Option<String> {
        let shelf = format!("{:02x}", (moment.as_secs() / 7) % 256);
        match self {
            Self::Folder(_) => Some(shelf),
            Self::Bucket(bucket) => Some(bucket.name(&shelf)),
        }
    }
}

impl Contents {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The store's, or that it ends too early.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.0 {
            From::File { left: 0, .. } => Ok(None),
            From::File { file, left } => {
                let wanted = usize::try_from(*left).map_or(CHUNK, |left| left.min(CHUNK));
                let mut chunk = BytesMut::zeroed(wanted);
                let read = file.read(&mut chunk).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                chunk.truncate(read);
                *left -= read as u64;
                Ok(Some(chunk.freeze()))
            }
            From::Stream(pieces) => match tokio::time::timeout(PATIENCE, pieces.next()).await {
                Ok(piece) => piece.transpose(),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        }
    }
}

impl Temporary {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // At worst it is removed at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The last two digits of an id: those that say which, not whose, since one
/// visitor may send much.
fn shelf(id: &MediaId) -> &str {
    &id.as_str()[id.as_str().len() - 2..]
}

/// Adds one name of a listing to what was seen; names that are no uploads are
/// passed over. Both files of an upload make one entry.
fn note(seen: &mut Vec<Seen>, name: &str, at: SystemTime) {
    let (name, described) = match name.strip_suffix(DESCRIPTION) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some(id) = MediaId::parse(name) else {
        return;
    };
    match seen.iter_mut().rev().find(|one| one.id == id) {
        Some(one) => {
            one.described |= described;
            one.at = one.at.max(at);
        }
        None => seen.push(Seen { id, described, at }),
    }
}

const DESCRIPTION: &str = ".json";
const CHUNK: usize = 64 * 1024;
/// How long a store may take for the next piece.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
