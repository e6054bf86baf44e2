//! Who is logged in.
//!
//! Owns the sessions in memory: a random name, the token they were begun with,
//! what proves a form to be theirs, and what the next page says. Deliberately
//! keeps no token, only its digest. Invariants: a session ends when its life
//! is over, when nothing was asked for a while, when the admin token changes
//! and when the gateway stops; the name that the browser holds is not kept.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kefu_plugin_api::Secret;
use rustls::crypto::ring;
use sha2::{Digest, Sha256};

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Hash, Kept>>);

type Hash = [u8; 32];

#[derive(Debug)]
struct Kept {
    live: Arc<Live>,
    token: Hash,
    begun: Instant,
    used: Instant,
}

/// A session that goes on.
#[derive(Debug)]
pub(super) struct Live {
    name: Hash,
    /// What its forms carry.
    csrf: Secret,
    notice: Mutex<Option<Notice>>,
}

/// What a page says of what was done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// One a line.
    pub(super) details: Vec<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    Doubtful,
    Bad,
}

impl Notice {
    pub(super) fn good(text: impl Into<String>) -> Self {
        Self::new(Kind::Good, text)
    }

    pub(super) fn doubtful(text: impl Into<String>) -> Self {
        Self::new(Kind::Doubtful, text)
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(Kind::Bad, text)
    }

    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            details: Vec::new(),
        }
    }
}

impl Sessions {
    /// Begins one and gives its name; nothing where the system has no
    /// randomness.
    pub(super) fn begin(&self, token: Hash, now: Instant) -> Option<String> {
        let name = random()?;
        let live = Arc::new(Live {
            name: hash(&name),
            csrf: Secret::new(random()?),
            notice: Mutex::default(),
        });
        let mut sessions = self.lock();
        sessions.retain(|_, kept| kept.goes_on(now));
        if sessions.len() >= MOST {
            // Who has asked for nothing for the longest time logs in again.
            let idle = sessions.iter().min_by_key(|(_, kept)| kept.used);
            if let Some(name) = idle.map(|(name, _)| *name) {
                sessions.remove(&name);
            }
        }
        let kept = Kept {
            live: Arc::clone(&live),
            token,
            begun: now,
            used: now,
        };
        sessions.insert(live.name, kept);
        Some(name)
    }

    /// The session of this name, if it goes on. It is looked up by a digest, so
    /// that the time it takes tells nothing of other names.
    pub(super) fn find(&self, name: &str, token: &Hash, now: Instant) -> Option<Arc<Live>> {
        let name = hash(name);
        let mut sessions = self.lock();
        let kept = sessions.get_mut(&name)?;
        if !kept.goes_on(now) || kept.token != *token {
            sessions.remove(&name);
            return None;
        }
        kept.used = now;
        Some(Arc::clone(&kept.live))
    }

    /// Ends one.
    pub(super) fn end(&self, live: &Live) {
        self.lock().remove(&live.name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn goes_on(&self, now: Instant) -> bool {
        now < self.begun + LIFE && now < self.used + IDLE
    }
}

impl Live {
    /// What its forms carry.
    pub(super) fn csrf(&self) -> &Secret {
        &self.csrf
    }

    /// Leaves word for the next page.
    pub(super) fn leave(&self, notice: Notice) {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
    }

    /// What was left, once.
    pub(super) fn take(&self) -> Option<Notice> {
        let mut notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner);
        notice.take()
    }
}

/// What tells a token from every other.
pub(super) fn fingerprint(token: &Secret) -> Hash {
    hash(token.expose())
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// 256 bits from the system, as text.
fn random() -> Option<String> {
    let mut bytes = [0_u8; 32];
    let provider = ring::default_provider();
    provider.secure_random.fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}

/// From the log-in on.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// From the last request on.
const IDLE: Duration = Duration::from_secs(2 * 3_600);
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_until_its_life_is_over_or_nothing_is_asked() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let name = sessions.begin(TOKEN, start).unwrap();
        let mut now = start;
        while now < start + LIFE {
            assert!(sessions.find(&name, &TOKEN, now).is_some());
            now += IDLE / 2;
        }
        assert!(sessions.find(&name, &TOKEN, now).is_none());

        let name = sessions.begin(TOKEN, start).unwrap();
        assert!(sessions.find(&name, &TOKEN, start + IDLE).is_none());
        assert!(sessions.find(&name, &TOKEN, start).is_none());
    }

    #[test]
    fn another_token_ends_a_session_for_good() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let name = sessions.begin(TOKEN, now).unwrap();
        assert!(sessions.find(&name, &[2; 32], now).is_none());
        assert!(sessions.find(&name, &TOKEN, now).is_none());
    }

    #[test]
    fn names_are_long_unlike_and_not_kept() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let one = sessions.begin(TOKEN, now).unwrap();
        let other = sessions.begin(TOKEN, now).unwrap();
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
        assert!(!format!("{sessions:?}").contains(&one));
        assert!(sessions.find("", &TOKEN, now).is_none());
        assert!(sessions.find(&one[..63], &TOKEN, now).is_none());
        let live = sessions.find(&one, &TOKEN, now).unwrap();
        sessions.end(&live);
        assert!(sessions.find(&one, &TOKEN, now).is_none());
        assert!(sessions.find(&other, &TOKEN, now).is_some());
    }

    #[test]
    fn of_too_many_the_one_that_rested_longest_ends() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let names: Vec<_> = (0..=MOST as u64)
            .map(|at| {
                sessions
                    .begin(TOKEN, start + Duration::from_secs(at))
                    .unwrap()
            })
            .collect();
        let now = start + Duration::from_secs(100);
        assert!(sessions.find(&names[0], &TOKEN, now).is_none());
        assert!(sessions.find(&names[1], &TOKEN, now).is_some());
        assert!(sessions.find(&names[MOST], &TOKEN, now).is_some());
    }

    #[test]
    fn a_notice_is_read_once() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let name = sessions.begin(TOKEN, now).unwrap();
        let live = sessions.find(&name, &TOKEN, now).unwrap();
        live.leave(Notice::good("done"));
        assert_eq!(live.take(), Some(Notice::good("done")));
        assert_eq!(live.take(), None);
    }

    const TOKEN: Hash = [1; 32];
}
