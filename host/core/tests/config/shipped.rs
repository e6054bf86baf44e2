//! The files that are shipped: they show every key and the defaults, and what
//! changes between two of them is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use kefu_core::config::{
    Config, ConfigErrors, Difference, Main, NoLookup, Provider, Weight, assemble, check_main,
    check_provider, diff,
};

use super::{Known, fixture, main_of, texts, zhichi};

#[test]
fn the_shipped_files_show_the_defaults() {
    let shipped = shipped_config();
    let minimal = check_main(
        "config/kefu.toml",
        "admin = { token = \"${KEFU_ADMIN_TOKEN}\" }",
        &Known,
    )
    .unwrap();
    let calendars = shipped.main.calendars.clone();
    let apps = shipped.main.apps.clone();
    let desks = shipped.main.desks.clone();
    assert_eq!(
        shipped.main,
        Main {
            calendars,
            apps,
            desks,
            ..minimal.settings
        }
    );
    for (id, provider) in &shipped.providers {
        let text = format!("id = \"{id}\"\nplugin = \"{}\"\n", provider.plugin);
        let defaults = check_provider("config/providers/x.toml", &text, &NoLookup)
            .unwrap()
            .settings;
        let hosts = provider.hosts.clone();
        let settings = provider.settings.clone();
        assert_eq!(
            *provider,
            Provider {
                hosts,
                settings,
                ..defaults
            }
        );
    }
}

#[test]
fn the_shipped_files_show_every_key() {
    let main = fs::read_to_string(shipped("kefu.toml")).unwrap();
    let headers = [
        "",
        "[server]",
        "[server.limits]",
        "[admin]",
        "[store]",
        "[plugins]",
        "[plugins.rollback]",
        "[media]",
        "[media.image]",
        "[limits]",
        "[log]",
        "[apps.demo]",
        "[apps.demo.routing]",
        "[desks.support]",
        "[[desks.support.groups]]",
        "[[desks.support.routes]]",
        "[[desks.support.routes]]\n[desks.support.routes.when]",
        "[migrations.to-jiaxin]",
        "[[migrations.to-jiaxin.stages]]",
        "[migrations.to-jiaxin.guards]",
    ];
    for header in headers {
        assert_shown(
            &main,
            &known_keys(header, |text| check_main("x", text, &Known).map(drop)),
        );
    }
    for file in ["providers/zhichi.toml", "providers/jiaxin.toml"] {
        let text = fs::read_to_string(shipped(file)).unwrap();
        for header in ["", "[health]", "[canary]", "[limits]"] {
            assert_shown(
                &text,
                &known_keys(header, |text| check_provider("x", text, &Known).map(drop)),
            );
        }
    }
}

#[test]
fn changes_are_named_one_by_one() {
    let old = shipped_config();
    assert!(diff(&old, &old).is_empty());
    let mut new = old.clone();
    new.main.limits.session_queue += 1;
    let desk = new.main.desks.values_mut().next().unwrap();
    desk.routes[0].weight = Some(Weight::percent(20));
    new.providers.retain(|id, _| id.as_str() != "jiaxin");
    let zhichi_now = new.providers.values_mut().next().unwrap();
    zhichi_now.max_copies = 1;
    zhichi_now.limits.memory = 1 << 30;
    let other = zhichi("other.toml").settings;
    new.providers.insert("other".into(), other);
    let moving = main_of(&fixture("valid/migration.toml"))
        .settings
        .migrations;
    new.main.migrations = moving;
    let changes = diff(&old, &new);
    assert_eq!(
        changes.migrations.get("to-jiaxin"),
        Some(&Difference::Added)
    );
    let mut later = new.clone();
    let moved = later.main.migrations.get_mut("to-jiaxin").unwrap();
    moved.stages.pop();
    assert_eq!(
        diff(&new, &later).migrations,
        BTreeMap::from([(
            "to-jiaxin".into(),
            Difference::Changed(BTreeSet::from(["stages"]))
        )])
    );
    assert_eq!(changes.keys, BTreeSet::from(["limits.session_queue"]));
    assert_eq!(
        changes.desks.get(&"support".into()),
        Some(&Difference::Changed(BTreeSet::from(["routes"])))
    );
    assert!(changes.apps.is_empty());
    let providers: Vec<_> = changes
        .providers
        .iter()
        .map(|(id, change)| (id.as_str(), change.clone()))
        .collect();
    assert_eq!(
        providers,
        [
            ("jiaxin", Difference::Removed),
            ("other", Difference::Added),
            (
                "zhichi",
                Difference::Changed(BTreeSet::from(["limits.memory", "max_copies"]))
            )
        ]
    );
}

fn shipped_config() -> Config {
    let text = fs::read_to_string(shipped("kefu.toml")).unwrap();
    let main = check_main("config/kefu.toml", &text, &Known).unwrap();
    let providers = ["zhichi", "jiaxin"].map(|name| {
        let text = fs::read_to_string(shipped(&format!("providers/{name}.toml"))).unwrap();
        check_provider(&format!("config/providers/{name}.toml"), &text, &Known).unwrap()
    });
    let (config, problems) = assemble(main, providers.into());
    assert_eq!(texts(&problems), [""; 0]);
    config
}

/// The keys that a section takes, from the error about one it does not.
fn known_keys(header: &str, check: impl Fn(&str) -> Result<(), ConfigErrors>) -> Vec<String> {
    let errors = check(&format!("{header}\nqqqqqqqqqqqq = 1\n")).unwrap_err();
    let unknown = errors
        .0
        .iter()
        .find(|error| error.problem == "unknown key")
        .expect("the key is unknown");
    let names = unknown
        .right
        .strip_prefix("known: ")
        .expect("no key is like it");
    names
        .split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

fn assert_shown(text: &str, keys: &[String]) {
    for key in keys {
        let patterns = [
            format!("\n{key} = "),
            format!("# {key} = "),
            format!("{{ {key} = "),
            format!(", {key} = "),
        ];
        let headers = [format!("[{key}]"), format!("[{key}."), format!(".{key}]")];
        let shown = patterns
            .iter()
            .chain(&headers)
            .any(|pattern| text.contains(pattern.as_str()));
        assert!(shown, "the key `{key}` is not shown");
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../config")
        .join(name)
}
