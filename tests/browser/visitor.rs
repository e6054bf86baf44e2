//! The visitor's browser: the demo page with the widget on it.
//!
//! Owns the words for what a visitor does and sees, as `data-testid`s. Knows
//! nothing of vendors.

use anyhow::{Context, Result, ensure};
use kefu_test_support::stage::Stage;
use kefu_test_support::webdriver::{Browser, Element, Options};
use serde_json::{Value, json};

use crate::LIMIT;
use crate::pictures::Pictures;

/// A visitor at the demo page.
pub(crate) struct VisitorPage {
    /// The browser, for what has no word here.
    pub(crate) browser: Browser,
    /// Who it is.
    pub(crate) name: String,
    address: String,
    pictures: Pictures,
}

/// A message as the window shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `visitor`, `robot`, `agent` or `system`.
    pub(crate) from: String,
    /// The content type.
    pub(crate) kind: String,
    /// The id at the gateway; empty while it is on its way.
    pub(crate) id: String,
    /// What the bubble says.
    pub(crate) text: String,
    /// What has become of it; empty unless it is the visitor's.
    pub(crate) status: String,
}

impl Shown {
    fn of(row: &Value) -> Self {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Self {
            from: text("from"),
            kind: text("kind"),
            id: text("id"),
            text: text("text"),
            status: text("status"),
        }
    }
}

impl VisitorPage {
    /// Loads the page for a fresh visitor; the window is still closed.
    pub(crate) async fn load(
        stage: &Stage,
        desk: &str,
        lang: &str,
        (width, height): (u32, u32),
        pictures: &Pictures,
    ) -> Result<Self> {
        let name = stage.visitor().id().to_owned();
        // `desk` may go on with more of what the page takes.
        let address = format!(
            "{}/?visitor={name}&lang={lang}&desk={desk}",
            stage.simulators.app()
        );
        let language = if lang == "zh" { "zh-CN" } else { "en-GB" };
        let options = Options {
            width,
            height,
            language: language.to_owned(),
        };
        let browser = Browser::start(options).await?;
        browser.navigate(&address).await?;
        Ok(Self {
            browser,
            name,
            address,
            pictures: pictures.clone(),
        })
    }

    /// Loads the page anew, as after typing its address.
    pub(crate) async fn come_back(&self) -> Result<()> {
        self.browser.navigate(&self.address).await
    }

    /// The element of the widget, once it is visible.
    pub(crate) async fn see(&self, test: &str) -> Result<Element> {
        let selector = format!("[data-testid='{test}']");
        self.browser
            .element(&["kefu-chat", &selector], LIMIT)
            .await
            .with_context(|| format!("{} looks for {test}", self.name))
    }

    /// Whether the element is there and visible now.
    pub(crate) async fn sees(&self, test: &str) -> Result<bool> {
        let seen = self.browser.script(SEES, vec![json!(test)]).await?;
        Ok(seen == true)
    }

    /// Waits until the element is gone or hidden.
    pub(crate) async fn see_no(&self, test: &str) -> Result<()> {
        let gone = format!("const sees = () => {{ {SEES} }}; return !sees.apply(null, arguments);");
        let what = format!("{test} to go");
        self.browser
            .wait_for(&what, &gone, vec![json!(test)], LIMIT)
            .await?;
        Ok(())
    }

    /// Clicks the element, once it is visible.
    pub(crate) async fn click(&self, test: &str) -> Result<()> {
        let element = self.see(test).await?;
        let clicked = self.browser.click(&element).await;
        clicked.with_context(|| format!("{} clicks {test}", self.name))
    }

    /// Types into the field, once it is visible.
    pub(crate) async fn fill(&self, test: &str, text: &str) -> Result<()> {
        let element = self.see(test).await?;
        self.browser.send_keys(&element, text).await
    }

    /// Chooses a file to send.
    pub(crate) async fn choose(&self, file: &str) -> Result<()> {
        let path = ["kefu-chat", "[data-testid=file-input]"];
        let chooser = self.browser.hidden_element(&path, LIMIT).await?;
        self.browser.send_keys(&chooser, file).await
    }

    /// Writes a text and sends it with the button.
    pub(crate) async fn say(&self, text: &str) -> Result<()> {
        self.fill("input", text).await?;
        self.click("send").await?;
        self.see_message("visitor", "text", text).await?;
        Ok(())
    }

    /// Everything that the window shows as messages, in order.
    pub(crate) async fn messages(&self) -> Result<Vec<Shown>> {
        let shown = self.browser.script(MESSAGES, Vec::new()).await?;
        Ok(shown
            .as_array()
            .into_iter()
            .flatten()
            .map(Shown::of)
            .collect())
    }

