//! Conversations that the gateway has with its desks, to see whether they are
//! answered.
//!
//! Owns when one begins, what is said, and what counts as an answer. The
//! session is a real one, opened at exactly this provider whatever the routes
//! say, and marked as synthetic, so that no app, visitor or figure knows of it.
//! Deliberately none is begun for a provider that takes no sessions for another
//! reason than its vendor's health: one that is paused, quarantined or drained
//! is left in peace. Invariants: one conversation per provider at a time; a
//! session that a crash left behind is closed before the next one begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::{
    command::Command,
    config::{Canary, Config, Expect},
    log::{EventBody, LogEvent, SessionCard},
    problem::Slug,
};
use kefu_plugin_api::{
    capability::SessionState,
    event::{Client, Visitor},
    ids::{DeskId, ProviderId, SessionId},
    message::{Content, SenderKind},
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Health, Sung};
use crate::{
    plugin::Registry,
    session::{Engine, OpenRequest, Subscription, VisitorKey},
};

/// What canaries are made of.
pub(crate) struct Parts {
    pub(crate) health: Health,
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) engine: Engine,
}

/// Begins every canary when its time has come, for ever.
pub(crate) async fn mind(parts: Parts) {
    let mut next: BTreeMap<ProviderId, Instant> = BTreeMap::new();
    let mut out: BTreeSet<ProviderId> = BTreeSet::new();
    let mut songs: JoinSet<(ProviderId, Option<Sung>)> = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                for song in parts.due(&mut next, &out) {
                    out.insert(song.provider.clone());
                    songs.spawn(async move { (song.provider.clone(), song.sing().await) });
                }
            }
            Some(ended) = songs.join_next() => match ended {
                Ok((provider, sung)) => {
                    out.remove(&provider);
                    if parts.take_in(&provider, sung) == FIRST {
                        // Whether it is an outage is to be known soon.
                        next.insert(provider, Instant::now());
                    }
                }
                // A panic in it was logged; whose it was is not known, so all
                // may begin again.
                Err(_) => out.clear(),
            }
        }
    }
}

impl Parts {
    /// The canaries that begin now.
    fn due(
        &self,
        next: &mut BTreeMap<ProviderId, Instant>,
        out: &BTreeSet<ProviderId>,
    ) -> Vec<Song> {
        let config = self.config.load();
        let now = Instant::now();
        next.retain(|id, _| config.providers.contains_key(id));
        let mut songs = Vec::new();
        for (id, provider) in &config.providers {
            let (Some(canary), Some(desk)) = (&provider.canary, config.canary_desk(provider))
            else {
                next.remove(id);
                self.health.no_canary(id);
                continue;
            };
            let at = next.entry(id.clone()).or_insert(now);
            if out.contains(id) || now < *at || !self.takes_sessions(id) {
                continue;
            }
            *at = now + canary.every;
            let visitor = canary.visitor.clone();
            songs.push(Song {
                engine: self.engine.clone(),
                provider: id.clone(),
                who: VisitorKey {
                    app: desk.app.clone(),
                    visitor: visitor.unwrap_or_else(|| format!("{VISITOR}{id}")),
                },
                desk: desk.id.clone(),
                canary: canary.clone(),
                until: now + canary.within,
                begun: now,
            });
        }
        songs
    }

    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        let availability = self.registry.availability(provider);
        availability.is_some_and(|it| it.takes_sessions())
    }

    /// How many in a row went without an answer.
    fn take_in(&self, provider: &ProviderId, sung: Option<Sung>) -> u32 {
        // What was interrupted by an operator's pause says nothing.
        if let Some(sung) = sung.filter(|_| self.takes_sessions(provider)) {
            tracing::debug!(%provider, ?sung, "canary over");
            return self.health.sung(provider, sung);
        }
        0
    }
}

/// One conversation.
struct Song {
    engine: Engine,
    provider: ProviderId,
    who: VisitorKey,
    desk: DeskId,
    canary: Canary,
    begun: Instant,
    until: Instant,
}

impl Song {
    /// Has it. `None` where it could not be had for a reason that says nothing
    /// of the vendor.
    async fn sing(&self) -> Option<Sung> {
        if let Err(reason) = self.engine.end_synthetic(&self.who, &self.desk).await {
            tracing::warn!(provider = %self.provider, reason, "no canary");
            return None;
        }
        let opened = self.engine.open(self.request()).await;
        let card = match opened {
            Ok(opened) => opened.card,
            // The gateway's own trouble.
            Err(problem) if matches!(problem.slug, Slug::StorageUnavailable | Slug::Overloaded) => {
                return None;
            }
            Err(problem) => return Some(Sung::NotOpened(problem.detail)),
        };
        let sung = self.talk(&card).await;
        if let Err(reason) = self.engine.end_synthetic(&self.who, &self.desk).await {
            tracing::warn!(provider = %self.provider, reason, "a canary's session was not ended");
        }
        sung
    }

