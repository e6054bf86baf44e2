//! Shadows: what another provider would have made of real sessions.
//!
//! Owns the words for what was found. Invariant: nothing that was said is here,
//! only kinds, states and the adapter's reasons.

use kefu_plugin_api::ids::SessionId;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{desks, providers, sessions};
use crate::{
    edge::console::{
        layout::{Frame, Section, View},
        parts::{self, Tone},
        words::{Words, fill},
    },
    shadow::ShadowReport,
};

/// All of them.
pub(super) fn list(view: &View<'_>) -> Frame {
    let w = view.w;
    let shadows = view.operations.shadows();
    let main = html! {
        (parts::heading(w.shadows, w.shadows_lead, html! {}))
        @if shadows.is_empty() { (parts::empty(w.no_shadows)) }
        @for shadow in &shadows { (one(view, shadow)) }
    };
    Frame {
        title: w.shadows.to_owned(),
        section: Section::Shadows,
        main,
    }
}

fn one(view: &View<'_>, shadow: &ShadowReport) -> Markup {
    let w = view.w;
    let (watched, messages) = (&shadow.watched, &shadow.messages);
    let facts = [
        (w.sessions, shadow.sessions),
        (w.following, shadow.following),
        (w.left_out, shadow.left_out),
        (w.goes_whole, messages.full),
        (w.goes_converted, messages.converted),
        (w.would_be_refused, messages.refused),
        (w.would_fail, messages.failed),
        (w.adapter_waits, messages.held),
        (w.adapter_faults, messages.faulted),
        (w.calls_leave, shadow.calls.would_leave),
        (w.calls_refused, shadow.calls.refused),
    ];
    let facts = facts.map(|(name, count)| (name, html! { (count) }));
    let verdict =
        if messages.refused + messages.failed + messages.faulted + shadow.calls.refused > 0 {
            parts::badge(Tone::Bad, w.visitors_would_lose)
        } else if messages.converted > 0 {
            parts::badge(Tone::Doubtful, w.some_converted)
        } else {
            parts::badge(Tone::Good, w.nothing_found)
        };
    html! {
        section.panel {
            h2 {
                a href=(providers::path(&watched.shadow)) { (watched.shadow) } " " (verdict)
            }
            p.muted {
                (fill(w.shadow_beside, &[watched.provider.as_str()])) " · "
                a href=(desks::path(&watched.desk)) { (watched.desk) } " · "
                (w.since) " " (parts::moment_of(view, shadow.since))
            }
            (parts::facts(&facts))
            (counts(w, shadow))
            (findings(view, shadow))
        }
    }
}

/// What does not go whole, by kind and state; and what is refused besides.
fn counts(w: &Words, shadow: &ShadowReport) -> Markup {
    let others = |name: &str, counts: Value| {
        let list = counts.as_object().cloned().unwrap_or_default();
        html! {
            @if !list.is_empty() {
                p.muted { (name) ": " @for (what, count) in &list { code { (what) } " " (count) " " } }
            }
        }
    };
    let rows = html! {
        @for it in &shadow.kinds {
            tr {
                th scope="row" { (word(&json!(it.kind))) }
                td { (it.state.as_str()) }
                td { (word(&json!(it.result))) }
                td.number { (it.count) }
            }
        }
    };
    html! {
        @if !shadow.kinds.is_empty() {
            (parts::table(w.kind, &[w.kind, w.state, w.outcome, w.how_often], rows))
        }
        (others(w.refused_besides, json!(shadow.refused_commands)))
        (others(w.faults_by_kind, json!(shadow.faults)))
    }
}

fn findings(view: &View<'_>, shadow: &ShadowReport) -> Markup {
    let w = view.w;
    if shadow.findings.is_empty() {
        return html! {};
    }
    let heads = [w.at, w.session, w.state, w.kind, w.outcome, w.reason];
    let rows = html! {
        @for it in shadow.findings.iter().take(SHOWN) {
            tr {
                td { (parts::moment_of(view, it.at)) }
                td { (session(&it.session)) }
                td { (it.state.as_str()) }
                td { (it.what) @if let Some(kind) = it.kind { " " (word(&json!(kind))) } }
                td { (word(&json!(it.result))) }
                td.words lang="en" { (it.reason) }
            }
        }
    };
    html! {
        h3 { (w.findings) }
        (parts::table(w.findings, &heads, rows))
    }
}

fn session(id: &SessionId) -> Markup {
    html! { a href=(sessions::path(id)) { code.id { (id) } } }
}

fn word(value: &Value) -> Markup {
    html! { code { (parts::text(value)) } }
}

/// Of the last findings.
const SHOWN: usize = 50;
