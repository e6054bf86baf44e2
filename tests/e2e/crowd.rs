//! Many visitors who chat at once, and what must hold of all they said.
//!
//! Owns the crowd: who is at which vendor, with the robot or with an agent, and
//! from which seed every choice comes. What a visitor does stands in
//! [`member`], what is judged afterwards in [`case`] and [`verdict`]. What happens
//! to the gateway or the vendors meanwhile is the test's.
//!
//! Texts are unique, so that a line is found again in the session's log, in the
//! vendor's log and in what agents answered (`收到：` and the line).

mod case;
mod member;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use kefu_test_support::chat::{Chat, entries};
use kefu_test_support::config::Config;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use member::Rules;
use member::{Diary, Member};
pub(crate) use verdict::Figures;

/// A stage for crowds: agents take everybody at once and repeat what they
/// hear, and vendors push again until they are answered.
pub(crate) async fn stage(change: impl FnOnce(Config) -> Config) -> Result<Stage> {
    let stage = Stage::with(change).await?;
    let settings = json!({
        "human": {
            "hold": false,
            "echo": true,
            "agents": [{ "id": "1001", "name": "客服一号", "capacity": 10_000 }],
        },
        "pushes": { "attempts": 1_000, "backoff_ms": 50 },
        "log": { "capacity": 1_000_000 },
    });
    for vendor in VENDORS {
        stage.simulators.set(vendor, &settings).await?;
    }
    Ok(stage)
}

/// Visitors whose sessions are open: every second one at 智齿, the others at
/// 佳信; half of each with an agent.
pub(crate) struct Crowd {
    members: Vec<Member>,
}

impl Crowd {
    /// Opens so many sessions.
    pub(crate) async fn gather(stage: &Stage, size: usize, random: &mut Random) -> Result<Self> {
        let mut members = Vec::with_capacity(size);
        for number in 0..size {
            let vendor = VENDORS[number % 2];
            let chat = stage.open(vendor).await?;
            let with_agent = number % 4 >= 2;
            if with_agent {
                chat.visitor
                    .ask_for_human(chat.id(), None)
                    .await?
                    .expect(202)?;
                chat.wait_for("the agent's greeting", |event| {
                    event.from_kind() == Some("agent")
                })
                .await?;
            }
            members.push(Member {
                number,
                vendor,
                with_agent,
                visitor: chat.visitor.clone(),
                session: chat.id().to_owned(),
                random: random.fork(),
            });
        }
        Ok(Self { members })
    }

    /// Opens a session for each of these visitors at a desk, at whichever of
    /// both vendors it leads to; they stay with the robot. They are counted from
    /// `first` on, and no two of a crowd may have one number.
    pub(crate) async fn gather_at(
        desk: &str,
        visitors: Vec<Visitor>,
        first: usize,
        random: &mut Random,
    ) -> Result<Self> {
        let opening = visitors.into_iter().map(async |visitor| {
            let body = json!({ "desk": desk, "visitor": { "name": visitor.id() } });
            let session = visitor.open_and_wait(&body).await?;
            anyhow::Ok((visitor, session))
        });
        let mut members = Vec::new();
        for (index, (visitor, session)) in try_join_all(opening).await?.into_iter().enumerate() {
            let vendor = VENDORS.into_iter();
            let mut vendor = vendor.filter(|vendor| session["provider"] == vendor.name());
            members.push(Member {
                number: first + index,
                vendor: vendor.next().context("the session is at neither vendor")?,
                with_agent: false,
                visitor,
                session: session["id"].as_str().unwrap_or_default().to_owned(),
                random: random.fork(),
            });
        }
        Ok(Self { members })
    }

    /// Who has which session, and where.
    pub(crate) fn sessions(&self) -> Vec<(Visitor, String, Vendor)> {
        let all = self.members.iter();
        all.map(|it| (it.visitor.clone(), it.session.clone(), it.vendor))
            .collect()
    }

