//! The vendor's call centre: visitors, queue, agents. No HTTP, no vendor's words.
//!
//! Owns who is where. Does not word anything: each change is told as a
//! [`Happening`], which the vendor's module turns into its own push. Invariant:
//! a visitor is in `queue` exactly while its phase is `Queued`, and an agent's
//! load is the number of visitors whose `agent` it is.

mod desk;
mod visitor;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(crate) use desk::{Action, Refused, Trade};
pub(crate) use visitor::{Author, Phase, Visitor, fresh_id};

use crate::robot::RobotAnswer;
use crate::settings::{Agent, Settings};

/// Something that the gateway may have to be told.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An agent took the visitor. `direct`: the reply to the request says so too.
    Joined {
        agent: Agent,
        greeting: Option<(String, String)>,
        direct: bool,
    },
    /// The place in the queue changed.
    Queue {
        position: usize,
    },
    /// Waiting ended without an agent, and the session with it or not.
    QueueTimeout,
    /// No agent can be had any more.
    NoAgent,
    /// A message of the agent or the system.
    Message {
        id: String,
        from: Author,
        agent: Option<Agent>,
        content: Value,
    },
    Recalled {
        id: String,
    },
    Transferred {
        from: Option<Agent>,
        to: Agent,
    },
    /// The agent handed the visitor on to a group, where it waits.
    Requeued {
        position: usize,
    },
    /// What the session allows has changed.
    Reconfigured,
    Invited,
    Ended {
        reason: EndReason,
        rate: bool,
    },
    Typing,
}

/// Why the vendor ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndReason {
    /// By the agent.
    Agent,
    /// The agent removed the visitor.
    Removed,
    /// The agent put the visitor on the black list.
    Blocked,
    /// The visitor was silent for too long.
    Idle,
    /// The visitor opened another window.
    NewWindow,
    /// Nobody accepted in time.
    QueueTimeout,
}

impl EndReason {
    /// The name in transcripts and control answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Removed => "removed",
            Self::Blocked => "blocked",
            Self::Idle => "idle",
            Self::NewWindow => "new_window",
            Self::QueueTimeout => "queue_timeout",
        }
    }
}

/// What became of a request for a human.
#[derive(Debug)]
pub(crate) enum Reception {
    /// An agent has the visitor already.
    Already(Agent),
    /// The visitor waits; 1 is next.
    Queued(usize),
    /// An agent took the visitor at once.
    Connected {
        agent: Agent,
        greeting: Option<(String, String)>,
    },
    NoAgent,
    Blocked,
}

/// What happened to whom, in order.
pub(crate) type Happenings = Vec<(String, Happening)>;

/// The call centre.
#[derive(Default)]
pub(crate) struct Centre {
    visitors: HashMap<String, Visitor>,
    queue: Vec<String>,
    load: HashMap<String, usize>,
}

impl Centre {
    /// Forgets everybody.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The visitor, made known by asking.
    pub(crate) fn visitor(&mut self, id: &str) -> &mut Visitor {
        // Two look-ups, so that the common case does not copy the id.
        if !self.visitors.contains_key(id) {
            self.visitors.insert(id.to_owned(), Visitor::new(id));
        }
        self.visitors
            .entry(id.to_owned())
            .or_insert_with(|| Visitor::new(id))
    }

    /// The visitor, if known.
    pub(crate) fn known(&self, id: &str) -> Option<&Visitor> {
        self.visitors.get(id)
    }

