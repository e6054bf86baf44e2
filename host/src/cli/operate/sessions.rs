//! `sessions` and `trail`: who is where, and what became of what was said.
//!
//! Owns the arguments and the words, in Chinese and English. Deliberately
//! decides nothing, and reads answers as loosely as all of these commands do.
//! Invariant: what is printed is what the gateway answered, which has none of
//! what visitors and agents said.

use std::io::{self, Write};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    client::{self, Client},
    print::{clean, list, one_line, table, text},
};
use crate::cli::provider::words::Language;

/// Which sessions.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Opened at this desk.
    #[arg(long)]
    desk: Option<String>,
    /// With this provider now.
    #[arg(long)]
    provider: Option<String>,
    /// That stand there: opening, robot, queued, human, unattended or ended.
    #[arg(long)]
    state: Option<String>,
    /// Of the visitor with this id.
    #[arg(long, value_name = "ID")]
    visitor: Option<String>,
    /// Only those that are not over.
    #[arg(long, conflicts_with = "ended")]
    open: bool,
    /// Only those that are over.
    #[arg(long)]
    ended: bool,
    /// Opened before this session.
    #[arg(long, value_name = "SESSION")]
    before: Option<String>,
    /// How many, newest first.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Whose trail.
#[derive(Debug, clap::Args)]
pub(crate) struct Whose {
    /// The session, as `sessions` lists them.
    session: String,
    /// The language of the words; otherwise that of LANG.
    #[arg(long, value_enum)]
    lang: Option<Language>,
}

impl Wanted {
    /// Asks until there are as many as wanted, or no more: a page may be short.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) fn ask(&self, client: &Client) -> anyhow::Result<Value> {
        let mut before = self.before.clone();
        let mut sessions = Vec::new();
        loop {
            let wanted = (self.limit as usize).saturating_sub(sessions.len());
            // A limit that is none is refused by the gateway, in its words.
            let limit = if sessions.is_empty() {
                self.limit as usize
            } else {
                wanted
            };
            let mut page = client.get(&self.path(before.as_deref(), limit))?;
            if let Value::Array(more) = page["sessions"].take() {
                sessions.extend(more);
            }
            before = page["next"].as_str().map(str::to_owned);
            if before.is_none() || sessions.len() >= self.limit as usize {
                page["sessions"] = sessions.into();
                return Ok(page);
            }
        }
    }

    fn path(&self, before: Option<&str>, limit: usize) -> String {
        let open = match (self.open, self.ended) {
            (true, _) => Some("true"),
            (_, true) => Some("false"),
            _ => None,
        };
        let parameters = [
            ("desk", self.desk.as_deref()),
            ("provider", self.provider.as_deref()),
            ("state", self.state.as_deref()),
            ("visitor", self.visitor.as_deref()),
            ("open", open),
            ("before", before),
        ];
        let mut path = format!("/admin/v1/sessions?limit={limit}");
        for (name, value) in parameters {
            if let Some(value) = value {
                let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
                path.push_str(&format!("&{name}={value}"));
            }
        }
        path
    }
}

impl Whose {
    /// Asks for the whole of it, piece by piece.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) fn ask(&self, client: &Client) -> anyhow::Result<Value> {
        let mut entries = Vec::new();
        let mut after = 0;
        loop {
            let mut piece = client.get(&client::trail(&self.session, after))?;
            if let Value::Array(more) = piece["entries"].take() {
                entries.extend(more);
            }
            // Without a number that is farther on there is nothing more.
            match piece["next"].as_u64().filter(|next| *next > after) {
                Some(next) => after = next,
                None => {
                    piece["entries"] = entries.into();
                    return Ok(piece);
                }
            }
        }
    }

    pub(super) fn language(&self) -> Language {
        let variable = |name: &str| std::env::var(name).ok();
        self.lang.unwrap_or_else(|| Language::of(variable))
    }
}

/// `GET /admin/v1/sessions`
pub(super) fn sessions(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let head = [
        "SESSION", "DESK", "PROVIDER", "STATE", "VISITOR", "OPENED", "ACTIVE", "EVENTS", "CALLS",
    ];
    let rows = list(answer, "sessions").iter().map(|it| {
        [
            "id",
            "desk",
            "provider",
            "state",
            "visitor",
            "opened_at",
            "active_at",
            "last_seq",
            "open_calls",
        ]
        .map(|key| text(&it[key]))
    });
    table(out, head, rows)?;
    match answer["next"].as_str() {
        Some(next) => writeln!(out, "… --before {}", clean(next)),
        None => Ok(()),
    }
}

