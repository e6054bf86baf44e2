//! What has come of shadows: counts, and the last findings.
//!
//! Owns the numbers since the gateway started. Deliberately keeps nothing on
//! disk: what was counted before a restart is gone, and `since` says so.
//! Invariant: as many findings as [`MOST_FINDINGS`] for each pair, the newest.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kefu_core::shadow::{Result as Came, Verdict};
use kefu_plugin_api::{
    capability::SessionState,
    ids::{DeskId, ProviderId, SessionId},
    message::ContentKind,
    time::Timestamp,
};
use serde::Serialize;

use crate::{plugin::FaultKind, telemetry::Metrics};

/// Whom is watched beside whom, at which desk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Watched {
    /// The desk.
    pub desk: DeskId,
    /// Who serves the real sessions.
    pub provider: ProviderId,
    /// Whose adapter also sees them.
    pub shadow: ProviderId,
}

/// What has come of one shadow at one desk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowReport {
    /// Whom it is about.
    #[serde(flatten)]
    pub watched: Watched,
    /// Since when it is counted: the start of the gateway.
    pub since: Timestamp,
    /// Sessions that opened by the route.
    pub sessions: u64,
    /// Sessions that are followed now.
    pub following: u64,
    /// Those of them that were not followed to their end: there were too many,
    /// the queue was full, or the adapter took no calls.
    pub left_out: u64,
    /// What would have become of visitors' messages.
    pub messages: MessageCounts,
    /// The same by kind and state, where it is anything but full.
    pub kinds: Vec<KindCount>,
    /// Calls that the adapter would have made.
    pub calls: CallCounts,
    /// Other things that visitors did and the new provider would refuse, by
    /// name.
    pub refused_commands: BTreeMap<&'static str, u64>,
    /// Faults of the adapter by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// The last findings, newest first.
    pub findings: Vec<Finding>,
}

/// What would have become of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounts {
    /// They go whole.
    pub full: u64,
    /// They go as text.
    pub converted: u64,
    /// The visitor is told that they cannot be sent.
    pub refused: u64,
    /// The adapter says that they failed.
    pub failed: u64,
    /// The adapter waits for something that a shadow never gets.
    pub held: u64,
    /// The adapter fails on them.
    pub faulted: u64,
}

/// How often a kind, in a state, came to something else than going whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindCount {
    /// The kind, as the visitor sent it.
    pub kind: ContentKind,
    /// Where the session stood.
    pub state: SessionState,
    /// What it came to.
    pub result: Came,
    /// How often.
    pub count: u64,
}

/// Calls that an adapter would have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// Asked for, and they could leave.
    pub would_leave: u64,
    /// Asked for, and they could never leave: the host is not allowed, a setting
    /// or a token is missing, the form is wrong.
    pub refused: u64,
}

/// Something that an operator should know before the first visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// When.
    pub at: Timestamp,
    /// In which session.
    pub session: SessionId,
    /// Where it stood.
    pub state: SessionState,
    /// What the visitor did: `open`, `message`, `human`, …
    pub what: &'static str,
    /// Of a message: its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ContentKind>,
    /// What would have come of it.
    pub result: FindingKind,
    /// Why.
    pub reason: String,
}

/// What an operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It would go as text.
    Converted,
    /// The visitor would be told that it cannot be.
    Refused,
    /// The adapter says that it failed.
    Failed,
    /// The adapter fails.
    Faulted,
    /// The adapter would make a call that could never leave.
    CallRefused,
    /// The adapter ends the session, which goes on in truth.
    Ended,
}

/// All accounts.
pub(super) struct Accounts {
    since: Timestamp,
    metrics: Metrics,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    accounts: BTreeMap<Watched, Account>,
    /// Whose account a session is on, while it is followed.
    sessions: BTreeMap<SessionId, Watched>,
}

