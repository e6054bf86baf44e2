//! One simulated vendor: call centre, settings, faults, journal, pushes.
//!
//! Owns how the parts work together. Does not know any vendor's paths or words:
//! those are behind [`Vendor`]. Invariant: pushes are handed over under the same
//! lock as the change that caused them, so that a visitor's pushes are in the
//! order of its changes.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::centre::{Action, Centre, Happening, Happenings, Phase, Refused, Trade, Visitor};
use crate::fault::Faults;
use crate::journal::Journal;
use crate::push::{Addressed, Flaw, Push, Pusher};
use crate::settings::Settings;

/// A call from the gateway, read in full.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body as JSON; null when it is none.
    pub(crate) json: Value,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The vendor's answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// A remembered answer was given again.
    pub(crate) repeat: bool,
    /// False when the call was turned away unread (token, signature, form).
    pub(crate) processed: bool,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        Self {
            status,
            body: Bytes::from(value.to_string()),
            repeat: false,
            processed: true,
        }
    }

    pub(crate) fn refused(mut self) -> Self {
        self.processed = false;
        self
    }
}

/// What differs between vendors.
pub(crate) trait Vendor: Send + Sync {
    /// Short name and title.
    fn name(&self) -> (&'static str, &'static str);
    /// The ways of the vendor's agents.
    fn trade(&self) -> &'static Trade;
    /// The operation behind a path; None is not the vendor's.
    fn operation<'a>(&self, path: &'a str) -> Option<&'a str>;
    /// Whom a call is about; empty when it is about nobody.
    fn visitor<'a>(&self, call: &'a Call) -> &'a str;
    /// Carries a call out.
    fn answer(&self, platform: &Arc<Platform>, operation: &str, call: &Call) -> Reply;
    /// The vendor's envelope of an error.
    fn error(&self, code: &str, message: &str) -> Value;
    /// The pushes that tell the gateway of a happening.
    fn pushes(&self, settings: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push>;
    /// Where a push goes, signed.
    fn address(&self, callback: &str, push: &Push, flaw: Flaw) -> Addressed;
    /// Whether an answer to a push makes another try useless.
    fn gives_up(&self, status: u16) -> bool;
    /// Whether any word in the answer to a push makes it a failure.
    fn wants_empty_answers(&self) -> bool {
        false
    }
    /// Makes every token that was given out invalid; false when there are none.
    fn invalidate_tokens(&self) -> bool;
    /// Forgets what the vendor's module remembers.
    fn reset(&self);
}

/// One simulated vendor.
pub(crate) struct Platform {
    pub(crate) vendor: Box<dyn Vendor>,
    pub(crate) base_url: String,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) uploads: crate::media::Uploads,
    initial: Settings,
    settings: RwLock<Arc<Settings>>,
    callback: RwLock<Option<Arc<str>>>,
    centre: Mutex<Centre>,
    pusher: Pusher,
}

impl Platform {
    pub(crate) fn new(
        vendor: Box<dyn Vendor>,
        base_url: String,
        settings: Settings,
        callback: Option<String>,
        pusher: Pusher,
    ) -> Self {
        Self {
            vendor,
            base_url,
            faults: Faults::default(),
            journal: Journal::new(),
            uploads: crate::media::Uploads::default(),
            initial: settings.clone(),
            settings: RwLock::new(Arc::new(settings)),
            callback: RwLock::new(callback.map(Arc::from)),
            centre: Mutex::new(Centre::default()),
            pusher,
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Merges a patch into the settings.
    pub(crate) fn patch(&self, patch: &Value) -> Result<Arc<Settings>, String> {
        let mut current = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(current.patched(patch)?);
        let settings = Arc::clone(&current);
        drop(current);
        self.journal.touch();
        Ok(settings)
    }

    /// Where pushes go.
    pub(crate) fn callback(&self) -> Option<Arc<str>> {
        self.callback
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets where pushes go.
    pub(crate) fn set_callback(&self, url: Option<&str>) {
        *self
            .callback
            .write()
            .unwrap_or_else(PoisonError::into_inner) = url.map(Arc::from);
    }

    /// Back to the state right after the start, but for the callback address.
    pub(crate) fn reset(&self) {
        self.faults.clear();
        self.centre
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(self.initial.clone());
        self.vendor.reset();
        self.journal.clear();
    }

    /// Looks at the call centre.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Centre) -> T) -> T {
        look(&mut self.centre.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the call centre and pushes what the gateway has to be told.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Centre, &Settings, &mut Happenings) -> T,
    ) -> T {
        let settings = self.settings();
        let mut happenings = Happenings::new();
        let mut centre = self.centre.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut centre, &settings, &mut happenings);
        for (visitor, happening) in &happenings {
            for push in self
                .vendor
                .pushes(&settings, centre.visitor(visitor), happening)
            {
                self.pusher.enqueue(push, None);
            }
        }
        drop(centre);
        self.journal.touch();
        result
    }

    /// Carries out an agent's action.
    pub(crate) fn act(&self, visitor: &str, action: &Action) -> Result<Value, Refused> {
        let trade = self.vendor.trade();
        let mut done = self.change(|centre, settings, out| {
            let done = centre.act(settings, visitor, action, trade, out)?;
            Ok((done, centre.visitor(visitor).phase))
        });
        if let Ok((Value::Object(done), phase)) = &mut done {
            done.insert("phase".to_owned(), json!(phase));
        }
        done.map(|(done, _)| done)
    }

    /// Sends a push with any body, well signed, as a test asked for it.
    pub(crate) fn push(&self, push: Push, attempts: u32) {
        self.pusher.enqueue(push, Some(attempts));
    }

    /// Accepts a visitor who is still queued after the time that the settings give.
    pub(crate) fn accept_later(self: &Arc<Self>, visitor: &str) {
        let Some(wait) = self.settings().human.auto_accept_ms else {
            return;
        };
        let platform: Weak<Self> = Arc::downgrade(self);
        let visitor = visitor.to_owned();
        let session = self.look(|centre| centre.visitor(&visitor).session.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let Some(platform) = platform.upgrade() else {
                return;
            };
            let waits = platform.look(|centre| {
                centre
                    .known(&visitor)
                    .is_some_and(|it| it.phase == Phase::Queued && it.session == session)
            });
            if waits && let Ok(action) = serde_json::from_value(json!({"action": "accept"})) {
                // A refusal means that somebody else was faster.
                let _ = platform.act(&visitor, &action);
            }
        });
    }
}
