//! `migrate`: what a migration would do, how it stands, and its commands.
//!
//! Owns the arguments and the words, in Chinese and English. Deliberately
//! decides nothing: the running gateway knows what is possible. Reads answers
//! loosely, as all of these commands do.

use std::io::{self, Write};

use kefu_core::difference::{self, Comparison};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Gateway,
    client::{self, Client},
    print::{clean, list, one_line, table, text},
};
use crate::cli::provider::words::Language;

/// What is asked or commanded.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Asked {
    /// Show whom each stage would take, and what visitors lose and gain.
    Plan(Which),
    /// Begin with the first stage, or go on where it was held.
    Start(Step),
    /// Bring the next stage into force; after the last one, complete.
    Advance(Step),
    /// Stay at this stage until it is started again; guards go on.
    Pause(Step),
    /// Give every new session back to the old provider.
    Rollback(Step),
    /// Show where one migration stands, or all of them.
    Status {
        /// Which, by its name in the configuration; otherwise all.
        migration: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        words: Words,
    },
    /// Show both providers' numbers, per stage and on the whole.
    Report(Which),
}

/// Which migration.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Its name in the configuration.
    migration: String,
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    words: Words,
}

/// A command on a migration.
#[derive(Debug, clap::Args)]
pub(crate) struct Step {
    #[command(flatten)]
    which: Which,
    /// The reason, for the history.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// In which language.
#[derive(Debug, clap::Args)]
pub(crate) struct Words {
    /// The language of the words; otherwise that of LANG.
    #[arg(long, value_enum)]
    lang: Option<Language>,
}

type Print = fn(&mut dyn Write, &Value, Language) -> io::Result<()>;

impl Asked {
    /// Asks or commands, and says how the answer is printed.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) fn ask(&self, client: &Client) -> anyhow::Result<(Value, Print)> {
        let get = |name: &str, part| client.get(&client::migration(name, part));
        let command = |step: &Step, part| {
            let path = client::migration(&step.which.migration, part);
            client.post(&path, &json!({"why": step.why}))
        };
        Ok(match self {
            Self::Plan(which) => (get(&which.migration, "/plan")?, plan),
            Self::Report(which) => (get(&which.migration, "/report")?, report),
            Self::Start(step) => (command(step, "/start")?, status),
            Self::Advance(step) => (command(step, "/advance")?, status),
            Self::Pause(step) => (command(step, "/pause")?, status),
            Self::Rollback(step) => (command(step, "/rollback")?, status),
            Self::Status {
                migration: Some(name),
                ..
            } => (get(name, "")?, status),
            Self::Status { .. } => (client.get("/admin/v1/migrations")?, all),
        })
    }

    pub(super) fn gateway(&self) -> &Gateway {
        match self {
            Self::Plan(which) | Self::Report(which) => &which.gateway,
            Self::Start(step) | Self::Advance(step) | Self::Pause(step) | Self::Rollback(step) => {
                &step.which.gateway
            }
            Self::Status { gateway, .. } => gateway,
        }
    }

    pub(super) fn language(&self) -> Language {
        let words = match self {
            Self::Plan(which) | Self::Report(which) => &which.words,
            Self::Start(step) | Self::Advance(step) | Self::Pause(step) | Self::Rollback(step) => {
                &step.which.words
            }
            Self::Status { words, .. } => words,
        };
        let variable = |name: &str| std::env::var(name).ok();
        words.lang.unwrap_or_else(|| Language::of(variable))
    }
}

/// `GET /admin/v1/migrations`
fn all(out: &mut dyn Write, answer: &Value, words: Language) -> io::Result<()> {
    let w = |zh, en| words.pick(zh, en);
    let head = [
        w("迁移", "MIGRATION"),
        w("入口", "DESK"),
        w("从", "FROM"),
        w("到", "TO"),
        w("状态", "PHASE"),
        w("阶段", "STAGE"),
        w("比例", "SHARE"),
        w("自", "SINCE"),
    ];
    let rows = list(answer, "migrations").iter().map(|it| {
        [
            text(&it["name"]),
            text(&it["desk"]),
            text(&it["from"]),
            text(&it["to"]),
            phase(it, words),
            format!("{}/{}", text(&it["stage"]), text(&it["stages"])),
            share(it),
            text(&it["since"]),
        ]
    });
    table(out, head, rows)
}

