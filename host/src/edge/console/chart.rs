//! Lines over time, as SVG.
//!
//! Owns scales, axes and paths. Deliberately knows no figure. Invariant: what a
//! chart shows stands in a table beside it too, and its title and description
//! say what it is; a gap in the figures is a gap in the line.
