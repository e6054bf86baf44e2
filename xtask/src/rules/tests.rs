use super::*;
use serde_json::{Value, json};

/// A workspace member `ours` that depends on these.
fn graph(packages: &[Value], edges: &Value) -> Graph {
    let mut packages = packages.to_vec();
    packages.push(
        json!({ "id": "ours", "name": "ours", "version": "1.0.0", "license": "MIT", "source": null,
        "manifest_path": "/w/ours/Cargo.toml", "targets": [], "dependencies": [] }),
    );
    let node = |package: &Value| {
        let id = package["id"].as_str().unwrap_or_default();
        let deps = edges[id].as_array().into_iter().flatten();
        let deps: Vec<Value> = deps
            .map(|edge| json!({ "pkg": edge[0], "dep_kinds": [{ "kind": edge[1] }] }))
            .collect();
        json!({ "id": id, "deps": deps })
    };
    let nodes: Vec<Value> = packages.iter().map(node).collect();
    let metadata =
        json!({ "workspace_root": "/w", "packages": packages, "resolve": { "nodes": nodes } });
    Graph::from_metadata(&metadata).expect("the test's metadata has the right shape")
}

fn package(name: &str, version: &str) -> Value {
    json!({ "id": format!("{name}@{version}"), "name": name, "version": version, "license": "MIT",
        "source": "registry+default", "manifest_path": "/r/Cargo.toml", "targets": [], "dependencies": [] })
}

fn with(mut package: Value, key: &str, value: Value) -> Value {
    package[key] = value;
    package
}

fn check(policy: &str, packages: &[Value], edges: &Value) -> Vec<String> {
    let policy = format!("licenses.allow = [\"MIT\"]\n{policy}");
    let policy = Policy::parse(&policy).expect("the test's policy has the right shape");
    violations(&policy, &graph(packages, edges))
}

#[test]
fn an_unlisted_licence_needs_an_exception_for_its_crate() {
    let packages = [with(package("arena", "1.0.0"), "license", json!("MPL-2.0"))];
    assert_eq!(check("", &packages, &json!({})).len(), 1);
    let exception =
        "[[licenses.exceptions]]\ncrate = \"arena\"\nallow = [\"MPL-2.0\"]\nreason = \"unchanged\"";
    assert!(check(exception, &packages, &json!({})).is_empty());
    assert_eq!(
        check(exception, &[], &json!({})).len(),
        1,
        "an exception that nothing needs"
    );
}

#[test]
fn a_package_without_a_licence_expression_is_refused() {
    let packages = [with(package("mystery", "1.0.0"), "license", Value::Null)];
    assert_eq!(
        check("", &packages, &json!({})),
        ["mystery 1.0.0 names no licence expression"]
    );
}

#[test]
fn a_banned_crate_is_refused_below_all_but_its_wrappers() {
    let ban = "[[bans.deny]]\ncrate = \"axum\"\nwrappers = [\"simulators\"]\nreason = \"the edge is ours\"";
    let packages = [package("axum", "0.8.0"), package("simulators", "1.0.0")];
    let allowed = json!({ "simulators@1.0.0": [["axum@0.8.0", null]] });
    assert!(check(ban, &packages, &allowed).is_empty());
    let direct = json!({ "ours": [["axum@0.8.0", "dev"]] });
    let wrong = check(ban, &packages, &direct);
    assert!(
        wrong.len() == 1
            && wrong[0].contains("the edge is ours")
            && wrong[0].contains("ours 1.0.0"),
        "{wrong:?}"
    );
}

#[test]
fn a_second_version_needs_an_exception_that_is_still_true() {
    let packages = [package("syn", "1.0.109"), package("syn", "2.0.1")];
    assert_eq!(
        check("", &packages, &json!({})),
        ["syn comes in several versions: 1.0.109, 2.0.1"]
    );
    let skip = "[[bans.skip]]\ncrate = \"syn@1\"\nreason = \"abi_stable\"";
    assert!(check(skip, &packages, &json!({})).is_empty());
    assert_eq!(
        check(skip, &packages[1..], &json!({})).len(),
        1,
        "an exception that nothing needs"
    );
    let other = "[[bans.skip]]\ncrate = \"syn@1.0.1\"\nreason = \"not a part of 1.0.109\"";
    assert_eq!(check(other, &packages, &json!({})).len(), 2);
}

#[test]
fn only_the_workspace_and_the_default_registry_are_sources() {
    let git = with(package("forked", "1.0.0"), "source", json!("git+somewhere"));
    let outside = with(package("outside", "1.0.0"), "source", Value::Null);
    let elsewhere = with(
        package("member", "1.0.0"),
        "dependencies",
        json!([{ "name": "x", "registry": "other" }]),
    );
    for package in [git, outside, elsewhere] {
        assert_eq!(
            check("", std::slice::from_ref(&package), &json!({})).len(),
            1,
            "{package}"
        );
    }
}

#[test]
fn a_network_client_below_a_build_script_or_a_macro_is_refused() {
    let rule = "[[build.deny]]\ncrate = \"ureq\"\nreason = \"can download\"";
    let derive = with(
        package("derive", "1.0.0"),
        "targets",
        json!([{ "kind": ["proc-macro"] }]),
    );
    let packages = [package("ureq", "3.0.0"), package("helper", "1.0.0"), derive];
    let script =
        json!({ "ours": [["helper@1.0.0", "build"]], "helper@1.0.0": [["ureq@3.0.0", null]] });
    let macros =
        json!({ "ours": [["derive@1.0.0", null]], "derive@1.0.0": [["ureq@3.0.0", null]] });
    let run_time = json!({ "ours": [["ureq@3.0.0", null]] });
    assert_eq!(check(rule, &packages, &script).len(), 1);
    assert_eq!(check(rule, &packages, &macros).len(), 1);
    assert!(check(rule, &packages, &run_time).is_empty());
}
