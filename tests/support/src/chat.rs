//! One visitor's session at one vendor, seen from both ends.
//!
//! Owns the pair of names: the session at the gateway, and whom the vendor
//! takes the visitor for. The latter is found by the visitor's name, which every
//! vendor is told, so that no test needs to know how the gateway makes it. 爱客服
//! is told with the first message: before it, nothing can be aimed at a visitor.

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};

use crate::events::{Accepted, Event, check_gap_free};
use crate::http::{Response, escape};
use crate::simulators::{Simulators, Vendor};
use crate::visitor::Visitor;
use crate::wait;

/// A session under test.
pub struct Chat<'a> {
    /// Who it is.
    pub visitor: Visitor,
    /// At which vendor.
    pub vendor: Vendor,
    session: String,
    simulators: &'a Simulators,
}

impl<'a> Chat<'a> {
    /// Opens a session at a desk that this vendor serves, and waits for the
    /// handshake.
    pub async fn open(
        simulators: &'a Simulators,
        visitor: Visitor,
        vendor: Vendor,
        desk: &str,
    ) -> Result<Self> {
        let body = json!({ "desk": desk, "visitor": { "name": visitor.id() } });
        let opened = visitor.open_and_wait(&body).await?;
        Self::of(simulators, visitor, vendor, &opened)
    }

    /// The session that an answer of the gateway describes.
    pub fn of(
        simulators: &'a Simulators,
        visitor: Visitor,
        vendor: Vendor,
        session: &Value,
    ) -> Result<Self> {
        let id = session["id"]
            .as_str()
            .with_context(|| format!("a session has an id: {session}"))?;
        Ok(Self {
            visitor,
            vendor,
            session: id.to_owned(),
            simulators,
        })
    }

    /// The session's id at the gateway.
    pub fn id(&self) -> &str {
        &self.session
    }

    /// The vendors among which its vendor is.
    pub fn simulators(&self) -> &Simulators {
        self.simulators
    }

    /// The session as the gateway shows it.
    pub async fn session(&self) -> Result<Value> {
        self.visitor.session(&self.session).await
    }

    /// Says a text that must be taken.
    pub async fn say(&self, text: &str) -> Result<Accepted> {
        self.visitor.send_text(&self.session, text).await
    }

    /// Sends content; the answer may be a refusal.
    pub async fn send(&self, content: &Value) -> Result<Response> {
        self.visitor.try_send(&self.session, content).await
    }

    /// Sends content that must be taken.
    pub async fn send_accepted(&self, content: &Value) -> Result<Accepted> {
        let answer = self.send(content).await?.expect(202)?;
        serde_json::from_slice(&answer.body).context("the answer to a message names its id and seq")
    }

    /// The whole log, which must be numbered without gaps.
    pub async fn log(&self) -> Result<Vec<Event>> {
        let events = self.visitor.events(&self.session, 0).await?;
        check_gap_free(&events)?;
        Ok(events)
    }

    /// What the log holds of a type, as data.
    pub async fn logged(&self, kind: &str) -> Result<Vec<Value>> {
        let events = self.log().await?.into_iter();
        Ok(events
            .filter(|event| event.kind == kind)
            .map(|event| event.data)
            .collect())
    }

    /// The texts that others than the visitor said, in order.
    pub async fn heard(&self) -> Result<Vec<String>> {
        let log = self.log().await?;
        let heard = log
            .iter()
            .filter(|event| event.from_kind().is_some_and(|kind| kind != "visitor"));
        Ok(heard.filter_map(Event::text).map(str::to_owned).collect())
    }

