//! One visitor of a crowd: says one line after the other, repeats what got no
//! answer under the same key, and writes a diary.
//!
//! Owns what a client may rely on: a line counts as taken when it was answered
//! with 202, and never earlier. Judges only what a client sees at once; the
//! rest is [`verdict`](super::verdict)'s.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::sse::Block;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::{Accepted, Event, Visitor};
use serde_json::json;
use tokio::sync::watch;

use super::{Random, pass};

/// A visitor with an open session.
pub(crate) struct Member {
    pub(super) number: usize,
    pub(super) vendor: Vendor,
    pub(super) with_agent: bool,
    pub(super) visitor: Visitor,
    pub(super) session: String,
    pub(super) random: Random,
}

/// What a crowd has to expect.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// The longest pause between two lines, in milliseconds.
    pub(crate) pause_ms: u64,
    /// Whether the gateway goes away meanwhile: then a request may get no
    /// answer, or be told to come again, and is repeated. Otherwise every
    /// request must be answered with 202 at once.
    pub(crate) gateway_goes: bool,
}

/// What a visitor did and saw.
pub(crate) struct Diary {
    pub(super) member: Member,
    /// Whom the vendor takes the visitor for.
    pub(super) name_at_vendor: String,
    pub(super) said: Vec<Said>,
    /// What the event stream showed, over all its connections.
    pub(super) seen: Vec<Event>,
    pub(super) connections: usize,
    /// Requests without an answer.
    pub(super) unanswered: usize,
    /// Answers that asked to come again.
    pub(super) turned_away: usize,
    /// Requests that were answered, and sent again all the same.
    pub(super) asked_again: usize,
}

/// A line that was taken.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) key: String,
    pub(super) accepted: Accepted,
}

impl Member {
    pub(super) async fn chat(self, rules: Rules, stopped: watch::Receiver<bool>) -> Result<Diary> {
        // Some only write; a stream each would be a crowd of another kind.
        let listens = self.number % 5 < 2;
        let ears = Ears {
            visitor: self.visitor.clone(),
            session: self.session.clone(),
            stopped: stopped.clone(),
        };
        let listening = async {
            if listens {
                ears.listen().await
            } else {
                Ok((Vec::new(), 0))
            }
        };
        let number = self.number;
        let talking = self.talk(rules, stopped);
        let (diary, heard) = tokio::join!(talking, listening);
        let mut diary = diary.with_context(|| format!("visitor {number}"))?;
        (diary.seen, diary.connections) =
            heard.with_context(|| format!("the event stream of visitor {number}"))?;
        Ok(diary)
    }

    async fn talk(self, rules: Rules, stopped: watch::Receiver<bool>) -> Result<Diary> {
        let mut diary = Diary::of(self);
        while !*stopped.borrow() {
            diary.say_next(rules).await?;
            if diary.member.random.below(8) == 0 {
                diary.repeat_one(rules).await?;
            }
            pass(diary.member.random.millis_below(rules.pause_ms)).await;
        }
        Ok(diary)
    }
}

impl Diary {
    pub(super) fn of(member: Member) -> Self {
        Self {
            member,
            name_at_vendor: String::new(),
            said: Vec::new(),
            seen: Vec::new(),
            connections: 0,
            unanswered: 0,
            turned_away: 0,
            asked_again: 0,
        }
    }

    /// 智齿 hears of a visitor with the first line, so this cannot be asked
    /// before.
    pub(super) async fn learn_name(&mut self, stage: &Stage) -> Result<()> {
        let Member {
            visitor,
            vendor,
            session,
            ..
        } = &self.member;
        let chat = Chat::of(
            &stage.simulators,
            visitor.clone(),
            *vendor,
            &json!({ "id": session }),
        )?;
        self.name_at_vendor = chat.name_at_vendor().await?;
        Ok(())
    }

    async fn say_next(&mut self, rules: Rules) -> Result<()> {
        let line = self.said.len() + 1;
        let text = format!("{} 号的第 {line} 句", self.member.number);
        let key = format!("line-{line}");
        let accepted = self.send(&text, &key, rules).await?;
        self.said.push(Said {
            text,
            key,
            accepted,
        });
        Ok(())
    }

