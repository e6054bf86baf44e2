//! Which provider a visitor gets, now.
//!
//! Owns the join of what the configuration says, the moment, and which
//! providers take sessions; the choice itself is the core's. Deliberately opens
//! nothing. Invariant: what is explained to operators and what happens to
//! visitors comes from the same call.

use std::sync::Arc;

use arc_swap::ArcSwap;
use kefu_core::{
    config::Desk,
    problem::{Problem, Slug},
    routing::{self, Availability, Choice, Decision, RouteRequest, Split},
};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use crate::{
    health::Health,
    plugin::{self, Registry},
};

/// Chooses providers for visitors.
pub struct Router {
    registry: Arc<Registry>,
    splits: Splits,
    health: Health,
}

/// The stages of migrations that are in force. Cheap to clone; all clones are
/// the same.
#[derive(Clone, Default)]
pub struct Splits(Arc<ArcSwap<Vec<Split>>>);

impl Splits {
    /// Every choice from now on is by these.
    pub(crate) fn put_in_force(&self, splits: Vec<Split>) {
        self.0.store(Arc::new(splits));
    }

    /// Those in force now.
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Vec<Split>>> {
        self.0.load()
    }

    /// The providers that stages in force give a desk's visitors to.
    pub(crate) fn of(&self, desk: &DeskId) -> Vec<ProviderId> {
        let splits = self.0.load();
        splits
            .iter()
            .map(Split::migration)
            .filter(|migration| migration.desk == *desk)
            .map(|migration| migration.to.clone())
            .collect()
    }
}

impl Router {
    /// One that chooses among these providers.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            splits: Splits::default(),
            health: Health::default(),
        }
    }

    /// The same, by what is known there of the providers' vendors.
    #[must_use]
    pub fn with_health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// The same, with stages of migrations that come into force there.
    #[must_use]
    pub fn with_splits(mut self, splits: Splits) -> Self {
        self.splits = splits;
        self
    }

    /// Chooses for a visitor at a desk.
    ///
    /// # Errors
    /// A group that is none of the desk's.
    pub(crate) fn choose(
        &self,
        desk: &Desk,
        request: &RouteRequest<'_>,
    ) -> Result<Decision, Problem> {
        if let Some(group) = request.group
            && !desk.groups.is_empty()
            && !desk.groups.iter().any(|known| known.id == group)
        {
            return Err(Problem::invalid(
                "/group",
                format!("`{group}` is not a group of this desk"),
            ));
        }
        let splits = self.splits.load();
        Ok(routing::choose_among(desk, &splits, request, &|provider| {
            self.availability(provider)
        }))
    }

    /// Those of an order who are asked for a session: everybody who is ready;
    /// where nobody is, everybody of whom only the vendor is in doubt. What is
    /// known of a vendor is a moment old, and the handshake tells how it is: to
    /// send the visitor away unasked would be the worse mistake.
    pub(crate) fn askable(&self, order: Vec<Choice>) -> Vec<Choice> {
        let known = order.into_iter().map(|choice| {
            let availability = self.availability(&choice.provider);
            (choice, availability)
        });
        let (ready, others): (Vec<_>, Vec<_>) =
            known.partition(|(_, availability)| *availability == Availability::Ready);
        let asked = match ready.is_empty() {
            true => others
                .into_iter()
                .filter(|it| it.1.is_worth_asking())
                .collect(),
            false => ready,
        };
        asked.into_iter().map(|(choice, _)| choice).collect()
    }

    /// A session is being opened with this provider.
    pub(crate) fn taken(&self, provider: &ProviderId) {
        self.health.taken(provider);
    }

    /// Whether a provider takes new sessions.
    pub(crate) fn availability(&self, provider: &ProviderId) -> Availability {
        match self.registry.availability(provider) {
            Some(plugin::Availability::Active) => self.health.availability(provider),
            Some(plugin::Availability::Paused) => Availability::Paused,
            Some(plugin::Availability::Quarantined { .. }) => Availability::Quarantined,
            Some(plugin::Availability::Failed { .. } | plugin::Availability::Stuck { .. }) => {
                Availability::Failed
            }
            Some(plugin::Availability::Draining { .. }) => Availability::Draining,
            Some(plugin::Availability::Waiting { .. }) | None => Availability::Waiting,
        }
    }
}

/// There is no such desk, or it is another app's.
pub(crate) fn no_desk(desk: &DeskId) -> Problem {
    Problem::new(Slug::NotFound, format!("there is no desk `{desk}`"))
}
