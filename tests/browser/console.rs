//! An operator at the console.
//!
//! Owns the walks through the operators' pages: a night's work with keyboard
//! and mouse, and every page in both languages, by day and by night, as wide as
//! a desk and as narrow as a phone, judged by axe-core.

use anyhow::{Context, Result, ensure};
use kefu_test_support::axe;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use kefu_test_support::webdriver::{Browser, Element, Options, keys};
use serde_json::json;

use crate::LIMIT;
use crate::alone;
use crate::pictures::Pictures;

#[tokio::test]
async fn an_operator_finds_and_mends_what_is_wrong() -> Result<()> {
    let _alone = alone().await?;
    let stage = stage().await?;
    let pictures = Pictures::of("console")?;
    let chat = lose_a_message(&stage).await?;
    let page = Operator::load(&stage, "en", WIDE, &pictures).await?;
    page.log_in(&stage).await?;
    page.read("verdict", "Dead letters waiting").await?;
    page.picture("overview").await?;

    change_a_weight(&page, &stage).await?;
    pause_and_resume(&page, &stage).await?;

    run_a_stage(&page, &stage).await?;

    // What was lost is tried again.
    page.follow("Dead letters").await?;
    page.picture("dead-letters").await?;
    page.click("replay").await?;
    page.picture("replay").await?;
    page.click("confirm").await?;
    page.read("notice", "It is tried again.").await?;

    // Where it went stands in the session's trail.
    page.follow("Sessions").await?;
    page.picture("sessions").await?;
    page.follow(&chat).await?;
    page.read("trail", "Accepted").await?;
    page.picture("trail").await?;

    page.click("language").await?;
    page.read("trail", "已接收").await?;
    page.follow("总览").await?;
    page.picture("overview-zh").await?;
    page.be_quiet().await
}

async fn change_a_weight(page: &Operator, stage: &Stage) -> Result<()> {
    let file = stage.gateway.dir().join("kefu.toml");
    let before = std::fs::read_to_string(&file)?;
    page.follow("Desks").await?;
    page.picture("desks").await?;
    page.follow("shared").await?;
    page.picture("desk").await?;
    let field = page.find("#w0").await?;
    let clear = "arguments[0].focus(); arguments[0].select();";
    page.browser
        .script(clear, vec![field.as_argument()])
        .await?;
    page.browser.press("20").await?;
    page.browser.press(keys::ENTER).await?;
    page.see("confirm").await?;
    page.picture("weights").await?;
    page.browser.press(keys::TAB).await?;
    page.click("confirm").await?;
    page.read("notice", "The weights are written").await?;
    page.picture("weights-written").await?;
    let after = std::fs::read_to_string(&file)?;
    let expected = before.replace("weight = 10", "weight = 20");
    ensure!(before.contains(COMMENT) && before != expected, "{before}");
    ensure!(after == expected, "the file became\n{after}");
    let desks = stage
        .gateway
        .admin_request(http::Method::GET, "/admin/v1/desks");
    let desks: serde_json::Value = desks.send().await?.expect(200)?.json()?;
    let desk = desks["desks"].as_array().into_iter().flatten();
    let desk = desk.into_iter().find(|desk| desk["id"] == "shared");
    let weight = desk.context("the desk")?["routes"][0]["weight"].as_f64();
    ensure!(weight == Some(20.0), "in force is {weight:?}");
    Ok(())
}

async fn pause_and_resume(page: &Operator, stage: &Stage) -> Result<()> {
    page.follow("Providers").await?;
    page.picture("providers").await?;
    page.follow("jiaxin").await?;
    page.picture("provider").await?;
    for (button, state) in [("pause", "paused"), ("resume", "active")] {
        page.click(button).await?;
        page.see("confirm").await?;
        page.picture(button).await?;
        page.click("confirm").await?;
        page.see("notice").await?;
        let shown = format!("[data-state={state}]");
        page.find(&shown).await?;
        let entry = stage.gateway.find_provider("jiaxin").await?;
        ensure!(entry.context("jiaxin")?["state"] == state, "{state}");
    }
    Ok(())
}

