//! What visitors lose and gain between vendors, by what the adapters themselves
//! declare.

use kefu_core::difference::{Difference, Effect, Side, differences};
use kefu_gateway::plugin::Loader;
use kefu_plugin_api::descriptor::Descriptor;
use kefu_test_support::plugins;

/// What an adapter says of itself.
fn described(name: &str) -> Descriptor {
    let built = plugins::built().expect("everything is built");
    let copies = tempfile::tempdir().expect("a folder can be made");
    let loader = Loader::new(copies.path().join("copies"));
    let file = built.plugins.join(format!("libkefu_{name}.so"));
    let module = loader.load(&file).expect("a good plug-in is loaded");
    Descriptor::clone(module.about().descriptor())
}

fn between(from: &str, to: &str) -> Vec<Difference> {
    let side = |descriptor| Side {
        descriptor,
        emoji_converted: false,
        told: &[],
    };
    differences(side(&described(from)), side(&described(to)))
}

/// What a change means, and from what to what.
fn of<'a>(all: &'a [Difference], ability: &str) -> (Effect, &'a str, &'a str) {
    let found = all.iter().find(|it| it.ability == ability);
    let found = found.unwrap_or_else(|| panic!("{ability} is not in {all:#?}"));
    (found.effect, &found.from.value.en, &found.to.value.en)
}

const STAYS: &str = "the session stays, and the agent may still write";
const ENDS: &str = "the session ends at once";
const INVITED: &str = "when the agent invites";
const AT_EXIT: &str = "when the visitor leaves, when the agent invites";

#[test]
fn zhichi_to_jiaxin_is_told_as_the_platforms_differ() {
    let all = between("zhichi", "jiaxin");
    assert_eq!(
        of(&all, "/human/location"),
        (Effect::Depends, "as text", "not carried"),
        "the vendor says per session whether it wants to know"
    );
    assert_eq!(
        of(&all, "/evaluation/by"),
        (Effect::Loses, AT_EXIT, INVITED)
    );
    assert_eq!(of(&all, "/exit"), (Effect::Changes, ENDS, STAYS));
    assert_eq!(of(&all, "/evaluation/robot").0, Effect::Loses);
    assert_eq!(
        of(&all, "/emoji"),
        (Effect::Loses, "as Unicode", "shown as text")
    );
    assert_eq!(
        of(&all, "/leave_message"),
        (Effect::Gains, "no", "on the vendor's page")
    );
}

#[test]
fn jiaxin_to_zhichi_is_told_as_the_way_back() {
    let all = between("jiaxin", "zhichi");
    assert_eq!(of(&all, "/human/location").0, Effect::Depends);
    assert_eq!(
        of(&all, "/evaluation/by"),
        (Effect::Gains, INVITED, AT_EXIT)
    );
    assert_eq!(of(&all, "/exit"), (Effect::Changes, STAYS, ENDS));
    assert_eq!(of(&all, "/leave_message").0, Effect::Loses);
}

#[test]
fn no_vendor_differs_from_itself() {
    for name in [
        "zhichi", "jiaxin", "xiaoneng", "aikefu", "qiyu", "sdp", "minimal",
    ] {
        assert_eq!(between(name, name), [], "{name}");
    }
}
