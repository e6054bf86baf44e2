//! Reasons for operators, without what was said.
//!
//! An adapter that panics or fails puts into words what it likes, and may quote
//! what it was given. Invariant: a reason has no run of characters in common
//! with what was said that could be told from chance.

/// How many characters in common are no chance. Of something shorter, all of
/// it.
const RUN: usize = 8;

/// The reason, if it quotes nothing of what was said.
pub(super) fn without(reason: &str, said: &[impl AsRef<str>]) -> String {
    if said.iter().any(|said| quotes(reason, said.as_ref())) {
        return "left out: it repeats what was said".into();
    }
    // Whoever reads it has a terminal.
    reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

fn quotes(reason: &str, said: &str) -> bool {
    let said: Vec<char> = said.trim().chars().collect();
    if said.is_empty() {
        return false;
    }
    let run = said.len().min(RUN);
    said.windows(run)
        .any(|piece| reason.contains(&piece.iter().collect::<String>()))
}

/// Longer reasons are cut.
const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_quotes_is_left_out() {
        for said in ["好", "你好吗", "where is my parcel, please?"] {
            let reason = format!("byte 3 is inside of `{said}`");
            assert!(without(&reason, &[said]).starts_with("left out"), "{said}");
        }
        let cut = "cannot read `where is my…`";
        assert!(without(cut, &["where is my parcel"]).starts_with("left out"));
    }

    #[test]
    fn a_reason_that_quotes_nothing_is_told_in_one_line() {
        let said = ["where is my parcel", "", "  "];
        assert_eq!(without("no\nsuch kind", &said), "no such kind");
        assert_eq!(without(&"x".repeat(999), &said).len(), LONGEST);
    }
}
