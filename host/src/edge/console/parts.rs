//! The pieces that pages are made of.
//!
//! Owns badges, times, forms, bars and tables' small change. Deliberately knows
//! no page. Invariant: whatever comes from outside is text here and never
//! markup; colour is never the only thing that says something.

use kefu_plugin_api::time::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    form::CSRF,
    layout::{Section, View},
    session::{Kind, Notice},
    words::{Words, fill},
};

/// How something stands, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Doubtful,
    Bad,
    Quiet,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    /// A shape of its own for each, for whoever does not tell the colours.
    fn shape(self) -> Markup {
        let path = match self {
            Self::Good => "M3 8.5 6.5 12 13 4.5",
            Self::Doubtful => "M8 3v6M8 12v1",
            Self::Bad => "M4 4l8 8M12 4l-8 8",
            Self::Quiet => "M4 8h8",
        };
        html! {
            svg.shape viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
                path d=(path) {}
            }
        }
    }
}

/// A word about a state, with its shape.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (tone.shape()) (word) } }
}

/// What was done before.
pub(super) fn notice(notice: &Notice) -> Markup {
    let (tone, role) = match notice.kind {
        Kind::Good => (Tone::Good, "status"),
        Kind::Doubtful => (Tone::Doubtful, "status"),
        Kind::Bad => (Tone::Bad, "alert"),
    };
    html! {
        div class={ "notice " (tone.class()) } role=(role) data-testid="notice" {
            (tone.shape())
            div {
                p { (notice.text) }
                @if !notice.details.is_empty() {
                    ul { @for line in &notice.details { li { (line) } } }
                }
            }
        }
    }
}

/// The state of a provider.
pub(super) fn provider_state(w: &Words, state: &str) -> Markup {
    let (tone, word) = standing(w, state);
    badge(tone, word)
}

/// The word for a provider's state; one that is not known stands for itself.
pub(super) fn standing<'a>(w: &Words, state: &'a str) -> (Tone, &'a str) {
    match state {
        "active" => (Tone::Good, w.state_active),
        "waiting" => (Tone::Doubtful, w.state_waiting),
        "paused" => (Tone::Doubtful, w.state_paused),
        "draining" => (Tone::Quiet, w.state_draining),
        "failed" => (Tone::Bad, w.state_failed),
        "quarantined" => (Tone::Bad, w.state_quarantined),
        "stuck" => (Tone::Bad, w.state_stuck),
        "working" => (Tone::Good, w.state_working),
        "mute" => (Tone::Bad, w.state_mute),
        "dead" | "failing" => (Tone::Bad, w.state_dead),
        other => (Tone::Quiet, other),
    }
}

/// The state of a breaker.
pub(super) fn breaker(w: &Words, state: &Value) -> Markup {
    match state.as_str() {
        Some("closed") => html! { span.muted { (w.breaker_closed) } },
        Some("open") => badge(Tone::Bad, w.breaker_open),
        Some("half_open") => badge(Tone::Doubtful, w.breaker_half_open),
        _ => dash(),
    }
}

/// A moment: how long ago, with the time itself beside it.
pub(super) fn time(view: &View<'_>, at: &Value) -> Markup {
    let Some(moment) = at.as_str().and_then(Timestamp::parse) else {
        return dash();
    };
    moment_of(view, moment)
}

/// The same for a moment that is one already.
pub(super) fn moment_of(view: &View<'_>, moment: Timestamp) -> Markup {
    html! {
        time datetime=(moment) title=(moment) {
            (clock(moment)) " " span.muted { (ago(view.w, view.now.since_ms(moment))) }
        }
    }
}

/// Month, day and time of the day, in UTC.
pub(super) fn clock(moment: Timestamp) -> String {
    let text = moment.to_string();
    let part = |range| text.get(range).unwrap_or_default();
    format!("{} {}", part(5..10), part(11..19))
}

/// The time of the day with its milliseconds, for steps that are close.
pub(super) fn seconds(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.get(11..23).unwrap_or_default().to_owned()
}

fn ago(w: &Words, ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (sentence, number) = match seconds {
        0..60 => (w.ago_seconds, seconds),
        60..3_600 => (w.ago_minutes, seconds / 60),
        3_600..86_400 => (w.ago_hours, seconds / 3_600),
        _ => (w.ago_days, seconds / 86_400),
    };
    fill(sentence, &[&number.to_string()])
}

/// A value of an answer as text; a dash where there is none.
pub(super) fn text(value: &Value) -> Markup {
    match value {
        Value::Null => dash(),
        Value::String(text) if text.is_empty() => dash(),
        Value::String(text) => html! { (text) },
        other => html! { (other) },
    }
}

/// Nothing is to be said.
pub(super) fn dash() -> Markup {
    html! { span.muted { "–" } }
}

/// A hash, short, with the whole of it to be seen.
pub(super) fn hash(value: &Value) -> Markup {
    match value.as_str() {
        Some(text) if text.len() > 12 => html! {
            code title=(text) { (text.get(..12).unwrap_or(text)) "…" }
        },
        _ => text(value),
    }
}

