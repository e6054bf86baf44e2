//! Pictures, voices and files of visitors: kept, linked, handed out.
//!
//! Owns what may be put into the store, for how long it stays there, and the
//! signed addresses of what is in it. Deliberately has no database: an upload
//! is a file and a few words beside it, and its id says whose it is.
//! Invariants: an upload that was answered is durable; a link works only as
//! long as it was signed for; an id is signed only for its owner, or for the
//! vendor of a message that carries it.
//!
//! | module | what it owns |
//! |---|---|
//! | `uploads` | what comes in, until the store has it |
//! | `store` | where it is kept: a folder, or a bucket |
//! | `links` | ids and signatures |
//! | `sniff` | what content is, by its bytes |
//! | `retention` | how long it is kept |
//! | [`inbound`] | what vendors link to, fetched |
//! | [`convert`] | voice in another form |
//!
//! In the log and in the outbox a link rests unsigned, in its canonical form
//! `{public_url}/v1/media/{id}`; it is signed whenever it is shown or sent.

pub mod convert;
pub mod inbound;
mod links;
mod retention;
mod sniff;
mod store;
mod uploads;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kefu_core::config::{self, MediaRule, MediaStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::store::{Bucket, Folder, Store};
pub use self::{
    links::{Link, MediaId},
    retention::keep_house,
    store::Contents,
    uploads::{Stored, Upload},
};

/// The media of all visitors. Cheap to clone.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    /// The gateway's own: what is coming in, and its key.
    dir: PathBuf,
    store: Store,
    public_url: String,
    /// Seconds; operators may change it while the gateway runs.
    url_ttl: AtomicU64,
    key: [u8; KEY_BYTES],
    /// Uploads under an idempotency key that have not finished.
    under_way: std::sync::Mutex<std::collections::HashSet<MediaId>>,
    /// Places for converters.
    converting: tokio::sync::Semaphore,
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
    /// The store does not take it.
    #[error("cannot keep an upload: {0}")]
    Store(#[from] io::Error),
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
    /// The bucket cannot be used as it is configured.
    #[error("cannot use the bucket of `media.store`: {0}")]
    Bucket(io::Error),
}

impl Media {
    /// Opens the store as it is configured, and makes what is missing of the
    /// gateway's own folder: the folder itself and the key that signs. What an
    /// interrupted upload left there is removed. A bucket is not asked for
    /// anything yet, so that it need not be there when the gateway starts.
    ///
    /// `public_url` is how the outside reaches the gateway, without a slash at
    /// the end.
    ///
    /// # Errors
    /// If the folder, its key or the settings of the bucket cannot be used.
    pub fn open(
        settings: &config::Media,
        public_url: impl Into<String>,
    ) -> Result<Self, FolderError> {
        let dir = settings.dir.clone();
        let key = match &settings.signing_key {
            Some(key) => {
                uploads::prepare(&dir)?;
                Sha256::digest(key.expose().as_bytes()).into()
            }
            None => uploads::key(&dir)?,
        };
        let store = match &settings.store {
            MediaStore::Folder => Store::Folder(Folder::new(dir.clone())),
            MediaStore::S3(s3) => {
                let notes = dir.join(uploads::UNFINISHED);
                Store::Bucket(Bucket::new(s3, notes).map_err(FolderError::Bucket)?)
            }
        };
        Ok(Self(Arc::new(Inner {
            dir,
            store,
            public_url: public_url.into(),
            url_ttl: AtomicU64::new(settings.url_ttl.as_secs()),
            key,
            under_way: std::sync::Mutex::default(),
            converting: tokio::sync::Semaphore::new(CONVERTERS),
        })))
    }

    /// A store in a folder, with small limits.
    #[cfg(test)]
    pub(crate) fn in_folder(dir: &std::path::Path, public_url: &str, url_ttl: Duration) -> Self {
        let settings = config::Media {
            dir: dir.to_owned(),
            url_ttl,
            ..small_rules()
        };
        Self::open(&settings, public_url).unwrap()
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

#[cfg(test)]
pub(crate) fn small_rules() -> config::Media {
    let text = "[admin]\ntoken = \"a-token-for-the-test\"\n[media.image]\nmax_size = \"16KiB\"";
    let main = config::check_main("kefu.toml", text, &config::NoLookup).unwrap();
    main.settings.media
}

const KEY_BYTES: usize = 32;
/// Converters that run at once: each takes a processor.
const CONVERTERS: usize = 2;
