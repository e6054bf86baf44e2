//! Which of a route's visitors a migration gives to another provider.
//!
//! Owns the cut through one route's share. Deliberately knows no phases: what
//! is handed in is in force. Invariants: visitors of other routes are never
//! touched; within the share a higher percentage only adds visitors; at none
//! the decision is the one without a migration.

use std::sync::Arc;

use kefu_plugin_api::ids::ProviderId;
use serde::Serialize;

use super::{BUCKETS, Choice, RouteRequest, Step, Turn, in_vendors_words};
use crate::config::{Desk, Migration, Stage, Weight};

/// A stage of a migration that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    migration: Arc<Migration>,
    index: usize,
}

/// What gives a visitor to the new provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The visitor is named.
    Visitors,
    /// The visitor's bucket lies before the cut.
    Percent,
}

impl Split {
    /// The stage at this place, from 0; `None` if the migration has none there.
    pub fn new(migration: Arc<Migration>, index: usize) -> Option<Self> {
        (index < migration.stages.len()).then_some(Self { migration, index })
    }

    /// Whose stage it is.
    pub fn migration(&self) -> &Migration {
        &self.migration
    }

    /// The stage.
    pub fn stage(&self) -> &Stage {
        &self.migration.stages[self.index]
    }

    /// The stage's place, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    fn is_for(&self, desk: &Desk, provider: &ProviderId) -> bool {
        self.migration.desk == desk.id && self.migration.from == *provider
    }
}

/// How many of the buckets fall to a provider at a desk; `None` where conditions
/// make that depend on who comes.
pub fn share_of(desk: &Desk, provider: &ProviderId) -> Option<u32> {
    if !desk.routes.iter().all(|route| route.when.is_always()) {
        return None;
    }
    let (mut from, mut share, mut last) = (0, 0, None);
    for route in &desk.routes {
        let to = route
            .weight
            .map_or(BUCKETS, |weight| (from + weight.buckets()).min(BUCKETS));
        if route.provider == *provider {
            share += to - from;
        }
        if route.weight != Some(Weight::ZERO) {
            last = Some(route);
        }
        from = to;
    }
    // What the shares leave over is the last one's, or the first one's where
    // none has a share.
    let rest = last.or(desk.routes.first())?;
    if rest.provider == *provider {
        share += BUCKETS - from;
    }
    Some(share)
}

/// What is tried before the order begins, if the visitor is among those whom a
/// stage gives to another provider.
pub(super) fn of(
    desk: &Desk,
    splits: &[Split],
    order: &[Choice],
    turn: &Turn,
    (bucket, request): (u32, &RouteRequest<'_>),
    steps: &mut Vec<Step>,
) -> Option<Choice> {
    let first = order.first()?;
    let split = splits
        .iter()
        .find(|split| split.is_for(desk, &first.provider))?;
    let (migration, stage) = (split.migration(), split.stage());
    let cut = turn.from + (turn.to - turn.from) * stage.percent.buckets() / BUCKETS;
    let by = if stage.visitors.contains(request.visitor) {
        Some(By::Visitors)
    } else {
        // Whatever falls to the route lies within its share, or it is the
        // only one left and has everything.
        (bucket < cut).then_some(By::Percent)
    };
    steps.push(Step::Split {
        migration: migration.name.clone(),
        stage: split.index + 1,
        route: first.route_index,
        provider: first.provider.clone(),
        new_provider: migration.to.clone(),
        cut,
        by,
    });
    by.map(|_| Choice {
        provider: migration.to.clone(),
        route_index: first.route_index,
        group: in_vendors_words(&migration.groups, migration.group.as_ref(), request.group),
        migration: Some(migration.name.clone()),
    })
}
