//! Desks: where visitors come in, and who gets which part of them.
//!
//! Owns the list and the page of one, with its form for weights. Invariant:
//! the form shows what the file says and carries its digest, so that nothing
//! that others wrote meanwhile is lost.

use std::collections::BTreeSet;

use kefu_core::{
    config::{Config, Desk, Route, Weight, When},
    problem::Problem,
    routing::BUCKETS,
};
use kefu_plugin_api::ids::{DeskId, ProviderId};
use maud::{Markup, html};

use super::{explain, providers};
use crate::{
    edge::{
        console::{
            layout::{Frame, Section, View, encoded},
            parts::{self, Part, Tone},
            words::{Words, fill},
        },
        operations::DeskWeights,
    },
    route::no_desk,
};

/// All of them.
pub(super) fn list(view: &View<'_>) -> Frame {
    let w = view.w;
    let desks = &view.config.main.desks;
    let main = html! {
        (parts::heading(w.desks, w.desks_lead, html! {}))
        @if desks.is_empty() { (parts::empty(w.no_desks)) }
        div.cards { @for desk in desks.values() { (card(view, desk)) } }
    };
    Frame {
        title: w.desks.to_owned(),
        section: Section::Desks,
        main,
    }
}

/// One of the list, as the overview shows it too.
pub(super) fn card(view: &View<'_>, desk: &Desk) -> Markup {
    let w = view.w;
    html! {
        article.panel.card {
            header {
                h2 { a href=(path(&desk.id)) { (desk.title) } }
                (openness(view, desk))
            }
            p.muted { code { (desk.id) } " · " (w.app) " " (desk.app) }
            (parts::shares(&desk.title, &shares(view.config, desk)))
        }
    }
}

/// Whether anybody takes sessions there.
pub(super) fn is_open(view: &View<'_>, desk: &Desk) -> bool {
    let mut routes = desk.routes.iter();
    routes.any(|route| view.operations.takes_sessions(&route.provider))
}

fn openness(view: &View<'_>, desk: &Desk) -> Markup {
    if is_open(view, desk) {
        parts::badge(Tone::Good, view.w.desk_open)
    } else {
        parts::badge(Tone::Bad, view.w.desk_closed)
    }
}

/// One of them.
pub(super) fn one(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let id = DeskId::new(id);
    let desk = view.config.desk(id.as_str()).ok_or_else(|| no_desk(&id))?;
    let button = html! { a.button.plain href={ (path(&id)) "/explain" } { (w.explain) } };
    let main = html! {
        (parts::heading(&desk.title, "", button))
        p.under { (openness(view, desk)) " " code { (desk.id) } " · " (w.app) " " (desk.app) }
        section.panel {
            (parts::shares(&desk.title, &shares(view.config, desk)))
            (routes(view, desk))
            @if !desk.groups.is_empty() {
                p.muted { (w.groups) ": " @for group in &desk.groups { code { (group.id) } " " (group.name) " " } }
            }
        }
        section.panel {
            h2 { (w.edit_weights) }
            @match view.operations.weights(&id) {
                Ok(written) => (form(view, desk, &written)),
                Err(problem) => p.notice.bad { span lang="en" { (fill(w.file_unreadable, &[&problem.detail])) } },
            }
        }
        section.panel { h2 { (w.explain) } p.muted { (w.explain_lead) } (explain::form(view, desk)) }
    };
    Ok(Frame {
        title: desk.title.clone(),
        section: Section::Desks,
        main,
    })
}

fn routes(view: &View<'_>, desk: &Desk) -> Markup {
    let w = view.w;
    let heads = [
        w.route,
        w.provider,
        w.conditions,
        w.weight,
        w.group,
        w.takes,
    ];
    let rows = html! {
        @for (index, route) in desk.routes.iter().enumerate() {
            tr {
                td.number { (index) }
                th scope="row" { a href=(providers::path(&route.provider)) { (route.provider) } }
                td.words { (conditions(w, &route.when)) }
                td.number { (weight(w, route)) }
                td { @match &route.group { Some(group) => code { (group) }, None => (parts::dash()) } }
                td { @if view.operations.takes_sessions(&route.provider) { (parts::badge(Tone::Good, w.yes)) } @else { (parts::badge(Tone::Bad, w.no)) } }
            }
        }
    };
    parts::table(w.route, &heads, rows)
}

fn weight(w: &Words, route: &Route) -> Markup {
    match route.weight {
        None => html! { span.muted { (w.the_rest) } },
        Some(Weight::ZERO) => html! { "0 % " span.muted { (w.only_failover) } },
        Some(weight) => html! { (weight) " %" },
    }
}

/// The conditions of a route, as they stand in the file.
fn conditions(w: &Words, when: &When) -> Markup {
    if when.is_always() {
        return html! { span.muted { (w.everybody) } };
    }
    let mut all: Vec<(String, String)> = Vec::new();
    if let Some(rule) = &when.app_version {
        all.push(("app_version".into(), rule.to_string()));
    }
    for (key, list) in [
        ("platform", &when.platform),
        ("channel", &when.channel),
        ("group", &when.group),
    ] {
        if !list.is_empty() {
            all.push((key.into(), list.join(", ")));
        }
    }
    if !when.visitors.is_empty() {
        let few: Vec<&str> = when.visitors.iter().take(3).map(String::as_str).collect();
        let more = if when.visitors.len() > few.len() {
            ", …"
        } else {
            ""
        };
        let said = format!("{}{more} ({})", few.join(", "), when.visitors.len());
        all.push(("visitors".into(), said));
    }
    for (field, values) in &when.profile {
        all.push((format!("profile.{field}"), values.join(", ")));
    }
    for (key, calendar) in [("during", &when.during), ("outside", &when.outside)] {
        if let Some(calendar) = calendar {
            all.push((key.into(), calendar.name.clone()));
        }
    }
    html! {
        ul.plain { @for (key, value) in &all { li { code { (key) } " " (value) } } }
    }
}

