//! Changing weights: the preview, and the writing.
//!
//! Owns the reading of the form. Deliberately writes nothing itself. Invariant:
//! what is written is what the preview showed, for the file that it was shown
//! of.

use kefu_core::{
    config::{Config, Weight},
    problem::{Problem, Slug},
    routing::BUCKETS,
};
use kefu_plugin_api::ids::DeskId;
use maud::{Markup, html};
use serde_json::Value;

use super::{desks, reloads};
use crate::{
    config::NewWeight,
    edge::{
        admin::weights::share,
        console::{
            Done, Form, Lang,
            layout::{Frame, Section, View},
            parts::{self, Part, Question},
            session::{Kind, Notice},
            words::{Words, fill},
        },
        operations::{DeskWeights, NewWeights, Operations},
    },
    route::no_desk,
};

/// Shows what a change would do, and asks.
pub(super) fn ask(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let id = DeskId::new(id);
    let desk = view.config.desk(id.as_str()).ok_or_else(|| no_desk(&id))?;
    let form = Form::parse(view.query.unwrap_or_default());
    let written = view.operations.weights(&id)?;
    expect_same_file(&form, &written)?;
    let wanted = read(w, &form, &written)?;
    if wanted.is_empty() {
        return Ok(frame(
            desk.title.clone(),
            html! {
                section.panel.question {
                    h1 { (w.nothing_changes) }
                    p.actions { a.button.plain href=(desks::path(&id)) { (desk.title) } }
                }
            },
        ));
    }
    let before = split(view.config, &written, &[]);
    let after = split(view.config, &written, &wanted);
    let moved = moved(&before, &after);
    let mut hidden = vec![("digest", written.digest.clone())];
    let names: Vec<String> = wanted.iter().map(|new| format!("w{}", new.route)).collect();
    for (name, new) in names.iter().zip(&wanted) {
        hidden.push((name.as_str(), new.weight.to_string()));
    }
    let more = html! {
        h2 { (w.before) }
        (parts::shares(w.before, &before))
        h2 { (w.after) }
        (parts::shares(w.after, &after))
        p { (fill(w.moved_share, &[&parts::percent(moved)])) }
    };
    let main = parts::question(
        view,
        &Question {
            title: fill(w.weights_ask, &[&written.file]),
            means: "",
            more,
            fields: html! {},
            action: format!("{}/weights", desks::path(&id)),
            button: w.write_and_apply,
            danger: false,
            hidden,
            back: desks::path(&id),
        },
    );
    Ok(frame(desk.title.clone(), main))
}

/// Writes them.
pub(super) fn act(
    operations: &dyn Operations,
    config: &Config,
    lang: Lang,
    id: &str,
    form: &Form,
) -> Result<Done, Problem> {
    let id = DeskId::new(id);
    config.desk(id.as_str()).ok_or_else(|| no_desk(&id))?;
    let written = operations.weights(&id)?;
    expect_same_file(form, &written)?;
    let weights = read(lang.words(), form, &written)?;
    tracing::info!(desk = %id, ?weights, "weights asked for");
    let wanted = NewWeights {
        weights,
        digest: Some(written.digest),
    };
    let commanded = operations.set_weights(&id, wanted);
    let told: fn(&Value) -> Notice = match lang {
        Lang::Zh => |report| told(Lang::Zh.words(), report),
        Lang::En => |report| told(Lang::En.words(), report),
    };
    Ok(Done::Later(desks::path(&id), commanded, told))
}

fn told(w: &Words, report: &Value) -> Notice {
    let said = reloads::said(w, report);
    match said.kind {
        Kind::Good => Notice {
            text: w.weights_written.to_owned(),
            ..said
        },
        _ => said,
    }
}

/// Somebody may have written to the file since the form was shown.
fn expect_same_file(form: &Form, written: &DeskWeights) -> Result<(), Problem> {
    if form.value("digest") == Some(written.digest.as_str()) {
        return Ok(());
    }
    let detail = format!(
        "{} was changed since this form was shown, so nothing was written; look at the desk again and repeat the change",
        written.file
    );
    Err(Problem::new(Slug::Conflict, detail))
}