    /// Lets everybody chat until [`Chatting::finish`].
    pub(crate) fn chat(self, rules: Rules) -> Chatting {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for member in self.members {
            tasks.spawn(member.chat(rules, stopped.clone()));
        }
        Chatting {
            tasks,
            stop,
            began: Instant::now(),
        }
    }
}

/// A crowd that chats.
pub(crate) struct Chatting {
    tasks: JoinSet<Result<Diary>>,
    stop: watch::Sender<bool>,
    began: Instant,
}

impl Chatting {
    /// Others join in.
    pub(crate) fn join(&mut self, crowd: Crowd, rules: Rules) {
        for member in crowd.members {
            self.tasks.spawn(member.chat(rules, self.stop.subscribe()));
        }
    }

    /// Lets everybody end the sentence, waits until nothing is under way any
    /// more, and judges. The figures are those of a run without a violation.
    pub(crate) async fn finish(mut self, stage: &Stage, patience: Duration) -> Result<Figures> {
        self.stop.send_replace(true);
        let mut diaries = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            diaries.push(ended.context("a visitor's task ended by itself")??);
        }
        diaries.sort_by_key(|diary| diary.member.number);
        for diary in &mut diaries {
            diary.learn_name(stage).await?;
        }
        let chatted = self.began.elapsed();
        let settled = verdict::settle(stage, &diaries, patience).await;
        let judged = verdict::judge(stage, &diaries).await?;
        // What never settled shows among the violations, with its evidence.
        let mut figures = judged.context("what was promised did not hold")?;
        settled?;
        figures.chatted = chatted;
        figures.drained = self.began.elapsed().saturating_sub(chatted);
        Ok(figures)
    }
}

/// Lets time pass while the crowd chats. The moment is the input of a test
/// here, never what it waits for.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Prints seeds and figures; a test that passes shows them on request only.
#[expect(
    clippy::print_stdout,
    reason = "figures are what a long count is run for"
)]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Numbers that one seed gives: SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// From `KEFU_SEED`, else from the clock. Printed, so that a run can be
    /// repeated with the same choices (not the same interleaving).
    pub(crate) fn seeded() -> Result<Self> {
        let seed = match std::env::var("KEFU_SEED") {
            Ok(text) => text
                .parse()
                .with_context(|| format!("KEFU_SEED is {text:?}, not a whole number"))?,
            Err(_) => kefu_test_support::visitor::now(),
        };
        say(&format!("seed: KEFU_SEED={seed}"));
        Ok(Self(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// A time of at most so many milliseconds.
    pub(crate) fn millis_below(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }
}

/// How often a long count repeats: `name`, else what `cargo xtask soak` says,
/// else `otherwise`.
pub(crate) fn rounds(name: &str, otherwise: u64) -> Result<u64> {
    let set = [name, "KEFU_SOAK_ROUNDS"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var(name).ok()?)));
    match set {
        Some((name, text)) => text
            .parse()
            .with_context(|| format!("{name} is {text:?}, not a whole number")),
        None => Ok(otherwise),
    }
}

/// Waits until a vendor has been called by this operation so often.
pub(crate) async fn called(
    stage: &Stage,
    vendor: Vendor,
    operation: &str,
    count: usize,
) -> Result<()> {
    let path = format!("/control/log?operation={operation}&limit={count}");
    let what = format!("{count} calls of {operation}");
    wait::until(&what, async || {
        let answer = stage
            .simulators
            .request(vendor, http::Method::GET, &path)
            .send()
            .await?;
        let calls = entries(answer.expect(200)?.json()?)?;
        Ok((calls.len() >= count).then_some(()))
    })
    .await
}

/// Waits until the vendor has heard this text of the visitor.
pub(crate) async fn heard(chat: &Chat<'_>, text: &str) -> Result<()> {
    wait::until(&format!("the vendor to hear {text:?}"), async || {
        let lines = chat.lines_of_visitor().await?;
        Ok(lines
            .iter()
            .any(|content| content["text"] == text)
            .then_some(()))
    })
    .await
}

/// Both vendors.
pub(crate) const VENDORS: [Vendor; 2] = [Vendor::Zhichi, Vendor::Jiaxin];
