//! Root modules made up in place, for what no honest build can show.

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    std_types::{RResult, RVec},
};
use kefu_plugin_api::{abi::AdapterModule, capability::Level, message::ContentKind, wire::encode};

use super::*;

extern "C" fn rustc() -> RVec<u8> {
    RVec::from(b"rustc 9.9".to_vec())
}
extern "C" fn nothing(_: RSlice<'_, u8>) -> Answer {
    RResult::ROk(RVec::new())
}
extern "C" fn nothing_of(_: u64, _: RSlice<'_, u8>) -> Answer {
    RResult::ROk(RVec::new())
}
extern "C" fn self_test(_: u64) -> Answer {
    RResult::ROk(RVec::new())
}
extern "C" fn close(_: u64) {}

fn module(describe: extern "C" fn() -> Answer) -> AdapterModule {
    AdapterModule {
        contract_major: CONTRACT.major,
        contract_minor: CONTRACT.minor,
        panics_unwind: true,
        rustc,
        describe,
        open: nothing,
        close,
        receive: nothing_of,
        handle: nothing_of,
        self_test,
        check_state: nothing,
    }
}

fn answer(descriptor: &Descriptor) -> Answer {
    RResult::ROk(encode(descriptor).expect("written").into())
}

fn text_only() -> Descriptor {
    Descriptor::new("fake", "1.2.3").supports(ContentKind::Text, Level::Full)
}

extern "C" fn honest() -> Answer {
    answer(&text_only())
}
extern "C" fn needs_newer() -> Answer {
    answer(&Descriptor {
        contract_minor: CONTRACT.minor + 3,
        ..text_only()
    })
}
extern "C" fn nameless() -> Answer {
    answer(&Descriptor {
        id: String::new(),
        ..text_only()
    })
}
extern "C" fn empty_handed() -> Answer {
    answer(&Descriptor::new("fake", "1.2.3"))
}
extern "C" fn garbled() -> Answer {
    RResult::ROk(RVec::from(b"\xc1 no descriptor".to_vec()))
}
extern "C" fn panicked() -> Answer {
    let error = AdapterError::internal("described itself badly");
    RResult::RErr(encode(&error).expect("written").into())
}

fn described(describe: extern "C" fn() -> Answer) -> Result<Descriptor, String> {
    super::describe(module(describe).leak_into_prefix()).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_newer_minor_is_welcome_while_it_needs_nothing_newer() {
    let root = AdapterModule {
        contract_minor: CONTRACT.minor + 7,
        ..module(honest)
    }
    .leak_into_prefix();
    let contract = check_contract(root).expect("the lower minor is spoken");
    assert_eq!(contract.minor, CONTRACT.minor + 7);
    assert_eq!(described(honest).expect("readable").id, "fake");
}

#[test]
fn what_needs_a_newer_minor_is_refused_with_both_versions() {
    assert_eq!(
        described(needs_newer).expect_err("needs 1.3"),
        "expected contract 1.0 or older to be enough, found that it needs 1.3; update the gateway"
    );
}

#[test]
fn another_major_says_which_side_to_update() {
    for (major, advice) in [
        (2, "update the gateway"),
        (0, "build the plug-in again with a newer kefu-plugin-api"),
    ] {
        let root = AdapterModule {
            contract_major: major,
            ..module(honest)
        }
        .leak_into_prefix();
        let refusal = check_contract(root).expect_err("another major").to_string();
        assert_eq!(
            refusal,
            format!("expected contract 1.x, found {major}.0; {advice}")
        );
    }
}

#[test]
fn a_module_that_aborts_is_refused_before_it_is_asked_anything() {
    extern "C" fn never() -> Answer {
        unreachable!("a module that aborts is not called")
    }
    let root = AdapterModule {
        panics_unwind: false,
        ..module(never)
    }
    .leak_into_prefix();
    assert_eq!(check_contract(root), Err(Refusal::Aborts));
}

#[test]
fn a_bad_descriptor_is_refused_with_what_is_bad_about_it() {
    for (describe, expected) in [
        (
            nameless as extern "C" fn() -> Answer,
            "without id or version",
        ),
        (empty_handed, "carry no kind of content"),
        (garbled, "boundary cannot be read"),
        (panicked, "described itself badly"),
    ] {
        let refusal = described(describe).expect_err(expected);
        assert!(refusal.contains(expected), "{refusal}");
    }
}
