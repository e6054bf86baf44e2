//! An adapter is replaced again and again while visitors chat, and none of them
//! notices.
//!
//! Owns the replacing: builds that differ in the id that is stamped into them,
//! put in place in the ways that operators use. What visitors may expect
//! meanwhile is in [`kefu_test_support::traffic`].

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kefu_gateway::plugin::image::sha256;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::memory::Memory;
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::traffic::verdict::{Figures, Latency, Report};
use kefu_test_support::traffic::{Load, Traffic};
use kefu_test_support::variants;

use crate::crowd::{self, pass, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_in_process_hurt_nobody() -> Result<()> {
    QUICK.perform("in-process", 50).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_in_a_child_process_hurt_nobody() -> Result<()> {
    QUICK.perform("process", 50).await.map(drop)
}

/// A thousand reloads, or as many as `KEFU_SOAK_RELOADS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_hot_reload_in_process() -> Result<()> {
    let reloads = crowd::rounds("KEFU_SOAK_RELOADS", 1_000)?;
    let outcome = SOAK.perform("in-process", reloads).await?;
    outcome.keeps_its_pace()?;
    let (resident, _) = outcome.growth();
    let most = IN_PROCESS_KIB * reloads.cast_signed();
    ensure!(
        resident <= most,
        "{resident} KiB more, expected at most {most}"
    );
    Ok(())
}

/// The same where every generation has a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_hot_reload_in_a_child_process() -> Result<()> {
    let reloads = crowd::rounds("KEFU_SOAK_RELOADS", 1_000)?;
    let outcome = SOAK.perform("process", reloads).await?;
    outcome.keeps_its_pace()?;
    let (resident, _) = outcome.growth();
    ensure!(
        resident <= CHILD_KIB,
        "{resident} KiB more, expected at most {CHILD_KIB}"
    );
    Ok(())
}

/// Under what an adapter is replaced.
struct Run {
    visitors: u32,
    per_second: u32,
    /// How long visitors chat before the first replacement, and before that,
    /// until the gateway has warmed up.
    calm: Duration,
}

/// What came of it.
struct Outcome {
    figures: Figures,
    before: Times,
    during: Times,
    /// From the end of the writing until a visitor was answered by that build.
    live: Latency,
    /// The gateway and its children, before and after.
    memory: [(Memory, Memory); 2],
    /// What the gateway says about the time from closed to live: in its metrics
    /// (how many, and seconds in all), and in the last reports.
    counted: (f64, f64),
    reported: Latency,
}

/// What visitors waited for.
struct Times {
    accepting: Latency,
    answering: Latency,
}

impl Run {
    async fn perform(&self, isolation: &str, reloads: u64) -> Result<Outcome> {
        let gateway = Gateway::start(config(isolation)?, &[]).await?;
        let load = Load::at(&[DESK], self.visitors, self.per_second);
        let traffic = Traffic::start(&gateway, &load).await?;
        pass(self.calm).await;
        let warm = traffic.elapsed();
        pass(self.calm).await;
        let calm = traffic.elapsed();
        let before = memory(&gateway)?;
        let mut live = Vec::new();
        for build in 2..reloads + 2 {
            let took = replace(&gateway, &traffic, build).await;
            live.push(took.with_context(|| format!("build {build}"))?);
        }
        let after = memory(&gateway)?;
        let counted = counted(&gateway).await?;
        let reported = reported(&gateway).await?;
        let report = traffic.finish(PATIENCE).await?;
        let figures = report.figures()?;
        let outcome = Outcome {
            figures,
            before: Times::of(&report, warm..calm),
            during: Times::of(&report, calm..report.talked),
            live: Latency::of(live),
            memory: [before, after],
            counted,
            reported,
        };
        say(&format!("{reloads} reloads, {isolation}\n{outcome}"));
        ensure!(
            counted.0 >= reloads as f64 && outcome.reported.count() > 0,
            "the gateway counted {} reloads and reported {} times",
            counted.0,
            outcome.reported.count()
        );
        ensure!(
            figures.builds as u64 == reloads + 1,
            "{} builds answered, not {}",
            figures.builds,
            reloads + 1
        );
        Ok(outcome)
    }
}

impl Outcome {
    /// What holds on a machine that does nothing else: the goals of this
    /// project for time.
    fn keeps_its_pace(&self) -> Result<()> {
        let rate = self.figures.lines as f64 / self.figures.talked.as_secs_f64();
        ensure!(rate >= 500.0, "only {rate:.0} lines a second were said");
        let slowest = self.live.max().max(self.reported.max());
        ensure!(slowest <= LIVE, "the slowest replacement took {slowest:?}");
        for (what, before, during) in [
            ("accepting", &self.before.accepting, &self.during.accepting),
            ("answering", &self.before.answering, &self.during.answering),
        ] {
            let (before, during) = (before.quantile(0.99), during.quantile(0.99));
            ensure!(
                during <= before * 2,
                "p99 of {what} went from {before:?} to {during:?}"
            );
        }
        Ok(())
    }

