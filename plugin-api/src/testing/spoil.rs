//! Every way in which a JSON body can be wrong in one place.
//!
//! Owns the list of harms (a member that is missing, of another type, or
//! enormous), and what every adapter owes a callback that has one of them. Which
//! members a callback cannot do without is for the adapter's tests to say.
//! Invariant: each result differs from the original in exactly one place, and
//! the list is the same at every run.

use serde_json::{Map, Value, json};

use super::Harness;
use crate::{adapter::Adapter, effect::Effect, error::Reject, event::Event, http::Callback};

/// What was done to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The member is not there.
    Missing,
    /// It is there, and of a type that it never has.
    OtherType,
    /// It is of its own type, and far too large.
    Enormous,
}

/// A body with one thing wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoilt {
    /// Where, as a JSON Pointer.
    pub place: String,
    /// What.
    pub harm: Harm,
    /// The whole body.
    pub body: Value,
}

impl Spoilt {
    /// Whether a refusal mentions the place's last name, or the one around it.
    pub fn is_named_by(&self, detail: &str) -> bool {
        let is_name = |name: &&str| !name.is_empty() && name.parse::<u32>().is_err();
        let names = self.place.rsplit('/').filter(is_name);
        names.take(2).any(|name| detail.contains(name))
    }
}

/// Spoils every place of a vendor's callback in every way and gives each to an
/// adapter: a member that is `needed` may not be missing; what is refused is
/// refused as malformed and by a name in its place; everything else is taken by
/// the session without a fault, and little of it is remembered.
///
/// `open` makes a harness whose session is where the callback belongs, `prove`
/// wraps a body as the vendor does, with its proof. Answers how many were tried
/// and how many were refused.
///
/// # Panics
/// At the first callback that is treated otherwise, naming it.
pub fn check_callback<A: Adapter>(
    open: impl Fn() -> Harness<A>,
    prove: impl Fn(&Value) -> Callback,
    sample: &Value,
    needed: &[&str],
) -> (usize, usize) {
    let all = spoilt(sample);
    let tried = all.len();
    let mut refusals = 0;
    for spoilt in all {
        let what = format!("{} of {} {:?}", spoilt.place, short(sample), spoilt.harm);
        let missing = spoilt.harm == Harm::Missing;
        let is_needed = needed.contains(&spoilt.place.as_str());
        let mut harness = open();
        match harness.receive(&prove(&spoilt.body)) {
            Err(Reject::Malformed { detail }) => {
                refusals += 1;
                assert!(!missing || is_needed, "{what}: refused, {detail}");
                assert!(spoilt.is_named_by(&detail), "{what}: not named, {detail}");
                assert!(detail.len() <= MOST_DETAIL, "{what}: {detail}");
            }
            Err(other) => panic!("{what}: {other:?}"),
            Ok(receipt) => {
                assert!(!missing || !is_needed, "{what}: accepted without it");
                for received in receipt.events {
                    let event = Event::FromProvider {
                        event: received.event,
                    };
                    let effects = harness.try_handle(event);
                    let effects = effects.unwrap_or_else(|error| panic!("{what}: {error}"));
                    effects
                        .iter()
                        .for_each(|effect| can_be_shown(effect, &what));
                }
            }
        }
        let remembered = harness.state_bytes().len();
        assert!(
            remembered <= MOST_STATE,
            "{what}: {remembered} bytes are remembered"
        );
    }
    (tried, refusals)
}

/// A text that an app is shown fits into a message.
fn can_be_shown(effect: &Effect, what: &str) {
    if let Effect::Deliver { message } = effect {
        let letters = message.content.to_text().chars().count();
        assert!(
            letters <= MOST_LETTERS,
            "{what}: {letters} characters to show"
        );
    }
}

fn short(sample: &Value) -> String {
    sample.to_string().chars().take(80).collect()
}

