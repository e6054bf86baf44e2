//! A small client of the W3C WebDriver protocol, for the browser tests.
//!
//! Owns one chromedriver process with one headless Chromium session: it starts
//! both on a free port with a fresh profile, drives the page, and ends both
//! when dropped. It deliberately knows nothing of the pages it drives, and it
//! offers no sleeping: a test waits for a condition.
//!
//! Invariant: a dropped [`Browser`] leaves no process and no profile behind.
//!
//! Elements are named by a path of CSS selectors; each step but the last
//! enters the shadow root (if there is one) of the element found by it:
//! `["kefu-chat", "[data-testid=send]"]`.

mod process;
mod wire;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::Instant;

use self::wire::Wire;

/// What the browser looks like to the page.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width of the page in CSS pixels.
    pub width: u32,
    /// Height of the page in CSS pixels.
    pub height: u32,
    /// The language the browser asks for, such as `zh-CN`.
    pub language: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 1200,
            height: 800,
            language: "zh-CN".to_owned(),
        }
    }
}

/// A headless Chromium with one page.
#[derive(Debug)]
pub struct Browser {
    wire: Wire,
    driver: Child,
    browser_pid: Option<u64>,
    // Removed after the browser that writes into it has gone.
    profile: TempDir,
}

/// An element of the page; stale once the page has removed it.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Element {
    /// The element as an argument for [`Browser::script`].
    pub fn as_argument(&self) -> Value {
        json!({ ELEMENT_KEY: self.0 })
    }
}

impl Browser {
    /// Whether this machine has what [`Browser::start`] needs.
    pub fn is_installed() -> bool {
        process::chromium().is_some() && process::chromedriver().is_some()
    }

    /// Starts chromedriver on a free port and Chromium with a fresh profile.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let binary = process::chromium()
            .context("no chromium in PATH; Debian has it in the package chromium")?;
        let profile = tempfile::Builder::new()
            .prefix("kefu-browser-")
            .tempdir()
            .context("making a browser profile")?;
        let (driver, port) = process::start_driver().await?;
        let wire = Wire::new(format!("127.0.0.1:{port}"));
        let mut browser = Self {
            wire,
            driver,
            browser_pid: None,
            profile,
        };

        let request = process::capabilities(&binary, browser.profile.path(), &options);
        let opened = browser.wire.call(Method::POST, "/session", request).await;
        let opened = opened.context("opening a browser session")?;
        let session = opened["sessionId"]
            .as_str()
            .context("chromedriver gave no session id")?;
        browser.wire.session = session.to_owned();
        browser.browser_pid = opened["capabilities"]["goog:processID"].as_u64();
        browser.resize(options.width, options.height).await?;
        Ok(browser)
    }

    /// Loads a page and waits until it has loaded.
    pub async fn navigate(&self, url: &str) -> anyhow::Result<()> {
        self.wire
            .command(Method::POST, "/url", json!({ "url": url }))
            .await
            .with_context(|| format!("navigating to {url}"))?;
        Ok(())
    }

    /// Loads the current page again.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.wire
            .command(Method::POST, "/refresh", json!({}))
            .await
            .context("reloading the page")?;
        Ok(())
    }

    /// Gives the page another size, without a new session.
    pub async fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await?;
        Ok(())
    }

    /// Runs the body of a function in the page and gives what it returns; a
    /// returned promise is awaited. Arguments are in `arguments`.
    pub async fn script(&self, body: &str, args: Vec<Value>) -> anyhow::Result<Value> {
        let request = json!({ "script": body, "args": args });
        self.wire
            .command(Method::POST, "/execute/sync", request)
            .await
            .with_context(|| format!("running {body:?}"))
    }

    /// Runs the script until it returns something truthy, and gives that.
    pub async fn wait_for(
        &self,
        what: &str,
        body: &str,
        args: Vec<Value>,
        limit: Duration,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let value = self.script(body, args.clone()).await?;
            if is_truthy(&value) {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{what} did not happen within {limit:?}; the page says {:?}",
                    self.visible_text().await
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The element at the end of the path, once it is there and is rendered.
    pub async fn element(&self, path: &[&str], limit: Duration) -> anyhow::Result<Element> {
        let what = format!("finding {}", path.join(" ▸ "));
        let value = self
            .wait_for(&what, FIND_VISIBLE, vec![json!(path)], limit)
            .await?;
        element_of(&value)
    }

    /// The element at the end of the path, rendered or not (a file input).
    pub async fn hidden_element(&self, path: &[&str], limit: Duration) -> anyhow::Result<Element> {
        let what = format!("finding hidden {}", path.join(" ▸ "));
        let value = self.wait_for(&what, FIND, vec![json!(path)], limit).await?;
        element_of(&value)
    }

    /// The rendered text of the element at the end of the path; empty when
    /// there is none.
    pub async fn text(&self, path: &[&str]) -> anyhow::Result<String> {
        let value = self
            .script(
                &format!(
                    "const found = (() => {{ {FIND} }})(); return found ? found.innerText : '';"
                ),
                vec![json!(path)],
            )
            .await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks in the middle of the element, as a person would.
    pub async fn click(&self, element: &Element) -> anyhow::Result<()> {
        self.wire
            .command(
                Method::POST,
                &format!("/element/{}/click", element.0),
                json!({}),
            )
            .await
            .context("clicking")?;
        Ok(())
    }

    /// Types into the element; for a file input, `text` is the file's path.
    pub async fn send_keys(&self, element: &Element, text: &str) -> anyhow::Result<()> {
        let path = format!("/element/{}/value", element.0);
        self.wire
            .command(Method::POST, &path, json!({ "text": text }))
            .await
            .context("typing")?;
        Ok(())
    }

    /// Presses keys wherever the focus is; see [`keys`].
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.wire
            .command(Method::POST, "/actions", actions)
            .await
            .context("pressing keys")?;
        Ok(())
    }

    /// Writes a PNG of the visible page.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let value = self
            .wire
            .command(Method::GET, "/screenshot", Value::Null)
            .await
            .context("taking a screenshot")?;
        let encoded = value.as_str().context("chromedriver gave no picture")?;
        let picture = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .context("decoding the screenshot")?;
        tokio::fs::write(file, picture)
            .await
            .with_context(|| format!("writing {}", file.display()))
    }

    /// What the page has written to its console since the last call.
    pub async fn console(&self) -> anyhow::Result<Vec<String>> {
        let value = self
            .wire
            .command(Method::POST, "/se/log", json!({ "type": "browser" }))
            .await?;
        let entries = value.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .collect())
    }

    /// Lets pages of the origin use a browser permission without asking, such
    /// as `geolocation` or `audioCapture`.
    pub async fn grant(&self, origin: &str, permission: &str) -> anyhow::Result<()> {
        self.devtools(
            "Browser.grantPermissions",
            json!({ "origin": origin, "permissions": [permission] }),
        )
        .await?;
        Ok(())
    }

    /// Sends a command of the Chrome DevTools protocol.
    pub async fn devtools(&self, command: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({ "cmd": command, "params": params });
        self.wire
            .command(Method::POST, "/goog/cdp/execute", request)
            .await
            .with_context(|| format!("sending {command}"))
    }

    /// The page's text including shadow roots, for failure messages.
    async fn visible_text(&self) -> String {
        let value = self.script(ALL_TEXT, Vec::new()).await.unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium outlives a killed chromedriver, so it is asked to quit first.
        let _ = process::close_session(&self.wire.address, &self.wire.session);
        let _ = self.driver.start_kill();
        if let Some(pid) = self.browser_pid {
            process::kill_leftover(pid);
        }
    }
}

