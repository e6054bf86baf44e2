//! Leaving a message (留言): when it can be done, and what a form must hold.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    capability::{FormField, LeaveMessageKind, LeaveMessageRules, SessionState, Verify},
    event::Event,
};
use serde_json::json;

use super::{Turn, rules::over, waiting::BLOCKED};
use crate::{
    command::MAX_TEXT,
    log::EventBody,
    problem::{Problem, Slug},
};

impl Turn<'_> {
    pub(super) fn leave_message(
        &mut self,
        fields: BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        let state = self.record.state;
        let rules = self.leave_rules().clone();
        match state {
            SessionState::Ended => return Err(over()),
            SessionState::Opening => {
                return Err(Problem::new(
                    Slug::NotInvited,
                    "the session is not open yet",
                ));
            }
            SessionState::Robot | SessionState::Human => return Err(no_message_left(state)),
            _ if rules.kind != LeaveMessageKind::Form || !rules.when.contains(&state) => {
                return Err(no_message_left(state));
            }
            SessionState::Queued | SessionState::Unattended => {}
        }
        check_form(&rules.fields, &fields)?;
        self.arrive();
        self.log(EventBody::LeaveMessageSubmitted {
            fields: fields.clone(),
        });
        self.tell(Event::LeaveMessage { fields });
        Ok(())
    }

    /// The adapter offers a form. An offer holds in the state in which it is
    /// made, whatever the rules say of other states.
    pub(super) fn offer_leave_message(&mut self, form: Option<LeaveMessageRules>) {
        let state = self.record.state;
        let declared = &self.record.capabilities.leave_message;
        let mut rules = form.unwrap_or_else(|| declared.clone());
        let usable = matches!(state, SessionState::Queued | SessionState::Unattended);
        if !usable || rules.kind == LeaveMessageKind::None {
            self.notes.push(format!(
                "an offer to leave a message was dropped: it cannot be done while {}",
                state.as_str()
            ));
            return;
        }
        if !rules.when.contains(&state) {
            rules.when.push(state);
        }
        self.record.leave_form = (rules != *declared).then(|| rules.clone());
        self.log(EventBody::LeaveMessageOffered(rules));
    }

    pub(super) fn nobody_there(&self) -> Problem {
        self.with_leave_form(Problem::new(
            Slug::UnsupportedByProvider,
            "nobody is there, and no messages are taken now",
        ))
    }

    /// The vendor takes nothing from this visitor, but perhaps a message that is
    /// left.
    pub(super) fn blocked(&self) -> Problem {
        let problem = Problem::new(Slug::UnsupportedByProvider, BLOCKED);
        self.with_leave_form(problem)
    }

    /// A problem with the form by which a message can be left instead, if it
    /// can.
    fn with_leave_form(&self, problem: Problem) -> Problem {
        let rules = self.leave_rules();
        if rules.kind != LeaveMessageKind::None && rules.when.contains(&self.record.state) {
            problem.with_extra("leave_message", json!(rules))
        } else {
            problem
        }
    }

    pub(super) fn leave_rules(&self) -> &LeaveMessageRules {
        self.record
            .leave_form
            .as_ref()
            .unwrap_or(&self.record.capabilities.leave_message)
    }
}

fn no_message_left(state: SessionState) -> Problem {
    Problem::new(
        Slug::UnsupportedByProvider,
        format!(
            "no message can be left here while the session is {}",
            state.as_str()
        ),
    )
}

/// Checks a filled form against its fields. Every field that is wrong is
/// named.
fn check_form(form: &[FormField], values: &BTreeMap<String, String>) -> Result<(), Problem> {
    let mut wrong: Option<Problem> = None;
    let mut note = |problem: Problem| match &mut wrong {
        Some(first) => {
            // Too long is all that is wrong only if nothing else is.
            if problem.slug == Slug::InvalidRequest {
                first.slug = problem.slug;
            }
            first.errors.extend(problem.errors);
        }
        None => wrong = Some(problem),
    };
    for field in form {
        let pointer = pointer(&field.key);
        let value = values
            .get(&field.key)
            .map(String::as_str)
            .unwrap_or_default();
        let max = field.max.map_or(MAX_TEXT, |max| max as usize);
        if value.trim().is_empty() {
            if field.required {
                note(Problem::invalid(
                    pointer,
                    format!("{} is required", field.label),
                ));
            }
        } else if value.chars().count() > max {
            note(Problem::too_large(
                pointer,
                format!("is longer than {max} characters"),
            ));
        } else if !looks_like(field.verify, value) {
            note(Problem::invalid(
                pointer,
                "does not look like what is asked for",
            ));
        }
    }
    for key in values
        .keys()
        .filter(|key| !form.iter().any(|field| field.key == **key))
    {
        note(Problem::invalid(
            pointer(key),
            "is not a field of this form",
        ));
    }
    wrong.map_or(Ok(()), Err)
}

/// The place of a field in the body, as a JSON pointer writes it.
fn pointer(key: &str) -> String {
    format!("/fields/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn looks_like(verify: Option<Verify>, value: &str) -> bool {
    let value = value.trim();
    match verify {
        None => true,
        Some(Verify::Phone) => {
            let digits = value.chars().filter(char::is_ascii_digit).count();
            (5..=15).contains(&digits)
                && value
                    .chars()
                    .all(|character| character.is_ascii_digit() || "+-() ".contains(character))
        }
        Some(Verify::Email) => value.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !value.contains(char::is_whitespace)
                && !host.contains('@')
        }),
    }
}
