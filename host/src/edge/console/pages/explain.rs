//! Which provider a visitor would get, and why.

use kefu_core::{
    config::Desk,
    problem::{Problem, Slug},
    routing::RouteRequest,
};
use kefu_plugin_api::{event::Visitor, ids::DeskId, time::Timestamp};
use maud::{Markup, html};
use serde_json::Value;

use super::{desks, sessions};
use crate::{
    edge::console::{
        form::Form,
        layout::{Frame, Section, View},
        parts::{self, Tone},
        words::{Words, fill},
    },
    route::no_desk,
};

/// The form, and the answer once a visitor is named.
pub(super) fn page(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let id = DeskId::new(id);
    let desk = view.config.desk(id.as_str()).ok_or_else(|| no_desk(&id))?;
    let asked = Form::parse(view.query.unwrap_or_default());
    let answer = match field(&asked, "visitor") {
        Some(visitor) => Some(ask(view, &id, visitor, &asked)?),
        None => None,
    };
    let back = html! { a.button.plain href=(desks::path(&id)) { (desk.title) } };
    let main = html! {
        (parts::heading(w.explain, w.explain_lead, back))
        section.panel { (form(view, desk)) }
        @if let Some(answer) = &answer { (decision(view, desk, answer)) }
    };
    Ok(Frame {
        title: format!("{} · {}", w.explain, desk.title),
        section: Section::Desks,
        main,
    })
}

fn ask(view: &View<'_>, desk: &DeskId, visitor: &str, asked: &Form) -> Result<Value, Problem> {
    let at = match field(asked, "at") {
        Some(text) => Timestamp::parse(text).ok_or_else(|| {
            let detail = format!(
                "`{text:.60}` is no time; right would be one such as 2026-10-01T09:30:00+08:00"
            );
            Problem::new(Slug::InvalidRequest, detail)
        })?,
        None => view.now,
    };
    let profile = Visitor {
        id: visitor.to_owned(),
        ..Visitor::default()
    };
    let request = RouteRequest {
        visitor,
        platform: field(asked, "platform"),
        app_version: field(asked, "app_version"),
        channel: field(asked, "channel"),
        group: field(asked, "group"),
        profile: Some(&profile),
        at,
    };
    view.operations.explain(desk, &request)
}

/// What was filled in.
fn field<'a>(asked: &'a Form, name: &str) -> Option<&'a str> {
    asked
        .value(name)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Asks for a visitor. It changes nothing, so its address may be kept.
pub(super) fn form(view: &View<'_>, desk: &Desk) -> Markup {
    let w = view.w;
    let asked = Form::parse(view.query.unwrap_or_default());
    let fields = [
        ("visitor", w.visitor, true),
        ("platform", w.platform, false),
        ("app_version", w.app_version, false),
        ("channel", w.channel, false),
        ("group", w.group, false),
        ("at", w.moment, false),
    ];
    html! {
        form.fields method="get" action={ (desks::path(&desk.id)) "/explain" } {
            @for (name, label, required) in fields {
                div.field {
                    label for={ "x-" (name) } { (label) }
                    input id={ "x-" (name) } name=(name) required[required] autocomplete="off"
                        value=(field(&asked, name).unwrap_or_default())
                        aria-describedby=[(name == "at").then_some("x-at-hint")];
                    @if name == "at" { span.hint #x-at-hint { (w.moment_hint) } }
                }
            }
            button.button type="submit" { (w.explain) }
        }
    }
}

/// The decision, in the order of thought.
fn decision(view: &View<'_>, desk: &Desk, answer: &Value) -> Markup {
    let w = view.w;
    let chosen = answer["chosen"]["provider"].as_str();
    let steps = answer["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let order = answer["order"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        section.panel data-testid="decision" {
            h2 {
                @match chosen {
                    Some(provider) => (fill(w.would_get, &[provider])),
                    None => (w.would_get_nobody),
                }
            }
            @if let Some(provider) = answer["pinned"]["provider"].as_str() {
                p.notice.doubtful { (fill(w.pinned_to, &[provider])) " " @if let Some(session) = answer["pinned"]["session"].as_str() { a href=(sessions::path(&session.into())) { code.id { (session) } } } }
            }
            @if let Some(bucket) = answer["bucket"].as_u64() {
                p { (w.bucket) " " b { (bucket) } span.muted { " / 10000" } }
                (parts::shares(&desk.title, &desks::shares(view.config, desk)))
            }
            h3 { (w.steps) }
            ol.steps { @for it in steps { li { (step(w, it)) } } }
            h3 { (w.order) }
            p { @for (index, choice) in order.iter().enumerate() {
                @if index > 0 { span.muted { " → " } }
                b { (parts::text(&choice["provider"])) }
                @if let Some(group) = choice["group"].as_str() { " " code { (group) } }
            } }
        }
    }
}

fn step(w: &Words, step: &Value) -> Markup {
    let whom = html! {
        @if let Some(provider) = step["provider"].as_str() {
            b { (provider) } " " span.muted { "#" (parts::text(&step["route"])) } " "
        }
    };
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let number = |key: &str| step[key].to_string();
    let said = match text("step") {
        "not_for" => fill(w.step_not_for, &[text("condition"), text("reason")]),
        "share" => fill(w.step_share, &[&number("from"), &number("to")]),
        "rest" => w.step_rest.to_owned(),
        "split" if step["by"].is_null() => {
            fill(w.step_split_stays, &[text("migration"), &number("stage")])
        }
        "split" => {
            let to = [text("migration"), &number("stage"), text("new_provider")];
            fill(w.step_split, &to)
        }
        "passed_over" => fill(w.step_passed, &[parts::standing(w, text("availability")).1]),
        "chosen" => w.step_chosen.to_owned(),
        "last_resort" => w.step_last_resort.to_owned(),
        "nobody" => w.step_nobody.to_owned(),
        // A step of a part that came later: its own words.
        other => other.to_owned(),
    };
    html! {
        (whom) (said)
        @if step["hit"] == true { " " (parts::badge(Tone::Good, w.step_hit)) }
        @if text("step") == "chosen" { " " (parts::badge(Tone::Good, "")) }
    }
}
