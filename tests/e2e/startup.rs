//! What one start takes up again, step by step.
//!
//! Owns the cases that random kills meet by chance only: each test brings the
//! gateway to one exact place, kills it there, and starts it again. Where that
//! place lasts microseconds (a callback that was answered and has had no turn
//! yet), the test writes to the store what the gateway would have written.

use std::sync::mpsc;

use anyhow::{Context, Result};
use kefu_core::session::TimerKey;
use kefu_gateway::store::sqlite::SqliteStore;
use kefu_gateway::store::{Commit, Committed, InboxEvent, Store, StoreError};
use kefu_gateway::telemetry::Metrics;
use kefu_plugin_api::prelude::*;
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

use crate::crowd::{self, Crowd, Random, Rules, VENDORS, called, heard, pass, say};

#[tokio::test]
async fn what_waited_to_be_sent_leaves_after_the_start_in_order() -> Result<()> {
    for vendor in VENDORS {
        let mut stage = Stage::start().await?;
        let chat = stage.open_with_agent(vendor).await?;
        let refuses = json!({ "kind": "status", "status": 503, "operation": vendor.saying() });
        stage.simulators.fault(vendor, &refuses).await?;
        let texts = ["一", "二", "三", "四"];
        let mut taken = Vec::new();
        for text in texts {
            taken.push(chat.say(text).await?);
        }
        called(&stage, vendor, vendor.saying(), 1).await?;
        let left = leave(&chat);

        stage.gateway.kill_9().await?;
        stage.simulators.clear_faults(vendor).await?;
        stage.gateway.restart().await?;
        let chat = left.back(&stage);
        for accepted in &taken {
            chat.fate(&accepted.id).await?;
            assert_eq!(
                chat.statuses(&accepted.id).await?,
                ["delivered"],
                "{vendor:?}: the vendor had refused it"
            );
        }
        assert_eq!(said_to_vendor(&chat).await?, texts, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_being_sent_is_unknown_at_zhichi_and_sent_again_to_jiaxin() -> Result<()> {
    for vendor in VENDORS {
        let mut stage = Stage::start().await?;
        let chat = stage.open_with_agent(vendor).await?;
        // Carried out at once, answered when nobody is there any more.
        let slow = json!({ "kind": "slow", "ms": 25_000, "operation": vendor.saying() });
        stage.simulators.fault(vendor, &slow).await?;
        let first = chat.say("一").await?;
        let second = chat.say("二").await?;
        heard(&chat, "一").await?;
        let left = leave(&chat);

        stage.gateway.kill_9().await?;
        stage.simulators.clear_faults(vendor).await?;
        stage.gateway.restart().await?;
        let chat = left.back(&stage);
        chat.fate(&second.id).await?;
        let fate = if vendor == Vendor::Zhichi {
            "unknown"
        } else {
            "delivered"
        };
        assert_eq!(chat.statuses(&first.id).await?, [fate], "{vendor:?}");
        assert_eq!(
            chat.statuses(&second.id).await?,
            ["delivered"],
            "{vendor:?}"
        );
        assert_eq!(
            said_to_vendor(&chat).await?,
            ["一", "二"],
            "{vendor:?}: nothing twice, nothing lost"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_being_opened_is_opened_after_the_start() -> Result<()> {
    for (vendor, operation) in [
        (Vendor::Zhichi, "get_robot_guide"),
        (Vendor::Jiaxin, "session.open"),
    ] {
        let mut stage = Stage::start().await?;
        stage
            .simulators
            .fault(
                vendor,
                &json!({ "kind": "status", "status": 503, "operation": operation }),
            )
            .await?;
        let visitor = stage.visitor();
        let body = json!({ "desk": vendor.name(), "visitor": { "name": visitor.id() } });
        let session = visitor.open_with(&body).await?;
        assert_eq!(session["state"], "opening", "{vendor:?}");
        let chat = Chat::of(&stage.simulators, visitor, vendor, &session)?;
        let accepted = chat.say("在吗").await?;
        called(&stage, vendor, operation, 1).await?;
        let left = leave(&chat);

        stage.gateway.kill_9().await?;
        stage.simulators.clear_faults(vendor).await?;
        stage.gateway.restart().await?;
        let chat = left.back(&stage);
        chat.wait_for_state("robot").await?;
        assert_eq!(
            chat.fate(&accepted.id).await?["status"],
            "delivered",
            "{vendor:?}"
        );
        assert_eq!(said_to_vendor(&chat).await?, ["在吗"], "{vendor:?}");
        let again = chat.visitor.try_open(&body).await?.expect(200)?;
        assert_eq!(
            again.json()?["id"],
            chat.id(),
            "{vendor:?}: it is still the one open session"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_answered_and_had_no_turn_yet_has_it_after_the_start() -> Result<()> {
    for vendor in VENDORS {
        let mut stage = Stage::start().await?;
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?.len();
        let conversation = chat.name_at_vendor().await?;
        let left = leave(&chat);
        stage.gateway.kill_9().await?;

        let said = |text: &str| InboxEvent {
            provider: vendor.name().into(),
            session: left.session["id"].as_str().unwrap_or_default().into(),
            conversation: conversation.as_str().into(),
            dedupe: None,
            received_at: Timestamp::from_unix_ms(0),
            event: ProviderEvent::Message {
                message: Incoming::new(Sender::of(SenderKind::Agent), Content::text(text))
                    .with_vendor_id(text),
            },
        };
        let data = Data::of(&stage)?;
        let numbers =
            data.write(|store, done| store.receive(vec![said("先"), said("后")], done))?;
        assert!(numbers.iter().all(Option::is_some), "{numbers:?}");
        drop(data);

        stage.gateway.restart().await?;
        let chat = left.back(&stage);
        chat.wait_for_text("后").await?;
        let heard = chat.heard().await?;
        assert!(
            heard.ends_with(&["先".to_owned(), "后".to_owned()]),
            "{vendor:?}: {heard:?}"
        );
        assert_eq!(
            chat.log().await?.len(),
            before + 2,
            "{vendor:?}: each has one turn"
        );
        // And it is over with: another start does not find it again.
        stage.gateway.restart().await?;
        let chat = left.back(&stage);
        chat.say("收到").await?;
        assert_eq!(chat.heard().await?, heard, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rating_window_that_closed_while_the_gateway_was_away_closes_at_the_start() -> Result<()>
{
    let mut stage = Stage::start().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    chat.wait_for_type("evaluation.invited").await?;
    let left = leave(&chat);
    stage.gateway.kill_9().await?;

    // As if the minutes of the window had passed.
    let data = Data::of(&stage)?;
    let session = left.session["id"].as_str().unwrap_or_default().into();
    let mut record = data.0.record(&session)?.context("the session is stored")?;
    let closes = record
        .timers
        .get_mut(&TimerKey::RatingWindow)
        .context("the window is open")?;
    *closes = Timestamp::from_unix_ms(1);
    record.version += 1;
    let commit = Commit {
        record,
        create: false,
        alone: false,
        moved: false,
        events: Vec::new(),
        ended: None,
        calls: Vec::new(),
        finished: Vec::new(),
        names: Vec::new(),
        inbox: None,
        dead: None,
        revived: None,
        pushes: None,
        answered: None,
        now: Timestamp::from_unix_ms(1),
    };
    assert_eq!(
        data.write(|store, done| store.commit(commit, done))?,
        Committed::Done
    );
    drop(data);

    stage.gateway.restart().await?;
    let chat = left.back(&stage);
    let ended = chat.wait_for_type("session.ended").await?;
    assert_eq!(ended.data["reason"], "visitor");
    chat.wait_for_calls("out", 1).await?;
    assert_eq!(chat.carried_out("comment").await?.len(), 0, "nobody rated");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_left_memory_are_read_back_with_nothing_lost() -> Result<()> {
    let mut random = Random::seeded()?;
    // One for each shard of the memory: most turns find their session gone.
    let stage = crowd::stage(|config| config.with("store.session_cache = 1")).await?;
    let chatting = Crowd::gather(&stage, 64, &mut random).await?;
    let chatting = chatting.chat(Rules {
        pause_ms: 500,
        gateway_goes: false,
    });
    pass(std::time::Duration::from_secs(3)).await;
    let figures = chatting
        .finish(&stage, std::time::Duration::from_secs(60))
        .await?;
    say(&figures.to_string());
    assert_eq!(figures.unknown, 0);
    Ok(())
}

async fn said_to_vendor(chat: &Chat<'_>) -> Result<Vec<String>> {
    let lines = chat.lines_of_visitor().await?;
    Ok(lines
        .iter()
        .filter_map(|content| content["text"].as_str().map(str::to_owned))
        .collect())
}

/// What is needed to go on with a chat: a [`Chat`] itself holds on to the stage.
struct Left {
    visitor: kefu_test_support::visitor::Visitor,
    vendor: Vendor,
    session: Value,
}

fn leave(chat: &Chat<'_>) -> Left {
    Left {
        visitor: chat.visitor.clone(),
        vendor: chat.vendor,
        session: json!({ "id": chat.id() }),
    }
}

impl Left {
    fn back<'a>(&self, stage: &'a Stage) -> Chat<'a> {
        Chat::of(
            &stage.simulators,
            self.visitor.clone(),
            self.vendor,
            &self.session,
        )
        .expect("it has an id")
    }
}

/// The store of a gateway that does not run.
struct Data(SqliteStore);

impl Data {
    fn of(stage: &Stage) -> Result<Self> {
        let path = stage.gateway.dir().join("data").join("kefu.db");
        Ok(Self(SqliteStore::open(&path, Metrics::new())?))
    }

    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&SqliteStore, Box<dyn FnOnce(Result<T, StoreError>) + Send>),
    ) -> Result<T> {
        let (tell, told) = mpsc::channel();
        write(&self.0, Box::new(move |result| drop(tell.send(result))));
        Ok(told.recv().context("the store tells how a write ended")??)
    }
}
