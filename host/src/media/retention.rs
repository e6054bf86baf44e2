//! How long media stay: what is older than the operator allows is removed, and
//! what interrupted uploads left.
//!
//! Owns the looks through the store: a bounded part of it at a time, one after
//! the other. Deliberately keeps no list of what is due: the store knows when
//! each upload was kept, so nothing has to survive a restart. Invariant: an
//! upload that is on its way is never taken for a left-over, because only what
//! has lain without a description for a day is one.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use kefu_core::config::Config;

use super::{Media, MediaId, store::Seen};
use crate::telemetry::Metrics;

/// Why something was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Expired,
    LeftOver,
}

/// What one look removed, and where the next one begins.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    expired: u64,
    left_over: u64,
    next: Option<String>,
}

/// Looks through the store for as long as the gateway runs.
pub async fn keep_house(media: Media, config: Arc<ArcSwap<Config>>, metrics: Metrics) {
    let mut tidy = false;
    // The first round begins anywhere: what is before follows at once.
    let mut began_anywhere = true;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut from = media.0.store.somewhere(since.unwrap_or_default());
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        tidy = tidy || abandon(&media).await;
        let retention = config.load().main.media.retention;
        match media.look(from.take(), retention, SystemTime::now()).await {
            Ok(look) => {
                metrics.media_removed("expired", look.expired);
                metrics.media_removed("left_over", look.left_over);
                from = look.next;
            }
            Err(error) => {
                metrics.media_store_failed();
                tracing::warn!(%error, "media were not looked through; tried again");
            }
        }
        if from.is_none() && !std::mem::take(&mut began_anywhere) {
            // Everything was seen: the next round may wait.
            tokio::time::sleep(pause(retention)).await;
        }
    }
}

/// Gives up uploads in parts that the last run left. Whether that is done.
async fn abandon(media: &Media) -> bool {
    match media.0.store.abandon_unfinished().await {
        Ok(0) => true,
        Ok(uploads) => {
            tracing::info!(uploads, "uploads that the last run left were given up");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "uploads that the last run left were not given up; tried again");
            false
        }
    }
}

impl Media {
    async fn look(
        &self,
        from: Option<String>,
        retention: Option<Duration>,
        now: SystemTime,
    ) -> io::Result<Look> {
        let page = self.0.store.look(from).await?;
        let mut look = Look {
            next: page.next,
            ..Look::default()
        };
        for seen in page.seen {
            let Some(reason) = due(&seen, retention, now) else {
                continue;
            };
            self.remove(&seen.id).await?;
            match reason {
                Reason::Expired => look.expired += 1,
                Reason::LeftOver => look.left_over += 1,
            }
            tracing::debug!(media = %seen.id, ?reason, "media removed");
        }
        Ok(look)
    }

    async fn remove(&self, id: &MediaId) -> io::Result<()> {
        self.0.store.remove(id).await
    }
}

/// Nothing stays much longer than it may, and a store is not looked through
/// for nothing.
fn pause(retention: Option<Duration>) -> Duration {
    retention.map_or(LONGEST_PAUSE, |longest| {
        (longest / 60).clamp(EVERY, LONGEST_PAUSE)
    })
}

fn due(seen: &Seen, retention: Option<Duration>, now: SystemTime) -> Option<Reason> {
    // A clock that was set back makes nothing old.
    let age = now.duration_since(seen.at).unwrap_or_default();
    if retention.is_some_and(|longest| age > longest) {
        return Some(Reason::Expired);
    }
    (!seen.described && age > LEFT_OVER).then_some(Reason::LeftOver)
}

/// Between one part of the store and the next.
const EVERY: Duration = Duration::from_secs(5);
/// Between the end of the store and its beginning, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// No upload takes longer from its first object to its description.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_goes_and_what_is_on_its_way_stays() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let day = Duration::from_secs(24 * 3600);
        let seen = |described, age: Duration| Seen {
            id: MediaId::parse(&"0".repeat(48)).unwrap(),
            described,
            at: now - age,
        };
        let month = Some(30 * day);
        let second = Duration::from_secs(1);
        for (one, retention, expected) in [
            (seen(true, 30 * day), month, None),
            (seen(true, 30 * day + second), month, Some(Reason::Expired)),
            (seen(true, 3_000 * day), None, None),
            (seen(false, day), month, None),
            (seen(false, day + second), month, Some(Reason::LeftOver)),
            (seen(false, day + second), None, Some(Reason::LeftOver)),
            (seen(false, second), Some(second * 2), None),
        ] {
            assert_eq!(due(&one, retention, now), expected, "{one:?} {retention:?}");
        }
        let future = Seen {
            at: now + day,
            ..seen(true, day)
        };
        assert_eq!(due(&future, Some(second), now), None);
    }
}