    /// Waits until a message shows this text; the visitor's own also until the
    /// gateway has taken it.
    pub(crate) async fn see_message(&self, from: &str, kind: &str, text: &str) -> Result<Shown> {
        let find = format!(
            "const all = (() => {{ {MESSAGES} }})(); const [from, kind, text] = arguments; return all.findLast((it) => \
             it.from === from && it.kind === kind && it.text.includes(text) && it.id && it.status !== 'sending');"
        );
        let what = format!("a {kind} {text:?} of the {from} to show");
        let arguments = vec![json!(from), json!(kind), json!(text)];
        let found = self
            .browser
            .wait_for(&what, &find, arguments, LIMIT)
            .await?;
        let shown = Shown::of(&found);
        ensure!(
            shown.status != "failed",
            "{what}: it was not delivered, {shown:?}"
        );
        Ok(shown)
    }

    /// Waits until the element says this.
    pub(crate) async fn read(&self, test: &str, text: &str) -> Result<()> {
        let says = "const found = document.querySelector('kefu-chat').shadowRoot.querySelectorAll(`[data-testid='${arguments[0]}']`); \
            return [...found].some((it) => it.checkVisibility({ checkVisibilityCSS: true }) && it.innerText.includes(arguments[1]));";
        let what = format!("{test} to say {text:?}");
        let arguments = vec![json!(test), json!(text)];
        self.browser.wait_for(&what, says, arguments, LIMIT).await?;
        Ok(())
    }

    /// Waits until every picture and sound of the log has come from its
    /// address.
    pub(crate) async fn see_media_loaded(&self) -> Result<()> {
        let loaded = "const log = document.querySelector('kefu-chat').shadowRoot; \
            return [...log.querySelectorAll('.bubble :is(img, audio, video)')].every((it) => { \
              it.preload = 'metadata'; return it.naturalWidth || it.readyState; });";
        self.browser
            .wait_for("all media to load", loaded, vec![], LIMIT)
            .await?;
        Ok(())
    }

    /// The widget's state, as the page that embeds it reads it.
    pub(crate) async fn be_in(&self, state: &str) -> Result<()> {
        let is =
            "return document.querySelector('kefu-chat').getAttribute('state') === arguments[0];";
        let what = format!("the state {state}");
        self.browser
            .wait_for(&what, is, vec![json!(state)], LIMIT)
            .await?;
        Ok(())
    }

    /// Waits until the element has the focus.
    pub(crate) async fn have_focus(&self, test: &str) -> Result<()> {
        let focused = "return document.activeElement?.shadowRoot?.activeElement?.dataset.testid === arguments[0];";
        let what = format!("the focus to be on {test}");
        let waited = self
            .browser
            .wait_for(&what, focused, vec![json!(test)], LIMIT);
        if let Err(error) = waited.await {
            let focus = self.focus().await?;
            return Err(error.context(format!("the focus is on {focus:?}")));
        }
        Ok(())
    }

    /// The test id of what has the focus inside the widget, or its class.
    pub(crate) async fn focus(&self) -> Result<String> {
        let focus = "const it = document.activeElement?.shadowRoot?.activeElement; return it ? it.dataset.testid || it.className : '';";
        let focus = self.browser.script(focus, Vec::new()).await?;
        Ok(focus.as_str().unwrap_or_default().to_owned())
    }

    /// Takes a picture.
    pub(crate) async fn picture(&self, station: &str) -> Result<()> {
        self.pictures.take(&self.browser, station).await
    }

    /// Fails when the page complained about anything.
    pub(crate) async fn expect_quiet_console(&self) -> Result<()> {
        let console = self.browser.console().await?;
        ensure!(console.is_empty(), "the page complained: {console:#?}");
        Ok(())
    }
}

/// The id of the session that the page talks about.
pub(crate) const SESSION: &str = "return document.querySelector('kefu-chat').session?.id;";

const SEES: &str = "const found = document.querySelector('kefu-chat')?.shadowRoot?.querySelector(`[data-testid='${arguments[0]}']`); \
    return Boolean(found?.checkVisibility({ checkVisibilityCSS: true }));";
const MESSAGES: &str = "const log = document.querySelector('kefu-chat').shadowRoot.querySelectorAll('[data-testid=message]'); \
    return [...log].map((row) => ({ from: row.dataset.from, kind: row.dataset.type, id: row.dataset.id ?? '', \
    status: row.dataset.status ?? '', text: row.querySelector('.bubble').innerText }));";
