//! A try of an account that does not serve yet: does the vendor accept it?
//!
//! Owns what a try is. Every token that the adapter names is fetched as in
//! service; then the adapter is asked for a question of its own
//! ([`Event::Probe`]), which is sent as any call is; an adapter that has
//! neither is tried by whether its hosts answer at all. Invariants: nothing is
//! stored, no session exists, no answer is kept; no secret and no token is in
//! what is told.

use std::{collections::BTreeMap, sync::Arc};

use http::Uri;
use kefu_core::{
    config::Provider,
    outbox::{Finished, OutboxEntry},
};
use kefu_plugin_api::{
    descriptor::HostSource,
    effect::{Call, Effect},
    event::{CallResult, Event},
    http::HttpRequest,
    ids::ProviderId,
    secret::Secret,
    wire::{HandleInput, HandleOutput},
};
use serde::Serialize;
use tokio::runtime::Handle;

use super::{
    Account, Accounts, BoxFuture, Delivery, Origin, Parts, Settled, Shared, Standing, Timing,
    attempt, http::Failure, stamp, tokens,
};
use crate::health::Health;

/// Who answers for the adapter while it is tried.
pub trait Trialled: Send + Sync + 'static {
    /// One call of the adapter, in its provider's own scope. May block.
    ///
    /// # Errors
    /// Why there is no answer, for operators.
    fn answer(&self, input: &HandleInput) -> Result<HandleOutput, String>;
}

/// What was tried, and went well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// One after the other.
    pub steps: Vec<Step>,
}

/// One thing that was tried, and went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "tried", rename_all = "snake_case")]
pub enum Step {
    /// The vendor gave a token.
    Token {
        /// Its name in the descriptor.
        name: String,
        /// How long it lives.
        expires_in_seconds: u64,
    },
    /// The adapter asked a question of its own.
    Asked {
        /// What it says of the answer.
        notes: Vec<String>,
    },
    /// There was nothing to ask: the host was called without proof, and
    /// answered something.
    Reached {
        /// The host.
        host: String,
        /// The status that it answered.
        status: u16,
    },
}

/// Why a try went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", content = "detail", rename_all = "snake_case")]
pub enum TrialError {
    /// The vendor could not be reached, or did not answer.
    #[error("the vendor could not be reached: {0}")]
    Unreachable(String),
    /// The vendor answered, and did not accept it; or the adapter could make
    /// nothing of the answer.
    #[error("the vendor did not accept it: {0}")]
    Refused(String),
    /// It never left: the settings do not allow the request.
    #[error("nothing was sent: {0}")]
    NotSent(String),
}

impl From<Failure> for TrialError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Impossible(reason) => Self::NotSent(reason),
            Failure::NotYet(reason) => Self::Refused(reason),
            Failure::Unreachable(reason) | Failure::NoAnswer(reason) => Self::Unreachable(reason),
        }
    }
}

/// Tries an account. `public_url` is where the vendor would call back.
///
/// # Errors
/// What went wrong first.
pub async fn try_account(
    account: &Account,
    adapter: Arc<dyn Trialled>,
    public_url: String,
) -> Result<Trial, TrialError> {
    let delivery = Delivery::start(Parts {
        accounts: Arc::new(Nobody),
        origin: Arc::new(Asking(adapter)),
        links: None,
        public_url,
        health: Health::default(),
        timing: Timing::default(),
        runtime: Handle::current(),
    });
    let shared = &delivery.shared;
    let mut steps = Vec::new();
    let mut secrets = BTreeMap::new();
    for spec in &account.descriptor.tokens {
        let fetched = tokens::fetch(shared, account, &spec.name).await?;
        steps.push(Step::Token {
            name: spec.name.clone(),
            expires_in_seconds: fetched.life.as_secs(),
        });
        secrets.insert(spec.name.clone(), fetched.value);
    }
    steps.extend(probe(shared, account, &secrets).await?);
    if steps.is_empty() {
        for url in addresses(account) {
            steps.push(reach(shared, account, &url).await?);
        }
    }
    Ok(Trial { steps })
}

