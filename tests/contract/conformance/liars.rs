//! Adapters that break a promise fail in the test of that promise, and are
//! told why.

use kefu_test_support::plugins::{CHAOS, CHAOS_ABORT, CHAOS_NEWER_MAJOR, CHAOS_OTHER_LAYOUT};

use super::kit::{Kit, Report};

/// The kit on the liar, one test of it, in one isolation.
fn caught(lie: &str, test: &str, isolation: &str) -> Report {
    let mut kit = Kit::of(CHAOS);
    kit.settings(&format!("key = \"{}\"\nlie = \"{lie}\"", super::KEY));
    kit.option("--isolation", isolation);
    kit.option("--only", test);
    kit.option("--inputs", "6000");
    kit.option("--seed", "3");
    kit.run()
}

#[test]
fn every_lie_is_found_by_the_test_of_its_promise() {
    for (lie, test, told) in [
        ("deaf", "descriptor", "declares text as full"),
        ("alone", "descriptor", "a human can be asked for"),
        ("clings", "descriptor", "leaving ends a session"),
        ("wanders", "needs", "elsewhere.invalid"),
        ("borrows", "needs", "token `borrowed`"),
        ("pries", "needs", "setting `password`"),
        ("gullible", "callbacks", "is let in"),
        ("moody", "determinism", "answers otherwise when asked again"),
        ("forgetful", "states", "its own state"),
        ("pushy", "effects", "no way from human to robot"),
        ("hoards", "limits", "bytes of state"),
        ("slow", "limits", "500ms of a processor"),
        ("tells", "settings", "repeats what setting `key` holds"),
        ("brittle", "mutations", "panicked"),
    ] {
        let report = caught(lie, test, "in-process");
        let reasons = report.reasons(test);
        assert!(!report.passed(), "{lie} passes {test}");
        assert!(reasons.contains(told), "{lie} in {test}: {reasons}");
    }
}

#[test]
fn every_lie_is_found_in_a_child_process_too() {
    for (lie, test, told) in [
        ("moody", "determinism", "answers otherwise"),
        ("hoards", "limits", "bytes of state"),
        ("tells", "settings", "repeats what setting `key` holds"),
        ("brittle", "mutations", "panicked"),
    ] {
        let report = caught(lie, test, "process");
        let reasons = report.reasons(test);
        assert!(!report.passed(), "{lie} passes {test}");
        assert!(reasons.contains(told), "{lie} in {test}: {reasons}");
    }
}

#[test]
fn an_input_that_ends_the_process_is_found_with_the_input() {
    for (isolation, told) in [("in-process", "SIGABRT"), ("process", "ended its process")] {
        let report = caught("fragile", "mutations", isolation);
        assert!(!report.passed());
        let reasons = report.reasons("mutations");
        assert!(reasons.contains(told), "{isolation}: {reasons}");
        let input = &report.tests()[0]["failures"][0]["input"];
        assert_eq!(input["function"], "handle", "{input}");
        assert!(input["index"].is_u64(), "{input}");
        assert_eq!(input["value"]["event"]["type"], "from_visitor", "{input}");
    }
}

#[test]
fn a_call_that_does_not_return_is_found_with_its_input() {
    let report = caught("stuck", "mutations", "in-process");
    assert!(!report.passed());
    let reasons = report.reasons("mutations");
    assert!(reasons.contains("did not return within"), "{reasons}");
    let input = &report.tests()[0]["failures"][0]["input"];
    assert_eq!(input["value"]["event"]["type"], "from_visitor", "{input}");
}

#[test]
fn what_cannot_be_loaded_fails_every_test_and_says_why() {
    for (file, told) in [
        (CHAOS_NEWER_MAJOR, "contract 1.x"),
        (CHAOS_OTHER_LAYOUT, "layout"),
        (CHAOS_ABORT, "panics that unwind"),
    ] {
        let mut kit = Kit::of(file);
        kit.option("--isolation", "both");
        let report = kit.run();
        assert!(!report.passed(), "{file}");
        let tests = report.tests();
        assert_eq!(tests.len(), 2 * super::TESTS.len(), "{file}");
        for test in tests {
            let reason = test["failures"][0]["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(told), "{file}: {reason}");
        }
    }
}

#[test]
fn an_adapter_that_answers_unknown_events_does_not_pass_its_self_test() {
    let mut kit = Kit::of(CHAOS);
    kit.settings("on_open = \"unknown\"");
    kit.option("--isolation", "in-process");
    kit.option("--only", "self-test");
    let report = kit.run();
    assert!(!report.passed());
    let reasons = report.reasons("self-test");
    assert!(reasons.contains("unknown event"), "{reasons}");
}