/// The form of the weights, as the file says them.
fn form(view: &View<'_>, desk: &Desk, written: &DeskWeights) -> Markup {
    let w = view.w;
    let in_force = desk.routes.iter().map(|route| {
        let percent = route.weight.map(|it| f64::from(it.buckets()) / 100.0);
        (&route.provider, percent)
    });
    let said = written
        .routes
        .iter()
        .map(|route| (&route.provider, route.weight));
    let differs = !in_force.eq(said);
    html! {
        p.muted { (fill(w.weights_lead, &[&written.file])) }
        @if differs { p.notice.doubtful { (w.file_differs) } }
        form.weights method="get" action={ (path(&desk.id)) "/weights" } {
            input type="hidden" name="digest" value=(written.digest);
            @for (index, route) in written.routes.iter().enumerate() {
                div.field {
                    label for={ "w" (index) } { (fill(w.percent_of, &[route.provider.as_str()])) }
                    span.with-unit {
                        input id={ "w" (index) } name={ "w" (index) } inputmode="decimal" autocomplete="off" size="6"
                            value=(route.weight.map(|it| it.to_string()).unwrap_or_default())
                            placeholder=[route.weight.is_none().then_some(w.the_rest)]
                            aria-describedby=[route.weight.is_none().then_some("weight-hint")];
                        span aria-hidden="true" { "%" }
                    }
                }
            }
            @if written.routes.iter().any(|route| route.weight.is_none()) {
                p.muted #weight-hint { (w.weight_hint) }
            }
            button.button type="submit" data-testid="review" { (w.review) }
        }
    }
}

/// Who gets which part of the visitors for whom every condition holds.
pub(super) fn shares(config: &Config, desk: &Desk) -> Vec<Part> {
    let routes = desk.routes.iter();
    let list: Vec<_> = routes
        .map(|route| (route.provider.as_str(), route.weight))
        .collect();
    split(config, &list)
}

/// The same for weights that are only wanted.
pub(super) fn split(config: &Config, routes: &[(&str, Option<Weight>)]) -> Vec<Part> {
    let mut from = 0;
    let mut parts: Vec<Part> = routes
        .iter()
        .map(|(name, weight)| {
            let to = weight.map_or(BUCKETS, |weight| (from + weight.buckets()).min(BUCKETS));
            let part = Part {
                name: (*name).to_owned(),
                from,
                to,
                colour: colour(config, name),
            };
            from = to;
            part
        })
        .collect();
    // What the shares leave over goes to the last route that has one. It stands
    // at the end of the bar, so those behind it, which have none, move along.
    let rest = BUCKETS - from;
    let last = routes
        .iter()
        .rposition(|(_, weight)| *weight != Some(Weight::ZERO));
    if let (Some(last), true) = (last, rest > 0) {
        parts[last].to += rest;
        for part in &mut parts[last + 1..] {
            part.from += rest;
            part.to += rest;
        }
    }
    parts
}

/// A provider has one colour wherever it shows.
pub(super) fn colour(config: &Config, provider: &str) -> usize {
    let routes = config.main.desks.values().flat_map(|desk| &desk.routes);
    let known = routes.map(|route| route.provider.as_str());
    let all: BTreeSet<&str> = known
        .chain(config.providers.keys().map(ProviderId::as_str))
        .collect();
    all.iter().position(|name| *name == provider).unwrap_or(0)
}

/// The page of one.
pub(super) fn path(id: &DeskId) -> String {
    format!("/console/desks/{}", encoded(id.as_str()))
}

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, assemble, check_main};

    use super::*;

    #[test]
    fn parts_fill_the_bar_as_the_choice_does() {
        let percent = |it| Some(Weight::percent(it));
        for (routes, expected) in [
            (
                vec![("a", percent(10)), ("b", None)],
                vec![(0, 1_000), (1_000, 10_000)],
            ),
            (
                vec![("a", percent(60)), ("b", percent(60))],
                vec![(0, 6_000), (6_000, 10_000)],
            ),
            (
                vec![("a", percent(10)), ("b", percent(20)), ("c", percent(0))],
                vec![(0, 1_000), (1_000, 10_000), (10_000, 10_000)],
            ),
            (
                vec![("a", None), ("b", None)],
                vec![(0, 10_000), (10_000, 10_000)],
            ),
            (vec![("a", percent(0))], vec![(0, 0)]),
            (vec![], vec![]),
        ] {
            let parts = split(&config(), &routes);
            let found: Vec<_> = parts.iter().map(|part| (part.from, part.to)).collect();
            assert_eq!(found, expected, "{routes:?}");
        }
    }

    #[test]
    fn a_provider_has_one_colour_wherever_it_shows() {
        let config = config();
        assert_eq!(colour(&config, "jiaxin"), 0);
        assert_eq!(colour(&config, "zhichi"), 1);
        assert_eq!(colour(&config, "nobody"), 0);
    }

    fn config() -> Config {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [apps.demo]
            secret = "a-secret"
            [desks.support]
            app = "demo"
            routes = [{ provider = "zhichi", weight = 10 }, { provider = "jiaxin" }]
        "#;
        let main = check_main("kefu.toml", text, &NoLookup).unwrap();
        assemble(main, vec![]).0
    }
}
