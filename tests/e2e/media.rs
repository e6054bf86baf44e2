//! Uploads: what is taken, who may read it, and that vendors can.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::http::Client;
use kefu_test_support::media::{png, wav};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn an_upload_is_handed_out_as_it_came() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    for (content_type, bytes) in [
        ("image/png", png()),
        ("audio/wav", wav()),
        ("text/plain", "你好".into()),
    ] {
        let stored = upload(&visitor, content_type, bytes.clone()).await?;
        assert_eq!(
            (&stored["content_type"], &stored["size"]),
            (&json!(content_type), &json!(bytes.len()))
        );
        assert_eq!(stored["sha256"].as_str().map(str::len), Some(64));
        let answer = Client::new()
            .get(address(&stored)?)
            .send()
            .await?
            .expect(200)?;
        assert_eq!(answer.body, bytes);
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("sandbox"), "nothing in it runs: {policy}");
    }
    Ok(())
}

#[tokio::test]
async fn a_part_of_an_upload_can_be_asked_for() -> Result<()> {
    let stage = Stage::shared().await?;
    let bytes = wav();
    let stored = upload(&stage.visitor(), "audio/wav", bytes.clone()).await?;
    let ask = |range: &str| {
        Client::new()
            .get(address(&stored).unwrap_or_default())
            .header("range", range)
    };
    let part = ask("bytes=4-9").send().await?.expect(206)?;
    assert_eq!(part.body, bytes[4..10]);
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 4-9/{}", bytes.len()).as_str())
    );
    let tail = ask("bytes=-5").send().await?.expect(206)?;
    assert_eq!(tail.body, bytes[bytes.len() - 5..]);
    let beyond = ask("bytes=999999-").send().await?.expect(416)?;
    assert_eq!(
        beyond.header("content-range"),
        Some(format!("bytes */{}", bytes.len()).as_str())
    );
    let nonsense = ask("pages=1-2").send().await?.expect(200)?;
    assert_eq!(nonsense.body, bytes, "what is no range of bytes is ignored");
    Ok(())
}

#[tokio::test]
async fn a_lie_about_the_type_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let page = b"<!doctype html><script>alert(1)</script>".to_vec();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>".to_vec();
    let program = [b"\x7fELF\x02\x01\x01\0".to_vec(), vec![0; 64]].concat();
    for (claim, bytes) in [
        ("image/png", page.clone()),
        ("image/png", wav()),
        ("audio/mpeg", png()),
        ("text/plain", page),
        ("image/svg+xml", svg),
        ("text/html", b"hello".to_vec()),
        ("application/octet-stream", program.clone()),
        ("application/x-executable", program),
    ] {
        visitor
            .upload(claim, bytes)
            .await?
            .expect_problem(415, "unsupported-media-type")?;
    }
    visitor
        .upload("image/png", Vec::new())
        .await?
        .expect_problem(400, "invalid-request")?;
    Ok(())
}

#[tokio::test]
async fn an_upload_beyond_the_limit_of_its_kind_is_refused_and_not_kept() -> Result<()> {
    let stage = Stage::with(|config| config.with("media.image.max_size = \"1KiB\"\nmedia.video.max_size = \"1KiB\"\nmedia.voice.max_size = \"4KiB\"\nmedia.file.max_size = \"1KiB\"")).await?;
    let visitor = stage.visitor();
    let files = || {
        std::fs::read_dir(stage.gateway.dir().join("data/media")).map_or(0, |entries| {
            entries.flatten().map(|entry| count(&entry.path())).sum()
        })
    };
    let before: usize = files();
    let large = [png(), vec![0; 2 << 10]].concat();
    visitor
        .upload("image/png", large)
        .await?
        .expect_problem(413, "too-large")?;
    let larger = [png(), vec![0; 64 << 10]].concat();
    visitor
        .upload("image/png", larger)
        .await?
        .expect_problem(413, "too-large")?;
    assert_eq!(files(), before, "nothing of it stays");
    upload(&visitor, "image/png", png()).await?;
    assert!(files() > before);
    Ok(())
}

