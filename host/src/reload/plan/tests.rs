use kefu_core::config::{NoLookup, assemble, check_main, check_provider};

use super::*;

#[test]
fn equal_configurations_and_files_plan_nothing() {
    let config = config("", &["a"]);
    let plan = planned(&config, &config, &serving(&["a"]));
    assert_eq!(plan.actions, actions(&[("a", Action::Keep)]));
    assert!(plan.changes.is_empty() && plan.needs_restart.is_empty());
}

#[test]
fn a_new_file_brings_a_provider_up_and_a_removed_one_retires_it() {
    let plan = planned(
        &config("", &["a", "b"]),
        &config("", &["b", "c"]),
        &serving(&["a", "b"]),
    );
    let expected = [
        ("a", Action::Retire),
        ("b", Action::Keep),
        ("c", Action::BringUp),
    ];
    assert_eq!(plan.actions, actions(&expected));
    assert_eq!(plan.changes, ["providers.a removed", "providers.c added"]);
}

#[test]
fn only_what_a_generation_is_made_of_needs_a_new_one() {
    for (line, expected) in [
        ("settings = { key = \"x\" }", Action::Replace),
        ("isolation = \"process\"", Action::Replace),
        ("limits = { memory = \"64MiB\" }", Action::Replace),
        ("plugin = \"other.so\"", Action::Replace),
        ("hosts = [\"a.example.com\"]", Action::Reconfigure),
        ("limits = { concurrency = 3 }", Action::Reconfigure),
        ("max_idle = \"1h\"", Action::Reconfigure),
        ("drain = \"1h\"", Action::Reconfigure),
        ("max_copies = 3", Action::Reconfigure),
        ("on_unknown = \"retry\"", Action::Reconfigure),
        (SHA256, Action::Reconfigure),
    ] {
        let old = config("", &["a"]);
        let new = with(&old, line);
        let plan = planned(&old, &new, &serving(&["a"]));
        assert_eq!(plan.actions, actions(&[("a", expected)]), "{line}");
        assert_eq!(plan.changes.len(), 1, "{line}: {:?}", plan.changes);
    }
}

#[test]
fn a_changed_list_of_trusted_files_counts_where_only_listed_files_are_trusted() {
    let old = config("[plugins]\ntrust = \"listed\"", &["a"]);
    let plan = planned(&old, &with(&old, SHA256), &serving(&["a"]));
    assert_eq!(plan.actions, actions(&[("a", Action::Replace)]));
}

#[test]
fn whoever_is_trusted_by_other_rules_is_judged_again() {
    let (old, new) = (
        config("", &["a", "b"]),
        config("[plugins]\ntrust = \"listed\"", &["a", "b"]),
    );
    let plan = planned(&old, &new, &serving(&["a"]));
    let expected = [("a", Action::Replace), ("b", Action::BringUp)];
    assert_eq!(plan.actions, actions(&expected));
    assert_eq!(plan.changes, ["plugins.trust"]);
}

#[test]
fn a_new_plug_in_file_replaces_what_serves_and_brings_up_what_does_not() {
    let config = config("", &["a", "b", "c"]);
    let new_file = |serves| Known {
        serves,
        new_file: true,
        ..Known::default()
    };
    let mut known = serving(&["c"]);
    known.insert("a".into(), new_file(true));
    known.insert("b".into(), new_file(false));
    let plan = planned(&config, &config, &known);
    let expected = [
        ("a", Action::Replace),
        ("b", Action::BringUp),
        ("c", Action::Keep),
    ];
    assert_eq!(plan.actions, actions(&expected));
    assert_eq!(
        plan.changes,
        [
            "providers.a: new plug-in file",
            "providers.b: new plug-in file"
        ]
    );
}

#[test]
fn a_provider_that_does_not_serve_is_tried_again_when_any_of_its_settings_changes() {
    let old = config("", &["a"]);
    let plan = planned(&old, &with(&old, "max_idle = \"1h\""), &BTreeMap::new());
    assert_eq!(plan.actions, actions(&[("a", Action::BringUp)]));
}

