//! The first adapter of the README is the one that is built and tested.

#[test]
fn the_readme_shows_the_minimal_adapter_as_it_is() {
    let readme = include_str!("../README.md");
    let shown = readme.split("```rust\n").nth(1).expect("a block of Rust");
    let shown = shown.split("```").next().expect("its end");
    let source = include_str!("../../plugins/minimal/src/lib.rs");
    // Only inside the workspace can the export be switched off.
    let source = source.replace("#[cfg(feature = \"export\")]\n", "");
    assert!(
        shown == source,
        "copy plugins/minimal/src/lib.rs into the README, without its last `cfg`"
    );
}
