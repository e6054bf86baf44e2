//! Delivery against a real HTTP server on loopback.
//!
//! Owns the promises that need a socket to be broken: order, one request in
//! flight per session, at most one arrival where a second would do harm. The
//! vendor, the sessions and the providers are the test's own; delivery is the
//! real one, with its waits shortened.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod bench;
mod failures;
mod order;
mod recovery;
mod tokens;
mod vendor;
