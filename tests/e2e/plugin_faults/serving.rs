//! Adapters that misbehave while they serve, beside a vendor whose visitors
//! notice nothing.
//!
//! Owns the round: every misbehaviour once, each by a provider of its own, from
//! a visitor and from a callback, and proof afterwards that the same provider
//! serves again. The quick form goes round three times; the long one counts
//! times too.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kefu_test_support::config::Config;
use kefu_test_support::http::{Client, Response};
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::stage::Stage;
use kefu_test_support::traffic::verdict::Latency;
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use serde_json::{Value, json};

use super::behaviours::{self, Behaviour, Outcome};
use super::neighbours::{Said, beside};
use crate::crowd::{pass, rounds, say};

#[tokio::test]
async fn in_process_misbehaviour_costs_its_turn_and_no_other_vendor() -> Result<()> {
    let table = Table::set_up("in-process").await?;
    table.quick().await
}

#[tokio::test]
async fn in_a_child_misbehaviour_costs_its_turn_at_most_a_process_and_no_other_vendor() -> Result<()>
{
    let table = Table::set_up("process").await?;
    table.quick().await
}

/// A hundred rounds, or as many as `KEFU_SOAK_FAULTS` says.
#[tokio::test]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_misbehaviour_in_process() -> Result<()> {
    soak("in-process").await
}

/// The same where the adapters have processes of their own.
#[tokio::test]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_misbehaviour_in_a_child() -> Result<()> {
    soak("process").await
}

/// A process that ends at every fifth turn: visitors see nothing of it, because
/// the turn is repeated in the next one.
#[tokio::test]
async fn a_process_that_wears_out_is_replaced_and_no_visitor_notices() -> Result<()> {
    let more = "settings.wears_out = 5";
    let seat = Seat::of(0, ("hello", Outcome::Answers("hello")));
    let table = Table::with("process", vec![seat], more).await?;
    let seat = &table.seats[0];
    let visitor = table.stage.visitor();
    let session = open(&visitor, &seat.name).await?;
    for number in 1..=20 {
        let line = format!("line {number}");
        visitor.send_text(&session, &line).await?;
    }
    visitor
        .wait_for(&session, "the last echo", |event| {
            event.from_kind() == Some("robot") && event.text() == Some("line 20")
        })
        .await?;
    let events = visitor.events(&session, 0).await?;
    let echoes = events
        .iter()
        .filter(|event| event.from_kind() == Some("robot"));
    let expected: Vec<String> = (1..=20).map(|number| format!("line {number}")).collect();
    let echoes: Vec<&str> = echoes.filter_map(|event| event.text()).collect();
    assert_eq!(echoes, expected);
    let status = table.status(seat).await?;
    let restarts = status["process"]["restarts"].as_u64();
    ensure!(restarts >= Some(3), "{status}");
    ensure!(status["faults"] == 0, "{status}");
    Ok(())
}

async fn soak(isolation: &'static str) -> Result<()> {
    let table = Table::set_up(isolation).await?;
    let count = rounds("KEFU_SOAK_FAULTS", 100)?;
    let mut spans = Vec::new();
    let mut took = Vec::new();
    let work = async {
        for _ in 0..count {
            let began = Instant::now();
            took.extend(table.round().await?);
            let over = Instant::now();
            // As long again with the same requests, all of them harmless: only
            // the misbehaviour makes a difference.
            table.harmless_round().await?;
            pass((over - began).saturating_sub(over.elapsed())).await;
            spans.push(began..over);
        }
        Ok(())
    };
    let ((), said) = beside(&table.stage.gateway, "zhichi", work).await?;
    let misbehaving = |at: Instant| spans.iter().any(|span| span.contains(&at));
    let with = said.when(misbehaving);
    let without = said.when(|at| !misbehaving(at));
    say(&format!(
        "{count} rounds of misbehaviour, {isolation}\n  {}\n  neighbours with: {with}\n  neighbours without: {without}\n  restarts: {}",
        lines(&said),
        Latency::of(took.clone()),
    ));
    let (with, without) = (with.quantile(0.99), without.quantile(0.99));
    ensure!(
        with <= without.mul_f64(1.1),
        "p99 of the neighbours went from {without:?} to {with:?}"
    );
    let restarts = Latency::of(took).quantile(0.99);
    ensure!(
        restarts <= Duration::from_millis(100),
        "p99 of a restart was {restarts:?}"
    );
    Ok(())
}

