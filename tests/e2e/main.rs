//! The gateway end to end: a real process, real plug-in files, the vendors'
//! simulators, HTTP on every way.
//!
//! Owns what users rely on, a module for each part of it. Talks to the gateway
//! as they do; `startup` alone puts something into a store first. A test brings
//! its own visitors; one that changes how a vendor or the gateway behaves
//! brings its own stage.

mod activation;
mod bad_answers;
mod bad_input;
mod callback;
mod capabilities;
mod config;
mod crash_recovery;
mod crowd;
mod delivery_retry;
mod desks;
mod emoji;
mod failover;
mod figures;
mod file_operations;
mod handover;
mod hot_reload;
mod media;
mod media_inbound;
mod media_store;
mod media_voice;
mod message_flow;
mod migration;
mod openapi;
mod outage;
mod plugin_faults;
mod pushes;
mod reopen;
mod repeats;
mod secrets;
mod session_rules;
mod shadow;
mod shutdown;
mod sources;
mod startup;
mod streams;
mod tokens;
mod trails;
