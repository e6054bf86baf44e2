//! Who a visitor is: tokens that apps sign, and tokens that the gateway signs
//! for servers which use RongCloud's SDK.

use anyhow::Result;
use http::Method;
use kefu_test_support::config::fresh_secret;
use kefu_test_support::http::{Client, Response};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::token::{Algorithm, Claims, now, server_signature};
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_that_proves_nothing_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let before = chat.log().await?;
    let secret = stage.gateway.config().secret();
    let claims = Claims::new("demo", chat.visitor.id());
    let expired = Claims {
        exp: now() - 1,
        ..claims.clone()
    };
    let nobody = Claims {
        sub: String::new(),
        ..claims.clone()
    };
    let good = claims.sign(secret);
    let (signed, _) = good.rsplit_once('.').unwrap_or_default();
    let bad = [
        ("forged", claims.sign("some-other-secret-of-nobody")),
        ("expired", expired.sign(secret)),
        ("of an unknown app", Claims::new("nobody", "v").sign(secret)),
        ("of no visitor", nobody.sign(secret)),
        (
            "by another algorithm",
            claims.sign_by(Algorithm::HS512, secret),
        ),
        ("by none", claims.unsigned()),
        (
            "by none, with a signature",
            format!(
                "{}{}",
                claims.unsigned(),
                good.rsplit('.').next().unwrap_or_default()
            ),
        ),
        ("cut short", signed.to_owned()),
        ("empty", String::new()),
        ("nonsense", "nonsense".to_owned()),
    ];
    for (what, token) in bad {
        let stranger = chat.visitor.clone().with_token(token);
        let answers = [
            stranger
                .try_send(chat.id(), &json!({ "type": "text", "text": "hi" }))
                .await?,
            stranger.request(Method::GET, "/v1/sessions").send().await?,
            stranger
                .upload("image/png", kefu_test_support::media::png())
                .await?,
        ];
        for answer in answers {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
            answer.expect_problem(401, "unauthenticated")?;
        }
        assert_eq!(
            stranger.stream(chat.id(), None).await?.status,
            401,
            "{what}"
        );
        assert_eq!(stranger.stream_all(None).await?.status, 401, "{what}");
    }
    assert_eq!(chat.log().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_request_without_a_token_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let url = stage.gateway.public() + "/v1/sessions";
    Client::new()
        .get(&url)
        .send()
        .await?
        .expect_problem(401, "unauthenticated")?;
    let basic = Client::new()
        .get(&url)
        .header("authorization", "Basic dTpw")
        .send()
        .await?;
    basic.expect_problem(401, "unauthenticated")?;
    let visitor = stage.visitor();
    let in_query = Client::new()
        .get(format!("{url}?access_token={}", visitor.token()))
        .send()
        .await?;
    in_query.expect_problem(401, "unauthenticated")?;
    Ok(())
}

#[tokio::test]
async fn a_visitor_of_another_app_is_another_visitor() -> Result<()> {
    let secret = fresh_secret();
    let other = format!("[apps.other]\nsecret = \"{secret}\"\n");
    let stage = Stage::with(|config| config.with(&other)).await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let namesake = chat
        .visitor
        .clone()
        .with_token(Claims::new("other", chat.visitor.id()).sign(&secret));
    let seen = namesake
        .request(Method::GET, &format!("/v1/sessions/{}", chat.id()))
        .send()
        .await?;
    seen.expect_problem(404, "not-found")?;
    // The desk is the first app's own.
    namesake
        .try_open(&json!({ "desk": "jiaxin" }))
        .await?
        .expect_problem(404, "not-found")?;
    // The first app's secret proves nothing of the other app's visitors.
    let mixed = Claims::new("other", "v").sign(stage.gateway.config().secret());
    let mixed = chat.visitor.clone().with_token(mixed);
    mixed
        .try_open(&json!({ "desk": "jiaxin" }))
        .await?
        .expect_problem(401, "unauthenticated")?;
    Ok(())
}

