//! The checks of single values, shared by all sections.
//!
//! Owns their wording. Deliberately keeps going after an error with a stand-in
//! value, so that one run finds everything. Invariant: whenever a stand-in is
//! returned an error was noted, so it never reaches a caller.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use kefu_plugin_api::Secret;

use super::Checker;
use crate::config::{
    error::{list, suggest},
    raw::{Size, Time},
    units::{format_duration, format_size, parse_duration, parse_size},
};

impl Checker {
    pub(super) fn missing(&mut self, key: &str, right: &str) {
        self.error(key, "is missing", right);
    }

    pub(super) fn required(&mut self, key: &str, value: Option<String>, right: &str) -> String {
        match value {
            Some(text) if text.trim().is_empty() => self.error(key, "is empty", right),
            Some(text) => return text,
            None => self.missing(key, right),
        }
        String::new()
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        value: Option<i64>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(number) = value else { return default };
        match u32::try_from(number) {
            Ok(number) if range.contains(&number) => return number,
            _ => self.error(key, "is out of range", between(range.start(), range.end())),
        }
        default
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        value: Option<Time>,
        default: &str,
        from: &str,
        to: &str,
    ) -> Duration {
        let limits = [default, from, to]
            .map(|text| parse_duration(text).expect("limits in the code are well-formed"));
        let [default, from, to] = limits;
        let Some(Time(text)) = value else {
            return default;
        };
        match parse_duration(&text) {
            Ok(time) if (from..=to).contains(&time) => return time,
            Ok(_) => self.error(
                key,
                "is out of range",
                between(format_duration(from), format_duration(to)),
            ),
            Err(problem) => self.error(
                key,
                problem,
                "use a whole number and ms, s, m, h or d, such as \"10s\"",
            ),
        }
        default
    }

    pub(super) fn size(
        &mut self,
        key: &str,
        value: Option<Size>,
        default: &str,
        from: &str,
        to: &str,
    ) -> u64 {
        let limits = [default, from, to]
            .map(|text| parse_size(text).expect("limits in the code are well-formed"));
        let [default, from, to] = limits;
        let Some(Size(text)) = value else {
            return default;
        };
        match parse_size(&text) {
            Ok(size) if (from..=to).contains(&size) => return size,
            Ok(_) => self.error(
                key,
                "is out of range",
                between(format_size(from), format_size(to)),
            ),
            Err(problem) => self.error(
                key,
                problem,
                "use a whole number and B, KiB, MiB or GiB, such as \"1MiB\"",
            ),
        }
        default
    }

    /// One of several words; the first one is the default.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        value: Option<String>,
        choices: &[(&str, T)],
    ) -> T {
        let (_, default) = *choices.first().expect("a choice offers something");
        let Some(text) = value else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.error(
            key,
            "is none of the choices",
            format!("use one of {}", list(&names)),
        );
        default
    }

    pub(super) fn listen(&mut self, key: &str, value: Option<String>, default: &str) -> SocketAddr {
        let text = value.as_deref().unwrap_or(default);
        text.parse().unwrap_or_else(|_| {
            self.error(
                key,
                "is not an address with a port",
                format!("use an IP address and a port, such as \"{default}\""),
            );
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    pub(super) fn secret(
        &mut self,
        key: &str,
        value: Option<String>,
        shortest: usize,
        right: &str,
    ) -> Secret {
        match value {
            None => self.missing(key, right),
            Some(text) if text.chars().count() < shortest => {
                self.error(
                    key,
                    format!("is too short for a secret: it needs at least {shortest} characters"),
                    right,
                );
            }
            Some(text) if text.trim() != text => {
                self.error(
                    key,
                    "begins or ends with white space, which was hardly meant",
                    right,
                );
            }
            Some(text) => return Secret::new(text),
        }
        Secret::default()
    }

    /// A path, relative ones joined to the folder of the main file.
    pub(super) fn path(&mut self, key: &str, value: Option<String>, default: &str) -> PathBuf {
        let text = value.unwrap_or_else(|| default.to_owned());
        if text.is_empty() || text.contains('\0') {
            self.error(
                key,
                "is not a path",
                format!("use a path such as \"{default}\""),
            );
        }
        self.folder.join(text)
    }

    /// Every text that `parse` takes; an error for each that it does not.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        texts: Vec<String>,
        is_list: bool,
        parse: impl Fn(&str) -> Option<T>,
        problem: &str,
        right: &str,
    ) -> Vec<T> {
        let mut values = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match parse(text) {
                Some(value) => values.push(value),
                None if is_list => self.error(&format!("{key}[{index}]"), problem, right),
                None => self.error(key, problem, right),
            }
        }
        values
    }

    /// A name in a URL, in a metric and in a log: short and plain.
    pub(super) fn id(&mut self, key: &str, id: &str, upper_case: bool) {
        let plain = |b: u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || upper_case && b.is_ascii_uppercase()
        };
        let fits = (1..=64).contains(&id.len())
            && id.bytes().next().is_some_and(plain)
            && id.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_'));
        if !fits {
            let letters = if upper_case {
                "letters"
            } else {
                "lower-case letters"
            };
            let right = format!(
                "use 1 to 64 {letters}, digits, `-` and `_`, beginning with a letter or a digit"
            );
            self.error(key, "is not usable as an id", right);
        }
    }

    /// A reference to one of several names of the same file.
    pub(super) fn known<'a>(
        &mut self,
        key: &str,
        name: &str,
        what: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) {
        let names: Vec<&str> = names.into_iter().collect();
        if !names.contains(&name) {
            let right = match suggest(name, names) {
                none if none.is_empty() => "there is none".to_owned(),
                suggestion => suggestion,
            };
            self.error(key, format!("names no {what}"), right);
        }
    }
}

fn between(from: impl Display, to: impl Display) -> String {
    format!("use {from} to {to}")
}