/// Keys that have no character of their own, for [`Browser::press`] and
/// [`Browser::send_keys`].
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// The right arrow.
    pub const RIGHT: &str = "\u{e014}";
    /// Space.
    pub const SPACE: &str = "\u{e00d}";
}

fn element_of(value: &Value) -> anyhow::Result<Element> {
    let id = value[ELEMENT_KEY]
        .as_str()
        .context("the script returned no element")?;
    Ok(Element(id.to_owned()))
}

fn is_truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != 0
}

const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";
const POLL: Duration = Duration::from_millis(50);
const FIND: &str = "let at = document; for (const step of arguments[0]) { \
    at = (at.shadowRoot || at).querySelector(step); if (!at) return null; } return at;";
const FIND_VISIBLE: &str = "let at = document; for (const step of arguments[0]) { \
    at = (at.shadowRoot || at).querySelector(step); if (!at) return null; } \
    return at.checkVisibility({ checkVisibilityCSS: true }) ? at : null;";
const ALL_TEXT: &str = "return [document.body, ...[...document.querySelectorAll('*')].map((e) => e.shadowRoot?.firstElementChild?.parentNode)] \
    .filter(Boolean).map((root) => root.innerText ?? [...root.children].map((child) => child.innerText ?? '').join('\\n')).join('\\n');";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn browser_reaches_into_a_shadow_root_and_leaves_nothing_behind() {
        assert!(
            Browser::is_installed(),
            "the packages chromium and chromium-driver are needed"
        );
        let browser = Browser::start(Options::default()).await.expect("a browser");
        browser.navigate(PAGE).await.expect("the page");
        let path = ["x-box", "input"];
        let input = browser
            .element(&path, LIMIT)
            .await
            .expect("the input inside the shadow root");
        browser.send_keys(&input, "你好").await.expect("typing");
        browser.press(keys::ENTER).await.expect("pressing");
        let typed = browser
            .wait_for("the echo", "return document.title", vec![], LIMIT)
            .await
            .expect("the echo");
        assert_eq!(typed, "你好");
        assert!(
            browser
                .element(&["x-box", "b"], Duration::ZERO)
                .await
                .is_err(),
            "a hidden element counts as missing"
        );

        let chooser = browser
            .hidden_element(&["x-box", "[type=file]"], LIMIT)
            .await;
        let file = browser.profile.path().join("picture.png");
        std::fs::write(&file, b"png").expect("a file to choose");
        let path = file.to_str().expect("a path in UTF-8");
        browser
            .send_keys(&chooser.expect("the file input"), path)
            .await
            .expect("choosing");
        let chosen = "return document.title === 'picture.png'";
        browser
            .wait_for("the choice", chosen, vec![], LIMIT)
            .await
            .expect("the choice");

        let (pid, profile) = (
            browser.browser_pid.expect("a pid"),
            browser.profile.path().to_owned(),
        );
        drop(browser);
        assert!(!profile.exists(), "the profile is still there");
        // A killed process may take a moment to be gone.
        let deadline = Instant::now() + LIMIT;
        while runs_chromium(pid) && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        assert!(!runs_chromium(pid), "chromium still runs");
    }

    fn runs_chromium(pid: u64) -> bool {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        command.is_ok_and(|command| command.contains("chromium"))
    }

    const LIMIT: Duration = Duration::from_secs(20);
    const PAGE: &str = "data:text/html,<x-box></x-box><script>\
        const root = document.querySelector('x-box').attachShadow({ mode: 'open' });\
        const input = root.appendChild(document.createElement('input'));\
        root.appendChild(document.createElement('b')).hidden = true;\
        const file = root.appendChild(document.createElement('input'));\
        file.type = 'file'; file.hidden = true;\
        file.onchange = () => { document.title = file.files[0].name; };\
        input.onkeydown = (e) => { if (e.key === 'Enter') document.title = input.value; };\
        </script>";
}
