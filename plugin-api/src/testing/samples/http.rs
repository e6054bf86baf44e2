//! Requests, answers and callbacks, with every stamp.

use std::net::SocketAddr;

use serde_json::json;

use super::{NOW, Named};
use crate::{
    adapter::{Dedupe, Receipt, Received},
    error::{AdapterError, FaultKind, OpenError, Reject},
    event::{CallResult, ProviderEvent},
    http::{
        Algorithm, Callback, Encoding, HttpRequest, HttpResponse, Part, Place, Stamp, TimeUnit,
    },
};

/// Every end of a call.
pub fn call_results() -> Vec<Named<CallResult>> {
    let samples = vec![
        (
            "answered",
            CallResult::Answered {
                response: HttpResponse {
                    status: 502,
                    headers: Vec::new(),
                    body: vec![0, 159, 146, 150, 255],
                },
            },
        ),
        (
            "not_sent",
            CallResult::NotSent {
                detail: "connection refused".into(),
            },
        ),
        (
            "unknown",
            CallResult::Unknown {
                detail: "no answer within 10 s".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            CallResult::Answered { .. }
            | CallResult::NotSent { .. }
            | CallResult::Unknown { .. } => {}
        }
    }
    samples
}

/// Every stamp, with every part, place, unit, algorithm and encoding.
pub fn stamps() -> Vec<Named<Stamp>> {
    let samples = vec![
        (
            "token",
            Stamp::Token {
                name: "access".into(),
                place: Place::header("authorization"),
                prefix: "Bearer ".into(),
            },
        ),
        (
            "secret",
            Stamp::Secret {
                setting: "app_key".into(),
                place: Place::query("key"),
            },
        ),
        (
            "time",
            Stamp::Time {
                unit: TimeUnit::Milliseconds,
                place: Place::header("timestamp"),
            },
        ),
        (
            "nonce",
            Stamp::Nonce {
                place: Place::header("nonce"),
            },
        ),
        (
            "digest",
            Stamp::Digest {
                algorithm: Algorithm::HmacSha256,
                key: Some("app_key".into()),
                parts: parts(),
                encoding: Encoding::Base64,
                place: Place::header("signature"),
            },
        ),
        (
            "digest_bare",
            Stamp::Digest {
                algorithm: Algorithm::Md5,
                key: None,
                parts: Vec::new(),
                encoding: Encoding::Hex,
                place: Place::query("sign"),
            },
        ),
        (
            "standard_webhooks",
            Stamp::StandardWebhooks {
                setting: "secret".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            Stamp::Token { .. }
            | Stamp::Secret { .. }
            | Stamp::Time { .. }
            | Stamp::Nonce { .. }
            | Stamp::Digest { .. }
            | Stamp::StandardWebhooks { .. } => {}
        }
    }
    samples
}

/// Every part of a digest.
pub fn parts() -> Vec<Part> {
    let samples = vec![
        Part::Text {
            text: "app-1".into(),
        },
        Part::Secret {
            setting: "app_key".into(),
        },
        Part::Time {
            unit: TimeUnit::Seconds,
        },
        Part::Nonce {},
        Part::Body {},
        Part::BodyDigest {
            algorithm: Algorithm::Sha256,
        },
        Part::BodyDigest {
            algorithm: Algorithm::Sha1,
        },
    ];
    for sample in &samples {
        match sample {
            Part::Text { .. }
            | Part::Secret { .. }
            | Part::Time { .. }
            | Part::Nonce {}
            | Part::Body {}
            | Part::BodyDigest { .. } => {}
        }
    }
    samples
}

/// Every dedupe rule.
pub fn dedupes() -> Vec<Named<Dedupe>> {
    let samples = vec![
        ("key", Dedupe::Key { key: "E-1".into() }),
        ("body", Dedupe::Body { within_seconds: 60 }),
        (
            "unkeyable",
            Dedupe::Unkeyable {
                reason: "the vendor gives typing no id".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            Dedupe::Key { .. } | Dedupe::Body { .. } | Dedupe::Unkeyable { .. } => {}
        }
    }
    samples
}

/// Every refusal of a callback.
pub fn rejects() -> Vec<Named<Reject>> {
    let samples = vec![
        ("unauthenticated", Reject::unauthenticated("no signature")),
        ("malformed", Reject::malformed("expected value at line 1")),
    ];
    for (_, sample) in &samples {
        match sample {
            Reject::Unauthenticated { .. } | Reject::Malformed { .. } => {}
        }
    }
    samples
}

/// Every kind of failed turn.
pub fn errors() -> Vec<Named<AdapterError>> {
    let kinds = [
        ("vendor", FaultKind::Vendor),
        ("internal", FaultKind::Internal),
        ("panic", FaultKind::Panic),
        ("state", FaultKind::State),
        ("wire", FaultKind::Wire),
        ("closed", FaultKind::Closed),
        ("unknown", FaultKind::Unknown),
    ];
    let named = kinds.map(|(name, kind)| {
        match kind {
            FaultKind::Vendor
            | FaultKind::Internal
            | FaultKind::Panic
            | FaultKind::State
            | FaultKind::Wire
            | FaultKind::Closed
            | FaultKind::Unknown => {}
        }
        let detail = format!("an example of {name}");
        (name, AdapterError { kind, detail })
    });
    named.into()
}

/// Settings that cannot be used.
pub fn open_error() -> OpenError {
    OpenError::setting("base_url", "`ftp://x` must be an http or https URL")
}

/// A callback with everything in it.
pub fn callback() -> Callback {
    Callback {
        method: "POST".into(),
        path: "/secret-segment".into(),
        query: "a=1&b=%20".into(),
        headers: vec![("x-key".into(), "k".into())],
        body: vec![b'{', 0, 255, b'}'],
        peer: Some(SocketAddr::from(([203, 0, 113, 7], 443)).into()),
        received_at: NOW,
    }
}

/// What a callback may mean, with every dedupe rule.
pub fn receipt() -> Receipt {
    let events = dedupes().into_iter().map(|(_, dedupe)| Received {
        conversation: "conversation-1".into(),
        vendor_session: Some("S-1001".into()),
        dedupe,
        event: ProviderEvent::Typing {},
    });
    Receipt {
        events: events.collect(),
        ..Receipt::json(&json!({"code": 0}))
    }
}

pub(super) fn request() -> HttpRequest {
    stamps().into_iter().fold(
        HttpRequest::post_json("https://vendor.example/send", &json!({"text": "hello"}))
            .with_header("X-Trace", "1"),
        |request, (_, stamp)| request.with_stamp(stamp),
    )
}
