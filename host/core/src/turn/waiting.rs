//! Messages on their way to the vendor: what waits for the handshake, and the
//! form in which content is carried.

use kefu_plugin_api::{
    capability::{Capabilities, Level, SessionState},
    event::Event,
    ids::MessageId,
    message::{Content, ContentKind, Message, MessageStatus},
};

use super::Turn;
use crate::{
    log::EventBody,
    problem::{Problem, Slug},
    session::Waiting,
};

impl Turn<'_> {
    /// Hands the vendor what waited for it, as soon as it takes messages.
    pub(super) fn release_waiting(&mut self) {
        let state = self.record.state;
        let takes = match state {
            SessionState::Robot | SessionState::Human => true,
            SessionState::Queued | SessionState::Unattended => {
                self.record.capabilities.messages_while.contains(&state)
            }
            SessionState::Opening => return,
            SessionState::Ended => {
                for Waiting { id, .. } in std::mem::take(&mut self.record.waiting) {
                    self.log(EventBody::Status {
                        message: id,
                        status: MessageStatus::Failed,
                        detail: Some("the session ended before the vendor took it".into()),
                    });
                }
                return;
            }
        };
        if takes {
            for Waiting { id, content } in std::mem::take(&mut self.record.waiting) {
                self.collect_media(&content);
                self.forward(id, content);
            }
        }
        if let Some(group) = self.record.human_wanted.take()
            && state != SessionState::Human
            && self.record.capabilities.to_human
        {
            self.tell(Event::HumanRequested { group });
        }
    }

    /// Gives a visitor's message to the adapter in the form that it can carry.
    fn forward(&mut self, id: MessageId, content: Content) {
        let kind = content.kind();
        match convert(&self.record.capabilities, self.record.state, content) {
            Ok((content, converted_from)) => {
                self.tell(Event::FromVisitor {
                    message: Message {
                        id,
                        content,
                        converted_from,
                    },
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

    /// Remembers the gateway's own media in a content, so that the calls of
    /// this turn may link to it.
    fn collect_media(&mut self, content: &Content) {
        let mut content = content.clone();
        self.media
            .extend(content.media_urls_mut().into_iter().map(|url| url.clone()));
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
