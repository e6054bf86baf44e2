//! Finds or makes the session that a visitor wants at a desk.

use std::{sync::Arc, time::Duration};

use kefu_core::{
    command::Command,
    config::{Desk, Migration},
    figures::{Observation, Seen},
    log::SessionCard,
    problem::{Problem, Slug},
    routing::{self, Choice, Decision, RouteRequest},
    session::{Fallback, Handover, Opening, Record, session_id},
    turn::Input,
};
use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    descriptor::KeyedBy,
    ids::{ProviderId, SessionId},
};

use super::Engine;
use crate::{
    route,
    session::{
        OpenRequest, Opened, VisitorKey, clock,
        hub::Subscription,
        slot::{Ended, TurnJob},
        turns::reused,
    },
};

impl Engine {
    /// Opens a session, or finds the one that this visitor has open at this
    /// desk.
    ///
    /// # Errors
    /// `not-found` for a desk of another app, `no-provider-available`, with a
    /// `wait` also when no provider took it; the idempotency problems.
    pub async fn open(&self, request: OpenRequest) -> Result<Opened, Problem> {
        for _ in 0..OPEN_ATTEMPTS {
            if let Some(opened) = self.find_open(&request).await? {
                return Ok(opened);
            }
            let now = clock::now();
            let offers = self.choose(&request).await?;
            let shadow = offers.first().and_then(|offer| offer.shadow.clone());
            let order = offers.into_iter().map(|offer| offer.choice).collect();
            let id = session_id(
                request.who.app.as_str(),
                &request.who.visitor,
                now,
                clock::random(),
            );
            let record = Record::open(Opening {
                id: id.clone(),
                app: request.who.app.clone(),
                desk: request.desk.clone(),
                visitor: request.visitor.clone(),
                client: request.client.clone(),
                asked_group: request.group.clone(),
                order,
                synthetic: request.only.is_some(),
                now,
            })
            .ok_or_else(nobody)?;
            let subscription = self.listen_to_session(&id);
            let job = TurnJob {
                asker: Some(request.who.clone()),
                key: request.key.clone(),
                create: Some(record),
                shadow,
                trace: request.trace.clone(),
                ..TurnJob::new(Input::Open)
            };
            match self.run(&id, job, false).await {
                Ended::Ran { record, .. } => {
                    let card = self
                        .await_handshake(&record, subscription, request.wait)
                        .await?;
                    return Ok(Opened {
                        card,
                        created: true,
                    });
                }
                Ended::AlreadyOpen => {}
                other => return Err(self.problem(other)),
            }
        }
        Err(Problem::new(
            Slug::Overloaded,
            "sessions of this visitor open and end at the same time",
        ))
    }

    /// The session that this request opened before, or that is open already.
    async fn find_open(&self, request: &OpenRequest) -> Result<Option<Opened>, Problem> {
        if let Some(key) = &request.key {
            let (who, wanted) = (request.who.clone(), key.clone());
            if let Some(answered) = self
                .read(move |store| store.answered(&who, &wanted))
                .await?
            {
                if answered.body != key.body {
                    return Err(reused(key));
                }
                let card = self.session(&request.who, &answered.session).await?;
                return Ok(Some(Opened {
                    card,
                    created: answered.created,
                }));
            }
        }
        let (who, desk) = (request.who.clone(), request.desk.clone());
        let Some(session) = self
            .read(move |store| store.open_session(&who, &desk))
            .await?
        else {
            return Ok(None);
        };
        let subscription = self.listen_to_session(&session);
        let job = TurnJob {
            asker: Some(request.who.clone()),
            key: request.key.clone(),
            ..TurnJob::new(Input::Command(Command::Return))
        };
        match self.run(&session, job, false).await {
            Ended::Ran { record, .. } if record.is_over() => Ok(None),
            Ended::Ran { record, .. } => Ok(Some(Opened {
                card: self
                    .await_handshake(&record, subscription, request.wait)
                    .await?,
                created: false,
            })),
            other => Err(self.problem(other)),
        }
    }

