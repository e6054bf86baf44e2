//! The document's requests at a vendor that was written from the document, and
//! that vendor's own words at the real adapter.
//!
//! Owns the walk through all operations in an order that makes sense at a
//! vendor. Every example of a request is sent as the document has it, signed;
//! only `session_id` is what this vendor gave. Every answer, and every event
//! that the vendor has sent meanwhile, goes to the adapter, which must
//! understand it without a note.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use kefu_plugin_api::{secret::Secret, testing::Harness};
use kefu_sdp::PlainAdapter;
use kefu_sdp_core::{
    testing::{SECRET, signed},
    webhooks::Keys,
};
use kefu_simulators::{Handle, Settings, plain};
use kefu_test_support::http::Client;
use serde_json::{Value, json};

use crate::{Book, EDITIONS};

#[tokio::test]
async fn a_vendor_written_from_the_document_understands_every_request_and_is_understood()
-> Result<()> {
    let (edition, page) = EDITIONS[0];
    let mut vendor = Vendor::start(Book::read(edition, page)).await?;
    vendor.ask("8.1", 0).await?;
    vendor.ask("8.2", 0).await?;
    vendor.ask("3.1", 0).await?;
    vendor.ask("8.5", 0).await?;
    vendor.ask("8.12", 0).await?;
    vendor.ask("8.11", 0).await?;
    vendor.ask("8.10", 0).await?;
    let queued = vendor.ask("8.3", 0).await?;
    ensure!(queued["data"]["result"] == "queued", "{queued}");
    vendor.ask("8.4", 0).await?;
    let cancelled = vendor.ask("8.4", 2).await?;
    ensure!(cancelled["data"]["mode"] == "robot", "{cancelled}");
    vendor.ask_again("8.3").await?;
    vendor.act(&json!({"action": "no_agent"})).await?;
    let left = vendor.ask("8.6", 0).await?;
    ensure!(left["data"]["ticket_id"].is_string(), "{left}");
    vendor.ask_again("8.3").await?;
    vendor
        .act(&json!({"action": "queue", "position": 1}))
        .await?;
    vendor.act(&json!({"action": "accept"})).await?;
    for action in [
        json!({"action": "say", "text": "您好"}),
        json!({"action": "recall"}),
        json!({"action": "image", "url": "https://v.example.com/a.png"}),
        json!({"action": "custom", "name": "product", "payload": {"sku": "A-1"}, "fallback_text": "商品"}),
        json!({"action": "typing"}),
        json!({"action": "transfer", "agent": "1002"}),
        json!({"action": "capabilities"}),
        json!({"action": "invite"}),
    ] {
        vendor.act(&action).await?;
    }
    vendor.ask("8.13", 0).await?;
    vendor.ask("8.13", 1).await?;
    vendor.ask("8.9", 0).await?;
    let rated = vendor.ask("8.7", 0).await?;
    ensure!(rated["data"]["result"] == "ok", "{rated}");
    let left = vendor.ask("8.8", 0).await?;
    ensure!(left["data"]["ended"] == false, "{left}");
    vendor.act(&json!({"action": "end"})).await?;
    for event in [
        "message",
        "message.recalled",
        "queue.update",
        "session.mode",
        "session.transferred",
        "capabilities.changed",
        "evaluate.invite",
        "session.ended",
    ] {
        ensure!(
            vendor.told.contains(event),
            "no {event} among {:?}",
            vendor.told
        );
    }
    vendor.all_asked()
}

/// The simulator, and the gateway's adapter in front of it.
struct Vendor {
    _handle: Handle,
    url: String,
    http: Client,
    book: Book,
    keys: Keys,
    session: Option<String>,
    adapter: Harness<PlainAdapter>,
    /// Operations that the vendor has carried out.
    asked: BTreeSet<String>,
    /// Events that the adapter has understood.
    told: BTreeSet<String>,
    /// How far the vendor's events were heard.
    heard: u64,
}

impl Vendor {
    async fn start(book: Book) -> Result<Self> {
        let config = plain::Config {
            secrets: vec![SECRET.to_owned()],
            account: "acme/shop".to_owned(),
            callback: None,
            settings: Settings::default(),
        };
        let handle = plain::start(([127, 0, 0, 1], 0).into(), config).await?;
        let settings = json!({"base_url": handle.url, "secret": SECRET, "account": "acme/shop"});
        let mut adapter = Harness::open(settings).expect("the settings are right");
        adapter.view.conversation = "v-7f3a".into();
        Ok(Self {
            url: handle.url.clone(),
            _handle: handle,
            http: Client::new(),
            book,
            keys: Keys::parse(&[Secret::from(SECRET)]).expect("the secret is well formed"),
            session: None,
            adapter,
            asked: BTreeSet::new(),
            told: BTreeSet::new(),
            heard: 0,
        })
    }

