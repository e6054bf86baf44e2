//! Checked settings of media: what may be uploaded, where it is kept and for
//! how long, what converts it, and what becomes of vendors' links.
//!
//! Owns the types. Deliberately opens no folder and no bucket. Invariant: a
//! bucket has everything that a request to it needs, and a converter's program
//! is named by itself, never as a line for a shell.

use std::{path::PathBuf, time::Duration};

use kefu_plugin_api::Secret;

use super::AllowedHost;

/// `[media]`: what visitors may upload, and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The gateway's own folder: what is coming in, the key that signs, and
    /// with [`MediaStore::Folder`] everything that was kept.
    pub dir: PathBuf,
    /// Where media are kept.
    pub store: MediaStore,
    /// Signs links and ids, where several gateways or short-lived disks share
    /// one store. Absent: a key of its own in `dir`.
    pub signing_key: Option<Secret>,
    /// How long a signed address stays valid.
    pub url_ttl: Duration,
    /// How long media are kept. Absent: for ever.
    pub retention: Option<Duration>,
    /// Programs that bring voice into a form that a vendor takes.
    pub converters: Vec<Converter>,
    /// Pictures.
    pub image: MediaRule,
    /// Voice messages.
    pub voice: MediaRule,
    /// Films.
    pub video: MediaRule,
    /// Everything else that is allowed.
    pub file: MediaRule,
}

impl Media {
    /// What a content type (lower case, without parameters) counts as, and its
    /// limits. `None`: it may not be uploaded.
    pub fn rule_for(&self, content_type: &str) -> Option<(MediaKind, &MediaRule)> {
        [
            (MediaKind::Image, &self.image),
            (MediaKind::Voice, &self.voice),
            (MediaKind::Video, &self.video),
            (MediaKind::File, &self.file),
        ]
        .into_iter()
        .find(|(_, rule)| rule.types.iter().any(|allowed| allowed == content_type))
    }

    /// The largest upload of any kind, in bytes.
    pub fn max_size(&self) -> u64 {
        [&self.image, &self.voice, &self.video, &self.file]
            .map(|rule| rule.max_size)
            .into_iter()
            .max()
            .unwrap_or(0)
    }
}

/// What an upload is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A voice message.
    Voice,
    /// A film.
    Video,
    /// Any other file.
    File,
}

/// The limits of one kind of media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRule {
    /// The largest upload in bytes.
    pub max_size: u64,
    /// The allowed content types, lower case, without parameters.
    pub types: Vec<String>,
}

/// Where media are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaStore {
    /// In the media folder.
    Folder,
    /// In a bucket of an S3-compatible store.
    S3(Box<S3>),
}

/// `store = "s3://…"` and `[media.s3]`: a bucket, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with, without slashes at its ends;
    /// empty: nothing.
    pub prefix: String,
    /// Where it is served, without a slash at the end. Absent: at AWS.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who asks.
    pub access_key: Secret,
    /// What signs the requests.
    pub secret_key: Secret,
    /// Whether the bucket is part of the path, not of the host's name.
    pub path_style: bool,
}

/// One of `[[media.converters]]`: a program that turns one form of voice into
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converter {
    /// Forms that it takes, by their short names.
    pub from: Vec<String>,
    /// The form that it makes.
    pub to: String,
    /// The program and its arguments; `{input}` and `{output}` in them stand
    /// for files.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The largest output in bytes.
    pub max_size: u64,
}

/// `[media]` of a provider: what becomes of links to media that the vendor
/// sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMedia {
    /// Whether they are fetched and kept, or passed on as they are.
    pub inbound: Inbound,
    /// Where they may be fetched besides the provider's own hosts.
    pub hosts: Vec<AllowedHost>,
    /// How long a message waits for its media.
    pub deadline: Duration,
}

impl Default for InboundMedia {
    fn default() -> Self {
        Self {
            inbound: Inbound::Link,
            hosts: Vec::new(),
            deadline: Duration::from_secs(10),
        }
    }
}

/// What becomes of a vendor's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The visitor gets the vendor's own link.
    Link,
    /// It is fetched and kept; the visitor gets the gateway's link.
    Fetch,
}
