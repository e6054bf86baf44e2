//! What a refusal looks like.

use kefu_core::problem::{Problem, Slug};
use maud::html;
use serde_json::Value;

use crate::edge::console::{
    layout::{Frame, Section, View},
    session::Notice,
};

/// A refusal as a page.
pub(in crate::edge::console) fn page(view: &View<'_>, problem: &Problem) -> Frame {
    let w = view.w;
    let title = match problem.slug.status() {
        403 => w.problem_forbidden,
        404 => w.problem_missing,
        405 => w.problem_method,
        409 => w.problem_conflict,
        413 => w.problem_large,
        500.. | 429 => w.problem_busy,
        _ => w.problem_invalid,
    };
    let lines = lines(problem);
    let main = html! {
        section.panel.question data-testid="problem" {
            p.code { (problem.slug.status()) }
            h1 { (title) }
            p lang="en" { (problem.detail) }
            @if !lines.is_empty() {
                ul lang="en" { @for line in &lines { li { (line) } } }
            }
            @if problem.slug != Slug::Unauthenticated {
                p.actions { a.button.plain href="/console/" { (w.problem_back) } }
            }
        }
    };
    Frame {
        title: title.to_owned(),
        section: Section::Nowhere,
        main,
    }
}

/// A refusal as the next page says it.
pub(in crate::edge::console) fn notice(problem: &Problem) -> Notice {
    Notice {
        details: lines(problem),
        ..Notice::bad(&problem.detail)
    }
}

/// What is wrong with a file, line by line.
fn lines(problem: &Problem) -> Vec<String> {
    let list = match &problem.extra {
        Some(("problems", Value::Array(list))) => list.as_slice(),
        _ => &[],
    };
    list.iter().map(of_file).collect()
}

/// Something wrong with a file: where, what, and what would be right.
pub(super) fn of_file(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    format!(
        "{}:{}:{} {}: {}; {}",
        text("file"),
        problem["line"],
        problem["column"],
        text("key"),
        text("problem"),
        text("right")
    )
}
