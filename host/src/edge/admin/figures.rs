//! What providers did at desks, over time.
//!
//! Owns the shape of the question and its bounds. Deliberately counts nothing.
//! Invariant: a value that cannot be meant is refused with its name and what
//! would be right.

use std::time::Duration;

use http::{Response, StatusCode};
use kefu_core::{
    config::{format_duration, parse_duration},
    problem::{Problem, Slug},
};
use kefu_plugin_api::time::Timestamp;
use serde_json::json;

use super::{Asked, Inner};
use crate::{
    edge::{FiguresWanted, body::Body, query, respond},
    figures::ANSWER_WITHIN,
};

/// `GET /admin/v1/figures`
pub(super) fn answer(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let wanted = wanted(asked.query.as_deref(), crate::clock::now())?;
    let report = inner.operations.figures(&wanted)?;
    Ok(respond::json(StatusCode::OK, &json!(report)))
}

/// The time that is told of without `from`.
const DEFAULT_SPAN_MS: i64 = 3600 * 1000;
/// The longest time; what is older is kept nowhere.
const MAX_SPAN_MS: i64 = 31 * 24 * 3600 * 1000;
/// The shortest step: a slot.
const MIN_STEP: Duration = Duration::from_secs(10);
/// How many steps there may be.
const MAX_STEPS: i64 = 1_000;
/// The longest time in which an answer may be expected.
const MAX_ANSWER_WITHIN: Duration = Duration::from_secs(24 * 3600);

fn wanted(query: Option<&str>, now: Timestamp) -> Result<FiguresWanted, Problem> {
    let given = |name: &str| match query::value(query, name) {
        Some(value) if value.is_empty() => Err(wrong(name, "is empty; leave it out instead")),
        value => Ok(value.map(|value| value.into_owned())),
    };
    let to = given("to")?.map(|text| moment("to", &text)).transpose()?;
    let to = to.unwrap_or(now);
    let from = given("from")?
        .map(|text| moment("from", &text))
        .transpose()?;
    let from = from.unwrap_or(to.plus_ms(-DEFAULT_SPAN_MS));
    let span = to.since_ms(from);
    if span <= 0 {
        return Err(wrong("from", "is not before `to`"));
    }
    if span > MAX_SPAN_MS {
        return Err(wrong("from", "is more than 31 days before `to`"));
    }
    let step = given("step")?.map(|text| time("step", &text)).transpose()?;
    if let Some(step) = step {
        check_step(step, span)?;
    }
    let within = given("answer_within")?;
    let within = within
        .map(|text| time("answer_within", &text))
        .transpose()?
        .unwrap_or(ANSWER_WITHIN);
    if within.is_zero() || within > MAX_ANSWER_WITHIN {
        return Err(wrong("answer_within", "is not between 1ms and 24h"));
    }
    Ok(FiguresWanted {
        desk: given("desk")?.map(Into::into),
        provider: given("provider")?.map(Into::into),
        from,
        to,
        step,
        answer_within: within,
    })
}

fn check_step(step: Duration, span_ms: i64) -> Result<(), Problem> {
    if step < MIN_STEP {
        return Err(wrong("step", "is shorter than 10s, which is a slot"));
    }
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if span_ms.saturating_add(step_ms - 1) / step_ms > MAX_STEPS {
        let least = Duration::from_secs((span_ms / 1000 / MAX_STEPS).unsigned_abs() + 1);
        let why = format!(
            "makes more than {MAX_STEPS} steps; right would be {} or more",
            format_duration(least.max(MIN_STEP))
        );
        return Err(wrong("step", &why));
    }
    Ok(())
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // A plus sign that was not written as %2B arrives as a space.
    let text = text.replace(' ', "+");
    Timestamp::parse(&text).ok_or_else(|| {
        wrong(
            name,
            "is no time; right would be one such as 2026-10-01T09:30:00Z",
        )
    })
}

fn time(name: &str, text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| {
        wrong(
            name,
            &format!("{why}; right would be one such as 10s or 5m"),
        )
    })
}

fn wrong(name: &str, why: &str) -> Problem {
    Problem::new(
        Slug::InvalidRequest,
        format!("the parameter `{name}` {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    #[test]
    fn the_last_hour_is_told_of_where_nothing_else_is_said() {
        let wanted = wanted(None, NOW).unwrap();
        assert_eq!(wanted.to, NOW);
        assert_eq!(wanted.from, NOW.plus_ms(-3_600_000));
        assert_eq!(
            (wanted.desk, wanted.provider, wanted.step),
            (None, None, None)
        );
        assert_eq!(wanted.answer_within, ANSWER_WITHIN);
    }

    #[test]
    fn everything_can_be_said() {
        let query = "desk=support&provider=%E6%99%BA%E9%BD%BF&from=2027-01-15T15:00:00%2B08:00\
            &to=2027-01-15T16:00:00+08:00&step=1m&answer_within=45s";
        let wanted = wanted(Some(query), NOW).unwrap();
        assert_eq!(wanted.desk, Some("support".into()));
        assert_eq!(wanted.provider, Some("智齿".into()));
        assert_eq!(wanted.from.to_string(), "2027-01-15T07:00:00.000Z");
        assert_eq!(wanted.to.since_ms(wanted.from), 3_600_000);
        assert_eq!(wanted.step, Some(Duration::from_secs(60)));
        assert_eq!(wanted.answer_within, Duration::from_secs(45));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        for (query, named, why) in [
            ("desk=", "`desk`", "empty"),
            ("provider=", "`provider`", "empty"),
            ("from=yesterday", "`from`", "2026-10-01T09:30:00Z"),
            ("to=12:00", "`to`", "2026-10-01T09:30:00Z"),
            ("from=2100-01-01T00:00:00Z", "`from`", "not before"),
            ("from=2026-01-01T00:00:00Z", "`from`", "31 days"),
            ("step=5s", "`step`", "10s"),
            ("step=60", "`step`", "unit"),
            ("step=-1m", "`step`", "10s or 5m"),
            (
                "from=2027-01-14T08:00:00Z&to=2027-01-15T08:00:00Z&step=1m",
                "`step`",
                "87s or more",
            ),
            ("answer_within=0s", "`answer_within`", "24h"),
            ("answer_within=2d", "`answer_within`", "24h"),
            ("answer_within=soon", "`answer_within`", "10s or 5m"),
        ] {
            let problem = wanted(Some(query), NOW).unwrap_err();
            assert_eq!(problem.slug, Slug::InvalidRequest, "{query}");
            for words in [named, why] {
                assert!(
                    problem.detail.contains(words),
                    "{query}: {}",
                    problem.detail
                );
            }
        }
    }
}