/// The adapter's own question, if it has one.
async fn probe(
    shared: &Shared,
    account: &Account,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Option<Step>, TrialError> {
    let asked = tokens::ask(shared, account, Event::Probe {}, HandleOutput::default()).await;
    let mut output = asked.map_err(TrialError::Refused)?;
    let Some(call) = one_call(&mut output)? else {
        let notes = output.notes;
        return Ok((!notes.is_empty()).then_some(Step::Asked { notes }));
    };
    let id = call.id.as_str().to_owned();
    let response = attempt::send_as(shared, account, call.request, secrets, &id).await?;
    let over = Event::CallFinished {
        call: call.id,
        result: CallResult::Answered { response },
        token_renewed: false,
    };
    let judged = tokens::ask(shared, account, over, output).await;
    let notes = judged.map_err(TrialError::Refused)?.notes;
    Ok(Some(Step::Asked { notes }))
}

fn one_call(output: &mut HandleOutput) -> Result<Option<Call>, TrialError> {
    let mut effects = std::mem::take(&mut output.effects);
    match (effects.pop(), effects.is_empty()) {
        (None, _) => Ok(None),
        (Some(Effect::Call { call }), true) => Ok(Some(call)),
        _ => Err(TrialError::Refused(
            "the adapter must answer `probe` by at most one call and nothing else".to_owned(),
        )),
    }
}

/// The front of every address that the adapter wants to reach.
pub(super) fn addresses(account: &Account) -> Vec<String> {
    let of_setting = |setting: &str| {
        let uri: Uri = account.setting(setting)?.as_str()?.parse().ok()?;
        Some(format!("{}://{}/", uri.scheme_str()?, uri.authority()?))
    };
    let sources = account.descriptor.hosts.iter();
    let mut urls: Vec<String> = sources
        .filter_map(|source| match source {
            HostSource::Fixed { host } => Some(format!("https://{host}/")),
            HostSource::Setting { setting } => of_setting(setting),
        })
        .collect();
    urls.sort();
    urls.dedup();
    urls
}

async fn reach(shared: &Shared, account: &Account, url: &str) -> Result<Step, TrialError> {
    let request = HttpRequest::get(url);
    let id = format!("trial.{}", stamp::hex(&attempt::random::<16>()));
    let response = attempt::send_as(shared, account, request, &BTreeMap::new(), &id).await?;
    Ok(Step::Reached {
        host: url.to_owned(),
        status: response.status,
    })
}

/// The origin of a try: an adapter, and no sessions.
struct Asking(Arc<dyn Trialled>);

const NO_SESSIONS: &str = "there are no sessions while an account is tried";

impl Origin for Asking {
    fn mark_attempted(&self, _: &OutboxEntry, _: bool) -> BoxFuture<Result<(), String>> {
        Box::pin(async { Err(NO_SESSIONS.to_owned()) })
    }

    fn settle(&self, _: &OutboxEntry, _: Finished, _: Option<String>) -> BoxFuture<Settled> {
        Box::pin(async { Settled::Done })
    }

    fn prepare(&self, _: &OutboxEntry, _: u32) -> BoxFuture<Result<HttpRequest, String>> {
        Box::pin(async { Err(NO_SESSIONS.to_owned()) })
    }

    fn ask(&self, _: &ProviderId, input: HandleInput) -> BoxFuture<Result<HandleOutput, String>> {
        let adapter = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || adapter.answer(&input));
            answer
                .await
                .unwrap_or_else(|error| Err(format!("the adapter was not asked: {error}")))
        })
    }
}

/// The accounts of a try: nobody serves.
struct Nobody;

impl Accounts for Nobody {
    fn config(&self, _: &ProviderId) -> Option<Arc<Provider>> {
        None
    }

    fn standing(&self, _: &ProviderId) -> Standing {
        Standing::Absent {
            reason: NO_SESSIONS.to_owned(),
        }
    }
}
