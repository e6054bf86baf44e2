//! Turns as scripts: an input, and everything that came of it in order. A line
//! that a script does not name fails it.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

#[path = "../visit/mod.rs"]
mod visit;

mod blocked;
mod conversion;
mod course;
mod emoji;
mod figures;
mod forms;
mod handover;
mod kinds;
mod opening;
mod properties;
mod rating;
mod recall;
mod reopening;
mod shared;
mod silence;
mod timers;
