//! The whole at a glance.
//!
//! Owns what counts as a matter for somebody: whatever keeps visitors from
//! being served, and whatever waits for a person.

use maud::{Markup, html};
use serde_json::Value;

use super::{desks, migrations, providers, reloads};
use crate::edge::{
    console::{
        layout::{Frame, Section, View},
        parts::{self, Tone},
        words::fill,
    },
    operations::ProviderReport,
};

/// Something to look at.
struct Matter {
    tone: Tone,
    said: String,
    href: String,
}

/// The page.
pub(super) fn page(view: &View<'_>) -> Frame {
    let w = view.w;
    let providers = view.operations.providers();
    let letters = view
        .operations
        .dead_letters(LETTERS)
        .map_or(0, |it| it.len());
    let pushes = view.operations.pushes();
    let reports = view.operations.reloads(RECENT);
    let store = view.operations.check_store();
    let matters = matters(
        view,
        &providers,
        letters,
        &pushes,
        reports.first(),
        store.err(),
    );
    let main = html! {
        (verdict(view, &matters))
        (tiles(view, &providers, letters, &pushes))
        section { h2 { (w.providers) } (providers_or_none(view, &providers)) }
        section {
            h2 { (w.desks) }
            div.cards { @for desk in view.config.main.desks.values() { (desks::card(view, desk)) } }
        }
        section {
            h2 { (w.last_change) }
            @if reports.is_empty() { p.muted { (w.no_change) } }
            ul.lines {
                @for report in &reports {
                    li {
                        (reloads::outcome(w, report)) " " (reloads::cause(w, report)) " "
                        (parts::time(view, &report["at"]))
                        @if let Some(why) = report["why"].as_str() { " " span.muted lang="en" { (why) } }
                    }
                }
            }
        }
    };
    Frame {
        title: w.overview.to_owned(),
        section: Section::Overview,
        main,
    }
}

fn providers_or_none(view: &View<'_>, list: &[ProviderReport]) -> Markup {
    if list.is_empty() {
        return parts::empty(view.w.no_providers);
    }
    providers::table(view, list)
}

fn matters(
    view: &View<'_>,
    providers: &[ProviderReport],
    letters: usize,
    pushes: &[Value],
    last: Option<&Value>,
    store: Option<String>,
) -> Vec<Matter> {
    let w = view.w;
    let mut all = Vec::new();
    let mut say = |tone, said, href: String| all.push(Matter { tone, said, href });
    if let Some(error) = store {
        say(
            Tone::Bad,
            fill(w.store_broken, &[&error]),
            "/console/".into(),
        );
    }
    for desk in view.config.main.desks.values() {
        if !desks::is_open(view, desk) {
            let said = fill(w.matter_desk, &[&desk.title]);
            say(Tone::Bad, said, desks::path(&desk.id));
        }
    }
    for provider in providers {
        let (id, href) = (provider.id.as_str(), providers::path(&provider.id));
        if !provider.works {
            let reason = provider
                .reason
                .as_deref()
                .unwrap_or(&provider.standing.state);
            say(
                Tone::Doubtful,
                fill(w.matter_provider, &[id, reason]),
                href.clone(),
            );
        }
        let why = provider.report["health"]["why"].as_str();
        if let Some(health) = providers::ailment(provider) {
            let word = parts::standing(w, health).1;
            let said = fill(w.matter_health, &[id, word, why.unwrap_or("–")]);
            say(Tone::Bad, said, href.clone());
        } else if provider.report["breaker"] == "open" {
            say(Tone::Doubtful, fill(w.matter_breaker, &[id]), href.clone());
        }
        if provider.standing.stuck_calls > 0 {
            let stuck = provider.standing.stuck_calls.to_string();
            say(Tone::Doubtful, fill(w.matter_stuck, &[id, &stuck]), href);
        }
    }
    for push in pushes.iter().filter(|push| push["breaker"] == "open") {
        let app = push["app"].as_str().unwrap_or_default();
        say(
            Tone::Doubtful,
            fill(w.matter_push, &[app]),
            "/console/".into(),
        );
    }
    for migration in view.operations.migrations() {
        if let Some(said) = migrations::matter(w, &migration) {
            say(Tone::Doubtful, said, migrations::path(&migration.name));
        }
    }
    if letters > 0 {
        let said = fill(w.matter_letters, &[&count(letters)]);
        say(Tone::Doubtful, said, "/console/dead-letters".into());
    }
    if let Some(last) =
        last.filter(|last| last["outcome"] == "partly" || last["outcome"] == "refused")
    {
        let outcome = match last["outcome"].as_str() {
            Some("partly") => w.outcome_partly,
            _ => w.outcome_refused,
        };
        say(
            Tone::Doubtful,
            fill(w.matter_reload, &[outcome]),
            "/console/reloads".into(),
        );
    }
    all
}

fn verdict(view: &View<'_>, matters: &[Matter]) -> Markup {
    let w = view.w;
    let worst = match matters {
        [] => Tone::Good,
        list if list.iter().any(|it| it.tone == Tone::Bad) => Tone::Bad,
        _ => Tone::Doubtful,
    };
    html! {
        section class={ "verdict " (worst.class()) } data-testid="verdict" {
            h1 {
                (parts::badge(worst, ""))
                @if matters.is_empty() { (w.all_well) } @else { (fill(w.matters, &[&matters.len().to_string()])) }
            }
            @if !matters.is_empty() {
                ul { @for matter in matters { li { (parts::badge(matter.tone, "")) a href=(matter.href) { (matter.said) } } } }
            }
        }
    }
}

fn tiles(
    view: &View<'_>,
    providers: &[ProviderReport],
    letters: usize,
    pushes: &[Value],
) -> Markup {
    let w = view.w;
    let working = providers.iter().filter(|provider| provider.works).count();
    let desks = &view.config.main.desks;
    let open = desks
        .values()
        .filter(|desk| desks::is_open(view, desk))
        .count();
    let sum = |key: &str, list: &mut dyn Iterator<Item = &Value>| -> u64 {
        list.filter_map(|entry| entry[key].as_u64()).sum()
    };
    let outbox = sum("outbox", &mut providers.iter().map(|it| &it.report));
    let waiting = sum("lanes", &mut pushes.iter());
    let of = |part: usize, all: usize| fill(w.of, &[&part.to_string(), &all.to_string()]);
    let tiles = [
        (
            w.providers,
            of(working, providers.len()),
            w.working,
            "/console/providers",
        ),
        (
            w.desks,
            of(open, desks.len()),
            w.desk_open,
            "/console/desks",
        ),
        (
            w.open_sessions,
            view.metrics.open_sessions().to_string(),
            "",
            "",
        ),
        (w.waiting_outbox, outbox.to_string(), "", ""),
        (w.waiting_pushes, waiting.to_string(), "", ""),
        (w.dead_letters, count(letters), "", "/console/dead-letters"),
    ];
    html! {
        dl.tiles {
            @for (name, value, more, href) in &tiles {
                div.panel {
                    dt { @if href.is_empty() { (name) } @else { a href=(href) { (name) } } }
                    dd { (value) @if !more.is_empty() { span.muted { (more) } } }
                }
            }
        }
    }
}

fn count(letters: usize) -> String {
    if letters < LETTERS {
        letters.to_string()
    } else {
        format!("≥ {LETTERS}")
    }
}

/// Dead letters that are counted; more are many.
const LETTERS: usize = 1_000;
/// Reloads that are shown.
const RECENT: usize = 5;
