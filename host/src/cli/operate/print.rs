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
        "HEALTH",
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
            text(&entry["health"]["state"]),
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
    let mut reports = list(answer, "reloads").iter();
    reports.try_for_each(|report| self::report(out, report))
}

/// The report of one reload: what it came to, and what became of whom.
pub(super) fn report(out: &mut dyn Write, report: &Value) -> io::Result<()> {
    if report["outcome"] == "under_way" {
        let now = "not over yet, and goes on; `kefu-gateway reloads` will have its report";
        return writeln!(out, "{now}, unless there is nothing to change");
    }
    if let Some(id) = report["id"].as_u64() {
        write!(out, "#{id} ")?;
    }
    let words = [&report["at"], &report["cause"], &report["outcome"]].map(text);
    write!(out, "{}", words.join(" "))?;
    if let Some(took) = report["took_ms"].as_u64() {
        write!(out, " in {took} ms")?;
    }
    if let Some(live) = report["closed_to_live_ms"].as_u64() {
        write!(out, ", {live} ms after the last file was closed")?;
    }
    writeln!(out)?;
    for (key, name) in [("why", "why"), ("error", "error")] {
        if let Some(words) = report[key].as_str() {
            writeln!(out, "  {name}: {}", clean(words))?;
        }
    }
    for (key, name) in [("changes", "changed"), ("needs_restart", "needs a restart")] {
        for change in list(report, key) {
            writeln!(out, "  {name}: {}", one_line(change))?;
        }
    }
    for problem in list(report, "problems") {
        writeln!(out, "  {}", self::problem(problem))?;
    }
    for provider in list(report, "providers") {
        writeln!(out, "  {}", of_provider(provider))?;
    }
    Ok(())
}

/// `GET /admin/v1/pushes`
pub(super) fn pushes(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let head = [
        "APP",
        "SERVER",
        "FORMAT",
        "BREAKER",
        "LANES",
        "UNDER WAY",
        "OLDEST",
        "LAST ERROR",
    ];
    let rows = list(answer, "pushes").iter().map(|entry| {
        [
            text(&entry["app"]),
            text(&entry["url"]),
            text(&entry["format"]),
            text(&entry["breaker"]),
            text(&entry["lanes"]),
            text(&entry["under_way"]),
            text(&entry["oldest"]),
            one_line(&entry["last_error"]),
        ]
    });
    table(out, head, rows)
}

/// `GET /admin/v1/dead-letters`
pub(super) fn dead_letters(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let head = ["ID", "TYPE", "OF", "SESSION", "AT", "REASON"];
    let rows = list(answer, "dead_letters").iter().map(|letter| {
        let of = match &letter["app"] {
            Value::Null => &letter["provider"],
            app => app,
        };
        [
            text(&letter["id"]),
            text(&letter["type"]),
            text(of),
            text(&letter["session"]),
            text(&letter["at"]),
            one_line(&letter["reason"]),
        ]
    });
    table(out, head, rows)
}

/// Something wrong with a file.
fn problem(problem: &Value) -> String {
    let mut line = match problem["severity"].as_str() {
        Some(severity) => format!("{severity}: "),
        None => String::new(),
    };
    line.push_str(&one_line(&problem["file"]));
    for place in ["line", "column"] {
        if let Some(number) = problem[place].as_u64() {
            line.push_str(&format!(":{number}"));
        }
    }
    for (key, lead) in [("key", " "), ("problem", ": "), ("right", "; ")] {
        if let Some(words) = problem[key].as_str().filter(|words| !words.is_empty()) {
            line.push_str(&format!("{lead}{}", clean(words)));
        }
    }
    line
}

/// What became of a provider.
fn of_provider(entry: &Value) -> String {
    let [id, action, outcome] = [&entry["id"], &entry["action"], &entry["outcome"]].map(text);
    let mut line = format!("{id}: {action}: {outcome}");
    if let Some(number) = entry["generation"].as_u64() {
        line.push_str(&format!(", generation {number}"));
    }
    if let Some(error) = entry["error"].as_str() {
        line.push_str(&format!(": {}", clean(error)));
    }
    line
}

/// Columns as wide as their widest cell; the last one runs free.
pub(super) fn table<const N: usize>(
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

pub(super) fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
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

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => DASH.to_owned(),
        other => one_line(other),
    }
}

pub(super) fn one_line(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// Control characters would draw on the operator's terminal: what an adapter
/// said comes from outside.
pub(super) fn clean(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(visible).collect()
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
                "health": {"state": "mute"},
            },
            {"id": "jiaxin", "state": "waiting", "retained": [], "reason": "line one\nline\u{1b}[2J two"},
        ]});
        let expected = "\
PROVIDER  STATE    HEALTH  ADAPTER       GENERATION  RETAINED  ISOLATION   IN FLIGHT  FAULTS  REASON
zhichi    active   mute    zhichi 1.0.0  12          11,9      in-process  3          0
jiaxin    waiting  -       -             -           -         -           -          -       line one line [2J two
";
        assert_eq!(printed(|out| providers(out, &answer)), expected);
    }

    #[test]
    fn a_report_says_what_became_of_whom() {
        let answer = json!({
            "id": 7,
            "at": "2026-01-02T03:04:05.678Z",
            "cause": "files",
            "outcome": "partly",
            "took_ms": 132,
            "closed_to_live_ms": 210,
            "changes": ["limits.call_timeout"],
            "needs_restart": ["server.listen"],
            "problems": [{
                "severity": "error", "file": "providers/x.toml", "line": 3, "column": 1,
                "key": "plugin", "problem": "is missing", "right": "name a file",
            }],
            "providers": [
                {"id": "zhichi", "action": "replace", "outcome": "live", "generation": 4},
                {"id": "jiaxin", "action": "replace", "outcome": "failed", "error": "no\nELF"},
            ],
        });
        let expected = "\
#7 2026-01-02T03:04:05.678Z files partly in 132 ms, 210 ms after the last file was closed
  changed: limits.call_timeout
  needs a restart: server.listen
  error: providers/x.toml:3:1 plugin: is missing; name a file
  zhichi: replace: live, generation 4
  jiaxin: replace: failed: no ELF
";
        assert_eq!(printed(|out| report(out, &answer)), expected);
        assert_eq!(printed(|out| report(out, &json!({}))), "- - -\n");
    }

    #[test]
    fn a_reload_that_goes_on_says_where_its_report_will_be() {
        let answer = json!({"outcome": "under_way", "detail": "in the gateway's words"});
        let printed = printed(|out| report(out, &answer));
        assert!(printed.contains("`kefu-gateway reloads`"), "{printed}");
        assert!(!printed.contains("- -"), "{printed}");
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
