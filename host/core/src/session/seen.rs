//! How a session is seen: by apps, by its adapter, and by whoever asks whether
//! it may go elsewhere.
//!
//! Owns what is shown of a record and what is kept back. Deliberately changes
//! nothing. Invariant: an adapter is shown no more of a visitor than its vendor
//! makes use of and its operator lets it have.

use kefu_plugin_api::{
    capability::{Capabilities, EmojiForm, SessionState},
    event::Visitor,
    ids::VisitorId,
    session::{Scope, SessionView},
    time::Timestamp,
};

use super::Record;
use crate::{log::SessionCard, profile};

impl Record {
    /// The session as apps see it.
    pub fn card(&self) -> SessionCard {
        SessionCard {
            id: self.id.clone(),
            desk: self.desk.clone(),
            provider: self.provider.clone(),
            state: self.state,
            capabilities: self.shown_capabilities(),
            config: self.config.clone(),
            agent: self.agent.clone(),
            queue: self.queue,
            visitor_present: self.visitor_present,
            unread: u32::try_from(self.unread.len()).unwrap_or(u32::MAX),
            last_seq: self.last_seq,
            opened_at: self.opened_at,
            ended_at: self.ended_at,
            end_reason: self.end_reason,
        }
    }

    /// The capabilities as apps see them: emoji arrive as Unicode where a table
    /// makes it of the vendor's codes, profile fields that are not sent to this
    /// provider are left out, and where another provider's humans take over a
    /// human can be asked for, in groups that only the desk knows.
    pub fn shown_capabilities(&self) -> Capabilities {
        let mut shown = self.capabilities.clone();
        if self.handover.is_some() {
            shown.to_human = true;
            shown.groups.clear();
        }
        if self.emoji_converted {
            shown.emoji = EmojiForm::Native;
        }
        if let Some(allowed) = &self.allowed_fields {
            shown.visitor_fields = profile::both(&shown.visitor_fields, allowed);
        }
        shown
    }

    /// The part of the visitor's profile that this provider may have: what its
    /// vendor makes use of and its operator lets it have.
    pub fn shared_profile(&self, profile: Visitor) -> Visitor {
        let mut shared = profile::shared(profile, &self.capabilities.visitor_fields);
        if let Some(allowed) = &self.allowed_fields {
            shared = profile::shared(shared, allowed);
        }
        if !self.tells_id() {
            shared.id.clear();
        }
        shared
    }

    /// Whether the app's own id of its user is told to the adapter.
    fn tells_id(&self) -> bool {
        let allowed = self.allowed_fields.as_deref();
        allowed.is_none_or(|allowed| profile::lists(allowed, "id"))
    }

    /// The session as its adapter sees it.
    pub fn view(&self, now: Timestamp, seed: u64, callback_url: &str) -> SessionView {
        SessionView {
            scope: Scope::Session,
            id: self.id.clone(),
            provider: self.provider.clone(),
            app: self.app.clone(),
            desk: self.desk.clone(),
            visitor: VisitorId::new(if self.tells_id() {
                self.visitor.id.as_str()
            } else {
                ""
            }),
            client: self.client.clone(),
            conversation: self.conversation.clone(),
            vendor_session: self.vendor_session.clone(),
            standing: self.state,
            now,
            seed,
            callback_url: callback_url.to_owned(),
        }
    }

    /// Whether apps have seen it: some provider has taken it.
    pub fn is_shown(&self) -> bool {
        self.state != SessionState::Opening || self.moves.opened_before
    }

    /// Whether it may be opened at another provider because this one cannot
    /// serve: nobody has answered yet but perhaps a robot that is gone, and the
    /// visitor waits.
    pub fn may_reopen(&self) -> bool {
        let waits = matches!(
            self.state,
            SessionState::Opening | SessionState::Queued | SessionState::Unattended
        );
        waits
            && !self.synthetic
            && !self.had_human
            && self.agent.is_none()
            && self.visitor_present
            && self.moves.may_move()
    }
}