    /// Sends a line again that was taken before: a client that lost its memory.
    async fn repeat_one(&mut self, rules: Rules) -> Result<()> {
        let any = self.member.random.below(self.said.len() as u64);
        let said = &self.said[usize::try_from(any)?];
        let (text, key, first) = (said.text.clone(), said.key.clone(), said.accepted.clone());
        let again = self.send(&text, &key, rules).await?;
        ensure!(
            again == first,
            "{text:?} was answered {first:?}, and its repeat {again:?}"
        );
        self.asked_again += 1;
        Ok(())
    }

    /// Sends until there is an answer.
    async fn send(&mut self, text: &str, key: &str, rules: Rules) -> Result<Accepted> {
        let content = json!({ "type": "text", "text": text });
        let began = Instant::now();
        loop {
            let member = &self.member;
            let why = match member
                .visitor
                .send_with_key(&member.session, &content, key)
                .await
            {
                Ok(answer) if answer.status == 202 => {
                    return serde_json::from_slice(&answer.body)
                        .context("an answer names id and seq");
                }
                Ok(answer) if rules.gateway_goes && comes_again(&answer.text()) => {
                    self.turned_away += 1;
                    answer.text()
                }
                Ok(answer) => bail!("{text:?} was answered {}: {}", answer.status, answer.text()),
                Err(error) if rules.gateway_goes => {
                    self.unanswered += 1;
                    format!("{error:#}")
                }
                Err(error) => return Err(error.context(format!("{text:?} got no answer"))),
            };
            ensure!(
                began.elapsed() < PATIENCE,
                "{text:?} was not taken within {PATIENCE:?}: {why}"
            );
            pass(Duration::from_millis(20)).await;
        }
    }
}

/// Whether a problem is one that passes: what was asked is under way, or
/// cannot be stored at the moment.
fn comes_again(problem: &str) -> bool {
    [
        "idempotency-key-in-flight",
        "storage-unavailable",
        "provider-unavailable",
        "overloaded",
    ]
    .iter()
    .any(|slug| problem.contains(&format!("urn:kefu:problem:{slug}")))
}

/// A visitor's event stream.
struct Ears {
    visitor: Visitor,
    session: String,
    stopped: watch::Receiver<bool>,
}

impl Ears {
    /// Everything that a stream showed that was connected again after the last
    /// event whenever it broke, and the number of its connections.
    async fn listen(mut self) -> Result<(Vec<Event>, usize)> {
        let (mut seen, mut connections) = (Vec::new(), 0);
        let mut stopped = self.stopped.clone();
        let listening = async {
            loop {
                if let Ok(mut stream) = self
                    .visitor
                    .stream(&self.session, Some(seen.len() as u64))
                    .await
                {
                    ensure!(
                        stream.status == 200,
                        "a stream was answered {}",
                        stream.status
                    );
                    connections += 1;
                    while let Ok(Some(block)) = stream.next(PATIENCE).await {
                        keep(block, &mut seen)?;
                    }
                }
                pass(Duration::from_millis(20)).await;
            }
        };
        let broken: Result<()> = tokio::select! {
            broken = listening => broken,
            _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
        };
        self.stopped.mark_unchanged();
        broken?;
        Ok((seen, connections))
    }
}

fn keep(block: Block, seen: &mut Vec<Event>) -> Result<()> {
    let Block::Event { data, .. } = block else {
        return Ok(());
    };
    if data["type"] == "typing" {
        return Ok(());
    }
    let event: Event = serde_json::from_value(data).context("a stream shows events")?;
    let due = seen.len() as u64 + 1;
    ensure!(
        event.seq == due,
        "a stream showed {} where {due} was due",
        event.seq
    );
    seen.push(event);
    Ok(())
}

/// How long one line may take, restarts of the gateway included.
const PATIENCE: Duration = Duration::from_secs(60);