#[test]
fn settings_that_failed_are_tried_again_with_any_other_change() {
    let old = config("", &["a"]);
    let known = Known {
        serves: true,
        failed: true,
        ..Known::default()
    };
    let known = BTreeMap::from([("a".into(), known)]);
    let plan = planned(&old, &with(&old, "max_idle = \"1h\""), &known);
    assert_eq!(plan.actions, actions(&[("a", Action::Replace)]));
    let plan = planned(&old, &old, &known);
    assert_eq!(plan.actions, actions(&[("a", Action::Keep)]));
}

#[test]
fn what_needs_a_restart_is_named_and_stays_as_it_runs() {
    let old = config("", &[]);
    let new = config(
        "[server]\nlisten = \"127.0.0.1:1\"\nlimits = { max_body = \"2MiB\", max_header = \"64KiB\" }\n\
         [store]\nsession_cache = 5\n[limits]\nengine_threads = 3\ncall_timeout = \"2s\"\n\
         [log]\nlevel = \"debug\"\nformat = \"json\"\n[media]\nurl_ttl = \"1h\"\ndir = \"elsewhere\"",
        &[],
    );
    let plan = planned(&old, &new, &BTreeMap::new());
    let expected = [
        "server.listen",
        "store.session_cache",
        "media.dir",
        "limits.engine_threads",
        "log.format",
    ];
    assert_eq!(plan.needs_restart, expected);
    let live = [
        "limits.call_timeout",
        "log.level",
        "media.url_ttl",
        "server.limits.max_body",
        "server.limits.max_header",
    ];
    assert_eq!(plan.changes, live);
    let mut lived_by = old.main.clone();
    lived_by.server.limits = new.main.server.limits.clone();
    lived_by.limits.call_timeout = new.main.limits.call_timeout;
    lived_by.log.level = new.main.log.level;
    lived_by.media.url_ttl = new.main.media.url_ttl;
    assert_eq!(plan.main, lived_by);
}

#[test]
fn what_needs_a_restart_is_named_until_it_has_come_or_is_taken_back() {
    let (old, new) = (
        config("", &[]),
        config("[server]\nlisten = \"127.0.0.1:1\"", &[]),
    );
    let still = plan(&old.main, &new, &new, &BTreeMap::new());
    assert_eq!(still.needs_restart, ["server.listen"]);
    let taken_back = plan(&old.main, &new, &old, &BTreeMap::new());
    assert!(taken_back.needs_restart.is_empty());
}

#[test]
fn apps_and_desks_change_live_key_by_key() {
    let old = config("[apps.shop]\nsecret = \"12345678\"", &[]);
    let new = config(
        "[apps.shop]\nsecret = \"87654321\"\n[desks.help]\napp = \"shop\"\nroutes = [{ provider = \"a\" }]",
        &[],
    );
    let plan = planned(&old, &new, &BTreeMap::new());
    assert_eq!(plan.changes, ["apps.shop.secrets", "desks.help added"]);
    assert_eq!(plan.main, new.main);
}

const SHA256: &str =
    "sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

fn planned(old: &Config, new: &Config, known: &BTreeMap<ProviderId, Known>) -> Plan {
    plan(&old.main, old, new, known)
}

fn config(main: &str, providers: &[&str]) -> Config {
    let text = format!("[admin]\ntoken = \"a-token-of-these-tests\"\n{main}");
    let main = check_main("kefu.toml", &text, &NoLookup).unwrap();
    let providers = providers.iter().map(|id| provider(id, "")).collect();
    assemble(main, providers).0
}

/// The same with another line in the file of `a`.
fn with(config: &Config, line: &str) -> Config {
    let mut config = config.clone();
    config
        .providers
        .insert("a".into(), provider("a", line).settings);
    config
}

fn provider(id: &str, line: &str) -> kefu_core::config::CheckedFile<kefu_core::config::Provider> {
    let plugin = if line.starts_with("plugin") {
        String::new()
    } else {
        format!("plugin = \"{id}.so\"")
    };
    check_provider(
        "a.toml",
        &format!("id = \"{id}\"\n{plugin}\n{line}"),
        &NoLookup,
    )
    .unwrap()
}

fn serving(ids: &[&str]) -> BTreeMap<ProviderId, Known> {
    let known = Known {
        serves: true,
        ..Known::default()
    };
    ids.iter().map(|id| ((*id).into(), known)).collect()
}

fn actions(expected: &[(&str, Action)]) -> BTreeMap<ProviderId, Action> {
    expected
        .iter()
        .map(|(id, action)| ((*id).into(), *action))
        .collect()
}
