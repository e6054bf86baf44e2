//! The report as JUnit XML, for build servers.
//!
//! Owns the mapping: one suite for each isolation, one case for each test.
//! Invariant: nothing is skipped; a test that did not run is a failure.

use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Isolation, Report, Test};

/// Writes the report as JUnit XML.
///
/// # Errors
/// It has no form in XML; that does not occur.
pub fn to_junit(report: &Report) -> Result<String, SerializeError> {
    let mut junit = quick_junit::Report::new(format!("conformance of {}", report.file));
    for isolation in [Isolation::InProcess, Isolation::Process] {
        let tests: Vec<_> = report
            .tests
            .iter()
            .filter(|test| test.isolation == isolation)
            .collect();
        if tests.is_empty() {
            continue;
        }
        let mut suite = TestSuite::new(isolation.as_str());
        suite.add_property(("seed", report.seed.to_string().as_str()));
        suite.add_property(("inputs", report.inputs.to_string().as_str()));
        suite.add_property(("sha256", report.sha256.as_str()));
        suite.add_test_cases(tests.into_iter().map(case));
        junit.add_test_suite(suite);
    }
    junit.to_string()
}

fn case(test: &Test) -> TestCase {
    let status = if test.passed {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let first = test.failures.first();
        status.set_message(first.map_or("", |failure| failure.reason.as_str()));
        status.set_description(serde_json::to_string_pretty(&test.failures).unwrap_or_default());
        status
    };
    let mut case = TestCase::new(test.name, status);
    case.set_classname(format!("conformance.{}", test.isolation.as_str()));
    case.set_time(Duration::from_millis(test.took_ms));
    if !test.notes.is_empty() {
        case.set_system_out(test.notes.join("\n"));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Failure;

    #[test]
    fn a_failure_carries_its_reason_and_its_suite_counts_it() {
        let test = |name, failures: Vec<Failure>| Test {
            name,
            title: "",
            isolation: Isolation::Process,
            passed: failures.is_empty(),
            took_ms: 5,
            calls: 1,
            notes: Vec::new(),
            failures,
        };
        let failure = Failure {
            reason: "a <bad> \u{0} thing".into(),
            input: None,
        };
        let report = Report {
            kit: 1,
            file: "x.so".into(),
            sha256: String::new(),
            adapter: None,
            settings: "given",
            seed: 7,
            inputs: 9,
            passed: false,
            tests: vec![test("good", vec![]), test("bad", vec![failure])],
        };
        let xml = to_junit(&report).expect("written");
        assert!(
            xml.contains(r#"<testsuite name="process" tests="2""#),
            "{xml}"
        );
        assert!(xml.contains(r#"failures="1""#), "{xml}");
        assert!(xml.contains("a &lt;bad&gt;"), "{xml}");
        assert!(!xml.contains("<skipped"), "{xml}");
    }
}
