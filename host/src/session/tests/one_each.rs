//! A vendor that tells visitors apart and not conversations: one open session
//! of each visitor.

use kefu_plugin_api::descriptor::{Descriptor, KeyedBy};

use super::*;

/// Takes every session, and lets it go when the visitor leaves.
fn lets_go(input: HandleInput) -> Result<HandleOutput, Fault> {
    let leaves = matches!(input.event, Event::Exited {});
    let mut output = good(input)?;
    if leaves {
        let reason = EndReason::Visitor;
        output.effects.push(Effect::Close { reason });
    }
    Ok(output)
}

/// Two desks in front of one provider that is keyed by visitor.
async fn two_desks() -> Place {
    let place = Place::new(&["a", "b"]).await;
    let mut config = (**place.config.load()).clone();
    let desks = &mut config.main.desks;
    let routes = desks[&"a".into()].routes.clone();
    if let Some(b) = desks.get_mut(&"b".into()) {
        b.routes = routes;
    }
    place.config.store(Arc::new(config));
    let descriptor = Descriptor::new("a", "1.0.0").callbacks(KeyedBy::Visitor, "none");
    let refuses = |_| Err(Fault::new(FaultKind::Adapter, "no callback was expected"));
    fake::serve_described(
        &place.registry,
        "a",
        descriptor,
        Box::new(lets_go),
        Box::new(refuses),
    );
    place
}

#[tokio::test]
async fn the_second_desk_is_closed_until_the_first_is_left() {
    let place = two_desks().await;
    let session = place.open("v", "a").await.unwrap();
    assert_eq!(place.open("v", "a").await.unwrap(), session, "its own");
    let refused = place.open("v", "b").await.unwrap_err();
    assert!(refused.starts_with("no-provider-available"), "{refused}");
    assert!(refused.contains("at another desk"), "{refused}");
    place.open("another", "b").await.unwrap();
    let me = who("v");
    let left = place
        .engine
        .command(&me, &session, Command::Exit, None, None);
    left.await.unwrap();
    place.open("v", "b").await.unwrap();
}

#[tokio::test]
async fn of_two_that_open_at_once_one_is_refused() {
    let place = two_desks().await;
    for number in 0..20 {
        let visitor = format!("v{number}");
        let (a, b) = tokio::join!(place.open(&visitor, "a"), place.open(&visitor, "b"));
        assert_eq!(
            [&a, &b].iter().filter(|opened| opened.is_ok()).count(),
            1,
            "{a:?} {b:?}"
        );
    }
}
