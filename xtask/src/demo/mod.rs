//! `cargo xtask demo`: the whole on one machine, from a fresh clone.
//!
//! Owns the folder `target/demo`, the order of the start, and the end: every
//! process it started is asked to stop and waited for. Uses the real gateway,
//! the real plug-in files and the simulators that the tests use.
//!
//! Invariant: `demo.json` exists exactly while everything in it answers.

mod child;
mod net;
mod setup;
mod show;
mod vendors;

use crate::cargo;
use crate::products;
use anyhow::{Context, Result, bail};
use child::Child;
use serde_json::Value;
use setup::Secrets;
use show::Addresses;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vendors::Vendors;

/// How long the gateway may take from its ready line to serving desks.
const SERVING: Duration = Duration::from_secs(60);
/// The pause between two looks at children and signals.
const LOOK: Duration = Duration::from_millis(100);

/// Builds, starts, shows, waits for the end.
pub(crate) fn run(headless: bool) -> Result<()> {
    crate::complain("building the gateway, the simulators and the plug-ins …");
    let programs = products::build_programs()?;
    let plugins = products::build_vendor_plugins()?;

    let dir = cargo::root().join("target/demo");
    let _lock = claim(&dir)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .context("listening for the signal to stop")?;
    }
    let secrets = Secrets::fresh()?;

    crate::complain("starting the simulators of all vendors …");
    let mut simulators = Child::start(
        "kefu-simulators",
        setup::simulators(&programs.simulators, &secrets),
        &dir,
    )?;
    let vendors = Vendors::from_ready(&simulators.ready)?;
    setup::write(&dir, &plugins, &secrets, &vendors)?;

    crate::complain("starting the gateway …");
    let mut gateway = Child::start(
        "kefu-gateway",
        setup::gateway(&programs.gateway, &dir),
        &dir,
    )?;
    let addresses = Addresses::new(&gateway.ready, vendors, secrets)?;
    setup::connect(&addresses)?;
    wait_until_serving(&addresses, &mut gateway, &stop)?;

    let mut outcome = Ok(());
    if !stop.load(Ordering::Relaxed) {
        addresses.write(&dir.join("demo.json"))?;
        crate::say(&addresses.describe(&dir));
        if !headless {
            open_page(&addresses.page());
        }
        outcome = watch(&mut [&mut gateway, &mut simulators], &stop);
    }
    crate::complain("stopping …");
    let _ = fs::remove_file(dir.join("demo.json"));
    // The gateway first: it still has answers to record.
    gateway.stop()?;
    simulators.stop()?;
    crate::complain("everything has stopped");
    outcome
}

/// Takes the demo's folder for this process alone, and empties it: sessions of
/// a former run belong to simulators that are gone.
fn claim(dir: &Path) -> Result<File> {
    let parent = dir.parent().context("the demo's folder lies in target")?;
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    let path = dir.with_extension("lock");
    let lock = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "a demo is running already; {} says where",
            dir.join("demo.json").display()
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    Ok(lock)
}

/// Waits until every vendor's provider serves.
fn wait_until_serving(addresses: &Addresses, gateway: &mut Child, stop: &AtomicBool) -> Result<()> {
    let start = Instant::now();
    let url = format!("{}/readyz", addresses.admin);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = net::request("GET", &url, None);
        if matches!(&answer, Ok((200, body)) if all_serve(body)) {
            return Ok(());
        }
        gateway.check()?;
        if start.elapsed() > SERVING {
            let answer = answer.map_or_else(
                |error| format!("{error:#}"),
                |(status, body)| format!("{status}: {body}"),
            );
            bail!(
                "after {SERVING:?} the gateway is not ready, {url} says {answer}\n{}",
                gateway.log_tail()
            );
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the gateway's account of itself names no provider that does not work.
fn all_serve(ready: &str) -> bool {
    let body: Value = serde_json::from_str(ready).unwrap_or_default();
    let providers = body["providers"].as_array();
    providers.is_some_and(|list| list.iter().all(|provider| provider["works"] == true))
}

/// Waits for the signal to stop; a child that ends before is an error.
fn watch(children: &mut [&mut Child], stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        for child in children.iter_mut() {
            child.check()?;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Opens the page where a desktop is there to open it on.
fn open_page(url: &str) {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if desktop && let Ok(mut opener) = Command::new("xdg-open").arg(url).spawn() {
        std::thread::spawn(move || opener.wait());
    }
}