/// Spoils every place of a body in every way, one at a time.
pub fn spoilt(body: &Value) -> Vec<Spoilt> {
    let mut all = Vec::new();
    for place in places(body, "") {
        let Some(value) = body.pointer(&place) else {
            continue;
        };
        all.push(without(body, &place));
        let others = of_other_types(value);
        let large = enormous(value);
        let harms = others.map(|it| (Harm::OtherType, it));
        for (harm, value) in harms.chain(large.map(|it| (Harm::Enormous, it))) {
            let mut changed = body.clone();
            if let Some(there) = changed.pointer_mut(&place) {
                *there = value;
            }
            let (place, body) = (place.clone(), changed);
            all.push(Spoilt { place, harm, body });
        }
    }
    all
}

/// Every member of every object and every item of every list.
fn places(value: &Value, at: &str) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => (0..).map(|at: u32| at.to_string()).zip(items).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (key, value) in inner {
        let place = format!("{at}/{key}");
        all.push(place.clone());
        all.extend(places(value, &place));
    }
    all
}

fn without(body: &Value, place: &str) -> Spoilt {
    let mut changed = body.clone();
    let (parent, key) = place.rsplit_once('/').unwrap_or_default();
    match changed.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(at) = key.parse().ok().filter(|at| *at < items.len()) {
                items.remove(at);
            }
        }
        _ => {}
    }
    Spoilt {
        place: place.to_owned(),
        harm: Harm::Missing,
        body: changed,
    }
}

/// One value of each type that this one is not of, and nesting.
fn of_other_types(value: &Value) -> impl Iterator<Item = Value> + use<> {
    let kind = std::mem::discriminant(value);
    let nested = (0..DEPTH).fold(json!([]), |inner, _| json!([inner]));
    let object = Map::from_iter([("unexpected".to_owned(), json!({"deep": [1]}))]);
    [
        Value::Null,
        json!(true),
        json!(-7),
        json!(2.5),
        json!("unexpected"),
        nested,
        Value::Object(object),
    ]
    .into_iter()
    .filter(move |other| std::mem::discriminant(other) != kind)
}

/// Far too much of what it is.
fn enormous(value: &Value) -> impl Iterator<Item = Value> + use<> {
    match value {
        Value::String(_) => vec![json!("长".repeat(LETTERS)), json!("a".repeat(LETTERS))],
        Value::Number(_) => vec![json!(u64::MAX), json!(i64::MIN), json!(1e300)],
        Value::Array(items) => {
            let item = items.first().cloned().unwrap_or(Value::Null);
            vec![vec![item; ITEMS].into()]
        }
        Value::Object(members) => {
            let more = (0..ITEMS).map(|at| (format!("more_{at}"), json!("x")));
            vec![Value::Object(
                members.clone().into_iter().chain(more).collect(),
            )]
        }
        _ => Vec::new(),
    }
    .into_iter()
}

/// Lists in lists; a reader of JSON goes a little deeper than this.
const DEPTH: usize = 100;
/// Letters of a text; with three bytes each it still fits into a callback.
const LETTERS: usize = 100_000;
/// Items of a list or members of an object.
const ITEMS: usize = 5_000;
/// Bytes of a refusal.
const MOST_DETAIL: usize = 400;
/// Bytes of a session's state.
const MOST_STATE: usize = 64 << 10;
/// Characters of a text that an app is shown.
const MOST_LETTERS: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_spoilt_in_every_way_and_nothing_else_changes() {
        let body = json!({"a/b": 1, "list": [{"x": "y"}]});
        let all = spoilt(&body);
        for place in ["/a~1b", "/list", "/list/0", "/list/0/x"] {
            let harms: Vec<Harm> = all
                .iter()
                .filter(|it| it.place == place)
                .map(|it| it.harm)
                .collect();
            for harm in [Harm::Missing, Harm::OtherType, Harm::Enormous] {
                assert!(harms.contains(&harm), "{place} {harm:?}");
            }
        }
        assert!(all.iter().all(|it| it.body != body));
        let missing = all.iter().find(|it| it.place == "/list/0/x");
        let missing = missing.map(|it| &it.body);
        assert_eq!(missing, Some(&json!({"a/b": 1, "list": [{}]})));
    }

    #[test]
    fn what_is_spoilt_still_fits_into_a_callback() {
        for spoilt in spoilt(&json!({"text": "x", "list": ["x"], "object": {}})) {
            assert!(spoilt.body.to_string().len() < 1 << 20, "{}", spoilt.place);
        }
    }
}