/// Bytes as people say them.
pub(super) fn bytes(value: &Value) -> Markup {
    match value.as_u64() {
        Some(bytes) => html! { (bytes / (1 << 20)) " MiB" },
        None => dash(),
    }
}

/// The head of a page.
pub(super) fn heading(title: &str, lead: &str, actions: Markup) -> Markup {
    html! {
        div.heading {
            div {
                h1 { (title) }
                @if !lead.is_empty() { p.lead { (lead) } }
            }
            div.actions { (actions) }
        }
    }
}

/// Said where a list would be.
pub(super) fn empty(words: &str) -> Markup {
    html! { p.empty { (words) } }
}

/// A table that may be wider than the screen; it can be scrolled by keyboard.
pub(super) fn table(name: &str, heads: &[&str], rows: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// Facts by name.
pub(super) fn facts(list: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in list {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// Proves a form to be ours.
pub(super) fn csrf(view: &View<'_>) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(view.live.csrf().expose()); }
}

/// A question before something is done.
pub(super) struct Question<'a> {
    pub(super) title: String,
    pub(super) means: &'a str,
    pub(super) more: Markup,
    /// What else is asked for.
    pub(super) fields: Markup,
    pub(super) action: String,
    pub(super) button: &'a str,
    pub(super) danger: bool,
    /// Fields that go with it.
    pub(super) hidden: Vec<(&'a str, String)>,
    pub(super) back: String,
}

/// The page of a question.
pub(super) fn question(view: &View<'_>, question: &Question<'_>) -> Markup {
    let class = if question.danger {
        "button danger"
    } else {
        "button"
    };
    html! {
        section.panel.question {
            h1 { (question.title) }
            p { (question.means) }
            (question.more)
            form method="post" action=(question.action) {
                (csrf(view))
                @for (name, value) in &question.hidden {
                    input type="hidden" name=(name) value=(value);
                }
                (question.fields)
                div.actions {
                    button class=(class) type="submit" data-testid="confirm" { (question.button) }
                    a.button.plain href=(question.back) { (view.w.cancel) }
                }
            }
        }
    }
}

/// One part of a whole, in hundredths of a percent.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) from: u32,
    pub(super) to: u32,
    /// Which colour of the row it has.
    pub(super) colour: usize,
}

/// Who gets which part of the visitors, as one bar with its key below.
pub(super) fn shares(name: &str, parts: &[Part]) -> Markup {
    let said: Vec<String> = parts
        .iter()
        .map(|part| format!("{} {} %", part.name, percent(part.to - part.from)))
        .collect();
    html! {
        div.shares {
            svg.bar viewBox="0 0 10000 100" preserveAspectRatio="none" role="img" aria-label={ (name) ": " (said.join(", ")) } {
                rect.empty x="0" y="0" width="10000" height="100" {}
                @for part in parts.iter().filter(|part| part.to > part.from) {
                    rect class=(format!("fill c{}", part.colour % COLOURS)) x=(part.from) y="0" width=(part.to - part.from) height="100" {}
                }
            }
            ul.key {
                @for part in parts {
                    li {
                        svg.dot viewBox="0 0 10 10" aria-hidden="true" focusable="false" { rect class=(format!("fill c{}", part.colour % COLOURS)) width="10" height="10" rx="2" {} }
                        (part.name) " " b { (percent(part.to - part.from)) " %" }
                    }
                }
            }
        }
    }
}

/// Hundredths of a percent as a percentage.
pub(super) fn percent(hundredths: u32) -> String {
    kefu_core::config::Weight::hundredths(hundredths).to_string()
}

/// The mark of the product.
pub(super) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            rect.plate width="32" height="32" rx="8" {}
            path d="M8 11h7c4 0 4 10 9 10M8 21h7c4 0 4-10 9-10" {}
        }
    }
}

/// The picture of a section.
pub(super) fn glyph(section: Section) -> Markup {
    let path = match section {
        Section::Overview => "M3 13a7 7 0 1 1 14 0M10 13l3-4",
        Section::Providers => "M4 5h12v4H4zM4 11h12v4H4zM7 7h.01M7 13h.01",
        Section::Desks => "M3 10h4c4 0 3-5 7-5h3M7 10c4 0 3 5 7 5h3",
        Section::Migrations => "M3 14h3V9h4V5h4M12 3l3 2-3 2M3 17h14",
        Section::Shadows => "M3 5h9v9H3zM8 17h9V8",
        Section::Sessions => "M3 4h10v7H8l-3 3v-3H3zM16 8h1v6h-1v3l-3-3h-2",
        Section::DeadLetters => "M3 6h14v9H3zM3 6l7 5 7-5",
        Section::Reloads => "M16 10a6 6 0 1 1-2-4.5M16 3v3h-3",
        Section::Nowhere => "",
    };
    html! {
        svg.glyph viewBox="0 0 20 20" aria-hidden="true" focusable="false" { path d=(path) {} }
    }
}

/// Colours in a row.
pub(super) const COLOURS: usize = 6;
