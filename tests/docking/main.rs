//! The standard docking protocol: its document, and the shipped files of the
//! adapters that speak it.
//!
//! Every example of the document goes through the generic adapter, or through
//! the one whose flavour it is of, in both editions: what it sends is what the
//! document shows, and what the document shows it understands. These tests stand
//! here because they know several adapters and the gateway's core, and an
//! adapter knows neither.
//!
//! `Book` holds the fenced JSON examples by section. A test takes each one by
//! its place; one that nobody took fails the test, and so does one that is
//! missing.

mod bad_input;
mod desk;
mod play;
mod rules;
mod shipped;
mod simulated;

use std::collections::BTreeMap;

use serde_json::Value;

const EDITIONS: [(&str, &str); 2] = [
    ("sdp.md", include_str!("../../docs/sdp.md")),
    ("sdp.zh-CN.md", include_str!("../../docs/sdp.zh-CN.md")),
];

#[test]
fn every_example_of_the_document_is_played_through_the_adapter() {
    for (edition, page) in EDITIONS {
        let mut book = Book::read(edition, page);
        play::opening(&mut book);
        play::content(&mut book);
        play::shared_objects(&mut book);
        rules::config(&mut book);
        play::waiting(&mut book);
        play::human(&mut book);
        rules::account(&mut book);
        rules::flavours(&mut book);
        book.all_taken();
    }
}

#[test]
fn an_example_that_nobody_plays_is_noticed() {
    let page = "## 1. One\n```json\n{\"a\": 1}\n```\n### 1.1 Two\n```json\n{\"b\": 2}\n```\n";
    let mut book = Book::read("a page", page);
    assert_eq!(book.take("1", 0), serde_json::json!({"a": 1}));
    let forgotten = std::panic::catch_unwind(move || book.all_taken()).unwrap_err();
    let said = forgotten.downcast::<String>().expect("a text");
    assert!(said.contains("1.1"), "{said}");
}

/// The examples of one edition.
pub(crate) struct Book {
    edition: &'static str,
    /// Section and place in it → the example's values, one or more.
    examples: BTreeMap<(String, usize), Vec<Value>>,
}

impl Book {
    fn read(edition: &'static str, page: &str) -> Self {
        let mut examples = BTreeMap::new();
        let mut section = String::new();
        let mut fence: Option<(bool, String)> = None;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for line in page.lines() {
            match (&mut fence, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    fence = Some((matches!(language, "json" | "http"), String::new()));
                }
                (Some((wanted, text)), Some(_)) => {
                    if *wanted {
                        let place = places.entry(section.clone()).or_default();
                        examples.insert((section.clone(), *place), values(text));
                        *place += 1;
                    }
                    fence = None;
                }
                (Some((_, text)), None) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) if line.starts_with('#') => {
                    let heading = line.trim_start_matches('#').trim();
                    let number = heading.split_whitespace().next().unwrap_or_default();
                    section = number.trim_end_matches('.').to_owned();
                }
                (None, None) => {}
            }
        }
        Self { edition, examples }
    }

    /// An example, which is now taken.
    pub(crate) fn take(&mut self, section: &str, place: usize) -> Value {
        let mut values = self.take_all(section, place);
        assert_eq!(values.len(), 1, "{} {section}", self.edition);
        values.remove(0)
    }

    /// An example of several values.
    pub(crate) fn take_all(&mut self, section: &str, place: usize) -> Vec<Value> {
        let key = (section.to_owned(), place);
        self.examples
            .remove(&key)
            .unwrap_or_else(|| panic!("{}: no example {place} in section {section}", self.edition))
    }

    fn all_taken(&self) {
        let left: Vec<_> = self.examples.keys().collect();
        assert!(
            left.is_empty(),
            "{}: nobody plays the examples {left:?} (section, place)",
            self.edition
        );
    }
}

/// The JSON values of an example; of a whole request, its body.
fn values(text: &str) -> Vec<Value> {
    let json = match text.split_once("\n\n") {
        Some((head, body)) if head.starts_with("POST ") => body,
        _ => text,
    };
    serde_json::Deserializer::from_str(json)
        .into_iter::<Value>()
        .map(|value| value.unwrap_or_else(|error| panic!("{error} in {text}")))
        .collect()
}