    /// KiB by which gateway and children grew together: resident, anonymous.
    fn growth(&self) -> (i64, i64) {
        let [before, after] = self.memory;
        (after.0 + after.1).growth_since(before.0 + before.1)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.memory;
        let (resident, anonymous) = self.growth();
        let (count, sum) = self.counted;
        writeln!(f, "  {}", self.figures)?;
        writeln!(f, "  accepting before: {}", self.before.accepting)?;
        writeln!(f, "  accepting during: {}", self.during.accepting)?;
        writeln!(f, "  answering before: {}", self.before.answering)?;
        writeln!(f, "  answering during: {}", self.during.answering)?;
        writeln!(f, "  from closed to the first answer: {}", self.live)?;
        writeln!(
            f,
            "  from closed to live, in the reports: {}",
            self.reported
        )?;
        writeln!(
            f,
            "  from closed to live, in the metrics: mean {:.1} ms of {count}",
            sum / count.max(1.0) * 1_000.0
        )?;
        writeln!(f, "  gateway before: {}; after: {}", before.0, after.0)?;
        writeln!(f, "  children before: {}; after: {}", before.1, after.1)?;
        write!(
            f,
            "  growth: {resident} KiB resident, {anonymous} KiB anonymous; a reload: {:.1} and {:.1}",
            resident as f64 / self.live.count() as f64,
            anonymous as f64 / self.live.count() as f64,
        )
    }
}

impl Times {
    fn of(report: &Report, span: std::ops::Range<Duration>) -> Self {
        Self {
            accepting: report.accepting(&span),
            answering: report.answering(&span),
        }
    }
}

fn config(isolation: &str) -> Result<Config> {
    let provider = format!(
        "plugin = \"{FILE}\"\nisolation = \"{isolation}\"\nmax_copies = 10000\nsettings.tag = true"
    );
    let desk = format!("routes = [{{ provider = \"{PROVIDER}\" }}]");
    Ok(Config::new()
        .with_provider(PROVIDER, &provider)
        .with_desk(DESK, &desk)
        .with_raw_file(&format!("adapters/{FILE}"), build(1)?))
}

/// Puts a build in place and waits until a visitor was answered by it.
async fn replace(gateway: &Gateway, traffic: &Traffic, id: u64) -> Result<Duration> {
    let bytes = build(id)?;
    put(&gateway.plugin_path(FILE), &bytes, id.is_multiple_of(2))?;
    let closed = Instant::now();
    traffic.hear_build(DESK, id).await?;
    let live = closed.elapsed();
    gateway.serves(PROVIDER, &sha256(&bytes)).await?;
    Ok(live)
}

/// Into the file that is there, or by a rename, as careful people do.
fn put(path: &Path, bytes: &[u8], in_place: bool) -> Result<()> {
    let written = if in_place {
        fs::write(path, bytes)
    } else {
        let fresh = path.with_extension("upload");
        fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path))
    };
    written.with_context(|| format!("writing {}", path.display()))
}

/// The adapter with this id in it.
fn build(id: u64) -> Result<Vec<u8>> {
    let path = plugins::file(CHAOS)?;
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    variants::stamp(&bytes, &id.to_string())
}

/// Reloads that brought something into force, and the seconds that they took.
async fn counted(gateway: &Gateway) -> Result<(f64, f64)> {
    let metric = async |name: &str| {
        let series = format!("kefu_reload_seconds_{name}");
        let value = gateway.metric(&series).await?;
        value.with_context(|| format!("the page of metrics has no {series}"))
    };
    Ok((metric("count").await?, metric("sum").await?))
}

/// From closed to live, as far as the history goes back.
async fn reported(gateway: &Gateway) -> Result<Latency> {
    let reports = gateway.reloads().await?;
    let times = reports
        .iter()
        .filter_map(|report| report["closed_to_live_ms"].as_u64());
    Ok(Latency::of(times.map(Duration::from_millis).collect()))
}

/// The gateway, and all its children together.
fn memory(gateway: &Gateway) -> Result<(Memory, Memory)> {
    let pid = gateway.pid().context("the gateway has ended")?;
    Ok((Memory::of(pid)?, Memory::of_children(pid)?.1))
}

const PROVIDER: &str = "reloaded";
const DESK: &str = "desk";
const FILE: &str = "libkefu_reloaded.so";
const PATIENCE: Duration = Duration::from_secs(60);

const QUICK: Run = Run {
    visitors: 24,
    per_second: 120,
    calm: Duration::from_secs(2),
};
const SOAK: Run = Run {
    visitors: 52,
    per_second: 520,
    calm: Duration::from_secs(20),
};

/// From closed to live, at most.
const LIVE: Duration = Duration::from_secs(2);
/// What a retained copy may take in the gateway's own process.
const IN_PROCESS_KIB: i64 = 512;
/// What may be left of all reloads where each has a process of its own.
const CHILD_KIB: i64 = 5 * 1_024;
