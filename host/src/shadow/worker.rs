//! The copies of sessions, and their turns.
//!
//! Owns which copies are in memory: at most so many, the one that was used
//! least lately makes way. Invariant: a copy that has missed anything of its
//! session is given up, so that no verdict comes from half a story.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use arc_swap::ArcSwap;
use kefu_core::{
    command::Command,
    config::Config,
    log::LogEvent,
    outbox::OutboxEntry,
    session::{Fallback, Record},
    shadow::{Result as Came, Shadow, Try},
    turn::{Context, Input, Log, Outcome, ProviderFacts, Providers, Said, Turn, Violation},
};
use kefu_plugin_api::{
    capability::SessionState,
    ids::{MessageId, ProviderId, SessionId},
};

use super::{
    Finding, FindingKind, Followed, Seen, Watched, account::Accounts, caller::Callers, words,
};
use crate::{
    clock,
    delivery::{Account, would_leave},
    plugin::{Fault, FaultKind, Generation, Registry},
    session::facts_of,
};

/// What the worker is made of.
pub(super) struct WorkerParts {
    pub(super) registry: Arc<Registry>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) public_url: String,
    pub(super) followed: Arc<Followed>,
    pub(super) accounts: Arc<Accounts>,
    /// How many copies there are at most.
    pub(super) most: usize,
}

/// Runs turns of copies, one after the other.
pub(super) struct Worker {
    parts: Arc<WorkerParts>,
    callers: Callers,
    copies: BTreeMap<SessionId, Copy>,
    /// The copies in the order in which they were used.
    used: BTreeMap<u64, SessionId>,
    clock: u64,
}

/// A copy of a session.
struct Copy {
    shadow: Shadow,
    watched: Watched,
    used: u64,
}

/// Why a copy is not followed on.
enum Stop {
    /// The real session is over, or the two have parted.
    Over,
    /// It has missed something.
    Missed,
}

