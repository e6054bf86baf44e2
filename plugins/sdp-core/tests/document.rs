//! The protocol's document: its editions agree, and its examples are real.

use kefu_sdp_core::translate::Told;
use serde_json::Value;

const EDITIONS: [&str; 2] = [
    include_str!("../../../docs/sdp.md"),
    include_str!("../../../docs/sdp.zh-CN.md"),
];

#[test]
fn both_editions_show_the_same_examples() {
    let [english, chinese] = EDITIONS.map(examples);
    assert!(english.len() > 40, "{} examples", english.len());
    assert_eq!(english, chinese);
}

#[test]
fn both_editions_have_the_same_sections_and_codes() {
    let outline = |page: &str| {
        let depth = |line: &str| line.bytes().take_while(|&byte| byte == b'#').count();
        page.lines()
            .map(depth)
            .filter(|&depth| depth > 0)
            .collect::<Vec<_>>()
    };
    let codes = |page: &str| {
        let row = |line: &str| line.split('|').nth(1).map(|cell| cell.trim().to_owned());
        let code =
            |cell: &String| cell.len() >= 4 && cell.bytes().all(|byte| byte.is_ascii_digit());
        page.lines()
            .filter_map(row)
            .filter(code)
            .collect::<Vec<_>>()
    };
    assert_eq!(outline(EDITIONS[0]), outline(EDITIONS[1]));
    assert_eq!(codes(EDITIONS[0]), codes(EDITIONS[1]));
}

#[test]
fn every_example_is_json_and_every_event_can_be_read() {
    let mut events = Vec::new();
    for example in examples(EDITIONS[0])
        .iter()
        .filter(|example| example.starts_with("json"))
    {
        let text = &example["json".len()..];
        let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        for value in values {
            let value = value.unwrap_or_else(|error| panic!("{error} in {text}"));
            if let Some(name) = value["event"].as_str() {
                let told =
                    Told::read(name, &value["data"]).unwrap_or_else(|error| panic!("{error}"));
                assert!(told.is_some(), "`{name}` is documented and not known");
                events.push(name.to_owned());
            }
        }
    }
    assert_eq!(events.len(), 12, "{events:?}");
}

/// What stands between the fences, with the language.
fn examples(page: &str) -> Vec<&str> {
    page.split("```").skip(1).step_by(2).collect()
}
