//! Sessions: the list with its filters, and what became of one's messages.
//!
//! Owns the reading of the filters and the words for the steps of a message.
//! Invariant: nothing that visitors and agents said is on these pages; what is
//! asked for that cannot be meant is refused, and never taken for "all".

use kefu_core::{
    problem::{Problem, Slug},
    trail::{
        CallOutcome, Happened, MessageTrail, PushState, SessionSummary, Step, StepKind, Trail,
        TrailEntry,
    },
};
use kefu_plugin_api::{capability::SessionState, ids::SessionId, message::MessageStatus};
use maud::{Markup, html};
use serde_json::json;

use super::{desks, letters, providers};
use crate::{
    edge::console::{
        form::Form,
        layout::{Frame, Section, View, encoded},
        parts::{self, Tone},
        words::{Words, fill},
    },
    store::Wanted,
};

/// The list, filtered.
pub(super) fn list(view: &View<'_>) -> Result<Frame, Problem> {
    let w = view.w;
    let asked = Form::parse(view.query.unwrap_or_default());
    let page = view.operations.sessions(&wanted(&asked)?)?;
    let heads = [
        w.session, w.state, w.desk, w.provider, w.visitor, w.opened, w.active, w.platform,
    ];
    let rows = html! {
        @for session in &page.sessions {
            tr {
                th scope="row" { a href=(path(&session.id)) { code.id { (session.id) } } }
                td { (state(w, session.state)) }
                td { a href=(desks::path(&session.desk)) { (session.desk) } }
                td { a href=(providers::path(&session.provider)) { (session.provider) } }
                td { (session.visitor) }
                td { (parts::moment_of(view, session.opened_at)) }
                td { (parts::moment_of(view, session.active_at)) }
                td { (client(session)) }
            }
        }
    };
    let main = html! {
        (parts::heading(w.sessions, w.sessions_lead, html! {}))
        section.panel { (filters(view, &asked)) }
        @if page.sessions.is_empty() {
            (parts::empty(w.no_sessions))
        } @else {
            (parts::table(w.sessions, &heads, rows))
        }
        @if let Some(next) = &page.next { p { a.button.plain href=(following(&asked, next)) { (w.older) } } }
    };
    Ok(Frame {
        title: w.sessions.to_owned(),
        section: Section::Sessions,
        main,
    })
}

/// What the filters ask for; an empty field asks for nothing.
fn wanted(asked: &Form) -> Result<Wanted, Problem> {
    let given = |name| {
        asked
            .value(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let state = match given("state") {
        None | Some("open") => None,
        Some(name) => Some(named(name)?),
    };
    Ok(Wanted {
        desk: given("desk").map(Into::into),
        provider: given("provider").map(Into::into),
        state,
        visitor: given("visitor").map(str::to_owned),
        synthetic: false,
        open: (given("state") == Some("open")).then_some(true),
        before: given("before").map(SessionId::new),
        limit: MOST,
    })
}

fn named(name: &str) -> Result<SessionState, Problem> {
    let known = STATES.into_iter().find(|state| state.as_str() == name);
    known.ok_or_else(|| {
        let right = STATES.map(SessionState::as_str).join(", ");
        let detail = format!("`{name:.40}` is no state; right would be one of open, {right}");
        Problem::new(Slug::InvalidRequest, detail)
    })
}

fn filters(view: &View<'_>, asked: &Form) -> Markup {
    let w = view.w;
    let given = |name| asked.value(name).unwrap_or_default();
    let choice = |value: &str, chosen: &str, word: Markup| {
        html! { option value=(value) selected[value == chosen] { (word) } }
    };
    let all_providers = view.operations.providers();
    html! {
        form.fields method="get" action=(LIST) {
            div.field {
                label for="f-visitor" { (w.visitor) }
                input #f-visitor name="visitor" value=(given("visitor")) autocomplete="off";
            }
            div.field {
                label for="f-desk" { (w.desk) }
                select #f-desk name="desk" {
                    (choice("", given("desk"), html! { (w.all) }))
                    @for desk in view.config.main.desks.keys() { (choice(desk.as_str(), given("desk"), html! { (desk) })) }
                }
            }
            div.field {
                label for="f-provider" { (w.provider) }
                select #f-provider name="provider" {
                    (choice("", given("provider"), html! { (w.all) }))
                    @for provider in &all_providers { (choice(provider.id.as_str(), given("provider"), html! { (provider.id) })) }
                }
            }
            div.field {
                label for="f-state" { (w.state) }
                select #f-state name="state" {
                    (choice("", given("state"), html! { (w.all) }))
                    (choice("open", given("state"), html! { (w.open_sessions) }))
                    @for state in STATES { (choice(state.as_str(), given("state"), html! { (state_word(w, state)) })) }
                }
            }
            button.button type="submit" { (w.apply) }
        }
    }
}

