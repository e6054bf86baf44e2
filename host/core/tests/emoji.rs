//! Tables of emoji: what they do to texts, which are refused, and those that
//! are shipped.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read files from disk, and one that cannot be read is a failed test"
)]

use std::{collections::BTreeMap, fs, path::Path};

use kefu_core::{
    config::{ConfigErrors, check_emoji},
    emoji::EmojiTable,
};
use proptest::{collection::vec, prelude::*};

#[test]
fn codes_become_unicode_and_unicode_becomes_codes() {
    let table = table("\"[微笑]\" = \"🙂\"\n\"/::)\" = \"😄\"\n\"[爱心]\" = \"❤️\"");
    assert_eq!(table.inward("你好[微笑]，/::)[未知]"), "你好🙂，😄[未知]");
    assert_eq!(table.outward("你好🙂，😄🦄", 99), "你好[微笑]，/::)🦄");
    assert_eq!(table.outward("❤️和❤", 99), "[爱心]和[爱心]");
    assert_eq!(table.inward(""), "");
}

#[test]
fn the_longest_code_wins() {
    let table = table("\"/:\" = \"🙂\"\n\"/:heart\" = \"❤️\"\n\"/:heart-break\" = \"💔\"");
    assert_eq!(table.inward("/:heart-break/:heart/:"), "💔❤️🙂");
    assert_eq!(table.inward("/:heart-"), "❤️-");
}

#[test]
fn an_emoji_counts_only_whole() {
    let table = table("\"[强]\" = \"👍\"\n\"[男]\" = \"👨\"\n\"[中]\" = \"🇨🇳\"\n\"[家]\" = \"👨‍👩‍👧\"");
    for whole in ["👍🏽", "👨‍👩‍👦", "🇦🇨🇳🇪", "👍\u{FE0E}"] {
        assert_eq!(table.outward(whole, 99), whole);
    }
    assert_eq!(table.outward("👨‍👩‍👧👨👍🏽👍🇩🇪🇨🇳", 99), "[家][男]👍🏽[强]🇩🇪[中]");
}

#[test]
fn links_are_never_touched() {
    let table = table("\":/\" = \"😕\"\n\":p\" = \"😛\"\n\"[微笑]\" = \"🙂\"");
    assert_eq!(
        table.inward("见https://a.example/:p?b=:p 好:p"),
        "见https://a.example/:p?b=:p 好😛"
    );
    assert_eq!(table.inward("kefu://x:/[微笑] :/"), "kefu://x:/🙂 😕");
    assert_eq!(
        table.inward("http://a.example/b[微笑]"),
        "http://a.example/b🙂"
    );
}

#[test]
fn a_text_that_codes_would_make_too_long_goes_out_as_it_is() {
    let table = table("\"[微笑]\" = \"🙂\"");
    assert_eq!(table.outward("🙂🙂", 8), "[微笑][微笑]");
    assert_eq!(table.outward("🙂🙂", 7), "🙂🙂");
}

#[test]
fn a_text_that_codes_would_change_goes_out_as_it_is() {
    let table = table("\"/:8\" = \"🙂\"\n\"/:88\" = \"😄\"");
    assert_eq!(table.outward("🙂 8", 99), "/:8 8");
    assert_eq!(table.outward("🙂8", 99), "🙂8", "/:88 is somebody else");
}

#[test]
fn a_table_of_one_direction_sends_no_codes() {
    let table =
        check("direction = \"inward\"\n[codes]\n\"[微笑]\" = \"🙂\"\n\"[笑]\" = \"🙂\"\n").unwrap();
    assert_eq!(table.inward("[微笑][笑]"), "🙂🙂");
    assert_eq!(table.outward("🙂", 99), "🙂");
}

#[test]
fn the_preferred_of_several_codes_is_sent() {
    let text = "[codes]\n\"[a]\" = \"🙂\"\n\"[b]\" = \"🙂\"\n[preferred]\n\"🙂\" = \"[b]\"\n";
    let table = check(text).unwrap();
    assert_eq!(table.outward("🙂", 99), "[b]");
    assert_eq!(table.inward("[a][b]"), "🙂🙂");
}