    /// Whom to ask for a new session, in order.
    async fn choose(&self, request: &OpenRequest) -> Result<Vec<Offer>, Problem> {
        if let Some(provider) = &request.only {
            let choice = self.exactly(request, provider)?;
            return Ok(vec![Offer {
                choice,
                shadow: None,
            }]);
        }
        let order = self.available(request)?;
        let keyed_by_visitor =
            |offer: &Offer| self.keyed_by(&offer.choice.provider) == Some(KeyedBy::Visitor);
        if !order.iter().any(keyed_by_visitor) {
            return Ok(order);
        }
        let who = request.who.clone();
        let open = self.read(move |store| store.open_at(&who)).await?;
        let elsewhere = |offer: &Offer| {
            let provider = &offer.choice.provider;
            keyed_by_visitor(offer) && open.iter().any(|it| it.provider == *provider)
        };
        let free: Vec<_> = order
            .into_iter()
            .filter(|offer| !elsewhere(offer))
            .collect();
        if free.is_empty() {
            Err(Problem::new(
                Slug::NoProviderAvailable,
                "this desk's vendor allows one open session for each visitor, and this visitor has one at another desk; leave that one first",
            ))
        } else {
            Ok(free)
        }
    }

    fn keyed_by(&self, provider: &ProviderId) -> Option<KeyedBy> {
        let slot = self.0.registry.slot(provider)?;
        Some(slot.current()?.descriptor().keyed_by)
    }

    /// The desk's providers that take sessions now, in order.
    fn available(&self, request: &OpenRequest) -> Result<Vec<Offer>, Problem> {
        let config = self.0.config.load();
        let desk = config
            .desk(request.desk.as_str())
            .filter(|desk| desk.app == request.who.app)
            .ok_or_else(|| route::no_desk(&request.desk))?;
        let question = RouteRequest {
            visitor: &request.who.visitor,
            platform: request.client.platform.as_deref(),
            app_version: request.client.app_version.as_deref(),
            channel: request.client.channel.as_deref(),
            group: request.group.as_deref(),
            profile: Some(&request.visitor),
            at: clock::now(),
        };
        let decision = self.0.router.choose(desk, &question)?;
        let not_moved_to = decision.not_moved_to().cloned();
        let order = self.offers(desk, decision, question.group);
        let asked_first = order.first().map(|first| &first.choice.provider);
        // Guards would otherwise see nothing of a vendor that nobody asks any
        // more. One that is asked all the same is counted by what it does.
        if let Some(provider) = not_moved_to.filter(|it| asked_first != Some(it)) {
            let seen = Observation {
                provider,
                seen: Seen::NotTaken,
            };
            let nobodys = SessionId::default();
            let figures = &self.0.figures;
            figures.count(&desk.id, &nobodys, &[seen], clock::now());
        }
        match order.first() {
            Some(first) => self.0.router.taken(&first.choice.provider),
            None => return Err(nobody()),
        }
        Ok(order)
    }

    /// Who is asked for a session of this visitor now, in order.
    pub(super) fn order(
        &self,
        desk: &Desk,
        question: &RouteRequest<'_>,
    ) -> Result<Vec<Fallback>, Problem> {
        let decision = self.0.router.choose(desk, question)?;
        let offers = self.offers(desk, decision, question.group).into_iter();
        Ok(offers.map(|offer| offer.choice).collect())
    }

    /// Those of a decision who are asked, with what their routes say.
    fn offers(&self, desk: &Desk, decision: Decision, asked: Option<&str>) -> Vec<Offer> {
        let order = self.0.router.askable(decision.order).into_iter();
        order
            .map(|choice| Offer {
                shadow: shadow(desk, &choice, asked),
                choice: Fallback {
                    handover: handover(desk, &choice, asked),
                    provider: choice.provider,
                    group: choice.group.map(Into::into),
                },
            })
            .collect()
    }