/// `GET /admin/v1/sessions/{session}/trail`
pub(super) fn trail(out: &mut dyn Write, answer: &Value, words: Language) -> io::Result<()> {
    let session = &answer["session"];
    let [id, desk, provider, state, visitor, opened] =
        ["id", "desk", "provider", "state", "visitor", "opened_at"].map(|key| text(&session[key]));
    let w = |zh, en| words.pick(zh, en);
    writeln!(
        out,
        "{} {id}: {} {desk}, {provider}, {state}, {} {visitor}, {} {opened}",
        w("会话", "session"),
        w("入口", "desk"),
        w("访客", "visitor"),
        w("开始于", "opened"),
    )?;
    for entry in list(answer, "entries") {
        writeln!(out, "{}", self::entry(entry, words))?;
        for step in list(entry, "steps") {
            writeln!(out, "    {}", self::step(step, words))?;
        }
    }
    for call in list(answer, "calls") {
        let [number, provider, since, until] =
            ["number", "provider", "since", "until"].map(|key| text(&call[key]));
        writeln!(
            out,
            "{} {number} → {provider}: {} {since}, {} {until}",
            w("未完成的调用", "call not over:"),
            w("自", "since"),
            w("放弃于", "given up at"),
        )?;
    }
    for letter in list(answer, "dead_letters") {
        let [at, kind, id] = ["at", "type", "id"].map(|key| text(&letter[key]));
        let reason = one_line(&letter["reason"]);
        writeln!(
            out,
            "{} {kind} {id} {at}: {reason}",
            w("死信", "dead letter")
        )?;
    }
    if let Some(last) = answer["push"]["last"].as_u64() {
        let push = &answer["push"];
        writeln!(
            out,
            "{} {}–{last}, {} {}, {} {}",
            w(
                "待推送给应用服务器:",
                "still to be pushed to the app's server:"
            ),
            push["after"].as_u64().unwrap_or_default() + 1,
            w("已试", "tries"),
            text(&push["tries"]),
            w("下次", "next at"),
            text(&push["due"]),
        )?;
    }
    Ok(())
}

fn entry(entry: &Value, words: Language) -> String {
    let [seq, at, kind] = ["seq", "at", "type"].map(|key| text(&entry[key]));
    let mut line = format!("#{seq} {at} {kind}");
    let mut add = |piece: &str| {
        line.push(' ');
        line.push_str(piece);
    };
    match entry["type"].as_str() {
        Some("message") => {
            let [id, from, content] = ["id", "from", "content"].map(|key| text(&entry[key]));
            add(&format!("{id} {from} {content}"));
            if let Some(length) = entry["length"].as_u64() {
                add(&format!("{length} {}", words.pick("字", "characters")));
            }
            if let Some(from) = entry["converted_from"].as_str() {
                add(&format!(
                    "({} {})",
                    words.pick("转换自", "was"),
                    clean(from)
                ));
            }
        }
        Some("session.state") => {
            let [from, to] = ["from", "to"].map(|key| text(&entry[key]));
            add(&format!("{from} → {to}"));
        }
        Some("session.moved") => {
            let [from, to, why] = ["from", "to", "reason"].map(|key| text(&entry[key]));
            add(&format!("{from} → {to} {why}"));
        }
        _ => {
            for key in [
                "provider", "state", "reason", "message", "status", "event", "agent", "detail",
            ] {
                if let Some(value) = entry[key].as_str() {
                    add(&clean(value));
                }
            }
        }
    }
    line
}

