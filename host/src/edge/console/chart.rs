//! Lines over time, as SVG.
//!
//! Owns scales, axes and paths. Deliberately knows no figure. Invariants: what a
//! chart shows stands in a table beside it too, and its title and description
//! say what it is; a gap in the figures is a gap in the line; two lines differ
//! in more than their colour.

use kefu_plugin_api::time::Timestamp;
use maud::{Markup, html};

use super::{
    parts::{self, COLOURS},
    words::{Words, fill},
};

/// What is drawn.
pub(super) struct Chart<'a> {
    /// Unique on its page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) unit: Unit,
    /// The moments at which the steps begin.
    pub(super) times: Vec<Timestamp>,
    pub(super) lines: Vec<Line>,
}

/// One line of a chart.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) colour: usize,
    /// One for each moment; `None` where nothing was counted.
    pub(super) values: Vec<Option<f64>>,
}

/// What numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many.
    Count,
    /// Of a hundred.
    Percent,
    /// Shown as seconds where that is shorter.
    Milliseconds,
    /// Of a hundred, without a sign.
    Points,
}

impl Unit {
    /// A number as people read it.
    pub(super) fn say(self, value: f64) -> String {
        match self {
            Self::Count | Self::Points => rounded(value),
            Self::Percent => format!("{} %", rounded(value)),
            Self::Milliseconds if value < 1_000.0 => format!("{} ms", rounded(value.round())),
            Self::Milliseconds => format!("{} s", rounded(value / 1_000.0)),
        }
    }

    /// The least that an axis reaches to.
    const fn least(self) -> f64 {
        match self {
            Self::Count | Self::Percent => 4.0,
            Self::Milliseconds => 100.0,
            Self::Points => 100.0,
        }
    }
}

/// A chart with its key and its table.
pub(super) fn draw(w: &Words, chart: &Chart<'_>) -> Markup {
    let top = top(chart);
    let (title, described) = (format!("{}-t", chart.id), format!("{}-d", chart.id));
    html! {
        figure.panel {
            h3 { (chart.title) }
            svg.chart viewBox="0 0 520 176" role="img" aria-labelledby={ (title) " " (described) } {
                title id=(title) { (chart.title) }
                desc id=(described) { (description(w, chart)) }
                @for quarter in 0..=4_u32 {
                    @let value = top * f64::from(quarter) / 4.0;
                    line.grid x1=(LEFT) x2=(RIGHT) y1=(coordinate(y(value, top))) y2=(coordinate(y(value, top))) {}
                    @if quarter % 2 == 0 {
                        text x=(LEFT - 6.0) y=(coordinate(y(value, top) + 4.0)) text-anchor="end" { (chart.unit.say(value)) }
                    }
                }
                @for (at, anchor) in [(0, "start"), (chart.times.len() / 2, "middle"), (chart.times.len().saturating_sub(1), "end")] {
                    @if let Some(moment) = chart.times.get(at) {
                        text x=(coordinate(x(at, chart.times.len()))) y="172" text-anchor=(anchor) { (axis_time(chart, *moment)) }
                    }
                }
                @for (place, line) in chart.lines.iter().enumerate() {
                    @let class = class(line, place);
                    @for piece in pieces(&line.values) {
                        path class=(class) d=(path(&piece, chart.times.len(), top)) {}
                    }
                }
            }
            ul.key {
                @for (place, line) in chart.lines.iter().enumerate() {
                    li {
                        svg.swatch viewBox="0 0 24 8" aria-hidden="true" focusable="false" { path class=(class(line, place)) d="M1 4H23" {} }
                        (line.name)
                        @if let Some(value) = last(line) { " " b { (chart.unit.say(value)) } }
                    }
                }
            }
            details {
                summary { (w.as_table) }
                (table(w, chart))
            }
        }
    }
}

fn table(w: &Words, chart: &Chart<'_>) -> Markup {
    let mut heads = vec![w.at];
    heads.extend(chart.lines.iter().map(|line| line.name.as_str()));
    let rows = html! {
        @for (at, moment) in chart.times.iter().enumerate() {
            @if chart.lines.iter().any(|line| line.values.get(at).is_some_and(Option::is_some)) {
                tr {
                    th scope="row" { time datetime=(moment) { (parts::clock(*moment)) } }
                    @for line in &chart.lines {
                        td.number { @match line.values.get(at).copied().flatten() { Some(value) => (chart.unit.say(value)), None => (parts::dash()) } }
                    }
                }
            }
        }
    };
    parts::table(chart.title, &heads, rows)
}

/// A moment below the axis: the time of the day, with the day where there are
/// several.
fn axis_time(chart: &Chart<'_>, moment: Timestamp) -> String {
    let clock = parts::clock(moment);
    let span = match (chart.times.first(), chart.times.last()) {
        (Some(first), Some(last)) => last.since_ms(*first),
        _ => 0,
    };
    let from = if span < DAY_MS { 6 } else { 0 };
    clock.get(from..11).unwrap_or_default().to_owned()
}

/// What somebody who does not see it should know: the last value of each line.
fn description(w: &Words, chart: &Chart<'_>) -> String {
    let said: Vec<String> = chart
        .lines
        .iter()
        .map(|line| {
            let value = last(line).map_or_else(|| "–".to_owned(), |value| chart.unit.say(value));
            fill(w.last_value, &[&line.name, &value])
        })
        .collect();
    said.join("; ")
}

