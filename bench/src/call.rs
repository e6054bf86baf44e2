//! One call of an adapter: encoded, carried over, answered, decoded.
//!
//! Owns how it is timed. In this process a call is shorter than a clock is
//! precise, so batches are timed and the median batch counts; in a child every
//! call is timed by itself. The state that an answer brings goes into the next
//! call, as in a session.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kefu_gateway::plugin::Generation;
use kefu_plugin_api::wire::{HandleInput, HandleOutput, decode, encode};
use kefu_test_support::traffic::verdict::Latency;

use crate::adapter::{self, Place};
use crate::figure::Figure;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let place = Place::new()?;
    place.put(1)?;
    let here = place
        .registry
        .bring_up(adapter::provider("in-process")?)?
        .generation;
    figures.extend(in_process(&here)?);
    let place = Place::new()?;
    place.put(1)?;
    let child = place
        .registry
        .bring_up(adapter::provider("process")?)?
        .generation;
    figures.extend(in_child(&child)?);
    Ok(figures)
}

fn in_process(generation: &Generation) -> Result<Vec<Figure>> {
    let input = settled(generation)?;
    let output = generation.handle(&input)?;
    ensure!(output.effects.len() == 2, "not two effects: {output:?}");
    let (request, answer) = (encode(&input)?, encode(&output)?);
    let call = per_round(|| generation.handle(&input).is_ok());
    // The same code runs on both sides, so its share can be measured here.
    let codec = [
        ("encoding the input", per_round(|| encode(&input).is_ok())),
        (
            "decoding the input, there",
            per_round(|| decode::<HandleInput>(&request).is_ok()),
        ),
        (
            "encoding the output, there",
            per_round(|| encode(&output).is_ok()),
        ),
        (
            "decoding the output",
            per_round(|| decode::<HandleOutput>(&answer).is_ok()),
        ),
    ];
    let rest = codec
        .iter()
        .fold(call, |rest, (_, part)| rest.saturating_sub(*part));
    let mut figures = vec![Figure::new("call in-process", micros(call), "µs").at_most(1.2)];
    let parts = codec.into_iter().chain([("everything else", rest)]);
    figures.extend(
        parts.map(|(what, time)| Figure::new(format!("… of it: {what}"), micros(time), "µs")),
    );
    figures.push(Figure::new("… bytes in", request.len() as f64, "B"));
    figures.push(Figure::new("… bytes out", answer.len() as f64, "B"));
    Ok(figures)
}

fn in_child(generation: &Arc<Generation>) -> Result<Vec<Figure>> {
    let input = settled(generation)?;
    let alone = one_by_one(generation, &input, CALLS)?;
    let began = Instant::now();
    let callers = [(); 2].map(|()| {
        let (generation, input) = (Arc::clone(generation), input.clone());
        thread::spawn(move || one_by_one(&generation, &input, CALLS))
    });
    for caller in callers {
        caller
            .join()
            .map_err(|_| anyhow::anyhow!("a caller broke"))??;
    }
    let each_second = 2.0 * CALLS as f64 / began.elapsed().as_secs_f64();
    Ok(vec![
        Figure::new(
            "call through the child, p50",
            micros(alone.quantile(0.5)),
            "µs",
        )
        .at_most(60.0),
        Figure::new(
            "call through the child, p99",
            micros(alone.quantile(0.99)),
            "µs",
        ),
        Figure::new(
            "calls through the child, two callers",
            each_second / 1_000.0,
            "k/s",
        ),
    ])
}

/// A line in a session that has had a line before.
fn settled(generation: &Generation) -> Result<HandleInput> {
    let mut input = adapter::line();
    let output = generation.handle(&input)?;
    input.state = output.state;
    input.state_version = output.state_version;
    for _ in 0..CALLS / 10 {
        generation.handle(&input)?;
    }
    Ok(input)
}

fn one_by_one(generation: &Generation, input: &HandleInput, calls: usize) -> Result<Latency> {
    let mut all = Vec::with_capacity(calls);
    for _ in 0..calls {
        let began = Instant::now();
        generation.handle(input)?;
        all.push(began.elapsed());
    }
    Ok(Latency::of(all))
}

/// The time of one round, in the median batch.
fn per_round(mut round: impl FnMut() -> bool) -> Duration {
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let began = Instant::now();
        for _ in 0..BATCH {
            assert!(std::hint::black_box(round()), "a measured call failed");
        }
        batches.push(began.elapsed());
    }
    // Divided last: the mean of a batch has more digits than the clock.
    Latency::of(batches).quantile(0.5) / BATCH
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

const BATCHES: usize = 60;
const BATCH: u32 = 10_000;
const CALLS: usize = 20_000;
