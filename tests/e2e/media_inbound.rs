//! Media that vendors link to: fetched and kept, or passed on and said so.

use anyhow::{Context, Result};
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::events::Event;
use kefu_test_support::http::Client;
use kefu_test_support::media::{png, wav};
use kefu_test_support::media_host::{Answer, MediaHost};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

#[tokio::test]
async fn what_a_vendor_links_to_is_kept_and_shown_by_our_own_link() -> Result<()> {
    let stage = Stage::with(|config| fetching(config, "")).await?;
    for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
        let chat = stage.open_with_agent(vendor).await?;
        // At the vendor's own host, which needs no listing.
        let url = format!("{}/media/sample.png", stage.simulators.url(vendor));
        let shown = sends(&chat, &json!({ "action": "image", "url": url })).await?;
        assert_eq!(shown["detail"], Value::Null);
        let address = text(&shown["content"]["url"])?;
        assert!(address.starts_with(&stage.gateway.public()), "{address}");
        let kept = Client::new().get(&address).send().await?.expect(200)?;
        let theirs = Client::new().get(&url).send().await?.expect(200)?;
        assert_eq!(kept.body, theirs.body);
        assert_eq!(kept.header("content-type"), Some("image/png"));
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_media_is_kept_as_what_it_is() -> Result<()> {
    let host = MediaHost::start().await?;
    let stage = Stage::with(|config| fetching(config, host.host())).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    // The name says amr, the content does not.
    let voice = host.put("/v.amr", Answer::Whole("audio/amr", wav()));
    let shown = sends(
        &chat,
        &json!({ "action": "voice", "url": voice, "duration_ms": 100 }),
    )
    .await?;
    assert_eq!(shown["content"]["format"], "wav");
    let pdf = [b"%PDF-1.7\n".to_vec(), vec![b' '; 500]].concat();
    let file = host.put("/f", Answer::Whole("application/octet-stream", pdf.clone()));
    let shown = sends(
        &chat,
        &json!({ "action": "file", "url": file, "name": "f.pdf", "size": 1 }),
    )
    .await?;
    assert_eq!(shown["content"]["size"], pdf.len());
    let kept = Client::new().get(text(&shown["content"]["url"])?);
    assert_eq!(kept.send().await?.expect(200)?.body, pdf);
    Ok(())
}

#[tokio::test]
async fn without_the_setting_links_are_passed_on() -> Result<()> {
    let host = MediaHost::start().await?;
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let url = host.put("/p.png", Answer::Whole("image/png", png()));
    let shown = sends(&chat, &json!({ "action": "image", "url": url })).await?;
    assert_eq!(shown["content"]["url"], url);
    assert_eq!(shown["detail"], Value::Null);
    assert_eq!(host.asked("/p.png"), 0);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_kept_stays_the_vendors_link_and_says_so() -> Result<()> {
    let host = MediaHost::start().await?;
    let stage = Stage::with(|config| {
        fetching(config, host.host()).with("media.image.max_size = \"64KiB\"\nmedia.video.max_size = \"64KiB\"\nmedia.file.max_size = \"64KiB\"\nmedia.voice.max_size = \"64KiB\"")
    })
    .await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let page = b"<!doctype html><script>alert(1)</script>".to_vec();
    let large = [png(), vec![7; 65 << 10]].concat();
    let metadata = "http://169.254.169.254/latest/meta-data".to_owned();
    let elsewhere = MediaHost::start().await?;
    let not_listed = elsewhere.put("/p.png", Answer::Whole("image/png", png()));
    for (name, answer) in [
        (
            "a page that is said to be a picture",
            Answer::Whole("image/png", page),
        ),
        (
            "a voice that is said to be a picture",
            Answer::Whole("image/png", wav()),
        ),
        ("nothing", Answer::Whole("image/png", Vec::new())),
        ("too much", Answer::Whole("image/png", large.clone())),
        (
            "too much, not announced in full",
            Answer::Half(usize::MAX >> 8, large),
        ),
        ("half of it", Answer::Half(10_000, png())),
        ("gone", Answer::Status(404)),
        ("broken", Answer::Status(500)),
        ("never", Answer::Silence),
        (
            "a host that is not listed",
            Answer::Redirect(not_listed.clone()),
        ),
        (
            "an address that no name may lead to",
            Answer::Redirect(metadata),
        ),
        ("round and round", Answer::Redirect("/round".into())),
    ] {
        let path = format!("/{}", name.replace([' ', ','], "-"));
        let url = host.put(&path, answer);
        host.put("/round", Answer::Redirect("/round".into()));
        let shown = sends(&chat, &json!({ "action": "image", "url": url })).await?;
        assert_eq!(shown["content"]["url"], url, "{name}");
        let detail = text(&shown["detail"]).context(name)?;
        assert!(detail.contains("provider's own copy"), "{name}: {detail}");
        assert!(!detail.contains("127.0.0.1"), "{name}: {detail}");
    }
    assert_eq!(elsewhere.asked("/p.png"), 0);
    let shown = sends(&chat, &json!({ "action": "image", "url": not_listed })).await?;
    assert_eq!(shown["content"]["url"], not_listed);
    assert_eq!(elsewhere.asked("/p.png"), 0, "it was never asked");
    let kept = stage.gateway.dir().join("data/media");
    let shelves = std::fs::read_dir(&kept)?
        .flatten()
        .filter(|entry| entry.file_name().len() == 2)
        .count();
    assert_eq!(shelves, 0, "nothing of it stays");
    Ok(())
}

#[tokio::test]
async fn a_redirect_to_a_listed_host_is_followed() -> Result<()> {
    let host = MediaHost::start().await?;
    let stage = Stage::with(|config| fetching(config, host.host())).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    host.put("/real.png", Answer::Whole("image/png", png()));
    let url = host.put("/short", Answer::Redirect("/real.png".into()));
    let shown = sends(&chat, &json!({ "action": "image", "url": url })).await?;
    assert_eq!(shown["detail"], Value::Null);
    let kept = Client::new().get(text(&shown["content"]["url"])?);
    assert_eq!(kept.send().await?.expect(200)?.body, png());
    Ok(())
}

#[tokio::test]
async fn what_an_agent_says_after_a_slow_picture_comes_after_it() -> Result<()> {
    let host = MediaHost::start().await?;
    let stage = Stage::with(|config| fetching(config, host.host())).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let url = host.put("/never.png", Answer::Silence);
    chat.agent(&json!({ "action": "image", "url": url }))
        .await?;
    chat.agent_says("did you see it?").await?;
    // The visitor goes on meanwhile.
    let own = chat.say("what?").await?;
    chat.wait_for_calls("chat_send", 1).await?;
    let text = chat.wait_for_text("did you see it?").await?;
    let log = chat.log().await?;
    let at = log
        .iter()
        .position(|event| event.data["content"]["url"] == url)
        .context("it is in the log")?;
    assert!(log[at].seq < text.seq && own.seq < log[at].seq);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_dies_while_it_fetches_loses_nothing() -> Result<()> {
    let host = MediaHost::start().await?;
    let mut stage = Stage::with(|config| {
        let config = fetching(config, host.host());
        config.with_provider("zhichi", "media.deadline = \"60s\"")
    })
    .await?;
    let url = host.put("/p.png", Answer::Silence);
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    chat.agent(&json!({ "action": "image", "url": url }))
        .await?;
    chat.agent_says("and a word").await?;
    wait::until("the picture to be asked for", async || {
        Ok((host.asked("/p.png") > 0).then_some(()))
    })
    .await?;
    let (id, visitor) = (chat.id().to_owned(), chat.visitor.id().to_owned());
    stage.gateway.kill_9().await?;
    host.put("/p.png", Answer::Whole("image/png", png()));
    stage.gateway.restart().await?;
    let visitor = stage.gateway.visitor(&visitor);
    let event = visitor
        .wait_for(&id, "the text after the picture", |event| {
            event.text() == Some("and a word")
        })
        .await?;
    let log = visitor.events(&id, 0).await?;
    let pictures: Vec<_> = log
        .iter()
        .filter(|event| event.data["content"]["type"] == "image")
        .collect();
    assert_eq!(pictures.len(), 1);
    assert!(pictures[0].seq < event.seq);
    assert_eq!(pictures[0].data["detail"], Value::Null);
    let kept = Client::new().get(text(&pictures[0].data["content"]["url"])?);
    assert_eq!(kept.send().await?.expect(200)?.body, png());
    Ok(())
}

/// Both vendors' media are fetched, from one more host.
fn fetching(config: Config, host: &str) -> Config {
    let hosts = if host.is_empty() {
        "[]".to_owned()
    } else {
        format!("[{host:?}]")
    };
    let media = format!("media = {{ inbound = \"fetch\", hosts = {hosts}, deadline = \"2s\" }}");
    config
        .with_provider("zhichi", &media)
        .with_provider("jiaxin", &media)
}

/// An agent sends media; the message as the visitor sees it.
async fn sends(chat: &Chat<'_>, action: &Value) -> Result<Value> {
    let known = chat.log().await?.len();
    chat.agent(action).await?;
    let is_it = |event: &Event| {
        event.seq > known as u64 && event.data["content"]["type"] == action["action"]
    };
    Ok(chat.wait_for("the agent's media", is_it).await?.data)
}

fn text(of: &Value) -> Result<String> {
    let text = of.as_str().with_context(|| format!("a text, not {of}"))?;
    Ok(text.to_owned())
}
