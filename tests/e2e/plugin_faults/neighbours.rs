//! Visitors of another provider, while one misbehaves.
//!
//! Owns what they may expect: every line is taken and delivered, however the
//! provider beside theirs behaves. They say the next line when the last one was
//! delivered, so that a line that is late delays and never hides.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kefu_test_support::events::check_gap_free;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::traffic::verdict::Latency;
use kefu_test_support::visitor::Visitor;
use serde_json::json;

/// What the neighbours said while something else was going on.
pub(super) struct Said(Vec<Line>);

/// One line that was taken and delivered.
struct Line {
    began: Instant,
    took: Duration,
}

/// Does the work while three visitors talk at this desk.
///
/// # Errors
/// What the work says, or the first line of a neighbour that was refused, lost
/// or not delivered.
pub(super) async fn beside<T>(
    gateway: &Gateway,
    desk: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Said)> {
    let open = async |name: &str| {
        let visitor = gateway.visitor(name);
        let opened = visitor.open_and_wait(&json!({ "desk": desk })).await?;
        let session = opened["id"].as_str().context("a session has an id")?;
        anyhow::Ok((visitor, session.to_owned()))
    };
    let (first, second) = (open("neighbour-1").await?, open("neighbour-2").await?);
    let third = open("neighbour-3").await?;
    let over = Cell::new(false);
    let work = async {
        let done = work.await;
        over.set(true);
        done
    };
    let (done, first, second, third) = tokio::join!(
        work,
        talk(&first, &over),
        talk(&second, &over),
        talk(&third, &over)
    );
    let done = done?;
    let mut all = Vec::new();
    for said in [first, second, third] {
        let said = said.context("a neighbour was hurt")?;
        ensure!(!said.is_empty(), "a neighbour said nothing");
        all.extend(said);
    }
    Ok((done, Said(all)))
}

impl Said {
    /// How many lines there were.
    pub(super) fn lines(&self) -> usize {
        self.0.len()
    }

    /// How long those lines took to be taken that began at a moment that
    /// counts.
    pub(super) fn when(&self, counts: impl Fn(Instant) -> bool) -> Latency {
        let counted = self.0.iter().filter(|line| counts(line.began));
        Latency::of(counted.map(|line| line.took).collect())
    }
}

async fn talk((visitor, session): &(Visitor, String), over: &Cell<bool>) -> Result<Vec<Line>> {
    let mut said = Vec::new();
    while !over.get() {
        let text = format!("line {}", said.len() + 1);
        let began = Instant::now();
        let accepted = visitor.send_text(session, &text).await?;
        let took = began.elapsed();
        let fate = visitor
            .wait_for_after(session, accepted.seq, "the fate of a line", |event| {
                event.kind == "message.status" && event.data["message"] == accepted.id.as_str()
            })
            .await?;
        ensure!(
            fate.data["status"] == "delivered",
            "{text}: {:?}",
            fate.data
        );
        said.push(Line { began, took });
    }
    check_gap_free(&visitor.events(session, 0).await?)?;
    Ok(said)
}
