//! Vendor tokens, each fetched once for everybody.
//!
//! Owns the tokens, when they are renewed, and the exchange with the adapter
//! that fetches one: the adapter builds the request and reads the answer, in
//! its provider's own scope; what it remembers there lasts for one exchange.
//! Deliberately keeps nothing on disk and logs no value. Invariants: providers
//! of one adapter that agree in the settings that key a token share it; at most
//! one fetch of a token is under way; a token is dropped only by who used that
//! very token.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kefu_core::retry::back_off_ms;
use kefu_plugin_api::{
    descriptor::TokenSpec,
    effect::{Call, Effect},
    event::{CallResult, Event},
    http::HttpResponse,
    secret::Secret,
    session::{Scope, SessionView},
    wire::{HandleInput, HandleOutput},
};
use serde_json::Value;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{Account, Shared, Timing, attempt, http::Failure, stamp};

/// Every token of the gateway.
pub(super) struct Tokens {
    cells: Mutex<HashMap<Key, Arc<Cell>>>,
    timing: Timing,
}

/// Whose token it is. Not printable: a setting may be a secret.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    adapter: String,
    token: String,
    settings: String,
}

/// One token's place.
#[derive(Default)]
struct Cell {
    kept: Mutex<Option<Kept>>,
    fetching: AsyncMutex<Failures>,
    serials: AtomicU64,
}

struct Kept {
    value: Secret,
    serial: u64,
    renew_at: Instant,
    dies_at: Instant,
}

#[derive(Default)]
struct Failures {
    in_a_row: u32,
    not_before: Option<Instant>,
    last: String,
}

/// A token that a request was sent with.
#[derive(Clone)]
pub(super) struct Token {
    /// The token.
    pub(super) value: Secret,
    serial: u64,
    cell: Arc<Cell>,
}

impl Token {
    /// The vendor did not accept it: the next who needs one fetches another,
    /// unless that happened meanwhile.
    pub(super) fn reject(&self) {
        let mut kept = self.cell.lock();
        if kept.as_ref().is_some_and(|kept| kept.serial == self.serial) {
            *kept = None;
        }
    }
}

impl Tokens {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            cells: Mutex::default(),
            timing,
        }
    }

    /// The token of this name, fetched if there is none or it is about to die.
    ///
    /// # Errors
    /// There is none to be had now, or never.
    pub(super) async fn obtain(
        &self,
        shared: &Shared,
        account: &Account,
        name: &str,
    ) -> Result<Token, Failure> {
        let Some(spec) = account.token(name) else {
            return Err(Failure::Impossible(format!(
                "adapter `{}` names token `{name}`, which its descriptor does not",
                account.descriptor.id
            )));
        };
        let cell = self.cell(account, spec);
        if let Some(token) = cell.token(|kept| kept.renew_at) {
            return Ok(token);
        }
        let mut failures = cell.fetching.lock().await;
        // Somebody else may have fetched it while we waited.
        if let Some(token) = cell.token(|kept| kept.renew_at) {
            return Ok(token);
        }
        if failures.not_before.is_none_or(|at| at <= Instant::now()) {
            match fetch(shared, account, name)
                .await
                .map_err(|failure| failure.reason().to_owned())
            {
                Ok(fetched) => {
                    *failures = Failures::default();
                    tracing::info!(provider = %account.id(), token = name, expires_in_seconds = fetched.life.as_secs(), "token fetched");
                    return Ok(cell.keep(fetched));
                }
                Err(reason) => {
                    tracing::warn!(provider = %account.id(), token = name, reason, "token not fetched");
                    failures.note(reason, self.timing);
                }
            }
        }
        // The one that should have been renewed early may still live.
        cell.token(|kept| kept.dies_at).ok_or_else(|| {
            Failure::NotYet(format!("token `{name}` cannot be had: {}", failures.last))
        })
    }

    fn cell(&self, account: &Account, spec: &TokenSpec) -> Arc<Cell> {
        let settings: BTreeMap<&str, Option<&Value>> = spec
            .keyed_by
            .iter()
            .map(|setting| (setting.as_str(), account.setting(setting)))
            .collect();
        let key = Key {
            adapter: account.descriptor.id.clone(),
            token: spec.name.clone(),
            settings: serde_json::to_string(&settings).expect("JSON values are written as JSON"),
        };
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }
}

impl Failures {
    fn note(&mut self, reason: String, timing: Timing) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let wait = u64::try_from(back_off_ms(self.in_a_row, 0)).unwrap_or(0);
        self.not_before = Some(Instant::now() + timing.of(Duration::from_millis(wait)));
        self.last = reason;
    }
}

impl Cell {
    /// The token, if the moment that is chosen lies ahead.
    fn token(self: &Arc<Self>, until: impl Fn(&Kept) -> Instant) -> Option<Token> {
        let kept = self.lock();
        let kept = kept.as_ref().filter(|kept| until(kept) > Instant::now())?;
        Some(Token {
            value: kept.value.clone(),
            serial: kept.serial,
            cell: Arc::clone(self),
        })
    }