    fn request(&self) -> OpenRequest {
        OpenRequest {
            who: self.who.clone(),
            desk: self.desk.clone(),
            group: None,
            visitor: Visitor {
                id: self.who.visitor.as_str().into(),
                ..Visitor::default()
            },
            client: Client::default(),
            key: None,
            wait: Some(self.until.saturating_duration_since(Instant::now())),
            trace: None,
            only: Some(self.provider.clone()),
        }
    }

    /// Says the word, and waits for the answer to it.
    /// A vendor that says that nobody is there is no mute one, nor is one whose
    /// queue takes no words.
    async fn talk(&self, card: &SessionCard) -> Option<Sung> {
        match card.state {
            SessionState::Opening => {
                let within = self.canary.within;
                let why = format!("the handshake was not over within {within:?}");
                return Some(Sung::NotOpened(why));
            }
            SessionState::Ended => {
                return Some(Sung::NotOpened("the vendor did not take it".to_owned()));
            }
            _ => {}
        }
        let mut signals = self.engine.listen_to_session(&card.id);
        if self.canary.expect == Expect::Human
            && let Err(silence) = self.reach_human(card, &mut signals).await
        {
            return silence;
        }
        let word = Command::Message {
            content: Content::text(self.canary.say.clone()),
            media: Vec::new(),
            converted_from: None,
        };
        if let Err(silence) = self.tell(&card.id, word).await {
            return silence;
        }
        let mut after = card.last_seq;
        let mut said = false;
        loop {
            if self.is_answered(&card.id, &mut after, &mut said).await {
                return Some(Sung::Answered(self.begun.elapsed()));
            }
            if timeout_at(self.until, signals.next()).await.is_err() {
                return self.silence(&card.id).await;
            }
        }
    }

    /// Waits for an agent, so that a greeting is not taken for an answer.
    async fn reach_human(
        &self,
        card: &SessionCard,
        signals: &mut Subscription,
    ) -> Result<(), Option<Sung>> {
        if card.state == SessionState::Robot {
            let wish = Command::Human { group: None };
            self.tell(&card.id, wish).await?;
        }
        loop {
            match self.engine.session(&self.who, &card.id).await {
                Ok(card) if card.state == SessionState::Human => return Ok(()),
                Ok(card) if card.state == SessionState::Ended => {
                    return Err(Some(Sung::Unanswered("the session ended".to_owned())));
                }
                _ => {}
            }
            if timeout_at(self.until, signals.next()).await.is_err() {
                return Err(self.silence(&card.id).await);
            }
        }
    }

    async fn tell(&self, session: &SessionId, command: Command) -> Result<(), Option<Sung>> {
        let told = self.engine.command(&self.who, session, command, None, None);
        match told.await {
            Ok(_) => Ok(()),
            Err(_) if self.is_told_to_wait(session).await => Err(None),
            Err(problem) => {
                let why = format!("nothing could be said: {}", problem.detail);
                Err(Some(Sung::Unanswered(why)))
            }
        }
    }

    /// Whether nothing can be said because nobody is there, or others are before.
    async fn is_told_to_wait(&self, session: &SessionId) -> bool {
        let card = self.engine.session(&self.who, session).await;
        let waits = [SessionState::Unattended, SessionState::Queued];
        card.is_ok_and(|card| waits.contains(&card.state))
    }

    /// Whether the log has an answer to the word.
    async fn is_answered(&self, session: &SessionId, after: &mut u64, said: &mut bool) -> bool {
        let Ok(page) = self.engine.events(&self.who, session, *after, PAGE).await else {
            return false;
        };
        for stored in page.events {
            *after = stored.seq;
            let Ok(event) = serde_json::from_slice::<LogEvent>(&stored.json) else {
                continue;
            };
            let EventBody::Message(message) = event.body else {
                continue;
            };
            match message.from.kind {
                SenderKind::Visitor => *said = true,
                kind if *said && self.counts(kind) => return true,
                _ => {}
            }
        }
        false
    }

    fn counts(&self, kind: SenderKind) -> bool {
        match self.canary.expect {
            Expect::Any => matches!(kind, SenderKind::Robot | SenderKind::Agent),
            Expect::Robot => kind == SenderKind::Robot,
            Expect::Human => kind == SenderKind::Agent,
        }
    }

    async fn silence(&self, session: &SessionId) -> Option<Sung> {
        let state = match self.engine.session(&self.who, session).await {
            Ok(card) if card.state == SessionState::Unattended => return None,
            Ok(card) => card.state.as_str(),
            Err(_) => "gone",
        };
        let within: Duration = self.canary.within;
        Some(Sung::Unanswered(format!(
            "no answer within {within:?}; the session is {state}"
        )))
    }
}

/// How often it is looked whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Events of a log that are read at once.
const PAGE: usize = 100;
/// What the ids of canaries begin with where none is configured.
const VISITOR: &str = "kefu-canary-";
/// The first in a row that is not answered.
const FIRST: u32 = 1;
