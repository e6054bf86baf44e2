//! An operator tries the settings: does the vendor accept them?
//!
//! Owns one call: an empty form, signed like every routed message. The vendor
//! has nothing that could be asked, and a form without a message is one that it
//! has to refuse; how it refuses tells whether the signature was right.

use kefu_plugin_api::prelude::{
    AdapterError, Call, CallResult, Effect, Event, HttpRequest, Session,
};

use crate::{auth, config::Account, state::State};

/// Id of the call.
const CALL: &str = "probe";

/// Takes an event of the provider's own scope.
pub(crate) fn take(
    account: &Account,
    event: Event,
    session: &mut Session<State>,
) -> Result<Vec<Effect>, AdapterError> {
    match event {
        Event::Probe {} => {
            let request = HttpRequest {
                method: "POST".into(),
                url: account.receive_url.clone(),
                headers: vec![(
                    "content-type".into(),
                    "application/x-www-form-urlencoded".into(),
                )],
                body: Vec::new(),
                stamps: Vec::new(),
            };
            let call = Call::new(CALL, auth::signed(request));
            Ok(vec![call.repeatable().into()])
        }
        Event::CallFinished { call, result, .. } if call.as_str() == CALL => {
            let note = verdict(result).map_err(AdapterError::vendor)?;
            session.note(note);
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}

fn verdict(result: CallResult) -> Result<String, String> {
    let status = match result {
        CallResult::Answered { response } => response.status,
        CallResult::NotSent { detail } | CallResult::Unknown { detail } => return Err(detail),
        _ => return Err("a result that is newer than this adapter".to_owned()),
    };
    match status {
        200..300 | 400 | 422 => Ok(format!(
            "a signed form without a message was answered with HTTP {status}: the signature was not refused"
        )),
        401 | 403 => Err(format!(
            "HTTP {status}: the vendor refused the signature, check `app_secret`"
        )),
        300..500 => Err(format!(
            "HTTP {status}: the vendor refused, check `receive_url`"
        )),
        _ => Err(format!("HTTP {status}: an error at the vendor")),
    }
}
