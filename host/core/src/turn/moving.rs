//! A session that goes on at another provider, with the same id and log.
//!
//! Two things move it. A **handover**: the route names whose humans take over
//! (`handover`), and the visitor asks for one or the robot passes the visitor on. A
//! **failover**: the provider cannot serve and nobody has answered yet
//! (`reopen_waiting` of the desk). Either is part of one turn:
//!
//! 1. What was said and is not settled is taken back: entries of the outbox that
//!    carry messages are withdrawn, and the messages wait for the handshake, in
//!    the order of the log. They are sent to the next provider once. A message
//!    whose fate is told, `unknown` included, is not sent again.
//! 2. The old adapter is told that the session closes, with reason
//!    `transferred`. Its calls still leave, in a lane of their own; nothing else
//!    that it wants counts, and whether it can answer does not matter.
//! 3. `session.moved` is logged, the state is `opening` again, and the next
//!    provider is asked as if the session were new.
//! 4. As soon as that one takes it, it gets what was said before as one text,
//!    which is in no log, then what waits. A wish for a human goes first where a
//!    robot answers, so that no robot answers what is meant for people.
//!
//! If the other provider does not take a handover, the session goes back to the
//! first, which is not asked to hand over again, and the visitor is told that
//! nobody is there. A provider that is known to take no sessions is not asked:
//! where the visitor wished for a human that is said and the robot goes on;
//! where the robot passed the visitor on, its own provider's humans serve.
//!
//! Deliberately chooses no provider: routes do. Invariants: a session is bound
//! to one provider at every commit; no message is in two of: sent, waiting,
//! settled; at most [`MAX_MOVES`](crate::session::MAX_MOVES) moves.

use std::collections::{BTreeMap, BTreeSet};

use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    descriptor::KeyedBy,
    effect::Effect,
    event::Event,
    ids::MessageId,
    message::{Content, MessageStatus, Sender, SenderKind},
};

use super::{
    Doing, Turn, Violation,
    transcript::{Language, transcript},
};
use crate::{
    log::{EventBody, LogEvent, LoggedMessage, MoveReason, Moved, StateChange},
    session::{Fallback, Handover, HumanWish, LeftBehind, TimerKey, Waiting},
};

/// A move that was decided and is not made yet.
pub(super) struct Moving {
    /// Whom to ask, in this order.
    order: Vec<Fallback>,
    reason: MoveReason,
}

/// How much of a log is read for a transcript; all of it only where a message
/// that is to be sent stands before.
const RECENT_EVENTS: u64 = 500;
/// How long what was said waits until the human that was asked for is there or
/// expected.
const HUMAN_WITHIN_MS: i64 = 15_000;
/// Of how many moves names and entries are remembered.
const MAX_REMEMBERED: usize = 64;

