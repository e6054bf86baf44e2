//! Both vendors of a migration over time.
//!
//! Owns which figures are drawn and in which steps. Deliberately draws nothing
//! itself. Invariant: both lines of a chart come from the same steps.

use std::time::Duration;

use kefu_core::figures::Summary;
use kefu_plugin_api::{ids::ProviderId, time::Timestamp};
use maud::{Markup, html};

use super::desks;
use crate::{
    edge::{
        FiguresStep, FiguresWanted,
        console::{
            chart::{self, Chart, Line, Unit},
            layout::View,
        },
    },
    figures::ANSWER_WITHIN,
    migration::MigrationStatus,
};

/// All charts of a migration, from its beginning on.
pub(super) fn charts(
    view: &View<'_>,
    status: &MigrationStatus,
    began: Option<Timestamp>,
) -> Markup {
    let w = view.w;
    let to = view.now;
    let earliest = to.plus_ms(-LONGEST_MS);
    let latest = to.plus_ms(-SHORTEST_MS);
    let from = began.map_or(latest, |began| began.max(earliest).min(latest));
    let step = step(to.since_ms(from));
    let read = view.operations.figures(&FiguresWanted {
        desk: Some(status.desk.clone()),
        provider: None,
        from,
        to,
        step: Some(step),
        answer_within: view
            .config
            .migration(&status.name)
            .map_or(ANSWER_WITHIN, |it| it.guards.answer_within),
    });
    let report = match read {
        Ok(report) => report,
        Err(problem) => return html! { p.notice.doubtful lang="en" { (problem.detail) } },
    };
    let series = |provider: &ProviderId| {
        let mut all = report.figures.iter();
        let found = all.find(|it| it.provider == *provider);
        found
            .and_then(|it| it.series.as_deref())
            .unwrap_or_default()
    };
    let both = Both {
        view,
        status,
        old: series(&status.from),
        new: series(&status.to),
    };
    let percent = |rate: Option<f64>| rate.map(|rate| rate * 100.0);
    html! {
        section.charts aria-label=(w.over_time) {
            (both.share())
            (both.draw("openings", w.openings, Unit::Count, &|it| Some(it.openings as f64)))
            (both.draw("opening-failures", w.opening_failures, Unit::Percent, &|it| percent(it.opening_failure_rate)))
            (both.draw("delivery-failures", w.delivery_failures, Unit::Percent, &|it| percent(it.delivery_failure_rate)))
            (both.draw("unanswered", w.unanswered, Unit::Percent, &|it| percent(it.unanswered_rate)))
            (both.draw("first-answer", w.first_answer, Unit::Milliseconds, &|it| it.first_answer_p95_ms.map(|ms| ms as f64)))
            (both.draw("rating", w.rating, Unit::Points, &|it| it.rating))
        }
    }
}

/// The steps of both vendors.
struct Both<'a> {
    view: &'a View<'a>,
    status: &'a MigrationStatus,
    old: &'a [FiguresStep],
    new: &'a [FiguresStep],
}

impl Both<'_> {
    fn times(&self) -> Vec<Timestamp> {
        let longer = if self.old.len() >= self.new.len() {
            self.old
        } else {
            self.new
        };
        longer.iter().map(|step| step.at).collect()
    }

    /// What the stages asked for, and what came of it.
    fn share(&self) -> Markup {
        let w = self.view.w;
        let times = self.times();
        let asked = times.iter().map(|at| Some(self.percent_at(*at)));
        let came = (0..times.len()).map(|at| {
            let count = |steps: &[FiguresStep]| steps.get(at).map_or(0, |it| it.counted.openings);
            let (old, new) = (count(self.old), count(self.new));
            (old + new > 0).then(|| new as f64 * 100.0 / (old + new) as f64)
        });
        let colour = desks::colour(self.view.config, self.status.to.as_str());
        let lines = vec![
            Line {
                name: w.share_asked.to_owned(),
                colour,
                values: asked.collect(),
            },
            Line {
                name: w.share_came.to_owned(),
                colour: colour + 1,
                values: came.collect(),
            },
        ];
        chart::draw(
            w,
            &Chart {
                id: "share",
                title: w.share_of_new,
                unit: Unit::Percent,
                times,
                lines,
            },
        )
    }

    /// The share that was in force at a moment.
    fn percent_at(&self, at: Timestamp) -> f64 {
        // Newest first.
        let mut history = self.status.history.iter();
        history
            .find(|step| step.at <= at)
            .map_or(0.0, |step| step.percent)
    }

    fn draw(
        &self,
        id: &str,
        title: &str,
        unit: Unit,
        read: &dyn Fn(&Summary) -> Option<f64>,
    ) -> Markup {
        let line = |provider: &str, steps: &[FiguresStep]| Line {
            name: provider.to_owned(),
            colour: desks::colour(self.view.config, provider),
            values: steps.iter().map(|step| read(&step.counted)).collect(),
        };
        let lines = vec![
            line(self.status.from.as_str(), self.old),
            line(self.status.to.as_str(), self.new),
        ];
        let times = self.times();
        chart::draw(
            self.view.w,
            &Chart {
                id,
                title,
                unit,
                times,
                lines,
            },
        )
    }
}

/// As fine as can be seen, for a stretch of so many milliseconds.
fn step(span_ms: i64) -> Duration {
    let span = u64::try_from(span_ms).unwrap_or(0) / 1_000;
    let fits = STEPS.into_iter().find(|step| span / step <= MOST_STEPS);
    Duration::from_secs(fits.unwrap_or(STEPS[STEPS.len() - 1]))
}

const STEPS: [u64; 8] = [10, 30, 60, 300, 900, 3_600, 6 * 3_600, 24 * 3_600];
const MOST_STEPS: u64 = 90;
const SHORTEST_MS: i64 = 10 * 60 * 1_000;
const LONGEST_MS: i64 = 30 * 24 * 3_600 * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_fine_as_can_be_seen() {
        for (minutes, seconds) in [
            (0, 10),
            (10, 10),
            (20, 30),
            (60, 60),
            (24 * 60, 3_600),
            (30 * 24 * 60, 24 * 3_600),
        ] {
            assert_eq!(step(minutes * 60_000).as_secs(), seconds, "{minutes}");
        }
    }
}
