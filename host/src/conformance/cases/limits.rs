//! The largest inputs that a gateway lets through, and many of them in a row.
//!
//! What an answer may cost in bytes and time is checked at every call of every
//! test; here is what comes near it.

use kefu_core::command::{MAX_SHORT, MAX_TEXT};
use kefu_plugin_api::{
    capability::SessionState,
    effect::Effect,
    event::Event,
    message::Content,
    wire::{HandleInput, encode},
};

use super::{Adapter, Bench, Verdict, door, open, shown};
use crate::{
    conformance::{
        corpus::{self, STANDINGS},
        random::Random,
        tree::Tree,
    },
    plugin::{FaultKind, Function},
};

/// The largest body of a callback.
const BODY: usize = 1 << 20;
/// Bodies that are tried; each takes its time to read.
const MOST_BODIES: usize = 80;
/// Messages of one visitor in a row: as many as may wait for a handshake.
const IN_A_ROW: usize = 200;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    for standing in STANDINGS {
        long_words(&adapter, standing, verdict);
        // Whoever is slow would be slow each time.
        if verdict.failures.is_empty() {
            many_messages(&adapter, standing, verdict);
        }
    }
    large_bodies(bench, &adapter, verdict);
}

fn long_words(adapter: &Adapter<'_>, standing: SessionState, verdict: &mut Verdict) {
    let long = "好".repeat(MAX_TEXT);
    let short = "好".repeat(MAX_SHORT);
    let rich = Content::Rich {
        title: short.clone(),
        summary: long.clone(),
        image_url: None,
        url: format!("https://shop.example/{}", "x".repeat(MAX_SHORT / 2)),
    };
    for content in [Content::text(long), rich] {
        let input = corpus::turn(corpus::says("message-1", content), standing);
        judge(adapter, &input, verdict);
    }
    let mut opened = corpus::opened();
    if let Event::Opened { visitor, .. } = &mut opened {
        visitor.name = Some(short.clone());
        visitor.portrait = Some(format!("https://app.example/{}", "p".repeat(MAX_SHORT / 2)));
        for field in 0..10 {
            visitor
                .fields
                .insert(format!("field_{field}"), short.clone());
        }
    }
    judge(adapter, &corpus::turn(opened, standing), verdict);
}

/// Whatever an adapter remembers of a visitor who does not stop writing must
/// fit into its state.
fn many_messages(adapter: &Adapter<'_>, standing: SessionState, verdict: &mut Verdict) {
    let mut begin = corpus::turn(corpus::opened(), Default::default());
    let mut say = |event: Event| {
        begin.event = event;
        begin.session.seed += 1;
        match adapter.handle(&begin) {
            Ok(output) => {
                begin.state = output.state;
                begin.state_version = output.state_version;
            }
            Err(fault) if fault.blames_adapter() => {
                verdict.fail_on(format!("many long messages: {fault}"), shown(&begin));
                return false;
            }
            Err(_) => {}
        }
        begin.session.standing = standing;
        true
    };
    // A wish for a human may make an adapter hold messages back.
    if !say(corpus::opened()) || !say(Event::HumanRequested { group: None }) {
        return;
    }
    for number in 0..IN_A_ROW {
        let text = Content::text("好".repeat(MAX_TEXT));
        if !say(corpus::says(&format!("message-{number}"), text)) {
            return;
        }
    }
}

fn large_bodies(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    let door = door::find(bench, adapter);
    let begun = adapter
        .handle(&corpus::turn(corpus::opened(), Default::default()))
        .unwrap_or_default();
    for body in bodies(bench) {
        let bare = corpus::bare(&body);
        for callback in door
            .iter()
            .map(|door| door.pass(bare.clone()))
            .chain([bare.clone()])
        {
            if let Err(fault) = adapter.receive(&callback) {
                let input = encode(&callback).unwrap_or_default();
                verdict.fail_on(
                    format!("a body of {} bytes: {fault}", body.len()),
                    bench.reproduction(Function::Receive, &input[..input.len().min(2_000)]),
                );
            }
        }
        for effect in &begun.effects {
            let Effect::Call { call } = effect else {
                continue;
            };
            let event = corpus::answered(call.id.clone(), 200, &body);
            let mut input = corpus::turn(event, Default::default());
            input.state.clone_from(&begun.state);
            if let Err(fault) = adapter.handle(&input)
                && matches!(
                    fault.kind,
                    FaultKind::Panic | FaultKind::Crash | FaultKind::Timeout | FaultKind::TooLarge
                )
            {
                verdict.fail(format!("an answer of {} bytes: {fault}", body.len()));
            }
        }
    }
}

/// Bodies of the largest size, each unpleasant in its own way.
fn bodies(bench: &Bench<'_>) -> Vec<Vec<u8>> {
    let mut bodies = vec![
        vec![b'['; BODY],
        b"{\"a\":".repeat(BODY / 5),
        vec![0xff; BODY],
        format!("\"{}\"", "x".repeat(BODY - 2)).into_bytes(),
        format!("[{}]", vec!["1"; BODY / 2 - 1].join(",")).into_bytes(),
    ];
    let mut random = Random::new(bench.job.seed);
    for payload in corpus::payloads(&bench.job.samples) {
        let Ok(whole) = Tree::of(&payload) else {
            continue;
        };
        // One of its texts made as long as a body may be.
        let mut texts = whole.clone();
        let places: Vec<usize> = (0..whole.size())
            .filter(|&place| matches!(texts.at_mut(place), Some(Tree::Text(_))))
            .collect();
        if let Some(&place) = random.pick(&places)
            && let Some(text) = texts.at_mut(place)
        {
            *text = Tree::Text("好".repeat(BODY / 4));
            bodies.push(texts.to_json().to_string().into_bytes());
        }
        if bodies.len() > MOST_BODIES {
            break;
        }
    }
    bodies.retain(|body| body.len() <= BODY);
    bodies
}

fn judge(adapter: &Adapter<'_>, input: &HandleInput, verdict: &mut Verdict) {
    if !verdict.failures.is_empty() {
        return;
    }
    if let Err(fault) = adapter.handle(input)
        && fault.blames_adapter()
    {
        verdict.fail_on(fault.to_string(), shown(input));
    }
}
