//! What changed, why, and what came of it.

use maud::{Markup, html};
use serde_json::Value;

use super::problem::of_file;
use crate::edge::{
    console::{
        Done, Lang,
        layout::{Frame, Section, View},
        parts::{self, Question, Tone},
        session::{Kind, Notice},
        words::{Words, fill},
    },
    operations::Operations,
};

/// The last reloads.
pub(super) fn list(view: &View<'_>) -> Frame {
    let w = view.w;
    let reports = view.operations.reloads(MOST);
    let button = html! { a.button.plain href="/console/reload" { (w.reload_all) } };
    let main = html! {
        (parts::heading(w.reloads, w.reloads_lead, button))
        @if reports.is_empty() { (parts::empty(w.no_reloads)) }
        ol.story { @for report in &reports { li.panel { (entry(view, report)) } } }
        @if !reports.is_empty() { p.muted { (fill(w.newest, &[&MOST.to_string()])) } }
    };
    Frame {
        title: w.reloads.to_owned(),
        section: Section::Reloads,
        main,
    }
}

/// One reload in a few lines.
fn entry(view: &View<'_>, report: &Value) -> Markup {
    let w = view.w;
    html! {
        header {
            @if let Some(id) = report["id"].as_u64() { b.number { "#" (id) } }
            (outcome(w, report))
            span { (cause(w, report)) }
            (parts::time(view, &report["at"]))
            @if let Some(took) = report["took_ms"].as_u64() { span.muted { (w.took) " " (took) " ms" } }
        }
        @if let Some(why) = report["why"].as_str() { p lang="en" { (why) } }
        @if let Some(error) = report["error"].as_str() { p.words.bad lang="en" { (error) } }
        (words(w.changes, &report["changes"]))
        (words(w.needs_restart, &report["needs_restart"]))
        @for provider in list_of(&report["providers"]) {
            p {
                b { (parts::text(&provider["id"])) } " "
                (fate(w, &provider["outcome"]))
                @if let Some(number) = provider["generation"].as_u64() { " · " (w.generation) " " (number) }
                @if let Some(error) = provider["error"].as_str() { " · " span lang="en" { (error) } }
            }
        }
        @let problems = list_of(&report["problems"]);
        @if !problems.is_empty() {
            ul.problems lang="en" { @for problem in problems { li { (of_file(problem)) } } }
        }
    }
}

/// How a reload went, with its tone.
pub(super) fn outcome(w: &Words, report: &Value) -> Markup {
    let (tone, word) = outcome_word(w, report);
    parts::badge(tone, word)
}

fn outcome_word<'a>(w: &'a Words, report: &'a Value) -> (Tone, &'a str) {
    match report["outcome"].as_str() {
        Some("applied") => (Tone::Good, w.outcome_applied),
        Some("partly") => (Tone::Doubtful, w.outcome_partly),
        Some("refused") => (Tone::Bad, w.outcome_refused),
        Some("unchanged") => (Tone::Quiet, w.outcome_unchanged),
        other => (Tone::Quiet, other.unwrap_or("–")),
    }
}

/// Why one was made.
pub(super) fn cause<'a>(w: &'a Words, report: &'a Value) -> &'a str {
    match report["cause"].as_str() {
        Some("files") => w.cause_files,
        Some("signal") => w.cause_signal,
        Some("admin") => w.cause_admin,
        Some("edit") => w.cause_edit,
        Some("provider") => w.cause_provider,
        Some("rollback") => w.cause_rollback,
        other => other.unwrap_or("–"),
    }
}

fn fate(w: &Words, value: &Value) -> Markup {
    let word = match value.as_str() {
        Some("live") => w.fate_live,
        Some("waiting") => w.fate_waiting,
        Some("failed") => w.fate_failed,
        Some("reconfigured") => w.fate_reconfigured,
        Some("retired") => w.fate_retired,
        _ => return parts::text(value),
    };
    html! { (word) }
}

fn words(name: &str, list: &Value) -> Markup {
    let list = list_of(list);
    if list.is_empty() {
        return html! {};
    }
    html! { p { span.muted { (name) ": " } @for key in list { code { (parts::text(key)) } " " } } }
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Asks before everything is read again.
pub(super) fn ask(view: &View<'_>) -> Frame {
    let w = view.w;
    let main = parts::question(
        view,
        &Question {
            title: w.reload_all_ask.to_owned(),
            means: w.reload_all_means,
            more: html! {},
            fields: html! {},
            action: "/console/reload".to_owned(),
            button: w.reload_all,
            danger: false,
            hidden: Vec::new(),
            back: "/console/reloads".to_owned(),
        },
    );
    Frame {
        title: w.reload_all_ask.to_owned(),
        section: Section::Reloads,
        main,
    }
}

/// Reads everything again.
pub(super) fn act(operations: &dyn Operations, lang: Lang) -> Done {
    tracing::info!("reload asked for");
    Done::Later(
        "/console/reloads".to_owned(),
        operations.reload(None),
        told(lang),
    )
}

/// What the next page says of a report.
pub(super) fn told(lang: Lang) -> fn(&Value) -> Notice {
    match lang {
        Lang::Zh => |report| said(Lang::Zh.words(), report),
        Lang::En => |report| said(Lang::En.words(), report),
    }
}

/// A report as a notice: how it went, and everything that is wrong.
pub(super) fn said(w: &Words, report: &Value) -> Notice {
    let (tone, word) = outcome_word(w, report);
    let kind = match tone {
        Tone::Good | Tone::Quiet => Kind::Good,
        Tone::Doubtful => Kind::Doubtful,
        Tone::Bad => Kind::Bad,
    };
    let mut details: Vec<String> = list_of(&report["problems"]).iter().map(of_file).collect();
    details.extend(report["error"].as_str().map(str::to_owned));
    for provider in list_of(&report["providers"]) {
        if let (Some(id), Some(error)) = (provider["id"].as_str(), provider["error"].as_str()) {
            details.push(format!("{id}: {error}"));
        }
    }
    Notice {
        kind,
        text: fill(w.reload_done, &[word]),
        details,
    }
}

const MOST: usize = 100;
