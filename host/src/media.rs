//! Pictures, voices and files of visitors: kept, linked, handed out.
//!
//! Owns the media folder, what may be put into it, and the signed addresses of
//! what is in it. Deliberately has no database: an upload is a file and a few
//! words beside it, and its id says whose it is. Invariants: an upload that was
//! answered is on the disk; a link works only as long as it was signed for; an
//! id is signed only for its owner, or for the vendor of a message that carries
//! it.
//!
//! In the log and in the outbox a link rests unsigned, in its canonical form
//! `{public_url}/v1/media/{id}`; it is signed whenever it is shown or sent.

mod files;
mod links;
mod sniff;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kefu_core::config::MediaRule;
use serde::{Deserialize, Serialize};

pub use files::{Stored, Upload};
pub use links::{Link, MediaId};

/// The media of all visitors. Cheap to clone.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    public_url: String,
    /// Seconds; operators may change it while the gateway runs.
    url_ttl: AtomicU64,
    key: [u8; KEY_BYTES],
    /// Uploads under an idempotency key that have not finished.
    under_way: std::sync::Mutex<std::collections::HashSet<MediaId>>,
}

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What it is, as far as its content shows.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is nothing in it.
    #[error("the body is empty")]
    Empty,
    /// It is larger than its kind may be.
    #[error("the body is larger than {limit} bytes, the most for {what}")]
    TooLarge {
        /// The limit that it broke.
        limit: u64,
        /// Of what.
        what: String,
    },
    /// Its kind is not taken, or it is not what it claims to be.
    #[error("{0}")]
    NotTaken(String),
    /// The first upload with this idempotency key has not finished.
    #[error("the first upload with this idempotency key is under way")]
    InFlight,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used for another upload")]
    Reused,
    /// The folder does not take it.
    #[error("cannot keep an upload in the media folder: {0}")]
    Folder(#[from] io::Error),
}

/// Why the media folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made or read.
    #[error("cannot use the media folder {}: {source}", path.display())]
    Unusable {
        /// What was touched.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The key file is not one.
    #[error(
        "cannot use {}: it has {found} bytes, a signing key has {KEY_BYTES}; without the file a new key is made, and links that were given out stop working",
        path.display()
    )]
    BadKey {
        /// The file.
        path: PathBuf,
        /// How long it is.
        found: usize,
    },
}

impl Media {
    /// Opens the folder and makes what is missing: the folder itself and the
    /// key that signs. What an interrupted upload left is removed.
    ///
    /// `public_url` is how the outside reaches the gateway, without a slash at
    /// the end; `url_ttl` is how long a link works.
    ///
    /// # Errors
    /// If the folder or its key cannot be used.
    pub fn open(
        dir: impl Into<PathBuf>,
        public_url: impl Into<String>,
        url_ttl: Duration,
    ) -> Result<Self, FolderError> {
        let dir = dir.into();
        let key = files::prepare(&dir)?;
        Ok(Self(Arc::new(Inner {
            dir,
            public_url: public_url.into(),
            url_ttl: AtomicU64::new(url_ttl.as_secs()),
            key,
            under_way: std::sync::Mutex::default(),
        })))
    }

    fn url_ttl(&self) -> Duration {
        Duration::from_secs(self.0.url_ttl.load(Ordering::Relaxed))
    }

    /// Lets links that are made from now on work for so long.
    pub fn set_url_ttl(&self, url_ttl: Duration) {
        self.0.url_ttl.store(url_ttl.as_secs(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({})", self.0.dir.display())
    }
}

/// How much of a kind may come.
fn limit(rule: &MediaRule, content_type: &str) -> (u64, String) {
    (rule.max_size, content_type.to_owned())
}

const KEY_BYTES: usize = 32;
