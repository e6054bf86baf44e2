//! Answers of the admin API, for people.
//!
//! Owns the tables. Deliberately reads the answers as loosely as JSON can be
//! read, so that another version of the gateway can be operated too: what is
//! missing is a dash, what is unknown is left out.

use std::io::{self, Write};

use serde_json::Value;

/// `GET /admin/v1/providers`
pub(super) fn providers(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let head = [
        "PROVIDER",
        "STATE",
        "ADAPTER",
        "GENERATION",
        "RETAINED",
        "ISOLATION",
        "IN FLIGHT",
        "FAULTS",
        "REASON",
    ];
    let rows = list(answer, "providers").iter().map(|entry| {
        let adapter = match (&entry["adapter"], &entry["version"]) {
            (Value::String(name), Value::String(version)) => format!("{name} {version}"),
            _ => DASH.to_owned(),
        };
        [
            text(&entry["id"]),
            text(&entry["state"]),
            adapter,
            text(&entry["generation"]),
            retained(&entry["retained"]),
            text(&entry["isolation"]),
            text(&entry["in_flight"]),
            text(&entry["faults"]),
            one_line(&entry["reason"]),
        ]
    });
    table(out, head, rows)
}

/// `GET /admin/v1/reloads`
pub(super) fn reloads(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    for (index, report) in list(answer, "reloads").iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        self::report(out, report)?;
    }
    Ok(())
}

/// The report of one reload, as an outline: one line for each value.
pub(super) fn report(out: &mut dyn Write, report: &Value) -> io::Result<()> {
    outline(out, report, 0)
}

fn outline(out: &mut dyn Write, value: &Value, depth: usize) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    let mut entry = |key: &str, value: &Value| match value {
        Value::Null => Ok(()),
        Value::Array(items) if items.is_empty() => Ok(()),
        Value::Object(members) if members.is_empty() => Ok(()),
        Value::Array(_) | Value::Object(_) => {
            writeln!(out, "{indent}{key}:")?;
            outline(out, value, depth + 1)
        }
        plain => writeln!(out, "{indent}{key}: {}", one_line(plain)),
    };
    match value {
        Value::Object(members) => members
            .iter()
            .try_for_each(|(key, value)| entry(key, value)),
        Value::Array(items) => items.iter().try_for_each(|item| match &item["id"] {
            Value::String(id) => entry(id, item),
            _ => entry("-", item),
        }),
        plain => writeln!(out, "{indent}{}", one_line(plain)),
    }
}

/// Columns as wide as their widest cell; the last one runs free.
fn table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned))
        .chain(rows)
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(move |row| row[column].chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

/// The numbers of the generations that can be gone back to.
fn retained(value: &Value) -> String {
    let numbers = value.as_array().into_iter().flatten().map(|kept| {
        let number = if kept.is_object() {
            &kept["generation"]
        } else {
            kept
        };
        text(number)
    });
    let numbers: Vec<String> = numbers.collect();
    if numbers.is_empty() {
        return DASH.to_owned();
    }
    numbers.join(",")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => DASH.to_owned(),
        other => one_line(other),
    }
}

/// Control characters would draw on the operator's terminal: what an adapter
/// said comes from outside.
fn one_line(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

const DASH: &str = "-";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn providers_stand_in_columns() {
        let answer = json!({"providers": [
            {
                "id": "zhichi", "state": "active", "adapter": "zhichi", "version": "1.0.0",
                "generation": 12, "retained": [{"generation": 11}, {"generation": 9}],
                "isolation": "in-process", "in_flight": 3, "faults": 0,
            },
            {"id": "jiaxin", "state": "waiting", "retained": [], "reason": "line one\nline\u{1b}[2J two"},
        ]});
        let expected = "\
PROVIDER  STATE    ADAPTER       GENERATION  RETAINED  ISOLATION   IN FLIGHT  FAULTS  REASON
zhichi    active   zhichi 1.0.0  12          11,9      in-process  3          0
jiaxin    waiting  -             -           -         -           -          -       line one line [2J two
";
        assert_eq!(printed(|out| providers(out, &answer)), expected);
    }

    #[test]
    fn a_report_is_an_outline_without_what_is_empty() {
        let answer = json!({
            "outcome": "refused",
            "reason": null,
            "problems": [],
            "providers": [{"id": "zhichi", "stage": "open"}],
            "changed": ["limits", "log"],
        });
        let expected = "\
changed:
  -: limits
  -: log
outcome: refused
providers:
  zhichi:
    id: zhichi
    stage: open
";
        assert_eq!(printed(|out| report(out, &answer)), expected);
    }

    #[test]
    fn what_is_not_understood_breaks_nothing() {
        for answer in [
            json!(null),
            json!({}),
            json!({"providers": 3}),
            json!({"providers": [1, []]}),
        ] {
            let text = printed(|out| providers(out, &answer));
            assert!(text.starts_with("PROVIDER"), "{text}");
            printed(|out| reloads(out, &answer));
        }
    }

    fn printed(print: impl Fn(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}
