//! The four functions of an adapter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    descriptor::Descriptor,
    effect::Effect,
    error::{AdapterError, OpenError, Reject},
    event::{Event, ProviderEvent},
    http::Callback,
    ids::ConversationId,
    session::Session,
};

/// Code for one vendor: translates between the neutral vocabulary and the
/// vendor's.
///
/// An adapter is pure. It opens no socket and no file, reads no clock, spawns
/// no thread and keeps nothing outside itself: what it must remember is in the
/// session's state, and what it wants done is in the effects it returns. The
/// host may therefore repeat a call after a crash, replace the adapter between
/// any two calls, and run it in another process. Calls of different sessions
/// come from several threads at once; calls of one session never overlap.
pub trait Adapter: Sized + Send + Sync + 'static {
    /// The provider's `[settings]`. Its JSON Schema becomes part of the
    /// descriptor; doc comments on the fields become the descriptions.
    type Config: DeserializeOwned + JsonSchema;

    /// What a session must remember. A missing state means `Default`. A newer
    /// version must read what an older one wrote, and the other way round: add
    /// fields with `#[serde(default)]`, never rename or remove one.
    type State: Default + Serialize + DeserializeOwned;

    /// Says who the adapter is. Called before anything else, without settings.
    fn descriptor() -> Descriptor;

    /// Checks the settings and makes an adapter of them. No I/O: whether the
    /// vendor accepts them shows at the first call.
    ///
    /// # Errors
    /// Names the setting and what would be right. The provider does not come
    /// up, or goes on as it was.
    fn open(config: Self::Config) -> Result<Self, OpenError>;

    /// Authenticates a callback, splits it into events, names the session of
    /// each, and words the answer to the vendor.
    ///
    /// Called once per callback, before anything is stored. It sees no
    /// session; what needs one happens in [`handle`](Self::handle).
    ///
    /// # Errors
    /// [`Reject::Unauthenticated`] if the vendor does not prove itself: answered
    /// 401 and forgotten. There is no default body, so an unsigned callback
    /// cannot become an event by omission.
    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject>;

    /// Takes one event of one session and says what to do.
    ///
    /// Events that are not known or not needed are answered with no effects.
    ///
    /// # Errors
    /// Fails the turn: state and effects are dropped, the visitor's request is
    /// answered 503, an event of the vendor becomes a dead letter. For what a
    /// vendor may regularly answer, return effects instead.
    fn handle(
        &self,
        event: Event,
        session: &mut Session<Self::State>,
    ) -> Result<Vec<Effect>, AdapterError>;
}

/// What a callback means: events, and the answer to the vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Status of the answer.
    pub status: u16,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Body of the answer. It is sent after the events are durable.
    #[serde(default, with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub body: Vec<u8>,
    /// What happened, in order.
    #[serde(default)]
    pub events: Vec<Received>,
}

impl Receipt {
    /// An empty 200 with no events.
    pub fn ok() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A 200 with a JSON body and no events.
    ///
    /// # Panics
    /// If the value cannot be written as JSON; the guard turns that into a
    /// fault of the adapter.
    pub fn json(body: &impl Serialize) -> Self {
        Self {
            headers: vec![("content-type".into(), "application/json".into())],
            body: serde_json::to_vec(body).expect("an answer is made of plain values"),
            ..Self::ok()
        }
    }

    /// Adds an event.
    #[must_use]
    pub fn with(mut self, received: Received) -> Self {
        self.events.push(received);
        self
    }
}

/// One event of a callback, with its session and its dedupe rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// Whose it is.
    pub conversation: ConversationId,
    /// The vendor's own id of the session, if the callback carries one: it
    /// wins over the conversation once the session is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_session: Option<String>,
    /// How a repeat is recognised.
    pub dedupe: Dedupe,
    /// What happened.
    pub event: ProviderEvent,
}

impl Received {
    /// An event that the vendor gave an id.
    pub fn keyed(
        conversation: impl Into<ConversationId>,
        key: impl Into<String>,
        event: ProviderEvent,
    ) -> Self {
        Self {
            conversation: conversation.into(),
            vendor_session: None,
            dedupe: Dedupe::Key { key: key.into() },
            event,
        }
    }

    /// The same event, of the session that the vendor calls so.
    #[must_use]
    pub fn in_vendor_session(mut self, vendor_session: Option<String>) -> Self {
        self.vendor_session = vendor_session;
        self
    }
}

/// How a repeated event is recognised. Remembered per provider and
/// conversation for at least seven days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Dedupe {
    /// By an id that the vendor gave it.
    Key {
        /// The id.
        key: String,
    },
    /// By being equal to another event of the same conversation that came not
    /// long before.
    Body {
        /// How long before, in seconds.
        within_seconds: u64,
    },
    /// Not at all: a repeat is shown again.
    Unkeyable {
        /// Why.
        reason: String,
    },
}
