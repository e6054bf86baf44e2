use std::path::Path;

use kefu_core::config::{NoLookup, check_main};
use proptest::prelude::*;

use super::*;

/// Each shape of a desk with two routes, `@0` and `@1` where their weights
/// stand. Everything else must come out as it went in.
const SHAPES: &[&str] = &[
    // As the sample has it, with comments everywhere.
    "# head\n[desks.support] # the desk\napp = \"demo\"\n\n# first\n[[desks.support.routes]]\nprovider = \"a\" # who\n  weight   =   @0   # ten percent, 十\nwhen = { platform = [\"ios\"] }\n[[desks.support.routes]]\nweight = @1\nprovider = \"b\"\n# tail",
    // Inline tables in an array, over several lines, with a comma at the end.
    "[desks.support]\napp = \"demo\"\nroutes = [\n  { provider = \"a\", weight = @0 }, # one\n  # between\n  {weight=@1,provider='b'},\n]\n",
    // Dotted keys at the top, on one line.
    "desks.support.app = \"demo\"\ndesks.support.routes = [{provider=\"a\",weight=@0},{provider=\"b\",weight=@1}]\n",
    // Dotted keys within the parent's table.
    "[desks]\nsupport.app = \"demo\"\nsupport.routes = [{ provider = \"a\", weight = @0 }, { provider = \"b\", weight = @1 }]\n",
    // Everything in braces.
    "[desks]\nsupport = { app = \"demo\", routes = [{ provider = \"a\", weight = @0 }, { weight = @1, provider = \"b\" }] }\n",
    // Quoted keys, tabs, and no line end at the end.
    "[desks.\"support\"]\napp = \"demo\"\n[[ desks . 'support' . \"routes\" ]]\n\t\"provider\" = 'a'\n\t\"weight\"\t=\t@0\n[[desks.support.routes]]\nprovider = \"b\"\n'weight' = @1",
    // Line ends of another system, and other desks with the same names inside.
    "[desks.other]\r\napp = \"demo\"\r\n[[desks.other.routes]]\r\nprovider = \"a\"\r\nweight = 33\r\n\r\n[desks.support]\r\napp = \"demo\"\r\n[[desks.support.routes]]\r\nprovider = \"a\"\r\nweight = @0 # c\r\n[[desks.support.routes]]\r\nprovider = \"b\"\r\nweight = @1\r\n",
    // Tables out of order, keys in a table of their own behind the weight.
    "[[desks.support.routes]]\nprovider = \"a\"\nweight = @0\n[desks.support.routes.when]\nplatform = \"ios\"\n[[desks.support.routes]]\nprovider = \"b\"\nweight = @1\n[desks.support]\napp = \"demo\"\n",
];

/// Numbers as people write them.
const WRITTEN: &[&str] = &["10", "0", "+7", "12.5", "10.0", "1_0", "1e1", "0x1F", "100"];

#[test]
fn only_the_value_changes_in_every_shape() {
    for shape in SHAPES {
        for written in WRITTEN {
            let before = filled(shape, written, "90.25");
            let after = set_weights(&before, &desk(), &[new(0, 2_050)]).unwrap();
            assert_eq!(after, filled(shape, "20.5", "90.25"));
            let both = [new(1, 0), new(0, 100)];
            let after = set_weights(&before, &desk(), &both).unwrap();
            assert_eq!(after, filled(shape, "1", "0"));
        }
    }
}

#[test]
fn a_weight_that_is_there_already_leaves_the_text_alone() {
    for (written, hundredths) in [("10.0", 1_000), ("1e1", 1_000), ("12.50", 1_250), ("0", 0)] {
        let text = filled(SHAPES[0], written, "5");
        let after = set_weights(&text, &desk(), &[new(0, hundredths)]).unwrap();
        assert_eq!(after, text);
        assert_eq!(set_weights(&text, &desk(), &[]).unwrap(), text);
    }
}

#[test]
fn a_route_without_a_weight_gets_one_behind_its_provider() {
    for (before, after) in [
        (
            "[[desks.support.routes]]\n  provider = \"a\" # who\n  group = \"g\"\n",
            "[[desks.support.routes]]\n  provider = \"a\" # who\n  weight = 20\n  group = \"g\"\n",
        ),
        (
            "[[desks.support.routes]]\r\nprovider = \"a\"\r\n",
            "[[desks.support.routes]]\r\nprovider = \"a\"\r\nweight = 20\r\n",
        ),
        (
            "[[desks.support.routes]]\nprovider = \"a\"",
            "[[desks.support.routes]]\nprovider = \"a\"\nweight = 20",
        ),
        (
            "[desks.support]\nroutes = [{ provider = \"a\", group = \"g\" }, {provider=\"b\"}]\n",
            "[desks.support]\nroutes = [{ provider = \"a\", weight = 20, group = \"g\" }, {provider=\"b\"}]\n",
        ),
        (
            "desks.support.routes = [{ provider = \"a\" }]",
            "desks.support.routes = [{ provider = \"a\", weight = 20 }]",
        ),
    ] {
        let changed = set_weights(before, &desk(), &[new(0, 2_000)]).unwrap();
        assert_eq!(changed, after);
    }
}

