//! What waits to be pushed, in memory: a few numbers per session, no message.
//!
//! Owns which lane may be tried next and when. Deliberately knows neither
//! configuration nor clock, and starts nothing. Invariants: a lane is tried by
//! one at a time; what is here is what the store has, because both change in
//! the order of the commits; a replay waits for its session's own lane.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kefu_plugin_api::{
    ids::{AppId, SessionId},
    time::Timestamp,
};

use crate::store::PushLane;

/// Which lane: the session, and for a replay the dead letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) session: SessionId,
    pub(super) replay: Option<String>,
}

impl Key {
    fn of(lane: &PushLane) -> Self {
        Self {
            session: lane.session.clone(),
            replay: lane.replay.clone(),
        }
    }
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) after: u64,
    pub(super) last: u64,
    pub(super) tries: u32,
    pub(super) due: Timestamp,
    pub(super) since: Timestamp,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Among those that wait, by the time they are due.
    Waits,
    /// It is being tried.
    Tried,
    /// A replay behind its session's own lane.
    Behind,
    /// It was forgotten while it was being tried, and ends with that.
    Dropped,
    /// As [`Dropped`](Self::Dropped), and there is something new since, from a
    /// place of its own.
    Renewed,
}

/// Every lane of every app.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    apps: HashMap<AppId, OfApp>,
}

#[derive(Debug, Default)]
struct OfApp {
    lanes: BTreeMap<Arc<Key>, Place>,
    waiting: BTreeSet<(Timestamp, Arc<Key>)>,
    under_way: u32,
}

/// What there is to do for an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing before something changes.
    Nothing,
    /// A lane at this time.
    At(Timestamp),
}

/// How it stands with an app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) lanes: usize,
    pub(super) under_way: u32,
    /// Since when the one that has waited longest has not got on.
    pub(super) oldest: Option<Timestamp>,
}

impl Lanes {
    /// Takes what a turn or a replay added. Whether the app is new here.
    pub(super) fn add(&mut self, lane: &PushLane) -> bool {
        let is_new = !self.apps.contains_key(&lane.app);
        let app = self.apps.entry(lane.app.clone()).or_default();
        let key = Key::of(lane);
        let place = Place {
            after: lane.after,
            last: lane.last,
            tries: lane.tries,
            due: lane.due,
            since: lane.since,
            state: State::Waits,
        };
        if let Some(known) = app.lanes.get_mut(&key) {
            if known.state == State::Dropped {
                *known = Place {
                    state: State::Renewed,
                    ..place
                };
            } else {
                known.last = known.last.max(lane.last);
            }
            return is_new;
        }
        let key = Arc::new(key);
        app.waiting.insert((place.due, Arc::clone(&key)));
        app.lanes.insert(key, place);
        is_new
    }

    /// When the next lane of an app may be tried, if so many may be at a time.
    pub(super) fn next(&self, app: &AppId, concurrency: u32) -> Next {
        let Some(app) = self.apps.get(app) else {
            return Next::Nothing;
        };
        match app.waiting.first() {
            Some(&(due, _)) if app.under_way < concurrency => Next::At(due),
            _ => Next::Nothing,
        }
    }

    /// Takes the lane out that is due first, if one is due.
    pub(super) fn take(&mut self, app: &AppId, now: Timestamp) -> Option<(Key, Place)> {
        let app = self.apps.get_mut(app)?;
        while app.waiting.first().is_some_and(|(due, _)| *due <= now) {
            let (_, key) = app.waiting.pop_first()?;
            let blocked = key.replay.is_some() && app.lanes.contains_key(&own(&key.session));
            let place = app.lanes.get_mut(&key)?;
            if blocked {
                place.state = State::Behind;
                continue;
            }
            place.state = State::Tried;
            app.under_way += 1;
            return Some((Key::clone(&key), *place));
        }
        None
    }

    /// A lane that was tried waits again, from this place on.
    pub(super) fn put_back(&mut self, app: &AppId, key: &Key, now_at: Place) {
        let Some(app) = self.apps.get_mut(app) else {
            return;
        };
        app.under_way = app.under_way.saturating_sub(1);
        match app.lanes.get(key).map(|place| (place.state, place.last)) {
            Some((State::Tried, last)) => app.wait_from(key, Place { last, ..now_at }),
            _ => app.end(key),
        }
    }

