//! `POST /v1/sessions/{session}/messages`: what a visitor says.
//!
//! Owns the check of what is said as far as it needs no session, and that media
//! in it are the visitor's own. Deliberately does not fetch links elsewhere.

use bytes::Bytes;
use http::{Response, StatusCode};
use kefu_core::{
    command::{Command, MAX_MESSAGE, check_content},
    problem::Problem,
    turn::Reply,
};
use kefu_plugin_api::message::Content;
use serde::Deserialize;
use serde_json::json;

use super::{Visit, content, voice};
use crate::{
    edge::{body::Body, respond},
    media::{Link, Media},
    session::VisitorKey,
};

#[derive(Deserialize)]
struct Said {
    content: Content,
}

/// Takes a message.
pub(super) async fn send(visit: &Visit<'_>, body: &Bytes) -> Result<Response<Body>, Problem> {
    let said: Result<Said, Problem> = visit.read(body);
    let mut content = said
        .map_err(|problem| content::explain(body, problem))?
        .content;
    check_content(&content)?;
    let mut media = own_media(
        &mut content,
        &visit.ask.edge.parts.media,
        &visit.identity.who,
    )?;
    let converted_from = voice::fit(visit, &mut content, &mut media).await?;
    let key = visit.key(body)?;
    match visit
        .command(
            Command::Message {
                content,
                media,
                converted_from,
            },
            key,
        )
        .await?
    {
        Reply::Message { id, seq } => Ok(respond::json(
            StatusCode::ACCEPTED,
            &json!({"id": id, "seq": seq}),
        )),
        Reply::Accepted => Ok(respond::accepted()),
    }
}

/// Writes links to the gateway's media in their canonical form, and lists them.
///
/// # Errors
/// `invalid-request` for media that are not this visitor's.
fn own_media(
    content: &mut Content,
    media: &Media,
    who: &VisitorKey,
) -> Result<Vec<String>, Problem> {
    let mut found = Vec::new();
    let places: &[&str] = match content {
        Content::Rich { .. } => &["/content/image_url"],
        _ => &["/content/url", "/content/thumbnail"],
    };
    for (url, place) in content.media_urls_mut().into_iter().zip(places) {
        match media.link(url, who) {
            Link::Foreign => {}
            Link::Own(id) => {
                *url = media.canonical_url(&id);
                if !found.contains(url) {
                    found.push(url.clone());
                }
            }
            Link::NotOwn => {
                return Err(Problem::invalid(
                    *place,
                    "links to no upload of this visitor",
                ));
            }
        }
    }
    Ok(found)
}

// A message that is within its own limit must fit into a body.
const _: () = assert!(MAX_MESSAGE < 1024 * 1024);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn own_media_are_listed_in_canonical_form() {
        let (_dir, media) = folder();
        let who = visitor("v1");
        let id = media.new_id(&who);
        let plain = media.canonical_url(&id);
        let mut content = Content::Image {
            url: media.signed_url(&id, 1_767_225_600),
            thumbnail: Some(plain.clone()),
            width: None,
            height: None,
        };
        let found = own_media(&mut content, &media, &who).unwrap();
        assert_eq!(found, std::slice::from_ref(&plain));
        assert!(matches!(content, Content::Image { url, .. } if url == plain));
    }

    #[test]
    fn media_of_others_are_refused_and_links_elsewhere_are_left() {
        let (_dir, media) = folder();
        let who = visitor("v1");
        let others = media.canonical_url(&media.new_id(&visitor("v2")));
        let with = |image_url: &str| {
            let mut content = Content::Rich {
                title: "t".into(),
                summary: String::new(),
                image_url: Some(image_url.to_owned()),
                url: "https://shop.example/1".into(),
            };
            own_media(&mut content, &media, &who)
        };
        let refused = with(&others).unwrap_err();
        assert_eq!(refused.errors[0].pointer, "/content/image_url");
        assert_eq!(with("https://cdn.example/cat.png"), Ok(vec![]));
    }

    fn folder() -> (tempfile::TempDir, Media) {
        let dir = tempfile::tempdir().unwrap();
        let hour = Duration::from_secs(3600);
        let media = Media::in_folder(dir.path(), "https://kefu.example.com", hour);
        (dir, media)
    }

    fn visitor(id: &str) -> VisitorKey {
        VisitorKey {
            app: "demo".into(),
            visitor: id.into(),
        }
    }
}
