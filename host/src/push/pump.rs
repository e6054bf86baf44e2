//! Whose turn it is: one task per app, which starts tries when they are due.
//!
//! Owns the waiting. Deliberately one task for all lanes of an app, however
//! many wait, and one more for each try under way, of which there are as many
//! as the configuration allows. Invariant: a try that was begun puts its lane
//! back or ends it, whatever becomes of the task.

use std::{future::Future, sync::Arc, time::Duration};

use kefu_core::config::AppRouting;
use kefu_plugin_api::ids::AppId;
use tokio::sync::{futures::Notified, oneshot};

use super::{
    Shared,
    attempt::{self, Came},
    lanes::{Key, Next, Place},
    lock,
};
use crate::{
    clock::now,
    delivery::breaker::Admission,
    store::{PushLane, StoreError},
};

/// Pushes for one app until the gateway stops.
pub(super) async fn run(shared: Arc<Shared>, app: AppId) {
    let bell = shared.bell(&app);
    let mut stopping = shared.stopping.subscribe();
    let work = async {
        loop {
            one_round(&shared, &app, bell.notified()).await;
        }
    };
    tokio::select! {
        biased;
        // The sender lives as long as `shared`.
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = work => {}
    }
}

/// Starts what is due, or waits until something may be.
async fn one_round(shared: &Arc<Shared>, app: &AppId, rung: Notified<'_>) {
    let Some(routing) = shared.routing(app) else {
        forget(shared, app).await;
        return rung.await;
    };
    let next = shared.lanes().next(app, routing.concurrency);
    match next {
        Next::Nothing => return rung.await,
        Next::At(due) => {
            let wait = due.since_ms(now());
            if let Ok(wait @ 1..) = u64::try_from(wait) {
                // The clock may be set meanwhile.
                let wait = Duration::from_millis(wait).min(LONGEST_SLEEP);
                return either(rung, tokio::time::sleep(wait)).await;
            }
        }
    }
    let breaker = shared.breaker(&routing.url);
    if let Some(admission) = breaker.admit() {
        if let Some((key, place)) = shared.lanes().take(app, now()) {
            let held = Held {
                shared: Arc::clone(shared),
                app: app.clone(),
                key,
                place,
                is_over: false,
            };
            tokio::spawn(held.travel(routing, admission));
        }
        return;
    }
    either(rung, breaker.passable()).await;
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// A lane that is being tried.
struct Held {
    shared: Arc<Shared>,
    app: AppId,
    key: Key,
    place: Place,
    is_over: bool,
}

impl Held {
    async fn travel(mut self, routing: AppRouting, admission: Admission) {
        let shared = Arc::clone(&self.shared);
        let came = attempt::perform(&shared, &self.key, self.place, &routing, admission).await;
        self.note(&came);
        let (place, dead) =
            attempt::settle(&came, &self.app, &self.key, self.place, &routing, now());
        if let Came::NotTried { .. } = came {
            self.place = place;
            return;
        }
        let is_dead = dead.is_some();
        if let Some(letter) = &dead {
            tracing::error!(app = %self.app, session = %self.key.session, letter = letter.id, reason = letter.reason, "a push was given up");
        }
        let lane = PushLane {
            session: self.key.session.clone(),
            replay: self.key.replay.clone(),
            app: self.app.clone(),
            after: place.after,
            last: place.last,
            tries: place.tries,
            due: place.due,
            since: place.since,
        };
        let (tell, told) = oneshot::channel();
        let mut held = self;
        // Memory follows the disk on the store's thread, in its order.
        let done = move |result: Result<bool, StoreError>| {
            match result {
                Ok(goes_on) => {
                    if is_dead {
                        held.shared.parts.metrics.push_dead(&held.app);
                    }
                    held.end(goes_on.then_some(place));
                }
                // It was received perhaps, and is told once more.
                Err(error) => {
                    tracing::warn!(%error, "a push was not noted");
                    held.place.due = now().plus_ms(AGAIN_MS);
                }
            }
            drop(held);
            // Whoever waits may be gone.
            let _ = tell.send(());
        };
        shared.parts.store.pushed(lane, dead, Box::new(done));
        // A store that stopped has dropped it.
        let _ = told.await;
    }

    fn note(&self, came: &Came) {
        let (outcome, why) = match came {
            Came::Over { .. } => ("received", None),
            Came::Refused { why, .. } => ("refused", Some(why)),
            Came::Impossible { why, .. } => ("impossible", Some(why)),
            Came::NotTried { why } => ("not_tried", Some(why)),
        };
        self.shared.parts.metrics.push_tried(&self.app, outcome);
        if let Some(why) = why {
            let mut errors = lock(&self.shared.errors);
            errors.insert(self.app.clone(), why.clone());
        }
    }

    /// Leaves the lane where the store has it.
    fn end(&mut self, goes_on: Option<Place>) {
        self.is_over = true;
        let mut lanes = self.shared.lanes();
        match goes_on {
            Some(place) => lanes.put_back(&self.app, &self.key, place),
            None => lanes.end(&self.app, &self.key),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_over {
            let place = self.place;
            self.end(Some(place));
        }
        self.shared.bell(&self.app).notify_one();
        self.shared.one_ended.notify_waiters();
    }
}

/// Drops what waits for an app that has no server any more.
async fn forget(shared: &Arc<Shared>, app: &AppId) {
    if shared.lanes().count(app).lanes == 0 {
        return;
    }
    let (tell, told) = oneshot::channel();
    let (of, after) = (Arc::clone(shared), app.clone());
    let done = move |result: Result<usize, StoreError>| {
        match result {
            Ok(lanes) => {
                of.lanes().forget(&after);
                tracing::warn!(app = %after, lanes, "the app has no routing any more: what waited to be pushed is dropped");
            }
            Err(error) => {
                tracing::warn!(app = %after, %error, "waiting pushes were not dropped");
            }
        }
        // Whoever waits may be gone.
        let _ = tell.send(());
    };
    shared.parts.store.drop_pushes(app, Box::new(done));
    // A store that stopped has dropped it.
    let _ = told.await;
}

const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// When a lane whose place could not be noted is tried again.
const AGAIN_MS: i64 = 1_000;