    /// Waits for an event.
    pub async fn wait_for(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Result<Event> {
        self.visitor.wait_for(&self.session, what, is_it).await
    }

    /// Waits for an event of this type.
    pub async fn wait_for_type(&self, kind: &str) -> Result<Event> {
        self.wait_for(kind, |event| event.kind == kind).await
    }

    /// Waits until somebody else than the visitor has said this text.
    pub async fn wait_for_text(&self, text: &str) -> Result<Event> {
        let is_it =
            |event: &Event| event.text() == Some(text) && event.from_kind() != Some("visitor");
        self.wait_for(&format!("the text {text:?}"), is_it).await
    }

    /// Waits until the session is in this state.
    pub async fn wait_for_state(&self, state: &str) -> Result<Value> {
        self.visitor.wait_for_state(&self.session, state).await
    }

    /// Waits until the fate of a message is known, and returns it.
    pub async fn fate(&self, message: &str) -> Result<Value> {
        let is_it =
            |event: &Event| event.kind == "message.status" && event.data["message"] == message;
        Ok(self
            .wait_for(&format!("the fate of {message}"), is_it)
            .await?
            .data)
    }

    /// Every status that was logged of a message, in order.
    pub async fn statuses(&self, message: &str) -> Result<Vec<String>> {
        let all = self.logged("message.status").await?.into_iter();
        let of_it = all.filter(|data| data["message"] == message);
        Ok(of_it
            .filter_map(|data| data["status"].as_str().map(str::to_owned))
            .collect())
    }

    /// Asks for a human and has an agent accept, greeting included. At 爱客服,
    /// where nobody can be asked for, the visitor says [`HELLO`].
    pub async fn reach_agent(&self) -> Result<()> {
        if self.vendor == Vendor::Aikefu {
            self.say(HELLO).await?;
        } else {
            self.visitor
                .ask_for_human(&self.session, None)
                .await?
                .expect(202)?;
            self.wait_for_state("queued").await?;
            self.agent(&json!({ "action": "accept" })).await?;
        }
        self.wait_for_state("human").await?;
        self.wait_for("the agent's greeting", |event| {
            event.from_kind() == Some("agent")
        })
        .await?;
        Ok(())
    }

    /// What an agent does; it must be possible.
    pub async fn agent(&self, action: &Value) -> Result<Value> {
        let path = format!(
            "/control/visitors/{}/agent",
            escape(&self.name_at_vendor().await?)
        );
        let request = self.simulators.request(self.vendor, Method::POST, &path);
        request.json(action).send().await?.expect(200)?.json()
    }

    /// An agent says a text.
    pub async fn agent_says(&self, text: &str) -> Result<Value> {
        self.agent(&json!({ "action": "say", "text": text })).await
    }

    /// Whom the vendor takes the visitor for: its own name of the
    /// conversation. Waits until the vendor has heard of the visitor.
    pub async fn name_at_vendor(&self) -> Result<String> {
        let name = self.visitor.id();
        let find = |answer: &Value| {
            let known = answer["visitors"].as_array()?.iter();
            let named = |it: &&Value| *self.vendor.name_of_visitor(&it["profile"]) == name;
            known
                .filter(named)
                .find_map(|it| it["id"].as_str().map(str::to_owned))
        };
        let what = format!("the vendor to know {name}");
        self.simulators
            .wait_for(self.vendor, "/control/visitors?brief=true", &what, find)
            .await
    }

    /// The visitor as the vendor sees it.
    pub async fn at_vendor(&self) -> Result<Value> {
        let path = format!(
            "/control/visitors/{}",
            escape(&self.name_at_vendor().await?)
        );
        self.simulators
            .request(self.vendor, Method::GET, &path)
            .send()
            .await?
            .expect(200)?
            .json()
    }

    /// Every call about this visitor that came to the vendor, in order.
    pub async fn calls(&self) -> Result<Vec<Value>> {
        let path = format!(
            "/control/log?visitor={}",
            escape(&self.name_at_vendor().await?)
        );
        let answer = self
            .simulators
            .request(self.vendor, Method::GET, &path)
            .send()
            .await?;
        entries(answer.expect(200)?.json()?)
    }

    /// The calls of one operation that the vendor carried out, in order.
    pub async fn carried_out(&self, operation: &str) -> Result<Vec<Value>> {
        let calls = self.calls().await?.into_iter();
        let wanted = |call: &Value| call["operation"] == operation && call["processed"] == true;
        Ok(calls.filter(wanted).collect())
    }

    /// Waits until the vendor has carried out this many calls of an operation.
    pub async fn wait_for_calls(&self, operation: &str, count: usize) -> Result<Vec<Value>> {
        wait::until(&format!("{count} calls of {operation}"), async || {
            let calls = self.carried_out(operation).await?;
            Ok((calls.len() >= count).then_some(calls))
        })
        .await
    }

    /// What the visitor said as the vendor's agent or robot heard it, in order.
    pub async fn lines_of_visitor(&self) -> Result<Vec<Value>> {
        let seen = self.at_vendor().await?;
        let lines = seen["lines"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter();
        Ok(lines
            .filter(|line| line["from"] == "visitor")
            .map(|line| line["content"].clone())
            .collect())
    }

    /// Adds a fault that hits this visitor only.
    pub async fn fault(&self, fault: &Value) -> Result<()> {
        let mut fault = fault.clone();
        fault["visitor"] = self.name_at_vendor().await?.into();
        self.simulators.fault(self.vendor, &fault).await
    }
}

/// What is said to bring somebody about, where that takes a word.
pub const HELLO: &str = "您好";

/// The entries of a simulator's log.
pub fn entries(answer: Value) -> Result<Vec<Value>> {
    let list = answer["entries"].as_array().cloned();
    list.with_context(|| format!("a log has entries: {answer}"))
}
