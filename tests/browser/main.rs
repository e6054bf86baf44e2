//! A visitor and an agent in two real, headless browsers.
//!
//! Owns the walks from the first greeting to the end of a session: the demo
//! page with the widget on one side, the vendor's own desk page on the other,
//! between them the gateway's process and the plug-in files. Deliberately
//! clicks and types only; what the API answers is for `e2e`.
//!
//! Needs the programs chromium and chromedriver. Without them the tests fail
//! and name the Debian packages; they are never skipped.
//!
//! Every station leaves a picture in `browser/` of cargo's target folder, or in
//! the folder that `KEFU_SCREENSHOTS` names.

mod agent;
mod console;
mod jiaxin;
mod keyboard;
mod pictures;
mod reconnect;
mod visitor;
mod xiaoneng;
mod zhichi;

use std::time::Duration;

use anyhow::{Result, ensure};
use kefu_test_support::webdriver::Browser;
use tokio::sync::{Mutex, MutexGuard};

/// How long anything on a page may take: far more than it needs on a busy
/// machine, so that only a real fault runs into it.
const LIMIT: Duration = Duration::from_secs(45);

/// Checks that there is a browser, and waits until no other walk is on its way:
/// two browsers and their rendering fill a small machine.
async fn alone() -> Result<MutexGuard<'static, ()>> {
    static WALKING: Mutex<()> = Mutex::const_new(());
    ensure!(
        Browser::is_installed(),
        "chromium and chromedriver are not both in PATH; \
         Debian has them in the packages chromium and chromium-driver"
    );
    Ok(WALKING.lock().await)
}