    /// Sends an example twice, as a lost answer would make the gateway do.
    async fn ask(&mut self, section: &str, place: usize) -> Result<Value> {
        let example = self.book.examples[&(section.to_owned(), place)][0].clone();
        let first = self.send(&example).await?;
        let again = self.send(&example).await?;
        ensure!(first == again, "{section}: {first} and then {again}");
        Ok(first)
    }

    /// The same wish once more, as a request of its own.
    async fn ask_again(&mut self, section: &str) -> Result<Value> {
        let mut example = self.book.examples[&(section.to_owned(), 0)][0].clone();
        example["id"] = json!(format!("again-{}", self.asked.len()));
        self.asked.insert(example["id"].to_string());
        self.send(&example).await
    }

    async fn send(&mut self, example: &Value) -> Result<Value> {
        let mut body = example.clone();
        if let (Some(session), true) = (&self.session, body["session_id"].is_string()) {
            body["session_id"] = json!(session);
        }
        let op = body["op"].as_str().context("an operation")?.to_owned();
        let id = body["id"].as_str().context("an id")?.to_owned();
        let bytes = body.to_string().into_bytes();
        let now = kefu_test_support::token::now();
        let now = i64::try_from(now).context("a time")?;
        let answer = self
            .http
            .post(format!("{}/sdp/v1/{op}", self.url))
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", self.keys.sign(&id, now, &bytes))
            .body("application/json", bytes)
            .send()
            .await?;
        let reply = answer.expect(200)?.json()?;
        ensure!(reply["code"] == 0, "{op}: {reply}");
        if let Some(session) = reply["data"]["session_id"].as_str() {
            self.session = Some(session.to_owned());
        }
        self.asked.insert(op.clone());
        // The call's name is the adapter's own, and says what it was for.
        self.adapter.answered(format!("{op}:1"), 200, &reply);
        ensure!(
            self.adapter.notes.is_empty(),
            "{reply}: {:?}",
            self.adapter.notes
        );
        Ok(reply)
    }

    /// Somebody at the vendor does something, which the vendor tells.
    async fn act(&mut self, action: &Value) -> Result<()> {
        let url = format!("{}/control/visitors/v-7f3a/agent", self.url);
        self.http.post(url).json(action).send().await?.expect(200)?;
        self.hear().await.with_context(|| format!("after {action}"))
    }

    /// Gives the vendor's new events to the adapter; there is at least one.
    async fn hear(&mut self) -> Result<()> {
        let page = "count=1&wait_ms=10000&limit=1000";
        let url = format!("{}/control/pushes?after={}&{page}", self.url, self.heard);
        let answer = self.http.get(url).send().await?.expect(200)?.json()?;
        let pushes = answer["entries"].as_array().context("a list")?;
        ensure!(!pushes.is_empty(), "the vendor told nothing");
        for push in pushes {
            self.heard = push["seq"].as_u64().context("a number")?;
            let body = &push["body"];
            let id = body["id"].as_str().context("an id")?;
            let now = self.adapter.view.now;
            let bytes = body.to_string().into_bytes();
            let callback = signed(id, bytes, now, now.unix_seconds(), SECRET);
            let receipt = self.adapter.receive(&callback);
            let receipt = receipt.map_err(|refused| anyhow::anyhow!("{body}: {refused:?}"))?;
            ensure!(!receipt.events.is_empty(), "{body} was ignored");
            for received in receipt.events {
                self.adapter.told(received.event);
            }
            ensure!(
                self.adapter.notes.is_empty(),
                "{body}: {:?}",
                self.adapter.notes
            );
            self.told
                .insert(body["event"].as_str().context("a name")?.to_owned());
        }
        Ok(())
    }

    /// Every operation of the document was sent.
    fn all_asked(&self) -> Result<()> {
        for example in self.book.examples.values().flatten() {
            if let Some(op) = example["op"].as_str() {
                ensure!(self.asked.contains(op), "nobody asked for {op}");
            }
        }
        Ok(())
    }
}