/// `GET /admin/v1/migrations/{migration}`
fn status(out: &mut dyn Write, it: &Value, words: Language) -> io::Result<()> {
    let w = |zh, en| words.pick(zh, en);
    let [name, desk, from, to] = ["name", "desk", "from", "to"].map(|key| text(&it[key]));
    writeln!(
        out,
        "{name}: {} {desk}, {from} → {to}: {}",
        w("入口", "desk"),
        phase(it, words)
    )?;
    if it["configured"] == false {
        writeln!(
            out,
            "  {}",
            w(
                "配置中已没有此迁移，不起作用",
                "the configuration no longer has it, so it has no effect"
            )
        )?;
    }
    if it["stage"].is_null() {
        writeln!(out, "  {}", w("没有生效的阶段", "no stage is in force"))?;
    } else {
        let [stage, stages, listed] = ["stage", "stages", "listed"].map(|key| text(&it[key]));
        writeln!(
            out,
            "  {} {stage}/{stages}: {}, {} {listed}",
            w("阶段", "stage"),
            share(it),
            w("名单人数", "named visitors")
        )?;
    }
    for (key, zh, en) in [
        ("since", "自", "since"),
        (
            "next_advance",
            "自动进入下一阶段",
            "the next stage comes at",
        ),
    ] {
        if let Some(at) = it[key].as_str() {
            writeln!(out, "  {} {}", w(zh, en), clean(at))?;
        }
    }
    guards(out, it, words)?;
    for step in list(it, "history") {
        let [at, by, why] = ["at", "by", "why"].map(|key| text(&step[key]));
        writeln!(
            out,
            "  {at} {}: {}, {} {}, {}: {why}",
            cause(&by, words),
            phase(step, words),
            w("阶段", "stage"),
            text(&step["stage"]),
            share(step)
        )?;
    }
    Ok(())
}

/// Each guard with both numbers.
fn guards(out: &mut dyn Write, it: &Value, words: Language) -> io::Result<()> {
    let guards = list(it, "guards");
    if guards.is_empty() {
        return Ok(());
    }
    let w = |zh, en| words.pick(zh, en);
    if let (Some(from), Some(to)) = (
        guards[0]["window_from"].as_str(),
        guards[0]["window_to"].as_str(),
    ) {
        let (from, to) = (clean(from), clean(to));
        writeln!(out, "  {} {from} – {to}", w("对比时段", "compared over"))?;
    }
    let head = [
        w("护栏", "GUARD"),
        w("原平台", "OLD"),
        w("例数", "CASES"),
        w("新平台", "NEW"),
        w("例数", "CASES"),
        w("最多差", "LIMIT"),
        w("结论", "VERDICT"),
        w("说明", "NOTE"),
    ];
    let rows = guards.iter().map(|guard| {
        let unit = guard["unit"].as_str().unwrap_or_default();
        [
            text(&guard["guard"]),
            number(&guard["old"], unit),
            text(&guard["old_cases"]),
            number(&guard["new"], unit),
            text(&guard["new_cases"]),
            number(&guard["limit"], unit),
            verdict(&text(&guard["verdict"]), words),
            one_line(&guard["note"]),
        ]
    });
    table(out, head, rows)
}

/// `GET /admin/v1/migrations/{migration}/plan`
fn plan(out: &mut dyn Write, it: &Value, words: Language) -> io::Result<()> {
    let w = |zh, en| words.pick(zh, en);
    let [name, desk, from, to] = ["name", "desk", "from", "to"].map(|key| text(&it[key]));
    writeln!(out, "{name}: {} {desk}, {from} → {to}", w("入口", "desk"))?;
    if it["new_takes_sessions"] == false {
        writeln!(
            out,
            "  {}",
            w(
                "新平台目前不接新会话；访客仍由原平台承接",
                "the new provider takes no sessions now; visitors stay with the old one"
            )
        )?;
    }
    writeln!(
        out,
        "  {}: {}; {}: {}",
        w(
            "原平台承接本入口访客的比例",
            "the old provider's share of the desk's visitors"
        ),
        number(&it["share_of_old"], "percent"),
        w("过去 24 小时开场数", "openings in the last 24 hours"),
        text(&it["openings_last_day"]),
    )?;
    let head = [
        w("阶段", "STAGE"),
        w("名单人数", "NAMED"),
        w("原平台访客", "OF THE OLD"),
        w("本入口访客", "OF THE DESK"),
        w("每天会话", "SESSIONS A DAY"),
        w("自动推进", "ADVANCES AFTER"),
        w("生效", "IN FORCE"),
    ];
    let rows = list(it, "stages").iter().map(|stage| {
        [
            text(&stage["stage"]),
            text(&stage["listed"]),
            number(&stage["percent"], "percent"),
            number(&stage["percent_of_desk"], "percent"),
            text(&stage["sessions_a_day"]),
            match stage["after"].as_str() {
                Some(after) => clean(after),
                None => w("手动", "by hand").to_owned(),
            },
            match stage["in_force"] == true {
                true => w("是", "yes").to_owned(),
                false => String::new(),
            },
        ]
    });
    table(out, head, rows)?;
    if let Ok(comparison) = Comparison::deserialize(&it["differences"]) {
        let language = match words {
            Language::Zh => difference::Language::Zh,
            Language::En => difference::Language::En,
        };
        for line in comparison.lines(language) {
            writeln!(out, "{}", clean(&line))?;
        }
    }
    if let Some(why) = it["differences_unknown"].as_str() {
        writeln!(out, "{}", clean(why))?;
    }
    match it["shadow"].is_object() {
        true => super::shadow::counts(out, &it["shadow"], words),
        false => Ok(()),
    }
}

