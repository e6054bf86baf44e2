//! Where media are kept: one suite on a folder and on a bucket, and a gateway
//! that keeps its media in a bucket.

use anyhow::{Context, Result};
use kefu_core::config::{Media as Settings, NoLookup, check_main};
use kefu_gateway::media::{Media, MediaId, Stored, UploadError};
use kefu_gateway::session::VisitorKey;
use kefu_test_support::http::Client;
use kefu_test_support::media::png;
use kefu_test_support::s3::S3;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

/// A store under test, and what it needs.
struct Place {
    media: Media,
    settings: Settings,
    dir: TempDir,
    s3: Option<S3>,
}

impl Place {
    fn folder() -> Result<Self> {
        Self::with("", None)
    }

    async fn bucket() -> Result<Self> {
        let s3 = S3::start().await?;
        let config = s3.config("some/where");
        Self::with(&config, Some(s3))
    }

    fn with(config: &str, s3: Option<S3>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let settings = settings(dir.path(), config)?;
        let media = Media::open(&settings, "https://kefu.example.com")?;
        Ok(Self {
            media,
            settings,
            dir,
            s3,
        })
    }

    async fn upload(&self, key: Option<&str>, bytes: &[u8]) -> Result<Stored, UploadError> {
        let rules = &self.settings;
        let mut upload = self
            .media
            .begin(&visitor(), key, "image/png", rules)
            .await?;
        for piece in bytes.chunks(70_000) {
            upload.write(piece, rules).await?;
        }
        upload.finish(rules).await
    }

