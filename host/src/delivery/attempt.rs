//! One attempt: what is checked, filled in and sent.
//!
//! Owns the order of these steps. Deliberately decides nothing about another
//! attempt. Invariant: the mark that an entry may have been sent is on disk
//! before the first byte of a request that must not arrive twice leaves, and
//! as late as possible, so that what surely was not sent is not marked.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap, sync::LazyLock, time::Duration};

use kefu_core::{config::ProviderLimits, outbox::OutboxEntry};
use kefu_plugin_api::{
    effect::Call,
    http::{HttpRequest, HttpResponse},
    secret::Secret,
};
use rustls::crypto::{SecureRandom, ring};

use super::{
    Account, Shared,
    http::{Failure, parse_url},
    stamp,
    tokens::Token,
};

/// How long connecting may take where another provider can be asked: a visitor
/// waits for it.
const HASTY_CONNECT: Duration = Duration::from_millis(1_500);

/// Tries a call once.
pub(super) struct Try<'a> {
    /// What everybody uses.
    pub(super) shared: &'a Shared,
    /// Through which account.
    pub(super) account: &'a Account,
    /// The call.
    pub(super) entry: &'a OutboxEntry,
    /// Counted from 1.
    pub(super) number: u32,
    /// Whether it is marked as about to be sent; set when that is done.
    pub(super) marked: &'a mut bool,
    /// The tokens that it was sent with; filled in.
    pub(super) tokens: &'a mut BTreeMap<String, Token>,
}

impl Try<'_> {
    /// Sends it.
    ///
    /// # Errors
    /// How far it got.
    pub(super) async fn perform(mut self) -> Result<HttpResponse, Failure> {
        let mut request = self.form().await?;
        // First, so that no token is fetched for what may not leave.
        let account = account_for(self.shared, self.account, &request)?;
        let secrets = self.fetch_tokens(&request).await?;
        let id = self.entry.call.id.as_str().to_owned();
        fill(&mut request, &account, &secrets, &id)?;
        self.mark().await?;
        let limits = &self.account.provider.limits;
        if self.entry.gives_way && limits.connect_timeout > HASTY_CONNECT {
            let hasty = ProviderLimits {
                connect_timeout: HASTY_CONNECT,
                ..limits.clone()
            };
            return self.shared.http.send(request, &hasty).await;
        }
        self.shared.http.send(request, limits).await
    }

    /// The request in the form of this attempt.
    async fn form(&self) -> Result<HttpRequest, Failure> {
        let call = &self.entry.call;
        let mut request = if call.prepare {
            let prepared = self.shared.parts.origin.prepare(self.entry, self.number);
            prepared.await.map_err(|reason| {
                Failure::NotYet(format!("the adapter did not prepare the attempt: {reason}"))
            })?
        } else {
            call.request.clone()
        };
        if let (Some(links), false) = (&self.shared.parts.links, self.entry.media.is_empty())
            && let Some(body) = links.sign_links(&request.body, &self.entry.media)
        {
            request.body = body;
        }
        let names_trace = |(name, _): &(String, String)| name.eq_ignore_ascii_case("traceparent");
        if let Some(trace) = &self.entry.trace
            && !request.headers.iter().any(names_trace)
        {
            request.headers.push(("traceparent".into(), trace.clone()));
        }
        Ok(request)
    }

    async fn fetch_tokens(
        &mut self,
        request: &HttpRequest,
    ) -> Result<BTreeMap<String, Secret>, Failure> {
        let mut secrets = BTreeMap::new();
        for name in stamp::tokens_of(request) {
            let tokens = &self.shared.tokens;
            let token = tokens.obtain(self.shared, self.account, name).await?;
            secrets.insert(name.to_owned(), token.value.clone());
            self.tokens.insert(name.to_owned(), token);
        }
        Ok(secrets)
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        if self.entry.call.repeatable || *self.marked {
            return Ok(());
        }
        let marked = self
            .shared
            .parts
            .origin
            .mark_attempted(self.entry, true)
            .await;
        marked.map_err(|reason| {
            Failure::NotYet(format!("the store did not take the mark: {reason}"))
        })?;
        *self.marked = true;
        Ok(())
    }
}

/// Through which account a request leaves. What was made before the provider
/// moved to another address goes where it was meant to go, with the secrets that
/// belong there. A token is always one of today's account, so what needs one
/// does not.
fn account_for<'a>(
    shared: &Shared,
    account: &'a Account,
    request: &HttpRequest,
) -> Result<Cow<'a, Account>, Failure> {
    let Err(refused) = check(request, account) else {
        return Ok(Cow::Borrowed(account));
    };
    if stamp::tokens_of(request).next().is_some() {
        return Err(refused);
    }
    let earlier = shared.parts.accounts.earlier(account.id());
    let found = earlier
        .into_iter()
        .find(|account| check(request, account).is_ok());
    found.map(Cow::Owned).ok_or(refused)
}

/// Sends a request that belongs to no session, as one attempt of this account.
///
/// # Errors
/// How far it got.
pub(super) async fn send_as(
    shared: &Shared,
    account: &Account,
    mut request: HttpRequest,
    tokens: &BTreeMap<String, Secret>,
    id: &str,
) -> Result<HttpResponse, Failure> {
    check(&request, account)?;
    fill(&mut request, account, tokens, id)?;
    shared.http.send(request, &account.provider.limits).await
}

/// Checks that a request goes where this account may go.
///
/// # Errors
/// It can never be sent.
pub(super) fn check(request: &HttpRequest, account: &Account) -> Result<(), Failure> {
    let target = parse_url(&request.url)?;
    account.check_target(&target).map_err(Failure::Impossible)
}

/// Fills a request's stamps in, as of this moment.
///
/// # Errors
/// It can never be sent like this.
pub(super) fn fill(
    request: &mut HttpRequest,
    account: &Account,
    tokens: &BTreeMap<String, Secret>,
    delivery_id: &str,
) -> Result<(), Failure> {
    let moment = stamp::Moment {
        account,
        now: crate::clock::now(),
        nonce: OnceCell::new(),
        delivery_id,
        tokens,
    };
    stamp::fill(request, &moment).map_err(Failure::Impossible)
}

/// Whether this account could send a call: where it goes, the settings and
/// tokens that it names, its form. Nothing is sent, and no token obtained.
///
/// # Errors
/// Why it could never be sent.
pub(crate) fn would_leave(account: &Account, call: &Call) -> Result<(), String> {
    let mut request = call.request.clone();
    let refused = |failure: Failure| failure.reason().to_owned();
    check(&request, account).map_err(refused)?;
    let mut tokens = BTreeMap::new();
    for name in stamp::tokens_of(&request) {
        if account.token(name).is_none() {
            return Err(format!(
                "token `{name}` is named by a request and described by no adapter"
            ));
        }
        tokens.insert(name.to_owned(), Secret::new("token"));
    }
    fill(&mut request, account, &tokens, call.id.as_str()).map_err(refused)?;
    super::http::check_form(request).map_err(refused)
}

/// Random bytes that nobody can foresee.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    RANDOM
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

static RANDOM: LazyLock<&'static dyn SecureRandom> =
    LazyLock::new(|| ring::default_provider().secure_random);