fn step(step: &Value, words: Language) -> String {
    let at = match step["at"].as_str() {
        Some(at) => clean(at),
        None => words.pick("现在", "now").to_owned(),
    };
    let [name, call, provider] = ["step", "call", "provider"].map(|key| text(&step[key]));
    let w = |zh, en| words.pick(zh, en);
    let told = match step["step"].as_str() {
        Some("accepted") => w("已接收", "accepted").to_owned(),
        Some("stored") => w("已落盘", "stored").to_owned(),
        Some("asked") => format!(
            "{} {call} → {provider}",
            w("待发送，调用", "to be sent, call")
        ),
        Some("waits") => {
            let until = text(&step["until"]);
            let sent = match step["attempted"].as_bool() {
                Some(true) => w("，可能已发出", ", may have been sent"),
                _ => "",
            };
            format!(
                "{} {call}, {} {until}{sent}",
                w("仍在等待，调用", "waits still, call"),
                w("放弃于", "given up at")
            )
        }
        Some("sent") => {
            let [tries, outcome] = ["tries", "outcome"].map(|key| text(&step[key]));
            let status = step["status"]
                .as_u64()
                .map_or_else(String::new, |it| format!(" {it}"));
            format!(
                "{} {call} → {provider}: {outcome}{status}, {} {tries}",
                w("已发送，调用", "sent, call"),
                w("尝试次数", "tries")
            )
        }
        Some("answer") => {
            let detail = step["detail"]
                .as_str()
                .map_or_else(String::new, |it| format!(": {}", clean(it)));
            format!(
                "{} {}{detail}",
                w("平台结果", "at the vendor:"),
                text(&step["status"])
            )
        }
        Some("recalled") => w("已撤回", "taken back").to_owned(),
        Some("push") => format!(
            "{} {}",
            w("推送给应用服务器:", "push to the app's server:"),
            text(&step["state"])
        ),
        Some("given_up") => format!(
            "{} {}: {}",
            w("已放弃，死信", "given up, dead letter"),
            text(&step["letter"]),
            one_line(&step["reason"])
        ),
        _ => name,
    };
    format!("{at} {told}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "session": {"id": "s1", "desk": "support", "provider": "zhichi", "state": "human", "visitor": "v1", "opened_at": "T0"},
            "entries": [
                {"seq": 1, "at": "T1", "type": "session.state", "from": "opening", "to": "human"},
                {"seq": 2, "at": "T2", "type": "message", "id": "m1", "from": "visitor", "content": "text", "length": 5, "steps": [
                    {"at": "T2", "step": "accepted"},
                    {"at": "T2", "step": "asked", "call": 3, "provider": "zhichi"},
                    {"at": "T3", "step": "sent", "call": 3, "provider": "zhichi", "tries": 2, "outcome": "answered", "status": 200},
                    {"at": "T3", "step": "answer", "status": "failed", "detail": "no\nsuch"},
                    {"step": "of_tomorrow"},
                ]},
                {"seq": 4, "at": "T4", "type": "session.of_tomorrow"},
            ],
            "calls": [{"number": 9, "provider": "zhichi", "since": "T5", "until": "T6"}],
            "dead_letters": [{"id": "d1", "type": "call", "at": "T7", "reason": "refused"}],
            "push": {"after": 3, "last": 4, "tries": 1, "due": "T8"},
        })
    }

    #[test]
    fn a_trail_tells_each_step_in_a_line() {
        let mut out = Vec::new();
        trail(&mut out, &answer(), Language::En).unwrap();
        let expected = "\
session s1: desk support, zhichi, human, visitor v1, opened T0
#1 T1 session.state opening → human
#2 T2 message m1 visitor text 5 characters
    T2 accepted
    T2 to be sent, call 3 → zhichi
    T3 sent, call 3 → zhichi: answered 200, tries 2
    T3 at the vendor: failed: no such
    now of_tomorrow
#4 T4 session.of_tomorrow
call not over: 9 → zhichi: since T5, given up at T6
dead letter call d1 T7: refused
still to be pushed to the app's server: 4–4, tries 1, next at T8
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_trail_is_told_in_chinese_too() {
        let mut out = Vec::new();
        trail(&mut out, &answer(), Language::Zh).unwrap();
        let told = String::from_utf8(out).unwrap();
        for words in [
            "会话 s1",
            "5 字",
            "已接收",
            "平台结果 failed",
            "死信 call d1",
            "已试 1",
        ] {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
    }

    #[test]
    fn what_is_not_understood_breaks_nothing() {
        for answer in [
            json!(null),
            json!({"entries": [1, {}]}),
            json!({"sessions": 3}),
        ] {
            let mut out = Vec::new();
            sessions(&mut out, &answer).unwrap();
            trail(&mut out, &answer, Language::En).unwrap();
        }
    }

    #[test]
    fn what_is_asked_for_cannot_become_another_parameter() {
        let wanted = Wanted {
            desk: Some("a&open=false".into()),
            provider: None,
            state: None,
            visitor: Some("王 1".into()),
            open: true,
            ended: false,
            before: None,
            limit: 7,
        };
        assert_eq!(
            wanted.path(Some("s-1"), 7),
            "/admin/v1/sessions?limit=7&desk=a%26open%3Dfalse&visitor=%E7%8E%8B%201&open=true&before=s%2D1"
        );
    }
}
