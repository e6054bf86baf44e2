//! Media that vendors link to: fetched, judged as uploads are, and kept.
//!
//! Owns one fetch from the link to the store, and how many run at once.
//! Deliberately decides neither when a message goes on nor what is written in
//! it: the session engine does. Invariants: what is kept passed the same
//! sniffing and limits as a visitor's upload, and is of the kind that the
//! message says; whatever goes wrong ends as a reason, within the provider's
//! time.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use kefu_core::config::{Config, Inbound as Mode, MediaKind};
use kefu_plugin_api::{ids::ProviderId, message::ContentKind};
use tokio::{runtime::Handle, sync::Semaphore};

use super::{About, Link, Media, MediaId, UploadError, sniff::short_name};
use crate::{
    delivery::{Account, Accounts, Downloads, Standing},
    session::{KeptMedia, MediaFetcher, Settled, VisitorKey, Wanted, WantedLink},
    telemetry::Metrics,
};

/// Fetches media. Cheap to clone.
#[derive(Clone)]
pub struct Inbound(Arc<Shared>);

/// What fetching needs.
pub struct Parts {
    /// Where media are kept.
    pub media: Media,
    /// The providers, and the hosts they may be asked at.
    pub accounts: Arc<dyn Accounts>,
    /// The limits.
    pub config: Arc<ArcSwap<Config>>,
    /// The numbers.
    pub metrics: Metrics,
    /// Where the work is done.
    pub runtime: Handle,
}

struct Shared {
    parts: Parts,
    downloads: Downloads,
    places: Semaphore,
}

/// Why a link stays the vendor's.
enum Failure {
    /// It may not be fetched or kept; the words are for the app.
    Refused(&'static str, String),
    /// It could not be had; the words are for operators.
    NotHad(String),
}

impl Inbound {
    /// Fetches from now on.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            parts,
            downloads: Downloads::new(),
            places: Semaphore::new(AT_ONCE),
        }))
    }

    async fn settle_all(&self, wanted: &Wanted) -> Settled {
        let account = match self.0.parts.accounts.standing(&wanted.provider) {
            Standing::Serves(account) => Some(account),
            Standing::Held | Standing::Absent { .. } => None,
        };
        let deadline = account
            .as_ref()
            .map_or(Duration::ZERO, |account| account.provider.media.deadline);
        let one = |link| self.settle(wanted, account.as_ref(), link, deadline);
        join_all(wanted.links.iter().map(one))
            .await
            .into_iter()
            .collect()
    }

    async fn settle(
        &self,
        wanted: &Wanted,
        account: Option<&Account>,
        link: &WantedLink,
        deadline: Duration,
    ) -> (String, Result<KeptMedia, String>) {
        let fetched = match account {
            Some(account) => {
                let fetch = self.fetch_one(wanted, account, link);
                tokio::time::timeout(deadline, fetch)
                    .await
                    .map_err(|_| "late")
            }
            None => Err("late"),
        };
        let provider = &wanted.provider;
        let (outcome, settled) = match fetched {
            Ok(Ok(kept)) => ("kept", Ok(kept)),
            Ok(Err(Failure::Refused(outcome, words))) => (outcome, Err(words)),
            Ok(Err(Failure::NotHad(reason))) => {
                tracing::warn!(%provider, reason, "media of a vendor were not fetched");
                let words = "the provider did not hand it out".to_owned();
                ("failed", Err(words))
            }
            Err(outcome) => {
                tracing::warn!(%provider, ?deadline, "media of a vendor were not fetched in time");
                let words = "the provider did not hand it out in time".to_owned();
                (outcome, Err(words))
            }
        };
        self.0.parts.metrics.media_fetched(provider, outcome);
        (link.url.clone(), settled)
    }

    async fn fetch_one(
        &self,
        wanted: &Wanted,
        account: &Account,
        link: &WantedLink,
    ) -> Result<KeptMedia, Failure> {
        let Parts { media, config, .. } = &self.0.parts;
        let id = media.fetched_id(&wanted.who, &wanted.provider, &wanted.cause, &link.url);
        let not_kept = |error: std::io::Error| Failure::NotHad(format!("the store: {error}"));
        // Fetched before the gateway stopped.
        if let Some(about) = media.about(&id).await.map_err(not_kept)? {
            return Ok(kept(media, &id, &about));
        }
        // The semaphore is never closed.
        let _place = self.0.places.acquire().await;
        let config = config.load_full();
        let rules = &config.main.media;
        let check = |uri: &_| account.check_media_target(uri);
        let mut download = self
            .0
            .downloads
            .get(&link.url, check)
            .await
            .map_err(Failure::NotHad)?;
        if download.length.is_some_and(|size| size > rules.max_size()) {
            return Err(refused(UploadError::TooLarge {
                limit: rules.max_size(),
                what: "any media".to_owned(),
            }));
        }
        let begun = media.begin_known(id.clone(), "", rules).await;
        let Some(mut upload) = begun.map_err(refused)? else {
            let words = "it is being fetched already".to_owned();
            return Err(Failure::Refused("failed", words));
        };
        while let Some(piece) = download.next().await.map_err(Failure::NotHad)? {
            upload.write(&piece, rules).await.map_err(refused)?;
        }
        let is_of_kind = |content_type: &str| match rules.rule_for(content_type) {
            Some((found, _)) => fits(link.kind, found, content_type),
            None => false,
        };
        if let Some(found) = upload.settled(rules).map_err(refused)?
            && !is_of_kind(&found)
        {
            let words = format!(
                "it is {found}, not the {} it is said to be",
                link.kind.as_str()
            );
            return Err(Failure::Refused("refused", words));
        }
        let stored = upload.finish(rules).await.map_err(refused)?;
        self.0.parts.metrics.media_stored(stored.about.size);
        Ok(kept(media, &stored.id, &stored.about))
    }
}

impl MediaFetcher for Inbound {
    fn fetches(&self, provider: &ProviderId, who: &VisitorKey, url: &str) -> bool {
        let Parts {
            media, accounts, ..
        } = &self.0.parts;
        let config = accounts.config(provider);
        config.is_some_and(|config| config.media.inbound == Mode::Fetch)
            && media.link(url, who) == Link::Foreign
    }

    fn fetch(&self, wanted: Wanted, done: Box<dyn FnOnce(Settled) + Send>) {
        let inbound = self.clone();
        self.0.parts.runtime.spawn(async move {
            done(inbound.settle_all(&wanted).await);
        });
    }
}

fn kept(media: &Media, id: &MediaId, about: &About) -> KeptMedia {
    KeptMedia {
        url: media.canonical_url(id),
        format: short_name(&about.content_type).map(str::to_owned),
        size: about.size,
    }
}

/// Whether content of this type is what the message says that it is. Some
/// containers hold voice and film alike.
fn fits(said: ContentKind, found: MediaKind, content_type: &str) -> bool {
    let in_container = matches!(content_type, "video/mp4" | "video/webm");
    match said {
        ContentKind::Image => found == MediaKind::Image,
        ContentKind::Voice => found == MediaKind::Voice || in_container,
        ContentKind::Video => found == MediaKind::Video,
        _ => true,
    }
}

fn refused(error: UploadError) -> Failure {
    match error {
        UploadError::Store(error) => Failure::NotHad(format!("the store: {error}")),
        error => Failure::Refused("refused", error.to_string()),
    }
}

/// Each takes a connection and a file.
const AT_ONCE: usize = 16;