async fn run_a_stage(page: &Operator, stage: &Stage) -> Result<()> {
    page.follow("Migrations").await?;
    page.picture("migrations").await?;
    page.follow("to-jiaxin").await?;
    page.picture("migration-planned").await?;
    for (button, phase, standing) in [
        ("start", "running", "Stage 1 of 2: 10 %"),
        ("advance", "running", "Stage 2 of 2: 50 %"),
        ("pause", "paused", "Stage 2 of 2: 50 %"),
        ("rollback", "rolled_back", "No stage is in force"),
        ("start", "running", "Stage 1 of 2: 10 %"),
    ] {
        page.click(button).await?;
        let why = page.find("#why").await?;
        page.browser.send_keys(&why, "a walk").await?;
        page.picture(&format!("migration-{button}")).await?;
        page.click("confirm").await?;
        page.see("notice").await?;
        page.find(&format!("[data-phase={phase}]")).await?;
        page.read("standing", standing).await?;
        let path = "/admin/v1/migrations/to-jiaxin";
        let status = stage.gateway.admin_request(http::Method::GET, path);
        let status: serde_json::Value = status.send().await?.expect(200)?.json()?;
        ensure!(status["phase"] == phase, "{status}");
    }
    page.read("history", "a walk").await?;
    page.picture("migration-running").await
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody() -> Result<()> {
    let _alone = alone().await?;
    let stage = stage().await?;
    let pictures = Pictures::of("console-axe")?;
    let session = lose_a_message(&stage).await?;
    let letters = stage
        .gateway
        .admin_request(http::Method::GET, "/admin/v1/dead-letters");
    let letters: serde_json::Value = letters.send().await?.expect(200)?.json()?;
    let letter = letters["dead_letters"][0]["id"]
        .as_str()
        .context("a letter")?;
    let mut found = Vec::new();
    for language in ["en", "zh-CN"] {
        let page = Operator::load(&stage, language, WIDE, &pictures).await?;
        page.judge("login", &mut found).await?;
        page.log_in(&stage).await?;
        for path in pages(&session, letter) {
            page.go(&path).await?;
            page.judge(&path, &mut found).await?;
        }
        page.be_quiet_but_for(&["404", "400"]).await?;
    }
    ensure!(found.is_empty(), "axe-core found\n{}", found.join("\n"));
    Ok(())
}

/// Every page, one bad address and one bad request among them.
fn pages(session: &str, letter: &str) -> Vec<String> {
    [
        "",
        "providers",
        "providers/zhichi",
        "providers/zhichi/pause",
        "providers/zhichi/resume",
        "providers/zhichi/reload",
        "providers/zhichi/rollback",
        "desks",
        "desks/shared",
        "desks/shared/explain?visitor=v1&platform=ios",
        "migrations",
        "migrations/to-jiaxin",
        "migrations/to-jiaxin/start",
        "shadows",
        "sessions",
        "sessions?state=ended",
        "reloads",
        "reload",
        "dead-letters",
        "nothing",
        "sessions?state=nowhere",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("sessions/{session}"),
        format!("dead-letters/{letter}/replay"),
    ])
    .collect()
}

/// An operator's browser.
struct Operator {
    browser: Browser,
    base: String,
    pictures: Pictures,
}

impl Operator {
    async fn load(
        stage: &Stage,
        language: &str,
        (width, height): (u32, u32),
        pictures: &Pictures,
    ) -> Result<Self> {
        let options = Options {
            width,
            height,
            language: language.to_owned(),
        };
        let browser = Browser::start(options).await?;
        let base = stage.gateway.admin() + "/console/";
        browser.navigate(&base).await?;
        Ok(Self {
            browser,
            base,
            pictures: pictures.clone(),
        })
    }

    /// With the keyboard alone: the field has the focus.
    async fn log_in(&self, stage: &Stage) -> Result<()> {
        self.find("#token:focus").await?;
        self.picture("login").await?;
        self.browser.press("wrong").await?;
        self.browser.press(keys::ENTER).await?;
        self.see("refused").await?;
        self.find("#token:focus").await?;
        self.browser
            .press(stage.gateway.config().admin_token())
            .await?;
        self.browser.press(keys::ENTER).await?;
        self.see("verdict").await?;
        Ok(())
    }

    async fn go(&self, path: &str) -> Result<()> {
        self.browser.navigate(&format!("{}{path}", self.base)).await
    }

