//! The whole capability table: every row at every vendor, through the gateway
//! and real adapters, against the vendors' simulators.
//!
//! Owns the playing. What is played and what must come of it is data, in
//! [`table`]; how a row is played, and what it looks at on both ends, is in the
//! modules of the acts. An act says what it saw in a few words, and fails where
//! the two ends contradict each other: so a cell of the table is what an app is
//! told, what the vendor was told, and that the two agree.
//!
//! One stage for all rows. Rows that need the vendors to behave alike are
//! played side by side; what a vendor's settings decide is changed in between.

mod desk;
mod exits;
mod leave_message;
mod opening;
mod profile;
mod rating;
mod sending;
mod table;

use anyhow::{Context, Result};
use futures_util::stream::{self, StreamExt};
use kefu_test_support::config::Config;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::json;

use table::{Act, ROWS, Row, When};

#[tokio::test]
async fn every_row_of_the_capability_table_holds_at_every_vendor() -> Result<()> {
    let stage = Stage::of_with(&Vendor::ALL, |config| {
        let config = config.with_provider("zhichi", "settings.ask_groups = true");
        let config = beside(
            config,
            Vendor::Zhichi,
            HUMAN_FIRST,
            "reception = \"human_first\"",
        );
        let config = beside(
            config,
            Vendor::Qiyu,
            HUMAN_FIRST,
            "reception = \"human_first\"",
        );
        beside(
            config,
            Vendor::Zhichi,
            A_MINUTE,
            "evaluation_after_seconds = 60",
        )
    })
    .await?;
    for vendor in Vendor::ALL {
        stage.simulators.set(vendor, &many_places()).await?;
    }
    let mut wrong = Vec::new();
    for when in When::ALL {
        for vendor in Vendor::ALL {
            stage.simulators.set(vendor, &when.settings()).await?;
        }
        wrong.extend(played(&stage, when).await);
    }
    assert!(
        wrong.is_empty(),
        "{} cells differ:{}",
        wrong.len(),
        wrong.concat()
    );
    Ok(())
}

#[test]
fn no_two_rows_have_one_name_and_each_says_something_somewhere() {
    let mut names: Vec<(When, &str)> = ROWS.iter().map(|row| (row.when, row.name)).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    for row in ROWS {
        assert!(row.at.iter().all(|cell| !cell.is_empty()), "{}", row.name);
    }
}

/// Plays the rows of one time; a line for every cell that is not as the table
/// has it.
async fn played(stage: &Stage, when: When) -> Vec<String> {
    let rows = ROWS.iter().filter(|row| row.when == when);
    let cells = rows.flat_map(|row| Vendor::ALL.into_iter().zip(row.at).map(move |it| (row, it)));
    let played = stream::iter(cells).map(|(row, (vendor, expected))| async move {
        let seen = play(stage, vendor, row).await;
        match seen.with_context(|| format!("{} at {}", row.name, vendor.name())) {
            Ok(seen) if seen == expected => None,
            Ok(seen) => Some(format!(
                "\n  {when:?}: {} at {}: expected {expected:?}, saw {seen:?}",
                row.name,
                vendor.name()
            )),
            Err(error) => Some(format!("\n  {when:?}: {error:#}")),
        }
    });
    played
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await
}

/// Plays one cell and says what was seen.
async fn play(stage: &Stage, vendor: Vendor, row: &Row) -> Result<String> {
    match row.act {
        Act::Answers => opening::who_answers(stage, vendor).await,
        Act::HumanFirst => opening::human_first(stage, vendor).await,
        Act::RobotWelcome => opening::robot_welcome(stage, vendor).await,
        Act::HumanWelcome => opening::human_welcome(stage, vendor).await,
        Act::HandOver => opening::hand_over(stage, vendor).await,
        Act::Keyword => opening::keyword(stage, vendor).await,
        Act::NoWayBack => opening::no_way_back(stage, vendor).await,
        Act::Groups => opening::groups(stage, vendor).await,
        Act::ChosenGroup => opening::chosen_group(stage, vendor).await,
        Act::Place => opening::place(stage, vendor).await,
        Act::NobodyThere => opening::nobody_there(stage, vendor).await,
        Act::Blocked => opening::blocked(stage, vendor).await,
        Act::ToRobot(sample) => sending::to_robot(stage, vendor, sample).await,
        Act::ToAgent(sample) => sending::to_agent(stage, vendor, sample).await,
        Act::ToNobody(state) => sending::to_nobody(stage, vendor, state).await,
        Act::FromAgent(action) => desk::says(stage, vendor, action).await,
        Act::Recall => desk::recalls(stage, vendor).await,
        Act::Transfer => desk::transfers(stage, vendor).await,
        Act::Typing => desk::types(stage, vendor).await,
        Act::EndsFor(reason) => desk::ends_for(stage, vendor, reason).await,
        Act::LeaveMessage(state) => leave_message::play(stage, vendor, state).await,
        Act::RateRobot => rating::robot(stage, vendor).await,
        Act::RateUnasked => rating::unasked(stage, vendor).await,
        Act::RateInvited => rating::invited(stage, vendor).await,
        Act::Decline => rating::declined(stage, vendor).await,
        Act::RateAtEnd { rate } => rating::at_end(stage, vendor, rate).await,
        Act::LeaveAgent => rating::leaving_an_agent(stage, vendor).await,
        Act::LeaveRobot { early } => rating::leaving_the_robot(stage, vendor, early).await,
        Act::Exit => exits::play(stage, vendor).await,
        Act::Profile => profile::told(stage, vendor).await,
    }
}

/// Adds an account of a vendor's with other settings, and a desk of its own.
fn beside(config: Config, vendor: Vendor, kind: &str, setting: &str) -> Config {
    let name = desk_of(vendor, kind);
    let usual = config.provider_text(vendor.name());
    config
        .with_provider(&name, &usual)
        .with_provider(&name, &format!("id = \"{name}\"\nsettings.{setting}"))
        .with_desk(&name, &format!("routes = [{{ provider = \"{name}\" }}]"))
}

/// The desk of an account with other settings.
fn desk_of(vendor: Vendor, kind: &str) -> String {
    format!("{}-{kind}", vendor.name())
}

/// Accounts that ask an agent first; at other vendors the vendor decides.
const HUMAN_FIRST: &str = "human-first";

/// Accounts that ask for a rating after a minute, as they do by default.
const A_MINUTE: &str = "a-minute";

/// How many cells are played at the same time.
const AT_ONCE: usize = 16;

/// Agents with a place for everybody who comes in this test.
fn many_places() -> serde_json::Value {
    let agent = |id: &str, name: &str| json!({ "id": id, "name": name, "capacity": 10_000 });
    json!({ "human": { "agents": [agent("1001", "客服一号"), agent("1002", "客服二号")] } })
}
