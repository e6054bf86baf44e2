//! Ratings: of whom, asked for by whom, in which form, and not at all.

use anyhow::{Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

use super::opening::text;
use super::{A_MINUTE, desk_of};

pub(super) async fn robot(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open(vendor).await?;
    chat.say("怎么开发票？").await?;
    let answered = |event: &kefu_test_support::events::Event| {
        event.text().is_some_and(|it| it.contains("申请开票")) || event.from_kind() == Some("agent")
    };
    chat.wait_for("an answer", answered).await?;
    let session = chat.session().await?;
    let rules = &session["capabilities"]["evaluation"];
    let promised = rules["robot"] == "yes_no";
    let stars = json!({ "target": "robot", "stars": 5 });
    let answer = chat.visitor.evaluate(chat.id(), &stars).await?;
    ensure!(answer.status != 202, "the robot was given stars");
    let rating = json!({ "target": "robot", "resolved": false });
    let answer = chat.visitor.evaluate(chat.id(), &rating).await?;
    if answer.status == 409 {
        answer.expect_problem(409, "not-invited")?;
        ensure!(!promised, "promised, and refused");
        ensure!(ratings(&chat).await?.is_empty());
        return Ok("no".into());
    }
    answer.expect(202)?;
    let kept = wait_for_rating(&chat).await?;
    ensure!(kept["type"] == 0 && kept["solved"] == 0, "{kept}");
    let again = chat.visitor.evaluate(chat.id(), &rating).await?;
    again.expect_problem(409, "not-invited")?;
    Ok("yes or no".into())
}

pub(super) async fn unasked(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let session = chat.session().await?;
    let by = session["capabilities"]["evaluation"]["by"]
        .as_array()
        .cloned();
    let promised = by.unwrap_or_default().contains(&json!("visitor"));
    let rating = json!({ "target": "human", "stars": 4 });
    let answer = chat.visitor.evaluate(chat.id(), &rating).await?;
    if answer.status == 409 {
        answer.expect_problem(409, "not-invited")?;
        ensure!(!promised, "promised, and refused");
        ensure!(ratings(&chat).await?.is_empty());
        return Ok("no".into());
    }
    answer.expect(202)?;
    ensure!(promised, "taken without a promise");
    check_stars(&chat, 4).await?;
    let again = chat.visitor.evaluate(chat.id(), &rating).await?;
    again.expect_problem(409, "not-invited")?;
    Ok("stars".into())
}

pub(super) async fn invited(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let Some(form) = invitation(&chat).await? else {
        return Ok("-".into());
    };
    let named = form["labels"].as_array().map_or(0, Vec::len);
    ensure!(form["stars"] == true && named == 5, "the form is {form}");
    let mut rating = json!({ "target": "human", "stars": 4 });
    let solved = form["resolved"] == true;
    if solved {
        rating["resolved"] = true.into();
    } else {
        let mut strange = rating.clone();
        strange["resolved"] = true.into();
        let answer = chat.visitor.evaluate(chat.id(), &strange).await?;
        answer.expect_problem(422, "unsupported-by-provider")?;
    }
    let six = chat
        .visitor
        .evaluate(chat.id(), &json!({ "target": "human", "stars": 6 }))
        .await?;
    six.expect_problem(400, "invalid-request")?;
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    check_stars(&chat, 4).await?;
    ensure!(
        chat.session().await?["state"] == "human",
        "a rating ends nothing"
    );
    Ok(if solved {
        "5 stars, solved".into()
    } else {
        "5 stars".into()
    })
}

pub(super) async fn declined(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    if invitation(&chat).await?.is_none() {
        let nothing = chat
            .visitor
            .evaluate(chat.id(), &json!({ "declined": true }))
            .await?;
        nothing.expect_problem(409, "not-invited")?;
        return Ok("-".into());
    }
    let decline = json!({ "declined": true });
    chat.visitor
        .evaluate(chat.id(), &decline)
        .await?
        .expect(202)?;
    let logged = chat.logged("evaluation.submitted").await?;
    ensure!(
        logged.len() == 1 && logged[0]["declined"] == true,
        "{logged:?}"
    );
    let again = chat.visitor.evaluate(chat.id(), &decline).await?;
    again.expect_problem(409, "not-invited")?;
    ensure!(
        ratings(&chat).await?.is_empty(),
        "the vendor was told a rating"
    );
    Ok("declined".into())
}

/// An agent ends the session: is the visitor asked?
pub(super) async fn at_end(stage: &Stage, vendor: Vendor, rate: bool) -> Result<String> {
    if vendor == Vendor::Aikefu {
        return Ok("-".into());
    }
    let chat = stage.open_with_agent(vendor).await?;
    chat.agent(&json!({ "action": "end", "rate": rate }))
        .await?;
    chat.wait_for_state("ended").await?;
    let asked = !chat.logged("evaluation.invited").await?.is_empty();
    let rating = json!({ "target": "human", "stars": 2 });
    let answer = chat.visitor.evaluate(chat.id(), &rating).await?;
    if !asked {
        answer.expect_problem(409, "session-ended")?;
        return Ok("not asked".into());
    }
    answer.expect(202)?;
    check_stars(&chat, 2).await?;
    Ok("asked".into())
}

pub(super) async fn leaving_an_agent(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    let asked = chat.logged("evaluation.invited").await?;
    if asked.is_empty() {
        return Ok("not asked".into());
    }
    ensure!(chat.session().await?["state"] == "human", "it did not wait");
    ensure!(
        chat.carried_out("out").await?.is_empty(),
        "the vendor was told too early"
    );
    let rating = json!({ "target": "human", "stars": 5, "resolved": true, "comment": "谢谢" });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    chat.wait_for_state("ended").await?;
    check_stars(&chat, 5).await?;
    chat.wait_for_calls("out", 1).await?;
    let calls = chat.calls().await?.into_iter();
    let order: Vec<_> = calls
        .map(|call| text(&call["operation"]))
        .filter(|operation| operation == "comment" || operation == "out")
        .collect();
    ensure!(order == ["comment", "out"], "the order was {order:?}");
    Ok("asked".into())
}

pub(super) async fn leaving_the_robot(
    stage: &Stage,
    vendor: Vendor,
    early: bool,
) -> Result<String> {
    if !vendor.has_robot() || (early && vendor != Vendor::Zhichi) {
        return Ok("-".into());
    }
    let desk = if early {
        desk_of(vendor, A_MINUTE)
    } else {
        vendor.name().to_owned()
    };
    let chat = Chat::open(&stage.simulators, stage.visitor(), vendor, &desk).await?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    let asked = chat.logged("evaluation.invited").await?;
    let Some(asked) = asked.first() else {
        return Ok("not asked".into());
    };
    ensure!(asked["target"] == "robot", "{asked}");
    refuse_invitation(&chat).await?;
    Ok(format!("asked: {}", text(&asked["prompt"])))
}

/// Who is asked for a rating on leaving declines, and is gone.
pub(super) async fn refuse_invitation(chat: &Chat<'_>) -> Result<()> {
    if !chat.logged("evaluation.invited").await?.is_empty() {
        let decline = json!({ "declined": true });
        chat.visitor
            .evaluate(chat.id(), &decline)
            .await?
            .expect(202)?;
        chat.wait_for_state("ended").await?;
    }
    Ok(())
}

/// The agent invites: the form that the visitor is shown, if any.
async fn invitation(chat: &Chat<'_>) -> Result<Option<Value>> {
    chat.agent(&json!({ "action": "invite" })).await?;
    chat.agent_says("请您评价").await?;
    chat.wait_for_text("请您评价").await?;
    let asked = chat.logged("evaluation.invited").await?.into_iter();
    Ok(asked.last().map(|invited| invited["form"].clone()))
}

/// The vendor has one rating, with so many stars, in its own words.
async fn check_stars(chat: &Chat<'_>, stars: usize) -> Result<()> {
    let kept = wait_for_rating(chat).await?;
    let seen = match chat.vendor {
        Vendor::Zhichi => kept["score"].clone(),
        // The vendor's own values of one to five.
        Vendor::Qiyu => {
            let values = [1, 25, 50, 75, 100].map(|value| json!(value));
            let place = values.iter().position(|value| *value == kept["evaluation"]);
            json!(place.map(|place| place + 1))
        }
        _ => kept["stars"].clone(),
    };
    ensure!(seen == json!(stars), "{stars} stars arrived as {kept}");
    Ok(())
}

async fn wait_for_rating(chat: &Chat<'_>) -> Result<Value> {
    let kept = wait::until("the vendor to have the rating", async || {
        let kept = ratings(chat).await?;
        Ok((!kept.is_empty()).then_some(kept))
    })
    .await?;
    ensure!(kept.len() == 1, "it arrived {} times", kept.len());
    Ok(kept[0].clone())
}

async fn ratings(chat: &Chat<'_>) -> Result<Vec<Value>> {
    let seen = chat.at_vendor().await?;
    Ok(seen["ratings"].as_array().cloned().unwrap_or_default())
}
