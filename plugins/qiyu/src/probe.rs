//! An operator tries the settings: does the vendor accept them?
//!
//! Owns one question, about the place of a visitor who does not exist: it is
//! signed like every other and changes nothing.

use kefu_plugin_api::prelude::{AdapterError, Call, CallResult, Effect, Event, Session};
use serde::Deserialize;

use crate::{
    api::{self, About, Refusal, code},
    auth,
    config::Account,
    state::State,
};

/// Id of the call.
const CALL: &str = "probe";
/// Nobody: ids of the gateway's own visitors are longer.
const NOBODY: &str = "probe";

/// Takes an event of the provider's own scope.
pub(crate) fn take(
    account: &Account,
    event: Event,
    session: &mut Session<State>,
) -> Result<Vec<Effect>, AdapterError> {
    match event {
        Event::Probe {} => {
            let about = About { uid: NOBODY };
            let request = auth::signed(account, "event/queryQueueStatus", &about);
            Ok(vec![Call::new(CALL, request).repeatable().into()])
        }
        Event::CallFinished { call, result, .. } if call.as_str() == CALL => {
            verdict(result).map_err(AdapterError::vendor)?;
            session.note("`event/queryQueueStatus` was answered: the vendor knows the company and accepts the checksum");
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

/// Nothing of the answer but its code counts.
#[derive(Deserialize)]
struct Anything {}

fn verdict(result: CallResult) -> Result<(), String> {
    let response = match result {
        CallResult::Answered { response } => response,
        CallResult::NotSent { detail } | CallResult::Unknown { detail } => return Err(detail),
        _ => return Err("a result that is newer than this adapter".to_owned()),
    };
    let (code, Anything {}) = api::read(&response).map_err(|refusal| refusal.to_string())?;
    match code {
        // Of somebody who waits for nobody there is nothing to tell: that the
        // vendor says so is the proof.
        code::OK | code::NOBODY | code::QUEUE | code::UNKNOWN_VISITOR => Ok(()),
        code => Err(Refusal::coded(code).to_string()),
    }
}