/// A gateway with a provider for each behaviour, and both vendors.
struct Table {
    stage: Stage,
    seats: Vec<Seat>,
    isolation: &'static str,
}

/// One provider and what it is asked for.
struct Seat {
    name: String,
    asked: &'static str,
    outcome: Outcome,
}

impl Seat {
    fn of(number: usize, (asked, outcome): Behaviour) -> Self {
        Self {
            name: format!("chaos-{number}"),
            asked,
            outcome,
        }
    }
}

impl Table {
    async fn set_up(isolation: &'static str) -> Result<Self> {
        let seats = behaviours::of(isolation).into_iter().enumerate();
        let seats = seats.map(|(number, behaviour)| Seat::of(number, behaviour));
        Self::with(isolation, seats.collect(), "").await
    }

    async fn with(isolation: &'static str, seats: Vec<Seat>, more: &str) -> Result<Self> {
        let chaos = plugins::bytes(CHAOS)?;
        let provider = format!("plugin = \"{CHAOS}\"\nisolation = \"{isolation}\"\n{more}");
        let seated = |config: Config| {
            let config = config
                .with("limits.call_timeout = \"1s\"")
                .with_raw_file(&format!("adapters/{CHAOS}"), chaos);
            seats.iter().fold(config, |config, Seat { name, .. }| {
                let desk = format!("routes = [{{ provider = \"{name}\" }}]");
                config.with_provider(name, &provider).with_desk(name, &desk)
            })
        };
        let stage = Stage::with(seated).await?;
        Ok(Self {
            stage,
            seats,
            isolation,
        })
    }

    async fn quick(mut self) -> Result<()> {
        let mut took = Vec::new();
        let work = async {
            for _ in 0..3 {
                took.extend(self.round().await?);
            }
            Ok(())
        };
        let ((), said) = beside(&self.stage.gateway, "zhichi", work).await?;
        say(&format!("{}: {}", self.isolation, lines(&said)));
        if self.isolation == "process" {
            say(&format!("restarts: {}", Latency::of(took)));
        }
        ensure!(self.stage.gateway.is_running());
        Ok(())
    }

    /// Every misbehaviour once; how long the restarts took.
    async fn round(&self) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        for seat in &self.seats {
            let restarts = self.misbehave(seat).await;
            took.extend(restarts.with_context(|| format!("{} ({})", seat.asked, self.isolation))?);
        }
        Ok(took)
    }

    /// The same requests without any misbehaviour.
    async fn harmless_round(&self) -> Result<()> {
        for seat in &self.seats {
            let visitor = self.stage.gateway.visitor("who-asks");
            let session = open(&visitor, &seat.name).await?;
            self.status(seat).await?;
            serves_again(&visitor, &session).await?;
            serves_again(&visitor, &session).await?;
            self.status(seat).await?;
        }
        Ok(())
    }

    async fn misbehave(&self, seat: &Seat) -> Result<Option<Duration>> {
        // Always the same visitor: a provider is not quarantined for what one
        // session brings about.
        let visitor = self.stage.gateway.visitor("who-asks");
        let session = open(&visitor, &seat.name).await?;
        let before = self.status(seat).await?;
        let line = json!({ "type": "text", "text": seat.asked });
        let answer = visitor.try_send(&session, &line).await?;
        let faults = |kind: &str, status: &Value| status["faults_by_kind"][kind].as_u64();
        let kind = match seat.outcome {
            Outcome::Answers(words) => {
                let accepted = answer.expect(202)?.json()?;
                let seq = accepted["seq"].as_u64().context("a line has a place")?;
                hear(&visitor, &session, seq, words).await?;
                None
            }
            Outcome::Faults(kind) | Outcome::Ends(kind, _) => {
                answer.expect_problem(503, "provider-unavailable")?;
                Some(kind)
            }
        };
        serves_again(&visitor, &session).await?;
        let after = self.status(seat).await?;
        if let Some(kind) = kind {
            let mut kinds = kind.split('|');
            let more = kinds.any(|kind| faults(kind, &before) < faults(kind, &after));
            ensure!(more, "no fault {kind} but {}", after["last_error"]);
        }
        let restarts = |status: &Value| status["process"]["restarts"].as_u64();
        let Outcome::Ends(_, words) = seat.outcome else {
            ensure!(restarts(&before) == restarts(&after), "{after}");
            return Ok(None);
        };
        ensure!(restarts(&before) < restarts(&after), "{after}");
        let process = &after["process"];
        ensure!(process["pid"] != before["process"]["pid"], "{after}");
        let death = process["last_death"].as_str().unwrap_or_default();
        ensure!(
            words.split('|').any(|words| death.contains(words)),
            "{death}"
        );
        let took = process["last_restart_ms"].as_u64();
        Ok(took.map(Duration::from_millis))
    }

    /// The provider as operators see it.
    async fn status(&self, seat: &Seat) -> Result<Value> {
        let found = self.stage.gateway.find_provider(&seat.name).await?;
        found.with_context(|| format!("{} is listed", seat.name))
    }

    async fn call_back(&self, seat: &Seat, body: &str) -> Result<Response> {
        let url = format!("{}/v1/callbacks/{}", self.stage.gateway.public(), seat.name);
        let callback = Client::new().post(&url).header("x-key", "chaos");
        callback.body("text/plain", body.to_owned()).send().await
    }
}