    /// Clicks the first link that says this.
    async fn follow(&self, words: &str) -> Result<()> {
        let find = "return [...document.querySelectorAll('a')].find((it) => it.textContent.trim() === arguments[0]) ?? null;";
        let what = format!("a link {words:?}");
        let link = self
            .browser
            .wait_for(&what, find, vec![json!(words)], LIMIT)
            .await?;
        let click = "arguments[0].click();";
        self.browser.script(click, vec![link]).await?;
        self.settle().await
    }

    async fn see(&self, test: &str) -> Result<Element> {
        self.find(&format!("[data-testid='{test}']")).await
    }

    async fn find(&self, selector: &str) -> Result<Element> {
        let found = self.browser.element(&[selector], LIMIT).await;
        found.with_context(|| format!("looking for {selector}"))
    }

    async fn click(&self, test: &str) -> Result<()> {
        let element = self.see(test).await?;
        self.browser.click(&element).await?;
        self.settle().await
    }

    /// Waits until the element says this.
    async fn read(&self, test: &str, words: &str) -> Result<()> {
        let selector = format!("[data-testid='{test}']");
        wait::until(&format!("{test} to say {words:?}"), async || {
            let said = self.browser.text(&[&selector]).await?;
            ensure!(said.contains(words), "it says {said:?}");
            Ok(Some(()))
        })
        .await
    }

    async fn settle(&self) -> Result<()> {
        let loaded = "return document.readyState === 'complete';";
        self.browser
            .wait_for("the page to load", loaded, vec![], LIMIT)
            .await?;
        Ok(())
    }

    async fn picture(&self, station: &str) -> Result<()> {
        self.pictures.take(&self.browser, station).await
    }

    /// By day and by night, wide and narrow.
    async fn judge(&self, what: &str, found: &mut Vec<String>) -> Result<()> {
        let name: String = what
            .split(['?', '%'])
            .next()
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(24)
            .collect();
        for (scheme, (width, height)) in [("light", WIDE), ("dark", PHONE)] {
            let features =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            self.browser
                .devtools("Emulation.setEmulatedMedia", features)
                .await?;
            self.browser.resize(width, height).await?;
            for finding in axe::findings(&self.browser).await? {
                found.push(format!("{what} ({scheme}): {finding}"));
            }
            let wide = "return document.documentElement.scrollWidth > window.innerWidth;";
            if self.browser.script(wide, vec![]).await? == true {
                found.push(format!(
                    "{what} ({width} wide): it has to be scrolled sideways"
                ));
            }
            self.picture(&format!("{name}-{scheme}")).await?;
        }
        Ok(())
    }

    /// Fails when a page complained about anything, such as its own policy.
    async fn be_quiet(&self) -> Result<()> {
        // The one wrong token is told as a refusal.
        self.be_quiet_but_for(&["401"]).await
    }

    async fn be_quiet_but_for(&self, known: &[&str]) -> Result<()> {
        let console = self.browser.console().await?;
        let expected = |line: &String| known.iter().chain(&["401"]).any(|it| line.contains(it));
        let loud: Vec<_> = console.iter().filter(|line| !expected(line)).collect();
        ensure!(loud.is_empty(), "a page complained: {loud:#?}");
        Ok(())
    }
}

/// Two vendors, and a desk that shares visitors out between them, in a file
/// with comments.
async fn stage() -> Result<Stage> {
    let stage = Stage::of_with(&[Vendor::Zhichi, Vendor::Jiaxin], |config| {
        config
            .with_desk(
                "shared",
                "routes = [{ provider = \"jiaxin\", weight = 10 }, { provider = \"zhichi\" }]",
            )
            .with(
                "migrations.to-jiaxin = { desk = \"shared\", from = \"zhichi\", to = \"jiaxin\", \
             stages = [{ percent = 10 }, { percent = 50 }] }",
            )
    })
    .await?;
    let file = stage.gateway.dir().join("kefu.toml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{COMMENT}\n{text}{COMMENT}\n"))?;
    Ok(stage)
}

/// A message of which nobody knows whether it arrived: a dead letter. Gives its
/// session.
async fn lose_a_message(stage: &Stage) -> Result<String> {
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let fault = json!({ "kind": "drop", "processed": false, "operation": "chat_send", "times": 1 });
    chat.fault(&fault).await?;
    let lost = chat.say("有人吗").await?;
    ensure!(chat.fate(&lost.id).await?["status"] == "unknown");
    Ok(chat.id().to_owned())
}

const WIDE: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
const COMMENT: &str = "# 十月起由佳信接待一部分访客 — ask the night shift before changing";
