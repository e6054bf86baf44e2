//! What the edge asks about single sessions.

use kefu_core::{
    problem::Problem,
    trail::{SessionSummary, Trail},
};
use kefu_plugin_api::ids::SessionId;
use serde::Serialize;

use crate::{shadow::ShadowReport, store::Wanted};

/// Looks into sessions, for operators. What visitors and agents said is in no
/// answer.
pub trait Inspecting {
    /// A page of all sessions, newest first.
    ///
    /// # Errors
    /// `invalid-request` if the page shall begin at a session that is not
    /// there; the store does not answer.
    fn sessions(&self, wanted: &Wanted) -> Result<SessionPage, Problem>;

    /// One session.
    ///
    /// # Errors
    /// `not-found`; the store does not answer.
    fn session(&self, session: &SessionId) -> Result<SessionSummary, Problem>;

    /// What became of a session's messages: those after a number of its log, at
    /// most so many entries.
    ///
    /// # Errors
    /// `not-found`; the store does not answer.
    fn trail(&self, session: &SessionId, after: u64, limit: usize) -> Result<Trail, Problem>;

    /// What has come of every shadow: what another provider would have made of
    /// real sessions.
    fn shadows(&self) -> Vec<ShadowReport>;
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SessionPage {
    /// The sessions, newest first.
    pub sessions: Vec<SessionSummary>,
    /// What to give as `before` for the next page; absent after the last. A
    /// page may be short, or empty, and not the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<SessionId>,
}
