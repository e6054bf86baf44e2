//! Adapter for 爱客服 (Aikefu), which is reached as the operator of an app
//! public account (应用公众服务) is: each message of a visitor is routed to it,
//! and it sends to a user.
//!
//! There is no session at the vendor. The one here is virtual: it is `human`
//! from the start, whoever answers, and ends when the visitor leaves. No robot,
//! no queue, no rating, no message left: the vendor tells of none.
//!
//! Read on: `push` is what the vendor sends, `emoticon` its picture tags,
//! `routed` what it is sent, `auth` the signature of both directions, `config`
//! the settings, `activation` what an operator is asked.

mod activation;
mod auth;
mod config;
mod emoticon;
mod probe;
mod push;
mod routed;
mod state;

use kefu_plugin_api::prelude::*;

use crate::config::Account;

pub use crate::{config::Settings, state::State};

/// One public account at 爱客服.
#[derive(Debug)]
pub struct AikefuAdapter(Account);

impl Adapter for AikefuAdapter {
    type Config = Settings;
    type State = State;

    fn descriptor() -> Descriptor {
        Descriptor::new("aikefu", env!("CARGO_PKG_VERSION"))
            .with_capabilities(config::capabilities())
            .reaches_setting("receive_url")
            .callbacks(
                KeyedBy::Conversation,
                "RC-Signature: SHA-1 of secret, nonce and time, five minutes",
            )
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        settings.try_into().map(Self)
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        let proof = auth::check(&self.0, callback)?;
        push::read(&self.0, callback, &proof)
    }

    fn handle(
        &self,
        event: Event,
        session: &mut Session<State>,
    ) -> Result<Vec<Effect>, AdapterError> {
        if session.scope() == Scope::Provider {
            return probe::take(&self.0, event, session);
        }
        Ok(match event {
            Event::Opened { visitor, .. } => {
                session.state.remember(visitor);
                let config = &self.0.session_config;
                let told = (*config != SessionConfig::default()).then(|| Effect::Capabilities {
                    capabilities: None,
                    config: Some(config.clone()),
                });
                let taken = Effect::state(SessionState::Human);
                told.into_iter().chain([taken]).collect()
            }
            Event::ProfileChanged { visitor } => {
                session.state.remember(visitor);
                Vec::new()
            }
            Event::FromVisitor { message } => vec![routed::send(&self.0, session, &message)],
            Event::CallFinished { call, result, .. } => routed::finished(session, &call, result)
                .into_iter()
                .collect(),
            Event::FromProvider { event } => Effect::from_provider(event),
            Event::Exited {} if session.standing() != SessionState::Ended => {
                vec![Effect::Close {
                    reason: EndReason::Visitor,
                }]
            }
            // The vendor has no word for anything else.
            _ => Vec::new(),
        })
    }
}

#[cfg(feature = "export")]
export_adapter!(AikefuAdapter);
