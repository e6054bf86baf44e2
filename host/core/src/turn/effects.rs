//! What an adapter may ask for, and what becomes of it.
//!
//! One exhaustive match. What a session that is over cannot do any more is
//! noted and dropped, because a vendor's late word is nobody's fault; what no
//! session can do is a fault of the adapter.

use kefu_plugin_api::{
    capability::{EndReason, Exit, SessionState},
    effect::Effect,
    ids::MessageId,
    message::{Content, Incoming, MessageStatus, SenderKind},
};

use super::{Doing, Name, NameKey, Said, Turn, Violation};
use crate::{
    log::{EventBody, LoggedMessage},
    session::{Side, TimerKey, desk_message_id},
};

/// How many unread messages are counted.
const MAX_UNREAD: usize = 99;

impl Turn<'_> {
    pub(super) fn effects(&mut self, effects: Vec<Effect>) -> Result<(), Violation> {
        let alone = effects.len() == 1;
        for effect in effects {
            if self.moving.is_some() {
                self.effect_while_leaving(effect)?;
                continue;
            }
            self.effect(effect, alone)?;
            if self.moved_on {
                // Whatever else this adapter wanted is of no use to the next.
                break;
            }
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect, alone: bool) -> Result<(), Violation> {
        if self.record.is_over() && moves_a_session(&effect) {
            self.notes
                .push("the session is over; a late change was dropped".into());
            return Ok(());
        }
        match self.in_unicode(effect) {
            Effect::Call { call } => self.call(call)?,
            Effect::Deliver { message } => self.deliver(message),
            Effect::SetState {
                state,
                agent,
                reason,
            } => self.set_state(state, agent, reason)?,
            Effect::Queue { queue } => self.queue(queue),
            Effect::Agent { event, agent } => self.agent(event, agent)?,
            Effect::Invite { target, form } => self.invite_for_vendor(target, form),
            Effect::OfferLeaveMessage { form } => self.offer_leave_message(form),
            Effect::Capabilities {
                capabilities,
                config,
            } => self.capabilities(capabilities.map(|c| *c), config),
            Effect::Status {
                message,
                status,
                detail,
            } => self.status(message, status, detail),
            Effect::Recall { vendor_id } => self.recall(&vendor_id),
            Effect::Typing {} => self.typing = true,
            Effect::SetTimer { timer, after_ms } => self.set_timer(timer, after_ms)?,
            Effect::CancelTimer { timer } => {
                self.record.timer_failures.remove(&timer);
                self.changed |= self
                    .record
                    .timers
                    .remove(&TimerKey::Adapter(timer))
                    .is_some();
            }
            Effect::Name { vendor_session } => self.name(vendor_session),
            Effect::Close { reason } => self.end_as_asked(reason),
            Effect::TokenRejected { name } => self.token_rejected(name, alone)?,
            Effect::Token { .. } => {
                return Err(Violation("a token outside the provider's scope".into()));
            }
            Effect::Attempt { .. } => {
                return Err(Violation("an attempt that was not asked for".into()));
            }
            other => {
                return Err(Violation(format!(
                    "an effect that this gateway does not know: {other:?}"
                )));
            }
        }
        Ok(())
    }

    fn end_as_asked(&mut self, reason: EndReason) {
        let opening = self.record.state == SessionState::Opening;
        match self.doing {
            // Follows by itself, with the reason that the visitor or the
            // gateway has.
            Doing::Close(_) => {}
            Doing::Exit if self.record.capabilities.exit == Exit::Ends => {}
            _ if opening && reason == EndReason::ProviderError => self.handshake_failed(),
            _ => self.end(reason),
        }
    }

    /// A message that got no answer was told so by the gateway already; the
    /// adapter need not say it again.
    pub(super) fn status(
        &mut self,
        message: MessageId,
        status: MessageStatus,
        detail: Option<String>,
    ) {
        let detail = self.with_conversion(&message, status, detail);
        self.drop_held_media(&message);
        let told = self.events.iter().any(|event| {
            matches!(&event.body, EventBody::Status { message: known, status: before, .. }
                if *known == message && *before == status)
        });
        if !told {
            self.fate(message, status, detail);
        }
    }

    fn deliver(&mut self, mut message: Incoming) {
        let detail = self.why_not_kept(&mut message.content);
        let id = match &message.vendor_id {
            Some(vendor_id) => desk_message_id(&self.record.id, vendor_id),
            None => self.draw_uuid().into(),
        };
        let from_visitor = message.from.kind == SenderKind::Visitor;
        match message.from.kind {
            SenderKind::Visitor => self.spoke(Side::Visitor),
            SenderKind::Agent => self.spoke(Side::Agent),
            SenderKind::Robot | SenderKind::System => {}
        }
        let seq = self.log(EventBody::Message(LoggedMessage {
            id: id.clone(),
            from: message.from,
            content: message.content,
            suggestions: message.suggestions,
            converted_from: None,
            detail,
        }));
        if !from_visitor {
            self.record.last_desk_message = Some(id);
            self.record.unread.push(seq);
            let surplus = self.record.unread.len().saturating_sub(MAX_UNREAD);
            self.record.unread.drain(..surplus);
        }
    }

    /// Takes a message from the desk back: whoever has not read it has one
    /// less to read. A message that the log does not have, or has taken back
    /// already, is nobody's fault: it may have been said before the session, or
    /// the vendor may repeat itself.
    fn recall(&mut self, vendor_id: &str) {
        let message = desk_message_id(&self.record.id, vendor_id);
        let Some(said) = self.said(&message) else {
            self.unknown_recalls += 1;
            self.notes
                .push("a message was recalled that this session does not have".into());
            return;
        };
        if said.recalled {
            return;
        }
        self.record.unread.retain(|seq| !said.seqs.contains(seq));
        self.log(EventBody::Recalled { message });
    }

    /// Where a message stands in the log, this turn's part included.
    fn said(&self, message: &MessageId) -> Option<Said> {
        let mut said = self
            .context
            .log
            .said(&self.record.id, message)
            .unwrap_or_default();
        for event in &self.events {
            match &event.body {
                EventBody::Message(now) if now.id == *message => said.seqs.push(event.seq),
                EventBody::Recalled { message: taken } => said.recalled |= taken == message,
                _ => {}
            }
        }
        (!said.seqs.is_empty()).then_some(said)
    }

    /// Why a link in a message is the vendor's own, if it should not be.
    fn why_not_kept(&self, content: &mut Content) -> Option<String> {
        if self.vendor_links.is_empty() {
            return None;
        }
        let urls = content.media_urls_mut();
        let reason = urls.iter().find_map(|url| self.vendor_links.get(*url))?;
        Some(format!(
            "links to the provider's own copy, which may expire: {reason}"
        ))
    }

    fn name(&mut self, vendor_session: String) {
        if self.record.vendor_session.as_ref() == Some(&vendor_session) {
            return;
        }
        self.names.push(Name {
            provider: self.record.provider.clone(),
            key: NameKey::Vendor(vendor_session.clone()),
        });
        // It came back to a session that it had left: that one counts again.
        let provider = &self.record.provider;
        self.record
            .moves
            .left
            .retain(|left| left.provider != *provider || left.vendor_session != vendor_session);
        self.record.vendor_session = Some(vendor_session);
        self.changed = true;
    }
}

/// Whether an effect belongs to a session that is still going on.
fn moves_a_session(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::SetState { .. }
            | Effect::Queue { .. }
            | Effect::Agent { .. }
            | Effect::Invite { .. }
            | Effect::OfferLeaveMessage { .. }
            | Effect::Capabilities { .. }
            | Effect::SetTimer { .. }
            | Effect::Close { .. }
            | Effect::Typing {}
    )
}
