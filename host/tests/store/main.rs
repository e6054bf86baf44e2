//! The store: what every database under it must do, and what is asked of the
//! SQLite file alone.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

mod conformance;
mod figures;
mod fixture;
mod list;
mod migrations;
mod open;
mod pushes;
mod sqlite;

conformance::conformance_of!(sqlite::place);
