//! What was given up, and trying it again.

use kefu_core::problem::{Problem, Slug};
use maud::{Markup, html};
use serde_json::Value;

use super::sessions;
use crate::edge::{
    console::{
        Done, Lang,
        layout::{Frame, Section, View, encoded},
        parts::{self, Question},
        session::Notice,
        words::{Words, fill},
    },
    operations::Operations,
};

/// All of them.
pub(super) fn list(view: &View<'_>) -> Result<Frame, Problem> {
    let w = view.w;
    let letters = view.operations.dead_letters(MOST)?;
    let heads = [w.kind, w.provider, w.session, w.at, w.reason, w.replay];
    let rows = html! {
        @for letter in &letters {
            tr data-letter=(letter["id"].as_str().unwrap_or_default()) {
                td { (kind(w, letter)) }
                td { (whose(letter)) }
                td { (session(letter)) }
                td { (parts::time(view, &letter["at"])) }
                td.words lang="en" { (parts::text(&letter["reason"])) }
                td {
                    @if let Some(id) = letter["id"].as_str() {
                        a.button.small.plain href=(path(id)) data-testid="replay"
                            aria-label={ (w.replay) " " (id) } { (w.replay) }
                    }
                }
            }
        }
    };
    let main = html! {
        (parts::heading(w.dead_letters, w.letters_lead, html! {}))
        @if letters.is_empty() {
            (parts::empty(w.no_letters))
        } @else {
            (parts::table(w.dead_letters, &heads, rows))
            p.muted { (fill(w.newest, &[&MOST.to_string()])) }
        }
    };
    Ok(Frame {
        title: w.dead_letters.to_owned(),
        section: Section::DeadLetters,
        main,
    })
}

/// Asks before one is tried again.
pub(super) fn ask(view: &View<'_>, id: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let letters = view.operations.dead_letters(10 * MOST)?;
    let letter = letters.iter().find(|letter| letter["id"] == id);
    let letter = letter.ok_or_else(|| {
        let detail = format!("there is no dead letter `{id:.100}`");
        Problem::new(Slug::NotFound, detail)
    })?;
    let more = parts::facts(&[
        (w.kind, html! { (kind(w, letter)) }),
        (w.provider, whose(letter)),
        (w.session, session(letter)),
        (w.at, parts::time(view, &letter["at"])),
        (
            w.reason,
            html! { span lang="en" { (parts::text(&letter["reason"])) } },
        ),
    ]);
    let main = parts::question(
        view,
        &Question {
            title: w.replay_ask.to_owned(),
            means: w.replay_means,
            more,
            fields: html! {},
            action: path(id),
            button: w.replay,
            danger: false,
            hidden: Vec::new(),
            back: LIST.to_owned(),
        },
    );
    Ok(Frame {
        title: w.replay_ask.to_owned(),
        section: Section::DeadLetters,
        main,
    })
}

/// Tries one again.
pub(super) fn act(operations: &dyn Operations, lang: Lang, id: &str) -> Done {
    tracing::info!(letter = id, "replay asked for");
    let told: fn(&Value) -> Notice = match lang {
        Lang::Zh => |_| Notice::good(Lang::Zh.words().replayed),
        Lang::En => |_| Notice::good(Lang::En.words().replayed),
    };
    Done::Later(LIST.to_owned(), operations.replay(id), told)
}

pub(super) fn path(id: &str) -> String {
    format!("{LIST}/{}/replay", encoded(id))
}

fn kind<'a>(w: &'a Words, letter: &'a Value) -> &'a str {
    match letter["type"].as_str() {
        Some("call") => w.letter_call,
        Some("event") => w.letter_event,
        Some("push") => w.letter_push,
        other => other.unwrap_or("–"),
    }
}

fn whose(letter: &Value) -> Markup {
    match &letter["app"] {
        Value::Null => parts::text(&letter["provider"]),
        app => parts::text(app),
    }
}

fn session(letter: &Value) -> Markup {
    let Some(session) = letter["session"].as_str() else {
        return parts::dash();
    };
    html! { a href=(sessions::path(&session.into())) { code.id { (session) } } }
}

const LIST: &str = "/console/dead-letters";
const MOST: usize = 200;