/// The address of the next page.
fn following(asked: &Form, next: &SessionId) -> String {
    let mut address = format!("{LIST}?before={}", encoded(next.as_str()));
    for name in ["visitor", "desk", "provider", "state"] {
        if let Some(value) = asked.value(name).filter(|value| !value.is_empty()) {
            address.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    address
}

/// One session and what became of its messages.
pub(super) fn one(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let asked = Form::parse(view.query.unwrap_or_default());
    let after = match asked.value("after") {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            let detail = format!("`after` is `{text:.40}`; right would be a whole number");
            Problem::new(Slug::InvalidRequest, detail)
        })?,
    };
    let trail = view.operations.trail(&SessionId::new(id), after, MOST)?;
    let session = &trail.session;
    let back = html! { a.button.plain href=(LIST) { (w.sessions) } };
    let main = html! {
        (parts::heading(&fill(w.session_of, &[&session.visitor]), "", back))
        section.panel { (summary(view, session)) }
        (unfinished(view, &trail))
        section.panel {
            h2 { (w.trail) }
            p.muted { (w.trail_lead) }
            @if trail.entries.is_empty() { (parts::empty(w.no_entries)) }
            ol.trail data-testid="trail" { @for it in &trail.entries { (entry(view, it)) } }
            @if let Some(next) = trail.next {
                p { a.button.plain href=(format!("{}?after={next}", path(&session.id))) { (w.later) } }
            }
        }
    };
    Ok(Frame {
        title: fill(w.session_of, &[&session.visitor]),
        section: Section::Sessions,
        main,
    })
}

fn summary(view: &View<'_>, session: &SessionSummary) -> Markup {
    let w = view.w;
    let ended = match session.ended_at {
        Some(at) => {
            html! { (parts::moment_of(view, at)) " " (parts::text(&json!(session.end_reason))) }
        }
        None => parts::dash(),
    };
    parts::facts(&[
        (w.session, html! { code.id { (session.id) } }),
        (w.state, state(w, session.state)),
        (
            w.desk,
            html! { a href=(desks::path(&session.desk)) { (session.desk) } },
        ),
        (
            w.provider,
            html! { a href=(providers::path(&session.provider)) { (session.provider) } },
        ),
        (w.opened, parts::moment_of(view, session.opened_at)),
        (w.active, parts::moment_of(view, session.active_at)),
        (w.ended, ended),
        (w.platform, client(session)),
        (
            w.visitor_present,
            html! { @if session.visitor_present { (w.yes) } @else { (w.no) } },
        ),
        (
            w.agent,
            html! { @match &session.agent { Some(agent) => (agent), None => (parts::dash()) } },
        ),
        (w.conversation, html! { code.id { (session.conversation) } }),
        (w.last_seq, html! { (session.last_seq) }),
    ])
}

/// What waits, and what was given up.
fn unfinished(view: &View<'_>, trail: &Trail) -> Markup {
    let w = view.w;
    html! {
        @if !trail.calls.is_empty() || trail.push.is_some() || !trail.dead_letters.is_empty() {
            section.panel {
                h2 { (w.unfinished) }
                ul.lines {
                    @for call in &trail.calls {
                        li { (parts::badge(Tone::Doubtful, w.step_waits)) " #" (call.number) " → " (call.provider) " " (parts::moment_of(view, call.since)) }
                    }
                    @if let Some(push) = &trail.push {
                        li { (parts::badge(Tone::Doubtful, w.letter_push)) " " (push.after) "–" (push.last) " " (parts::moment_of(view, push.since)) }
                    }
                    @for letter in &trail.dead_letters {
                        li { (parts::badge(Tone::Bad, w.step_given_up)) " " (parts::moment_of(view, letter.at)) " " span lang="en" { (letter.reason) } " " a href=(letters::path(&letter.id)) { (w.replay) } }
                    }
                }
            }
        }
    }
}

fn entry(view: &View<'_>, entry: &TrailEntry) -> Markup {
    let w = view.w;
    html! {
        li {
            span.number.muted { (entry.seq) }
            div {
                p {
                    b { @match &entry.what {
                        Happened::Message(message) => (who(w, message)),
                        _ => code { (entry.kind) },
                    } }
                    " " (parts::moment_of(view, entry.at))
                }
                @match &entry.what {
                    Happened::Message(message) => (message_steps(view, message)),
                    Happened::Opened { provider, state: at } => p { (provider) " · " (state_word(w, *at)) },
                    Happened::State { from, to } => p { (state_word(w, *from)) " → " (state_word(w, *to)) },
                    Happened::Moved(moved) => p {
                        (moved.from) " → " (moved.to) " · " (parts::text(&json!(moved.reason)))
                    },
                    Happened::Ended { reason } => p { (parts::text(&json!(reason))) },
                    Happened::Status { message, status, detail } => p {
                        code.id { (message) } " " (arrival(w, *status))
                        @if let Some(detail) = detail { " " span lang="en" { (detail) } }
                    },
                    Happened::Recalled { message } => p { code.id { (message) } },
                    Happened::Agent { event, agent } => p { (parts::text(&json!(event))) " " (agent.as_deref().unwrap_or_default()) },
                    Happened::Queue(queue) => p { (w.place) " " (queue.position) },
                    Happened::Other {} => {},
                }
            }
        }
    }
}