#[tokio::test]
async fn both_secrets_of_a_rotation_are_good() -> Result<()> {
    let (new, old) = (fresh_secret(), fresh_secret());
    let app = format!("[apps.turning]\nsecrets = [\"{new}\", \"{old}\"]\n");
    let stage = Stage::with(|config| config.with(&app)).await?;
    for (secret, status) in [(&new, 200), (&old, 200), (&fresh_secret(), 401)] {
        let visitor = stage
            .visitor()
            .with_token(Claims::new("turning", "v").sign(secret));
        visitor
            .request(Method::GET, "/v1/sessions")
            .send()
            .await?
            .expect(status)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_gets_a_token_by_seconds_and_by_milliseconds() -> Result<()> {
    let stage = Stage::shared().await?;
    for timestamp in [
        now().to_string(),
        (now() * 1_000).to_string(),
        (now() - 240).to_string(),
    ] {
        let form = [
            ("userId", "u_10086"),
            ("name", "小明"),
            ("portraitUri", "https://a.example/p.png"),
        ];
        let answer = ask(&stage, &timestamp, &form, |signature| signature)
            .await?
            .expect(200)?
            .json()?;
        assert_eq!(
            (&answer["code"], &answer["userId"]),
            (&json!(200), &json!("u_10086")),
            "{timestamp}"
        );
        let token = answer["token"].as_str().unwrap_or_default();
        let visitor = stage.visitor().with_token(token);
        visitor
            .request(Method::GET, "/v1/sessions")
            .send()
            .await?
            .expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_sees_the_name_that_the_server_gave() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let name = visitor.id().to_owned();
    let form = [("userId", name.as_str()), ("name", name.as_str())];
    let answer = ask(&stage, &now().to_string(), &form, |signature| signature)
        .await?
        .expect(200)?
        .json()?;
    let visitor = visitor.with_token(answer["token"].as_str().unwrap_or_default());
    let session = visitor.open_and_wait(&json!({ "desk": "jiaxin" })).await?;
    let chat =
        kefu_test_support::chat::Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &session)?;
    assert_eq!(
        chat.at_vendor().await?["profile"]["visitor"]["name"],
        name.as_str()
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_signs_wrongly_or_too_late_gets_no_token() -> Result<()> {
    let stage = Stage::shared().await?;
    let form = [("userId", "u_1"), ("name", "小明")];
    let wrong = ask(&stage, &now().to_string(), &form, |_| "0".repeat(40)).await?;
    refused(wrong, 401, 1004)?;
    let empty = ask(&stage, &now().to_string(), &form, |_| String::new()).await?;
    refused(empty, 401, 1004)?;
    for timestamp in [now() - 400, now() + 400, (now() - 400) * 1_000, 0] {
        let stale = ask(&stage, &timestamp.to_string(), &form, |signature| signature).await?;
        refused(stale, 401, 1004)?;
    }
    refused(
        ask(&stage, "yesterday", &form, |signature| signature).await?,
        401,
        1004,
    )?;
    let unknown = request(&stage, "nobody", &now().to_string(), &form, |signature| {
        signature
    })
    .await?;
    refused(unknown, 401, 1004)?;
    let bare = Client::new()
        .post(stage.gateway.public() + "/user/getToken.json")
        .form(&form)
        .send()
        .await?;
    refused(bare, 401, 1004)?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_names_no_user_gets_no_token() -> Result<()> {
    let stage = Stage::shared().await?;
    let long = "u".repeat(65);
    let name = "名".repeat(65);
    let forms: [&[(&str, &str)]; 4] = [
        &[("name", "小明")],
        &[("userId", ""), ("name", "小明")],
        &[("userId", &long), ("name", "小明")],
        &[("userId", "u_1"), ("name", &name)],
    ];
    for form in forms {
        let answer = ask(&stage, &now().to_string(), form, |signature| signature).await?;
        let status = answer.status.as_u16();
        assert!(matches!(status, 200 | 400), "{form:?}: {status}");
        let answer = answer.json()?;
        assert_eq!(answer["code"], 1002, "{form:?}: {answer}");
        assert!(answer["token"].is_null());
    }
    Ok(())
}

fn refused(answer: Response, status: u16, code: u64) -> Result<()> {
    let answer: Value = answer.expect(status)?.json()?;
    assert_eq!(answer["code"], code, "{answer}");
    assert!(answer["token"].is_null(), "{answer}");
    Ok(())
}

async fn ask(
    stage: &Stage,
    timestamp: &str,
    form: &[(&str, &str)],
    sign: impl Fn(String) -> String,
) -> Result<Response> {
    request(stage, "demo", timestamp, form, sign).await
}

/// A call as RongCloud's server SDKs make it; `sign` may spoil the signature.
async fn request(
    stage: &Stage,
    app: &str,
    timestamp: &str,
    form: &[(&str, &str)],
    sign: impl Fn(String) -> String,
) -> Result<Response> {
    let nonce = fresh_secret()[..16].to_owned();
    let signature = sign(server_signature(
        stage.gateway.config().secret(),
        &nonce,
        timestamp,
    ));
    Client::new()
        .post(stage.gateway.public() + "/user/getToken.json")
        .header("app-key", app)
        .header("nonce", nonce)
        .header("timestamp", timestamp)
        .header("signature", signature)
        .form(form)
        .send()
        .await
}
