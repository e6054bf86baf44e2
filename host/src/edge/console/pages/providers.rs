//! Providers: how each stands, and what can be done about it.
//!
//! Owns the list, the page of one, and the questions before a command.
//! Invariant: a button only leads to a question; the question's form acts.

use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::ids::ProviderId;
use maud::{Markup, html};
use serde_json::Value;

use super::reloads;
use crate::edge::{
    console::{
        Done, Form, Lang,
        layout::{Frame, Section, View, encoded},
        parts::{self, Question},
        routes::Place,
        session::Notice,
        words::{Words, fill},
    },
    operations::{Operations, ProviderReport},
};

/// All of them.
pub(super) fn list(view: &View<'_>) -> Frame {
    let w = view.w;
    let providers = view.operations.providers();
    let main = html! {
        (parts::heading(w.providers, w.providers_lead, html! {}))
        @if providers.is_empty() { (parts::empty(w.no_providers)) } @else { (table(view, &providers)) }
    };
    Frame {
        title: w.providers.to_owned(),
        section: Section::Providers,
        main,
    }
}

/// The providers in a table, as the overview shows them too.
pub(super) fn table(view: &View<'_>, providers: &[ProviderReport]) -> Markup {
    let w = view.w;
    let heads = [
        w.provider,
        w.state,
        w.adapter,
        w.generation,
        w.breaker,
        w.in_flight,
        w.outbox,
        w.faults,
        w.last_error,
    ];
    let rows = html! {
        @for provider in providers {
            @let report = &provider.report;
            tr data-provider=(provider.id) {
                th scope="row" { a href=(path(&provider.id)) { (provider.id) } }
                td {
                    (parts::provider_state(w, &provider.standing.state))
                    @if let Some(health) = ailment(provider) { " " (parts::provider_state(w, health)) }
                }
                td { (adapter(report)) }
                td.number { (parts::text(&report["generation"])) }
                td { (parts::breaker(w, &report["breaker"])) }
                td.number { (parts::text(&report["in_flight"])) }
                td.number { (parts::text(&report["outbox"])) }
                td.number { (parts::text(&report["faults"])) }
                td.words {
                    @match &provider.reason {
                        Some(reason) => span lang="en" { (reason) },
                        None => (last_error(view, report)),
                    }
                }
            }
        }
    };
    parts::table(w.providers, &heads, rows)
}

/// One of them.
pub(super) fn one(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let provider = find(view.operations, id)?;
    let (report, state) = (&provider.report, provider.standing.state.as_str());
    let main = html! {
        (parts::heading(provider.id.as_str(), "", actions(w, &provider)))
        @if let Some(reason) = &provider.reason {
            div.notice.doubtful { p lang="en" data-testid="reason" { (reason) } }
        }
        section.panel {
            (parts::facts(&[
                (w.state, html! { span data-testid="state" data-state=(state) { (parts::provider_state(w, state)) } }),
                (w.adapter, adapter(report)),
                (w.generation, parts::text(&report["generation"])),
                (w.breaker, parts::breaker(w, &report["breaker"])),
                (w.calls, parts::text(&report["calls"])),
                (w.in_flight, parts::text(&report["in_flight"])),
                (w.stuck_calls, parts::text(&report["stuck_calls"])),
                (w.outbox, parts::text(&report["outbox"])),
                (w.under_way, parts::text(&report["requests_under_way"])),
                (w.faults, parts::text(&report["faults"])),
            ]))
        }
        (health(view, report))
        @if !report["last_error"].is_null() {
            section.panel {
                h2 { (w.last_error) }
                p { (last_error(view, report)) }
                (kinds(w, &report["faults_by_kind"]))
            }
        }
        section.panel {
            h2 { (w.plugin_file) }
            (parts::facts(&[
                (w.plugin_file, html! { code { (parts::text(&report["plugin"])) } }),
                (w.sha256, parts::hash(&report["sha256"])),
                (w.contract, parts::text(&report["contract"])),
                (w.compiler, parts::text(&report["rustc"])),
                (w.isolation, isolation(w, &report["isolation"])),
                (w.callbacks_proved, parts::text(&report["callback_authentication"])),
                (w.copies, parts::text(&report["copies_in_memory"])),
            ]))
        }
        @if let Some(process) = report.get("process") {
            section.panel {
                h2 { (w.process) }
                (parts::facts(&[
                    ("PID", parts::text(&process["pid"])),
                    (w.memory, parts::bytes(&process["resident_bytes"])),
                    (w.restarts, parts::text(&process["restarts"])),
                    (w.last_error, parts::text(&process["last_death"])),
                ]))
            }
        }
        (retained(w, &provider))
    };
    Ok(Frame {
        title: provider.id.to_string(),
        section: Section::Providers,
        main,
    })
}

