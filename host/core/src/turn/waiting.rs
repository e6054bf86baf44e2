//! Messages on their way to the vendor: what waits for the handshake, and the
//! form in which content is carried.

use kefu_plugin_api::{
    capability::{Capabilities, Level, SessionState},
    event::Event,
    ids::MessageId,
    message::{Content, ContentKind, Message, MessageStatus},
};

use super::{Doing, Todo, Turn};
use crate::{
    command::MAX_TEXT,
    problem::{Problem, Slug},
    session::{HumanWish, Waiting},
};

/// Why a message that waited was not sent.
pub(super) const ENDED_BEFORE: &str = "the session ended before the vendor took it";
/// Why a visitor whom the vendor has blocked cannot say anything.
pub(super) const BLOCKED: &str = "the provider has blocked this visitor";

impl Turn<'_> {
    /// Hands the vendor what waited for it, as soon as it takes it.
    pub(super) fn release_waiting(&mut self) {
        let state = self.record.state;
        let takes = self.record.capabilities.messages_while.contains(&state);
        match state {
            SessionState::Opening => return,
            SessionState::Robot if self.hands_waiting_over() => return,
            SessionState::Robot if self.record.moves.holds_for_human => {
                return self.ask_as_wished();
            }
            SessionState::Ended => return self.fail_waiting(ENDED_BEFORE),
            _ if self.record.config.blocked => {
                self.record.human_wanted = None;
                self.fail_waiting(BLOCKED);
            }
            SessionState::Robot | SessionState::Human => {}
            SessionState::Queued | SessionState::Unattended if takes => {}
            // An agent is expected.
            SessionState::Queued => return self.ask_as_wished(),
            SessionState::Unattended => self.fail_waiting("nobody is there"),
        }
        self.tell_profile();
        for waiting in std::mem::take(&mut self.record.waiting) {
            self.forward(waiting);
        }
        self.ask_as_wished();
    }

    fn fail_waiting(&mut self, why: &str) {
        for Waiting { id, .. } in std::mem::take(&mut self.record.waiting) {
            self.missed.not_sent.push(id.clone());
            self.fate(id, MessageStatus::Failed, Some(why.into()));
        }
    }

    /// A robot has taken the session, and the visitor wished for a human while
    /// it was opening. Whether another provider's take over at once, with all
    /// that waits.
    fn hands_waiting_over(&mut self) -> bool {
        if self.record.handover.is_none() {
            return false;
        }
        let Some(wish) = self.record.human_wanted.take() else {
            return false;
        };
        self.changed = true;
        if !self.can_hand_over() {
            self.say_nobody_is_there();
            return false;
        }
        self.decide_handover(wish);
        self.leave_provider();
        true
    }

    fn tell_profile(&mut self) {
        if std::mem::take(&mut self.record.profile_waits) {
            let visitor = self.record.shared_profile(self.record.visitor.clone());
            self.tell(Event::ProfileChanged { visitor });
        }
    }

    /// Asks for the human that the visitor wished for while the session was
    /// opening. Where the vendor has looked for one by itself, only a wish for
    /// a certain group is news to it.
    fn ask_as_wished(&mut self) {
        self.tell_profile();
        let Some(HumanWish { group }) = self.record.human_wanted.take() else {
            return;
        };
        self.changed = true;
        let news = match self.record.state {
            SessionState::Robot => true,
            // A session that has moved was opened in that group.
            SessionState::Queued | SessionState::Unattended => {
                group.is_some() && self.record.moves.count == 0
            }
            SessionState::Opening | SessionState::Human | SessionState::Ended => false,
        };
        if news && self.record.capabilities.to_human {
            self.tell(Event::HumanRequested { group });
        }
    }

    /// Gives a visitor's message to the adapter in the form that it can carry.
    fn forward(&mut self, waiting: Waiting) {
        let Waiting {
            id,
            content,
            converted_from: converted_before,
            media,
            trace,
        } = waiting;
        let kind = content.kind();
        match convert(&self.record.capabilities, self.record.state, content) {
            Ok((content, converted_from)) => {
                if let Some(kind) = converted_from {
                    self.record.converted_late.insert(id.clone(), kind);
                }
                let message = Message {
                    id,
                    content,
                    converted_from: converted_from.or(converted_before),
                };
                self.todo.push_back(Todo {
                    event: Event::FromVisitor { message },
                    after: Doing::Held,
                    media,
                    trace,
                });
            }
            Err(_) => {
                self.missed.not_sent.push(id.clone());
                let detail = format!("the provider does not carry {} here", kind.as_str());
                self.fate(id, MessageStatus::Failed, Some(detail));
            }
        }
    }

    /// The log shows a message that waited for the handshake as it was said.
    /// That it was carried as text is said with its fate.
    pub(super) fn with_conversion(
        &mut self,
        message: &MessageId,
        status: MessageStatus,
        detail: Option<String>,
    ) -> Option<String> {
        if status == MessageStatus::Read {
            return detail;
        }
        let Some(kind) = self.record.converted_late.remove(message) else {
            return detail;
        };
        self.changed = true;
        let carried = format!("{} was carried as text", kind.as_str());
        Some(match detail {
            Some(detail) => format!("{detail}; {carried}"),
            None => carried,
        })
    }
}

/// Whether it is a voice in a form that the vendor does not take.
fn is_foreign_voice(capabilities: &Capabilities, content: &Content) -> bool {
    matches!(content, Content::Voice { format, .. } if !capabilities.takes_voice(format))
}

/// Brings content into a form that is carried in this state: whole, or as the
/// one text of [`Content::to_text`]. What was said as text stays as it is.
///
/// # Errors
/// It is not carried at all, nor is text; or its text is too long for one
/// message.
pub(super) fn convert(
    capabilities: &Capabilities,
    state: SessionState,
    content: Content,
) -> Result<(Content, Option<ContentKind>), Problem> {
    let kind = content.kind();
    let level = capabilities.level(state, kind);
    let text_is_carried = capabilities.level(state, ContentKind::Text) > Level::Rejected;
    match level {
        Level::Full if !is_foreign_voice(capabilities, &content) => Ok((content, None)),
        Level::Converted if kind == ContentKind::Text => Ok((content, None)),
        Level::Full | Level::Converted if text_is_carried => {
            let text = content.to_text();
            let length = text.chars().count();
            if length > MAX_TEXT {
                return Err(Problem::too_large(
                    "/content",
                    format!(
                        "{length} characters as text, which is how {} is carried here; at most {MAX_TEXT}",
                        kind.as_str()
                    ),
                ));
            }
            Ok((Content::text(text), Some(kind)))
        }
        Level::Full | Level::Converted | Level::Rejected => Err(Problem::new(
            Slug::UnsupportedByProvider,
            format!(
                "{} cannot be sent while the session is {}",
                kind.as_str(),
                state.as_str()
            ),
        )),
    }
}
