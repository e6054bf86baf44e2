use std::{os::unix::fs::PermissionsExt, time::Duration};

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

#[tokio::test]
async fn an_upload_is_read_back_as_it_came() {
    let (_dir, media) = folder();
    let stored = upload(&media, None, "image/png", &[PNG, b"more"])
        .await
        .unwrap();
    let expected = [PNG, b"more"].concat();
    assert_eq!(stored.about.content_type, "image/png");
    assert_eq!(stored.about.size, expected.len() as u64);
    assert_eq!(stored.about.sha256, hex(&Sha256::digest(&expected)));
    let about = media.about(&stored.id).await.unwrap().unwrap();
    let mut contents = media.read(&stored.id, 0, about.size).await.unwrap();
    let mut found = Vec::new();
    while let Some(piece) = contents.next().await.unwrap() {
        found.extend_from_slice(&piece);
    }
    assert_eq!((about, found), (stored.about, expected));
    assert!(media.owned_by(&stored.id, &visitor()));
}

#[tokio::test]
async fn the_same_key_keeps_one_upload() {
    let (_dir, media) = folder();
    let first = upload(&media, Some("k"), "image/png", &[PNG])
        .await
        .unwrap();
    let again = upload(&media, Some("k"), "image/png", &[PNG])
        .await
        .unwrap();
    assert_eq!(first, again);
    let other = upload(&media, Some("k"), "image/png", &[PNG, b"x"]).await;
    assert!(matches!(other, Err(UploadError::Reused)));
}

#[tokio::test]
async fn a_key_that_is_under_way_waits_and_is_free_again_when_dropped() {
    let (_dir, media) = folder();
    let who = visitor();
    let begin = || media.begin(&who, Some("k"), "image/png", rules());
    let first = begin().await.unwrap();
    assert!(matches!(begin().await, Err(UploadError::InFlight)));
    drop(first);
    assert!(begin().await.is_ok());
}

#[tokio::test]
async fn what_is_too_large_for_its_kind_is_refused_on_the_way() {
    let (dir, media) = folder();
    let mut coming = media
        .begin(&visitor(), None, "image/png", rules())
        .await
        .unwrap();
    let piece = [PNG, &[0; HEAD]].concat();
    coming.write(&piece, rules()).await.unwrap();
    let refused = coming.write(&vec![0; 16 * 1024], rules()).await;
    assert!(
        matches!(&refused, Err(UploadError::TooLarge { limit: 16_384, what }) if what == "image/png")
    );
    drop(coming);
    assert_eq!(count(&dir.path().join(TEMPORARY)), 0);
}

#[tokio::test]
async fn nothing_and_the_wrong_thing_leave_nothing_behind() {
    let (dir, media) = folder();
    let empty = upload(&media, None, "image/png", &[]).await;
    assert!(matches!(empty, Err(UploadError::Empty)));
    let wrong = upload(&media, None, "image/png", &[b"%PDF-1.7\n"]).await;
    assert!(matches!(wrong, Err(UploadError::NotTaken(_))));
    assert_eq!(count(&dir.path().join(TEMPORARY)), 0);
    assert_eq!(
        count(dir.path()),
        3,
        "the key, and the folders for what is under way"
    );
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let (_dir, media) = folder();
    let id = media.new_id(&visitor());
    assert!(media.about(&id).await.unwrap().is_none());
}

#[test]
fn the_key_is_made_once_and_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let first = key(dir.path()).unwrap();
    fs::write(dir.path().join(TEMPORARY).join("left"), b"over").unwrap();
    assert_eq!(key(dir.path()).unwrap(), first);
    assert_eq!(count(&dir.path().join(TEMPORARY)), 0);
    let path = dir.path().join(KEY_FILE);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&path, b"short").unwrap();
    assert!(matches!(
        key(dir.path()),
        Err(FolderError::BadKey { found: 5, .. })
    ));
}

async fn upload(
    media: &Media,
    key: Option<&str>,
    claim: &str,
    pieces: &[&[u8]],
) -> Result<Stored, UploadError> {
    let mut coming = media.begin(&visitor(), key, claim, rules()).await?;
    for piece in pieces {
        coming.write(piece, rules()).await?;
    }
    coming.finish(rules()).await
}

fn folder() -> (tempfile::TempDir, Media) {
    let dir = tempfile::tempdir().unwrap();
    let media = Media::in_folder(dir.path(), "https://a.example", Duration::from_secs(60));
    (dir, media)
}

fn rules() -> &'static config::Media {
    static RULES: std::sync::OnceLock<config::Media> = std::sync::OnceLock::new();
    RULES.get_or_init(crate::media::small_rules)
}

fn visitor() -> VisitorKey {
    VisitorKey {
        app: "demo".into(),
        visitor: "v1".into(),
    }
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}
