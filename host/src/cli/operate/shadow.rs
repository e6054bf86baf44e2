//! `shadow`: what another provider would have made of real sessions.
//!
//! Owns the words, in Chinese and English. Deliberately decides nothing, and
//! reads answers as loosely as all of these commands do.

use std::io::{self, Write};

use serde_json::Value;

use super::print::{clean, list, one_line, table, text};
use crate::cli::provider::words::Language;

/// How it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// How many of the last findings of each shadow.
    #[arg(long, value_name = "N", default_value_t = 20)]
    findings: usize,
    /// The language of the words; otherwise that of LANG.
    #[arg(long, value_enum)]
    lang: Option<Language>,
}

impl Question {
    /// `GET /admin/v1/shadows`
    pub(super) fn print(&self, out: &mut dyn Write, answer: &Value) -> io::Result<()> {
        let variable = |name: &str| std::env::var(name).ok();
        let words = self.lang.unwrap_or_else(|| Language::of(variable));
        let shadows = list(answer, "shadows");
        if shadows.is_empty() {
            let none = words.pick(
                "没有影子：还没有会话经由带 shadow 的路由打开",
                "no shadows: no session has opened by a route with `shadow`",
            );
            return writeln!(out, "{none}");
        }
        for shadow in shadows {
            counts(out, shadow, words)?;
            self.findings(out, shadow)?;
        }
        Ok(())
    }

    fn findings(&self, out: &mut dyn Write, shadow: &Value) -> io::Result<()> {
        let findings = list(shadow, "findings");
        if findings.is_empty() || self.findings == 0 {
            return Ok(());
        }
        let head = ["AT", "SESSION", "STATE", "WHAT", "KIND", "RESULT", "REASON"];
        let rows = findings.iter().take(self.findings).map(|it| {
            let [at, session, state, what, kind, result] =
                ["at", "session", "state", "what", "kind", "result"].map(|key| text(&it[key]));
            [
                at,
                session,
                state,
                what,
                kind,
                result,
                one_line(&it["reason"]),
            ]
        });
        table(out, head, rows)
    }
}

/// What has come of one shadow.
pub(super) fn counts(out: &mut dyn Write, shadow: &Value, words: Language) -> io::Result<()> {
    let w = |zh, en| words.pick(zh, en);
    let [desk, provider, judged, since] =
        ["desk", "provider", "shadow", "since"].map(|key| text(&shadow[key]));
    writeln!(
        out,
        "{desk}: {provider} → {judged} {} {since}",
        w("起始于", "since")
    )?;
    let [sessions, following, left_out] =
        ["sessions", "following", "left_out"].map(|key| text(&shadow[key]));
    writeln!(
        out,
        "  {} {sessions}, {} {following}, {} {left_out}",
        w("会话", "sessions"),
        w("正在跟随", "following"),
        w("未跟随或放弃", "left out"),
    )?;
    let count = |key: &str| text(&shadow["messages"][key]);
    writeln!(
        out,
        "  {} {} {}, {} {}, {} {}, {} {}, {} {}, {} {}",
        w("消息:", "messages:"),
        w("原样", "whole"),
        count("full"),
        w("转成文本", "as text"),
        count("converted"),
        w("拒绝", "refused"),
        count("refused"),
        w("失败", "failed"),
        count("failed"),
        w("等待", "held"),
        count("held"),
        w("适配器出错", "faulted"),
        count("faulted"),
    )?;
    writeln!(
        out,
        "  {} {}, {} {}",
        w("本会发出的调用", "calls that would leave"),
        text(&shadow["calls"]["would_leave"]),
        w("发不出的调用", "calls that could never leave"),
        text(&shadow["calls"]["refused"]),
    )?;
    for (key, zh, en) in [
        ("refused_commands", "会拒绝的操作", "would be refused"),
        ("faults", "适配器故障", "faults of the adapter"),
    ] {
        let counts = shadow[key].as_object().into_iter().flatten();
        for (name, count) in counts {
            writeln!(out, "  {}: {} {count}", w(zh, en), clean(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(lang: Language, findings: usize, answer: &Value) -> String {
        let mut out = Vec::new();
        let question = Question {
            findings,
            lang: Some(lang),
        };
        question.print(&mut out, answer).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn answer() -> Value {
        let finding = |reason: &str| {
            json!({
                "at": "T1", "session": "s1", "state": "human", "what": "message",
                "kind": "location", "result": "refused", "reason": reason,
            })
        };
        json!({"shadows": [{
            "desk": "support", "provider": "zhichi", "shadow": "jiaxin", "since": "T0",
            "sessions": 9, "following": 2, "left_out": 1,
            "messages": {"full": 5, "converted": 1, "refused": 2, "failed": 0, "held": 0, "faulted": 0},
            "calls": {"would_leave": 12, "refused": 0},
            "refused_commands": {"leave_message": 3}, "faults": {"panic": 1},
            "findings": [finding("not\ncarried"), finding("later")],
        }]})
    }

    #[test]
    fn a_shadow_is_told_with_its_counts_and_its_last_findings() {
        let expected = "\
support: zhichi → jiaxin since T0
  sessions 9, following 2, left out 1
  messages: whole 5, as text 1, refused 2, failed 0, held 0, faulted 0
  calls that would leave 12, calls that could never leave 0
  would be refused: leave_message 3
  faults of the adapter: panic 1
AT  SESSION  STATE  WHAT     KIND      RESULT   REASON
T1  s1       human  message  location  refused  not carried
";
        assert_eq!(printed(Language::En, 1, &answer()), expected);
        let zh = printed(Language::Zh, 0, &answer());
        assert!(zh.contains("转成文本 1") && !zh.contains("REASON"), "{zh}");
    }

    #[test]
    fn what_is_not_understood_breaks_nothing() {
        for answer in [
            json!(null),
            json!({"shadows": []}),
            json!({"shadows": [1, {}]}),
        ] {
            assert!(!printed(Language::En, 9, &answer).is_empty());
        }
    }
}
