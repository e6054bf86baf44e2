//! Weights written back into the main file.
//!
//! Owns the join of the file's editor and the reloader. Deliberately decides
//! nothing. Invariant: the file is changed on the thread that reads it, so that
//! no reload comes between the change and its report.

use kefu_core::problem::{Problem, Slug};
use kefu_plugin_api::ids::DeskId;
use serde_json::json;

use super::{Overview, told};
use crate::{
    config::{self, EditError, WriteError},
    edge::{Commanded, DeskWeights, Editing, NewWeights},
};

impl Editing for Overview {
    fn weights(&self, desk: &DeskId) -> Result<DeskWeights, Problem> {
        let written = config::read_main(&self.main_file).map_err(|error| problem(&error))?;
        let routes = config::written_routes(&written.text, desk).map_err(|source| {
            problem(&WriteError::NoPlace {
                path: self.main_file.clone(),
                source,
            })
        })?;
        Ok(DeskWeights {
            desk: desk.clone(),
            file: self.main_file.display().to_string(),
            digest: written.digest,
            routes,
        })
    }

    fn set_weights(&self, desk: &DeskId, wanted: NewWeights) -> Commanded {
        let (path, desk) = (self.main_file.clone(), desk.clone());
        let edited = self.reloader.edit(Box::new(move || {
            let digest = wanted.digest.as_deref();
            config::change_main(&path, digest, |text| {
                config::set_weights(text, &desk, &wanted.weights)
            })
            .map_err(|error| problem(&error))?;
            tracing::info!(%desk, file = %path.display(), "weights written");
            Ok(())
        }));
        Box::pin(async { told(edited.await) })
    }
}

/// What is told to whoever asked.
fn problem(error: &WriteError) -> Problem {
    let slug = match error {
        WriteError::NoPlace {
            source: EditError::NoDesk(_),
            ..
        } => Slug::NotFound,
        WriteError::NoPlace { .. } | WriteError::Refused(_) => Slug::InvalidRequest,
        WriteError::Changed(_) | WriteError::ReadOnly(_) => Slug::Conflict,
        WriteError::Unreadable { .. } | WriteError::Unwritable { .. } => Slug::StorageUnavailable,
    };
    let problem = Problem::new(slug, error.to_string());
    match error {
        WriteError::Refused(refused) => problem.with_extra("problems", json!(refused.0)),
        _ => problem,
    }
}
