//! A rating: the vendor's model of two to five named levels, and our stars.
//!
//! Owns which star is which level. The contract's form has five stars with a
//! caption each; a model of fewer levels gives several stars the same caption,
//! so that the visitor always sees what will be told. Invariant: one star is
//! the lowest level, five stars are the highest.

use serde::{Deserialize, Serialize};

use crate::api::{self, ModelEntry};

/// A level of the vendor's model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Grade {
    /// What the visitor sees.
    pub(crate) name: String,
    /// What the vendor wants to hear.
    pub(crate) value: i64,
}

/// The levels of a model, lowest first; entries without a value are left out.
pub(crate) fn grades(list: Vec<ModelEntry>) -> Vec<Grade> {
    let grade = |entry: ModelEntry| {
        Some(Grade {
            name: api::short(&entry.name?, NAME_LIMIT),
            value: entry.value?,
        })
    };
    let mut grades: Vec<Grade> = list.into_iter().filter_map(grade).take(LEVELS).collect();
    grades.sort_by_key(|grade| grade.value);
    grades.dedup_by_key(|grade| grade.value);
    grades
}

/// The captions of one to five stars; `None` where nothing can be chosen.
pub(crate) fn labels(grades: &[Grade]) -> Option<Vec<String>> {
    (1..=5)
        .map(|stars| Some(level(grades, stars)?.name.clone()))
        .collect()
}

/// The level that so many stars stand for.
pub(crate) fn level(grades: &[Grade], stars: u8) -> Option<&Grade> {
    if grades.len() < 2 || !(1..=5).contains(&stars) {
        return None;
    }
    let steps = grades.len() - 1;
    let far = usize::from(stars - 1) * steps;
    // Between two levels: away from the middle.
    let at = if stars < 3 { far / 4 } else { far.div_ceil(4) };
    grades.get(at)
}

const NAME_LIMIT: usize = 50;
const LEVELS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<Grade> {
        let entry = |(value, name): (usize, &&str)| ModelEntry {
            name: Some((*name).to_owned()),
            value: Some(value as i64),
        };
        grades(names.iter().enumerate().map(entry).collect())
    }

    #[test]
    fn every_model_of_the_vendor_gives_five_captions() {
        for (names, expected) in [
            (&["差", "好"][..], ["差", "差", "好", "好", "好"]),
            (&["差", "中", "好"], ["差", "差", "中", "好", "好"]),
            (&["1", "2", "3", "4"], ["1", "1", "3", "4", "4"]),
            (&["1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"]),
        ] {
            assert_eq!(labels(&of(names)).expect("captions"), expected);
        }
    }

    #[test]
    fn a_model_with_nothing_to_choose_from_is_none() {
        assert_eq!(labels(&of(&[])), None);
        assert_eq!(labels(&of(&["好"])), None);
        assert_eq!(level(&of(&["差", "好"]), 6), None);
        assert_eq!(level(&of(&["差", "好"]), 0), None);
    }

    #[test]
    fn levels_are_sorted_and_told_once() {
        let entry = |name: &str, value| ModelEntry {
            name: Some(name.to_owned()),
            value,
        };
        let list = vec![
            entry("满意", Some(100)),
            entry("没有值", None),
            entry("不满意", Some(1)),
            entry("又满意", Some(100)),
        ];
        let values: Vec<i64> = grades(list).iter().map(|grade| grade.value).collect();
        assert_eq!(values, [1, 100]);
    }
}