    async fn read(&self, id: &MediaId, start: usize, length: usize) -> Result<Vec<u8>> {
        let mut contents = self.media.read(id, start as u64, length as u64).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = contents.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// What of the gateway's own folder belongs to uploads under way.
    fn under_way(&self) -> Result<usize> {
        let mut count = 0;
        for folder in ["tmp", "unfinished"] {
            count += std::fs::read_dir(self.dir.path().join(folder))?.count();
        }
        Ok(count)
    }

    /// How many files or objects are kept.
    async fn kept(&self) -> Result<usize> {
        if let Some(s3) = &self.s3 {
            return Ok(s3.objects().await?.len());
        }
        let mut count = 0;
        for entry in std::fs::read_dir(self.dir.path())? {
            let entry = entry?;
            if entry.file_name().len() == 2 {
                count += std::fs::read_dir(entry.path())?.count();
            }
        }
        Ok(count)
    }
}

/// What every store must do.
async fn conforms(place: &Place) -> Result<()> {
    // More than one part, and small.
    for size in [100, 20 << 20] {
        let bytes = picture(size);
        let stored = place.upload(None, &bytes).await?;
        let about = place.media.about(&stored.id).await?;
        assert_eq!(about.as_ref(), Some(&stored.about));
        assert_eq!(place.read(&stored.id, 0, bytes.len()).await?, bytes);
        for (start, length) in [(0, 1), (3, 70), (size - 1, 1), (size / 2, size / 2)] {
            let part = place.read(&stored.id, start, length).await?;
            assert!(part == bytes[start..start + length], "{start}+{length}");
        }
    }
    assert_eq!(
        place.kept().await?,
        4,
        "two uploads, each with its description"
    );

    let first = place.upload(Some("k"), &picture(100)).await?;
    assert_eq!(place.upload(Some("k"), &picture(100)).await?, first);
    let other = place.upload(Some("k"), &picture(101)).await;
    assert!(matches!(other, Err(UploadError::Reused)));
    assert_eq!(place.kept().await?, 6);

    let nobodys = MediaId::parse(&"0".repeat(48)).context("an id")?;
    assert_eq!(place.media.about(&nobodys).await?, None);

    // Refused, or dropped half-way: nothing of it stays.
    let wrong = place.upload(None, b"%PDF-1.7\n").await;
    assert!(matches!(wrong, Err(UploadError::NotTaken(_))));
    let who = visitor();
    let begun = place.media.begin(&who, None, "image/png", &place.settings);
    let mut half = begun.await?;
    half.write(&picture(9 << 20), &place.settings).await?;
    assert_eq!(place.under_way()?, 1);
    drop(half);
    assert_eq!(place.under_way()?, 0);
    assert_eq!(place.kept().await?, 6);
    Ok(())
}

#[tokio::test]
async fn a_folder_keeps_media_as_they_came() -> Result<()> {
    conforms(&Place::folder()?).await
}

#[tokio::test]
async fn a_bucket_keeps_media_as_they_came() -> Result<()> {
    let place = Place::bucket().await?;
    conforms(&place).await?;
    let s3 = place.s3.as_ref().context("a bucket")?;
    for name in s3.objects().await? {
        assert!(name.starts_with("some/where/"), "{name}");
    }
    assert_eq!(s3.uploads().await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_fails_half_way_is_left_as_it_was() -> Result<()> {
    let place = Place::bucket().await?;
    let s3 = place.s3.as_ref().context("a bucket")?;
    // The second part; the end of the parts; the description; a small file.
    for (refused, size) in [
        ("partNumber=2", 20 << 20),
        ("POST /kefu-media/some/where", 20 << 20),
        (".json", 20 << 20),
        ("PUT", 100),
    ] {
        s3.refuse(Some(refused)).await?;
        let failed = place.upload(None, &picture(size)).await;
        assert!(matches!(failed, Err(UploadError::Store(_))), "{refused}");
        assert_eq!(place.kept().await?, 0, "{refused}");
        assert_eq!(s3.uploads().await?, 0, "{refused}");
        assert_eq!(place.under_way()?, 0, "{refused}");
    }
    s3.refuse(None).await?;
    place.upload(None, &picture(100)).await?;
    assert_eq!(place.kept().await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_gateway_keeps_media_in_a_bucket_and_hands_them_out() -> Result<()> {
    let s3 = S3::start().await?;
    let stage = Stage::with(|config| config.with(&s3.config("media"))).await?;
    let visitor = stage.visitor();
    let large = picture(9 << 20);
    for bytes in [png(), large.clone()] {
        let stored = visitor.upload("image/png", bytes.clone()).await?;
        let stored = stored.expect(201)?.json()?;
        let url = stored["url"].as_str().context("an address")?.to_owned();
        let whole = Client::new().get(&url).send().await?.expect(200)?;
        assert!(whole.body == bytes);
        let part = Client::new().get(&url).header("range", "bytes=10-19");
        let part = part.send().await?.expect(206)?;
        assert_eq!(part.body, bytes[10..20]);
    }
    assert_eq!(s3.objects().await?.len(), 4);
    let unknown = format!("{}/v1/media/{}", stage.gateway.public(), "0".repeat(48));
    Client::new().get(unknown).send().await?.expect(401)?;
    Ok(())
}

#[tokio::test]
async fn a_vendor_fetches_what_is_in_a_bucket() -> Result<()> {
    let s3 = S3::start().await?;
    let stage = Stage::with(|config| config.with(&s3.config(""))).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let stored = chat.visitor.upload("image/png", png()).await?.expect(201)?;
    let url = stored.json()?["url"].clone();
    let sent = chat
        .send_accepted(&json!({ "type": "image", "url": url }))
        .await?;
    assert_eq!(chat.fate(&sent.id).await?["status"], "delivered");
    let call = chat.carried_out("chat_send").await?[0]["body"]["content"].clone();
    let given = call.as_str().context("a link")?;
    let fetched = Client::new().get(given).send().await?.expect(200)?;
    assert_eq!(fetched.body, png());
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_does_not_know_the_gateway_refuses_uploads_and_the_rest_goes_on() -> Result<()>
{
    let s3 = S3::start().await?;
    let config = s3.config_with_secret("media", "a-wrong-secret");
    let stage = Stage::with(|stage| stage.with(&config)).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let refused = chat.visitor.upload("image/png", png()).await?;
    let problem = refused.expect_problem(503, "storage-unavailable")?;
    assert!(!problem.to_string().contains("Signature"), "{problem}");
    chat.say("still here").await?;
    chat.wait_for_calls("chat_send", 1).await?;
    assert!(s3.objects().await?.is_empty());
    assert!(!stage.gateway.log().contains("a-wrong-secret"));
    Ok(())
}

#[tokio::test]
async fn what_was_on_its_way_to_a_bucket_is_given_up_at_the_next_start() -> Result<()> {
    let s3 = S3::start().await?;
    let mut stage = Stage::with(|config| config.with(&s3.config("media"))).await?;
    // Its parts are taken and never put together; nor can it be given up.
    s3.refuse(Some("uploadId=")).await?;
    let visitor = stage.visitor();
    let failed = visitor.upload("image/png", picture(9 << 20)).await?;
    failed.expect_problem(503, "storage-unavailable")?;
    assert_eq!(s3.uploads().await?, 1);
    stage.gateway.kill_9().await?;
    s3.refuse(None).await?;
    stage.gateway.restart().await?;
    s3.wait_for_no_uploads().await?;
    assert!(s3.objects().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn media_that_are_too_old_are_removed_from_a_bucket() -> Result<()> {
    let s3 = S3::start().await?;
    let config = format!("{}\nmedia.retention = \"1h\"", s3.config("media"));
    let mut stage = Stage::with(|stage| stage.with(&config)).await?;
    let visitor = stage.visitor();
    let old = visitor.upload("image/png", png()).await?.expect(201)?;
    s3.age(3_700).await?;
    let young = visitor.upload("image/png", picture(100)).await?;
    let young = young.expect(201)?;
    // A restart looks at once, and begins anywhere.
    stage.gateway.restart().await?;
    wait::until("the old picture to be gone", async || {
        Ok((s3.objects().await?.len() == 2).then_some(()))
    })
    .await?;
    let get = async |stored: &kefu_test_support::http::Response| {
        let url = stored.json()?["url"].clone();
        Client::new()
            .get(url.as_str().context("an address")?)
            .send()
            .await
    };
    get(&old).await?.expect_problem(404, "not-found")?;
    get(&young).await?.expect(200)?;
    Ok(())
}

fn settings(dir: &Path, config: &str) -> Result<Settings> {
    let text = format!(
        "admin.token = \"a-token-for-the-test\"\nmedia.dir = {:?}\nmedia.image.max_size = \"64MiB\"\n{config}",
        dir.display().to_string()
    );
    let main = check_main("kefu.toml", &text, &NoLookup).map_err(|errors| {
        let errors: Vec<_> = errors.0.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", errors.join("\n"))
    })?;
    Ok(main.settings.media)
}

fn visitor() -> VisitorKey {
    VisitorKey {
        app: "demo".into(),
        visitor: "v1".into(),
    }
}

/// A picture that is as large as it should be, and different everywhere.
fn picture(size: usize) -> Vec<u8> {
    let mut bytes = png();
    let mut state = 1_u32;
    while bytes.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
