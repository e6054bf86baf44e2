//! Real files, a real watcher, and a target that only writes down what it is
//! told.
//!
//! Owns the promises about files: whatever way a change takes onto the disk,
//! it comes to one correct reload; what is wrong changes nothing. Plug-ins are
//! texts here: the target refuses those that do not end with `END`.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod bench;
mod commands;
mod configuration;
mod emoji;
mod files;
mod folders;
mod random;
