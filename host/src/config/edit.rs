//! Changes weights in the text of a main file.
//!
//! Owns where a route's weight stands, in whatever form of TOML the desk was
//! written, and what is put there. Deliberately reads and writes no file, and
//! checks nothing beyond that the places exist: the text that comes out is
//! checked like any other. Invariant: every byte that is not the value of a
//! changed weight stays as it was; a route that had no weight gets one behind
//! its provider, on a line of its own or in the same braces.

use std::ops::Range;

use kefu_core::config::Weight;
use kefu_plugin_api::ids::{DeskId, ProviderId};
use serde::Serialize;
use toml_edit::{Document, Item, TableLike, TomlError};

/// The weight that a route is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewWeight {
    /// The route's place in the desk's list, from 0.
    pub route: usize,
    /// Its share.
    pub weight: Weight,
}

/// A route as the file says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WrittenRoute {
    /// Where it leads.
    pub provider: ProviderId,
    /// Its percentage; absent where it takes the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// Why weights cannot be changed in a text.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error("cannot be read as TOML: {0}")]
    NotToml(#[from] TomlError),
    /// The desk is not there.
    #[error("has no desk `{0}`")]
    NoDesk(DeskId),
    /// The desk has fewer routes.
    #[error("has no route {route} at desk `{desk}`, only {routes}, counted from 0")]
    NoRoute {
        /// Which desk.
        desk: DeskId,
        /// What was asked for.
        route: usize,
        /// How many it has.
        routes: usize,
    },
    /// A route is written in a way that has no place for a weight.
    #[error("has a route {0} that is no table with a `provider`")]
    NoPlace(usize),
}

/// The routes of a desk.
///
/// # Errors
/// The text is no TOML or has no such desk.
pub fn routes(text: &str, desk: &DeskId) -> Result<Vec<WrittenRoute>, EditError> {
    let document = Document::parse(text)?;
    let routes = tables(&document, desk)?;
    let written = routes.iter().map(|(route, _)| WrittenRoute {
        provider: ProviderId::new(
            route
                .get("provider")
                .and_then(Item::as_str)
                .unwrap_or_default(),
        ),
        weight: route.get("weight").and_then(number),
    });
    Ok(written.collect())
}

/// The text with these weights; unchanged where they are what it says already.
///
/// # Errors
/// The text is no TOML, or has no such desk or route.
pub fn set_weights(text: &str, desk: &DeskId, wanted: &[NewWeight]) -> Result<String, EditError> {
    let document = Document::parse(text)?;
    let routes = tables(&document, desk)?;
    let mut changes = Vec::new();
    for NewWeight { route, weight } in wanted {
        let Some((table, form)) = routes.get(*route) else {
            return Err(EditError::NoRoute {
                desk: desk.clone(),
                route: *route,
                routes: routes.len(),
            });
        };
        changes.extend(change(text, *table, *form, *weight).ok_or(EditError::NoPlace(*route))?);
    }
    Ok(spliced(text, changes))
}

/// How a route is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `[[desks.x.routes]]`, a key a line.
    Lines,
    /// `{ provider = …, weight = … }`
    Braces,
}

/// A piece of text that stands in for a stretch of another.
type Change = (Range<usize>, String);

/// The tables of a desk's routes.
fn tables<'a>(
    document: &'a Document<&str>,
    desk: &DeskId,
) -> Result<Vec<(&'a dyn TableLike, Form)>, EditError> {
    let found = document
        .as_table()
        .get("desks")
        .and_then(Item::as_table_like)
        .and_then(|desks| desks.get(desk.as_str())?.as_table_like())
        .ok_or_else(|| EditError::NoDesk(desk.clone()))?;
    let mut tables: Vec<(&dyn TableLike, Form)> = Vec::new();
    match found.get("routes") {
        Some(Item::ArrayOfTables(routes)) => {
            for route in routes.iter() {
                tables.push((route, Form::Lines));
            }
        }
        Some(item) => {
            for (index, route) in item.as_array().into_iter().flatten().enumerate() {
                let table = route.as_inline_table().ok_or(EditError::NoPlace(index))?;
                tables.push((table, Form::Braces));
            }
        }
        None => {}
    }
    Ok(tables)
}

/// What is to be put where, if anything; `None` if there is no place for it.
fn change(text: &str, route: &dyn TableLike, form: Form, weight: Weight) -> Option<Option<Change>> {
    if let Some(there) = route.get("weight") {
        if number(there).is_some_and(|percent| is(percent, weight)) {
            return Some(None);
        }
        return Some(Some((there.span()?, weight.to_string())));
    }
    let behind = route.get("provider")?.span()?.end;
    Some(Some(match form {
        Form::Braces => (behind..behind, format!(", weight = {weight}")),
        Form::Lines => {
            let before = &text[..route.key("provider")?.span()?.start];
            let indent = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
            let rest = &text[behind..];
            let (line, end) = match rest.find('\n') {
                Some(at) if rest[..at].ends_with('\r') => (at - 1, "\r\n"),
                Some(at) => (at, "\n"),
                None => (
                    rest.len(),
                    if text.contains("\r\n") { "\r\n" } else { "\n" },
                ),
            };
            let at = behind + line;
            (at..at, format!("{end}{indent}weight = {weight}"))
        }
    }))
}

/// The text with all changes made; they do not overlap.
fn spliced(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|(range, _)| range.start);
    let mut changed = String::with_capacity(text.len() + 16 * changes.len());
    let mut from = 0;
    for (range, new) in changes {
        changed.push_str(&text[from..range.start]);
        changed.push_str(&new);
        from = range.end;
    }
    changed.push_str(&text[from..]);
    changed
}

fn number(item: &Item) -> Option<f64> {
    // Percentages are small: every one of them is exact.
    item.as_float()
        .or_else(|| item.as_integer().map(|whole| whole as f64))
}

fn is(percent: f64, weight: Weight) -> bool {
    (percent * 100.0 - f64::from(weight.buckets())).abs() < 1e-6
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests;
