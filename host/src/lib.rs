//! The gateway between apps and customer-service platforms.
//!
//! The life of a visitor's message: [`edge`] authenticates and checks it;
//! [`session`] runs a turn (the core decides, the adapter translates) and
//! commits it with everything it caused; [`store`] makes it durable; only then
//! is the visitor answered, the streams are told, and [`delivery`] brings the
//! call to the vendor. Its end is the input of another turn.
//!
//! The life of a callback: [`edge`] takes it as it is; the adapter, found in
//! [`plugin`], authenticates and reads it; its events are made durable; the
//! vendor is answered; each event has its turn.
//!
//! | module | what it owns |
//! |---|---|
//! | [`edge`] | HTTP, the listening side |
//! | [`figures`] | what every provider did at every desk, over time |
//! | [`route`] | which provider a visitor gets, now |
//! | [`session`] | sessions in memory, the threads that run turns |
//! | [`plugin`] | plug-ins: loading, opening, guarding |
//! | [`store`] | the database |
//! | [`delivery`] | HTTP, the sending side |
//! | [`shadow`] | what another provider would have made of sessions |
//! | [`health`] | what is known of the vendors: breaker, prober, canary |
//! | [`push`] | what is said, told to apps' own servers |
//! | [`migration`] | which stages of migrations are in force, and why |
//! | [`media`] | pictures and voices of visitors |
//! | [`reload`] | changed files and commands, brought into force one after the other |
//! | [`telemetry`] | the log and the numbers |
//! | [`conformance`] | the tests that every plug-in must pass |

pub mod app;
pub mod cli;
mod clock;
pub mod config;
pub mod conformance;
pub mod delivery;
pub mod edge;
pub mod figures;
pub mod health;
pub mod media;
pub mod migration;
pub mod plugin;
pub mod push;
pub mod reload;
pub mod route;
pub mod session;
pub mod shadow;
pub mod store;
pub mod telemetry;