/// What is wrong with a provider's vendor, in a word of the API; nothing while
/// it works.
pub(super) fn ailment(provider: &ProviderReport) -> Option<&str> {
    let state = provider.report["health"]["state"].as_str();
    state.filter(|state| *state != "working")
}

/// What was found out of its vendor by trying it.
fn health(view: &View<'_>, report: &Value) -> Markup {
    let (w, health) = (view.w, &report["health"]);
    let Some(state) = health["state"].as_str() else {
        return html! {};
    };
    let canary = &health["canary"];
    html! {
        section.panel {
            h2 { (w.health) }
            dl.facts {
                div { dt { (w.state) } dd { (parts::provider_state(w, state)) } }
                @if !health["since"].is_null() {
                    div { dt { (w.since) } dd { (parts::time(view, &health["since"])) } }
                }
                @if let Some(outcome) = canary["outcome"].as_str() {
                    div {
                        dt { (w.last_canary) }
                        dd {
                            (canary_word(w, outcome)) " "
                            @if let Some(ms) = canary["answered_in_ms"].as_u64() { (ms) " ms " }
                            (parts::time(view, &canary["at"]))
                        }
                    }
                }
            }
            @for why in [&health["why"], &canary["why"]] {
                @if let Some(why) = why.as_str() { p { (w.why) " · " span lang="en" { (why) } } }
            }
        }
    }
}

fn canary_word<'a>(w: &Words, outcome: &'a str) -> &'a str {
    match outcome {
        "answered" => w.canary_answered,
        "unanswered" => w.canary_unanswered,
        "not_opened" => w.canary_not_opened,
        other => other,
    }
}

fn actions(w: &Words, provider: &ProviderReport) -> Markup {
    let path = path(&provider.id);
    let held = matches!(provider.standing.state.as_str(), "paused" | "quarantined");
    html! {
        @if held {
            a.button href={ (path) "/resume" } data-testid="resume" { (w.resume) }
        } @else {
            a.button.plain href={ (path) "/pause" } data-testid="pause" { (w.pause) }
        }
        a.button.plain href={ (path) "/reload" } { (w.reload_provider) }
    }
}

fn retained(w: &Words, provider: &ProviderReport) -> Markup {
    let Some(list) = provider.report["retained"]
        .as_array()
        .filter(|list| !list.is_empty())
    else {
        return html! {};
    };
    let rows = html! {
        @for kept in list {
            tr {
                th.number scope="row" { (parts::text(&kept["generation"])) }
                td { (parts::text(&kept["version"])) }
                td { (parts::hash(&kept["sha256"])) }
                td { @if kept["given_up"] == true { (parts::badge(parts::Tone::Doubtful, w.given_up)) } }
                td {
                    @if let Some(generation) = kept["generation"].as_u64() {
                        a href=(format!("{}/rollback?generation={generation}", path(&provider.id))) {
                            (fill(w.roll_back_to, &[&generation.to_string()]))
                        }
                    }
                }
            }
        }
    };
    html! {
        section.panel {
            h2 { (w.retained) }
            (parts::table(w.retained, &[w.generation, w.version, w.sha256, w.state, w.roll_back], rows))
        }
    }
}

