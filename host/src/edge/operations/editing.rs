//! Changing the main file by way of the gateway.
//!
//! Owns the questions about weights as the file says them. Deliberately offers
//! no other key: what else an operator changes has its place in an editor.
//! Invariant: a change is checked as a reload checks it before anything is
//! written, and it is in force, or refused with its reason, once it is over.

use kefu_core::problem::Problem;
use kefu_plugin_api::ids::DeskId;
use serde::Serialize;

use super::Commanded;
use crate::config::{NewWeight, WrittenRoute};

/// Weights in the main file.
pub trait Editing: Send + Sync {
    /// The routes of a desk as the file says them now, which what is in force
    /// may lag behind.
    ///
    /// # Errors
    /// `not-found` without such a desk; the file cannot be read.
    fn weights(&self, desk: &DeskId) -> Result<DeskWeights, Problem>;

    /// Writes weights into the file and brings them into force. It comes to the
    /// report of the reload; to a problem if nothing was written: `conflict`
    /// where the file is not the one the change was made for or must not be
    /// written, `invalid-request` where a reload would refuse it.
    fn set_weights(&self, desk: &DeskId, wanted: NewWeights) -> Commanded;
}

/// The weights of a desk, as its file says them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeskWeights {
    /// Which desk.
    pub desk: DeskId,
    /// The file.
    pub file: String,
    /// What tells the text of this file from every other.
    pub digest: String,
    /// Its routes, in order.
    pub routes: Vec<WrittenRoute>,
}

/// Weights that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWeights {
    /// Each by the place of its route; those not named stay.
    pub weights: Vec<NewWeight>,
    /// The file that they are meant for, by its digest; absent: whatever it
    /// says by then.
    pub digest: Option<String>,
}
