//! The robot of one vendor, the humans of another: one session, one log.

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use serde_json::{Value, json};

use crate::crowd::heard;

/// 智齿's robot answers, 佳信's agents take over.
fn handing_over(config: Config) -> Config {
    config.with_desk(
        "support",
        "routes = [{ provider = \"zhichi\", handover = { to = \"jiaxin\" } }]",
    )
}

/// A session of the desk as both vendors see it.
struct Both<'a> {
    robots: Chat<'a>,
    humans: Chat<'a>,
}

async fn open(stage: &Stage) -> Result<Both<'_>> {
    let visitor = stage.visitor();
    let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
    let opened = visitor.open_and_wait(&body).await?;
    assert_eq!(opened["provider"], "zhichi");
    assert_eq!(opened["capabilities"]["to_human"], true);
    both(stage, &visitor, &opened)
}

fn both<'a>(stage: &'a Stage, visitor: &Visitor, session: &Value) -> Result<Both<'a>> {
    let at = |vendor| Chat::of(&stage.simulators, visitor.clone(), vendor, session);
    Ok(Both {
        robots: at(Vendor::Zhichi)?,
        humans: at(Vendor::Jiaxin)?,
    })
}

impl Both<'_> {
    async fn ask_for_human(&self) -> Result<()> {
        let asked = self.robots.visitor.ask_for_human(self.robots.id(), None);
        asked.await?.expect(202)?;
        Ok(())
    }

    /// An agent takes the visitor. What it was told first.
    async fn accept(&self) -> Result<String> {
        self.humans.wait_for_state("queued").await?;
        self.humans.agent(&json!({ "action": "accept" })).await?;
        self.humans.wait_for_state("human").await?;
        wait::until("the agent to be told something", async || {
            let lines = self.humans.lines_of_visitor().await?;
            let first = lines.first().and_then(|line| line["text"].as_str());
            Ok(first.map(str::to_owned))
        })
        .await
    }
}

#[tokio::test]
async fn a_robot_of_zhichi_answers_and_an_agent_of_jiaxin_goes_on_in_the_same_session() -> Result<()>
{
    let stage = Stage::with(handing_over).await?;
    let both = open(&stage).await?;
    let said = both.robots.say("你好").await?;
    assert_eq!(both.robots.fate(&said.id).await?["status"], "delivered");
    both.robots
        .wait_for("the robot's answer", |event| {
            event.seq > said.seq && event.from_kind() == Some("robot")
        })
        .await?;
    both.ask_for_human().await?;

    let transcript = both.accept().await?;
    assert!(
        transcript.starts_with("【此前的对话】\n") && transcript.contains("\n访客: 你好\n机器人: "),
        "{transcript}"
    );
    let said = both.humans.say("我要人工").await?;
    assert_eq!(both.humans.fate(&said.id).await?["status"], "delivered");
    heard(&both.humans, "我要人工").await?;
    both.humans.agent_says("我是佳信的客服").await?;
    both.humans.wait_for_text("我是佳信的客服").await?;

    let log = both.humans.log().await?;
    let count = |kind: &str| log.iter().filter(|event| event.kind == kind).count();
    assert_eq!(
        (count("session.opened"), count("session.moved")),
        (1, 1),
        "{log:?}"
    );
    let moved = both.humans.logged("session.moved").await?;
    let expected = json!({ "from": "zhichi", "to": "jiaxin", "reason": "handover" });
    assert_eq!(moved, [expected]);
    let session = both.humans.session().await?;
    assert_eq!(
        (&session["provider"], &session["state"]),
        (&json!("jiaxin"), &json!("human"))
    );
    // The transcript is no word of the visitor's.
    let words: Vec<_> = log
        .iter()
        .filter(|event| event.from_kind() == Some("visitor"))
        .filter_map(|event| event.text())
        .collect();
    assert_eq!(words, ["你好", "我要人工"]);
    // The robot's vendor was told that the visitor is gone.
    both.robots.wait_for_calls("out", 1).await?;
    Ok(())
}

