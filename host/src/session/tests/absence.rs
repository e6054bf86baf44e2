//! An adapter whose process takes no call: everything waits, nothing is lost
//! and nobody is blamed.

use kefu_core::outbox::Finished;
use kefu_plugin_api::{
    adapter::{Receipt, Received},
    effect::Call,
    event::{CallResult, ProviderEvent},
    http::{HttpRequest, HttpResponse},
    wire::ReceiveOutput,
};

use super::*;
use crate::session::Settling;

/// An adapter that takes no calls after the session is open, until it is
/// there; every message of a visitor makes it call its vendor.
fn away(
    there: &Arc<AtomicBool>,
    heard: &Arc<AtomicUsize>,
) -> impl Fn(HandleInput) -> Result<HandleOutput, Fault> + use<> {
    let (there, heard) = (Arc::clone(there), Arc::clone(heard));
    move |input| {
        let opens = matches!(input.event, Event::Opened { .. });
        if !opens && !there.load(Ordering::Acquire) {
            return Err(Fault::new(FaultKind::Unavailable, "the next is not there"));
        }
        let called = matches!(
            input.event,
            Event::FromProvider { .. } | Event::CallFinished { .. }
        );
        heard.fetch_add(called.into(), Ordering::SeqCst);
        let calls = matches!(input.event, Event::FromVisitor { .. });
        let mut output = good(input)?;
        if calls {
            let request = HttpRequest::get("https://vendor.example/");
            let call = Call::new("call", request);
            output.effects.push(Effect::Call { call });
        }
        Ok(output)
    }
}

#[tokio::test]
async fn visitors_are_refused_and_no_quarantine_comes_of_it() {
    let place = Place::new(&["a"]).await;
    let there = Arc::new(AtomicBool::new(false));
    fake::serve(&place.registry, "a", away(&there, &Arc::default()));
    for visitor in ["v0", "v1", "v2", "v3", "v4", "v5"] {
        let session = place.open(visitor, "a").await.unwrap();
        for _ in 0..3 {
            assert!(place.say(visitor, &session, "hello").await.is_err());
        }
    }
    assert_eq!(place.availability("a"), Some(Availability::Active));
}

#[tokio::test]
async fn a_vendors_event_waits_for_the_adapter() {
    let place = Place::new(&["a"]).await;
    let (there, heard) = (Arc::default(), Arc::default());
    let conversation = Arc::new(std::sync::OnceLock::new());
    let known = Arc::clone(&conversation);
    fake::serve_all(
        &place.registry,
        "a",
        Box::new(away(&there, &heard)),
        Box::new(move |_| {
            let to = kefu_plugin_api::ids::ConversationId::clone(known.wait());
            let events = vec![Received::keyed(to, "event-1", ProviderEvent::Typing {})];
            let receipt = Receipt {
                events,
                ..Receipt::ok()
            };
            Ok(ReceiveOutput::Accepted { receipt })
        }),
    );
    let session = place.open("v", "a").await.unwrap();
    let record = place.store.record(&session).unwrap().unwrap();
    conversation.set(record.conversation).unwrap();
    let answer = place.engine.callback(&"a".into(), callback()).await;
    assert!(
        matches!(answer, CallbackAnswer::Answer { status: 200, .. }),
        "{answer:?}"
    );
    assert_eq!(place.store.inbox().unwrap().len(), 1, "it waits");
    there.store(true, Ordering::Release);
    until("it has its turn", || heard.load(Ordering::SeqCst) == 1).await;
    until("it waits no more", || {
        place.store.inbox().unwrap().is_empty()
    })
    .await;
    assert_eq!(place.store.dead_letters(9).unwrap(), []);
}

#[tokio::test]
async fn the_end_of_a_call_waits_for_the_adapter() {
    let place = Place::new(&["a"]).await;
    let (there, heard) = (Arc::new(AtomicBool::new(true)), Arc::default());
    fake::serve(&place.registry, "a", away(&there, &heard));
    let session = place.open("v", "a").await.unwrap();
    place.say("v", &session, "hello").await.unwrap();
    there.store(false, Ordering::Release);
    let entry = place.store.outbox().unwrap().remove(0).entry;
    let settle = || {
        let finished = Finished {
            number: entry.number,
            result: CallResult::Answered {
                response: HttpResponse {
                    status: 200,
                    headers: vec![],
                    body: b"the vendor's answer".to_vec(),
                },
            },
            token_renewed: false,
            attempts: 1,
        };
        place.engine.settle(&entry, finished, None)
    };
    assert!(matches!(settle().await, Settling::Later(_)));
    assert_eq!(place.store.outbox().unwrap().len(), 1, "it waits");
    there.store(true, Ordering::Release);
    assert!(matches!(settle().await, Settling::Done));
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    assert!(place.store.outbox().unwrap().is_empty());
    assert_eq!(place.store.dead_letters(9).unwrap(), []);
}
