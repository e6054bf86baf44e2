//! The vendor's emoticon codes and Unicode, both ways.
//!
//! Owns one provider's table and the search for what it names: the longest
//! code wins, and an emoji counts only whole, not as a part of a longer one.
//! Deliberately reads no file, which [`config`](crate::config) does, and knows
//! no events, which [`turn`](crate::turn) does. Links are never touched: many a
//! code is a few punctuation marks that also stand in addresses.
//!
//! Invariant: what goes out says the same when it is read back. For every text
//! `inward(outward(text))` is `inward(text)`, up to the choice between an
//! emoji's spellings with and without U+FE0F; where codes and words beside each
//! other would be read as something else, the text goes out as it is.
//!
//! ```
//! use kefu_core::emoji::EmojiTable;
//!
//! let table = EmojiTable::new([("[微笑]", "🙂"), ("[笑]", "🙂")], [("🙂", "[微笑]")]);
//! assert_eq!(table.inward("你好[笑]"), "你好🙂");
//! assert_eq!(table.outward("你好🙂", 100), "你好[微笑]");
//! ```

mod unicode;

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

use aho_corasick::{AhoCorasick, MatchKind};

pub(crate) use self::unicode::{bare, is_one_emoji, shows_emoji};

/// One provider's codes and the emoji that they stand for.
#[derive(Clone)]
pub struct EmojiTable {
    /// Code → emoji, as it is shown.
    codes: BTreeMap<String, String>,
    /// Emoji without U+FE0F → the code that is sent.
    sent: BTreeMap<String, String>,
    codes_in_text: Finder,
    emoji_in_text: Finder,
}

impl EmojiTable {
    /// A table of `(code, emoji)` pairs, and of `(emoji, code)` for what is
    /// sent. An emoji without a code to be sent goes out as it is. That codes
    /// are no words, and emoji are emoji, is checked where the file is read.
    pub fn new<'a>(
        codes: impl IntoIterator<Item = (&'a str, &'a str)>,
        sent: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let owned = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
        let codes: BTreeMap<_, _> = codes.into_iter().map(owned).collect();
        let mut spellings = BTreeMap::new();
        let mut bare_ones = BTreeMap::new();
        for (emoji, code) in sent {
            spellings.insert(bare(emoji).into_owned(), code.to_owned());
            spellings.insert(emoji.to_owned(), code.to_owned());
            bare_ones.insert(bare(emoji).into_owned(), code.to_owned());
        }
        Self {
            codes_in_text: Finder::of(&codes),
            emoji_in_text: Finder::of(&spellings),
            codes,
            sent: bare_ones,
        }
    }

    /// How many codes it has.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether it has no code at all.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The emoji that a code stands for, if the whole text is one.
    pub fn emoji(&self, code: &str) -> Option<&str> {
        self.codes.get(code).map(String::as_str)
    }

    /// The code that is sent for an emoji, if the whole text is one.
    pub fn code(&self, emoji: &str) -> Option<&str> {
        self.sent.get(&*bare(emoji)).map(String::as_str)
    }

    /// A vendor's text with Unicode in the place of codes.
    pub fn inward<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.codes_in_text.replace(text, |_, found| Some(found.end))
    }

    /// A visitor's text with codes in the place of Unicode. It goes out as it
    /// is where it would be longer than `most` characters, or be misread.
    pub fn outward<'t>(&self, text: &'t str, most: usize) -> Cow<'t, str> {
        let sent = self.emoji_in_text.replace(text, unicode::end_of_whole);
        let fits = || sent.len() <= most || sent.chars().count() <= most;
        let is_read_back = || bare(&self.inward(&sent)) == bare(&self.inward(text));
        match sent {
            Cow::Borrowed(_) => sent,
            Cow::Owned(_) if fits() && is_read_back() => sent,
            Cow::Owned(_) => Cow::Borrowed(text),
        }
    }

    /// Whether a text of the vendor that the visitor is shown, and sends back,
    /// comes to the vendor in its own words.
    pub fn returns(&self, text: &str) -> bool {
        self.outward(&self.inward(text), usize::MAX) == text
    }
}

impl PartialEq for EmojiTable {
    fn eq(&self, other: &Self) -> bool {
        self.codes == other.codes && self.sent == other.sent
    }
}

impl fmt::Debug for EmojiTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmojiTable({} codes)", self.codes.len())
    }
}

/// Finds many words in one pass over a text.
#[derive(Clone)]
struct Finder {
    words: AhoCorasick,
    /// What each of them becomes.
    becomes: Vec<String>,
}

impl Finder {
    fn of(words: &BTreeMap<String, String>) -> Self {
        let found = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(words.keys());
        Self {
            words: found.expect("a table within its limits is far below those of the search"),
            becomes: words.values().cloned().collect(),
        }
    }

    /// Puts in the place of each word what it becomes. `end` says where the
    /// found word ends, or that it is none.
    fn replace<'t>(
        &self,
        text: &'t str,
        end: impl Fn(&str, Range<usize>) -> Option<usize>,
    ) -> Cow<'t, str> {
        let mut replaced = String::new();
        let mut done = 0;
        for plain in outside_links(text) {
            let found = self.words.find_iter(&text[plain.clone()]);
            for one in found {
                let place = plain.start + one.start()..plain.start + one.end();
                if let Some(end) = end(text, place.clone()) {
                    replaced.push_str(&text[done..place.start]);
                    replaced.push_str(&self.becomes[one.pattern().as_usize()]);
                    done = end;
                }
            }
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        replaced.push_str(&text[done..]);
        Cow::Owned(replaced)
    }
}

/// The stretches of a text between its links.
fn outside_links(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut plain = 0;
    let mut looked = 0;
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        while let Some(at) = text[looked..].find("://").map(|at| looked + at) {
            looked = at + 3;
            let scheme = text[plain..at].bytes().rev();
            let scheme = scheme.take_while(u8::is_ascii_alphanumeric).count();
            if scheme > 1 {
                let rest = text[looked..].bytes();
                looked += rest.take_while(|byte| belongs_to_a_link(*byte)).count();
                let stretch = plain..at - scheme;
                plain = looked;
                return Some(stretch);
            }
        }
        over = true;
        Some(plain..text.len())
    })
}

/// Brackets stay outside: they are not written in links, and codes begin with
/// them.
fn belongs_to_a_link(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte)
}
