//! The stages from an operator's file to a generation in service.
//!
//! Owns the repetitions. Every build is new, so that nothing is found loaded
//! already; the figures are medians.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use kefu_test_support::traffic::verdict::Latency;

use crate::adapter::{self, ISOLATIONS, Place};
use crate::figure::Figure;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for isolation in ISOLATIONS {
        let place = Place::new()?;
        let mut stages: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
        let mut whole = Vec::new();
        for id in 0..BUILDS {
            place.put(first_id(isolation) + id)?;
            let began = Instant::now();
            let brought_up = place.registry.bring_up(adapter::provider(isolation)?)?;
            whole.push(began.elapsed());
            for time in brought_up.stages {
                stages.entry(time.stage).or_default().push(time.took);
            }
        }
        let figure = |name: String, times: Vec<Duration>| {
            let median = Latency::of(times).quantile(0.5);
            Figure::new(name, median.as_secs_f64() * 1e3, "ms")
        };
        figures.push(figure(format!("load, check and open, {isolation}"), whole));
        for (stage, times) in stages {
            figures.push(figure(format!("… stage `{stage}`"), times));
        }
    }
    Ok(figures)
}

/// Contents are remembered by the process, so none may come twice.
fn first_id(isolation: &str) -> u64 {
    match isolation {
        "in-process" => 1_000,
        _ => 2_000,
    }
}

const BUILDS: u64 = 60;
