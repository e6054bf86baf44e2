//! Starting and ending the processes behind a browser.
//!
//! Finds the programs, starts chromedriver on a free port, says how Chromium
//! is to be started, and ends both. Ending works without the async runtime,
//! because it happens in `drop`, when the runtime may be shutting down.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Options;

/// Starts chromedriver and gives the port it chose.
pub(super) async fn start_driver() -> anyhow::Result<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting chromedriver; Debian has it in the package chromium-driver")?;
    let port = timeout(START_LIMIT, announced_port(&mut driver))
        .await
        .context("chromedriver named no port in time")??;
    Ok((driver, port))
}

async fn announced_port(driver: &mut Child) -> anyhow::Result<u16> {
    let stdout = driver
        .stdout
        .take()
        .context("chromedriver's output is not piped")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines
        .next_line()
        .await
        .context("reading chromedriver's output")?
    {
        let Some((_, port)) = line.split_once("started successfully on port ") else {
            continue;
        };
        // Keeps the pipe open and empty: chromedriver must not block or die on it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return port
            .trim_end_matches('.')
            .parse()
            .with_context(|| format!("no port in {line:?}"));
    }
    bail!("chromedriver ended before it named its port")
}

/// The request that opens a session: headless, quiet, with a profile of its own.
pub(super) fn capabilities(binary: &Path, profile: &Path, options: &Options) -> Value {
    let mut args: Vec<String> = FIXED_ARGS.iter().map(|arg| (*arg).to_owned()).collect();
    args.push(format!("--user-data-dir={}", profile.display()));
    args.push(format!(
        "--window-size={},{}",
        options.width, options.height
    ));
    args.push(format!("--lang={}", options.language));
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": {
            "binary": binary,
            "args": args,
            "prefs": { "intl.accept_languages": options.language },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "script": 30_000, "pageLoad": 30_000 },
    } } })
}

/// Asks the driver to close the browser, which would outlive a killed driver.
pub(super) fn close_session(address: &str, session: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(CLOSE_LIMIT))?;
    write!(
        stream,
        "DELETE /session/{session} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    stream.read_exact(&mut [0])
}

/// Ends a browser that did not close when asked to.
pub(super) fn kill_leftover(pid: u64) {
    if Path::new(&format!("/proc/{pid}")).exists() {
        let mut kill = std::process::Command::new("kill");
        let _ = kill
            .args(["-9", &pid.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

/// Where Chromium is, under any of its names.
pub(super) fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|name| in_path(name))
}

/// Where chromedriver is.
pub(super) fn chromedriver() -> Option<PathBuf> {
    in_path("chromedriver")
}

fn in_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

const FIXED_ARGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
];
const START_LIMIT: Duration = Duration::from_secs(30);
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
