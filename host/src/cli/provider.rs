//! `provider add`: from a vendor's name to a provider that serves (开通).
//!
//! Owns the order of what happens: find the plug-in, ask, check as a reload
//! would, try the vendor, put the files in place, see them live, say what is
//! left for people. Deliberately knows no vendor: everything that is asked and
//! said comes from the adapter's descriptor. Invariants: nothing is written
//! before everything was checked; what is interrupted leaves nothing behind;
//! no secret is ever printed.
//!
//! | module | what it owns |
//! |---|---|
//! | `find` | which plug-in file is meant |
//! | `questions` | what has to be known, by the adapter's schema |
//! | `answers` | what was said on the command line and in files |
//! | `value` | one answer, read and checked |
//! | `prompt` | asking on a terminal |
//! | `draft` | the provider's file, and where its secrets are kept |
//! | `trial` | the checks of a reload, and the try at the vendor |
//! | `place` | the files, all or none |
//! | `live` | whether a running gateway serves it |
//! | `report` | what is told at the end |
//! | `words` | the words of all of this, in Chinese and English |

mod add;
mod answers;
mod draft;
mod find;
mod interrupt;
mod live;
mod place;
mod prompt;
mod questions;
mod report;
mod trial;
mod value;
pub(super) mod words;

use std::process::ExitCode;

use clap::Subcommand;

/// What can be done about providers without a running gateway.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an account at a vendor: ask for what it needs, check it, try it at
    /// the vendor, write its file.
    Add(add::Arguments),
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(arguments) => add::run(arguments),
    }
}
