//! The pages, one module each.
//!
//! Owns which page a path shows and what its form does. Deliberately holds no
//! markup of its own. Invariant: what a page shows is asked for when it is
//! built; nothing is kept between two requests.

pub(super) mod desks;
mod explain;
mod letters;
pub(super) mod login;
mod migrations;
mod overview;
pub(super) mod problem;
mod progress;
mod providers;
mod reloads;
mod sessions;
mod shadow;
mod weights;

use kefu_core::{
    config::Config,
    migration::Command,
    problem::{Problem, Slug},
};

use super::{
    Done, Form, Lang, Live,
    layout::{Frame, View},
    routes::Place,
};
use crate::edge::operations::Operations;

/// Builds a page.
///
/// # Errors
/// There is no such thing, or it cannot be read now.
pub(super) fn show(view: &View<'_>, place: Place, id: &str) -> Result<Frame, Problem> {
    match place {
        Place::Overview => Ok(overview::page(view)),
        Place::Providers => Ok(providers::list(view)),
        Place::Provider => providers::one(view, id),
        Place::Pause | Place::Resume | Place::ReloadProvider | Place::RollBack => {
            providers::ask(view, place, id)
        }
        Place::Desks => Ok(desks::list(view)),
        Place::Desk => desks::one(view, id),
        Place::Weights => weights::ask(view, id),
        Place::Explain => explain::page(view, id),
        Place::Migrations => Ok(migrations::list(view)),
        Place::Migration => migrations::one(view, id),
        Place::Start => migrations::ask(view, Command::Start, id),
        Place::Advance => migrations::ask(view, Command::Advance, id),
        Place::Hold => migrations::ask(view, Command::Pause, id),
        Place::TakeBack => migrations::ask(view, Command::Rollback, id),
        Place::Shadows => Ok(shadow::list(view)),
        Place::Sessions => sessions::list(view),
        Place::Session => sessions::one(view, id),
        Place::Reloads => Ok(reloads::list(view)),
        Place::Reload => Ok(reloads::ask(view)),
        Place::DeadLetters => letters::list(view),
        Place::Replay => letters::ask(view, id),
        Place::LogIn | Place::LogOut => Err(nothing()),
    }
}

/// Does what a form asks for.
///
/// # Errors
/// There is no such thing, or the form does not say what it must.
pub(super) fn act(
    operations: &dyn Operations,
    config: &Config,
    lang: Lang,
    place: Place,
    id: &str,
    form: &Form,
    whose: &Live,
) -> Result<Done, Problem> {
    // Every form was shown to be this session's before.
    let _ = whose;
    match place {
        Place::Pause | Place::Resume | Place::ReloadProvider | Place::RollBack => {
            providers::act(operations, lang, place, id, form)
        }
        Place::Weights => weights::act(operations, config, lang, id, form),
        Place::Start => migrations::act(operations, lang, Command::Start, id, form),
        Place::Advance => migrations::act(operations, lang, Command::Advance, id, form),
        Place::Hold => migrations::act(operations, lang, Command::Pause, id, form),
        Place::TakeBack => migrations::act(operations, lang, Command::Rollback, id, form),
        Place::Reload => Ok(reloads::act(operations, lang)),
        Place::Replay => Ok(letters::act(operations, lang, id)),
        _ => Err(nothing()),
    }
}

fn nothing() -> Problem {
    Problem::new(Slug::NotFound, "nothing is at this path")
}
