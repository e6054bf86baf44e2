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
    log::EventBody,
    problem::{Problem, Slug},
    session::{HumanWish, Waiting},
};

/// Why a message that waited was not sent.
pub(super) const ENDED_BEFORE: &str = "the session ended before the vendor took it";

impl Turn<'_> {
    /// Hands the vendor what waited for it, as soon as it takes it.
    pub(super) fn release_waiting(&mut self) {
        let state = self.record.state;
        let takes = self.record.capabilities.messages_while.contains(&state);
        match state {
            SessionState::Opening => return,
            SessionState::Ended => return self.fail_waiting(ENDED_BEFORE),
            SessionState::Robot | SessionState::Human => {}
            SessionState::Queued | SessionState::Unattended if takes => {}
            // An agent is expected.
            SessionState::Queued => return self.ask_as_wished(),
            SessionState::Unattended => self.fail_waiting("nobody is there"),
        }
        self.tell_profile();
        for Waiting { id, content, media } in std::mem::take(&mut self.record.waiting) {
            self.forward(id, content, media);
        }
        self.ask_as_wished();
    }

    fn fail_waiting(&mut self, why: &str) {
        for Waiting { id, .. } in std::mem::take(&mut self.record.waiting) {
            self.log(EventBody::Status {
                message: id,
                status: MessageStatus::Failed,
                detail: Some(why.into()),
            });
        }
    }

    fn tell_profile(&mut self) {
        if std::mem::take(&mut self.record.profile_waits) {
            let visitor = self.record.visitor.clone();
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
            SessionState::Queued | SessionState::Unattended => group.is_some(),
            SessionState::Opening | SessionState::Human | SessionState::Ended => false,
        };
        if news && self.record.capabilities.to_human {
            self.tell(Event::HumanRequested { group });
        }
    }

    /// Gives a visitor's message to the adapter in the form that it can carry.
    pub(super) fn forward(&mut self, id: MessageId, content: Content, media: Vec<String>) {
        let kind = content.kind();
        match convert(&self.record.capabilities, self.record.state, content) {
            Ok((content, converted_from)) => {
                let message = Message {
                    id,
                    content,
                    converted_from,
                };
                self.todo.push_back(Todo {
                    event: Event::FromVisitor { message },
                    after: Doing::Anything,
                    media,
                });
            }
            Err(_) => {
                self.log(EventBody::Status {
                    message: id,
                    status: MessageStatus::Failed,
                    detail: Some(format!(
                        "the provider does not carry {} here",
                        kind.as_str()
                    )),
                });
            }
        }
    }
}

/// Brings content into a form that is carried in this state.
///
/// # Errors
/// It is not carried at all.
pub(super) fn convert(
    capabilities: &Capabilities,
    state: SessionState,
    content: Content,
) -> Result<(Content, Option<ContentKind>), Problem> {
    let kind = content.kind();
    match capabilities.level(state, kind) {
        Level::Full => Ok((content, None)),
        Level::Converted => Ok((Content::text(content.to_text()), Some(kind))),
        Level::Rejected => Err(Problem::new(
            Slug::UnsupportedByProvider,
            format!(
                "{} cannot be sent while the session is {}",
                kind.as_str(),
                state.as_str()
            ),
        )),
    }
}
