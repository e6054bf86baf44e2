//! What the guide for app servers shows is true: its programs take real pushes
//! and refuse forged ones, and its example is signed as it says.

use anyhow::{Context, Result, ensure};
use kefu_test_support::app_server::{RONGCLOUD, WEBHOOK};
use kefu_test_support::python;
use kefu_test_support::simulators::Vendor;
use serde_json::{Value, json};
use tokio::process::Command;

use super::scene;

const GUIDES: [(&str, &str); 2] = [
    ("app-server.md", include_str!("../../../docs/app-server.md")),
    (
        "app-server.zh-CN.md",
        include_str!("../../../docs/app-server.zh-CN.md"),
    ),
];

#[tokio::test]
async fn the_guides_programs_take_real_pushes_and_refuse_forged_ones() -> Result<()> {
    for (format, secret, tested) in [
        ("standard-webhooks", WEBHOOK, "standard.py"),
        ("rongcloud", RONGCLOUD, "rongcloud.py"),
    ] {
        let (server, stage) = scene(format).await?;
        let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
        chat.say("谢谢 😀 & <b>").await?;
        server.wait_for(chat.logged("message").await?.len()).await?;
        let received = server.received().await?;
        for (name, guide) in GUIDES {
            let place = usize::from(format == "rongcloud");
            let code = *blocks(guide, "python").get(place).context("a program")?;
            run(
                tested,
                &json!({ "code": code, "secret": secret, "received": received }),
            )
            .await
            .with_context(|| format!("{name}, {format}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_guides_example_is_signed_as_it_says() -> Result<()> {
    for (name, guide) in GUIDES {
        let example = *blocks(guide, "http").first().context("an example")?;
        run(
            "example.py",
            &json!({ "example": example, "secret": WEBHOOK }),
        )
        .await
        .with_context(|| name)?;
        ensure!(guide.contains(WEBHOOK), "{name} names another secret");
    }
    Ok(())
}

/// What stands between the fences of a language, in order.
fn blocks<'a>(guide: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let after = guide.split(fence.as_str()).skip(1);
    after.filter_map(|rest| rest.split("```").next()).collect()
}

async fn run(tested: &str, input: &Value) -> Result<()> {
    let program = match tested {
        "standard.py" => STANDARD,
        "rongcloud.py" => RONG,
        _ => EXAMPLE,
    };
    let mut command = Command::new(python::interpreter()?);
    let output = command
        .args(["-c", program, &input.to_string()])
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{tested}: {told}");
    Ok(())
}

/// Runs the guide's `receive` on every push, twice, and on a forged one.
const STANDARD: &str = r#"
import json, sys
given = json.loads(sys.argv[1])
seen, kept = set(), []
def keep(session, seq, event):
    kept.append((session, seq))
names = {"SECRET": given["secret"], "already_seen": lambda id: id in seen, "keep": keep}
exec(given["code"], names)
for one in given["received"]:
    for _ in range(2):
        assert names["receive"](one["headers"], one["raw"]) == 200
        seen.add(one["headers"]["webhook-id"])
    try:
        names["receive"](one["headers"], one["raw"].replace("}", " }", 1))
        sys.exit("a forged body was taken")
    except Exception as error:
        assert "signature" in str(error).lower(), error
assert len(kept) == len(seen) > 0 and kept == sorted(kept), kept
"#;

/// Runs the guide's check on every push, and on forged and old queries.
const RONG: &str = r#"
import hashlib, hmac, json, sys, time
from urllib.parse import parse_qsl, urlsplit
given = json.loads(sys.argv[1])
def authentic(query):
    names = {"SECRET": given["secret"], "query": query, "hashlib": hashlib, "hmac": hmac, "time": time}
    exec(given["code"], names)
    return names["authentic"]
assert given["received"]
for one in given["received"]:
    query = dict(parse_qsl(urlsplit(one["path"]).query))
    assert authentic(query), query
    assert not authentic({**query, "nonce": query["nonce"] + "0"})
    at = str(int(query["signTimestamp"]) - 600_000)
    signed = hashlib.sha1((given["secret"] + query["nonce"] + at).encode()).hexdigest()
    assert not authentic({**query, "signTimestamp": at, "signature": signed}), "too old"
"#;

/// Signs the guide's example anew and compares.
const EXAMPLE: &str = r#"
import json, sys
from datetime import datetime, timezone
from standardwebhooks import Webhook
given = json.loads(sys.argv[1])
head, body = given["example"].rstrip("\n").split("\n\n", 1)
headers = dict(line.split(": ", 1) for line in head.split("\n")[1:])
at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), timezone.utc)
signed = Webhook(given["secret"]).sign(headers["webhook-id"], at, body)
assert signed == headers["webhook-signature"], signed
assert json.loads(body)["id"] == headers["webhook-id"]
"#;