fn who(w: &Words, message: &MessageTrail) -> Markup {
    let from = json!(message.from);
    let name = match from.as_str() {
        Some("visitor") => w.from_visitor,
        Some("robot") => w.from_robot,
        Some("agent") => w.from_agent,
        Some("system") => w.from_system,
        other => other.unwrap_or("–"),
    };
    html! {
        (name) " · " (parts::text(&json!(message.content)))
        @if let Some(length) = message.length { " · " (fill(w.characters, &[&length.to_string()])) }
    }
}

/// Accepted, stored, sent, answered: as a row.
fn message_steps(view: &View<'_>, message: &MessageTrail) -> Markup {
    html! {
        ol.path {
            @for it in &message.steps { li { (step(view, it)) } }
        }
    }
}

fn step(view: &View<'_>, step: &Step) -> Markup {
    let w = view.w;
    let said = match &step.what {
        StepKind::Accepted {} => html! { (w.step_accepted) },
        StepKind::Stored {} => html! { (w.step_stored) },
        StepKind::Asked { provider, .. } => html! { (fill(w.step_asked, &[provider.as_str()])) },
        StepKind::Waits { .. } => parts::badge(Tone::Doubtful, w.step_waits),
        StepKind::Sent {
            tries,
            outcome,
            status,
            ..
        } => html! {
            @match outcome {
                CallOutcome::Answered => (w.step_answered),
                CallOutcome::NotSent => (parts::badge(Tone::Bad, w.step_not_sent)),
                CallOutcome::Unknown => (parts::badge(Tone::Doubtful, w.step_unknown)),
            }
            @if let Some(status) = status { " " (status) }
            @if *tries > 1 { " ×" (tries) }
        },
        StepKind::Answer { status, detail } => html! {
            (arrival(w, *status))
            @if let Some(detail) = detail { " " span lang="en" { (detail) } }
        },
        StepKind::Recalled {} => html! { (w.step_recalled) },
        StepKind::Push { state, .. } => html! {
            (w.letter_push) " "
            @match state {
                PushState::Waits => (parts::badge(Tone::Doubtful, w.step_waits)),
                PushState::Over => "✓",
                PushState::GivenUp => (parts::badge(Tone::Bad, w.step_given_up)),
            }
        },
        StepKind::GivenUp { letter, reason } => html! {
            (parts::badge(Tone::Bad, w.step_given_up)) " " span lang="en" { (reason) } " "
            a href=(letters::path(letter)) { (w.replay) }
        },
    };
    html! {
        (said)
        @if let Some(at) = step.at {
            " " time.muted datetime=(at) title=(at) { (parts::seconds(at)) }
        }
    }
}

fn arrival(w: &Words, status: MessageStatus) -> Markup {
    let word = json!(status);
    match word.as_str() {
        Some("delivered") => parts::badge(Tone::Good, w.status_delivered),
        Some("read") => parts::badge(Tone::Good, w.status_read),
        Some("failed") => parts::badge(Tone::Bad, w.status_failed),
        Some("unknown") => parts::badge(Tone::Doubtful, w.status_unknown),
        other => parts::badge(Tone::Quiet, other.unwrap_or("–")),
    }
}

fn state(w: &Words, state: SessionState) -> Markup {
    let tone = match state.as_str() {
        "human" | "robot" => Tone::Good,
        "queued" | "unattended" | "opening" => Tone::Doubtful,
        _ => Tone::Quiet,
    };
    parts::badge(tone, state_word(w, state))
}

fn state_word(w: &Words, state: SessionState) -> &'static str {
    match state.as_str() {
        "opening" => w.session_opening,
        "robot" => w.session_robot,
        "queued" => w.session_queued,
        "human" => w.session_human,
        "unattended" => w.session_unattended,
        "ended" => w.session_ended,
        other => other,
    }
}

fn client(session: &SessionSummary) -> Markup {
    let client = &session.client;
    let said: Vec<&str> = [&client.platform, &client.app_version, &client.channel]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if said.is_empty() {
        return parts::dash();
    }
    html! { (said.join(" · ")) }
}

/// The page of one.
pub(super) fn path(id: &SessionId) -> String {
    format!("{LIST}/{}", encoded(id.as_str()))
}

const LIST: &str = "/console/sessions";
const MOST: usize = 100;
const STATES: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];
