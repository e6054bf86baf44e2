use std::fs;

use super::*;

#[tokio::test]
async fn both_files_of_an_upload_are_seen_as_one_and_others_are_passed_over() {
    let at = SystemTime::UNIX_EPOCH;
    let later = at + Duration::from_secs(1);
    let (one, two) = (id("a"), id("b"));
    let mut seen = Vec::new();
    note(&mut seen, one.as_str(), at);
    note(&mut seen, &format!("{one}.json"), later);
    note(&mut seen, two.as_str(), at);
    for other in ["signing.key", "x.json", ".json", ""] {
        note(&mut seen, other, at);
    }
    let expected = |id: &MediaId, described, at| Seen {
        id: id.clone(),
        described,
        at,
    };
    assert_eq!(
        seen,
        [expected(&one, true, later), expected(&two, false, at)]
    );
}

#[tokio::test]
async fn a_look_begins_anywhere_and_ends_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::Folder(Folder::new(dir.path().to_owned()));
    for digit in ["1", "9", "f"] {
        let staged = dir.path().join("staged");
        fs::write(&staged, b"x").unwrap();
        let about = About {
            content_type: "text/plain".into(),
            size: 1,
            sha256: String::new(),
        };
        let staged = Temporary(Some(staged));
        store.keep(&id(digit), staged, &about).await.unwrap();
    }
    let seen = async |from: Option<&str>| {
        let page = store.look(from.map(str::to_owned)).await.unwrap();
        assert_eq!(page.next, None);
        page.seen.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(seen(None).await, [id("1"), id("9"), id("f")]);
    assert_eq!(seen(Some("50")).await, [id("9"), id("f")]);
}

#[tokio::test]
async fn what_cannot_be_kept_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::Folder(Folder::new(dir.path().to_owned()));
    let about = About {
        content_type: "text/plain".into(),
        size: 1,
        sha256: String::new(),
    };
    // The shelf is in the way.
    fs::write(dir.path().join("11"), b"").unwrap();
    let staged = dir.path().join("staged");
    fs::write(&staged, b"x").unwrap();
    let kept = store.keep(&id("1"), Temporary(Some(staged)), &about).await;
    assert!(kept.is_err());
    assert!(store.about(&id("9")).await.unwrap().is_none());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

fn id(digit: &str) -> MediaId {
    MediaId::parse(&digit.repeat(48)).unwrap()
}
