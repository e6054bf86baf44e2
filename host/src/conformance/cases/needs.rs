//! What requests name, against what the descriptor declares: hosts, tokens,
//! secrets of the settings.

use std::sync::Arc;

use kefu_core::config::{AllowedHost, NoLookup, Provider, Settings, check_provider};
use kefu_plugin_api::{
    effect::Effect,
    http::{HttpRequest, Part, Stamp},
    wire::{HandleInput, HandleOutput},
};

use super::{Bench, Verdict, open, rehearse, shown};
use crate::{conformance::corpus, delivery::Account};

/// Sessions that are played for their requests.
const SESSIONS: u64 = 60;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let account = match account(bench) {
        Ok(account) => account,
        Err(reason) => {
            verdict.fail(format!("the test did not run: {reason}"));
            return;
        }
    };
    let everywhere = corpus::events()
        .into_iter()
        .flat_map(|event| corpus::STANDINGS.map(|standing| corpus::turn(event.clone(), standing)));
    let provider = corpus::events().into_iter().map(corpus::provider_turn);
    let tokens = account.descriptor.tokens.iter().map(|token| {
        corpus::provider_turn(kefu_plugin_api::event::Event::TokenNeeded {
            name: token.name.clone(),
        })
    });
    let played = rehearse(bench, &adapter, SESSIONS);
    let mut requests = 0;
    for input in everywhere.chain(provider).chain(tokens).chain(played) {
        let Ok(output) = adapter.handle(&input) else {
            continue;
        };
        for request in requests_of(&output) {
            requests += 1;
            for reason in check(&account, request) {
                verdict.fail_on(reason, shown(&input));
            }
        }
        tokens_told(&account, &input, &output, verdict);
        if verdict.is_full() {
            return;
        }
    }
    verdict.note(format!("{requests} requests were looked at"));
}

/// The provider as the gateway's own delivery would see it.
fn account(bench: &Bench<'_>) -> Result<Account, String> {
    Ok(Account {
        provider: Arc::new(provider(bench)?),
        descriptor: Arc::clone(bench.about().descriptor()),
    })
}

fn provider(bench: &Bench<'_>) -> Result<Provider, String> {
    let text = "id = \"conformance\"\nplugin = \"plugin.so\"\n";
    let mut provider = check_provider("providers/conformance.toml", text, &NoLookup)
        .map_err(|error| error.to_string())?
        .settings;
    provider.settings = Settings::new(bench.settings().clone());
    for host in &bench.job.hosts {
        let host = AllowedHost::parse(host).ok_or_else(|| format!("`{host}` is no host"))?;
        provider.hosts.push(host);
    }
    Ok(provider)
}

fn requests_of(output: &HandleOutput) -> impl Iterator<Item = &HttpRequest> {
    output.effects.iter().filter_map(|effect| match effect {
        Effect::Call { call } => Some(&call.request),
        Effect::Attempt { request } => Some(request),
        _ => None,
    })
}

/// Everything that is wrong with a request.
fn check(account: &Account, request: &HttpRequest) -> Vec<String> {
    let target = request
        .url
        .parse()
        .map_err(|error| format!("`{}` is no URL: {error}", request.url))
        .and_then(|uri| account.check_target(&uri));
    let stamps = request.stamps.iter().flat_map(|stamp| match stamp {
        Stamp::Token { name, .. } => vec![token(account, name)],
        Stamp::Secret { setting, .. } | Stamp::StandardWebhooks { setting } => {
            vec![secret(account, setting)]
        }
        Stamp::Digest { key, parts, .. } => key
            .iter()
            .chain(parts.iter().filter_map(named_by_part))
            .map(|setting| secret(account, setting))
            .collect(),
        _ => Vec::new(),
    });
    std::iter::once(target)
        .chain(stamps)
        .filter_map(Result::err)
        .collect()
}

fn token(account: &Account, name: &str) -> Result<(), String> {
    if account.token(name).is_some() {
        return Ok(());
    }
    Err(format!(
        "a request needs token `{name}`, which the descriptor does not declare"
    ))
}

fn named_by_part(part: &Part) -> Option<&String> {
    match part {
        Part::Secret { setting } => Some(setting),
        _ => None,
    }
}

/// A setting that a request names must be in the schema, and filled.
fn secret(account: &Account, setting: &str) -> Result<(), String> {
    let schema = account.descriptor.settings.as_value();
    let known = setting
        .split('.')
        .next()
        .is_some_and(|top| schema["properties"].get(top).is_some());
    if !known {
        return Err(format!(
            "a request needs setting `{setting}`, which the settings' schema does not have"
        ));
    }
    account.text(setting).map(drop)
}

/// Tokens that are told or rejected must be declared too.
fn tokens_told(
    account: &Account,
    input: &HandleInput,
    output: &HandleOutput,
    verdict: &mut Verdict,
) {
    for effect in &output.effects {
        if let Effect::Token { name, .. } | Effect::TokenRejected { name } = effect
            && account.token(name).is_none()
        {
            verdict.fail_on(
                format!("token `{name}` is told of, which the descriptor does not declare"),
                shown(input),
            );
        }
    }
}