#[tokio::test]
async fn a_callback_costs_what_a_message_costs() -> Result<()> {
    for isolation in ["in-process", "process"] {
        let mut table = Table::set_up(isolation).await?;
        // What only makes sense in a session's turn.
        let of_a_turn = [
            "error", "vendor", "illegal", "stray", "newer", "effects", "state",
        ];
        let is_of_a_turn =
            |seat: &Seat| of_a_turn.contains(&seat.asked.split(' ').next().unwrap_or_default());
        table.seats.retain(|seat| !is_of_a_turn(seat));
        for seat in &table.seats {
            let answer = table.call_back(seat, seat.asked).await?;
            let told = format!("{} ({isolation})", seat.asked);
            match seat.outcome {
                Outcome::Answers(_) => answer.expect(200).map(drop),
                Outcome::Faults(_) | Outcome::Ends(..) => {
                    answer.expect_problem(503, "provider-unavailable").map(drop)
                }
            }
            .context(told.clone())?;
            let harmless = "{\"chat\":\"nobody\",\"id\":\"1\",\"text\":\"hi\"}";
            wait::until("a callback to be taken again", async || {
                let answer = table.call_back(seat, harmless).await?;
                Ok((answer.status == 200).then_some(()))
            })
            .await
            .context(told)?;
        }
        ensure!(table.stage.gateway.is_running());
    }
    Ok(())
}

/// The visitor's session at this desk, a new one or the one there is.
async fn open(visitor: &Visitor, desk: &str) -> Result<String> {
    let session = visitor.open(desk).await?;
    let id = session["id"].as_str().context("a session has an id")?;
    Ok(id.to_owned())
}

/// Waits until the provider takes a line again and echoes it.
async fn serves_again(visitor: &Visitor, session: &str) -> Result<()> {
    let accepted = wait::until("a line to be taken again", async || {
        let line = json!({ "type": "text", "text": "hello" });
        let answer = visitor.try_send(session, &line).await?;
        ensure!(answer.status == 202, "{}", answer.text());
        Ok(Some(answer.json()?))
    })
    .await?;
    let seq = accepted["seq"].as_u64().context("a line has a place")?;
    hear(visitor, session, seq, "hello").await
}

async fn hear(visitor: &Visitor, session: &str, after: u64, words: &str) -> Result<()> {
    let said = |text: Option<&str>| text.is_some_and(|text| text.starts_with(words));
    visitor
        .wait_for_after(session, after, "the robot's answer", |event| {
            event.from_kind() == Some("robot") && said(event.text())
        })
        .await?;
    Ok(())
}

fn lines(said: &Said) -> String {
    format!("{} lines of neighbours, none refused or lost", said.lines())
}