    /// The vendor's name of a desk's group, by the route of this provider, or
    /// the handover or the migration that leads there.
    pub(super) async fn translate_group(
        &self,
        who: &VisitorKey,
        session: &SessionId,
        group: &str,
    ) -> Result<Option<String>, Problem> {
        let record = self.owned(who, session).await?;
        if let Some(handover) = &record.handover {
            // Whoever takes over is asked.
            let group = handover.vendor_group(Some(group));
            return Ok(group.map(|group| group.into_string()));
        }
        let config = self.0.config.load();
        let routes = config
            .desk(record.desk.as_str())
            .map(|desk| desk.routes.as_slice())
            .unwrap_or_default();
        let own = routes
            .iter()
            .find(|route| route.provider == record.provider);
        if let Some(route) = own {
            return Ok(routing::vendor_group(route, Some(group)));
        }
        // One that only takes over has its groups where that is said.
        let takes_over = routes
            .iter()
            .filter_map(|route| route.handover.as_ref())
            .find(|handover| handover.to == record.provider)
            .map(|handover| &handover.groups);
        let leads_there = |migration: &&Migration| {
            migration.desk == record.desk && migration.to == record.provider
        };
        let mut migrations = config.main.migrations.values();
        let words = takes_over.or_else(|| migrations.find(leads_there).map(|it| &it.groups));
        let word = words.and_then(|groups| groups.get(group));
        Ok(Some(word.map_or(group, String::as_str).to_owned()))
    }

    /// Waits until the vendor has taken the session or nobody will.
    async fn await_handshake(
        &self,
        record: &Arc<Record>,
        mut subscription: Subscription,
        wait: Option<Duration>,
    ) -> Result<SessionCard, Problem> {
        let Some(wait) = wait else {
            return Ok(record.card());
        };
        let deadline = tokio::time::Instant::now() + wait;
        let who = VisitorKey {
            app: record.app.clone(),
            visitor: record.visitor.id.clone(),
        };
        loop {
            let card = self.session(&who, &record.id).await?;
            if card.end_reason == Some(EndReason::ProviderError) {
                return Err(Problem::new(
                    Slug::NoProviderAvailable,
                    "no provider of this desk took the session",
                ));
            }
            if card.state != SessionState::Opening {
                return Ok(card);
            }
            if tokio::time::timeout_at(deadline, subscription.next())
                .await
                .is_err()
            {
                return self.session(&who, &record.id).await;
            }
        }
    }
}

/// A provider that may be asked.
struct Offer {
    choice: Fallback,
    /// Whose adapter also sees the session, with nothing sent.
    shadow: Option<Fallback>,
}

/// Who is judged beside whom a visitor gets by a route. What a migration moved
/// does not open by the route.
fn shadow(desk: &Desk, choice: &Choice, group: Option<&str>) -> Option<Fallback> {
    let route = desk.routes.get(choice.route_index)?;
    let provider = route.shadow.clone()?;
    if choice.migration.is_some() {
        return None;
    }
    // Groups in the words of whoever is judged, where the desk knows them.
    let own = desk.routes.iter().find(|route| route.provider == provider);
    let group = own.and_then(|route| routing::vendor_group(route, group));
    Some(Fallback::new(provider, group.map(Into::into)))
}

/// Whose humans take over on a route, in the group that is asked for.
fn handover(desk: &Desk, choice: &Choice, asked: Option<&str>) -> Option<Handover> {
    let route = desk.routes.get(choice.route_index)?;
    // The choice may lead elsewhere than its route.
    let handover = route
        .handover
        .as_ref()
        .filter(|_| route.provider == choice.provider)?;
    let mut taken = Handover {
        to: handover.to.clone(),
        group: handover.group.clone().map(Into::into),
        groups: handover.groups.clone(),
    };
    taken.group = taken.vendor_group(asked);
    Some(taken)
}

fn nobody() -> Problem {
    Problem::new(
        Slug::NoProviderAvailable,
        "no provider of this desk is available",
    )
}

/// How often an opening may meet a session that ends at the same moment.
const OPEN_ATTEMPTS: usize = 4;
