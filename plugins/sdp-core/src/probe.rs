//! An operator tries the settings: does the vendor accept them?
//!
//! Owns one question, `capabilities`, which is about the account, is signed like
//! every other and changes nothing.

use kefu_plugin_api::prelude::{AdapterError, CallResult, Effect, Event, Session};
use serde_json::json;

use crate::{
    answers,
    call::{CallName, Op, call},
    flavour::Account,
    state::State,
    wire::code,
};

/// Takes an event of the provider's own scope.
pub(crate) fn take(
    account: &Account,
    event: Event,
    session: &mut Session<State>,
) -> Result<Vec<Effect>, AdapterError> {
    match event {
        Event::Probe {} => {
            let asked = call(account, session, Op::Capabilities, None, json!({}));
            Ok(vec![asked.into()])
        }
        Event::CallFinished { call, result, .. } if asked(call.as_str()) => {
            let note = verdict(account, result).map_err(AdapterError::vendor)?;
            session.note(note);
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

fn asked(call: &str) -> bool {
    CallName::read(call).is_some_and(|name| name.op == Op::Capabilities)
}

fn verdict(account: &Account, result: CallResult) -> Result<String, String> {
    let response = match result {
        CallResult::Answered { response } => response,
        CallResult::NotSent { detail } | CallResult::Unknown { detail } => return Err(detail),
        _ => return Err("a result that is newer than this adapter".to_owned()),
    };
    let reply = answers::reply(&response)?;
    if reply.code != code::OK {
        return Err(format!(
            "`capabilities` was answered with code {}: {}",
            reply.code, reply.msg
        ));
    }
    Ok(format!(
        "`capabilities` was answered: the vendor accepts the signature and knows account {}",
        account.name
    ))
}
