//! Emoji at the edge of a turn: Unicode inside, the vendor's codes outside.
//!
//! Owns which texts are turned, both ways. Turned are what people read: what
//! is said, offered, asked and left as a message. Names, links, keys and the
//! words of a rating are not, since they are compared with what was given.
//! Invariants: whatever is logged has passed the table of its time, and the
//! adapter of a vendor that reads Unicode never sees a code made here.

use std::borrow::Cow;

use kefu_plugin_api::{
    capability::{
        Capabilities, EmojiForm, FormField, LeaveMessageRules, SessionConfig, SessionState,
    },
    effect::Effect,
    event::Event,
    message::{Content, Incoming},
};

use super::Turn;
use crate::{
    command::MAX_TEXT,
    emoji::EmojiTable,
    log::{CapabilityChange, EventBody},
};

impl Turn<'_> {
    /// A table that came or went since the last turn changes what the app was
    /// told.
    pub(super) fn follow_table(&mut self) {
        let Some(facts) = &self.facts else { return };
        let converted = facts.emoji.is_some();
        if self.record.is_over() || self.record.emoji_converted == converted {
            return;
        }
        self.record.emoji_converted = converted;
        self.changed = true;
        let news = self.record.capabilities.emoji == EmojiForm::Text;
        if news && self.record.state != SessionState::Opening {
            let capabilities = self.record.shown_capabilities();
            self.log(EventBody::Capabilities(Box::new(CapabilityChange {
                capabilities: Some(capabilities),
                config: None,
            })));
        }
    }

    /// An event on its way to the adapter: codes for a vendor that has them.
    pub(super) fn in_codes(&self, event: &mut Event) {
        let Some(table) = self.facts.as_ref().and_then(|facts| facts.emoji.as_ref()) else {
            return;
        };
        if self.record.capabilities.emoji == EmojiForm::Native {
            return;
        }
        let send = Sending(table);
        match event {
            Event::FromVisitor { message } => send.content(&mut message.content),
            Event::LeaveMessage { fields } => {
                let form = &self.leave_rules().fields;
                for (key, value) in fields {
                    send.within(value, longest(form, key));
                }
            }
            Event::Evaluated { evaluation } => {
                evaluation.comment.iter_mut().for_each(|it| send.text(it));
            }
            _ => {}
        }
    }

    /// An effect that comes from the adapter: Unicode for what it says.
    pub(super) fn in_unicode(&self, mut effect: Effect) -> Effect {
        let Some(table) = self.facts.as_ref().and_then(|facts| facts.emoji.as_ref()) else {
            return effect;
        };
        let read = Reading(table);
        match &mut effect {
            Effect::Deliver { message } => {
                let sends_codes = self.record.capabilities.emoji == EmojiForm::Text;
                read.message(message, sends_codes);
            }
            Effect::SetState { reason, .. } => read.each(reason),
            Effect::Status { detail, .. } => read.each(detail),
            Effect::OfferLeaveMessage { form } => {
                form.iter_mut().for_each(|form| read.form(form));
            }
            Effect::Capabilities {
                capabilities,
                config,
            } => {
                capabilities.iter_mut().for_each(|it| read.capabilities(it));
                config.iter_mut().for_each(|it| read.config(it));
            }
            _ => {}
        }
        effect
    }
}

/// The way to the vendor.
struct Sending<'a>(&'a EmojiTable);

impl Sending<'_> {
    fn content(&self, content: &mut Content) {
        match content {
            Content::Text { text } => self.text(text),
            Content::Location { label, .. } => self.text(label),
            Content::Rich { title, summary, .. } => {
                self.text(title);
                self.text(summary);
            }
            Content::Custom { fallback_text, .. } => self.text(fallback_text),
            // An app may name what it sends by the emoji itself.
            Content::Emoji { code, text } => {
                if let Some(of_vendor) = self.0.code(code) {
                    *code = of_vendor.to_owned();
                }
                self.text(text);
            }
            _ => {}
        }
    }

    fn text(&self, text: &mut String) {
        self.within(text, MAX_TEXT);
    }

    fn within(&self, text: &mut String, most: usize) {
        if let Cow::Owned(sent) = self.0.outward(text, most) {
            *text = sent;
        }
    }
}

/// The way from the vendor.
struct Reading<'a>(&'a EmojiTable);

impl Reading<'_> {
    /// `back` says whether what the visitor sends becomes codes again.
    fn message(&self, message: &mut Incoming, back: bool) {
        self.content(&mut message.content);
        // A picked question must come back in the vendor's own words.
        for question in &mut message.suggestions {
            if back && self.0.returns(question) {
                self.text(question);
            }
        }
    }

    fn content(&self, content: &mut Content) {
        match content {
            Content::Text { text } => self.text(text),
            Content::Location { label, .. } => self.text(label),
            Content::Rich { title, summary, .. } => {
                self.text(title);
                self.text(summary);
            }
            Content::Custom { fallback_text, .. } => self.text(fallback_text),
            Content::Emoji { code, text } => {
                if let Some(emoji) = self.0.emoji(code).or_else(|| self.0.emoji(text)) {
                    *content = Content::text(emoji);
                } else {
                    self.text(text);
                }
            }
            _ => {}
        }
    }

    fn capabilities(&self, capabilities: &mut Capabilities) {
        self.each(&mut capabilities.evaluation.robot_prompt);
        self.form(&mut capabilities.leave_message);
    }

    fn form(&self, form: &mut LeaveMessageRules) {
        for field in &mut form.fields {
            self.text(&mut field.label);
        }
    }

    fn config(&self, config: &mut SessionConfig) {
        if let Some(notice) = &mut config.notice {
            self.text(&mut notice.text);
        }
        let idle = [&mut config.idle.visitor, &mut config.idle.agent];
        for reminder in idle.into_iter().flatten() {
            self.text(&mut reminder.text);
        }
    }

    fn each<'t>(&self, texts: impl IntoIterator<Item = &'t mut String>) {
        for text in texts {
            self.text(text);
        }
    }

    fn text(&self, text: &mut String) {
        if let Cow::Owned(read) = self.0.inward(text) {
            *text = read;
        }
    }
}

/// How long the value of a form's field may be.
fn longest(form: &[FormField], key: &str) -> usize {
    let field = form.iter().find(|field| field.key == key);
    field
        .and_then(|field| field.max)
        .map_or(MAX_TEXT, |max| max as usize)
}
