//! Configuration files, whole: what is accepted, and the exact words for what
//! is not.
//!
//! Each file in `invalid/` stands beside the text of its errors; the files in
//! `valid/` are accepted, and those with warnings have their text beside them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read fixtures from disk, and one that cannot be read is a failed test"
)]

mod shipped;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use kefu_core::config::{
    CheckedFile, ConfigError, ConfigErrors, Guards, Inbound, Isolation, Lookup, Main, MediaStore,
    NoLookup, OnBreach, Origins, Points, Provider, PushFormat, Rollback, Severity, StoreUrl, Trust,
    Weight, assemble, check_main, check_provider,
};
use serde_json::json;

#[test]
fn every_invalid_file_is_refused_with_the_text_beside_it() {
    let mut wrong = Vec::new();
    for path in toml_files("invalid") {
        let expected = fs::read_to_string(path.with_extension("error")).unwrap_or_default();
        let actual = match check(&path) {
            Ok(_) => "(accepted)".to_owned(),
            Err(errors) => errors.to_string(),
        };
        if actual.trim() != expected.trim() {
            wrong.push(format!(
                "--- {}\nexpected:\n{}\nactual:\n{actual}\n",
                path.display(),
                expected.trim()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_valid_file_is_accepted_with_the_warnings_beside_it() {
    for path in toml_files("valid") {
        let expected = fs::read_to_string(path.with_extension("warnings")).unwrap_or_default();
        let warnings = check(&path)
            .unwrap_or_else(|errors| panic!("{} is refused:\n{errors}", path.display()));
        assert_eq!(
            ConfigErrors(warnings).to_string(),
            expected.trim(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn no_error_shows_a_secret_or_the_content_of_a_variable() {
    for path in toml_files("invalid") {
        let Err(errors) = check(&path) else { continue };
        let shown = format!(
            "{errors} {errors:?} {}",
            serde_json::to_string(&errors).unwrap()
        );
        for secret in [
            "hunter2",
            "a-literal-",
            "not-a-webhook",
            "admin-token-of-tests",
            "127.0.0.9",
        ] {
            assert!(!shown.contains(secret), "{}: {shown}", path.display());
        }
    }
}

#[test]
fn checked_settings_show_no_secret_when_printed() {
    let main = main_of(&fixture("valid/two-vendors-at-one-desk.toml"));
    let provider = provider_of(&fixture("valid/provider-full.toml"));
    let shown = format!("{main:?} {provider:?}");
    for secret in [
        "admin-token-from-a-file",
        "demo-secret",
        "whsec_",
        "127.0.0.9",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn the_main_file_becomes_settings_that_need_no_further_checking() {
    let main = main_of(&fixture("valid/two-vendors-at-one-desk.toml")).settings;
    assert_eq!(
        main.server.public_url.as_deref(),
        Some("https://kefu.example.com")
    );
    assert!(main.server.trusts("10.9.8.7".parse().unwrap()));
    assert!(!main.server.trusts("127.0.0.1".parse().unwrap()));
    assert_eq!(main.admin.token.expose(), "admin-token-from-a-file");
    assert_eq!(
        main.store.url,
        StoreUrl::Sqlite {
            path: "conf/data/kefu.db".into()
        }
    );
    assert_eq!(main.plugins.dir, Path::new("conf/adapters"));
    assert_eq!(main.plugins.copies, Path::new("conf/data/plugins"));
    assert_eq!(main.plugins.trust, Trust::Any);
    let app = main.apps.values().next().unwrap();
    assert_eq!(app.signing_secret().expose(), "demo-secret");
    assert_eq!(app.token_ttl, Duration::from_secs(30 * 86_400));
    assert_eq!(
        app.origins,
        Origins::Listed(vec!["https://app.example.com".into()])
    );
    assert!(app.origins.allow("https://app.example.com"));
    assert!(!app.origins.allow("https://app.example.com.evil.example"));
    assert_eq!(
        app.routing.as_ref().unwrap().format,
        PushFormat::StandardWebhooks
    );
    let desk = main.desks.values().next().unwrap();
    assert_eq!(
        (desk.title.as_str(), desk.groups[0].name.as_str()),
        ("在线客服", "售前")
    );
    assert_eq!(desk.routes[0].weight, Some(Weight::hundredths(1250)));
    assert_eq!(desk.routes[0].when.platform, ["ios"]);
    assert_eq!(desk.routes[0].groups["sales"], "1001");
    assert_eq!(desk.routes[1].weight, None);
}

#[test]
fn a_key_is_taken_from_its_line_and_from_a_whole_public_key_file() {
    let plugins = main_of(&fixture("valid/trust-signed.toml"))
        .settings
        .plugins;
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".to_owned();
    let keys = vec![key.clone(), key];
    assert_eq!(plugins.trust, Trust::Signed { keys });
    assert_eq!(plugins.stage_timeout, Duration::from_secs(30));
    let rollback = Rollback {
        sessions: 0,
        within: Duration::from_secs(300),
    };
    assert_eq!(plugins.rollback, rollback);
}

#[test]
fn a_provider_file_becomes_settings_and_passes_the_adapters_section_through() {
    let provider = provider_of(&fixture("valid/provider-full.toml")).settings;
    assert_eq!(provider.isolation, Isolation::Process);
    assert!(provider.hosts[1].allows("127.0.0.1", 8443));
    let emoji = provider.emoji.unwrap();
    assert_eq!(emoji.file, Path::new("emoji/zhichi.toml"));
    assert_eq!(emoji.table.inward("[微笑]"), "🙂");
    assert_eq!(provider.drain, Duration::ZERO);
    assert_eq!(provider.limits.memory, 64 << 20);
    assert_eq!(
        provider.sha256[1],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let expected = json!({
        "app_key": INJECTION,
        "since": "2026-01-31",
        "nested": {"list": [1, 2.5, true, {"a": "${plain}"}]},
    });
    assert_eq!(provider.settings.expose(), &expected);
}

#[test]
fn a_wrong_table_of_emoji_is_named_and_stops_nobody() {
    let (config, problems) = assemble(minimal(), vec![with_table("wrong"), with_table("gone")]);
    assert_eq!(config.provider("wrong").unwrap().emoji, None);
    assert_eq!(config.provider("gone").unwrap().emoji, None);
    let expected = [
        "emoji/wrong.toml:2:1: codes.\"[微笑]\" = \"smile\": is not one Unicode emoji; use one emoji, such as \"🙂\"; \
         leave a code out that has none, it is shown as its text",
        "providers/gone.toml:3:1: emoji = \"emoji/gone.toml\": the file emoji/gone.toml cannot be read: no such file; \
         create it, or name another; until then codes are shown as they are",
    ];
    assert_eq!(texts(&problems), expected);
    assert!(
        problems
            .iter()
            .all(|problem| problem.severity == Severity::Error)
    );
}

#[test]
fn a_wrong_table_of_emoji_leaves_the_one_before_in_force() {
    let before = with_table("zhichi");
    for name in ["wrong", "gone"] {
        let mut now = with_table(name);
        now.keep_table_of(&before);
        assert_eq!(now.settings.emoji, before.settings.emoji);
    }
    let text = "id = \"none\"\nplugin = \"a.so\"\n";
    let mut none = check_provider("providers/none.toml", text, &Known).unwrap();
    none.keep_table_of(&before);
    assert_eq!(
        none.settings.emoji, None,
        "a table that is taken out is no wrong one"
    );
}

#[test]
fn a_short_connect_time_follows_a_short_timeout() {
    let text = "id = \"a\"\nplugin = \"a.so\"\nlimits = { timeout = \"1s\" }\n";
    let limits = check_provider("a.toml", text, &NoLookup)
        .unwrap()
        .settings
        .limits;
    assert_eq!(limits.connect_timeout, Duration::from_secs(1));
}

#[test]
fn media_can_be_kept_in_a_bucket_and_converted() {
    let media = main_of(&fixture("valid/media-in-a-bucket.toml"))
        .settings
        .media;
    let MediaStore::S3(s3) = &media.store else {
        panic!("it names a bucket");
    };
    assert_eq!(
        (s3.bucket.as_str(), s3.prefix.as_str(), s3.path_style),
        ("kefu-media", "some/where", true)
    );
    assert_eq!(s3.endpoint.as_deref(), Some("https://s3.example.com"));
    assert_eq!(media.retention, Some(Duration::from_secs(180 * 24 * 3600)));
    assert_eq!(media.converters[0].from, ["amr", "aac"]);
    assert_eq!(media.converters[1].command[1], "--in={input}");
    let shown = format!("{media:?}");
    assert!(!shown.contains("\"secret\"") && !shown.contains("0123456789abcdef"));
    let provider = provider_of(&fixture("valid/provider-full.toml")).settings;
    assert_eq!(provider.media.inbound, Inbound::Fetch);
    assert!(provider.media.hosts[0].allows("img.sobot.com", 443));
    assert_eq!(provider.media.deadline, Duration::from_secs(3));
}

#[test]
fn media_are_known_by_their_content_type() {
    let media = main_of(&fixture("valid/minimal.toml")).settings.media;
    assert_eq!(media.rule_for("image/png").unwrap().1.max_size, 10 << 20);
    assert_eq!(media.rule_for("text/html"), None);
    assert_eq!(media.max_size(), 50 << 20);
}

#[test]
fn a_route_to_a_provider_that_is_not_there_waits() {
    let (config, problems) = assemble(
        main_of(&fixture("valid/two-vendors-at-one-desk.toml")),
        vec![zhichi("a.toml")],
    );
    assert_eq!(config.providers.len(), 1);
    let expected = "conf/two-vendors-at-one-desk.toml:29:1: warning: desks.support.routes[0].provider = \"jiaxin\": is \
                    waiting: no valid file in providers/ describes this provider; known: `zhichi`";
    assert_eq!(texts(&problems), [expected]);
}

#[test]
fn a_shadow_that_is_not_there_waits() {
    let path = fixture("valid/route-with-a-shadow.toml");
    let (config, problems) = assemble(main_of(&path), vec![zhichi("a.toml")]);
    let desk = config.main.desks.values().next().unwrap();
    assert_eq!(desk.routes[0].shadow, Some("zhichy".into()));
    let expected = "conf/route-with-a-shadow.toml:9:1: warning: desks.support.routes[0].shadow = \"zhichy\": is \
                    waiting: no valid file in providers/ describes this provider; did you mean `zhichi`?";
    assert_eq!(texts(&problems), [expected]);
}

#[test]
fn a_migration_becomes_stages_that_are_whole_each_and_limits() {
    let main = main_of(&fixture("valid/migration.toml")).settings;
    let migration = &main.migrations["to-jiaxin"];
    let stages: Vec<_> = migration
        .stages
        .iter()
        .map(|stage| (stage.visitors.len(), stage.percent, stage.after))
        .collect();
    let day = Duration::from_secs(86_400);
    assert_eq!(
        stages,
        [
            (2, Weight::ZERO, None),
            (2, Weight::hundredths(150), Some(day)),
            (3, Weight::percent(100), None)
        ]
    );
    assert_eq!(migration.on_breach, OnBreach::Stop);
    assert_eq!(migration.groups["sales"], "1001");
    assert_eq!(migration.window, Duration::from_secs(1_800));
    let expected = Guards {
        opening_failures: Some(Points::hundredths(250)),
        delivery_failures: Some(Points::hundredths(0)),
        unanswered: None,
        first_answer: None,
        rating: None,
        min_sessions: 50,
        answer_within: Duration::from_secs(90),
    };
    assert_eq!(migration.guards, expected);
    let expected = Guards {
        opening_failures: Some(Points::hundredths(200)),
        delivery_failures: Some(Points::hundredths(200)),
        unanswered: Some(Points::hundredths(500)),
        first_answer: Some(Duration::from_secs(30)),
        rating: Some(Points::hundredths(500)),
        min_sessions: 20,
        answer_within: Duration::from_secs(300),
    };
    let other = &main.migrations["qiyu-too"];
    assert_eq!(other.guards, expected);
    assert_eq!(other.on_breach, OnBreach::Revert);
    assert_eq!(other.window, Duration::from_secs(600));
}

#[test]
fn a_migration_to_a_provider_that_is_not_there_waits() {
    let main = main_of(&fixture("valid/migration-idle-stage.toml"));
    let (_, problems) = assemble(main, vec![zhichi("a.toml")]);
    let expected = "conf/migration-idle-stage.toml:13:1: warning: migrations.to-jiaxin.to = \"jiaxin\": is waiting: no \
                    valid file in providers/ describes this provider, so the migration moves nobody; known: `zhichi`";
    assert_eq!(texts(&problems).last().unwrap(), expected);
}

#[test]
fn of_two_files_with_one_id_the_later_is_refused() {
    let (config, problems) = assemble(minimal(), vec![zhichi("a.toml"), zhichi("b.toml")]);
    assert_eq!(config.providers.len(), 1);
    let expected = "b.toml:1:1: id = \"zhichi\": another file, a.toml, describes a provider of this id; give it another id";
    assert_eq!(texts(&problems), [expected]);
    assert_eq!(problems[0].severity, Severity::Error);
}

#[test]
fn a_provider_without_a_digest_is_warned_about_where_only_listed_files_are_trusted() {
    let text = "[admin]\ntoken = \"${KEFU_ADMIN_TOKEN}\"\n[plugins]\ntrust = \"listed\"\n";
    let main = check_main("kefu.toml", text, &Known).unwrap();
    let (_, problems) = assemble(main, vec![zhichi("a.toml")]);
    let expected = "a.toml:1:1: warning: sha256: is missing, so its plug-in will not be loaded: only listed files are \
                    trusted; add what `sha256sum` prints for the plug-in";
    assert_eq!(texts(&problems), [expected]);
}

/// What the variables and files of the fixtures hold.
struct Known;

/// A value that would add a key, were it ever parsed.
const INJECTION: &str = "127.0.0.9:1\"\n[store]\nurl = \"sqlite:elsewhere";

impl Lookup for Known {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "KEFU_ADMIN_TOKEN" => "admin-token-of-tests",
            "KEFU_DEMO_SECRET" => "demo-secret",
            "KEFU_PUSH_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "KEFU_INJECTION" => INJECTION,
            "ZHICHI_APP_ID" | "ZHICHI_APP_KEY" | "ZHICHI_PUSH_SECRET" => "zhichi-value",
            "JIAXIN_BASE_URL" | "JIAXIN_SECRET" | "JIAXIN_ORG" | "JIAXIN_APP" => "jiaxin-value",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        match path.to_str() {
            Some("conf/secrets/admin") => Ok("admin-token-from-a-file\n".to_owned()),
            Some("emoji/zhichi.toml") => Ok("codes = { \"[微笑]\" = \"🙂\" }\n".to_owned()),
            Some("emoji/wrong.toml") => Ok("[codes]\n\"[微笑]\" = \"smile\"\n".to_owned()),
            _ => Err("no such file".to_owned()),
        }
    }
}

fn check(path: &Path) -> Result<Vec<ConfigError>, ConfigErrors> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    if name.starts_with("provider-") {
        check_provider(name, &text, &Known).map(|file| file.warnings)
    } else {
        let lookup = Known;
        check_main(&format!("conf/{name}"), &text, &lookup).map(|file| file.warnings)
    }
}

fn main_of(path: &Path) -> CheckedFile<Main> {
    let name = format!("conf/{}", path.file_name().unwrap().to_str().unwrap());
    check_main(&name, &fs::read_to_string(path).unwrap(), &Known).unwrap()
}

fn provider_of(path: &Path) -> CheckedFile<Provider> {
    let name = path.file_name().unwrap().to_str().unwrap();
    check_provider(name, &fs::read_to_string(path).unwrap(), &Known).unwrap()
}

fn minimal() -> CheckedFile<Main> {
    main_of(&fixture("valid/minimal.toml"))
}

fn zhichi(file: &str) -> CheckedFile<Provider> {
    check_provider(
        file,
        "id = \"zhichi\"\nplugin = \"libkefu_zhichi.so\"\n",
        &NoLookup,
    )
    .unwrap()
}

/// A provider with the table of emoji of the same name.
fn with_table(name: &str) -> CheckedFile<Provider> {
    let text = format!("id = \"{name}\"\nplugin = \"a.so\"\nemoji = \"emoji/{name}.toml\"\n");
    check_provider(&format!("providers/{name}.toml"), &text, &Known).unwrap()
}

fn texts(problems: &[ConfigError]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are fixtures in {folder}");
    files
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/config")
        .join(name)
}