/// Asks before a command.
pub(super) fn ask(view: &View<'_>, place: Place, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let provider = find(view.operations, id)?;
    let (title, means, button, word) = match place {
        Place::Pause => (w.pause_ask, w.pause_means, w.pause, "pause"),
        Place::Resume => (w.resume_ask, w.resume_means, w.resume, "resume"),
        Place::ReloadProvider => (w.reload_ask, w.reload_means, w.reload_provider, "reload"),
        _ => (w.roll_back_ask, w.roll_back_means, w.roll_back, "rollback"),
    };
    let path = path(&provider.id);
    let form = Form::parse(view.query.unwrap_or_default());
    let hidden = match generation(&form)? {
        Some(generation) => vec![("generation", generation.to_string())],
        None => Vec::new(),
    };
    let main = parts::question(
        view,
        &Question {
            title: fill(title, &[provider.id.as_str()]),
            means,
            more: html! {
                @if let Some((_, generation)) = hidden.first() { p { b { (fill(w.roll_back_to, &[generation])) } } }
            },
            fields: html! {},
            action: format!("{path}/{word}"),
            button,
            danger: matches!(place, Place::Pause | Place::RollBack),
            hidden: hidden.clone(),
            back: path,
        },
    );
    Ok(Frame {
        title: fill(title, &[provider.id.as_str()]),
        section: Section::Providers,
        main,
    })
}

/// Carries a command out.
pub(super) fn act(
    operations: &dyn Operations,
    lang: Lang,
    place: Place,
    id: &str,
    form: &Form,
) -> Result<Done, Problem> {
    let w = lang.words();
    let provider = find(operations, id)?.id;
    let to = path(&provider);
    match place {
        Place::Pause | Place::Resume => {
            let paused = place == Place::Pause;
            operations.set_paused(&provider, paused)?;
            tracing::info!(%provider, paused, "pause changed");
            let said = if paused { w.paused_now } else { w.resumed_now };
            Ok(Done::Now(
                to,
                Notice::good(fill(said, &[provider.as_str()])),
            ))
        }
        Place::ReloadProvider => {
            tracing::info!(%provider, "reload asked for");
            let commanded = operations.reload(Some(&provider));
            Ok(Done::Later(to, commanded, reloads::told(lang)))
        }
        _ => {
            let generation = generation(form)?;
            tracing::info!(%provider, generation, "rollback asked for");
            let commanded = operations.roll_back(&provider, generation);
            Ok(Done::Later(to, commanded, reloads::told(lang)))
        }
    }
}

/// The generation that a form names.
fn generation(form: &Form) -> Result<Option<u64>, Problem> {
    let Some(text) = form.value("generation") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(Problem::new(
            Slug::InvalidRequest,
            format!("`generation` is `{text:.40}`; right would be a number from 1"),
        )),
    }
}

fn find(operations: &dyn Operations, id: &str) -> Result<ProviderReport, Problem> {
    let mut all = operations.providers().into_iter();
    all.find(|provider| provider.id.as_str() == id)
        .ok_or_else(|| {
            let detail = format!("there is no provider `{id:.100}`");
            Problem::new(Slug::NotFound, detail)
        })
}

/// The page of one.
pub(super) fn path(id: &ProviderId) -> String {
    format!("/console/providers/{}", encoded(id.as_str()))
}

fn adapter(report: &Value) -> Markup {
    match (report["adapter"].as_str(), report["version"].as_str()) {
        (Some(adapter), Some(version)) => html! { (adapter) " " span.muted { (version) } },
        _ => parts::dash(),
    }
}

fn isolation(w: &Words, value: &Value) -> Markup {
    match value.as_str() {
        Some("in-process") => html! { (w.in_process) },
        Some("process") => html! { (w.own_process) },
        _ => parts::text(value),
    }
}

fn last_error(view: &View<'_>, report: &Value) -> Markup {
    let error = &report["last_error"];
    match error["text"].as_str() {
        Some(text) => html! { (parts::time(view, &error["at"])) " " span lang="en" { (text) } },
        None => parts::dash(),
    }
}

fn kinds(w: &Words, kinds: &Value) -> Markup {
    let Some(kinds) = kinds.as_object().filter(|kinds| !kinds.is_empty()) else {
        return html! {};
    };
    html! {
        p.muted {
            (w.faults_by_kind) ": "
            @for (kind, times) in kinds { code { (kind) } " " (times) " " }
        }
    }
}
