//! The widget's one file, made of its readable sources.
//!
//! Owns the order of the sources and the small step from them to what is sent:
//! comments, indentation and blanks around punctuation go, and the widget's own
//! members (`this._name`) get short names. It is deliberately no minifier of any
//! script: it relies on how these sources are written.
//!
//! Invariants that the sources keep: a line that begins with `//`, `/**`, `*/` or
//! `* ` is a comment; no text spans lines; texts in single quotes hold no quote;
//! a line with a slash or a backtick is left as it is.

use std::collections::BTreeMap;

/// Everything but the style, in the order in which it is needed.
const SOURCES: [&str; 12] = [
    include_str!("../assets/widget/start.js"),
    include_str!("../assets/widget/texts.js"),
    include_str!("../assets/widget/parts.js"),
    include_str!("../assets/widget/media.js"),
    include_str!("../assets/widget/requests.js"),
    include_str!("../assets/widget/visit.js"),
    include_str!("../assets/widget/events.js"),
    include_str!("../assets/widget/sending.js"),
    include_str!("../assets/widget/log.js"),
    include_str!("../assets/widget/frame.js"),
    include_str!("../assets/widget/sheets.js"),
    include_str!("../assets/widget/element.js"),
];
const STYLE: &str = include_str!("../assets/widget/style.css");
const OPENING: &str =
    "(()=>{\n'use strict';\nif(customElements.get('kefu-chat'))return;\nconst STYLE=`";

/// The script as browsers get it.
pub(super) fn assemble() -> String {
    let code: Vec<String> = SOURCES
        .iter()
        .flat_map(|source| code_lines(source))
        .map(tighten)
        .collect();
    let code = join(&shorten(&code.join("\n")));
    format!("{OPENING}{}`;\n{code}\n}})();\n", tighten_style(STYLE))
}

/// The trimmed lines that are no comment.
fn code_lines(source: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &str| {
        let starts = ["//", "/**", "*/", "* "];
        line.is_empty() || line == "*" || starts.iter().any(|start| line.starts_with(start))
    };
    source
        .lines()
        .map(str::trim)
        .filter(move |line| !is_comment(line))
}

/// Drops blanks beside punctuation, outside of texts.
fn tighten(line: &str) -> String {
    let pieces: Vec<&str> = line.split('\'').collect();
    if line.contains(['/', '`']) || pieces.len().is_multiple_of(2) {
        return line.to_owned();
    }
    let tight = pieces
        .iter()
        .enumerate()
        .map(|(place, piece)| match place % 2 {
            0 => without_blanks(piece),
            _ => (*piece).to_owned(),
        });
    tight.collect::<Vec<_>>().join("'")
}

fn without_blanks(piece: &str) -> String {
    let is_punctuation = |at: Option<char>| at.is_some_and(|at| PUNCTUATION.contains(at));
    let is_sign = |at: Option<char>| matches!(at, Some('+' | '-'));
    let mut tight = String::with_capacity(piece.len());
    let mut before = None;
    let mut rest = piece.chars();
    while let Some(at) = rest.next() {
        let after = rest.clone().next();
        // `a + +b` is no `a ++b`.
        let joins = is_sign(before) && is_sign(after);
        if at != ' ' || joins || !(is_punctuation(before) || is_punctuation(after)) {
            tight.push(at);
        }
        before = Some(at);
    }
    tight
}

/// Gives the members short names, the most frequent ones the shortest.
fn shorten(code: &str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, _) in code.match_indices(MEMBER) {
        *counts.entry(word(&code[at + MEMBER.len()..])).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let short: BTreeMap<&str, String> = (0..)
        .zip(names)
        .map(|(at, (name, _))| (name, name_at(at)))
        .collect();

    let mut shortened = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find('_') {
        let (before, found) = rest.split_at(at);
        shortened.push_str(before);
        shortened.push('_');
        let name = word(&found[1..]);
        let inside = before.ends_with(|last: char| last.is_alphanumeric() || "_$'".contains(last))
            || (before.is_empty() && shortened.len() > 1);
        let new = if inside { None } else { short.get(name) };
        shortened.push_str(new.map_or(name, String::as_str));
        rest = &found[1 + name.len()..];
    }
    shortened.push_str(rest);
    shortened
}

fn word(text: &str) -> &str {
    let end = text.find(|at: char| !at.is_ascii_alphanumeric() && at != '_');
    &text[..end.unwrap_or(text.len())]
}

/// `a` to `z`, then `aa`, `ba` and so on.
fn name_at(place: usize) -> String {
    let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
    match place / 26 {
        0 => letter(place).to_string(),
        more => [letter(place), letter(more - 1)].iter().collect(),
    }
}

/// One line where a line cannot end a statement.
fn join(code: &str) -> String {
    let mut joined = String::with_capacity(code.len());
    for line in code.lines() {
        if !joined.ends_with(['{', ';', ',', '(', '[']) && !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(line);
    }
    joined
}

fn tighten_style(style: &str) -> String {
    let mut tight: String = style.lines().map(str::trim).collect();
    for mark in ["{", "}", ";", ",", ">"] {
        for blank in [format!(" {mark}"), format!("{mark} ")] {
            tight = tight.replace(&blank, mark);
        }
    }
    tight.replace(": ", ":").replace(";}", "}")
}

const PUNCTUATION: &str = "=<>!&|?:+-*,;{}()[]";
const MEMBER: &str = "this._";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_code_stays() {
        let source =
            "/**\n * Doc.\n *\n */\n  // Why.\n  const a = 1; // kept\n\n  /** One. */\n  b * c;\n";
        let lines: Vec<&str> = code_lines(source).collect();
        assert_eq!(lines, ["const a = 1; // kept", "b * c;"]);
    }

    #[test]
    fn blanks_in_texts_and_between_words_and_signs_stay() {
        assert_eq!(
            tighten("if (a === b) return t('a = b', c);"),
            "if(a===b)return t('a = b',c);"
        );
        assert_eq!(tighten("a + +b - c"), "a+ +b-c");
        assert_eq!(tighten("text.split(/a, b/)"), "text.split(/a, b/)");
        assert_eq!(tighten("`${a} + ${b}`"), "`${a} + ${b}`");
    }

    #[test]
    fn members_get_short_names_and_nothing_else_does() {
        let code = "_often() { this._often(this._once, a.provider_often, '_often', b_once, __once) }\nset _often(v) {}";
        let short =
            "_a() { this._a(this._b, a.provider_often, '_often', b_once, __once) }\nset _a(v) {}";
        assert_eq!(shorten(code), short);
        assert_eq!(name_at(25), "z");
        assert_eq!(name_at(26), "aa");
        assert_eq!(name_at(53), "bb");
    }

    #[test]
    fn a_style_keeps_the_blanks_that_mean_something() {
        let style =
            ".a :not(b) {\n  margin: 0 1px;\n  width: calc(1px - 2px);\n}\n.c > .d, e { top: 0; }";
        let tight = ".a :not(b){margin:0 1px;width:calc(1px - 2px)}.c>.d,e{top:0}";
        assert_eq!(tighten_style(style), tight);
    }
}