    /// Every known visitor.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Visitor> {
        self.visitors.values()
    }

    /// The place in the queue; 1 is next.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.queue
            .iter()
            .position(|it| it == id)
            .map(|index| index + 1)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many visitors an agent has.
    pub(crate) fn load(&self, agent: &str) -> usize {
        self.load.get(agent).copied().unwrap_or(0)
    }

    /// The visitor asks for a human, in a session that is open.
    pub(crate) fn ask_human(
        &mut self,
        settings: &Settings,
        id: &str,
        group: Option<&str>,
        agent: Option<&str>,
        out: &mut Happenings,
    ) -> Reception {
        if settings.blocked.iter().any(|it| it == id) {
            return Reception::Blocked;
        }
        if let Some(agent) = self.visitor(id).agent.clone() {
            return Reception::Already(agent);
        }
        let unknown_agent =
            agent.is_some_and(|it| settings.human.agents.iter().all(|a| a.id != it));
        if settings.human.no_agent || settings.human.agents.is_empty() || unknown_agent {
            self.leave_queue(id, out);
            let visitor = self.visitor(id);
            if visitor.phase == Phase::Queued {
                visitor.phase = Phase::Unattended;
            }
            return Reception::NoAgent;
        }
        if let Some(group) = group {
            self.visitor(id).group = Some(group.to_owned());
        }
        if let Some(position) = self.position(id) {
            return Reception::Queued(position);
        }
        if !settings.human.hold
            && let Some(free) = self.free_agent(settings, id, agent)
        {
            let greeting = self.connect(settings, id, &free);
            return Reception::Connected {
                agent: free,
                greeting,
            };
        }
        if settings
            .human
            .queue_limit
            .is_some_and(|limit| self.queue.len() >= limit)
        {
            return Reception::NoAgent;
        }
        self.queue.push(id.to_owned());
        let visitor = self.visitor(id);
        visitor.phase = Phase::Queued;
        visitor.queued_at = OffsetDateTime::now_utc();
        Reception::Queued(self.queue.len())
    }

    /// Takes the visitor out of the queue and tells the others their new place.
    pub(crate) fn leave_queue(&mut self, id: &str, out: &mut Happenings) {
        let Some(index) = self.queue.iter().position(|it| it == id) else {
            return;
        };
        self.queue.remove(index);
        for (behind, waiting) in self.queue.iter().enumerate().skip(index) {
            out.push((
                waiting.clone(),
                Happening::Queue {
                    position: behind + 1,
                },
            ));
        }
    }

    /// Ends the session without a word to the gateway, which asked for it.
    pub(crate) fn close(&mut self, id: &str, reason: &'static str, out: &mut Happenings) {
        self.leave_queue(id, out);
        self.release(id);
        let visitor = self.visitor(id);
        if visitor.is_open() {
            visitor.phase = Phase::Ended;
            visitor.end_reason = Some(reason);
        }
    }

    /// The robot answers; both lines go into the transcript.
    pub(crate) fn ask_robot(
        &mut self,
        settings: &Settings,
        id: &str,
        question: &str,
    ) -> (String, RobotAnswer) {
        let keep = settings.transcript();
        let visitor = self.visitor(id);
        visitor.met_robot = true;
        let times = visitor.count_question(question);
        let answer = settings.robot.reply(question, times);
        let message = fresh_id();
        if keep > 0 {
            visitor.write(
                keep,
                Author::Visitor,
                &fresh_id(),
                &json!({"type": "text", "text": question}),
            );
            visitor.write(
                keep,
                Author::Robot,
                &message,
                &json!({"type": "text", "text": answer.text}),
            );
        }
        (message, answer)
    }

    /// The visitor speaks to the agent; returns the id of the message.
    pub(crate) fn hear(
        &mut self,
        settings: &Settings,
        id: &str,
        content: &Value,
        out: &mut Happenings,
    ) -> String {
        let keep = settings.transcript();
        let message = fresh_id();
        let visitor = self.visitor(id);
        visitor.write(keep, Author::Visitor, &message, content);
        if settings.human.echo && visitor.phase == Phase::Human {
            let said = content
                .get("text")
                .and_then(Value::as_str)
                .unwrap_or("[消息]");
            let echo = json!({"type": "text", "text": format!("收到：{said}")});
            let echo_id = fresh_id();
            visitor.write(keep, Author::Agent, &echo_id, &echo);
            visitor.last_agent_message = Some(echo_id.clone());
            let happening = Happening::Message {
                id: echo_id,
                from: Author::Agent,
                agent: visitor.agent.clone(),
                content: echo,
            };
            out.push((id.to_owned(), happening));
        }
        message
    }

    /// Gives the visitor to the agent; returns the greeting, if there is one.
    fn connect(
        &mut self,
        settings: &Settings,
        id: &str,
        agent: &Agent,
    ) -> Option<(String, String)> {
        *self.load.entry(agent.id.clone()).or_default() += 1;
        let keep = settings.transcript();
        let visitor = self.visitor(id);
        visitor.phase = Phase::Human;
        visitor.met_human = true;
        visitor.agent = Some(agent.clone());
        let text = settings.human.greeting.clone();
        if text.is_empty() {
            return None;
        }
        let message = fresh_id();
        visitor.write(
            keep,
            Author::Agent,
            &message,
            &json!({"type": "text", "text": text}),
        );
        Some((message, text))
    }

    /// Takes the visitor away from its agent.
    fn release(&mut self, id: &str) {
        if let Some(agent) = self.visitor(id).agent.take()
            && let Some(load) = self.load.get_mut(&agent.id)
        {
            *load = load.saturating_sub(1);
        }
    }

    /// The agent with the least to do who may take this visitor.
    fn free_agent(&mut self, settings: &Settings, id: &str, wanted: Option<&str>) -> Option<Agent> {
        let group = self.visitor(id).group.clone();
        let free = settings.human.agents.iter().filter(|agent| {
            wanted.is_none_or(|it| it == agent.id)
                && self.load(&agent.id) < agent.capacity
                && (agent.groups.is_empty()
                    || group
                        .as_ref()
                        .is_none_or(|group| agent.groups.contains(group)))
        });
        free.min_by_key(|agent| self.load(&agent.id)).cloned()
    }
}

impl Settings {
    /// How many transcript lines to keep per visitor.
    fn transcript(&self) -> usize {
        if self.log.enabled {
            self.log.transcript
        } else {
            0
        }
    }
}
