//! One call, from its first attempt to its end.
//!
//! Owns the loop of attempts and waits, and that an end is told until it is
//! taken. Deliberately leaves the verdicts to `kefu_core::retry`. Invariants: a
//! call that must not reach the vendor twice is not sent again after an attempt
//! whose end nobody knows, a restart of the gateway included; an end that
//! cannot be written yet is kept, not made anew by sending again.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use kefu_core::{
    config::OnUnknown,
    outbox::{Finished, OutboxEntry},
    retry::{self, Attempt, Circumstances, Verdict, back_off_ms, judge},
};
use kefu_plugin_api::{event::CallResult, http::HttpResponse, time::Timestamp};
use tracing::{Instrument, Span, field};

use super::{
    Account, Settled, Shared, Standing, Stopping, Tried, attempt::Try, gate::Gate, http::Failure,
    lane::Queued, tokens::Token,
};

/// Brings a call to its end.
///
/// # Errors
/// The gateway stops before that.
pub(super) async fn travel(
    shared: &Arc<Shared>,
    gate: &Arc<Gate>,
    queued: Queued,
) -> Result<(), Stopping> {
    let journey = Journey {
        shared,
        gate,
        salt: salt(&queued.entry),
        marked: queued.attempted,
        absent: false,
        entry: *queued.entry,
        attempts: 0,
        token_renewed: false,
        tokens: BTreeMap::new(),
    };
    journey.travel().await
}

struct Journey<'a> {
    shared: &'a Arc<Shared>,
    gate: &'a Arc<Gate>,
    entry: OutboxEntry,
    salt: u64,
    attempts: u32,
    marked: bool,
    /// Whether the provider did not serve when the call was tried last.
    absent: bool,
    token_renewed: bool,
    tokens: BTreeMap<String, Token>,
}

/// What an attempt came to.
type Attempted = Result<HttpResponse, Failure>;

/// What follows the end of a call.
enum Next {
    Over,
    Again,
}

