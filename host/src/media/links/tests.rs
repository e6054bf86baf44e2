use super::*;

const NOW: u64 = 1_767_225_600;

#[test]
fn a_signed_link_is_valid_until_it_expires() {
    let (_dir, media) = media();
    let id = media.new_id(&visitor("v1"));
    let url = media.signed_url(&id, NOW);
    let (expires, signature) = query(&url);
    let week = NOW + 7 * 24 * HOUR;
    assert!((week..=week + HOUR).contains(&expires));
    assert!(media.is_valid(&id, expires, &signature, NOW));
    assert!(media.is_valid(&id, expires, &signature, expires - 1));
    assert!(!media.is_valid(&id, expires, &signature, expires));
}

#[test]
fn a_changed_link_is_not_valid() {
    let (_dir, media) = media();
    let id = media.new_id(&visitor("v1"));
    let (expires, signature) = query(&media.signed_url(&id, NOW));
    let other = media.new_id(&visitor("v1"));
    assert!(!media.is_valid(&other, expires, &signature, NOW));
    assert!(!media.is_valid(&id, expires + 1, &signature, NOW));
    assert!(!media.is_valid(&id, expires, "", NOW));
    let (_other_dir, elsewhere) = self::media();
    assert!(!elsewhere.is_valid(&id, expires, &signature, NOW));
}

#[test]
fn the_same_link_comes_out_for_a_while() {
    let (_dir, media) = media();
    let id = media.new_id(&visitor("v1"));
    assert_eq!(
        media.signed_url(&id, NOW + 10),
        media.signed_url(&id, NOW + 20)
    );
}

#[test]
fn a_link_says_whose_it_is() {
    let (_dir, media) = media();
    let (one, other) = (visitor("v1"), visitor("v2"));
    let id = media.new_id(&one);
    for url in [
        media.canonical_url(&id),
        media.signed_url(&id, NOW),
        format!("https://former.example/v1/media/{id}"),
    ] {
        assert_eq!(media.link(&url, &one), Link::Own(id.clone()), "{url}");
    }
    assert_eq!(media.link(&media.canonical_url(&id), &other), Link::NotOwn);
    assert_eq!(
        media.link("https://kefu.example.com/v1/media/nonsense", &one),
        Link::NotOwn
    );
    for url in [
        "https://elsewhere.example/cat.png",
        &format!("https://elsewhere.example/v1/media/{id}x"),
        &format!("ftp://kefu.example.com/v1/media/{id}"),
    ] {
        assert_eq!(media.link(url, &one), Link::Foreign, "{url}");
    }
}

#[test]
fn the_same_key_names_the_same_upload_of_the_same_visitor() {
    let (_dir, media) = media();
    let (one, other) = (visitor("v1"), visitor("v2"));
    let id = media.keyed_id(&one, "k");
    assert_eq!(media.keyed_id(&one, "k"), id);
    assert_ne!(media.keyed_id(&one, "l"), id);
    assert_ne!(media.keyed_id(&other, "k"), id);
    assert!(media.owned_by(&id, &one) && !media.owned_by(&id, &other));
    assert_eq!(MediaId::parse(id.as_str()), Some(id));
}

#[test]
fn links_in_json_are_signed_where_they_are_the_whole_text() {
    let (_dir, media) = media();
    let who = visitor("v1");
    let id = media.new_id(&who);
    let (plain, signed) = (media.canonical_url(&id), media.signed_url(&id, NOW));
    let json = format!(
        r#"{{"content":{{"url":"{plain}","thumbnail" : "{plain}","list":["{plain}"]}},"n":1}}"#
    );
    assert_eq!(
        text(media.sign_links_in_json(json.as_bytes(), &who, NOW)),
        json.replace(&plain, &signed)
    );
    // What was signed is signed anew.
    let again = format!(r#"["{signed}"]"#);
    let later = NOW + 30 * 24 * HOUR;
    assert_eq!(
        text(media.sign_links_in_json(again.as_bytes(), &who, later)),
        format!(r#"["{}"]"#, media.signed_url(&id, later))
    );
}

#[test]
fn links_inside_other_text_and_of_others_stay_as_they_are() {
    let (_dir, media) = media();
    let who = visitor("v1");
    let own = media.canonical_url(&media.new_id(&who));
    let others = media.canonical_url(&media.new_id(&visitor("v2")));
    for json in [
        format!(r#"{{"text":"look: {own}"}}"#),
        format!(r#"{{"text":"{own} "}}"#),
        format!(r#"{{"text":"he said \"{own}\" to me"}}"#),
        format!(r#"{{"{own}":1}}"#),
        format!(r#"{{"url":"{others}"}}"#),
        r#"{"text":"/v1/media/"}"#.to_owned(),
        own.clone(),
        r#"{"text":"nothing"}"#.to_owned(),
    ] {
        let after = media.sign_links_in_json(json.as_bytes(), &who, NOW);
        assert!(matches!(after, Cow::Borrowed(_)), "{json}");
    }
}

#[test]
fn only_listed_links_are_signed_for_a_vendor() {
    let (_dir, media) = media();
    let who = visitor("v1");
    let (listed, other) = (media.new_id(&who), media.new_id(&who));
    let (plain, signed) = (media.canonical_url(&listed), media.signed_url(&listed, NOW));
    let other = media.canonical_url(&other);
    let body = format!(r#"{{"content":"[图片 image] {plain}","url":"{plain}","x":"{other}"}}"#);
    let after = media.sign_listed(body.as_bytes(), std::slice::from_ref(&plain), NOW);
    assert_eq!(text(after), body.replace(&plain, &signed));
}

#[test]
fn a_link_in_a_form_is_signed_in_its_encoding() {
    let (_dir, media) = media();
    let id = media.new_id(&visitor("v1"));
    let plain = media.canonical_url(&id);
    let body = format!("msg=https%3A%2F%2Fkefu.example.com%2Fv1%2Fmedia%2F{id}&type=1");
    let after = text(media.sign_listed(body.as_bytes(), std::slice::from_ref(&plain), NOW));
    let (message, kind) = after.split_once("&type").unwrap();
    let decoded = percent_encoding::percent_decode_str(message.strip_prefix("msg=").unwrap());
    assert_eq!(decoded.decode_utf8().unwrap(), media.signed_url(&id, NOW));
    assert_eq!(kind, "=1");
}

fn media() -> (tempfile::TempDir, Media) {
    let dir = tempfile::tempdir().unwrap();
    let ttl = Duration::from_secs(7 * 24 * HOUR);
    let media = Media::in_folder(dir.path(), "https://kefu.example.com", ttl);
    (dir, media)
}

fn visitor(id: &str) -> VisitorKey {
    VisitorKey {
        app: "demo".into(),
        visitor: id.into(),
    }
}

fn query(url: &str) -> (u64, String) {
    let (_, query) = url.split_once("?exp=").unwrap();
    let (expires, signature) = query.split_once("&sig=").unwrap();
    (expires.parse().unwrap(), signature.to_owned())
}

fn text(bytes: Cow<'_, [u8]>) -> String {
    String::from_utf8(bytes.into_owned()).unwrap()
}
