//! Conditions on an app's version.
//!
//! Owns the grammar of rules (`>=2.8.16, <3`) and the comparison of dotted
//! numbers. Deliberately understands no pre-releases and no other schemes: a
//! version that is not made of numbers fails every rule, and the reason is
//! told. Invariant: a rule has at least one comparison.

use std::{cmp::Ordering, fmt};

/// Comparisons that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRule(Vec<(Comparison, Version)>);

impl VersionRule {
    /// Reads comparisons separated by commas. The error says what is wrong
    /// with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|part| parse_comparison(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an app's version satisfies the rule.
    pub fn admits(&self, app_version: Option<&str>) -> bool {
        self.check(app_version).is_ok()
    }

    /// Whether an app's version satisfies the rule; the error says why not.
    pub(super) fn check(&self, app_version: Option<&str>) -> Result<(), String> {
        let Some(text) = app_version else {
            return Err("the app sent no version".to_owned());
        };
        let Some(version) = Version::parse(text) else {
            return Err(format!(
                "the version {text:?} is not made of dotted numbers"
            ));
        };
        match self
            .0
            .iter()
            .find(|(comparison, bound)| !comparison.holds(version.cmp(bound)))
        {
            None => Ok(()),
            Some((comparison, bound)) => {
                Err(format!("the version {text} is not {comparison}{bound}"))
            }
        }
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (comparison, bound)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{comparison}{bound}")?;
        }
        Ok(())
    }
}

fn parse_comparison(text: &str) -> Result<(Comparison, Version), String> {
    if text.is_empty() {
        return Err("has an empty comparison".to_owned());
    }
    let Some((sign, comparison)) = Comparison::SIGNS
        .into_iter()
        .find(|(sign, _)| text.starts_with(sign))
    else {
        return Err("has a version without a comparison before it".to_owned());
    };
    let version = Version::parse(text[sign.len()..].trim_start())
        .ok_or_else(|| "compares with something that is not made of dotted numbers".to_owned())?;
    Ok((comparison, version))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
}

impl Comparison {
    /// Longer signs first, so that `>=` is not read as `>`.
    const SIGNS: [(&str, Self); 5] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Equal),
    ];

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order.is_ge(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::Below => order.is_lt(),
            Self::Equal => order.is_eq(),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Self::SIGNS
            .into_iter()
            .find(|(_, comparison)| comparison == self);
        f.write_str(sign.map_or("", |(sign, _)| sign))
    }
}

/// Dotted numbers, without the zeros at the end: 2.8 and 2.8.0 are one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u64>);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        let mut parts = text.split('.').map(number).collect::<Option<Vec<u64>>>()?;
        while parts.last() == Some(&0) {
            parts.pop();
        }
        Some(Self(parts))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &str, version: &str) -> bool {
        VersionRule::parse(rule)
            .unwrap()
            .check(Some(version))
            .is_ok()
    }

    #[test]
    fn parts_compare_as_numbers_and_missing_ones_are_zero() {
        assert!(holds(">=2.8.16", "2.8.16"));
        assert!(holds(">=2.8.16", "2.10"));
        assert!(!holds(">=2.8.16", "2.8.9"));
        assert!(holds("=2.8", "2.8.0.0"));
        assert!(holds("= v2.8", "V2.8"));
        assert!(!holds(">2.8", "2.8.0"));
        assert!(holds("<3", "2.99.99"));
        assert!(holds("<=3", "3.0"));
        assert!(holds(">=0", "0.0"));
    }

    #[test]
    fn all_comparisons_must_hold() {
        assert!(holds(">=2.8, <3", "2.9"));
        assert!(!holds(">=2.8,<3", "3"));
    }

    #[test]
    fn a_version_that_is_no_dotted_number_fails_and_the_reason_says_so() {
        let rule = VersionRule::parse(">=0").unwrap();
        for version in [
            "",
            "v",
            "2.8-beta",
            "2..8",
            "2.8.",
            "vv2",
            "２",
            "99999999999999999999",
            "+2",
            "-1",
        ] {
            let reason = rule.check(Some(version)).unwrap_err();
            assert_eq!(
                reason,
                format!("the version {version:?} is not made of dotted numbers")
            );
        }
        assert_eq!(rule.check(None).unwrap_err(), "the app sent no version");
    }

    #[test]
    fn a_rule_that_is_none_is_refused() {
        for rule in ["", ">=", "2.8", ">=2.8,", "~2.8", ">=2.x", "=>2", "> = 2"] {
            assert!(VersionRule::parse(rule).is_err(), "{rule:?}");
        }
    }

    #[test]
    fn a_rule_prints_as_it_is_read() {
        assert_eq!(
            VersionRule::parse(">= 2.8.0 ,<3").unwrap().to_string(),
            ">=2.8, <3"
        );
    }
}
