//! Media that vendors link to: fetched before the message that carries them is
//! logged.
//!
//! Owns which links of an adapter's answer are waited for, and what is written
//! in their place. Deliberately fetches nothing: a [`MediaFetcher`] does, while
//! the turn does not exist. The turn is run, found to need media, dropped, and
//! run again when every link is settled: kept here, or given up. Nothing was
//! committed in between, so that a crash loses nothing: what the vendor told
//! is still in the inbox, what it answered is still in the outbox.
//!
//! Invariants: while an event waits for its media, the vendor's later events
//! of the same session wait behind it, and the visitor's own messages go on;
//! a link that cannot be kept stays the vendor's, and the message says so.

use std::{collections::BTreeMap, sync::Arc};

use kefu_core::session::Record;
use kefu_plugin_api::{
    effect::Effect,
    ids::ProviderId,
    message::{Content, ContentKind},
};

use super::VisitorKey;

/// A link to be fetched, and what should be behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedLink {
    /// The vendor's address.
    pub url: String,
    /// What the message says that it is; `File` for anything.
    pub kind: ContentKind,
}

/// Links of one message or several, which are waited for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose links they are.
    pub provider: ProviderId,
    /// Who is to see them.
    pub who: VisitorKey,
    /// What the message belongs to: the same again after a restart, so that
    /// what was fetched before is found.
    pub cause: String,
    /// The links.
    pub links: Vec<WantedLink>,
}

/// Media that were fetched and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMedia {
    /// The gateway's own address, as it rests in the log.
    pub url: String,
    /// The short name of its form, where it is a voice.
    pub format: Option<String>,
    /// Bytes.
    pub size: u64,
}

/// What became of links: kept, or why not, in words for the app.
pub type Settled = BTreeMap<String, Result<KeptMedia, String>>;

/// Who fetches media.
pub trait MediaFetcher: Send + Sync {
    /// Whether this link of a provider is to be fetched.
    fn fetches(&self, provider: &ProviderId, who: &VisitorKey, url: &str) -> bool;

    /// Settles every link, within the provider's time, and says how. Returns at
    /// once; `done` is called on another thread, unless the gateway stops.
    fn fetch(&self, wanted: Wanted, done: Box<dyn FnOnce(Settled) + Send>);
}

/// What a turn knows of media that are to be fetched.
pub(super) struct Fetching {
    pub(super) cause: String,
    pub(super) settled: Settled,
}

impl Fetching {
    /// Puts what was settled into what the adapter wants to be done.
    ///
    /// # Errors
    /// Links that have to be settled before.
    pub(super) fn apply(
        &self,
        fetcher: &Arc<dyn MediaFetcher>,
        record: &Record,
        effects: &mut [Effect],
    ) -> Result<(), Wanted> {
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        let mut links: Vec<WantedLink> = Vec::new();
        for effect in effects {
            let Effect::Deliver { message } = effect else {
                continue;
            };
            for link in linked(&message.content) {
                let is_known = self.settled.contains_key(&link.url) || links.contains(&link);
                if !is_known && fetcher.fetches(&record.provider, &who, &link.url) {
                    links.push(link);
                }
            }
            put(&mut message.content, &self.settled);
        }
        // An adapter that names other links each time it is asked is given up.
        if links.is_empty() || self.settled.len() >= MOST_LINKS {
            return Ok(());
        }
        links.truncate(MOST_LINKS);
        Err(Wanted {
            provider: record.provider.clone(),
            who,
            cause: self.cause.clone(),
            links,
        })
    }

    /// Why links stay the vendor's own.
    pub(super) fn given_up(&self) -> BTreeMap<String, String> {
        let failed = self.settled.iter().filter_map(|(url, settled)| {
            let reason = settled.as_ref().err()?;
            Some((url.clone(), reason.clone()))
        });
        failed.collect()
    }
}

/// Links of one event that are waited for.
const MOST_LINKS: usize = 32;

/// The links of a content, each with what should be behind it.
fn linked(content: &Content) -> Vec<WantedLink> {
    let mut links = Vec::new();
    let mut add = |url: &String, kind| {
        links.push(WantedLink {
            url: url.clone(),
            kind,
        });
    };
    match content {
        Content::Image { url, thumbnail, .. } => {
            add(url, ContentKind::Image);
            thumbnail
                .iter()
                .for_each(|url| add(url, ContentKind::Image));
        }
        Content::Video { url, thumbnail, .. } => {
            add(url, ContentKind::Video);
            thumbnail
                .iter()
                .for_each(|url| add(url, ContentKind::Image));
        }
        Content::Voice { url, .. } => add(url, ContentKind::Voice),
        Content::File { url, .. } => add(url, ContentKind::File),
        Content::Rich { image_url, .. } => {
            image_url
                .iter()
                .for_each(|url| add(url, ContentKind::Image));
        }
        _ => {}
    }
    links
}

/// Writes what was kept in the place of the vendor's links.
fn put(content: &mut Content, settled: &Settled) {
    let kept = |url: &str| settled.get(url).and_then(|one| one.as_ref().ok());
    match content {
        Content::Voice { url, format, .. } => {
            if let Some(known) = kept(url).and_then(|media| media.format.clone()) {
                *format = known;
            }
        }
        Content::File { url, size, .. } => {
            if let Some(media) = kept(url) {
                *size = media.size;
            }
        }
        _ => {}
    }
    for url in content.media_urls_mut() {
        if let Some(media) = kept(url) {
            url.clone_from(&media.url);
        }
    }
}