#[tokio::test]
async fn what_the_robots_vendor_says_late_is_not_shown() -> Result<()> {
    let stage = Stage::with(handing_over).await?;
    let both = open(&stage).await?;
    let said = both.robots.say("你好").await?;
    assert_eq!(both.robots.fate(&said.id).await?["status"], "delivered");
    both.ask_for_human().await?;
    both.humans.wait_for_state("queued").await?;
    let late = json!({ "action": "say", "text": "太晚了", "force": true });
    both.robots.agent(&late).await?;
    let path = format!(
        "/control/pushes?visitor={}&state=delivered",
        both.robots.name_at_vendor().await?
    );
    let delivered = |answer: &Value| {
        let pushes = answer["entries"].as_array()?;
        let late = pushes
            .iter()
            .any(|push| push.to_string().contains("太晚了"));
        late.then_some(())
    };
    stage
        .simulators
        .wait_for(Vendor::Zhichi, &path, "the late push", delivered)
        .await?;
    both.accept().await?;
    both.humans.agent_says("我是佳信的客服").await?;
    both.humans.wait_for_text("我是佳信的客服").await?;
    assert!(!both.humans.heard().await?.contains(&"太晚了".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_does_not_take_over_leaves_the_visitor_with_the_robot() -> Result<()> {
    let stage = Stage::with(handing_over).await?;
    let both = open(&stage).await?;
    let refuses = json!({ "kind": "error_code", "code": "4103", "operation": "session.open" });
    stage.simulators.fault(Vendor::Jiaxin, &refuses).await?;
    both.robots.say("你好").await?;
    both.ask_for_human().await?;
    both.robots
        .wait_for_text("暂时没有人工客服，请稍后再试。")
        .await?;
    both.robots.wait_for_state("robot").await?;
    let session = both.robots.session().await?;
    assert_eq!(session["provider"], "zhichi");
    let moved = both.robots.logged("session.moved").await?;
    let reasons: Vec<_> = moved.iter().map(|data| data["reason"].clone()).collect();
    assert_eq!(reasons, ["handover", "failover"]);
    let said = both.robots.say("还在吗").await?;
    assert_eq!(both.robots.fate(&said.id).await?["status"], "delivered");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_killed_while_it_hands_over_has_moved_the_session_once() -> Result<()> {
    let mut stage = Stage::with(handing_over).await?;
    for wait_ms in [0, 5, 20, 60] {
        // The other vendor is slow, so that the kill comes in between.
        let slow = json!({ "kind": "slow", "ms": 300, "operation": "session.open" });
        stage.simulators.fault(Vendor::Jiaxin, &slow).await?;
        let opened = open(&stage).await?;
        let (visitor, id) = (opened.robots.visitor.clone(), opened.robots.id().to_owned());
        let said = opened.robots.say("你好").await?;
        let asked = {
            let (visitor, id) = (visitor.clone(), id.clone());
            tokio::spawn(async move { visitor.ask_for_human(&id, None).await })
        };
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        drop(opened);
        stage.gateway.kill_9().await?;
        let accepted = matches!(asked.await, Ok(Ok(answer)) if answer.status.as_u16() == 202);
        stage.simulators.clear_faults(Vendor::Jiaxin).await?;
        stage.gateway.restart().await?;

        let both = both(&stage, &visitor, &json!({ "id": id }))?;
        let bound = both.humans.session().await?["provider"].clone();
        if accepted {
            assert_eq!(bound, "jiaxin", "after {wait_ms} ms: a 2xx is durable");
        } else if bound == "zhichi" {
            both.ask_for_human().await?;
        }
        both.accept().await?;
        let moved = both.humans.logged("session.moved").await?;
        assert_eq!(moved.len(), 1, "after {wait_ms} ms");
        // Said before, it is in the transcript or was sent anew: once.
        let hellos = async || {
            let lines = both.humans.lines_of_visitor().await?;
            let says = |line: &&Value| {
                line["text"]
                    .as_str()
                    .is_some_and(|it| it.contains("你好\n") || it.ends_with("你好"))
            };
            anyhow::Ok(lines.iter().filter(says).count())
        };
        wait::until("the agent to be told", async || {
            Ok((hellos().await? > 0).then_some(()))
        })
        .await?;
        let last = both.humans.say("在吗").await?;
        both.humans.fate(&last.id).await?;
        let hellos = hellos().await?;
        assert_eq!(hellos, 1, "after {wait_ms} ms: {hellos}");
        assert!(both.humans.statuses(&said.id).await?.len() <= 1);
        let kept = stage
            .gateway
            .visitor(visitor.id())
            .request(Method::GET, "/v1/sessions?state=open")
            .send()
            .await?
            .expect(200)?
            .json()?;
        let open = kept["sessions"].as_array().map_or(0, Vec::len);
        assert_eq!(open, 1, "one session: {kept}");
    }
    Ok(())
}
