//! The four functions of an adapter that speaks SDP/1.
//!
//! Owns the way in: authentic, ours, readable, known — in this order. What an
//! event does to its session is decided in `conversation`.

use std::marker::PhantomData;

use kefu_plugin_api::prelude::{
    Adapter, AdapterError, Callback, Descriptor, Effect, Event, KeyedBy, OpenError, Receipt,
    Received, Reject, Scope, Session,
};
use serde_json::{Value, json};

use crate::{
    conversation::Turn,
    flavour::{Account, Flavour},
    probe,
    state::State,
    translate::{Told, located, masked},
    webhooks::{ID_HEADER, Refusal, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER},
    wire::{Hook, is_id},
};

/// An adapter for one flavour of SDP/1.
#[derive(Debug)]
pub struct SdpAdapter<F> {
    account: Account,
    flavour: PhantomData<F>,
}

impl<F: Flavour> Adapter for SdpAdapter<F> {
    type Config = F::Settings;
    type State = State;

    fn descriptor() -> Descriptor {
        let reaching = F::ADDRESSES.iter().fold(
            Descriptor::new(F::ID, F::VERSION),
            |descriptor, &setting| descriptor.reaches_setting(setting),
        );
        F::conditional(reaching)
            .with_capabilities(F::defaults().capabilities(F::unlisted))
            .callbacks(KeyedBy::Conversation, "Standard Webhooks")
    }

    fn open(settings: F::Settings) -> Result<Self, OpenError> {
        Ok(Self {
            account: F::account(settings)?,
            flavour: PhantomData,
        })
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        let signed = Signed {
            id: callback.header(ID_HEADER),
            timestamp: callback.header(TIMESTAMP_HEADER),
            signatures: callback.header(SIGNATURE_HEADER),
        };
        let now = callback.received_at.unix_seconds();
        self.account
            .keys
            .verify(&signed, &callback.body, now)
            .map_err(|refusal| Reject::unauthenticated(refused(refusal)))?;
        let hook = read(&callback.body)?;
        self.check(&hook, signed.id)?;
        let (name, data) = F::event(hook.event.into_text(), hook.data);
        let Some(told) = Told::read(&name, &data).map_err(Reject::malformed)? else {
            return Ok(Receipt::json(&json!({"code": 0, "msg": "ignored"})));
        };
        // A message is known by its own id: a vendor that restarts may announce
        // it again under another one.
        let key = match (name.as_str(), data.get("msg_id").and_then(Value::as_str)) {
            ("message", Some(msg_id)) => format!("msg:{msg_id}"),
            _ => format!("id:{}", hook.id),
        };
        let received = Received::keyed(hook.visitor_id, key, told.into_provider_event(&name, data))
            .in_vendor_session(hook.session_id);
        Ok(Receipt::json(&json!({"code": 0, "msg": "ok"})).with(received))
    }

    fn handle(
        &self,
        event: Event,
        session: &mut Session<State>,
    ) -> Result<Vec<Effect>, AdapterError> {
        match session.scope() {
            Scope::Session => Turn::<F>::new(&self.account, session).take(event),
            Scope::Provider => probe::take(&self.account, event, session),
        }
    }
}

impl<F: Flavour> SdpAdapter<F> {
    /// Whether an authentic callback is meant for this account and can be kept.
    fn check(&self, hook: &Hook, webhook_id: Option<&str>) -> Result<(), Reject> {
        if Some(hook.id.as_str()) != webhook_id {
            return Err(Reject::malformed(
                "`id` of the envelope differs from the header `webhook-id`",
            ));
        }
        if hook.account != self.account.name {
            let detail = format!(
                "`account` is not `{}`, the account of this address",
                self.account.name
            );
            return Err(Reject::malformed(detail));
        }
        let ids = [
            ("id", Some(&hook.id)),
            ("visitor_id", Some(&hook.visitor_id)),
            ("session_id", hook.session_id.as_ref()),
        ];
        for (key, id) in ids {
            if id.is_some_and(|id| !is_id(id)) {
                return Err(Reject::malformed(format!(
                    "`{key}` must be 1 to 128 visible ASCII characters"
                )));
            }
        }
        Ok(())
    }
}

/// Reads a callback's envelope. The text is read as a whole before its fields
/// are, so that a list is not taken for them in their order.
fn read(body: &[u8]) -> Result<Hook, Reject> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Reject::malformed(masked(&error)))?;
    if !value.is_object() {
        return Err(Reject::malformed("the body is no JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| Reject::malformed(located(&error)))
}

fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::MissingHeader => "webhook-id, webhook-timestamp or webhook-signature is missing",
        Refusal::BadTimestamp => "webhook-timestamp is not a Unix time in seconds",
        Refusal::NoMatch => "no v1 signature matches a secret of this account",
        Refusal::Stale => "webhook-timestamp is more than 5 minutes away from the gateway's clock",
    }
}
