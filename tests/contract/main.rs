//! What must hold for every adapter and between all packages.

mod dependencies;