impl Journey<'_> {
    async fn travel(mut self) -> Result<(), Stopping> {
        if self.marked && !self.entry.call.repeatable && !self.retry_unknown() {
            return self.give_up_unknown().await;
        }
        loop {
            let Some(result) = self.try_once().await? else {
                return Ok(());
            };
            if self.is_withdrawn() {
                return Ok(());
            }
            let reason = match &result {
                Ok(response) => format!("the vendor answered {}", response.status),
                Err(failure) => failure.reason().to_owned(),
            };
            let unreachable = matches!(result, Err(Failure::Unreachable(_)));
            let attempt = result.map_or_else(|failure| failure.attempt(), Attempt::Answered);
            let known = self.entry.gives_way.then(|| attempt.clone());
            let next = match judge(attempt, self.circumstances()) {
                Verdict::Retry(at) => {
                    self.unmark().await;
                    tokio::select! {
                        biased;
                        () = self.should_give_way() => {
                            let result = known.map_or_else(not_sent, retry::give_way);
                            self.settle(result, None).await?
                        }
                        waited = self.wait(at, unreachable, &reason) => {
                            waited?;
                            Next::Again
                        }
                    }
                }
                Verdict::Finish(result) => self.settle(result, None).await?,
                Verdict::Dead(result) => self.settle(result, Some(reason)).await?,
            };
            if matches!(next, Next::Over) {
                return Ok(());
            }
        }
    }

    /// The gateway stopped while the call was under way.
    async fn give_up_unknown(mut self) -> Result<(), Stopping> {
        let detail = "the gateway stopped while it was being sent";
        let result = CallResult::Unknown {
            detail: detail.to_owned(),
        };
        self.settle(result, Some(detail.to_owned())).await?;
        Ok(())
    }

    /// Whether nobody wants the call any more: its entry is gone, and so is
    /// whoever would be told of its end.
    fn is_withdrawn(&self) -> bool {
        self.shared.lanes.is_withdrawn(&self.entry)
    }

    /// `None` for a call that was taken back before it could be tried.
    async fn try_once(&mut self) -> Result<Option<Attempted>, Stopping> {
        let (account, pass) = loop {
            let account = match self.account().await? {
                Ok(account) => account,
                Err(reason) => {
                    self.attempts = self.attempts.saturating_add(1);
                    self.absent = true;
                    return Ok(Some(Err(Failure::NotYet(reason))));
                }
            };
            let patience = until(self.entry.deadline_at);
            let pass = self.gate.pass(&account.provider.limits, patience);
            let pass = tokio::select! {
                biased;
                pass = self.shared.unless_stopping(pass) => pass?,
                () = self.should_give_way() => Err(NO_CONNECTION.to_owned()),
            };
            // The wait may have been long.
            if !self.gate.status().held {
                break (account, pass);
            }
        };
        if self.is_withdrawn() {
            return Ok(None);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.absent = false;
        let mut pass = match pass {
            Ok(pass) => pass,
            Err(reason) => return Ok(Some(Err(Failure::Unreachable(reason)))),
        };
        self.tokens.clear();
        let span = self.span();
        let begun = Instant::now();
        let attempt = Try {
            shared: self.shared,
            account: &account,
            entry: &self.entry,
            number: self.attempts,
            marked: &mut self.marked,
            tokens: &mut self.tokens,
        };
        // Boxed: a call waits for most of its life, and the large state of a
        // request should not wait with it.
        let result = Box::pin(attempt.perform()).instrument(span.clone()).await;
        match &result {
            Ok(_) | Err(Failure::NoAnswer(_)) => pass.reached(),
            Err(Failure::Unreachable(reason)) => pass.unreachable(reason),
            Err(Failure::Impossible(_) | Failure::NotYet(_)) => {}
        }
        self.report(&span, &result, begun.elapsed());
        Ok(Some(result))
    }

    /// Resolves when another provider had better be asked: the call is part of
    /// a handshake, and this vendor cannot be reached.
    async fn should_give_way(&self) {
        if !self.entry.gives_way {
            return std::future::pending().await;
        }
        let health = &self.shared.parts.health;
        health.went_down(&self.entry.provider).await;
    }

    /// The account, once requests may leave; the reason why it does not serve.
    async fn account(&self) -> Result<Result<Account, String>, Stopping> {
        loop {
            self.shared.unless_stopping(self.gate.opened()).await?;
            match self.shared.parts.accounts.standing(&self.entry.provider) {
                Standing::Serves(account) => return Ok(Ok(account)),
                Standing::Absent { reason } => return Ok(Err(reason)),
                Standing::Held => self.shared.pause(LOOK_AGAIN).await?,
            }
        }
    }

    async fn wait(&self, at: Timestamp, unreachable: bool, reason: &str) -> Result<(), Stopping> {
        let OutboxEntry {
            provider,
            session,
            number,
            ..
        } = &self.entry;
        let wait = until(at);
        tracing::debug!(%provider, %session, number, attempts = self.attempts, wait_ms = wait.as_millis(), reason, "call is tried again");
        let pause = self.shared.pause(wait);
        if !unreachable {
            return pause.await;
        }
        tokio::select! {
            paused = pause => paused,
            // Somebody else got through: no need to wait to the end.
            () = self.gate.reachable_again() => Ok(()),
        }
    }

    /// Tells how the call ended, until that is taken.
    async fn settle(&mut self, result: CallResult, dead: Option<String>) -> Result<Next, Stopping> {
        let OutboxEntry {
            provider,
            session,
            number,
            ..
        } = &self.entry;
        if let Some(reason) = &dead {
            tracing::warn!(%provider, %session, number, attempts = self.attempts, reason, "call given up");
        }
        let answered = matches!(result, CallResult::Answered { .. });
        let mut refusals = 0_u32;
        loop {
            let finished = Finished {
                number: *number,
                result: result.clone(),
                token_renewed: self.token_renewed,
                attempts: self.attempts,
            };
            let settled = self
                .shared
                .parts
                .origin
                .settle(&self.entry, finished, dead.clone());
            let detail = match settled.await {
                Settled::Done => return Ok(Next::Over),
                Settled::RenewToken { name } if answered && !self.token_renewed => {
                    tracing::info!(%provider, token = name, "vendor did not accept the token");
                    if let Some(token) = self.tokens.get(&name) {
                        token.reject();
                    }
                    self.token_renewed = true;
                    return Ok(Next::Again);
                }
                // A call that was repeated, or that may have arrived, is not
                // sent again for the sake of a token.
                Settled::RenewToken { name } => {
                    self.token_renewed = true;
                    format!("token `{name}` was refused once more than it can be renewed")
                }
                Settled::Later { detail } => detail,
            };
            refusals = refusals.saturating_add(1);
            tracing::debug!(%provider, %session, number, detail, "end of a call is told again");
            self.shared
                .pause(millis(back_off_ms(refusals, self.salt)))
                .await?;
        }
    }

    /// What must not arrive twice is tried again only if it did not arrive
    /// once; a restart during the wait shall know that, too.
    async fn unmark(&mut self) {
        if !self.marked || self.entry.call.repeatable || self.retry_unknown() {
            return;
        }
        let origin = &self.shared.parts.origin;
        match origin.mark_attempted(&self.entry, false).await {
            Ok(()) => self.marked = false,
            // A restart then reports the call as unknown, which is safe.
            Err(reason) => tracing::debug!(reason, "the mark of an attempt was not taken back"),
        }
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            repeatable: self.entry.call.repeatable,
            retry_unknown: self.retry_unknown(),
            gives_way: self.entry.gives_way && !self.absent,
            attempts: self.attempts,
            now: crate::clock::now(),
            deadline: self.entry.deadline_at,
            salt: self.salt,
        }
    }

    fn retry_unknown(&self) -> bool {
        let config = self.shared.parts.accounts.config(&self.entry.provider);
        config.is_some_and(|provider| provider.on_unknown == OnUnknown::Retry)
    }

    fn span(&self) -> Span {
        tracing::debug_span!(
            "attempt",
            provider = %self.entry.provider,
            session = %self.entry.session,
            number = self.entry.number,
            attempt = self.attempts,
            outcome = field::Empty,
        )
    }

    fn report(&self, span: &Span, result: &Result<HttpResponse, Failure>, took: Duration) {
        let outcome = match result {
            Ok(response) if matches!(response.status, 408 | 425 | 429 | 500..) => "refused",
            Ok(_) => "answered",
            Err(Failure::NoAnswer(_)) => "unknown",
            Err(_) => "not_sent",
        };
        let tried = Tried {
            attempt: self.attempts,
            outcome,
            status: result.as_ref().ok().map(|response| response.status),
            reason: result.as_ref().err().map(Failure::reason),
            took,
        };
        span.record("outcome", outcome);
        span.in_scope(|| {
            tracing::trace!(status = tried.status, reason = tried.reason, "attempt over")
        });
        self.shared.parts.origin.tried(&self.entry, &tried);
    }
}

fn not_sent() -> CallResult {
    CallResult::NotSent {
        detail: NO_CONNECTION.to_owned(),
    }
}

fn until(at: Timestamp) -> Duration {
    millis(at.since_ms(crate::clock::now()))
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Spreads the retries of different calls.
fn salt(entry: &OutboxEntry) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.session.hash(&mut hasher);
    entry.number.hash(&mut hasher);
    hasher.finish()
}

/// What apps are told of a call that made way for another provider.
const NO_CONNECTION: &str = "the provider could not be reached";
/// How often a provider that an operator paused is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
