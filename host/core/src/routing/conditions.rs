//! Whether a route is for a visitor.
//!
//! Owns the meaning of each key of `when`. Deliberately knows no shares and no
//! providers. Invariant: a condition that does not hold says why, in the words
//! of the configuration; what an app did not send fulfils nothing.

use serde_json::Value;

use super::RouteRequest;
use crate::config::When;

/// The key of a condition that does not hold, and why.
pub(super) type Unmet = (&'static str, String);

/// Checks every condition, the cheap ones first.
pub(super) fn check(when: &When, request: &RouteRequest<'_>) -> Result<(), Unmet> {
    if let Some(rule) = &when.app_version {
        rule.check(request.app_version)
            .map_err(|reason| ("app_version", reason))?;
    }
    let exactly = |one: &str, other: &str| one == other;
    let platform = request.platform;
    listed(
        "platform",
        &when.platform,
        platform,
        str::eq_ignore_ascii_case,
    )?;
    listed("channel", &when.channel, request.channel, exactly)?;
    listed("group", &when.group, request.group, exactly)?;
    if !when.visitors.is_empty() && !when.visitors.contains(request.visitor) {
        let reason = format!("not one of the {} visitors listed", when.visitors.len());
        return Err(("visitors", reason));
    }
    for (field, values) in &when.profile {
        profile(field, values, request)?;
    }
    if let Some(calendar) = &when.during {
        calendar
            .check(request.at)
            .map_err(|reason| ("during", reason))?;
    }
    match &when.outside {
        Some(calendar) if calendar.check(request.at).is_ok() => {
            let reason = format!("the calendar {} is open at {}", calendar.name, request.at);
            Err(("outside", reason))
        }
        _ => Ok(()),
    }
}

fn listed(
    condition: &'static str,
    listed: &[String],
    given: Option<&str>,
    same: fn(&str, &str) -> bool,
) -> Result<(), Unmet> {
    if listed.is_empty() {
        return Ok(());
    }
    match given {
        Some(given) if listed.iter().any(|one| same(one, given)) => Ok(()),
        Some(given) => Err((
            condition,
            format!("the {condition} {given:?} is none of {}", listed.join(", ")),
        )),
        None => Err((condition, format!("the app sent no {condition}"))),
    }
}

/// A field of the profile; its value is not repeated in the reason, which
/// operators read.
fn profile(field: &str, values: &[String], request: &RouteRequest<'_>) -> Result<(), Unmet> {
    let unmet = |reason: String| Err(("profile", reason));
    match request.profile.and_then(|profile| read(profile, field)) {
        Some(given) if values.contains(&given) => Ok(()),
        Some(_) => unmet(format!(
            "the field {field} is none of {}",
            values.join(", ")
        )),
        None => unmet(format!("the app sent no field {field}")),
    }
}

/// A known field, or one that the app added, as text.
fn read(profile: &kefu_plugin_api::event::Visitor, field: &str) -> Option<String> {
    if let Some(text) = profile.fields.get(field) {
        return Some(text.clone());
    }
    match profile.custom.get(field)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
