//! `route explain`: which provider a visitor would get, and why.
//!
//! Owns the arguments and the words. Deliberately decides nothing: the running
//! gateway is asked, which knows who is available. Reads the answer loosely, as
//! all of these commands do.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::client;

/// The visitor, as an app would present one.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// The desk.
    #[arg(long, value_name = "DESK")]
    desk: String,
    /// The visitor's id in the app.
    #[arg(long, value_name = "ID")]
    visitor: String,
    /// What the app runs on, such as `ios`.
    #[arg(long)]
    platform: Option<String>,
    /// The app's version.
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    /// Where the visitor came from.
    #[arg(long)]
    channel: Option<String>,
    /// A group of the desk.
    #[arg(long)]
    group: Option<String>,
    /// A field of the visitor's profile; may be given several times.
    #[arg(long = "profile", value_name = "FIELD=VALUE", value_parser = field)]
    profile: Vec<(String, String)>,
    /// At another moment than now, such as 2026-10-01T09:30:00+08:00.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Question {
    pub(super) fn path(&self) -> String {
        client::desk(&self.desk, "/route")
    }

    pub(super) fn body(&self) -> Value {
        let profile: Map<String, Value> = self
            .profile
            .iter()
            .map(|(field, value)| (field.clone(), json!(value)))
            .collect();
        json!({
            "visitor": self.visitor,
            "group": self.group,
            "client": {
                "platform": self.platform,
                "app_version": self.app_version,
                "channel": self.channel,
            },
            "profile": profile,
            "at": self.at,
        })
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err("right would be a field and a value, such as level=vip".to_owned()),
    }
}

/// The decision, a step a line.
pub(super) fn print(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let bucket = answer["bucket"].as_u64().unwrap_or_default();
    writeln!(
        out,
        "{} at desk {}: bucket {bucket} of 0 to 9999, at {}",
        text(&answer["visitor"]),
        text(&answer["desk"]),
        text(&answer["at"]),
    )?;
    for entry in answer["steps"].as_array().into_iter().flatten() {
        writeln!(out, "  {}", step(entry))?;
    }
    if let Some(pinned) = answer.get("pinned") {
        writeln!(
            out,
            "but session {} is open there, with {}: it stays, whatever the routes say",
            text(&pinned["session"]),
            text(&pinned["provider"]),
        )?;
    }
    Ok(())
}

fn step(step: &Value) -> String {
    let text = |key: &str| step[key].as_str().unwrap_or("?").to_owned();
    let route = match step["route"].as_u64() {
        Some(place) => format!("route {} to {}", place + 1, text("provider")),
        None => String::new(),
    };
    match step["step"].as_str() {
        Some("not_for") => format!("{route}: not for this visitor: {}", text("reason")),
        Some("share") => {
            let number = |key: &str| step[key].as_u64().unwrap_or_default();
            let (from, to) = (number("from"), number("to"));
            let share = match to.saturating_sub(from) {
                0 => "has no share".to_owned(),
                _ => format!("takes the buckets {from} to {}", to - 1),
            };
            let hit = if step["hit"] == true {
                ", this one too"
            } else {
                ""
            };
            format!("{route} {share}{hit}")
        }
        Some("split") => split(step),
        Some("rest") => format!("{route} takes what the shares leave over"),
        Some("passed_over") => {
            let why = availability(step["availability"].as_str().unwrap_or("?"));
            format!("{route} is passed over: {why}")
        }
        Some("last_resort") => {
            format!("nobody is ready; {route} is asked all the same, and its vendor will tell")
        }
        Some("chosen") => format!("{route} it is"),
        Some("nobody") => "nobody serves this visitor now".to_owned(),
        _ => step.to_string(),
    }
}

fn availability(word: &str) -> String {
    match word {
        "failing" => "it is failing: its vendor cannot be reached or refuses nearly everything",
        "mute" => "it is mute: its vendor takes what is said and answers nothing",
        "failed" => "it is failed: its adapter does not run",
        other => return format!("it is {other}"),
    }
    .to_owned()
}

/// What a migration does with the route that it is.
fn split(step: &Value) -> String {
    let text = |key: &str| step[key].as_str().unwrap_or("?").to_owned();
    let number = |key: &str| step[key].as_u64().unwrap_or_default();
    let (from, to) = (text("provider"), text("new_provider"));
    let whose = match step["by"].as_str() {
        Some("visitors") => format!("names this visitor: {to} instead of {from}"),
        Some("percent") => {
            format!(
                "moves the buckets before {}: {to} instead of {from}",
                number("cut")
            )
        }
        _ => format!(
            "moves the buckets before {}: this visitor stays with {from}",
            number("cut")
        ),
    };
    format!(
        "migration {}, stage {}, {whose}",
        text("migration"),
        number("stage")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_told_in_a_line() {
        let answer = json!({
            "visitor": "v1", "desk": "support", "bucket": 812, "at": "2026-11-23T10:00:00.000Z",
            "steps": [
                {"step": "not_for", "route": 0, "provider": "jiaxin", "condition": "during", "reason": "closed"},
                {"step": "share", "route": 1, "provider": "jiaxin", "from": 0, "to": 1000, "hit": true},
                {"step": "share", "route": 2, "provider": "zhichi", "from": 1000, "to": 1000, "hit": false},
                {"step": "rest", "route": 2, "provider": "zhichi"},
                {"step": "split", "migration": "m", "stage": 1, "route": 2, "provider": "zhichi", "new_provider": "qiyu", "cut": 1090, "by": "visitors"},
                {"step": "split", "migration": "m", "stage": 2, "route": 2, "provider": "zhichi", "new_provider": "qiyu", "cut": 1090, "by": "percent"},
                {"step": "split", "migration": "m", "stage": 2, "route": 2, "provider": "zhichi", "new_provider": "qiyu", "cut": 1090},
                {"step": "passed_over", "route": 1, "provider": "jiaxin", "availability": "paused"},
                {"step": "passed_over", "route": 2, "provider": "zhichi", "availability": "mute"},
                {"step": "last_resort", "route": 2, "provider": "zhichi"},
                {"step": "chosen", "route": 2, "provider": "zhichi"},
                {"step": "of_tomorrow"},
            ],
            "pinned": {"session": "s1", "provider": "zhichi"},
        });
        let mut out = Vec::new();
        print(&mut out, &answer).unwrap();
        let expected = "\
v1 at desk support: bucket 812 of 0 to 9999, at 2026-11-23T10:00:00.000Z
  route 1 to jiaxin: not for this visitor: closed
  route 2 to jiaxin takes the buckets 0 to 999, this one too
  route 3 to zhichi has no share
  route 3 to zhichi takes what the shares leave over
  migration m, stage 1, names this visitor: qiyu instead of zhichi
  migration m, stage 2, moves the buckets before 1090: qiyu instead of zhichi
  migration m, stage 2, moves the buckets before 1090: this visitor stays with zhichi
  route 2 to jiaxin is passed over: it is paused
  route 3 to zhichi is passed over: it is mute: its vendor takes what is said and answers nothing
  nobody is ready; route 3 to zhichi is asked all the same, and its vendor will tell
  route 3 to zhichi it is
  {\"step\":\"of_tomorrow\"}
but session s1 is open there, with zhichi: it stays, whatever the routes say
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_field_needs_a_name_and_a_value() {
        assert_eq!(field("level=vip=1"), Ok(("level".into(), "vip=1".into())));
        assert!(field("level").is_err() && field("=vip").is_err());
    }
}