#[test]
fn each_bad_table_is_refused_with_its_place() {
    let large = format!("# {}\n[codes]\n\"[a]\" = \"🙂\"\n", "x".repeat(256 << 10));
    let many: String = (0..4097).map(|n| format!("\"[{n}]\" = \"🙂\"\n")).collect();
    let many = format!("direction = \"inward\"\n[codes]\n{many}");
    let long = format!("[codes]\n\"[{}]\" = \"🙂\"\n", "长".repeat(64));
    let rows: [(&str, &str); 20] = [
        ("", "t.toml:1:1: codes: is missing; list"),
        ("[codes]\n", "t.toml:1:2: codes: is missing; list"),
        ("[codes\n", "t.toml:1:7: this is not valid TOML"),
        (
            "[codes]\n\"[a]\" = \"🙂\"\n\"[a]\" = \"😄\"\n",
            "t.toml:3:1: this is not valid TOML: duplicate key",
        ),
        (
            "[codes]\n\"[a]\" = \"🙂\"\n\"[b]\" = \"🙂\"\n",
            "t.toml:3:1: codes.\"[b]\" = \"🙂\": 2 codes stand for this emoji, and one can go out; name it under [preferred]: \"🙂\" = \"[a]\"",
        ),
        (
            "[codes]\n\"[a]\" = \"❤\"\n\"[b]\" = \"❤️\"\n",
            "t.toml:3:1: codes.\"[b]\" = \"❤️\": 2 codes",
        ),
        (
            "[codes]\n\"\" = \"🙂\"\n",
            "t.toml:2:1: codes.\"\" = \"🙂\": the code is empty",
        ),
        (
            "[codes]\n\" \" = \"🙂\"\n",
            "t.toml:2:1: codes.\" \" = \"🙂\": the code is empty",
        ),
        (
            "[codes]\n\"a\\nb\" = \"🙂\"\n",
            "t.toml:2:1: codes.\"a\\nb\" = \"🙂\": the code has control characters",
        ),
        (&long, "the code is too long; use at most 64 characters"),
        (
            "[codes]\nsmile = \"🙂\"\n",
            "t.toml:2:1: codes.smile = \"🙂\": the code is a word",
        ),
        (
            "[codes]\n\"微笑\" = \"🙂\"\n",
            "the code is a word, and would be found in ordinary sentences",
        ),
        ("[codes]\n\"🙂\" = \"😄\"\n", "the code has an emoji in it"),
        (
            "[codes]\n\"[a]\" = \"smile\"\n",
            "t.toml:2:1: codes.\"[a]\" = \"smile\": is not one Unicode emoji",
        ),
        ("[codes]\n\"[a]\" = \"🙂🙂\"\n", "is not one Unicode emoji"),
        (
            "[codes]\n\"[a]\" = 5\n",
            "t.toml:2:1: codes.\"[a]\" = 5: has the wrong type; it must be a text in quotes",
        ),
        (
            "[codes]\n\"[a]\" = \"🙂\"\n[preferred]\n\"😄\" = \"[a]\"\n",
            "t.toml:4:1: preferred.\"😄\" = \"[a]\": no code stands for this emoji",
        ),
        (
            "[codes]\n\"[a]\" = \"🙂\"\n[preferred]\n\"🙂\" = \"[b]\"\n",
            "is not one of its codes; use one of \"[a]\"",
        ),
        (
            "direction = \"out\"\n[codes]\n\"[a]\" = \"🙂\"\n",
            "t.toml:1:1: direction = \"out\": is none of the choices; use one of `both`, `inward`",
        ),
        (
            "code = 1\n[codes]\n\"[a]\" = \"🙂\"\n",
            "t.toml:1:1: code: unknown key; did you mean `codes`?",
        ),
    ];
    for (text, expected) in rows {
        let errors = check(text).unwrap_err().to_string();
        assert!(
            errors.contains(expected),
            "{text}\n{errors}\nexpected {expected}"
        );
    }
    let errors = check(&large).unwrap_err().to_string();
    assert!(
        errors.starts_with("t.toml:1:1: the table has 262"),
        "{errors}"
    );
    let errors = check(&many).unwrap_err().to_string();
    assert!(
        errors.contains("codes: has 4097 codes; use at most 4096"),
        "{errors}"
    );
}

#[test]
fn a_code_that_begins_with_another_is_taken_with_a_warning() {
    let text = "[codes]\n\"/:8\" = \"🙂\"\n\"/:8-\" = \"😄\"\n";
    let checked = check_emoji("t.toml", text).unwrap();
    let warnings = ConfigErrors(checked.warnings).to_string();
    let expected = "t.toml:3:1: warning: codes.\"/:8-\" = \"😄\": begins with another code, \"/:8\"; \
        the longest is taken; where that is not meant, leave one of them out";
    assert_eq!(warnings, expected);
}

