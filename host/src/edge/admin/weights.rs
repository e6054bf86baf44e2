//! Weights, written back into the main file.
//!
//! Owns the shape of the request. Deliberately writes nothing. Invariant: what
//! is asked for names each route without doubt.

use kefu_core::{config::Weight, problem::Problem};
use kefu_plugin_api::ids::DeskId;
use serde::Deserialize;

use super::{Asked, Inner};
use crate::{
    config::{NewWeight, WrittenRoute},
    edge::{Commanded, NewWeights, json},
};

/// What is wanted.
#[derive(Deserialize)]
struct Wanted {
    weights: Vec<One>,
    /// The file that they are meant for.
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Deserialize)]
struct One {
    route: Name,
    weight: f64,
}

/// A route, by its place from 0 or by its provider.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a route's number, from 0, or the id of its provider"
)]
enum Name {
    Place(usize),
    Provider(String),
}

/// `PUT /admin/v1/desks/{desk}/weights`
pub(super) fn set(inner: &Inner, asked: &Asked) -> Result<Commanded, Problem> {
    let wanted: Wanted = json::read(&asked.headers, &asked.body)?;
    let desk = DeskId::new(&asked.id);
    let written = inner.operations.weights(&desk)?;
    if wanted.weights.is_empty() {
        return Err(Problem::invalid("/weights", "is empty"));
    }
    let mut weights: Vec<NewWeight> = Vec::new();
    for (index, one) in wanted.weights.iter().enumerate() {
        let new = NewWeight {
            route: place(&one.route, &written.routes)
                .map_err(|detail| Problem::invalid(format!("/weights/{index}/route"), detail))?,
            weight: share(one.weight)
                .ok_or_else(|| Problem::invalid(format!("/weights/{index}/weight"), NO_SHARE))?,
        };
        if weights.iter().any(|other| other.route == new.route) {
            let detail = "names a route that stands in the list already";
            return Err(Problem::invalid(format!("/weights/{index}/route"), detail));
        }
        weights.push(new);
    }
    tracing::info!(%desk, ?weights, "weights asked for");
    // Routes were looked up in this text; in another they may stand elsewhere.
    let digest = Some(wanted.digest.unwrap_or(written.digest));
    let wanted = NewWeights { weights, digest };
    Ok(inner.operations.set_weights(&desk, wanted))
}

fn place(name: &Name, routes: &[WrittenRoute]) -> Result<usize, String> {
    match name {
        Name::Place(place) if *place < routes.len() => Ok(*place),
        Name::Place(place) => Err(format!(
            "is {place}; the desk has {} routes, counted from 0",
            routes.len()
        )),
        Name::Provider(id) => {
            let mut found = (0..routes.len()).filter(|at| routes[*at].provider.as_str() == id);
            match (found.next(), found.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => Err(format!(
                    "`{id:.100}` has several routes here; right would be the number of one, from 0"
                )),
                _ => Err(format!("`{id:.100}` has no route at this desk")),
            }
        }
    }
}

/// A percentage with at most two decimal places.
pub(in crate::edge) fn share(percent: f64) -> Option<Weight> {
    let hundredths = (percent * 100.0).round();
    let is_share =
        (0.0..=10_000.0).contains(&hundredths) && (percent * 100.0 - hundredths).abs() < 1e-6;
    // In range and whole, as just checked.
    is_share.then(|| Weight::hundredths(hundredths as u32))
}

/// What is said of a number that is none.
pub(in crate::edge) const NO_SHARE: &str =
    "is no share; right would be a percentage from 0 to 100 with at most two decimal places";
