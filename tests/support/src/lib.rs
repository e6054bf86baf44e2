//! What tests of the whole need: a real gateway process, real plug-in files,
//! the vendors' simulators, a visitor, and waiting without sleeping.
//!
//! Owns the processes it starts and the folders it makes, and removes both.
//! It knows the visitor API and the configuration file, nothing of the
//! gateway's inside. Nothing here is shared between tests: each starts its own
//! gateway on ports of its own, so tests run side by side.
//!
//! | module | what a test gets |
//! |---|---|
//! | [`plugins`] | the binaries and the folder of `.so` files, built once |
//! | [`variants`] | more plug-in files, made of those by changing bytes |
//! | [`gateway`] | a gateway to start, stop, kill and start again |
//! | [`config`] | the configuration that gateway is given |
//! | [`simulators`] | all vendors, switchable while they run |
//! | [`vendor`] | which vendors there are, and how their calls are named |
//! | [`stage`], [`chat`] | all of it at once, and conversations on it from both ends |
//! | [`pushes`] | what vendors push, well proven and otherwise whatever a test wants |
//! | [`events`], [`sse`] | a session's log, as a list and as a stream |
//! | [`app_server`] | an app's own server, which verifies what it is pushed |
//! | [`media`] | small files to upload |
//! | [`media_host`] | a host of media that answers as it should not |
//! | [`s3`] | an S3-compatible store that checks signatures |
//! | [`token`] | visitor tokens, good and bad |
//! | [`visitor`] | the visitor API, with tokens and event streams |
//! | [`http`] | plain requests, for everything that has no helper |
//! | [`traffic`] | steady traffic, its verdict and its times |
//! | [`python`] | an interpreter with the packages of `requirements.txt` |
//! | [`axe`] | what keeps people from using a page |
//! | [`reloads`] | what operators see of providers and their reloads |
//! | [`memory`] | what the gateway and its children hold |
//! | [`wait`] | conditions with a deadline and a message |
//! | [`webdriver`] | a headless browser, to walk through a page as a person does |

pub mod app_server;
pub mod axe;
pub mod chat;
pub mod config;
pub mod events;
pub mod gateway;
pub mod http;
pub mod media;
pub mod media_host;
pub mod memory;
pub mod plugins;
mod process;
pub mod pushes;
pub mod python;
pub mod reloads;
pub mod s3;
pub mod simulators;
pub mod sse;
pub mod stage;
pub mod token;
pub mod traffic;
pub mod variants;
pub mod vendor;
pub mod visitor;
pub mod wait;
pub mod webdriver;
pub mod wire;
