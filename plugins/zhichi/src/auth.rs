//! How the two sides prove themselves.
//!
//! Owns the token call, whose signature the host computes at each attempt, and
//! the check of a push: a secret path segment and, if the operator wants, a
//! list of addresses. The vendor signs nothing, so there is nothing else to
//! check. Invariant: no secret is written into a request or an error.

use std::net::IpAddr;

use kefu_plugin_api::prelude::{
    AdapterError, Algorithm, Call, CallResult, Callback, Effect, Encoding, HttpRequest, Part,
    Place, Reject, Stamp, TimeUnit,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    api::{self, TokenItem},
    config::Account,
};

/// The one token of a company: the newest one kills every older one.
pub(crate) const TOKEN: &str = "api";

/// Id of the call that fetches it.
const TOKEN_CALL: &str = "token";

/// What the vendor documents as the longest life of a token.
const TOKEN_LIFE_SECONDS: u64 = 86_400;

/// Asks the vendor for a token: `sign` is the MD5 of app id, time and key.
pub(crate) fn token_call(account: &Account) -> Effect {
    let app_id = utf8_percent_encode(&account.app_id, NON_ALPHANUMERIC);
    let seconds = TimeUnit::Seconds;
    let request = HttpRequest::get(format!("{}?appid={app_id}", account.token))
        .with_stamp(Stamp::Time {
            unit: seconds,
            place: Place::query("create_time"),
        })
        .with_stamp(Stamp::Digest {
            algorithm: Algorithm::Md5,
            key: None,
            parts: vec![
                Part::Text {
                    text: account.app_id.clone(),
                },
                Part::Time { unit: seconds },
                Part::Secret {
                    setting: "app_key".to_owned(),
                },
            ],
            encoding: Encoding::Hex,
            place: Place::query("sign"),
        });
    Call::new(TOKEN_CALL, request).repeatable().into()
}

/// Reads the token out of the vendor's answer.
pub(crate) fn token_answer(result: CallResult) -> Result<Effect, AdapterError> {
    let failed = |detail: String| AdapterError::vendor(format!("fetching a token: {detail}"));
    let response = match result {
        CallResult::Answered { response } => response,
        CallResult::NotSent { detail } | CallResult::Unknown { detail } => {
            return Err(failed(detail));
        }
        _ => return Err(failed("a result that is newer than this adapter".into())),
    };
    let item: TokenItem = api::read(&response).map_err(|refusal| failed(refusal.to_string()))?;
    let value = item
        .token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| failed("the answer holds no `item.token`".into()))?;
    // A life that is missing or makes no sense is taken as the documented one:
    // a token that dies earlier is noticed by its code.
    let life = item
        .expires_in
        .and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Effect::Token {
        name: TOKEN.to_owned(),
        value: value.into(),
        expires_in_seconds: life
            .filter(|&seconds| seconds > 0)
            .map_or(TOKEN_LIFE_SECONDS, |seconds| {
                seconds.min(TOKEN_LIFE_SECONDS)
            }),
    })
}

/// Puts the token into a call.
pub(crate) fn with_token(account: &Account, request: HttpRequest) -> HttpRequest {
    request.with_stamp(Stamp::Token {
        name: TOKEN.to_owned(),
        place: Place::header(&account.token_header),
        prefix: account.token_prefix.clone(),
    })
}

/// Whether a push comes from the vendor.
pub(crate) fn check_push(account: &Account, callback: &Callback) -> Result<(), Reject> {
    let segment = callback.path.strip_prefix('/');
    let segment = segment.map(|segment| segment.strip_suffix('/').unwrap_or(segment));
    if !account.push_secret.matches(segment) {
        let detail = "the secret path segment is missing or wrong";
        return Err(Reject::unauthenticated(detail));
    }
    if account.push_networks.is_empty() {
        return Ok(());
    }
    let peer = callback.peer.as_ref().and_then(|peer| peer.address());
    let listed = |peer: IpAddr| account.push_networks.iter().any(|net| net.contains(peer));
    match peer {
        Some(peer) if listed(peer.ip()) => Ok(()),
        Some(_) => Err(Reject::unauthenticated(
            "the peer is not in `push_addresses`",
        )),
        None => Err(Reject::unauthenticated(
            "the peer is not known, and `push_addresses` names some",
        )),
    }
}

/// An address with the number of leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `203.0.113.7`, `203.0.113.0/24` or the same in IPv6.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    fn contains(self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(peer)) => {
                let shift = 32 - self.bits;
                let front = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                front(net.to_bits()) == front(peer.to_bits())
            }
            (IpAddr::V6(net), IpAddr::V6(peer)) => {
                let shift = 128 - self.bits;
                let front = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                front(net.to_bits()) == front(peer.to_bits())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(net: &str, peer: &str) -> bool {
        let peer = peer.parse().expect("an address");
        Network::parse(net).expect("a network").contains(peer)
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_front() {
        assert!(contains("203.0.113.7", "203.0.113.7"));
        assert!(!contains("203.0.113.7", "203.0.113.8"));
        assert!(contains("203.0.113.0/24", "203.0.113.200"));
        assert!(!contains("203.0.113.0/24", "203.0.114.1"));
        assert!(contains("0.0.0.0/0", "198.51.100.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("::/0", "203.0.113.7"));
    }

    #[test]
    fn an_ipv4_peer_of_a_socket_for_both_counts_as_ipv4() {
        assert!(contains("203.0.113.7", "::ffff:203.0.113.7"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "sobot.com",
            "203.0.113.7/33",
            "203.0.113.7/x",
            "::/129",
            "1.2.3",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
