//! Voice in forms that a vendor does not take: converted where a converter is
//! set up, sent as a link otherwise, and said so.

use anyhow::{Context, Result};
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::http::Client;
use kefu_test_support::media::{amr, wav};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

#[tokio::test]
async fn a_voice_is_converted_to_what_the_vendor_takes() -> Result<()> {
    let stage = Stage::with(|config| converting(config, "voice")).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let session = chat.session().await?;
    assert_eq!(
        session["capabilities"]["voice_formats"],
        json!(["mp3", "wav"])
    );
    let url = uploaded(&chat, "audio/amr", amr()).await?;
    for _ in 0..2 {
        // It claims to be what it is not; what counts is the upload.
        let content = json!({"type": "voice", "url": url, "duration_ms": 100, "format": "mp3"});
        let sent = chat.send_accepted(&content).await?;
        assert_eq!(chat.fate(&sent.id).await?["status"], "delivered");
        let calls = chat.carried_out("chat_send").await?;
        let call = &calls.last().context("a call")?["body"];
        assert_eq!(call["msg_type"], "voice");
        let given = Client::new().get(text(&call["content"])?);
        let given = given.send().await?.expect(200)?;
        assert_eq!(given.header("content-type"), Some("audio/x-wav"));
        assert_eq!(given.body, wav());
        let shown = logged(&chat, &sent.id).await?;
        assert_eq!(shown["content"]["type"], "voice");
        assert_eq!(shown["content"]["format"], "wav");
        assert_eq!(shown["converted_from"], "voice");
    }
    let runs = std::fs::read_to_string(stage.gateway.dir().join("runs"))?;
    assert_eq!(
        runs.lines().count(),
        1,
        "the second time it is there already"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_converter_a_voice_goes_as_a_link_and_the_app_is_told() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    goes_as_link(&chat).await?;
    // What the vendor takes goes as it is.
    let url = uploaded(&chat, "audio/wav", wav()).await?;
    let content = json!({"type": "voice", "url": url, "duration_ms": 100, "format": "wav"});
    let sent = chat.send_accepted(&content).await?;
    assert_eq!(chat.fate(&sent.id).await?["status"], "delivered");
    assert_eq!(
        logged(&chat, &sent.id).await?["converted_from"],
        Value::Null
    );
    let calls = chat.carried_out("chat_send").await?;
    assert_eq!(calls[1]["body"]["msg_type"], "voice");
    Ok(())
}

#[tokio::test]
async fn a_converter_that_fails_leaves_the_link() -> Result<()> {
    for (fault, said) in [
        ("fail", "cannot read this"),
        ("lie", "was to make wav and made image/png"),
        ("page", "markup"),
        ("nothing", "made nothing"),
        ("hang", "did not end within"),
        ("flood", "wrote more than 65536 bytes"),
        ("missing", "cannot be started"),
    ] {
        let stage = Stage::with(|config| converting(config, fault)).await?;
        let chat = stage.open_with_agent(Vendor::Zhichi).await?;
        goes_as_link(&chat)
            .await
            .with_context(|| fault.to_owned())?;
        let log = stage.gateway.log();
        assert!(log.contains(said), "{fault}: {log}");
        let rooms = std::fs::read_dir(stage.gateway.dir().join("data/media/tmp"))?;
        assert_eq!(rooms.count(), 0, "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn a_real_converter_is_taken_where_there_is_one() -> Result<()> {
    let stage = Stage::with(|config| {
        if std::process::Command::new("ffmpeg").arg("-version").output().is_err() {
            return converting(config, "voice");
        }
        config.with(
            "[[media.converters]]\nfrom = [\"amr\"]\nto = \"wav\"\n\
             command = [\"ffmpeg\", \"-nostdin\", \"-v\", \"error\", \"-i\", \"{input}\", \"{output}\"]",
        )
    })
    .await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let url = uploaded(&chat, "audio/amr", amr()).await?;
    let content = json!({"type": "voice", "url": url, "duration_ms": 100, "format": "amr"});
    let sent = chat.send_accepted(&content).await?;
    assert_eq!(logged(&chat, &sent.id).await?["content"]["format"], "wav");
    Ok(())
}

/// A voice that is sent at this moment reaches the agent as a text with a link.
async fn goes_as_link(chat: &Chat<'_>) -> Result<()> {
    let url = uploaded(chat, "audio/amr", amr()).await?;
    let content = json!({"type": "voice", "url": url, "duration_ms": 1200, "format": "amr"});
    let sent = chat.send_accepted(&content).await?;
    assert_eq!(chat.fate(&sent.id).await?["status"], "delivered");
    let call = &chat.carried_out("chat_send").await?[0]["body"];
    assert_eq!(call["msg_type"], "text");
    let said = text(&call["content"])?;
    let link = said
        .strip_prefix("[语音 voice 2 s] ")
        .with_context(|| said.clone())?;
    let given = Client::new().get(link).send().await?.expect(200)?;
    assert_eq!(given.body, amr());
    let shown = logged(chat, &sent.id).await?;
    assert_eq!(shown["converted_from"], "voice");
    assert_eq!(shown["content"]["type"], "text");
    Ok(())
}

/// A converter that is a script of the tests, with this fault.
fn converting(config: Config, fault: &str) -> Config {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/convert.sh");
    let program = if fault == "missing" {
        "/nowhere/converter"
    } else {
        "sh"
    };
    config.with(&format!(
        "[[media.converters]]\nfrom = [\"aac\", \"amr\"]\nto = \"wav\"\ntimeout = \"2s\"\nmax_size = \"64KiB\"\n\
         command = [{program:?}, {script:?}, {fault:?}, \"{{input}}\", \"{{output}}\"]"
    ))
}

async fn uploaded(chat: &Chat<'_>, content_type: &str, bytes: Vec<u8>) -> Result<String> {
    let stored = chat.visitor.upload(content_type, bytes).await?;
    text(&stored.expect(201)?.json()?["url"])
}

async fn logged(chat: &Chat<'_>, message: &str) -> Result<Value> {
    let said = chat.logged("message").await?.into_iter();
    let mut of_it = said.filter(|data| data["id"] == message);
    of_it.next().context("the message is in the log")
}

fn text(of: &Value) -> Result<String> {
    let text = of.as_str().with_context(|| format!("a text, not {of}"))?;
    Ok(text.to_owned())
}
