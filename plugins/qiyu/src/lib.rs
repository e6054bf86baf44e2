//! Adapter for 网易七鱼 (Qiyu) on its published message interface (消息接口).
//!
//! A robot or an agent first, an agent on request; everything they say comes by
//! event; only agents and silence end a session; with nobody there, what is
//! sent becomes a message left. What rests on an assumption is told in the
//! README.
//!
//! Read on: `turn` is the course of a session, `api` the vendor's JSON, `push`
//! and `translate` the two directions, `rating` the levels of a rating, `auth`
//! the checksum of both directions, `call` which call may be repeated, `config`
//! the settings.

mod abilities;
mod activation;
mod api;
mod auth;
mod call;
mod config;
mod probe;
mod push;
mod rating;
mod state;
mod translate;
mod turn;

use kefu_plugin_api::prelude::*;

use crate::{config::Account, turn::Turn};

pub use crate::{
    config::{Reception, Settings},
    state::State,
};

/// One company at 七鱼.
#[derive(Debug)]
pub struct QiyuAdapter(Account);

impl Adapter for QiyuAdapter {
    type Config = Settings;
    type State = State;

    fn descriptor() -> Descriptor {
        Descriptor::new("qiyu", env!("CARGO_PKG_VERSION"))
            .with_capabilities(abilities::by_default())
            .decided_by_setting("/robot", "reception")
            .decided_by_setting("/human", "reception")
            .decided_by_setting("/to_human", "reception")
            .decided_by_vendor(&["/messages_while", "/evaluation/human/labels"])
            .reaches_setting("base_url")
            .callbacks(
                KeyedBy::Conversation,
                "checksum of secret, body and time in the query, five minutes",
            )
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        settings.try_into().map(Self)
    }

    fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        auth::check_push(&self.0, callback)?;
        // Any word in the answer counts as a failure at this vendor.
        let receipt = Receipt::ok();
        Ok(match push::read(callback)? {
            Some(received) => receipt.with(received),
            None => receipt,
        })
    }

    fn handle(
        &self,
        event: Event,
        session: &mut Session<State>,
    ) -> Result<Vec<Effect>, AdapterError> {
        Ok(match session.scope() {
            Scope::Session => Turn::new(&self.0, session).take(event),
            // No token: all there is beyond sessions is to be tried.
            Scope::Provider => return probe::take(&self.0, event, session),
        })
    }
}

#[cfg(feature = "export")]
export_adapter!(QiyuAdapter);
