//! Single sessions, as operators see them.

use kefu_core::{
    problem::{Problem, Slug},
    session::Record,
    trail::{Found, SessionSummary, Trail, assemble},
};
use kefu_plugin_api::ids::SessionId;

use super::Overview;
use crate::{
    edge::{Inspecting, SessionPage},
    shadow::ShadowReport,
    store::{StoreError, Wanted},
};

impl Inspecting for Overview {
    fn sessions(&self, wanted: &Wanted) -> Result<SessionPage, Problem> {
        if let Some(before) = &wanted.before
            && self
                .store
                .record(before)
                .map_err(|error| unread(&error))?
                .is_none()
        {
            return Err(Problem::new(
                Slug::InvalidRequest,
                format!(
                    "the parameter `before` names no session: `{:.100}`",
                    before.as_str()
                ),
            ));
        }
        let listed = self.store.list(wanted).map_err(|error| unread(&error))?;
        Ok(SessionPage {
            sessions: listed.sessions.iter().map(SessionSummary::of).collect(),
            next: listed.next,
        })
    }

    fn session(&self, session: &SessionId) -> Result<SessionSummary, Problem> {
        self.record(session)
            .map(|record| SessionSummary::of(&record))
    }

    fn shadows(&self) -> Vec<ShadowReport> {
        self.shadows.reports()
    }

    fn trail(&self, session: &SessionId, after: u64, limit: usize) -> Result<Trail, Problem> {
        // First what is read of its log, so that the record is no older.
        let kept = self.store.kept(session, after, limit);
        let kept = kept.map_err(|error| unread(&error))?;
        let record = self.record(session)?;
        Ok(assemble(&Found {
            record: &record,
            rows: &kept.rows,
            unsent: &kept.unsent,
            letters: &kept.letters,
            lane: kept.lane,
            next: (kept.last > 0 && kept.last < record.last_seq).then_some(kept.last),
        }))
    }
}

impl Overview {
    fn record(&self, session: &SessionId) -> Result<Record, Problem> {
        let record = self.store.record(session).map_err(|error| unread(&error))?;
        record.ok_or_else(|| {
            Problem::new(
                Slug::NotFound,
                format!("there is no session `{:.100}`", session.as_str()),
            )
        })
    }
}

fn unread(error: &StoreError) -> Problem {
    let detail = format!("cannot read the sessions: {error}");
    Problem::new(Slug::StorageUnavailable, detail)
}
