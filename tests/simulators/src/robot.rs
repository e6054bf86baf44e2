//! The scripted robot: a question in, an answer out.
//!
//! Owns the matching of keywords. Keeps nothing: how often a visitor repeated a
//! question is told by the caller. Invariant: the same script, question and
//! count give the same answer.

use crate::settings::Robot;

/// From this many equal questions in a row on, the robot offers a human.
const REPEATS: u32 = 3;

/// What the robot says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RobotAnswer {
    pub(crate) text: String,
    pub(crate) suggestions: Vec<String>,
    /// Index of the script entry; None for the fallback.
    pub(crate) entry: Option<usize>,
    pub(crate) transfer: Transfer,
}

/// Why the robot offers a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    None,
    Repeated,
    Mood,
    Keyword,
}

impl Robot {
    /// The answer to a question that was asked `times` in a row, this one included.
    pub(crate) fn reply(&self, question: &str, times: u32) -> RobotAnswer {
        let asked = question.to_lowercase();
        let holds = |words: &[String]| {
            words
                .iter()
                .any(|word| asked.contains(&word.to_lowercase()))
        };
        let transfer = if self
            .transfer_keywords
            .iter()
            .any(|word| word.to_lowercase() == asked.trim())
        {
            Transfer::Keyword
        } else if holds(&self.negative_words) {
            Transfer::Mood
        } else if times >= REPEATS {
            Transfer::Repeated
        } else {
            Transfer::None
        };
        if transfer == Transfer::Keyword {
            return RobotAnswer {
                text: "正在为您转接人工客服，请稍候。".to_owned(),
                suggestions: Vec::new(),
                entry: None,
                transfer,
            };
        }
        let entry = self
            .answers
            .iter()
            .position(|answer| holds(&answer.keywords));
        match entry.and_then(|index| self.answers.get(index)) {
            Some(answer) => RobotAnswer {
                text: answer.answer.clone(),
                suggestions: answer.suggestions.clone(),
                entry,
                transfer,
            },
            None => RobotAnswer {
                text: self.fallback.clone(),
                suggestions: self.suggestions.clone(),
                entry,
                transfer,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_inside_a_question_selects_the_answer() {
        let robot = Robot::default();
        assert_eq!(robot.reply("请问怎么退货呢", 1).entry, Some(0));
        assert_eq!(robot.reply("When do you SHIP it?", 1).entry, Some(1));
    }

    #[test]
    fn an_unknown_question_gets_the_fallback_and_suggestions() {
        let answer = Robot::default().reply("量子力学", 1);
        assert_eq!(answer.entry, None);
        assert!(!answer.suggestions.is_empty());
        assert_eq!(answer.transfer, Transfer::None);
    }

    #[test]
    fn a_human_is_offered_for_keyword_mood_and_repetition() {
        let robot = Robot::default();
        assert_eq!(robot.reply("人工", 1).transfer, Transfer::Keyword);
        assert_eq!(robot.reply("我要投诉", 1).transfer, Transfer::Mood);
        assert_eq!(robot.reply("怎么退货", 3).transfer, Transfer::Repeated);
    }
}
