//! The agent's browser: the vendor's own desk page.
//!
//! Owns the words for what an agent does and sees. The page is the
//! simulator's; the gateway knows nothing of it.

use anyhow::{Context, Result, ensure};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::webdriver::{Browser, Element, Options};
use serde_json::json;

use crate::LIMIT;
use crate::pictures::Pictures;

/// An agent at the desk page.
pub(crate) struct AgentPage {
    browser: Browser,
    pictures: Pictures,
}

impl AgentPage {
    /// Opens the desk page of a vendor.
    pub(crate) async fn load(
        stage: &Stage,
        vendor: Vendor,
        lang: &str,
        pictures: &Pictures,
    ) -> Result<Self> {
        let browser = Browser::start(Options::default()).await?;
        let address = format!("{}/desk?lang={lang}", stage.simulators.url(vendor));
        browser.navigate(&address).await?;
        Ok(Self {
            browser,
            pictures: pictures.clone(),
        })
    }

    /// Turns to the visitor of this name, once the list has one.
    pub(crate) async fn turn_to(&self, visitor: &str) -> Result<()> {
        let find = "return [...document.querySelectorAll('[data-visitor]')].find((it) => it.querySelector('b').textContent === arguments[0]) \
            ?.dataset.testid;";
        let what = format!("{visitor} in the desk's list");
        let test = self
            .browser
            .wait_for(&what, find, vec![json!(visitor)], LIMIT)
            .await?;
        self.click(test.as_str().unwrap_or_default()).await
    }

    /// Clicks an element that is visible and enabled.
    pub(crate) async fn click(&self, test: &str) -> Result<()> {
        // The list and the tools are drawn anew whenever something happens.
        let enabled = "const it = document.querySelector(`[data-testid='${arguments[0]}']`); return it && !it.disabled ? it : null;";
        let what = format!("{test} to be possible at the desk");
        self.browser
            .wait_for(&what, enabled, vec![json!(test)], LIMIT)
            .await?;
        let clicked = self
            .browser
            .script(
                "return document.querySelector(`[data-testid='${arguments[0]}']`).click() ?? true;",
                vec![json!(test)],
            )
            .await;
        clicked.with_context(|| format!("the agent clicks {test}"))?;
        Ok(())
    }

    /// Does what the page has no button for.
    pub(crate) async fn act(&self, action: &str) -> Result<()> {
        let done = "return act(arguments[0], {}).then(() => document.getElementById('error').textContent);";
        let error = self.browser.script(done, vec![json!(action)]).await?;
        ensure!(error == "", "{action} at the desk: {error}");
        Ok(())
    }

    /// Writes a text and sends it.
    pub(crate) async fn say(&self, text: &str) -> Result<()> {
        let field: Element = self
            .browser
            .element(&["[data-testid=reply-text]:enabled"], LIMIT)
            .await?;
        self.browser.send_keys(&field, text).await?;
        self.click("send-text").await?;
        self.see_line("agent", "text", text).await
    }

    /// Waits until the transcript has such a line.
    pub(crate) async fn see_line(&self, from: &str, kind: &str, text: &str) -> Result<()> {
        let find = "return [...document.querySelectorAll('[data-testid=line]')].some((it) => it.dataset.from === arguments[0] \
            && it.dataset.kind === arguments[1] && it.innerText.includes(arguments[2]));";
        let what = format!("the {from}'s {kind} {text:?} at the desk");
        self.browser
            .wait_for(
                &what,
                find,
                vec![json!(from), json!(kind), json!(text)],
                LIMIT,
            )
            .await?;
        Ok(())
    }

    /// Waits until the conversation is in this phase.
    pub(crate) async fn see_phase(&self, phase: &str) -> Result<()> {
        let is =
            "return document.querySelector('[data-testid=facts]').dataset.phase === arguments[0];";
        let what = format!("the phase {phase} at the desk");
        self.browser
            .wait_for(&what, is, vec![json!(phase)], LIMIT)
            .await?;
        Ok(())
    }

    /// Waits until the element says this.
    pub(crate) async fn read(&self, test: &str, text: &str) -> Result<()> {
        let says = "const it = document.querySelector(`[data-testid='${arguments[0]}']`); return it && !it.hidden && it.innerText.includes(arguments[1]);";
        let what = format!("{test} to say {text:?} at the desk");
        self.browser
            .wait_for(&what, says, vec![json!(test), json!(text)], LIMIT)
            .await?;
        Ok(())
    }

    /// Waits until every picture and sound that the agent was sent can be had.
    pub(crate) async fn see_media_loaded(&self) -> Result<()> {
        let loaded = "return [...document.querySelectorAll('[data-testid=line] img')].every((it) => it.naturalWidth > 0);";
        self.browser
            .wait_for("the pictures at the desk", loaded, vec![], LIMIT)
            .await?;
        let sounds = "return [...document.querySelectorAll('[data-testid=line] audio')].map((it) => it.src);";
        let sounds = self.browser.script(sounds, Vec::new()).await?;
        for address in sounds
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str())
        {
            let answer = kefu_test_support::http::Client::new()
                .get(address)
                .send()
                .await?
                .expect(200)?;
            ensure!(
                answer.body.starts_with(b"RIFF"),
                "{address} is no sound that the browser recorded or sent"
            );
        }
        Ok(())
    }

    /// Takes a picture.
    pub(crate) async fn picture(&self, station: &str) -> Result<()> {
        self.pictures.take(&self.browser, station).await
    }

    /// Fails when the desk page complained about anything.
    pub(crate) async fn expect_quiet_console(&self) -> Result<()> {
        let console = self.browser.console().await?;
        ensure!(console.is_empty(), "the desk page complained: {console:#?}");
        Ok(())
    }
}