    fn keep(self: &Arc<Self>, fetched: Fetched) -> Token {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let received = Instant::now();
        *self.lock() = Some(Kept {
            value: fetched.value.clone(),
            serial,
            renew_at: received + fetched.life.saturating_sub(margin(fetched.life)),
            dies_at: received + fetched.life,
        });
        Token {
            value: fetched.value,
            serial,
            cell: Arc::clone(self),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long before its end a token is renewed: a tenth of its life or a
/// minute, but never in its first half.
fn margin(life: Duration) -> Duration {
    (life / 10).max(Duration::from_secs(60)).min(life / 2)
}

/// A token fresh from the vendor.
pub(super) struct Fetched {
    /// The token.
    pub(super) value: Secret,
    /// How long it lives from now.
    pub(super) life: Duration,
}

/// Fetches a token, whether there is one or not.
///
/// # Errors
/// How far it got; an answer that holds no token counts as [`Failure::NotYet`].
pub(super) async fn fetch(
    shared: &Shared,
    account: &Account,
    name: &str,
) -> Result<Fetched, Failure> {
    let asked = Event::TokenNeeded {
        name: name.to_owned(),
    };
    let output = ask(shared, account, asked, HandleOutput::default())
        .await
        .map_err(Failure::NotYet)?;
    let (call, output) = the_call(output).map_err(Failure::NotYet)?;
    let response = perform(shared, account, &call).await?;
    let answered = Event::CallFinished {
        call: call.id,
        result: CallResult::Answered { response },
        token_renewed: false,
    };
    let output = ask(shared, account, answered, output)
        .await
        .map_err(Failure::NotYet)?;
    token_in(output, name).map_err(Failure::NotYet)
}

fn token_in(output: HandleOutput, name: &str) -> Result<Fetched, String> {
    let token = output.effects.into_iter().find_map(|effect| match effect {
        Effect::Token {
            name: given,
            value,
            expires_in_seconds,
        } if given == name => Some((value, expires_in_seconds)),
        _ => None,
    });
    match token {
        Some((value, seconds)) if !value.is_empty() => Ok(Fetched {
            value,
            life: Duration::from_secs(seconds.min(LONGEST_LIFE_SECONDS)),
        }),
        Some(_) => Err("the adapter read an empty token out of the vendor's answer".to_owned()),
        None => Err("the adapter read no token out of the vendor's answer".to_owned()),
    }
}

fn the_call(mut output: HandleOutput) -> Result<(Call, HandleOutput), String> {
    let mut effects = std::mem::take(&mut output.effects);
    match (effects.pop(), effects.is_empty()) {
        (Some(Effect::Call { call }), true) => Ok((call, output)),
        _ => Err("the adapter must answer `token_needed` by one call and nothing else".to_owned()),
    }
}

async fn perform(shared: &Shared, account: &Account, call: &Call) -> Result<HttpResponse, Failure> {
    if let Some(name) = stamp::tokens_of(&call.request).next() {
        return Err(Failure::Impossible(format!(
            "the call that fetches a token names token `{name}`"
        )));
    }
    let id = format!("token.{}", stamp::hex(&attempt::random::<16>()));
    let request = call.request.clone();
    let sent = attempt::send_as(shared, account, request, &BTreeMap::new(), &id).await;
    sent.map_err(|failure| {
        failure.map(|reason| format!("the call that fetches it failed: {reason}"))
    })
}

/// Calls the adapter in the provider's scope.
pub(super) async fn ask(
    shared: &Shared,
    account: &Account,
    event: Event,
    before: HandleOutput,
) -> Result<HandleOutput, String> {
    let provider = account.id().clone();
    let input = HandleInput {
        event,
        session: SessionView {
            scope: Scope::Provider,
            provider: provider.clone(),
            now: crate::clock::now(),
            seed: u64::from_be_bytes(attempt::random()),
            callback_url: format!("{}/v1/callbacks/{provider}", shared.parts.public_url),
            ..SessionView::default()
        },
        state: before.state,
        state_version: before.state_version,
    };
    let answer = shared.parts.origin.ask(&provider, input);
    // The call itself is watched where it runs; this is for the wait before it.
    let patience = account.provider.limits.timeout;
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(format!("the adapter did not answer within {patience:?}")))
}

/// Ten years: longer than any vendor's, short enough for a clock to add.
const LONGEST_LIFE_SECONDS: u64 = 315_360_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::delivery::account::tests::account;

    fn fetched(value: &str, seconds: u64) -> Fetched {
        Fetched {
            value: value.into(),
            life: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_token_is_renewed_a_tenth_of_its_life_before_its_end() {
        let margin = |seconds| margin(Duration::from_secs(seconds)).as_secs();
        assert_eq!(margin(86_400), 8_640);
        assert_eq!(margin(300), 60);
        assert_eq!(margin(60), 30);
        assert_eq!(margin(0), 0);
    }

    #[test]
    fn only_who_used_the_current_token_can_drop_it() {
        let cell = Arc::<Cell>::default();
        let first = cell.keep(fetched("one", 3600));
        first.reject();
        assert!(cell.token(|kept| kept.dies_at).is_none());
        cell.keep(fetched("two", 3600));
        first.reject();
        let current = cell.token(|kept| kept.renew_at).expect("it is the new one");
        assert_eq!(current.value, Secret::new("two"));
    }

    #[test]
    fn providers_that_agree_in_the_key_share_a_token() {
        let tokens = Tokens::new(Timing::default());
        let spec = TokenSpec {
            name: "api".into(),
            keyed_by: vec!["app_id".into(), "base_url".into()],
        };
        let cell = |settings| tokens.cell(&account(settings, &[]), &spec);
        let one = cell(json!({"app_id": "a", "group": 1}));
        assert!(Arc::ptr_eq(&one, &cell(json!({"app_id": "a", "group": 2}))));
        assert!(!Arc::ptr_eq(&one, &cell(json!({"app_id": "b"}))));
        assert!(!Arc::ptr_eq(
            &one,
            &cell(json!({"app_id": "a", "base_url": "x"}))
        ));
        let other = TokenSpec {
            name: "robot".into(),
            ..spec.clone()
        };
        let other = tokens.cell(&account(json!({"app_id": "a"}), &[]), &other);
        assert!(!Arc::ptr_eq(&one, &other));
    }
}
