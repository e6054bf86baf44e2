//! Checks of a table of emoji.
//!
//! Owns the limits of such a file and what its codes must not be. Deliberately
//! stops no provider: what is wrong with a table is said, and the provider goes
//! on without it. Invariant: of a table that is taken every emoji goes out as
//! one code and every code comes in as one emoji.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::Checker;
use crate::{
    config::{
        CheckedFile, ConfigError, ConfigErrors, Emoji, Lookup, NoLookup, Severity, locate::child,
        raw,
    },
    emoji::{EmojiTable, bare, is_one_emoji, shows_emoji},
};

/// Reads the table that a provider names. What is wrong with it is noted
/// aside, and there is none then.
pub(super) fn look_up(checker: &mut Checker, file: String, lookup: &dyn Lookup) -> Option<Emoji> {
    let path = checker.path("emoji", Some(file), "emoji/zhichi.toml");
    let wrong = |one: &ConfigError| one.severity == Severity::Error;
    if checker.found.iter().any(wrong) {
        // Nothing of the provider is used before its own file is right.
        return None;
    }
    let text = match lookup.file(&path) {
        Ok(text) => text,
        Err(reason) => {
            let problem = format!("the file {} cannot be read: {reason}", path.display());
            let right = "create it, or name another; until then codes are shown as they are";
            let error = ConfigError::at(
                &checker.file,
                &checker.places,
                Severity::Error,
                "emoji",
                problem,
                right.to_owned(),
            );
            checker.aside.push(error);
            return None;
        }
    };
    match check_emoji(&path.display().to_string(), &text) {
        Ok(table) => {
            checker.found.extend(table.warnings);
            Some(Emoji {
                file: path,
                table: Arc::new(table.settings),
            })
        }
        Err(ConfigErrors(errors)) => {
            checker.aside.extend(errors);
            None
        }
    }
}

/// Checks the text of a table of emoji. `path_name` is what messages call it.
///
/// # Errors
/// Everything that is wrong with it, with its place.
pub fn check_emoji(path_name: &str, text: &str) -> Result<CheckedFile<EmojiTable>, ConfigErrors> {
    if text.len() > MAX_BYTES {
        return Err(ConfigErrors(vec![too_large(path_name, text.len())]));
    }
    let (mut checker, raw) = Checker::read(path_name, Path::new(""), text, &NoLookup)?;
    let table = check(&mut checker, raw);
    checker.finish(table)
}

fn check(checker: &mut Checker, raw: raw::EmojiTable) -> EmojiTable {
    let directions = [("both", true), ("inward", false)];
    let sends = checker.choice("direction", raw.direction, &directions);
    let codes = &raw.codes;
    match codes.len() {
        0 => checker.missing(
            "codes",
            "list the vendor's codes, such as \"[微笑]\" = \"🙂\"",
        ),
        count if count > MAX_CODES => checker.error(
            "codes",
            format!("has {count} codes"),
            format!("use at most {MAX_CODES}"),
        ),
        _ => {}
    }
    for (code, emoji) in codes {
        let key = child("codes", code);
        if let Some((problem, right)) = wrong_code(code) {
            checker.error(&key, problem, right);
        }
        if !is_one_emoji(emoji) {
            checker.error(
                &key,
                "is not one Unicode emoji",
                "use one emoji, such as \"🙂\"; leave a code out that has none, it is shown as its text",
            );
        }
    }
    warn_of_beginnings(checker, codes);
    let sent = sent(checker, codes, &raw.preferred, sends);
    if checker
        .found
        .iter()
        .any(|one| one.severity == Severity::Error)
    {
        return EmojiTable::new([], []);
    }
    let pairs = codes.iter().map(|(code, emoji)| (&**code, &**emoji));
    EmojiTable::new(pairs, sent)
}