impl Worker {
    pub(super) fn new(parts: WorkerParts) -> Self {
        Self {
            parts: Arc::new(parts),
            callers: Callers::default(),
            copies: BTreeMap::new(),
            used: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Follows until there is nobody left to be told anything.
    pub(super) fn run(mut self, seen: &Receiver<Seen>) {
        for seen in seen {
            match seen {
                Seen::Opened {
                    record,
                    watched,
                    shadow,
                } => self.open(&record, watched, shadow),
                Seen::WentOn {
                    before,
                    after,
                    command,
                } => self.follow(&before, &after, command),
            }
        }
    }

    fn open(&mut self, real: &Record, watched: Watched, choice: Fallback) {
        let session = real.id.clone();
        if !self.parts.followed.has(&session) {
            // What came after it did not fit into the queue.
            return;
        }
        if self.facts(&watched.shadow).is_none() || self.callers.hangs(&watched.shadow) {
            return self.stop(&session, &Stop::Missed);
        }
        let Some(shadow) = Shadow::open(real, choice) else {
            return self.stop(&session, &Stop::Missed);
        };
        let mut copy = Copy {
            shadow,
            watched,
            used: 0,
        };
        match self.begin(&mut copy) {
            Ok(()) => self.put_back(session, copy),
            Err(stop) => self.stop(&session, &stop),
        }
        self.make_room();
    }

    fn follow(&mut self, before: &Record, after: &Record, command: Option<Command>) {
        let session = &after.id;
        let Some(mut copy) = self.take(session) else {
            return;
        };
        if !self.parts.followed.has(session) {
            // Something of it did not fit into the queue.
            return;
        }
        let tries = copy.shadow.follow(before, after, command);
        for one in tries {
            let real = if one.state == before.state {
                before
            } else {
                after
            };
            copy.shadow.mirror(real, one.state);
            if let Err(stop) = self.attempt(&mut copy, one) {
                return self.stop(session, &stop);
            }
        }
        if after.is_over() {
            return self.stop(session, &Stop::Over);
        }
        self.put_back(session.clone(), copy);
    }

    /// The adapter is told that the session opens.
    fn begin(&mut self, copy: &mut Copy) -> Result<(), Stop> {
        let parts = Arc::clone(&self.parts);
        let world = World::of(&parts.registry, &parts.public_url);
        let Ok(mut turn) = Turn::begin(copy.shadow.record().clone(), Input::Open, world.context())
        else {
            return Err(Stop::Missed);
        };
        // Whatever the adapter says, this is what the provider can do.
        copy.shadow.keep(turn.record().clone());
        match self.consult(&mut turn, copy)? {
            Ok(()) => self.judge_calls(copy, "open", SessionState::Opening, turn.finish(false)),
            Err(reason) => {
                let reason = words::without(&reason, &said_of(copy.shadow.record(), None));
                let finding = finding(copy, "open", SessionState::Opening, FindingKind::Faulted);
                let watched = &copy.watched;
                self.parts
                    .accounts
                    .found(watched, Finding { reason, ..finding });
            }
        }
        self.parted(copy, "open", SessionState::Opening)
    }

    /// What a visitor does is tried, and judged.
    fn attempt(&mut self, copy: &mut Copy, one: Try) -> Result<(), Stop> {
        let parts = Arc::clone(&self.parts);
        let world = World::of(&parts.registry, &parts.public_url);
        let input = Input::Command(one.command.clone());
        let record = copy.shadow.record().clone();
        let session = record.id.clone();
        let said = said_of(&record, Some(&one.command));
        let verdict = match Turn::begin(record, input, world.context()) {
            Err(problem) => Some(one.refused(&problem)),
            Ok(mut turn) => match self.consult(&mut turn, copy)? {
                Err(reason) => Some(one.faulted(reason)),
                Ok(()) => {
                    let outcome = turn.finish(false);
                    let verdict = one.done(&outcome);
                    self.judge_calls(copy, one.what(), one.state, outcome);
                    verdict
                }
            },
        };
        if let Some(mut verdict) = verdict {
            // Why a kind is not carried is said in the gateway's own words.
            if verdict.kind.is_none() || verdict.result > Came::Refused {
                let reason = verdict.reason.take();
                verdict.reason = reason.map(|reason| words::without(&reason, &said));
            }
            self.parts.accounts.came(&copy.watched, &session, &verdict);
        }
        self.parted(copy, one.what(), one.state)
    }

    /// Whether the adapter has ended its session: then the two have parted.
    fn parted(&self, copy: &Copy, what: &'static str, state: SessionState) -> Result<(), Stop> {
        if !copy.shadow.is_over() {
            return Ok(());
        }
        // Where leaving ends sessions, that is what it does.
        if what != "exit" {
            let finding = finding(copy, what, state, FindingKind::Ended);
            let reason = "its adapter ends the session".into();
            let finding = Finding { reason, ..finding };
            self.parts.accounts.found(&copy.watched, finding);
        }
        Err(Stop::Over)
    }

    /// Lets the adapter see what it has to see; why it failed, if it did.
    fn consult(&mut self, turn: &mut Turn<'_>, copy: &Copy) -> Result<Result<(), String>, Stop> {
        let shadow = &copy.watched.shadow;
        while let Some(input) = turn.next_call() {
            if turn.provider() != shadow || self.callers.hangs(shadow) {
                return Err(Stop::Missed);
            }
            let generation = self.generation(shadow).ok_or(Stop::Missed)?;
            let patience = self.patience();
            let fault = match self.callers.call(&generation, input, patience) {
                Ok(output) => match turn.apply(output) {
                    Ok(()) => continue,
                    Err(Violation(detail)) => Fault::new(FaultKind::Illegal, detail),
                },
                Err(fault) if fault.is_absence() => return Err(Stop::Missed),
                Err(fault) => fault,
            };
            self.parts.accounts.faulted(&copy.watched, fault.kind);
            return Ok(Err(fault.to_string()));
        }
        Ok(Ok(()))
    }

    /// Looks at what would have been sent, and forgets it.
    fn judge_calls(
        &mut self,
        copy: &mut Copy,
        what: &'static str,
        state: SessionState,
        outcome: Outcome,
    ) {
        let Outcome { record, calls, .. } = outcome;
        let accounts = &self.parts.accounts;
        let mut would_leave = 0;
        for entry in calls {
            match self.may_leave(&entry) {
                Ok(()) => would_leave += 1,
                Err(reason) => {
                    let finding = finding(copy, what, state, FindingKind::CallRefused);
                    let reason = words::without(&reason, &said_of(&record, None));
                    accounts.call_refused(&copy.watched, Finding { reason, ..finding });
                }
            }
        }
        if would_leave > 0 {
            accounts.calls_would_leave(&copy.watched, would_leave);
        }
        copy.shadow.keep(record);
    }

    fn may_leave(&self, entry: &OutboxEntry) -> Result<(), String> {
        let Some(slot) = self.parts.registry.slot(&entry.provider) else {
            return Err("the provider is gone".into());
        };
        let Some(generation) = slot.current() else {
            return Err("the provider's plug-in is not loaded".into());
        };
        let account = Account {
            provider: slot.provider(),
            descriptor: Arc::clone(generation.descriptor()),
        };
        would_leave(&account, &entry.call)
    }

    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts> {
        World::of(&self.parts.registry, &self.parts.public_url).facts(provider)
    }

    fn generation(&self, provider: &ProviderId) -> Option<Arc<Generation>> {
        let slot = self.parts.registry.slot(provider)?;
        slot.availability().takes_turns().then(|| slot.current())?
    }

    fn patience(&self) -> Duration {
        self.parts.config.load().main.limits.call_timeout
    }

    fn take(&mut self, session: &SessionId) -> Option<Copy> {
        let copy = self.copies.remove(session)?;
        self.used.remove(&copy.used);
        Some(copy)
    }

    fn put_back(&mut self, session: SessionId, mut copy: Copy) {
        self.clock += 1;
        copy.used = self.clock;
        self.used.insert(copy.used, session.clone());
        self.copies.insert(session, copy);
    }

    /// The copy that was used least lately makes way.
    fn make_room(&mut self) {
        while self.copies.len() > self.parts.most {
            let Some((_, session)) = self.used.pop_first() else {
                return;
            };
            self.copies.remove(&session);
            self.stop(&session, &Stop::Missed);
        }
    }

    fn stop(&self, session: &SessionId, stop: &Stop) {
        self.parts.followed.remove(session);
        match stop {
            Stop::Over => self.parts.accounts.closed(session),
            Stop::Missed => self.parts.accounts.left_out_of(session),
        }
    }
}

/// A finding without its reason.
fn finding(copy: &Copy, what: &'static str, state: SessionState, result: FindingKind) -> Finding {
    Finding {
        at: clock::now(),
        session: copy.shadow.record().id.clone(),
        state,
        what,
        kind: None,
        result,
        reason: String::new(),
    }
}

/// What may not stand in a reason: what a visitor said, and who it is.
fn said_of(record: &Record, command: Option<&Command>) -> Vec<String> {
    let mut said: Vec<String> = record.visitor.name.iter().cloned().collect();
    said.extend(record.visitor.fields.values().cloned());
    match command {
        Some(Command::Message { content, .. }) => {
            let json = serde_json::to_value(content).unwrap_or_default();
            texts(&json, &mut said);
        }
        Some(Command::LeaveMessage { fields }) => said.extend(fields.values().cloned()),
        Some(Command::Evaluate { evaluation }) => said.extend(evaluation.comment.clone()),
        Some(Command::Profile { visitor }) => {
            said.extend(visitor.name.clone());
            said.extend(visitor.fields.values().cloned());
        }
        _ => {}
    }
    said
}

/// Every text in a message, but for its kind.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        serde_json::Value::Object(members) => {
            let told = members.iter().filter(|(key, _)| *key != "type");
            told.for_each(|(_, member)| texts(member, found));
        }
        _ => {}
    }
}

/// What a turn of a copy may ask.
struct World<'a> {
    registry: &'a Registry,
    public_url: &'a str,
}

impl<'a> World<'a> {
    fn of(registry: &'a Registry, public_url: &'a str) -> Self {
        Self {
            registry,
            public_url,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: clock::now(),
            // Version 7 ends in 62 random bits.
            seed: uuid::Uuid::now_v7().as_u64_pair().1,
            providers: self,
            log: self,
            trace: None,
        }
    }
}

impl Providers for World<'_> {
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts> {
        facts_of(self.registry, provider, &|provider| {
            format!("{}/v1/callbacks/{provider}", self.public_url).into()
        })
    }

    /// The vendor does not know the visitor yet.
    fn has_other_session(&self, _provider: &ProviderId, _record: &Record) -> bool {
        false
    }
}

impl Log for World<'_> {
    fn said(&self, _session: &SessionId, _message: &MessageId) -> Option<Said> {
        None
    }

    fn since(&self, _session: &SessionId, _after: u64) -> Vec<LogEvent> {
        Vec::new()
    }

    fn is_own_media(&self, _url: &str) -> bool {
        false
    }
}
