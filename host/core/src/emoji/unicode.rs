//! What is an emoji, and where it begins and ends.
//!
//! Owns the property `Extended_Pictographic` of Unicode, as ranges that leave
//! room for emoji to come, and the grammar of sequences. Deliberately needs no
//! list of all emoji: whether a picture exists is up to the reader's font.
//! Invariant: an emoji found in a text is not a part of a longer one.

use std::{borrow::Cow, ops::Range};

/// Asks for the coloured picture where a plain sign exists too.
const AS_EMOJI: char = '\u{FE0F}';
/// Asks for the plain sign.
const AS_TEXT: char = '\u{FE0E}';
/// Joins emoji into one.
const JOINER: char = '\u{200D}';
/// Puts a digit onto a key.
const KEYCAP: char = '\u{20E3}';

/// A text without the marks that only choose between two looks of one emoji.
pub(crate) fn bare(text: &str) -> Cow<'_, str> {
    if text.contains(AS_EMOJI) {
        Cow::Owned(text.replace(AS_EMOJI, ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a text is one emoji and nothing else.
pub(crate) fn is_one_emoji(text: &str) -> bool {
    sequence(text) == Some("")
}

/// Whether something in a text is shown as a picture.
pub(crate) fn shows_emoji(text: &str) -> bool {
    text.chars()
        .any(|sign| is_pictographic(sign) || is_half_a_flag(sign) || sign == KEYCAP)
}

/// Where the emoji at a place ends, the mark for its look included; `None` if
/// it is only a part of another, or is meant as a plain sign.
pub(super) fn end_of_whole(text: &str, found: Range<usize>) -> Option<usize> {
    let before = text[..found.start].chars();
    let mut after = text[found.end..].chars();
    let begins_with_flag = text[found.clone()].starts_with(is_half_a_flag);
    let halves = before
        .clone()
        .rev()
        .take_while(|sign| is_half_a_flag(*sign));
    if before.clone().next_back() == Some(JOINER) || begins_with_flag && halves.count() % 2 == 1 {
        return None;
    }
    let mut end = found.end;
    let mut next = after.next();
    if next == Some(AS_EMOJI) {
        end += AS_EMOJI.len_utf8();
        next = after.next();
    }
    match next {
        Some(AS_TEXT | JOINER | KEYCAP) => None,
        Some(sign) if is_skin(sign) || is_tag(sign) => None,
        _ => Some(end),
    }
}

/// What follows after one emoji, joined ones included.
fn sequence(text: &str) -> Option<&str> {
    let mut rest = element(text)?;
    while let Some(joined) = rest.strip_prefix(JOINER) {
        rest = element(joined)?;
    }
    Some(rest)
}

fn element(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    if matches!(first, '0'..='9' | '#' | '*') {
        let rest = rest.strip_prefix(AS_EMOJI).unwrap_or(rest);
        return rest.strip_prefix(KEYCAP);
    }
    if is_half_a_flag(first) {
        return rest.strip_prefix(is_half_a_flag);
    }
    if !is_pictographic(first) {
        return None;
    }
    let rest = rest.strip_prefix(AS_EMOJI).unwrap_or(rest);
    let rest = rest.strip_prefix(is_skin).unwrap_or(rest);
    Some(rest.trim_start_matches(is_tag))
}

fn is_pictographic(sign: char) -> bool {
    let sign = u32::from(sign);
    let after = PICTOGRAPHIC.partition_point(|(first, _)| *first <= sign);
    after > 0 && sign <= PICTOGRAPHIC[after - 1].1
}

fn is_half_a_flag(sign: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&sign)
}

fn is_skin(sign: char) -> bool {
    ('\u{1F3FB}'..='\u{1F3FF}').contains(&sign)
}

fn is_tag(sign: char) -> bool {
    ('\u{E0020}'..='\u{E007F}').contains(&sign)
}

/// `Extended_Pictographic` of Unicode 17, as first and last code points.
#[rustfmt::skip]
const PICTOGRAPHIC: [(u32, u32); 156] = [
    (0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122),
    (0x2139, 0x2139), (0x2194, 0x2199), (0x21A9, 0x21AA), (0x231A, 0x231B), (0x2328, 0x2328),
    (0x23CF, 0x23CF), (0x23E9, 0x23F3), (0x23F8, 0x23FA), (0x24C2, 0x24C2), (0x25AA, 0x25AB),
    (0x25B6, 0x25B6), (0x25C0, 0x25C0), (0x25FB, 0x25FE), (0x2600, 0x2604), (0x260E, 0x260E),
    (0x2611, 0x2611), (0x2614, 0x2615), (0x2618, 0x2618), (0x261D, 0x261D), (0x2620, 0x2620),
    (0x2622, 0x2623), (0x2626, 0x2626), (0x262A, 0x262A), (0x262E, 0x262F), (0x2638, 0x263A),
    (0x2640, 0x2640), (0x2642, 0x2642), (0x2648, 0x2653), (0x265F, 0x2660), (0x2663, 0x2663),
    (0x2665, 0x2666), (0x2668, 0x2668), (0x267B, 0x267B), (0x267E, 0x267F), (0x2692, 0x2697),
    (0x2699, 0x2699), (0x269B, 0x269C), (0x26A0, 0x26A1), (0x26A7, 0x26A7), (0x26AA, 0x26AB),
    (0x26B0, 0x26B1), (0x26BD, 0x26BE), (0x26C4, 0x26C5), (0x26C8, 0x26C8), (0x26CE, 0x26CF),
    (0x26D1, 0x26D1), (0x26D3, 0x26D4), (0x26E9, 0x26EA), (0x26F0, 0x26F5), (0x26F7, 0x26FA),
    (0x26FD, 0x26FD), (0x2702, 0x2702), (0x2705, 0x2705), (0x2708, 0x270D), (0x270F, 0x270F),
    (0x2712, 0x2712), (0x2714, 0x2714), (0x2716, 0x2716), (0x271D, 0x271D), (0x2721, 0x2721),
    (0x2728, 0x2728), (0x2733, 0x2734), (0x2744, 0x2744), (0x2747, 0x2747), (0x274C, 0x274C),
    (0x274E, 0x274E), (0x2753, 0x2755), (0x2757, 0x2757), (0x2763, 0x2764), (0x2795, 0x2797),
    (0x27A1, 0x27A1), (0x27B0, 0x27B0), (0x27BF, 0x27BF), (0x2934, 0x2935), (0x2B05, 0x2B07),
    (0x2B1B, 0x2B1C), (0x2B50, 0x2B50), (0x2B55, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D),
    (0x3297, 0x3297), (0x3299, 0x3299), (0x1F004, 0x1F004), (0x1F02C, 0x1F02F),
    (0x1F094, 0x1F09F), (0x1F0AF, 0x1F0B0), (0x1F0C0, 0x1F0C0), (0x1F0CF, 0x1F0D0),
    (0x1F0F6, 0x1F0FF), (0x1F170, 0x1F171), (0x1F17E, 0x1F17F), (0x1F18E, 0x1F18E),
    (0x1F191, 0x1F19A), (0x1F1AE, 0x1F1E5), (0x1F201, 0x1F20F), (0x1F21A, 0x1F21A),
    (0x1F22F, 0x1F22F), (0x1F232, 0x1F23A), (0x1F23C, 0x1F23F), (0x1F249, 0x1F25F),
    (0x1F266, 0x1F321), (0x1F324, 0x1F393), (0x1F396, 0x1F397), (0x1F399, 0x1F39B),
    (0x1F39E, 0x1F3F0), (0x1F3F3, 0x1F3F5), (0x1F3F7, 0x1F3FA), (0x1F400, 0x1F4FD),
    (0x1F4FF, 0x1F53D), (0x1F549, 0x1F54E), (0x1F550, 0x1F567), (0x1F56F, 0x1F570),
    (0x1F573, 0x1F57A), (0x1F587, 0x1F587), (0x1F58A, 0x1F58D), (0x1F590, 0x1F590),
    (0x1F595, 0x1F596), (0x1F5A4, 0x1F5A5), (0x1F5A8, 0x1F5A8), (0x1F5B1, 0x1F5B2),
    (0x1F5BC, 0x1F5BC), (0x1F5C2, 0x1F5C4), (0x1F5D1, 0x1F5D3), (0x1F5DC, 0x1F5DE),
    (0x1F5E1, 0x1F5E1), (0x1F5E3, 0x1F5E3), (0x1F5E8, 0x1F5E8), (0x1F5EF, 0x1F5EF),
    (0x1F5F3, 0x1F5F3), (0x1F5FA, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F6CB, 0x1F6D2),
    (0x1F6D5, 0x1F6E5), (0x1F6E9, 0x1F6E9), (0x1F6EB, 0x1F6F0), (0x1F6F3, 0x1F6FF),
    (0x1F7DA, 0x1F7FF), (0x1F80C, 0x1F80F), (0x1F848, 0x1F84F), (0x1F85A, 0x1F85F),
    (0x1F888, 0x1F88F), (0x1F8AE, 0x1F8AF), (0x1F8BC, 0x1F8BF), (0x1F8C2, 0x1F8CF),
    (0x1F8D9, 0x1F8FF), (0x1F90C, 0x1F93A), (0x1F93C, 0x1F945), (0x1F947, 0x1F9FF),
    (0x1FA58, 0x1FA5F), (0x1FA6E, 0x1FAFF), (0x1FC00, 0x1FFFD),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_is_told_from_none_and_from_several() {
        let one = [
            "🙂",
            "❤",
            "❤️",
            "👍🏽",
            "👨‍👩‍👧",
            "🏳️‍🌈",
            "🇨🇳",
            "1️⃣",
            "#⃣",
            "©",
            "🫠",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
        ];
        for text in one {
            assert!(is_one_emoji(text), "{text}");
        }
        let other = [
            "", " ", "a", "1", "微", "🙂🙂", "🙂 ", "[🙂]", "🇨", "🏽", "\u{200D}", "👨‍",
            "\u{FE0F}", "\u{E056}",
        ];
        for text in other {
            assert!(!is_one_emoji(text), "{text}");
        }
    }

    #[test]
    fn signs_that_words_are_made_of_show_no_emoji() {
        for text in ["[微笑]", "/::)", ":-D", "#1*", "\u{E056}", "(*^_^*)"] {
            assert!(!shows_emoji(text), "{text}");
        }
        for text in ["[🙂]", "❤", "🇨", "1⃣"] {
            assert!(shows_emoji(text), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_longer_emoji_is_not_found_whole() {
        let end = |text: &str, part: &str| {
            let at = text.find(part).unwrap();
            end_of_whole(text, at..at + part.len())
        };
        assert_eq!(end("a❤️b", "❤"), Some("a❤️".len()));
        for (text, part) in [
            ("👍🏽", "👍"),
            ("👨‍👩‍👧", "👨"),
            ("👨‍👩‍👧", "👧"),
            ("❤\u{FE0E}", "❤"),
            ("🇦🇨🇳🇪", "🇨🇳"),
        ] {
            assert_eq!(end(text, part), None, "{part} in {text}");
        }
        assert_eq!(end("🇨🇳🇩🇪", "🇩🇪"), Some(16));
    }

    #[test]
    fn the_ranges_are_in_order() {
        let sorted = PICTOGRAPHIC.is_sorted_by(|one, next| one.1 < next.0);
        assert!(sorted && PICTOGRAPHIC.iter().all(|(first, last)| first <= last));
    }
}