impl Turn<'_> {
    /// Whether a wish for a human can be handed over now.
    pub(super) fn can_hand_over(&self) -> bool {
        let Some(handover) = &self.record.handover else {
            return false;
        };
        let providers = self.context.providers;
        let taken = || {
            let facts = providers.facts(&handover.to);
            let alone = facts.is_some_and(|it| it.descriptor.keyed_by == KeyedBy::Visitor);
            alone && providers.has_other_session(&handover.to, &self.record)
        };
        !self.record.had_human
            && self.record.moves.may_move()
            && providers.takes_sessions(&handover.to)
            && !taken()
    }

    /// Whether a state that an adapter asks for is a wish for a human that
    /// another provider takes over.
    pub(super) fn is_handed_over(&self, to: SessionState) -> bool {
        let from_robot = matches!(
            self.record.state,
            SessionState::Robot | SessionState::Opening
        );
        let to_human = matches!(
            to,
            SessionState::Queued | SessionState::Human | SessionState::Unattended
        );
        let going = matches!(self.doing, Doing::Exit | Doing::Close(_));
        from_robot && to_human && !going && self.record.visitor_present && self.can_hand_over()
    }

    /// Decides on the handover. It is made when the adapter's answer was taken.
    pub(super) fn decide_handover(&mut self, wish: HumanWish) {
        let Some(Handover { to, group, .. }) = self.record.handover.take() else {
            return;
        };
        let group = wish.group.or(group);
        let back = Fallback::new(self.record.provider.clone(), self.record.group.clone());
        self.record.human_wanted = Some(HumanWish {
            group: group.clone(),
        });
        self.changed = true;
        self.moving = Some(Moving {
            order: vec![Fallback::new(to, group), back],
            reason: MoveReason::Handover,
        });
    }

    /// The provider cannot serve: the session is opened at the first of these
    /// that takes it, if it waits for somebody.
    pub(super) fn reopen(&mut self, mut order: Vec<Fallback>) {
        order.retain(|next| next.provider != self.record.provider);
        if order.is_empty() || !self.record.may_reopen() {
            return;
        }
        let waits_for_human = self.record.state != SessionState::Opening;
        if waits_for_human || self.record.human_wanted.is_some() {
            // A group is named in the words of the provider before.
            self.record.human_wanted = Some(HumanWish { group: None });
        }
        self.moving = Some(Moving {
            order,
            reason: MoveReason::Failover,
        });
        self.leave_provider();
    }

    /// Takes back what was not settled, and tells the old adapter.
    pub(super) fn leave_provider(&mut self) {
        self.leaving = true;
        self.take_back();
        if self.facts.is_some() {
            let reason = EndReason::Transferred;
            self.then(Event::Closing { reason }, Doing::Move);
        } else {
            self.go_over();
        }
    }

    /// What counts of an adapter that is being left: the calls by which it says
    /// good-bye, and the fate of messages that are not taken along.
    pub(super) fn effect_while_leaving(&mut self, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Call { call } if self.leaving && call.message.is_none() => self.call(call),
            Effect::Status {
                message,
                status,
                detail,
            } if !self.waits(&message) => {
                self.status(message, status, detail);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn waits(&self, message: &MessageId) -> bool {
        self.record.waiting.iter().any(|one| one.id == *message)
    }

    /// The old adapter was told, or need not be: the next provider is asked.
    pub(super) fn go_over(&mut self) {
        self.leaving = false;
        self.todo.clear();
        let Some(Moving { mut order, reason }) = self.moving.take() else {
            return;
        };
        let next = order.remove(0);
        self.record.fallbacks = order;
        self.record.moves.count += 1;
        self.record.moves.handing_over = reason == MoveReason::Handover;
        self.pass_to(next, reason);
    }

    /// Binds the session to another provider, and asks that one to take it.
    pub(super) fn pass_to(&mut self, next: Fallback, reason: MoveReason) {
        self.moved_on = true;
        let known = self.record.is_shown() || self.record.last_desk_message.is_some();
        let said = if known {
            self.said_before(&[])
        } else {
            Vec::new()
        };
        let Fallback {
            provider,
            group,
            handover,
        } = next;
        let from = std::mem::replace(&mut self.record.provider, provider);
        self.record.group = group;
        self.record.handover = handover;
        self.forget_provider(&from);
        if self.record.is_shown() {
            self.record.moves.opened_before = true;
            let stood = std::mem::replace(&mut self.record.state, SessionState::Opening);
            let to = self.record.provider.clone();
            self.log(EventBody::Moved(Moved { from, to, reason }));
            if stood != SessionState::Opening {
                self.log(EventBody::State(StateChange {
                    from: stood,
                    to: SessionState::Opening,
                    agent: None,
                    queue: None,
                    reason: None,
                }));
            }
        }
        let moved = self.record.moves.count > 0;
        self.record.moves.holds_for_human = moved && self.record.human_wanted.is_some();
        self.give_context(&said);
        self.ask_provider();
    }

    /// The provider that was to take over does not: the robot goes on, and the
    /// visitor is told.
    pub(super) fn handover_refused(&mut self) {
        self.record.moves.handing_over = false;
        self.record.human_wanted = None;
        self.say_nobody_is_there();
    }

    pub(super) fn say_nobody_is_there(&mut self) {
        let text = Language::of(&self.record).nobody_there();
        let id = MessageId::from(self.draw_uuid());
        self.log(EventBody::Message(LoggedMessage {
            id,
            from: Sender::of(SenderKind::System),
            content: Content::text(text),
            suggestions: Vec::new(),
            converted_from: None,
            detail: None,
        }));
    }

    /// Forgets whatever belongs to the provider before.
    fn forget_provider(&mut self, from: &kefu_plugin_api::ids::ProviderId) {
        let record = &mut self.record;
        if let Some(vendor_session) = record.vendor_session.take() {
            let provider = from.clone();
            record.moves.left.push(LeftBehind {
                provider,
                vendor_session,
            });
            let surplus = record.moves.left.len().saturating_sub(MAX_REMEMBERED);
            record.moves.left.drain(..surplus);
        }
        record.adapter_state.clear();
        record.state_version.clear();
        record.timers.clear();
        record.timer_failures.clear();
        record.silence = Default::default();
        record.config = Default::default();
        record.agent = None;
        record.queue = None;
        record.leave_form = None;
        record.rating = Default::default();
        record.served_since = None;
        record.last_desk_message = None;
        record.profile_waits = false;
        record.held.clear();
        record.held_media.clear();
        record.converted_late.clear();
        // Calls to the provider before are left to end by themselves; their
        // ends belong to nobody now.
        record.open_calls.clear();
    }

    /// Takes what was said and not settled along: it waits for the next
    /// provider, and the entries that carry it are withdrawn.
    pub(super) fn take_back(&mut self) {
        let mut unsettled: BTreeSet<MessageId> = self.record.held.drain(..).collect();
        let mut traces = BTreeMap::new();
        for todo in std::mem::take(&mut self.todo) {
            match todo.event {
                Event::FromVisitor { message } => {
                    traces.insert(message.id.clone(), todo.trace);
                    unsettled.insert(message.id);
                }
                Event::HumanRequested { group } => {
                    self.record.human_wanted.get_or_insert(HumanWish { group });
                }
                _ => self.todo.push_back(todo),
            }
        }
        unsettled.extend(self.withdraw());
        let mut waiting = std::mem::take(&mut self.record.waiting);
        waiting.retain(|one| !self.record.moves.is_context(&one.id));
        unsettled.retain(|id| {
            !self.record.moves.is_context(id) && !waiting.iter().any(|one| one.id == *id)
        });
        if !unsettled.is_empty() {
            let mut taken = self.unsettled(unsettled, traces);
            taken.append(&mut waiting);
            waiting = taken;
        }
        self.record.waiting = waiting;
        self.changed = true;
    }

    /// Takes entries back that carry messages; of a handshake that nobody waits
    /// for any more, all. Gives the messages.
    fn withdraw(&mut self) -> Vec<MessageId> {
        let opening = self.record.state == SessionState::Opening;
        let mut messages = Vec::new();
        for call in &self.record.open_calls {
            if call.message.is_none() && !opening {
                continue;
            }
            messages.extend(call.message.clone());
            let asked_now = self.calls.iter().position(|it| it.number == call.number);
            match asked_now {
                Some(index) => drop(self.calls.remove(index)),
                None => {
                    self.finished.push(call.number);
                    self.withdrawn.push(call.number);
                }
            }
        }
        let remembered = &mut self.record.moves.withdrawn;
        remembered.extend(&self.withdrawn);
        let surplus = remembered.len().saturating_sub(MAX_REMEMBERED);
        remembered.drain(..surplus);
        messages
    }

    /// These messages as they stand in the log, in its order, but for those
    /// whose fate it tells.
    fn unsettled(
        &self,
        mut ids: BTreeSet<MessageId>,
        mut traces: BTreeMap<MessageId, Option<String>>,
    ) -> Vec<Waiting> {
        let wanted: Vec<_> = ids.iter().cloned().collect();
        let said = self.said_before(&wanted);
        let events = || said.iter().chain(&self.events);
        for event in events() {
            if let EventBody::Status { message, .. } = &event.body {
                ids.remove(message);
            }
        }
        let ours = |url: &String| self.context.log.is_own_media(url);
        let messages = events().filter_map(|event| match &event.body {
            EventBody::Message(message) if ids.contains(&message.id) => Some(message.clone()),
            _ => None,
        });
        messages
            .map(|mut message| {
                let urls = message.content.media_urls_mut().into_iter();
                let media = urls.map(|url| url.clone()).filter(&ours).collect();
                Waiting {
                    trace: traces.remove(&message.id).flatten(),
                    id: message.id,
                    content: message.content,
                    converted_from: message.converted_from,
                    media,
                }
            })
            .collect()
    }

    /// The part of the log that was committed, as far back as is needed.
    fn said_before(&self, wanted: &[MessageId]) -> Vec<LogEvent> {
        let session = &self.record.id;
        let now = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        let committed = self.record.last_seq.saturating_sub(now);
        let after = committed.saturating_sub(RECENT_EVENTS);
        let recent = self.context.log.since(session, after);
        let found = |id: &MessageId| {
            recent
                .iter()
                .chain(&self.events)
                .any(|event| matches!(&event.body, EventBody::Message(said) if said.id == *id))
        };
        if after == 0 || wanted.iter().all(found) {
            return recent;
        }
        self.context.log.since(session, 0)
    }

    /// Puts what was said before in front of what waits.
    fn give_context(&mut self, said: &[LogEvent]) {
        let record = &self.record;
        let anew = record.waiting.iter().map(|one| one.id.clone()).collect();
        let events = said.iter().chain(&self.events);
        let Some(context) = transcript(events, &anew, Language::of(record)) else {
            return;
        };
        let ours = |url: &String| self.context.log.is_own_media(url);
        let media = context.links.into_iter().filter(ours).collect();
        let id = MessageId::from(self.draw_uuid());
        let contexts = &mut self.record.moves.contexts;
        contexts.push(id.clone());
        let surplus = contexts.len().saturating_sub(MAX_REMEMBERED);
        contexts.drain(..surplus);
        let waiting = Waiting {
            id,
            content: Content::text(context.text),
            converted_from: None,
            media,
            trace: None,
        };
        self.record.waiting.insert(0, waiting);
    }

    /// A provider has taken the session again after a move.
    pub(super) fn taken_again(&mut self) {
        self.record.moves.handing_over = false;
        let robot = self.record.state == SessionState::Robot;
        self.record.moves.holds_for_human &= robot && self.record.capabilities.to_human;
        if self.record.moves.holds_for_human {
            let by = self.context.now.plus_ms(HUMAN_WITHIN_MS);
            self.record.timers.insert(TimerKey::Human, by);
        }
    }

    /// Nothing is held back any longer for a human who was asked for.
    pub(super) fn stop_holding(&mut self) {
        if std::mem::take(&mut self.record.moves.holds_for_human) {
            self.record.timers.remove(&TimerKey::Human);
            self.changed = true;
        }
    }

    /// Tells what became of a message. What the gateway said itself to give
    /// context is in no log, and neither is its fate.
    pub(super) fn fate(
        &mut self,
        message: MessageId,
        status: MessageStatus,
        detail: Option<String>,
    ) {
        if self.record.moves.is_context(&message) {
            if !matches!(status, MessageStatus::Delivered | MessageStatus::Read) {
                let detail = detail.unwrap_or_default();
                self.notes.push(format!(
                    "{}: what was said before did not arrive: {detail}",
                    self.record.provider
                ));
            }
            return;
        }
        self.log(EventBody::Status {
            message,
            status,
            detail,
        });
    }
}
