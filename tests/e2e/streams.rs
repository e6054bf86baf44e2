//! Event streams: from the beginning, resumed, over all sessions, and closed
//! when there is nothing more to come.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::sse::{Block, Stream};
use kefu_test_support::stage::Stage;
use kefu_test_support::token::{Claims, now};
use kefu_test_support::visitor::{Event, Visitor};
use kefu_test_support::wait::PATIENCE;
use serde_json::{Value, json};

#[tokio::test]
async fn a_stream_without_a_position_begins_with_the_first_event() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    chat.say("怎么开发票？").await?;
    chat.wait_for_text("在订单详情页点击“申请开票”即可。")
        .await?;
    let log = chat.log().await?;
    let mut stream = chat.visitor.stream(chat.id(), None).await?;
    assert_eq!(stream.status, 200);
    let content_type = stream.headers["content-type"].to_str()?.to_owned();
    assert!(
        content_type.starts_with("text/event-stream"),
        "{content_type}"
    );
    for expected in &log {
        let (id, event) = next(&mut stream).await?.context("more events")?;
        assert_eq!(id, expected.seq.to_string());
        assert_eq!(&serde_json::from_value::<Event>(event)?, expected);
    }
    chat.say("再见").await?;
    let (id, event) = next(&mut stream).await?.context("what is said now")?;
    assert_eq!(
        (id, &event["data"]["content"]["text"]),
        ((log.len() + 1).to_string(), &json!("再见"))
    );
    Ok(())
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_id_which_wins_over_the_query() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    for text in ["一", "二", "三"] {
        chat.say(text).await?;
    }
    let log = chat.log().await?;
    let path = format!("/v1/sessions/{}/events?after=1", chat.id());
    for (header, first) in [(None, 2), (Some("3"), 4)] {
        let request = chat.visitor.request(Method::GET, &path);
        let request = match header {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let mut stream = Stream::new(request.stream().await?);
        for seq in first..=log.len() as u64 {
            let (id, _) = next(&mut stream).await?.context("more events")?;
            assert_eq!(id, seq.to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_closes_after_the_end_and_does_not_begin_again() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let mut stream = chat.visitor.stream(chat.id(), None).await?;
    chat.agent(&json!({ "action": "end" })).await?;
    let mut last = Value::Null;
    let mut count = 0;
    while let Some((_, event)) = next(&mut stream).await? {
        last = event;
        count += 1;
    }
    assert_eq!(last["type"], "session.ended");
    assert_eq!(
        count,
        chat.log().await?.len(),
        "nothing was left out and nothing came twice"
    );
    let again = chat.visitor.stream(chat.id(), Some(count as u64)).await?;
    assert_eq!(again.status, 204, "an EventSource stops at this");
    let from_before = chat
        .visitor
        .stream(chat.id(), Some(count as u64 - 1))
        .await?;
    assert_eq!(from_before.status, 200, "the end itself can still be read");
    Ok(())
}

#[tokio::test]
async fn many_streams_of_one_session_see_the_same() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(chat.visitor.stream(chat.id(), None).await?);
    }
    for number in 0..10 {
        chat.agent_says(&number.to_string()).await?;
    }
    chat.wait_for_text("9").await?;
    let log = chat.log().await?;
    for stream in &mut streams {
        for expected in &log {
            let (id, _) = next(stream).await?.context("more events")?;
            assert_eq!(id, expected.seq.to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_stream_of_all_sessions_starts_now_and_resumes_by_its_cursor() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let zhichi = stage.open_as(visitor.clone(), Vendor::Zhichi).await?;
    let jiaxin = stage.open_as(visitor.clone(), Vendor::Jiaxin).await?;
    let mut stream = visitor.stream_all(None).await?;
    say_and_settle(&zhichi, "一").await?;
    say_and_settle(&jiaxin, "二").await?;
    let (_, first) = next_said(&mut stream).await?;
    assert_eq!(
        (&first["session"], &first["data"]["content"]["text"]),
        (&json!(zhichi.id()), &json!("一"))
    );
    let (cursor, second) = next_said(&mut stream).await?;
    assert_eq!(
        (&second["session"], &second["data"]["content"]["text"]),
        (&json!(jiaxin.id()), &json!("二"))
    );

    drop(stream);
    say_and_settle(&jiaxin, "三").await?;
    say_and_settle(&zhichi, "四").await?;
    let mut stream = visitor.stream_all(Some(&cursor)).await?;
    let mut missed = Vec::new();
    for _ in 0..2 {
        missed.push(next_said(&mut stream).await?.1["data"]["content"]["text"].clone());
    }
    missed.sort_by_key(Value::to_string);
    assert_eq!(
        missed,
        ["三", "四"],
        "what was missed comes, what was seen does not come again"
    );
    Ok(())
}

#[tokio::test]
async fn the_stream_of_all_sessions_learns_of_sessions_opened_later() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let mut stream = visitor.stream_all(None).await?;
    let chat = stage.open_as(visitor, Vendor::Jiaxin).await?;
    let (_, event) = next(&mut stream).await?.context("an event")?;
    assert_eq!(
        (&event["session"], &event["type"]),
        (&json!(chat.id()), &json!("session.opened"))
    );
    Ok(())
}

#[tokio::test]
async fn a_stream_closes_when_its_token_expires() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    let claims = Claims {
        exp: now() + 2,
        ..Claims::new("demo", chat.visitor.id())
    };
    let short: Visitor = chat
        .visitor
        .clone()
        .with_token(claims.sign(stage.gateway.config().secret()));
    let mut stream = short.stream(chat.id(), None).await?;
    assert_eq!(stream.status, 200);
    while next(&mut stream).await?.is_some() {}
    assert_eq!(short.stream(chat.id(), None).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_page_holds_what_was_asked_for() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    for number in 0..5 {
        chat.say(&number.to_string()).await?;
    }
    let log = chat.log().await?;
    // No `Accept` at all means the page, too.
    let path = format!("/v1/sessions/{}/events?after=2&limit=3", chat.id());
    let page = chat
        .visitor
        .request(Method::GET, &path)
        .send()
        .await?
        .expect(200)?
        .json()?;
    let seqs: Vec<_> = page["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| event["seq"].clone())
        .collect();
    assert_eq!(seqs, [3, 4, 5]);
    assert!(
        page["last_seq"]
            .as_u64()
            .is_some_and(|last| last >= log.len() as u64),
        "{page}"
    );
    Ok(())
}

/// Says it, and waits until the vendor's answer has been logged.
async fn say_and_settle(chat: &Chat<'_>, text: &str) -> Result<()> {
    let accepted = chat.say(text).await?;
    chat.fate(&accepted.id).await?;
    Ok(())
}

/// The next event with its id; `None` when the server closed the stream.
async fn next(stream: &mut Stream) -> Result<Option<(String, Value)>> {
    loop {
        match stream.next(PATIENCE).await? {
            Some(Block::Event { id, data }) => {
                return Ok(Some((id.context("every event has an id")?, data)));
            }
            Some(Block::Comment(_)) => {}
            None => return Ok(None),
        }
    }
}

/// The next message of the visitor, with its id.
async fn next_said(stream: &mut Stream) -> Result<(String, Value)> {
    loop {
        let (id, event) = next(stream).await?.context("a message")?;
        if event["data"]["from"]["kind"] == "visitor" {
            return Ok((id, event));
        }
    }
}
