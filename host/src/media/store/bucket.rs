//! Media as objects of an S3-compatible store.
//!
//! Owns the names of objects, which are those of the folder below a prefix, so
//! that one can be copied to the other; and how a file gets there: at once if
//! it is small, else in parts, of which one at a time is in memory. Invariants:
//! the description is written last; an upload in parts that is not completed is
//! aborted, after a crash at the next start: its number rests in a note on the
//! disk while it is under way.

use std::{fs, io, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    multipart::{MultipartStore, PartId},
    path::Path,
};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use kefu_core::config::S3;

use super::{Contents, DESCRIPTION, From, Page, Temporary, note, shelf};
use crate::{
    delivery::ObjectClient,
    media::{About, MediaId},
};

/// A bucket of media.
#[derive(Clone)]
pub(in crate::media) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    /// Where uploads under way are noted.
    notes: PathBuf,
}

/// An upload in parts that is under way.
#[derive(Serialize, Deserialize)]
struct Unfinished {
    name: String,
    upload: String,
}

impl Bucket {
    /// A bucket as it is configured. Nothing is asked of it yet.
    ///
    /// # Errors
    /// What it is configured by cannot be used.
    pub(in crate::media) fn new(s3: &S3, notes: PathBuf) -> io::Result<Self> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_access_key_id(s3.access_key.expose())
            .with_secret_access_key(s3.secret_key.expose())
            .with_virtual_hosted_style_request(!s3.path_style)
            .with_http_connector(ObjectClient::new())
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 4,
                retry_timeout: RETRIED_FOR,
            });
        if let Some(endpoint) = &s3.endpoint {
            // For hosts of buckets the address names the bucket itself.
            let address = if s3.path_style {
                endpoint.clone()
            } else {
                endpoint.replacen("://", &format!("://{}.", s3.bucket), 1)
            };
            builder = builder
                .with_allow_http(endpoint.starts_with("http://"))
                .with_endpoint(address);
        }
        Ok(Self {
            store: Arc::new(builder.build().map_err(io::Error::other)?),
            prefix: s3.prefix.clone(),
            notes,
        })
    }

    pub(super) async fn keep(
        &self,
        id: &MediaId,
        staged: Temporary,
        about: &About,
    ) -> io::Result<()> {
        let (bucket, id) = (self.clone(), id.clone());
        let (size, words) = (about.size, serde_json::to_vec(about)?);
        // A task of its own: what was begun ends, whoever goes away meanwhile.
        let kept = tokio::spawn(async move {
            let name = bucket.object(&id, "");
            let mut file = tokio::fs::File::open(staged.path()).await?;
            if size <= PART as u64 {
                let whole = next_part(&mut file).await?;
                bucket.store.put(&name, whole.into()).await?;
            } else {
                bucket.keep_in_parts(&name, &mut file).await?;
            }
            let words = Bytes::from(words);
            let described = bucket.object(&id, DESCRIPTION);
            if let Err(error) = bucket.store.put(&described, words.into()).await {
                // Without a description it is not found; why it stays a while
                // is said by the look that removes it.
                let _ = bucket.store.delete(&name).await;
                return Err(error.into());
            }
            Ok(())
        });
        kept.await.map_err(io::Error::other)?
    }

    async fn keep_in_parts(&self, name: &Path, file: &mut tokio::fs::File) -> io::Result<()> {
        let upload = self.store.create_multipart(name).await?;
        let unfinished = Unfinished {
            name: name.to_string(),
            upload,
        };
        let note = self.write_note(&unfinished)?;
        let sent = async {
            let mut parts: Vec<PartId> = Vec::new();
            loop {
                let part = next_part(file).await?;
                if part.is_empty() {
                    break;
                }
                let sent = self
                    .store
                    .put_part(name, &unfinished.upload, parts.len(), part.into());
                parts.push(sent.await?);
            }
            let completed = self
                .store
                .complete_multipart(name, &unfinished.upload, parts);
            completed.await?;
            io::Result::Ok(())
        };
        let sent = sent.await;
        if sent.is_ok() || self.abort(&unfinished).await.is_ok() {
            // At worst an abort finds nothing at the next start.
            let _ = fs::remove_file(note);
        }
        sent
    }

    async fn abort(&self, unfinished: &Unfinished) -> io::Result<()> {
        let name = Path::from(unfinished.name.as_str());
        let aborted = self.store.abort_multipart(&name, &unfinished.upload);
        match aborted.await {
            // Completed, or aborted before.
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn write_note(&self, unfinished: &Unfinished) -> io::Result<PathBuf> {
        let note = self.notes.join(uuid::Uuid::now_v7().simple().to_string());
        fs::write(&note, serde_json::to_vec(unfinished)?)?;
        Ok(note)
    }

    pub(super) async fn abandon_unfinished(&self) -> io::Result<usize> {
        let mut abandoned = 0;
        for entry in fs::read_dir(&self.notes)? {
            let note = entry?.path();
            // A note that was half written belongs to an upload that had not
            // begun to send.
            if let Ok(unfinished) = serde_json::from_slice::<Unfinished>(&fs::read(&note)?) {
                self.abort(&unfinished).await?;
                abandoned += 1;
            }
            fs::remove_file(note)?;
        }
        Ok(abandoned)
    }

    pub(super) async fn description(&self, id: &MediaId) -> io::Result<Vec<u8>> {
        let found = self.store.get(&self.object(id, DESCRIPTION)).await?;
        Ok(found.bytes().await?.into())
    }

    pub(super) async fn read(&self, id: &MediaId, range: Range<u64>) -> io::Result<Contents> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.object(id, ""), options).await?;
        let pieces = found.into_stream().map(|piece| piece.map_err(Into::into));
        Ok(Contents(From::Stream(pieces.boxed())))
    }

    pub(super) async fn look(&self, from: Option<String>) -> io::Result<Page> {
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let mut listed = match from {
            Some(from) => self
                .store
                .list_with_offset(prefix.as_ref(), &Path::from(from)),
            None => self.store.list(prefix.as_ref()),
        };
        let mut page = Page::default();
        let mut last: Option<String> = None;
        for _ in 0..LOOKS {
            let Some(object) = listed.next().await else {
                return Ok(page);
            };
            let object = object?;
            let name = object.location.filename().unwrap_or_default();
            note(&mut page.seen, name, object.last_modified.into());
            last = Some(object.location.to_string());
        }
        // The description of the last one may come next: it is looked at again
        // with it.
        if let Some(name) = last.filter(|name| !name.ends_with(DESCRIPTION)) {
            page.seen.pop();
            page.next = Some(before(&name));
        } else {
            page.next = page.seen.last().map(|one| self.name(&described(&one.id)));
        }
        Ok(page)
    }

    pub(super) async fn remove(&self, id: &MediaId) -> io::Result<()> {
        for what in [DESCRIPTION, ""] {
            match self.store.delete(&self.object(id, what)).await {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The full name of something below the prefix.
    pub(super) fn name(&self, below: &str) -> String {
        if self.prefix.is_empty() {
            below.to_owned()
        } else {
            format!("{}/{below}", self.prefix)
        }
    }

    fn object(&self, id: &MediaId, what: &str) -> Path {
        Path::from(self.name(&format!("{}/{id}{what}", shelf(id))))
    }
}

fn described(id: &MediaId) -> String {
    format!("{}/{id}{DESCRIPTION}", shelf(id))
}

/// A name after which a listing begins with `name`.
fn before(name: &str) -> String {
    let mut shorter = name.to_owned();
    shorter.pop();
    shorter
}

/// The next part of a file; empty at its end.
async fn next_part(file: &mut tokio::fs::File) -> io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}

/// What S3 takes as the smallest part is 5 MiB.
const PART: usize = 8 << 20;
/// What one page of a listing holds.
const LOOKS: usize = 1_000;
/// The client waits meanwhile.
const RETRIED_FOR: Duration = Duration::from_secs(15);
