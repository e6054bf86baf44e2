//! The vendor's picture emoticons: `<img>` tags inside a text.
//!
//! Owns their reading. Everything that is not such a tag stays as it is, a
//! lonely `<` included. Invariant: no tag is dropped without a trace.

/// The text with each picture tag as words.
pub(crate) fn as_text(html: &str) -> String {
    // Same length in bytes, so that positions fit both.
    let lower = html.to_ascii_lowercase();
    let mut text = String::with_capacity(html.len());
    let mut from = 0;
    while let Some(start) = lower[from..].find("<img").map(|at| from + at) {
        let Some(end) = lower[start..].find('>').map(|at| start + at) else {
            break;
        };
        text.push_str(&html[from..start]);
        text.push_str(&words(&html[start + 4..end], &lower[start + 4..end]));
        from = end + 1;
    }
    text.push_str(&html[from..]);
    text
}

/// A tag's own words, else the number of the emoticon, else its address.
fn words(tag: &str, lower: &str) -> String {
    let told = ["alt", "title"]
        .into_iter()
        .find_map(|name| attribute(tag, lower, name));
    if let Some(told) = told {
        return match told.starts_with('[') {
            true => told.to_owned(),
            false => format!("[{told}]"),
        };
    }
    match attribute(tag, lower, "src") {
        Some(src) if src.to_ascii_lowercase().contains("/facialexpression/") => {
            let file = src.rsplit('/').next().unwrap_or_default();
            let number = file.split('.').next().unwrap_or_default();
            format!("[表情{number}]")
        }
        Some(src) => format!("[图片 image] {src} "),
        None => "[图片 image]".to_owned(),
    }
}

fn attribute<'a>(tag: &'a str, lower: &str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(at) = lower[from..].find(name).map(|at| from + at) {
        from = at + name.len();
        let begins = lower[..at].ends_with([' ', '\t', '\n', '"', '\'']);
        let Some(value) = tag[from..].trim_start().strip_prefix('=') else {
            continue;
        };
        if !begins {
            continue;
        }
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split([' ', '\t', '\n']).next(),
        };
        return value
            .map(|value| value.trim_end_matches('/').trim())
            .filter(|value| !value.is_empty());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::as_text;

    #[test]
    fn a_picture_tag_becomes_words() {
        let qq = "/ask/resources/images/facialExpression/qq/14.gif";
        for (html, text) in [
            (format!("好<img src=\"{qq}\">的"), "好[表情14]的"),
            (format!("<IMG class='x' SRC='{qq}' />"), "[表情14]"),
            (format!("<img src={qq} alt=\"微笑\">"), "[微笑]"),
            (format!("<img title='[微笑]' src={qq}>"), "[微笑]"),
            ("<img>".to_owned(), "[图片 image]"),
            (
                "<img src=\"https://a.example/b.png\">".to_owned(),
                "[图片 image] https://a.example/b.png ",
            ),
            ("<img data-alt=\"x\">".to_owned(), "[图片 image]"),
        ] {
            assert_eq!(as_text(&html), text, "{html}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in ["", "a < b > c", "<b>粗</b>", "<img src=", "表情<", "İ<imgİ"] {
            assert_eq!(as_text(text), text);
        }
    }
}
