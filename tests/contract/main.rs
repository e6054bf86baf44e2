//! What must hold for every adapter and between all packages.

mod capabilities;
mod child;
mod conformance;
mod dependencies;
mod differences;
mod evolution;
mod golden;
mod isolated;
mod loading;
mod serving;
