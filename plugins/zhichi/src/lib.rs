//! Adapter for 智齿 (Sobot) on its published v5 interface.
//!
//! A robot first, an agent on request; the robot answers in the reply, agents
//! answer by push; a visitor's leaving ends the session at once. What the
//! vendor documents and what is assumed is told in the README.
//!
//! Read on: `turn` is the course of a session, `api` the vendor's JSON,
//! `translate` and `push` the two directions, `auth` the token and the check of
//! pushes, `call` which call may be repeated, `config` the settings.

mod activation;
mod api;
mod auth;
mod call;
mod config;
mod push;
mod state;
mod translate;
mod turn;

use kefu_plugin_api::prelude::*;
use serde_json::json;

use crate::{config::Account, turn::Turn};

pub use crate::{
    config::{Reception, Settings},
    state::State,
};

/// One account at 智齿.
#[derive(Debug)]
pub struct ZhichiAdapter(Account);

impl Adapter for ZhichiAdapter {
    type Config = Settings;
    type State = State;

    fn descriptor() -> Descriptor {
        config::conditional(Descriptor::new("zhichi", env!("CARGO_PKG_VERSION")))
            .with_capabilities(config::default_capabilities())
            .reaches_setting("base_url")
            // A new token kills the old one: one for all providers of a company.
            .keeps_token(auth::TOKEN, &["base_url", "app_id"])
            .callbacks(KeyedBy::Conversation, "secret path segment")
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        settings.try_into().map(Self)
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        auth::check_push(&self.0, callback)?;
        if callback.method != "POST" {
            return Err(Reject::malformed("a push is a POST"));
        }
        let receipt = Receipt::json(&json!({"ret_code": "000000", "ret_msg": "ok"}));
        let push =
            api::object(callback.json()?).map_err(|error| Reject::malformed(error.to_string()))?;
        Ok(match push::read(push)? {
            Some(received) => receipt.with(received),
            None => receipt,
        })
    }

    fn handle(
        &self,
        event: Event,
        session: &mut Session<State>,
    ) -> Result<Vec<Effect>, AdapterError> {
        match (session.scope(), event) {
            (Scope::Session, event) => Ok(Turn::new(&self.0, session).take(event)),
            (Scope::Provider, Event::TokenNeeded { name }) if name == auth::TOKEN => {
                Ok(vec![auth::token_call(&self.0)])
            }
            (Scope::Provider, Event::CallFinished { result, .. }) => {
                auth::token_answer(result).map(|token| vec![token])
            }
            (Scope::Provider, _) => Ok(Vec::new()),
        }
    }
}

#[cfg(feature = "export")]
export_adapter!(ZhichiAdapter);