fn class(line: &Line, place: usize) -> String {
    let dashed = if place % 2 == 1 { " dashed" } else { "" };
    format!("trace c{}{dashed}", line.colour % COLOURS)
}

fn last(line: &Line) -> Option<f64> {
    line.values.iter().rev().copied().flatten().next()
}

/// A round number that every value fits below.
fn top(chart: &Chart<'_>) -> f64 {
    let values = chart.lines.iter().flat_map(|line| &line.values);
    let most = values.copied().flatten().fold(0.0_f64, f64::max);
    let most = most.max(chart.unit.least());
    let scale = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    let fits = steps.into_iter().find(|step| step * scale >= most);
    fits.unwrap_or(10.0) * scale
}

/// The stretches without a gap, each with the places of its values.
fn pieces(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut pieces: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut open = false;
    for (at, value) in values.iter().enumerate() {
        match value {
            Some(value) if value.is_finite() => {
                if !open {
                    pieces.push(Vec::new());
                }
                if let Some(piece) = pieces.last_mut() {
                    piece.push((at, *value));
                }
                open = true;
            }
            _ => open = false,
        }
    }
    pieces
}

/// A stretch as a path; one value alone is a dot.
fn path(piece: &[(usize, f64)], steps: usize, top: f64) -> String {
    let mut path = String::new();
    for (index, (at, value)) in piece.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        let (x, y) = (coordinate(x(*at, steps)), coordinate(y(*value, top)));
        path.push_str(&format!("{letter}{x} {y}"));
    }
    if piece.len() == 1 {
        path.push_str("h.01");
    }
    path
}

fn x(at: usize, steps: usize) -> f64 {
    let last = steps.saturating_sub(1).max(1);
    LEFT + (RIGHT - LEFT) * at as f64 / last as f64
}

fn y(value: f64, top: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * (value / top).clamp(0.0, 1.0)
}

/// A tenth of a pixel is as fine as anybody sees.
fn coordinate(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// At most two decimal places, none that say nothing.
fn rounded(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 512.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 152.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::console::words::Lang;

    #[test]
    fn numbers_are_said_as_people_read_them() {
        for (unit, value, expected) in [
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 1_200.0, "1200"),
            (Unit::Percent, 12.5, "12.5 %"),
            (Unit::Percent, 0.333, "0.33 %"),
            (Unit::Milliseconds, 999.4, "999 ms"),
            (Unit::Milliseconds, 1_500.0, "1.5 s"),
            (Unit::Points, 88.0, "88"),
        ] {
            assert_eq!(unit.say(value), expected);
        }
    }

    #[test]
    fn an_axis_ends_at_a_round_number_that_everything_fits_below() {
        for (values, expected) in [
            (vec![], 4.0),
            (vec![None], 4.0),
            (vec![Some(3.0)], 4.0),
            (vec![Some(7.0), None], 8.0),
            (vec![Some(41.0)], 50.0),
            (vec![Some(100.0)], 100.0),
            (vec![Some(1_234.0)], 2_000.0),
        ] {
            assert_eq!(
                top(&chart(Unit::Count, values.clone())),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_gap_in_the_figures_is_a_gap_in_the_line() {
        let values = [Some(1.0), Some(2.0), None, Some(3.0), Some(f64::NAN), None];
        assert_eq!(pieces(&values), [vec![(0, 1.0), (1, 2.0)], vec![(3, 3.0)]]);
        assert_eq!(path(&[(0, 0.0), (1, 4.0)], 2, 4.0), "M62 152L512 8");
        assert_eq!(path(&[(1, 2.0)], 3, 4.0), "M287 80h.01");
        assert_eq!(path(&[(0, 2.0)], 1, 4.0), "M62 80h.01");
    }

    #[test]
    fn what_is_drawn_is_said_and_stands_in_a_table() {
        let text = draw(
            Lang::En.words(),
            &chart(Unit::Percent, vec![Some(1.0), None, Some(2.5)]),
        )
        .into_string();
        for part in [
            "<title id=\"c-t\">Failures &lt;b&gt;</title>",
            "aria-labelledby=\"c-t c-d\"",
            "zhi&lt;chi: 2.5 %",
            "<td class=\"number\">2.5 %</td>",
            "role=\"img\"",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(text.matches("<path class=\"trace").count(), 3, "{text}");
        assert!(!text.contains("NaN") && !text.contains("style="), "{text}");
    }

    #[test]
    fn nothing_at_all_is_drawn_without_complaint() {
        let empty = Chart {
            id: "c",
            title: "t",
            unit: Unit::Milliseconds,
            times: Vec::new(),
            lines: Vec::new(),
        };
        let text = draw(Lang::Zh.words(), &empty).into_string();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    fn chart(unit: Unit, values: Vec<Option<f64>>) -> Chart<'static> {
        Chart {
            id: "c",
            title: "Failures <b>",
            unit,
            times: (0..values.len() as i64)
                .map(|minute| Timestamp::from_unix_ms(minute * 60_000))
                .collect(),
            lines: vec![Line {
                name: "zhi<chi".into(),
                colour: 7,
                values,
            }],
        }
    }
}