    /// A lane that was tried has nothing left; replays behind it may go.
    pub(super) fn end(&mut self, app: &AppId, key: &Key) {
        let Some(app) = self.apps.get_mut(app) else {
            return;
        };
        app.under_way = app.under_way.saturating_sub(1);
        app.end(key);
    }

    /// Forgets what waits for an app. Lanes that are being tried end by
    /// themselves.
    pub(super) fn forget(&mut self, app: &AppId) {
        if let Some(app) = self.apps.get_mut(app) {
            app.waiting.clear();
            app.lanes
                .retain(|_, place| !matches!(place.state, State::Waits | State::Behind));
            for place in app.lanes.values_mut() {
                place.state = State::Dropped;
            }
        }
    }

    /// Everything that waits for an app may be tried now.
    pub(super) fn hurry(&mut self, app: &AppId) {
        let Some(app) = self.apps.get_mut(app) else {
            return;
        };
        app.waiting = std::mem::take(&mut app.waiting)
            .into_iter()
            .map(|(_, key)| (Timestamp::default(), key))
            .collect();
        for place in app.lanes.values_mut() {
            if place.state != State::Tried {
                place.due = Timestamp::default();
            }
        }
    }

    pub(super) fn apps(&self) -> impl Iterator<Item = &AppId> {
        self.apps.keys()
    }

    pub(super) fn count(&self, app: &AppId) -> Count {
        self.apps.get(app).map_or_else(Count::default, |app| Count {
            lanes: app.lanes.len(),
            under_way: app.under_way,
            oldest: app.lanes.values().map(|place| place.since).min(),
        })
    }

    /// Lanes that are being tried, of all apps.
    pub(super) fn under_way(&self) -> u32 {
        self.apps.values().map(|app| app.under_way).sum()
    }
}

impl OfApp {
    /// A lane waits, from this place on.
    fn wait_from(&mut self, key: &Key, place: Place) {
        let Some((key, _)) = self.lanes.remove_entry(key) else {
            return;
        };
        let place = Place {
            state: State::Waits,
            ..place
        };
        self.waiting.insert((place.due, Arc::clone(&key)));
        self.lanes.insert(key, place);
    }

    /// What was tried is over, and what came in its place may go.
    fn end(&mut self, key: &Key) {
        match self.lanes.get(key).copied() {
            Some(place) if place.state == State::Renewed => self.wait_from(key, place),
            Some(place) if matches!(place.state, State::Tried | State::Dropped) => {
                self.lanes.remove(key);
            }
            _ => {}
        }
        let behind = self
            .lanes
            .range_mut(own(&key.session)..)
            .take_while(|(other, _)| other.session == key.session);
        for (key, place) in behind {
            if place.state == State::Behind {
                place.state = State::Waits;
                self.waiting.insert((place.due, Arc::clone(key)));
            }
        }
    }
}

