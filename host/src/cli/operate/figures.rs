//! `figures`: what providers did at desks.
//!
//! Owns the arguments and the table. Deliberately counts nothing, and checks
//! nothing that the gateway checks.

use std::io::{self, Write};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::print::{list, table, text};

/// Which figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Of this desk only.
    #[arg(long)]
    desk: Option<String>,
    /// Of this provider only.
    #[arg(long)]
    provider: Option<String>,
    /// From when on, such as 2026-10-01T09:30:00+08:00; an hour ago otherwise.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when; now otherwise.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Over time, in steps such as 10s, 5m or 1h.
    #[arg(long, value_name = "TIME")]
    step: Option<String>,
    /// Count questions as unanswered that have no answer within this time;
    /// 2m otherwise.
    #[arg(long, value_name = "TIME")]
    answer_within: Option<String>,
}

impl Wanted {
    pub(super) fn path(&self) -> String {
        let parameters = [
            ("desk", &self.desk),
            ("provider", &self.provider),
            ("from", &self.from),
            ("to", &self.to),
            ("step", &self.step),
            ("answer_within", &self.answer_within),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| {
            let value = utf8_percent_encode(value.as_deref()?, NON_ALPHANUMERIC);
            Some(format!("{name}={value}"))
        });
        let query = given.collect::<Vec<_>>().join("&");
        match query.as_str() {
            "" => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        }
    }
}

const PATH: &str = "/admin/v1/figures";

/// A row for each provider at each desk, and one for each step of it.
pub(super) fn print(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let head = [
        "DESK",
        "PROVIDER",
        "AT",
        "OPENINGS",
        "FAILED",
        "MESSAGES",
        "FAILED",
        "ASKED",
        "UNANSWERED",
        "P50",
        "P95",
        "RATING",
        "SOLVED",
        "ENDED",
    ];
    let rows = list(answer, "figures").iter().flat_map(|entry| {
        let total = row(entry, entry, "all".to_owned());
        let steps = list(entry, "series").iter();
        let steps = steps.map(|step| row(entry, step, text(&step["at"])));
        std::iter::once(total).chain(steps).collect::<Vec<_>>()
    });
    table(out, head, rows)
}

fn row(entry: &Value, counted: &Value, at: String) -> [String; 14] {
    let with_share = |count: &str, rate: &str| {
        let count = text(&counted[count]);
        match counted[rate].as_f64() {
            Some(rate) => format!("{count} ({:.1}%)", rate * 100.0),
            None => count,
        }
    };
    let number = |key: &str| counted[key].as_u64().unwrap_or_default();
    let lost = number("delivery_failures") + number("deliveries_unknown");
    let lost = match counted["delivery_failure_rate"].as_f64() {
        Some(rate) => format!("{lost} ({:.1}%)", rate * 100.0),
        None => lost.to_string(),
    };
    let seconds = |key: &str| match counted[key].as_f64() {
        Some(millis) => format!("{:.1}s", millis / 1000.0),
        None => text(&Value::Null),
    };
    let rating = match counted["rating"].as_f64() {
        Some(rating) => format!("{rating:.0} of {}", number("ratings")),
        None => text(&Value::Null),
    };
    let solved = match counted["resolved_rate"].as_f64() {
        Some(rate) => format!("{:.0}%", rate * 100.0),
        None => text(&Value::Null),
    };
    [
        text(&entry["desk"]),
        text(&entry["provider"]),
        at,
        text(&counted["openings"]),
        with_share("opening_failures", "opening_failure_rate"),
        text(&counted["deliveries"]),
        lost,
        text(&counted["asked"]),
        with_share("unanswered", "unanswered_rate"),
        seconds("first_answer_p50_ms"),
        seconds("first_answer_p95_ms"),
        rating,
        solved,
        text(&counted["ended"]),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_not_asked() {
        let mut wanted = Wanted {
            desk: None,
            provider: None,
            from: None,
            to: None,
            step: None,
            answer_within: None,
        };
        assert_eq!(wanted.path(), "/admin/v1/figures");
        wanted.provider = Some("智齿".into());
        wanted.step = Some("5m".into());
        assert_eq!(
            wanted.path(),
            "/admin/v1/figures?provider=%E6%99%BA%E9%BD%BF&step=5m"
        );
    }

    #[test]
    fn a_provider_has_a_row_and_one_for_each_step() {
        let counted = json!({
            "openings": 8, "opening_failures": 2, "opening_failure_rate": 0.25,
            "deliveries": 4, "delivery_failures": 1, "deliveries_unknown": 1,
            "delivery_failure_rate": 0.5, "asked": 3, "unanswered": 0,
            "first_answer_p50_ms": 1234, "ratings": 2, "rating": 87.5, "ended": 1,
        });
        let mut entry = counted.clone();
        entry["desk"] = json!("support");
        entry["provider"] = json!("zhichi");
        let mut step = counted;
        step["at"] = json!("2026-10-01T09:30:00.000Z");
        entry["series"] = json!([step]);
        let mut out = Vec::new();
        print(&mut out, &json!({"figures": [entry]})).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|it| !it.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(
            lines[1],
            [
                "support",
                "zhichi",
                "all",
                "8",
                "2 (25.0%)",
                "4",
                "2 (50.0%)",
                "3",
                "0",
                "1.2s",
                "-",
                "88 of 2",
                "-",
                "1",
            ]
        );
        assert_eq!(lines[2][2], "2026-10-01T09:30:00.000Z");
    }
}
