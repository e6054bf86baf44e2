//! What must hold for every adapter and between all packages.

mod child;
mod conformance;
mod dependencies;
mod loading;
mod serving;
