//! One figure and its goal, as text and as JSON.
//!
//! Owns names, units and the table. Invariant: a goal stands beside a figure
//! only where it is about exactly that figure.

use serde_json::{Value, json};

/// Something that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
}

impl Figure {
    /// A figure without a goal.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            goal: None,
        }
    }

    /// The same, which should be no higher than this.
    pub(crate) fn at_most(self, goal: f64) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            Some(goal) if self.value <= goal => format!("≤ {}, met", short(goal)),
            Some(goal) => format!("≤ {}, MISSED", short(goal)),
            None => String::new(),
        }
    }
}

/// A table in Markdown, so that it can be read as it is and put into a page.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut lines = vec![
        "| What | Figure | Goal |".to_owned(),
        "|---|---:|---|".to_owned(),
    ];
    lines.extend(figures.iter().map(|figure| {
        let (value, goal) = (short(figure.value), figure.goal());
        format!("| {} | {value} {} | {goal} |", figure.name, figure.unit)
    }));
    lines.join("\n")
}

/// All figures as a list.
pub(crate) fn json(figures: &[Figure]) -> Value {
    let each = figures.iter().map(|figure| {
        json!({ "name": figure.name, "value": figure.value, "unit": figure.unit, "at_most": figure.goal })
    });
    json!({ "figures": each.collect::<Vec<_>>() })
}

/// Three digits that count.
fn short(value: f64) -> String {
    let size = value.abs();
    let digits = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed_and_both_are_said() {
        let figures = [
            Figure::new("a call", 0.94, "µs").at_most(1.2),
            Figure::new("a child", 61.0, "µs").at_most(60.0),
            Figure::new("a stage", 123.4, "ms"),
        ];
        let table = table(&figures);
        assert!(
            table.contains("| a call | 0.94 µs | ≤ 1.20, met |"),
            "{table}"
        );
        assert!(
            table.contains("| a child | 61.0 µs | ≤ 60.0, MISSED |"),
            "{table}"
        );
        assert!(table.contains("| a stage | 123 ms |  |"), "{table}");
        assert_eq!(json(&figures)["figures"][1]["at_most"], 60.0);
    }
}