#[tokio::test]
async fn an_upload_that_stops_half_way_leaves_nothing() -> Result<()> {
    let stage = Stage::start().await?;
    let visitor = stage.visitor();
    let folder = stage.gateway.dir().join("data/media");
    let before = count(&folder);
    let (host, whole) = (stage.gateway.public(), [png(), vec![0; 64 << 10]].concat());
    let address = host.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/media HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: image/png\r\nidempotency-key: half\r\ncontent-length: {}\r\n\r\n",
        visitor.token(),
        whole.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(&whole[..whole.len() / 2]).await?;
    wait::until("the first half to be there", async || {
        Ok((count(&folder) > before).then_some(()))
    })
    .await?;
    drop(connection);
    wait::until("the half to be gone", async || {
        Ok((count(&folder) == before).then_some(()))
    })
    .await?;
    // Its key is free again.
    let again = visitor
        .request(Method::POST, "/v1/media")
        .header("idempotency-key", "half")
        .body("image/png", whole)
        .send();
    again.await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn media_that_are_too_old_are_removed_and_their_links_are_gone() -> Result<()> {
    let mut stage = Stage::with(|config| config.with("media.retention = \"1h\"")).await?;
    let visitor = stage.visitor();
    let old = address(&upload(&visitor, "image/png", png()).await?)?;
    let folder = stage.gateway.dir().join("data/media");
    let long_ago = SystemTime::now() - Duration::from_secs(3_700);
    let mut aged = 0;
    for shelf in std::fs::read_dir(&folder)?.flatten() {
        for file in std::fs::read_dir(shelf.path()).into_iter().flatten() {
            std::fs::File::open(file?.path())?.set_modified(long_ago)?;
            aged += 1;
        }
    }
    assert_eq!(aged, 2, "the picture and its description");
    let young = address(&upload(&visitor, "audio/wav", wav()).await?)?;
    stage.gateway.restart().await?;
    wait::until("the old picture to be gone", async || {
        let answer = Client::new().get(&old).send().await?;
        Ok((answer.status == 404).then_some(()))
    })
    .await?;
    Client::new().get(&young).send().await?.expect(200)?;
    let metrics = stage.gateway.admin_request(Method::GET, "/metrics");
    let metrics = metrics.send().await?.expect(200)?.text();
    let removed = "kefu_media_removed_total{outcome=\"expired\"} 1";
    assert!(metrics.contains(removed), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_link_that_was_changed_or_has_no_signature_opens_nothing() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let url = address(&upload(&visitor, "image/png", png()).await?)?;
    let (plain, query) = url.split_once('?').context("the address is signed")?;
    let client = Client::new();
    client
        .get(plain)
        .send()
        .await?
        .expect_problem(401, "unauthenticated")?;
    let flipped = if query.ends_with('A') { "B" } else { "A" };
    let tampered = format!("{}{flipped}", &url[..url.len() - 1]);
    client
        .get(tampered)
        .send()
        .await?
        .expect_problem(403, "forbidden")?;
    for expires in ["exp=4102444800", "exp=1"] {
        let pairs = query.split('&').map(|pair| {
            if pair.starts_with("exp=") {
                expires
            } else {
                pair
            }
        });
        let moved = format!("{plain}?{}", pairs.collect::<Vec<_>>().join("&"));
        let refused = client.get(moved).send().await?;
        refused.expect_problem(403, "forbidden")?;
    }
    // The owner needs no signature, nobody else gets in by a token.
    let path = plain
        .strip_prefix(&stage.gateway.public())
        .context("it is at this gateway")?;
    visitor
        .request(Method::GET, path)
        .send()
        .await?
        .expect(200)?;
    stage
        .visitor()
        .request(Method::GET, path)
        .send()
        .await?
        .expect_problem(404, "not-found")?;
    client
        .get(format!("{}/v1/media/nothing", stage.gateway.public()))
        .send()
        .await?
        .expect_problem(404, "not-found")?;
    Ok(())
}

#[tokio::test]
async fn an_upload_of_another_visitor_cannot_be_sent() -> Result<()> {
    let stage = Stage::shared().await?;
    let theirs = address(&upload(&stage.visitor(), "image/png", png()).await?)?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let before = chat.log().await?;
    for url in [
        theirs.as_str(),
        theirs.split('?').next().unwrap_or_default(),
    ] {
        let content = json!({ "type": "image", "url": url });
        let problem = chat
            .send(&content)
            .await?
            .expect_problem(400, "invalid-request")?;
        assert_eq!(problem["errors"][0]["pointer"], "/content/url");
    }
    assert_eq!(chat.log().await?, before);
    assert_eq!(chat.carried_out("chat_send").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_vendor_can_fetch_what_it_was_sent() -> Result<()> {
    let stage = Stage::shared().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        let url = address(&upload(&chat.visitor, "image/png", png()).await?)?;
        let sent = chat
            .send_accepted(&json!({ "type": "image", "url": url }))
            .await?;
        assert_eq!(chat.fate(&sent.id).await?["status"], "delivered");
        let call = &chat.carried_out(operation).await?[0]["body"];
        let given = call["content"]
            .as_str()
            .or(call["data"]["content"]["url"].as_str())
            .context("a link")?;
        let fetched = Client::new().get(given).send().await?.expect(200)?;
        assert_eq!(fetched.body, png(), "{vendor:?}");
        // The visitor reads the same picture in the log, by a link that works.
        let said = chat.logged("message").await?;
        let shown = said
            .iter()
            .find(|data| data["id"] == sent.id.as_str())
            .context("it is in the log")?;
        let shown = Client::new()
            .get(address(&shown["content"])?)
            .send()
            .await?
            .expect(200)?;
        assert_eq!(shown.body, png());
    }
    Ok(())
}

async fn upload(visitor: &Visitor, content_type: &str, bytes: Vec<u8>) -> Result<Value> {
    visitor
        .upload(content_type, bytes)
        .await?
        .expect(201)?
        .json()
}

fn address(of: &Value) -> Result<String> {
    Ok(of["url"]
        .as_str()
        .with_context(|| format!("an address in {of}"))?
        .to_owned())
}

/// Files at a path and below.
fn count(path: &std::path::Path) -> usize {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| count(&entry.path())).sum(),
        Err(_) => 1,
    }
}
