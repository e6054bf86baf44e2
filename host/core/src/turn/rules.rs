//! What a visitor can do in which state: the state table of the visitor API.

use kefu_plugin_api::{
    capability::{Exit, SessionState},
    event::{Event, Visitor},
    ids::MessageId,
    message::{Content, ContentKind, Message, Sender, SenderKind},
};

use super::{Doing, Reply, Todo, Turn, waiting::convert};
use crate::{
    command::{Command, MAX_PAYLOAD},
    log::{CapabilityChange, EventBody, LoggedMessage},
    problem::{Problem, Slug},
    profile,
    session::{HumanWish, Side, Waiting},
};

/// How many messages may wait for a handshake.
pub(crate) const MAX_WAITING: usize = 200;
/// How many bytes they may have together.
const MAX_WAITING_BYTES: usize = 1 << 20;

impl Turn<'_> {
    pub(super) fn command(&mut self, command: Command) -> Result<(), Problem> {
        match command {
            Command::Message {
                content,
                media,
                converted_from,
            } => self.message(content, media, converted_from),
            Command::Human { group } => self.human(group),
            Command::Evaluate { evaluation } => self.evaluate(evaluation),
            Command::DeclineEvaluation => self.decline_evaluation(),
            Command::LeaveMessage { fields } => self.leave_message(fields),
            Command::Exit => {
                self.exit();
                Ok(())
            }
            Command::Typing => {
                if self.record.state == SessionState::Human && self.facts.is_some() {
                    self.tell(Event::Typing {});
                }
                Ok(())
            }
            Command::Read { seq } => {
                self.read(seq);
                Ok(())
            }
            Command::Profile { visitor } => {
                if self.record.is_over() {
                    return Err(over());
                }
                let said = visitor.clone();
                let visitor = changed(&self.record.visitor, visitor);
                if json_size(&visitor.custom) > MAX_PAYLOAD {
                    return Err(Problem::too_large(
                        "/custom",
                        format!(
                            "more than {MAX_PAYLOAD} bytes together with what is there already"
                        ),
                    ));
                }
                self.record.visitor = visitor;
                self.changed = true;
                self.tell_change(said);
                Ok(())
            }
            Command::Return => {
                self.arrive();
                Ok(())
            }
        }
    }

    /// Tells the adapter the part of a changed profile that it may have. A
    /// change of which it may have nothing is none to it.
    fn tell_change(&mut self, said: Visitor) {
        self.follow_allowed_fields();
        if profile::is_bare(&self.record.shared_profile(said)) {
        } else if self.record.state == SessionState::Opening {
            self.record.profile_waits = true;
        } else {
            let visitor = self.record.shared_profile(self.record.visitor.clone());
            self.tell(Event::ProfileChanged { visitor });
        }
    }

    /// Takes over which fields the operator lets the provider have now.
    pub(super) fn follow_allowed_fields(&mut self) {
        let Some(facts) = &self.facts else { return };
        let allowed = facts.visitor_fields.as_deref();
        if self.record.allowed_fields.as_deref() == allowed {
            return;
        }
        let before = self.record.shown_capabilities();
        self.record.allowed_fields = allowed.map(<[String]>::to_vec);
        self.changed = true;
        let now = self.record.shown_capabilities();
        if now != before && self.record.state != SessionState::Opening {
            self.log(EventBody::Capabilities(Box::new(CapabilityChange {
                capabilities: Some(now),
                config: None,
            })));
        }
    }

    fn message(
        &mut self,
        content: Content,
        media: Vec<String>,
        before: Option<ContentKind>,
    ) -> Result<(), Problem> {
        let state = self.record.state;
        match state {
            SessionState::Ended => return Err(over()),
            _ if self.record.config.blocked => return Err(self.blocked()),
            SessionState::Unattended
                if !self.record.capabilities.messages_while.contains(&state) =>
            {
                return Err(self.nobody_there());
            }
            SessionState::Queued if !self.record.capabilities.messages_while.contains(&state) => {
                return Err(Problem::new(
                    Slug::UnsupportedByProvider,
                    "this provider takes no messages while the visitor is queued",
                ));
            }
            _ if self.waits_for_somebody() && self.too_much_waits() => {
                return Err(Problem::new(
                    Slug::Overloaded,
                    "too many messages wait for the vendor already",
                ));
            }
            _ => {}
        }
        let waits = self.waits_for_somebody();
        let judged_as = if waits { SessionState::Opening } else { state };
        let (content, converted_from) = convert(&self.record.capabilities, judged_as, content)?;
        self.arrive();
        let id = MessageId::from(self.draw_uuid());
        // Its form may have been changed before it came here.
        let converted_from = converted_from.or(before);
        self.spoke(Side::Visitor);
        let seq = self.log(EventBody::Message(LoggedMessage {
            id: id.clone(),
            from: Sender {
                kind: SenderKind::Visitor,
                id: Some(self.record.visitor.id.clone()),
                name: self.record.visitor.name.clone(),
                portrait: self.record.visitor.portrait.clone(),
            },
            content: content.clone(),
            suggestions: Vec::new(),
            converted_from,
            detail: None,
        }));
        if waits {
            // Converted only if nobody carries it whole; who answers is judged
            // again when that is known.
            self.record.waiting.push(Waiting {
                id: id.clone(),
                content,
                converted_from,
                media,
                trace: self.context.trace.map(str::to_owned),
            });
        } else {
            let message = Message {
                id: id.clone(),
                content,
                converted_from,
            };
            self.todo.push_back(Todo {
                event: Event::FromVisitor { message },
                after: Doing::Anything,
                media,
                trace: None,
            });
        }
        self.reply = Reply::Message { id, seq };
        Ok(())
    }

    /// Whether what is said waits until it is known who answers.
    fn waits_for_somebody(&self) -> bool {
        let holds = self.record.moves.holds_for_human;
        match self.record.state {
            SessionState::Opening => true,
            SessionState::Robot => holds,
            _ => false,
        }
    }

    fn human(&mut self, group: Option<String>) -> Result<(), Problem> {
        let group = group.map(Into::into);
        match self.record.state {
            SessionState::Ended => Err(over()),
            _ if self.record.config.blocked => Err(self.blocked()),
            SessionState::Human => Err(Problem::new(
                Slug::AlreadyHuman,
                "an agent already answers in this session",
            )),
            state if self.record.handover.is_some() && !self.record.had_human => {
                self.arrive();
                self.changed = true;
                let wish = HumanWish { group };
                if state == SessionState::Opening {
                    self.record.human_wanted = Some(wish);
                } else if self.can_hand_over() {
                    self.decide_handover(wish);
                } else {
                    self.say_nobody_is_there();
                }
                Ok(())
            }
            _ if !self.record.capabilities.to_human => Err(Problem::new(
                Slug::UnsupportedByProvider,
                "this provider has no humans to ask for",
            )),
            SessionState::Opening => {
                self.arrive();
                self.record.human_wanted = Some(HumanWish { group });
                self.changed = true;
                Ok(())
            }
            SessionState::Robot | SessionState::Queued | SessionState::Unattended => {
                self.arrive();
                self.tell(Event::HumanRequested { group });
                Ok(())
            }
        }
    }

    fn read(&mut self, seq: u64) {
        let before = self.record.unread.len();
        self.record.unread.retain(|&unread| unread > seq);
        if self.record.unread.len() == before {
            return;
        }
        self.changed = true;
        let all_read = self.record.unread.is_empty();
        if let (true, SessionState::Human, Some(message)) = (
            all_read,
            self.record.state,
            self.record.last_desk_message.clone(),
        ) && self.facts.is_some()
        {
            self.tell(Event::Read { message });
        }
    }

    fn exit(&mut self) {
        if self.record.is_over() {
            return;
        }
        let left_before = !self.record.visitor_present;
        if left_before && self.record.capabilities.exit == Exit::Keeps {
            return;
        }
        self.record.visitor_present = false;
        self.changed = true;
        if self.record.rating.exit_waits {
            self.stop_waiting_for_rating();
        } else if self.rating_delays_exit() {
            return;
        }
        self.see_off();
    }

    /// Tells the adapter that the visitor left.
    pub(super) fn see_off(&mut self) {
        self.then(Event::Exited {}, Doing::Exit);
    }

    /// What waits is written with the record at every turn, so both its number
    /// and its size are bounded.
    fn too_much_waits(&self) -> bool {
        let waiting = &self.record.waiting;
        waiting.len() >= MAX_WAITING
            || waiting
                .iter()
                .map(|one| json_size(&one.content))
                .sum::<usize>()
                > MAX_WAITING_BYTES
    }

    /// The visitor is here, or here again: whoever was about to leave stays.
    /// An invitation that was shown can still be answered until it lapses.
    pub(super) fn arrive(&mut self) {
        let left = !self.record.visitor_present || self.record.rating.exit_waits;
        if left && !self.record.is_over() {
            self.record.visitor_present = true;
            self.record.rating.exit_waits = false;
            self.changed = true;
        }
    }
}

fn json_size(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// The session is over.
pub(super) fn over() -> Problem {
    Problem::new(Slug::SessionEnded, "the session has ended; open a new one")
}

/// A profile with what a change names; everything else stays as it was.
fn changed(before: &Visitor, change: Visitor) -> Visitor {
    let mut after = before.clone();
    after.name = change.name.or(after.name);
    after.portrait = change.portrait.or(after.portrait);
    after.fields.extend(change.fields);
    after.custom.extend(change.custom);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_profile_leaves_the_rest_as_it_was() {
        let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let before = Visitor {
            id: "v1".into(),
            name: Some("Wang".into()),
            fields: [field("city", "北京"), field("qq", "1")].into(),
            ..Visitor::default()
        };
        let change = Visitor {
            id: "v1".into(),
            portrait: Some("https://a.example/p.png".into()),
            fields: [field("qq", "2")].into(),
            ..Visitor::default()
        };
        let after = changed(&before, change);
        assert_eq!(after.name.as_deref(), Some("Wang"));
        assert_eq!(after.portrait.as_deref(), Some("https://a.example/p.png"));
        assert_eq!(
            after.fields,
            [field("city", "北京"), field("qq", "2")].into()
        );
    }
}