#[test]
fn what_comes_out_passes_the_check_and_says_the_new_weights() {
    let head = "[admin]\ntoken = \"a-token-for-the-test\"\n[apps.demo]\nsecret = \"a-secret\"\n";
    for shape in SHAPES.iter().filter(|shape| shape.starts_with("[desks")) {
        let before = format!("{head}{}", filled(shape, "10", "90"));
        let after = set_weights(&before, &desk(), &[new(0, 2_000), new(1, 8_000)]).unwrap();
        let checked = check_main("kefu.toml", &after, &NoLookup).unwrap();
        let routes = &checked.settings.desks[&desk()].routes;
        let weights: Vec<_> = routes.iter().map(|route| route.weight).collect();
        let percent = |it| Some(Weight::percent(it));
        assert_eq!(weights, [percent(20), percent(80)], "{after}");
    }
}

#[test]
fn the_sample_keeps_every_comment() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/kefu.toml");
    let sample = std::fs::read_to_string(path).unwrap();
    let after = set_weights(&sample, &desk(), &[new(0, 1_234)]).unwrap();
    assert_eq!(
        after,
        sample.replacen("weight = 10\n", "weight = 12.34\n", 1)
    );
}

#[test]
fn routes_are_read_as_they_are_written() {
    let text = filled(SHAPES[1], "10", "12.5");
    let routes = routes(&text, &desk()).unwrap();
    let seen: Vec<_> = routes
        .iter()
        .map(|route| (route.provider.as_str(), route.weight))
        .collect();
    assert_eq!(seen, [("a", Some(10.0)), ("b", Some(12.5))]);
}

#[test]
fn what_has_no_place_is_named() {
    for (text, part) in [
        ("= broken", "TOML"),
        ("[desks.other]\napp = \"demo\"", "no desk `support`"),
        ("desks = 5", "no desk `support`"),
        ("[desks.support]\napp = \"demo\"", "no route 0"),
        ("[[desks.support.routes]]\ngroup = \"g\"", "route 0"),
        ("[desks.support]\nroutes = [\"a\"]", "route 0"),
        ("[desks.support]\nroutes = 7", "no route 0"),
    ] {
        let error = set_weights(text, &desk(), &[new(0, 100)]).unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let text = filled(SHAPES[0], "1", "2");
    let error = set_weights(&text, &desk(), &[new(2, 100)]).unwrap_err();
    assert!(error.to_string().contains("only 2"), "{error}");
}

proptest! {
    #[test]
    fn everything_but_the_values_is_byte_identical(
        shape in 0..SHAPES.len(),
        written in 0..WRITTEN.len(),
        first in 0_u32..=10_000,
        second in 0_u32..=10_000,
        noise in "[ \\t]{0,3}#[^\\r\\n\\x00-\\x08\\x0b-\\x1f\\x7f]{0,20}\\n",
    ) {
        // A comment line that nobody expects, at the very beginning.
        let shape = SHAPES[shape];
        let before = format!("{noise}{}", filled(shape, WRITTEN[written], "42"));
        let after = set_weights(&before, &desk(), &[new(0, first), new(1, second)]).unwrap();
        let shown = |hundredths, there: &str, percent: f64| {
            let weight = Weight::hundredths(hundredths);
            if is(percent, weight) { there.to_owned() } else { weight.to_string() }
        };
        let said = routes(&before, &desk()).unwrap()[0].weight.unwrap();
        let expected = filled(
            shape,
            &shown(first, WRITTEN[written], said),
            &shown(second, "42", 42.0),
        );
        prop_assert_eq!(after, format!("{noise}{expected}"));
    }
}

fn filled(shape: &str, first: &str, second: &str) -> String {
    shape.replace("@0", first).replace("@1", second)
}

fn desk() -> DeskId {
    DeskId::new("support")
}

fn new(route: usize, hundredths: u32) -> NewWeight {
    NewWeight {
        route,
        weight: Weight::hundredths(hundredths),
    }
}
