//! What a gateway holds after many reloads, and how long they take from the
//! closed file on.
//!
//! Owns a real gateway without visitors, so that everything it holds more at
//! the end comes from the reloads. The first ones are not counted: they fill
//! what a gateway keeps anyway (its history, its retained generations, the
//! buffers of its allocator).

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kefu_gateway::plugin::image::sha256;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::memory::Memory;
use kefu_test_support::traffic::verdict::Latency;

use crate::adapter::{self, FILE, ISOLATIONS};
use crate::figure::Figure;

pub(crate) fn measure(reloads: u64) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let mut figures = Vec::new();
    for isolation in ISOLATIONS {
        figures.extend(runtime.block_on(after(isolation, reloads))?);
    }
    Ok(figures)
}

async fn after(isolation: &str, reloads: u64) -> Result<Vec<Figure>> {
    let config = Config::new()
        .with_provider(PROVIDER, &adapter::declaration(isolation))
        .with_raw_file(&format!("adapters/{FILE}"), adapter::build(1)?);
    let gateway = Gateway::start(config, &[]).await?;
    let (mut next, mut live) = (2, Vec::new());
    for _ in 0..WARM_UP {
        replace(&gateway, next).await?;
        next += 1;
    }
    let before = memory(&gateway)?;
    for _ in 0..reloads {
        live.push(replace(&gateway, next).await?);
        next += 1;
    }
    let after = memory(&gateway)?;
    let (resident, anonymous) = after.growth_since(before);
    let live = Latency::of(live);
    let mib = |kib: i64| kib as f64 / 1_024.0;
    let of_each = |kib: i64| kib as f64 / reloads as f64;
    let grown = Figure::new(
        format!("resident after {reloads} reloads, {isolation}"),
        mib(resident),
        "MiB more",
    );
    let each = Figure::new("… of each generation, resident", of_each(resident), "KiB");
    let (grown, each) = match isolation {
        "process" => (grown.at_most(5.0), each),
        _ => (grown, each.at_most(512.0)),
    };
    Ok(vec![
        grown,
        Figure::new("… anonymous", mib(anonymous), "MiB more"),
        each,
        Figure::new("… of each generation, anonymous", of_each(anonymous), "KiB"),
        Figure::new(
            "… from closed to live, median",
            millis(live.quantile(0.5)),
            "ms",
        )
        .at_most(300.0),
        Figure::new("… from closed to live, slowest", millis(live.max()), "ms").at_most(2_000.0),
    ])
}

/// Moves a build over and waits until it serves.
async fn replace(gateway: &Gateway, id: u64) -> Result<Duration> {
    let bytes = adapter::build(id)?;
    let path = gateway.plugin_path(FILE);
    let fresh = path.with_extension("upload");
    fs::write(&fresh, &bytes)
        .and_then(|()| fs::rename(&fresh, &path))
        .with_context(|| format!("writing {}", path.display()))?;
    let closed = Instant::now();
    gateway.serves(PROVIDER, &sha256(&bytes)).await?;
    Ok(closed.elapsed())
}

/// The gateway and its children.
fn memory(gateway: &Gateway) -> Result<Memory> {
    let pid = gateway.pid().context("the gateway has ended")?;
    Ok(Memory::of(pid)? + Memory::of_children(pid)?.1)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const PROVIDER: &str = "measured";
const WARM_UP: u64 = 20;