/// Why a code would be found where the vendor meant something else.
fn wrong_code(code: &str) -> Option<(&'static str, String)> {
    let right = |text: &str| text.to_owned();
    if code.trim().is_empty() {
        Some((
            "the code is empty",
            right("write the vendor's code, such as \"[微笑]\""),
        ))
    } else if code.chars().count() > MAX_CODE {
        Some((
            "the code is too long",
            format!("use at most {MAX_CODE} characters"),
        ))
    } else if code.chars().any(char::is_control) {
        Some((
            "the code has control characters in it",
            right("use a code of one line"),
        ))
    } else if shows_emoji(code) {
        Some((
            "the code has an emoji in it, which is Unicode already",
            right("leave it out"),
        ))
    } else if code.chars().all(char::is_alphanumeric) {
        Some((
            "the code is a word, and would be found in ordinary sentences",
            right("use the code with its brackets or other signs"),
        ))
    } else {
        None
    }
}

/// The longest code wins, so a code may go on where another ends; that nobody
/// meant it is more likely.
fn warn_of_beginnings(checker: &mut Checker, codes: &BTreeMap<String, String>) {
    for code in codes.keys() {
        let shorter = code.char_indices().skip(1).map(|(at, _)| &code[..at]);
        let beginning = shorter
            .filter(|shorter| codes.contains_key(*shorter))
            .last();
        if let Some(beginning) = beginning {
            checker.warn(
                &child("codes", code),
                format!("begins with another code, {beginning:?}"),
                "the longest is taken; where that is not meant, leave one of them out",
            );
        }
    }
}

/// Which code goes out for which emoji.
fn sent<'a>(
    checker: &mut Checker,
    codes: &'a BTreeMap<String, String>,
    preferred: &'a BTreeMap<String, String>,
    sends: bool,
) -> Vec<(&'a str, &'a str)> {
    let mut of_emoji: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (code, emoji) in codes {
        let of_it = of_emoji.entry(bare(emoji).into_owned()).or_default();
        of_it.push(code);
    }
    let mut chosen: BTreeMap<String, &str> = BTreeMap::new();
    for (emoji, code) in preferred {
        let key = child("preferred", emoji);
        let emoji = bare(emoji).into_owned();
        match of_emoji.get(&emoji) {
            None => checker.error(
                &key,
                "no code stands for this emoji",
                "list one under [codes]",
            ),
            Some(of_it) if !of_it.contains(&code.as_str()) => {
                checker.error(&key, "is not one of its codes", one_of(of_it));
            }
            Some(_) if chosen.contains_key(&emoji) => checker.error(
                &key,
                "the emoji is there twice, with and without U+FE0F",
                "leave one of them out",
            ),
            Some(_) => {
                chosen.insert(emoji, code);
            }
        }
    }
    if !sends {
        return Vec::new();
    }
    for (emoji, of_it) in &of_emoji {
        if let (None, [_, second, ..]) = (chosen.get(emoji), of_it.as_slice()) {
            checker.error(
                &child("codes", second),
                format!(
                    "{} codes stand for this emoji, and one can go out",
                    of_it.len()
                ),
                format!("name it under [preferred]: {emoji:?} = {:?}", of_it[0]),
            );
        }
    }
    let code_of = |emoji: &str| chosen.get(&*bare(emoji)).copied();
    let pairs = codes.iter();
    pairs
        .filter(|(code, emoji)| code_of(emoji).is_none_or(|chosen| chosen == *code))
        .map(|(code, emoji)| (&**emoji, &**code))
        .collect()
}

fn one_of(codes: &[&str]) -> String {
    let quoted: Vec<_> = codes.iter().map(|code| format!("{code:?}")).collect();
    format!("use one of {}", quoted.join(", "))
}

fn too_large(file: &str, bytes: usize) -> ConfigError {
    ConfigError {
        severity: Severity::Error,
        file: file.to_owned(),
        line: 1,
        column: 1,
        key: String::new(),
        value: None,
        problem: format!("the table has {bytes} bytes"),
        right: format!("use at most {MAX_BYTES}"),
    }
}

/// More than there are emoji.
const MAX_CODES: usize = 4096;
/// Characters of one code.
const MAX_CODE: usize = 64;
/// Bytes of one file.
const MAX_BYTES: usize = 256 << 10;
