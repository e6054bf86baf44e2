//! Steady traffic: many visitors who each say a numbered line again and again,
//! at a rate that does not depend on how fast they are answered.
//!
//! Owns the visitors, the rate and the stop. What one visitor does is in
//! `visitor`, what is judged afterwards in [`verdict`]. The lines are `line 1`,
//! `line 2` …; an adapter that echoes them (the chaos plug-in) gives every line
//! exactly one answer, on which the verdict rests. Deliberately knows nothing
//! of what happens to the gateway meanwhile; it only keeps the time, so that a
//! test can compare before and during.
//!
//! Cheap on purpose: the machine is shared with the gateway. Every visitor
//! keeps one connection for what it says and one event stream.

mod keep_alive;
pub mod verdict;
mod visitor;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::{JoinHandle, JoinSet};

use crate::gateway::Gateway;
use crate::wait;
use verdict::Report;
use visitor::{Heard, Said, Talker};

/// How much is said, and where.
#[derive(Debug, Clone)]
pub struct Load {
    /// The desks; visitors are dealt out to them in turn.
    pub desks: Vec<String>,
    /// How many visitors, each with a session and a stream of its own.
    pub visitors: u32,
    /// What all of them together say in a second.
    pub per_second: u32,
}

impl Load {
    /// So many lines a second at these desks.
    pub fn at(desks: &[&str], visitors: u32, per_second: u32) -> Self {
        Self {
            desks: desks.iter().map(|&desk| desk.to_owned()).collect(),
            visitors,
            per_second,
        }
    }

    /// The time between two lines of one visitor.
    fn period(&self) -> Duration {
        Duration::from_secs(1) * self.visitors / self.per_second.max(1)
    }
}

/// Visitors who talk until [`Traffic::finish`].
pub struct Traffic {
    began: Instant,
    stop: Arc<AtomicBool>,
    talkers: Vec<Running>,
}

/// What a visitor is doing, and how far it is.
struct Running {
    talker: Arc<Talker>,
    saying: JoinHandle<Result<Vec<Said>>>,
    hearing: JoinHandle<Vec<Heard>>,
}

impl Traffic {
    /// Opens every session and its stream, then lets everybody talk.
    ///
    /// # Errors
    /// A session that does not open: nothing was said then.
    pub async fn start(gateway: &Gateway, load: &Load) -> Result<Self> {
        let mut opening = JoinSet::new();
        for number in 0..load.visitors {
            let desk = &load.desks[number as usize % load.desks.len()];
            let name = format!("t-{number}-{}", &crate::config::fresh_secret()[12..32]);
            opening.spawn(Talker::open(gateway.visitor(&name), desk.clone(), number));
        }
        let mut talkers = Vec::new();
        while let Some(opened) = opening.join_next().await {
            talkers.push(opened.context("a visitor's task ended by itself")??);
        }
        talkers.sort_by_key(|talker| talker.number);
        let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let period = load.period();
        let run = |talker: Talker| {
            let talker = Arc::new(talker);
            // Spread over the period, so that the load has no beat.
            let first = began + period * talker.number / load.visitors;
            let saying = Arc::clone(&talker).talk(first, period, began, Arc::clone(&stop));
            let hearing = Arc::clone(&talker).listen(began);
            Running {
                talker,
                saying: tokio::spawn(saying),
                hearing: tokio::spawn(hearing),
            }
        };
        let talkers = talkers.into_iter().map(run).collect();
        Ok(Self {
            began,
            stop,
            talkers,
        })
    }

    /// The time since the first line; what [`Report`] takes for a span.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Lines that were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.sum(|talker| &talker.accepted)
    }

    /// The highest build id in an answer at this desk so far; 0 before the
    /// first one, and with an adapter that does not tell.
    pub fn newest_build(&self, desk: &str) -> u64 {
        let at_desk = self.talkers.iter().filter(|run| run.talker.desk == desk);
        at_desk
            .map(|run| run.talker.newest_build.load(Ordering::Relaxed))
            .max()
            .unwrap_or(0)
    }

    /// Waits until a visitor at this desk was answered by this build or a
    /// later one.
    ///
    /// # Errors
    /// None was within the usual patience.
    pub async fn hear_build(&self, desk: &str, build: u64) -> Result<()> {
        let what = format!("an answer of build {build} at desk {desk}");
        wait::until(&what, async || {
            let newest = self.newest_build(desk);
            ensure!(newest >= build, "the newest so far is {newest}");
            Ok(Some(()))
        })
        .await
    }

    /// Lets everybody end the line, waits up to `patience` for the answers that
    /// are still due, reads every log and reports. What never came is for
    /// [`Report::figures`] to say.
    ///
    /// # Errors
    /// A visitor that broke, or a log that cannot be read.
    pub async fn finish(self, patience: Duration) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let mut talkers = Vec::new();
        for run in self.talkers {
            let said = run.saying.await.context("a visitor broke")??;
            talkers.push((run.talker, said, run.hearing));
        }
        let talked = self.began.elapsed();
        let deadline = Instant::now() + patience;
        let mut diaries = Vec::new();
        for (talker, said, hearing) in talkers {
            let due = said.iter().filter(|said| said.accepted.is_some()).count() as u64;
            let left = deadline.saturating_duration_since(Instant::now());
            // Too few answers are a finding of the verdict, not of this wait.
            let _ = wait::until_within(left, "the answers that are due", async || {
                Ok((talker.answered.load(Ordering::Relaxed) >= due).then_some(()))
            })
            .await;
            talker.closing.notify_one();
            let heard = hearing.await.context("a visitor's stream broke")?;
            diaries.push(talker.diary(said, heard).await?);
        }
        Ok(Report { diaries, talked })
    }

    fn sum(&self, count: impl Fn(&Talker) -> &AtomicU64) -> u64 {
        let counts = self.talkers.iter().map(|run| count(&run.talker));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}