/// `GET /admin/v1/migrations/{migration}/report`
fn report(out: &mut dyn Write, it: &Value, words: Language) -> io::Result<()> {
    let w = |zh, en| words.pick(zh, en);
    let [name, desk, from, to] = ["name", "desk", "from", "to"].map(|key| text(&it[key]));
    writeln!(
        out,
        "{name}: {} {desk}, {from} → {to}: {}, {} – {}",
        w("入口", "desk"),
        phase(it, words),
        text(&it["began"]),
        text(&it["ended"])
    )?;
    let head = [
        w("阶段", "STAGE"),
        w("自", "BEGAN"),
        w("至", "ENDED"),
        w("平台", "PROVIDER"),
        w("开场", "OPENINGS"),
        w("开场失败", "FAILED"),
        w("投递", "MESSAGES"),
        w("投递失败", "FAILED"),
        w("提问", "ASKED"),
        w("未应答", "UNANSWERED"),
        w("首答 p95", "FIRST ANSWER P95"),
        w("评价", "RATINGS"),
        w("均分", "RATING"),
    ];
    let mut rows = Vec::new();
    let stages = list(it, "stages").iter().map(|stage| {
        let title = format!("{} ({})", text(&stage["stage"]), share(stage));
        (title, stage, stage)
    });
    let whole = (w("合计", "all").to_owned(), it, &it["whole"]);
    for (title, span, both) in stages.chain([whole]) {
        for (side, provider) in [("old", &from), ("new", &to)] {
            let figures = &both[side];
            let first = [
                title.clone(),
                text(&span["began"]),
                text(&span["ended"]),
                provider.clone(),
            ];
            rows.push(figures_row(first, figures));
        }
    }
    table(out, head, rows.into_iter())
}

fn figures_row([stage, began, ended, provider]: [String; 4], it: &Value) -> [String; 13] {
    let lost = [&it["delivery_failures"], &it["deliveries_unknown"]]
        .iter()
        .filter_map(|count| count.as_u64())
        .sum::<u64>();
    [
        stage,
        began,
        ended,
        provider,
        text(&it["openings"]),
        text(&it["opening_failures"]),
        text(&it["deliveries"]),
        lost.to_string(),
        text(&it["asked"]),
        text(&it["unanswered"]),
        number(&it["first_answer_p95_ms"], "milliseconds"),
        text(&it["ratings"]),
        match it["rating"].as_f64() {
            Some(rating) => format!("{rating:.1}"),
            None => "-".to_owned(),
        },
    ]
}

fn share(it: &Value) -> String {
    number(&it["percent"], "percent")
}

fn number(value: &Value, unit: &str) -> String {
    match (value.as_f64(), unit) {
        (None, _) => "-".to_owned(),
        (Some(number), "percent") => format!("{number} %"),
        (Some(number), "milliseconds") => format!("{number} ms"),
        (Some(number), _) => number.to_string(),
    }
}

fn phase(it: &Value, words: Language) -> String {
    let said = text(&it["phase"]);
    let (zh, en) = match said.as_str() {
        "planned" => ("未开始", "planned"),
        "running" => ("进行中", "running"),
        "paused" => ("已暂停", "paused"),
        "stopped" => ("已停止", "stopped"),
        "rolled_back" => ("已回退", "rolled back"),
        "completed" => ("已完成", "completed"),
        _ => return said,
    };
    words.pick(zh, en).to_owned()
}

fn cause(said: &str, words: Language) -> String {
    let (zh, en) = match said {
        "operator" => ("操作员", "operator"),
        "time" => ("到时", "time"),
        "guard" => ("护栏", "guard"),
        "file" => ("配置", "file"),
        other => return other.to_owned(),
    };
    words.pick(zh, en).to_owned()
}

fn verdict(said: &str, words: Language) -> String {
    let (zh, en) = match said {
        "holds" => ("正常", "holds"),
        "breached" => ("超出", "breached"),
        "not_judged" => ("未判定", "not judged"),
        "off" => ("关闭", "off"),
        other => return other.to_owned(),
    };
    words.pick(zh, en).to_owned()
}

#[cfg(test)]
mod tests;