#[test]
fn every_shipped_table_is_right_and_comes_back_as_it_went() {
    for vendor in ["aikefu", "jiaxin", "qiyu", "xiaoneng", "zhichi"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/emoji/{vendor}.toml"));
        let checked = check_emoji(vendor, &fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|errors| panic!("{vendor}: {errors}"));
        assert_eq!(ConfigErrors(checked.warnings).to_string(), "", "{vendor}");
        let table = checked.settings;
        assert!(table.len() >= 60, "{vendor} has {} codes", table.len());
        assert_eq!(table.inward("[大笑][强][玫瑰]"), "😄👍🌹", "{vendor}");
        // Those that show Unicode by themselves are sent no codes.
        let sends = !["aikefu", "zhichi"].contains(&vendor);
        for emoji in ["😄", "👍", "🌹"] {
            let sent = table.outward(emoji, 99);
            assert_eq!(sent != emoji, sends, "{vendor} is sent {sent}");
            assert_eq!(table.inward(&sent), emoji, "{vendor}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_goes_out_says_the_same_when_it_comes_back(
        pairs in vec((code(), emoji()), 1..12),
        text in vec(piece(), 0..12),
    ) {
        let table = any_table(&pairs);
        let mut text = text.concat();
        for (code, emoji) in &pairs {
            // Codes and emoji of the table itself, beside whatever else.
            text = text.replacen('@', code, 1).replacen('§', emoji, 1);
        }
        let sent = table.outward(&text, usize::MAX).into_owned();
        prop_assert_eq!(bare(&table.inward(&sent)), bare(&table.inward(&text)));
        let read = table.inward(&text).into_owned();
        prop_assert_eq!(bare(&table.inward(&table.outward(&read, usize::MAX))), bare(&table.inward(&read)));
    }

    #[test]
    fn a_plain_text_passes_both_ways_untouched(text in "[a-z你好，。 ]{0,40}") {
        let table = table("\"[微笑]\" = \"🙂\"\n\"/::)\" = \"😄\"");
        prop_assert_eq!(table.inward(&text), text.as_str());
        prop_assert_eq!(table.outward(&text, usize::MAX), text.as_str());
    }

    #[test]
    fn any_text_is_a_table_or_refused_within_it(text in any::<String>()) {
        if let Err(errors) = check_emoji("t.toml", &text) {
            for error in errors.0 {
                prop_assert!(error.line <= text.split('\n').count(), "{}", error);
            }
        }
    }
}

/// Codes that begin with, end with and contain one another.
fn code() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\[[ab微]{1,2}\\]",
        "/:[:)8-]{1,3}",
        ":[a/)]{1,2}",
        "\u{E056}|\u{E057}"
    ]
}

fn emoji() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "🙂",
        "😄",
        "❤️",
        "❤",
        "👍",
        "👍🏽",
        "👨",
        "👨‍👩‍👧",
        "🇨🇳",
        "🇩🇪",
        "1️⃣",
    ])
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("@".to_owned()),
        2 => Just("§".to_owned()),
        1 => emoji().prop_map(str::to_owned),
        1 => code(),
        1 => "[a-z:/)8\\[\\]你 -]{0,4}",
        1 => Just("https://a.example/".to_owned()),
        1 => prop::sample::select(vec!["\u{FE0F}", "\u{FE0E}", "\u{200D}", "🏽", "🇨", "\u{20E3}"]).prop_map(str::to_owned),
    ]
}

/// A table in which the last code of an emoji is the one that is sent.
fn any_table(pairs: &[(String, &'static str)]) -> EmojiTable {
    let codes: BTreeMap<&str, &str> = pairs
        .iter()
        .map(|(code, emoji)| (code.as_str(), *emoji))
        .collect();
    let sent: BTreeMap<String, (&str, &str)> = codes
        .iter()
        .map(|(code, emoji)| (bare(emoji), (*emoji, *code)))
        .collect();
    EmojiTable::new(codes, sent.into_values())
}

fn bare(text: &str) -> String {
    text.replace('\u{FE0F}', "")
}

fn table(codes: &str) -> EmojiTable {
    check(&format!("[codes]\n{codes}\n")).unwrap()
}

fn check(text: &str) -> Result<EmojiTable, ConfigErrors> {
    check_emoji("t.toml", text).map(|checked| checked.settings)
}
