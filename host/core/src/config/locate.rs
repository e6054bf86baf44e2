//! Where each key of a file stands.
//!
//! Owns the way from a key (`desks.support.routes[0].weight`) to line and
//! column, and from a place in the text back to the innermost key. Deliberately
//! keeps no value of a secret: what a message may quote is masked here, once.
//! Invariant: a key that is not in the file is found at its nearest parent.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The places of all keys of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Places(BTreeMap<String, Place>);

/// Where one key stands, and what may be quoted of its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) value: Option<String>,
    key: Range<usize>,
    content: Range<usize>,
    depth: usize,
}

impl Places {
    /// Notes every key of a parsed file.
    pub(super) fn of(table: &DeTable<'_>, text: &str) -> Self {
        let mut places = Self::default();
        places.note_table(table, "", 0, text);
        places
    }

    /// Where a key stands, or else its nearest parent, or else the beginning.
    /// The value is that of the key itself, if it is there.
    pub(super) fn find(&self, key: &str) -> (usize, usize, Option<String>) {
        if let Some(place) = self.0.get(key) {
            return (place.line, place.column, place.value.clone());
        }
        let mut parent = key;
        while let Some(cut) = parent.rfind(['.', '[']) {
            parent = &parent[..cut];
            if let Some(place) = self.0.get(parent) {
                return (place.line, place.column, None);
            }
        }
        (1, 1, None)
    }

    /// The innermost key whose name or value covers a stretch of the text.
    pub(super) fn innermost(&self, span: &Range<usize>) -> Option<&str> {
        let covers = |range: &Range<usize>| range.start <= span.start && span.end <= range.end;
        self.0
            .iter()
            .filter(|(_, place)| covers(&place.key) || covers(&place.content))
            .max_by_key(|(_, place)| (place.depth, covers(&place.key)))
            .map(|(key, _)| key.as_str())
    }

    fn note_table(&mut self, table: &DeTable<'_>, path: &str, depth: usize, text: &str) {
        for (name, value) in table {
            let path = child(path, name.get_ref());
            self.note(&path, name.span(), value, depth, text);
        }
    }

    fn note(
        &mut self,
        path: &str,
        key: Range<usize>,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
        text: &str,
    ) {
        let (line, column) = line_column(text, key.start);
        let content = value.span();
        let quoted = quote(
            path,
            value.get_ref(),
            text.get(content.clone()).unwrap_or_default(),
        );
        self.0.insert(
            path.to_owned(),
            Place {
                line,
                column,
                value: quoted,
                key,
                content,
                depth,
            },
        );
        match value.get_ref() {
            DeValue::Table(table) => self.note_table(table, path, depth + 1, text),
            DeValue::Array(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    self.note(
                        &format!("{path}[{index}]"),
                        entry.span(),
                        entry,
                        depth + 1,
                        text,
                    );
                }
            }
            _ => {}
        }
    }
}

/// The key of an entry of a table.
pub(super) fn child(path: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let name = if bare {
        name.to_owned()
    } else {
        format!("{name:?}")
    };
    if path.is_empty() {
        name
    } else {
        format!("{path}.{name}")
    }
}

/// Line and column, both from 1, of a byte offset; columns count characters.
pub(super) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// What a message may show of a value: the file's own words, shortened; of a
/// secret only the name of the variable it comes from.
fn quote(path: &str, value: &DeValue<'_>, source: &str) -> Option<String> {
    let secret = is_secret(path);
    let whole = match value {
        DeValue::Table(_) => return None,
        DeValue::Array(entries)
            if secret || entries.iter().any(|entry| entry.get_ref().is_table()) =>
        {
            return None;
        }
        DeValue::String(text) if secret && is_reference(text) => source,
        _ if secret => return Some("\"…\"".to_owned()),
        _ => source,
    };
    let line = whole.lines().next().unwrap_or_default();
    let short: String = line.chars().take(MAX_QUOTE).collect();
    Some(if short.len() < whole.len() {
        format!("{short}…")
    } else {
        short
    })
}

/// Whether a key holds a secret, or may hold one: what an adapter's settings
/// mean is not known here.
fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    let name = name.split('[').next().unwrap_or(name);
    path == "settings"
        || path.starts_with("settings.")
        || path.starts_with("settings[")
        || matches!(
            name,
            "token" | "secret" | "secrets" | "signing_key" | "access_key" | "secret_key"
        )
}

/// Whether a text is one reference and nothing else, without a default.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.contains(['}', '$']) && !name.contains(":-"))
}

const MAX_QUOTE: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Places {
        Places::of(DeTable::parse(text).unwrap().get_ref(), text)
    }

    #[test]
    fn a_key_is_found_by_its_line_and_column() {
        let found = places("[server]\n  listen = \"x\"\n[[desks.a.routes]]\nweight = 5\n");
        assert_eq!(found.find("server.listen"), (2, 3, Some("\"x\"".into())));
        assert_eq!(
            found.find("desks.a.routes[0].weight"),
            (4, 1, Some("5".into()))
        );
    }

    #[test]
    fn a_missing_key_is_found_at_its_parent() {
        let found = places("\n[admin]\nlisten = \"x\"\n");
        assert_eq!(found.find("admin.token"), (2, 2, None));
        assert_eq!(found.find("store.url"), (1, 1, None));
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(line_column("标题 = 1", "标题 ".len()), (1, 4));
    }

    #[test]
    fn secrets_are_never_quoted() {
        let found = places(
            "token = \"hunter2\"\nsecrets = [\"hunter2\"]\n[settings]\napp_key = \"hunter2\"\nlist = [{ a = \"hunter2\" }]\n",
        );
        assert!(!format!("{found:?}").contains("hunter2"));
        let found = places("token = \"${KEFU_TOKEN}\"\n[settings]\nkey = \"${KEY:-hunter2}\"\n");
        assert_eq!(found.find("token").2.as_deref(), Some("\"${KEFU_TOKEN}\""));
        assert_eq!(found.find("settings.key").2.as_deref(), Some("\"…\""));
    }

    #[test]
    fn a_place_in_the_text_leads_to_the_innermost_key() {
        let text = "[server]\nlimits = { max_body = 5 }\n";
        let at = text.find('5').unwrap();
        assert_eq!(
            places(text).innermost(&(at..at + 1)),
            Some("server.limits.max_body")
        );
    }
}
