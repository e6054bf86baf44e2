//! Whatever stands in a file, checking it ends with settings or with errors
//! that point into the file.

use std::path::Path;

use kefu_core::config::{ConfigErrors, Lookup, check_main, check_provider};
use proptest::prelude::*;

const MAIN: &str = include_str!("../../../config/kefu.toml");
const PROVIDER: &str = include_str!("../../../config/providers/zhichi.toml");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_file_is_taken_or_refused_at_a_place_within_it(
        file in prop::sample::select(vec![MAIN, PROVIDER]),
        from in any::<prop::sample::Index>(),
        length in 0_usize..60,
        instead in "[\\[\\]{}.,=\"'#\\n\\\\$a-z0-9 客\u{0}-]{0,12}",
    ) {
        let characters: Vec<char> = file.chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        let damaged: String =
            characters[..from].iter().copied().chain(instead.chars()).chain(characters[to..].iter().copied()).collect();
        points_into(&damaged, check_main("kefu.toml", &damaged, &Everything).map(drop))?;
        points_into(&damaged, check_provider("providers/a.toml", &damaged, &Everything).map(drop))?;
    }

    #[test]
    fn any_text_is_taken_or_refused_at_a_place_within_it(text in any::<String>()) {
        points_into(&text, check_main("kefu.toml", &text, &Everything).map(drop))?;
        points_into(&text, check_provider("providers/a.toml", &text, &Everything).map(drop))?;
    }
}

/// Every variable and every file, so that checks go beyond the references.
struct Everything;

impl Lookup for Everything {
    fn variable(&self, _: &str) -> Option<String> {
        Some("a-value-of-some-length".to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Ok("a-text-of-some-length".to_owned())
    }
}

fn points_into(text: &str, result: Result<(), ConfigErrors>) -> Result<(), TestCaseError> {
    let Err(errors) = result else { return Ok(()) };
    prop_assert!(!errors.0.is_empty());
    for error in errors.0 {
        let line = text.split('\n').nth(error.line - 1);
        prop_assert!(
            line.is_some_and(|line| error.column <= line.chars().count() + 1),
            "{}",
            error
        );
        prop_assert!(!error.problem.is_empty());
    }
    Ok(())
}