/// The weights that a form changes.
fn read(w: &Words, form: &Form, written: &DeskWeights) -> Result<Vec<NewWeight>, Problem> {
    let mut wanted = Vec::new();
    for (route, there) in written.routes.iter().enumerate() {
        let Some(text) = form.value(&format!("w{route}")).map(str::trim) else {
            continue;
        };
        let wrong = |sentence| {
            let name = format!("{} (#{route})", there.provider);
            Problem::new(Slug::InvalidRequest, fill(sentence, &[&name]))
        };
        if text.is_empty() {
            match there.weight {
                Some(_) => return Err(wrong(w.keep_weight)),
                None => continue,
            }
        }
        let number = text.trim_end_matches(['%', '％']).trim().parse().ok();
        let weight = number.and_then(share).ok_or_else(|| wrong(w.bad_percent))?;
        if there.weight.and_then(share) != Some(weight) {
            wanted.push(NewWeight { route, weight });
        }
    }
    Ok(wanted)
}

fn split(config: &Config, written: &DeskWeights, wanted: &[NewWeight]) -> Vec<Part> {
    let weight = |(route, there): (usize, Option<f64>)| {
        let new = wanted.iter().find(|new| new.route == route);
        match (new, there) {
            (Some(new), _) => Some(new.weight),
            (None, Some(percent)) => Some(share(percent).unwrap_or(Weight::ZERO)),
            (None, None) => None,
        }
    };
    let routes = written.routes.iter().enumerate();
    let list: Vec<_> = routes
        .map(|(index, route)| (route.provider.as_str(), weight((index, route.weight))))
        .collect();
    desks::split(config, &list)
}

/// How many of the buckets get another route.
fn moved(before: &[Part], after: &[Part]) -> u32 {
    let stay: u32 = before
        .iter()
        .zip(after)
        .map(|(before, after)| {
            let (from, to) = (before.from.max(after.from), before.to.min(after.to));
            to.saturating_sub(from)
        })
        .sum();
    BUCKETS.saturating_sub(stay)
}

fn frame(title: String, main: Markup) -> Frame {
    Frame {
        title,
        section: Section::Desks,
        main,
    }
}

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, assemble, check_main};

    use super::*;
    use crate::config::WrittenRoute;

    #[test]
    fn only_what_differs_is_wanted() {
        let w = Lang::En.words();
        for (text, expected) in [
            ("w0=10&w1=", vec![]),
            ("w0=10.0&w1=", vec![]),
            ("", vec![]),
            ("w0=20", vec![(0, 2_000)]),
            ("w0=+12.5+%25&w1=80", vec![(0, 1_250), (1, 8_000)]),
            ("w7=3", vec![]),
        ] {
            let wanted = read(w, &Form::parse(text), &written()).unwrap();
            let found: Vec<_> = wanted
                .iter()
                .map(|new| (new.route, new.weight.buckets()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_percentage_names_its_route() {
        let w = Lang::En.words();
        for text in [
            "w0=ten",
            "w0=-1",
            "w0=100.01",
            "w0=1.005",
            "w0=NaN",
            "w0=inf",
            "w0=",
        ] {
            let problem = read(w, &Form::parse(text), &written()).unwrap_err();
            assert!(
                problem.detail.contains("jiaxin (#0)"),
                "{text}: {}",
                problem.detail
            );
        }
    }

    #[test]
    fn raising_a_weight_moves_only_the_added_visitors() {
        let raised = [NewWeight {
            route: 0,
            weight: Weight::percent(20),
        }];
        let config = config();
        let before = split(&config, &written(), &[]);
        let after = split(&config, &written(), &raised);
        assert_eq!(moved(&before, &after), 1_000);
        assert_eq!(moved(&before, &before), 0);
    }

    fn config() -> Config {
        let text = "[admin]\ntoken = \"a-token-for-the-test\"\n";
        let main = check_main("kefu.toml", text, &NoLookup).unwrap();
        assemble(main, vec![]).0
    }

    fn written() -> DeskWeights {
        let route = |provider: &str, weight| WrittenRoute {
            provider: provider.into(),
            weight,
        };
        DeskWeights {
            desk: "support".into(),
            file: "kefu.toml".into(),
            digest: "d".into(),
            routes: vec![route("jiaxin", Some(10.0)), route("zhichi", None)],
        }
    }
}
