//! Voice on its way to a vendor that takes it in certain forms only.
//!
//! Owns the decision whether an uploaded voice is converted before its message
//! is taken: the message waits, and whoever sends it again finds the other form
//! made. Deliberately fetches no voice from elsewhere. Invariant: the form that
//! a message names is what the upload shows, not what the visitor claimed.

use kefu_core::problem::Problem;
use kefu_plugin_api::{
    capability::Level,
    message::{Content, ContentKind},
};

use super::Visit;
use crate::media::Link;

/// Brings a voice into a form that the session's provider takes. What it was
/// before, if it was converted; a voice that cannot be is left as it is, and
/// goes as a link.
///
/// # Errors
/// The session is not this visitor's.
pub(super) async fn fit(
    visit: &Visit<'_>,
    content: &mut Content,
    listed: &mut Vec<String>,
) -> Result<Option<ContentKind>, Problem> {
    let Content::Voice { url, format, .. } = content else {
        return Ok(None);
    };
    let parts = &visit.ask.edge.parts;
    let (media, who) = (&parts.media, &visit.identity.who);
    let Link::Own(id) = media.link(url, who) else {
        return Ok(None);
    };
    match media.voice_format(&id).await {
        Ok(Some(found)) => found.clone_into(format),
        Ok(None) => return Ok(None),
        Err(error) => {
            parts.metrics.media_store_failed();
            tracing::warn!(%error, media = %id, "the form of a voice was not looked up");
            return Ok(None);
        }
    }
    let card = parts.engine.session(who, &visit.session()).await?;
    let capabilities = &card.capabilities;
    let level = capabilities.level(card.state, ContentKind::Voice);
    if level != Level::Full || capabilities.takes_voice(format) {
        return Ok(None);
    }
    let rules = &visit.ask.config.main.media;
    let converted = media
        .convert(who, &id, &capabilities.voice_formats, rules)
        .await;
    match converted {
        Ok(Some(converted)) => {
            parts.metrics.media_converted("converted");
            *url = media.canonical_url(&converted.id);
            *format = converted.format;
            *listed = vec![url.clone()];
            Ok(Some(ContentKind::Voice))
        }
        Ok(None) => {
            parts.metrics.media_converted("no_converter");
            Ok(None)
        }
        Err(error) => {
            parts.metrics.media_converted("failed");
            tracing::warn!(%error, provider = %card.provider, "voice goes as a link");
            Ok(None)
        }
    }
}
