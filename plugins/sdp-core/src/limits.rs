//! The protocol's limits (`docs/sdp.md`, section 12), and what becomes of a
//! vendor's words that are beyond them.
//!
//! Owns the numbers and the cutting. Invariant: an agent's message is refused
//! as a whole, with the reason, or shown as a whole; only what stands around it
//! (names, pictures, suggestions, greetings) is cut or left out.

use kefu_plugin_api::prelude::{Agent, Content, Sender};

/// Characters of a text, also of a content that is told in words.
pub const TEXT_CHARS: usize = 8_000;
/// Bytes of a `content` as JSON.
pub const CONTENT_BYTES: usize = 128 << 10;
/// Bytes of a `custom.payload` as JSON.
pub const PAYLOAD_BYTES: usize = 32 << 10;
/// Bytes of what is remembered of a config, as JSON.
pub const CONFIG_BYTES: usize = 32 << 10;
/// Events in one reply.
pub const REPLY_EVENTS: usize = 64;
/// Characters of an id.
pub const ID_CHARS: usize = 128;
/// Characters of an agent's id and name.
pub const NAME_CHARS: usize = 128;
/// Bytes of the address of an agent's picture.
pub const PORTRAIT_BYTES: usize = 2_048;
/// Characters of a greeting.
pub const GREETING_CHARS: usize = 2_000;
/// Suggestions of one message.
pub const SUGGESTIONS: usize = 20;
/// Characters of one suggestion.
pub const SUGGESTION_CHARS: usize = 200;

/// Whether a text can be an id of the protocol.
pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The front of a text, and whether anything was cut.
pub fn cut(text: String, limit: usize) -> (String, bool) {
    match text.char_indices().nth(limit) {
        Some((at, _)) => (text[..at].to_owned(), true),
        None => (text, false),
    }
}

/// The agent with no more than can be shown and remembered of one.
pub fn agent(agent: Agent) -> Agent {
    let Agent { id, name, portrait } = agent;
    Agent {
        id: id.map(|text| cut(text, NAME_CHARS).0),
        name: name.map(|text| cut(text, NAME_CHARS).0),
        portrait: portrait.filter(|url| url.len() <= PORTRAIT_BYTES),
    }
}

/// The same of who said something.
pub fn sender(from: Sender) -> Sender {
    let Sender {
        kind,
        id,
        name,
        portrait,
    } = from;
    let Agent { id, name, portrait } = agent(Agent { id, name, portrait });
    Sender {
        kind,
        id,
        name,
        portrait,
    }
}

/// The suggestions that are shown.
pub fn suggestions(all: Vec<String>) -> Vec<String> {
    let shown = all.into_iter().take(SUGGESTIONS);
    shown.map(|text| cut(text, SUGGESTION_CHARS).0).collect()
}

/// What is wrong with the size of a content, if anything.
pub fn content(content: &Content) -> Result<(), String> {
    let bytes = |value: serde_json::Result<Vec<u8>>| value.map_or(usize::MAX, |json| json.len());
    if let Content::Text { text } = content
        && text.is_empty()
    {
        return Err("`content.text` is empty".to_owned());
    }
    if let Content::Custom { payload, .. } = content
        && bytes(serde_json::to_vec(payload)) > PAYLOAD_BYTES
    {
        return Err(format!(
            "`content.payload` is longer than {PAYLOAD_BYTES} bytes as JSON"
        ));
    }
    if content.to_text().chars().nth(TEXT_CHARS).is_some() {
        return Err(format!(
            "`content` is longer than {TEXT_CHARS} characters, such as its `text`"
        ));
    }
    if bytes(serde_json::to_vec(content)) > CONTENT_BYTES {
        return Err(format!(
            "`content` is longer than {CONTENT_BYTES} bytes as JSON"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("您好吗".to_owned(), 2), ("您好".to_owned(), true));
        assert_eq!(cut("您好".to_owned(), 2), ("您好".to_owned(), false));
    }

    #[test]
    fn a_content_at_a_limit_is_taken_and_one_beyond_it_is_refused() {
        let text = |letters| Content::text("长".repeat(letters));
        assert_eq!(content(&text(TEXT_CHARS)), Ok(()));
        assert!(content(&text(TEXT_CHARS + 1)).is_err());
        let custom = |bytes: usize| Content::Custom {
            name: "product".to_owned(),
            // With its quotation marks.
            payload: json!("x".repeat(bytes - 2)),
            fallback_text: "商品".to_owned(),
        };
        assert_eq!(content(&custom(PAYLOAD_BYTES)), Ok(()));
        assert!(content(&custom(PAYLOAD_BYTES + 1)).is_err());
        let image = |bytes: usize| Content::Image {
            url: "https://v.example/a".to_owned(),
            thumbnail: Some("x".repeat(bytes)),
            width: None,
            height: None,
        };
        assert_eq!(content(&image(CONTENT_BYTES / 2)), Ok(()));
        assert!(content(&image(CONTENT_BYTES)).is_err());
    }

    #[test]
    fn the_document_names_every_limit() {
        let pages = [
            include_str!("../../../docs/sdp.md"),
            include_str!("../../../docs/sdp.zh-CN.md"),
        ];
        let rows = [
            ("`content`", "128 KiB"),
            ("`custom.payload`", "32 KiB"),
            ("`config`", "32 KiB"),
            ("`text`", "8,000"),
            ("`events`", "64"),
            ("`session_id`", "1–128"),
            ("`greeting`", "2,000"),
            ("`suggestions`", "20"),
            ("`suggestions`", "200"),
            ("`portrait`", "2,048"),
            ("`name`", "128"),
        ];
        for page in pages {
            let section = page.split("\n## 12").nth(1).expect("section 12");
            let section = section.split("\n## ").next().unwrap_or_default();
            for (what, limit) in rows {
                let named = |row: &str| row.contains(what) && row.contains(limit);
                assert!(section.lines().any(named), "{what} {limit}");
            }
        }
    }
}