#[derive(Default)]
struct Account {
    sessions: u64,
    following: u64,
    left_out: u64,
    messages: MessageCounts,
    kinds: BTreeMap<(ContentKind, &'static str, Came), (SessionState, u64)>,
    calls: CallCounts,
    refused_commands: BTreeMap<&'static str, u64>,
    faults: BTreeMap<FaultKind, u64>,
    findings: VecDeque<Finding>,
}

/// How many findings are kept for each shadow at each desk.
const MOST_FINDINGS: usize = 200;

impl Accounts {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            since: crate::clock::now(),
            metrics,
            inner: Mutex::default(),
        }
    }

    /// A session is to be followed.
    pub(super) fn opened(&self, session: &SessionId, watched: &Watched) {
        let mut inner = self.lock();
        inner.sessions.insert(session.clone(), watched.clone());
        let account = inner.accounts.entry(watched.clone()).or_default();
        account.sessions += 1;
        account.following += 1;
        self.metrics.shadow_opened(watched);
    }

    /// A session is not followed any more, because it is over.
    pub(super) fn closed(&self, session: &SessionId) {
        self.lock().forget(session);
    }

    /// A session is not followed, or not on, although it goes on.
    pub(super) fn left_out_of(&self, session: &SessionId) {
        let mut inner = self.lock();
        let Some(watched) = inner.forget(session) else {
            return;
        };
        self.metrics.shadow_left_out(&watched);
        inner.accounts.entry(watched).or_default().left_out += 1;
    }

    /// What would have come of something that a visitor did.
    pub(super) fn came(&self, watched: &Watched, session: &SessionId, verdict: &Verdict) {
        let mut inner = self.lock();
        let account = inner.accounts.entry(watched.clone()).or_default();
        if let Some(kind) = verdict.kind {
            account.count(kind, verdict);
            self.metrics
                .shadow_message(watched, verdict.result.as_str());
        } else if verdict.result == Came::Refused {
            *account.refused_commands.entry(verdict.what).or_default() += 1;
        }
        let result = match verdict.result {
            Came::Full | Came::Held => return,
            Came::Converted => FindingKind::Converted,
            Came::Refused => FindingKind::Refused,
            Came::Failed => FindingKind::Failed,
            Came::Faulted => FindingKind::Faulted,
        };
        account.find(Finding {
            at: crate::clock::now(),
            session: session.clone(),
            state: verdict.state,
            what: verdict.what,
            kind: verdict.kind,
            result,
            reason: verdict.reason.clone().unwrap_or_default(),
        });
    }

    /// The adapter failed.
    pub(super) fn faulted(&self, watched: &Watched, kind: FaultKind) {
        let mut inner = self.lock();
        let account = inner.accounts.entry(watched.clone()).or_default();
        *account.faults.entry(kind).or_default() += 1;
        self.metrics.shadow_fault(watched, kind.as_str());
    }

    /// The adapter would have made calls that could leave.
    pub(super) fn calls_would_leave(&self, watched: &Watched, calls: u64) {
        let mut inner = self.lock();
        let account = inner.accounts.entry(watched.clone()).or_default();
        account.calls.would_leave += calls;
        self.metrics.shadow_calls(watched, "would_leave", calls);
    }

    /// The adapter would have made a call that could never leave.
    pub(super) fn call_refused(&self, watched: &Watched, finding: Finding) {
        let mut inner = self.lock();
        let account = inner.accounts.entry(watched.clone()).or_default();
        account.calls.refused += 1;
        account.find(finding);
        self.metrics.shadow_calls(watched, "refused", 1);
    }

    /// Something else that should be known.
    pub(super) fn found(&self, watched: &Watched, finding: Finding) {
        let mut inner = self.lock();
        let account = inner.accounts.entry(watched.clone()).or_default();
        account.find(finding);
    }

    pub(super) fn reports(&self) -> Vec<ShadowReport> {
        let inner = self.lock();
        inner
            .accounts
            .iter()
            .map(|(watched, account)| account.report(watched, self.since))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, session: &SessionId) -> Option<Watched> {
        let watched = self.sessions.remove(session)?;
        if let Some(account) = self.accounts.get_mut(&watched) {
            account.following = account.following.saturating_sub(1);
        }
        Some(watched)
    }
}

impl Account {
    fn count(&mut self, kind: ContentKind, verdict: &Verdict) {
        let messages = &mut self.messages;
        let count = match verdict.result {
            Came::Full => &mut messages.full,
            Came::Converted => &mut messages.converted,
            Came::Refused => &mut messages.refused,
            Came::Failed => &mut messages.failed,
            Came::Held => &mut messages.held,
            Came::Faulted => &mut messages.faulted,
        };
        *count += 1;
        if verdict.result != Came::Full {
            let key = (kind, verdict.state.as_str(), verdict.result);
            let counted = self.kinds.entry(key).or_insert((verdict.state, 0));
            counted.1 += 1;
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() == MOST_FINDINGS {
            self.findings.pop_back();
        }
        self.findings.push_front(finding);
    }

    fn report(&self, watched: &Watched, since: Timestamp) -> ShadowReport {
        let kinds = self.kinds.iter();
        ShadowReport {
            watched: watched.clone(),
            since,
            sessions: self.sessions,
            following: self.following,
            left_out: self.left_out,
            messages: self.messages,
            kinds: kinds
                .map(|((kind, _, result), (state, count))| KindCount {
                    kind: *kind,
                    state: *state,
                    result: *result,
                    count: *count,
                })
                .collect(),
            calls: self.calls,
            refused_commands: self.refused_commands.clone(),
            faults: self.faults.clone(),
            findings: self.findings.iter().cloned().collect(),
        }
    }
}