/// The key of a session's own lane.
fn own(session: &SessionId) -> Key {
    Key {
        session: session.clone(),
        replay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn lane(session: &str, replay: Option<&str>, after: u64, last: u64, due: i64) -> PushLane {
        PushLane {
            session: session.into(),
            replay: replay.map(str::to_owned),
            app: "demo".into(),
            after,
            last,
            tries: 0,
            due: at(due),
            since: at(after.cast_signed()),
        }
    }

    fn take(lanes: &mut Lanes, now: i64) -> Option<(String, Place)> {
        let (key, place) = lanes.take(&"demo".into(), at(now))?;
        let name = key.replay.unwrap_or_else(|| key.session.into_string());
        Some((name, place))
    }

    fn key(session: &str, replay: Option<&str>) -> Key {
        Key::of(&lane(session, replay, 0, 0, 0))
    }

    #[test]
    fn lanes_are_tried_when_they_are_due_and_each_by_one_at_a_time() {
        let mut lanes = Lanes::default();
        assert!(lanes.add(&lane("late", None, 1, 2, 50)));
        assert!(!lanes.add(&lane("soon", None, 1, 2, 10)));
        assert_eq!(lanes.next(&"demo".into(), 1), Next::At(at(10)));
        assert!(take(&mut lanes, 9).is_none());
        assert_eq!(take(&mut lanes, 50).unwrap().0, "soon");
        assert_eq!(lanes.next(&"demo".into(), 1), Next::Nothing);
        assert_eq!(lanes.next(&"demo".into(), 2), Next::At(at(50)));
        // What comes while it is tried waits in the lane.
        lanes.add(&lane("soon", None, 4, 5, 0));
        assert_eq!(take(&mut lanes, 50).unwrap().0, "late");
        assert!(take(&mut lanes, 50).is_none());
        let place = Place {
            after: 2,
            last: 2,
            tries: 1,
            due: at(60),
            since: at(0),
            state: State::Tried,
        };
        lanes.put_back(&"demo".into(), &key("soon", None), place);
        let (name, again) = take(&mut lanes, 60).unwrap();
        assert_eq!(
            (name.as_str(), again.after, again.last, again.tries),
            ("soon", 2, 5, 1)
        );
        for name in ["soon", "late"] {
            lanes.end(&"demo".into(), &key(name, None));
        }
        assert_eq!(lanes.count(&"demo".into()), Count::default());
    }

    #[test]
    fn a_replay_waits_for_the_sessions_own_lane_and_for_no_other() {
        let mut lanes = Lanes::default();
        for one in [
            lane("s", None, 1, 9, 70),
            lane("s", Some("letter"), 0, 1, 0),
            lane("t", Some("other"), 0, 1, 0),
        ] {
            lanes.add(&one);
        }
        assert_eq!(take(&mut lanes, 10).unwrap().0, "other");
        assert!(take(&mut lanes, 10).is_none());
        assert_eq!(take(&mut lanes, 70).unwrap().0, "s");
        assert!(take(&mut lanes, 70).is_none());
        lanes.end(&"demo".into(), &key("s", None));
        assert_eq!(take(&mut lanes, 70).unwrap().0, "letter");
    }

    #[test]
    fn what_is_forgotten_is_gone_and_what_comes_later_is_new() {
        let mut lanes = Lanes::default();
        lanes.add(&lane("s", None, 1, 2, 0));
        lanes.add(&lane("t", None, 1, 2, 0));
        let (_, place) = take(&mut lanes, 0).unwrap();
        lanes.forget(&"demo".into());
        assert_eq!(lanes.count(&"demo".into()).lanes, 1);
        lanes.put_back(&"demo".into(), &key("s", None), place);
        assert_eq!(lanes.under_way(), 0);
        lanes.forget(&"demo".into());
        assert_eq!(lanes.next(&"demo".into(), 9), Next::Nothing);
        lanes.add(&lane("s", None, 7, 8, 0));
        assert_eq!(take(&mut lanes, 0).unwrap().1.after, 7);
    }

    #[test]
    fn what_is_new_after_forgetting_keeps_its_place_although_a_try_is_under_way() {
        let app = "demo".into();
        for goes_on in [true, false] {
            let mut lanes = Lanes::default();
            lanes.add(&lane("s", None, 1, 4, 0));
            let (_, place) = take(&mut lanes, 0).unwrap();
            lanes.forget(&app);
            lanes.add(&lane("s", None, 7, 8, 0));
            lanes.add(&lane("s", None, 8, 9, 0));
            assert!(take(&mut lanes, 0).is_none(), "one try at a time");
            if goes_on {
                lanes.put_back(&app, &key("s", None), place);
            } else {
                lanes.end(&app, &key("s", None));
            }
            let (_, new) = take(&mut lanes, 0).unwrap();
            assert_eq!((new.after, new.last), (7, 9));
        }
    }

    #[test]
    fn after_a_change_everything_may_be_tried_at_once() {
        let mut lanes = Lanes::default();
        for number in 0..100 {
            lanes.add(&lane(&format!("s{number}"), None, 1, 2, 1_000 + number));
        }
        lanes.hurry(&"demo".into());
        let taken = std::iter::from_fn(|| take(&mut lanes, 0)).count();
        assert_eq!(taken, 100);
    }
}
