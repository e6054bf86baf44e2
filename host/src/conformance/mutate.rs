//! Values bent out of shape.
//!
//! Owns the ways in which a value is changed: one that keeps its structure
//! mostly right, so that it gets past the decoder, and one that spares
//! nothing. Deliberately checks nothing. Invariant: what comes out stays within
//! the sizes that the gateway itself lets through.

use super::{random::Random, tree::Tree};

/// The longest text that is made up.
const LONG: usize = 8_000;

/// Changes one to four things in a value.
pub(super) fn tree(random: &mut Random, tree: &mut Tree, words: &[String]) {
    for _ in 0..=random.below(4) {
        let place = random.below(tree.size());
        if let Some(value) = tree.at_mut(place) {
            bend(random, value, words);
        }
    }
}

fn bend(random: &mut Random, value: &mut Tree, words: &[String]) {
    if random.one_in(6) {
        *value = odd(random, words);
        return;
    }
    match value {
        Tree::Text(text) => *text = odd_text(random, text, words),
        Tree::Bytes(inner) => *inner = bytes(random, inner),
        Tree::Map(entries) => bend_map(random, entries, words),
        Tree::List(values) => bend_list(random, values, words),
        Tree::Bool(value) => *value = !*value,
        Tree::Nil | Tree::Int(_) | Tree::Uint(_) | Tree::Float(_) => {
            *value = odd_number(random);
        }
    }
}

fn bend_map(random: &mut Random, entries: &mut Vec<(Tree, Tree)>, words: &[String]) {
    let at = random.below(entries.len());
    match random.below(4) {
        0 if !entries.is_empty() => drop(entries.remove(at)),
        1 if !entries.is_empty() => {
            entries[at].1 = odd(random, words);
        }
        2 if entries.len() > 1 => {
            let other = random.below(entries.len());
            let value = entries[other].1.clone();
            entries[at].1 = value;
        }
        _ => {
            let key = random
                .pick(words)
                .cloned()
                .unwrap_or_else(|| "unknown".to_owned());
            let value = odd(random, words);
            entries.push((Tree::Text(key), value));
        }
    }
}

fn bend_list(random: &mut Random, values: &mut Vec<Tree>, words: &[String]) {
    let at = random.below(values.len());
    match random.below(4) {
        0 if !values.is_empty() => drop(values.remove(at)),
        1 if !values.is_empty() => {
            let again = values[at].clone();
            let times = random.below(40);
            values.extend(std::iter::repeat_n(again, times));
        }
        2 => values.clear(),
        _ => values.push(odd(random, words)),
    }
}

/// Something that nobody would put there.
fn odd(random: &mut Random, words: &[String]) -> Tree {
    match random.below(8) {
        0 => Tree::Nil,
        1 => Tree::Bool(random.one_in(2)),
        2 | 3 => odd_number(random),
        4 => Tree::List(Vec::new()),
        5 => Tree::Map(Vec::new()),
        _ => Tree::Text(odd_text(random, "", words)),
    }
}

fn odd_number(random: &mut Random) -> Tree {
    match random.below(9) {
        0 => Tree::Int(0),
        1 => Tree::Int(-1),
        2 => Tree::Int(i64::MIN),
        3 => Tree::Int(i64::MAX),
        4 => Tree::Uint(u64::MAX),
        5 => Tree::Uint(random.next() >> random.below(64)),
        6 => Tree::Float(f64::NAN),
        7 => Tree::Float(-1.0e300),
        _ => Tree::Int(1),
    }
}

fn odd_text(random: &mut Random, text: &str, words: &[String]) -> String {
    const TEXTS: [&str; 14] = [
        "",
        " ",
        "\0",
        "\u{feff}",
        "\u{202e}gnp.exe",
        "👩‍👩‍👧‍👦",
        "null",
        "-1",
        "99999999999999999999",
        "https://",
        "javascript:alert(1)",
        "../../../etc/passwd",
        "\r\nx-injected: 1",
        "\"}],{\"",
    ];
    // Where a text came from somewhere else than expected.
    const CHARACTERS: [char; 8] = [
        '\0', '\u{feff}', '\u{202e}', '\u{2028}', '\u{7f}', '\u{fffd}', '\'', '👋',
    ];
    match random.below(8) {
        6 | 7 => {
            let at = random.below(text.chars().count() + 1);
            let odd = CHARACTERS[random.below(CHARACTERS.len())];
            let (front, back) = (text.chars().take(at), text.chars().skip(at));
            front.chain([odd]).chain(back).collect()
        }
        0 => TEXTS[random.below(TEXTS.len())].to_owned(),
        1 => random.pick(words).cloned().unwrap_or_default(),
        2 if random.one_in(4) => "好".repeat(random.below(LONG)),
        3 => text.chars().take(random.below(text.len().max(1))).collect(),
        4 => format!("{text}{}", TEXTS[random.below(TEXTS.len())]),
        _ => String::from_utf8_lossy(&bytes(random, text.as_bytes())).into_owned(),
    }
}

/// Changes one to four things in bytes, with an eye for JSON.
pub(super) fn bytes(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(4) {
        bytes_once(random, &mut bytes);
    }
    bytes
}

fn bytes_once(random: &mut Random, bytes: &mut Vec<u8>) {
    const TOKENS: [&[u8]; 14] = [
        b"null",
        b"-1",
        b"99999999999999999999",
        b"1e400",
        b"\"\"",
        b"[]",
        b"{}",
        b"true",
        b"\xff\xfe",
        b"\\ud800",
        b"\"\\u0000\"",
        b"[[[[[[[[[[[[[[[[",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
    ];
    let at = random.below(bytes.len());
    let end = (at + random.below(12)).min(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(at),
        1 if !bytes.is_empty() => bytes[at] = low(random),
        2 => bytes.insert(at, low(random)),
        3 => drop(bytes.splice(at..end, TOKENS[random.below(TOKENS.len())].iter().copied())),
        4 => drop(bytes.drain(at..end)),
        _ => {
            let again = bytes[at..end].to_vec();
            bytes.extend(again);
        }
    }
}

fn low(random: &mut Random) -> u8 {
    u8::try_from(random.next() & 0xff).unwrap_or(0)
}

/// Every text in a value, as material for others.
pub(super) fn words(from: &Tree, into: &mut Vec<String>) {
    match from {
        Tree::Text(text) if text.len() < 64 => into.push(text.clone()),
        Tree::List(values) => {
            for value in values {
                words(value, into);
            }
        }
        Tree::Map(entries) => {
            for (key, value) in entries {
                words(key, into);
                words(value, into);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    #[test]
    fn the_same_draw_bends_the_same_way() {
        let whole = Tree::of(&samples::view()).expect("read");
        let bent = |index| {
            let mut copy = whole.clone();
            tree(&mut Random::of(1, index), &mut copy, &[]);
            // Not compared as values: no number is NaN's equal.
            format!("{copy:?}")
        };
        assert!((0..50).all(|index| bent(index) == bent(index)));
        let unbent = format!("{whole:?}");
        assert!((0..50).filter(|&index| bent(index) != unbent).count() > 40);
    }

    #[test]
    fn nothing_is_too_short_to_be_bent() {
        let mut random = Random::new(3);
        for _ in 0..2_000 {
            bytes(&mut random, b"");
            tree(&mut random, &mut Tree::Nil, &[]);
        }
    }
}
