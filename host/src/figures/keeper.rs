//! The copy of the numbers in the store.
//!
//! Owns when it is written and how it is found again. Deliberately is no part of
//! any turn: it is written every ten seconds, and what was counted after the
//! last time is lost with a crash. Invariant: a piece is written whole, in place
//! of what was written before, so that writing twice changes nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use kefu_core::figures::{Tally, open_question};
use kefu_plugin_api::time::Timestamp;

use super::{Figures, lock, timeline::Key};
use crate::store::{Store, StoreError, figures::CountedRow};

/// How often what was counted is written.
const EVERY: Duration = Duration::from_secs(10);
/// How many open sessions are looked at in one go.
const PAGE: usize = 500;
/// How long a piece on disk is at most.
const PIECE_MS: i64 = 60_000;

/// Finds the questions that were open when the gateway stopped, then copies
/// what is counted to the store again and again.
pub(crate) async fn keep(figures: Figures) {
    let finding = figures.clone();
    let found = tokio::task::spawn_blocking(move || finding.find_open()).await;
    match found {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "questions from before the start are not counted");
        }
        Err(error) => tracing::error!(%error, "looking for open questions broke"),
    }
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let figures = figures.clone();
        // What broke is tried again the next time.
        if let Err(error) = tokio::task::spawn_blocking(move || drop(figures.flush())).await {
            tracing::error!(%error, "copying the figures broke");
        }
    }
}

impl Figures {
    /// Hands the store what it does not have yet. Whoever receives on what is
    /// given back waits until that is written, or was given up for now.
    pub fn flush(&self) -> Receiver<()> {
        let (tell, told) = mpsc::channel();
        let Some(store) = &self.0.store else {
            return told;
        };
        let unwritten = self.timeline().take_unwritten();
        let returned = lock(&self.0.returned).take_unwritten();
        if unwritten.rows.is_empty() && unwritten.late.is_empty() && returned.is_empty() {
            return told;
        }
        let mut rows = unwritten.rows;
        let pieces: Vec<_> = rows
            .iter()
            .map(|row| (row.begin, (row.desk.clone(), row.provider.clone())))
            .collect();
        let answers: Vec<_> = returned
            .iter()
            .map(|row| {
                let key = (row.app_version.clone(), row.digest.clone());
                (row.provider.clone(), key)
            })
            .collect();
        rows.extend(with_older(&**store, &unwritten.late));
        // Not the store itself: whoever waits may be about to close it.
        let (inner, late) = (Arc::downgrade(&self.0), unwritten.late);
        store.keep_figures(
            rows,
            returned,
            Box::new(move |written: Result<(), StoreError>| {
                if let Err(error) = written {
                    tracing::warn!(%error, "figures are written later");
                    if let Some(inner) = inner.upgrade() {
                        lock(&inner.timeline).give_back(pieces, late);
                        lock(&inner.returned).give_back(answers);
                    }
                }
                // Nobody may wait for it.
                let _ = tell.send(());
            }),
        );
        told
    }

    /// Looks through the open sessions for questions that nobody has answered.
    pub(super) fn find_open(&self) -> Result<(), StoreError> {
        let Some(store) = self.0.store.as_ref().map(Arc::clone) else {
            return Ok(());
        };
        let found = self.look_through(&*store);
        // Found or not, from here on nothing more is found.
        self.timeline().found_all();
        found
    }

    fn look_through(&self, store: &dyn Store) -> Result<(), StoreError> {
        for provider in store.open_by_provider()?.into_keys() {
            let mut after = None;
            loop {
                let page = store.open_sessions_of(&provider, after.as_ref(), PAGE)?;
                for session in page.sessions {
                    let record = store.record(&session)?;
                    let Some(record) = record.filter(|record| !record.synthetic) else {
                        continue;
                    };
                    if let Some(since) = open_question(&record) {
                        let (desk, provider) = (record.desk, record.provider);
                        self.timeline().found_open(desk, provider, session, since);
                    }
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }
}

/// What came too late for what is in memory, added to what is on disk.
fn with_older(store: &dyn Store, late: &BTreeMap<(Timestamp, Key), Tally>) -> Vec<CountedRow> {
    let add = |((begin, (desk, provider)), more): (&(Timestamp, Key), &Tally)| {
        let span = *begin..begin.plus_ms(PIECE_MS);
        let known = store.figures(Some((desk, provider)), span);
        let known = known.unwrap_or_else(|error| {
            tracing::warn!(%error, "a late answer is counted by itself");
            Vec::new()
        });
        let mut row = known.into_iter().next().unwrap_or_else(|| CountedRow {
            begin: *begin,
            desk: desk.clone(),
            provider: provider.clone(),
            tally: Tally::default(),
        });
        row.tally.merge(more);
        row
    };
    late.iter().map(add).collect()
}
