//! Tables of emoji are files like all the others: watched, read whole, and kept
//! as they were where they are wrong.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
};

use kefu_gateway::reload::report::Outcome;

use crate::bench::{Bench, toml};

const SMILE: &str = "[codes]\n\"[微笑]\" = \"🙂\"\n";
const LAUGH: &str = "[codes]\n\"[微笑]\" = \"😄\"\n";
const WRONG: &str = "[codes]\n\"[微笑]\" = \"smile\"\n";

#[test]
fn a_changed_table_is_in_force_without_a_new_generation() {
    let bench = with_table(SMILE).started();
    assert_eq!(reads(&bench, "a"), "🙂");
    bench.put("config/emoji/a.toml", LAUGH);
    bench.until("the new table", || reads(&bench, "a") == "😄");
    assert_eq!(bench.target.calls(), ["reconfigure a"]);
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Applied);
    assert_eq!(report.changes, ["providers.a.emoji"]);
    assert!(report.closed_to_live_ms.is_some(), "the file was heard");
}

#[test]
fn a_wrong_table_keeps_the_one_before_and_names_the_place() {
    let bench = with_table(SMILE).started();
    bench.put("config/emoji/a.toml", WRONG);
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    let problem = &report.problems[0];
    assert!(problem.file.ends_with("config/emoji/a.toml"), "{problem}");
    assert_eq!((problem.line, problem.column), (2, 1));
    assert_eq!(reads(&bench, "a"), "🙂");
    assert!(bench.target.calls().is_empty());

    // The rest of the provider goes on changing meanwhile.
    let more = "emoji = \"emoji/a.toml\"\nmax_copies = 3";
    bench.put("config/providers/a.toml", &toml("a", more));
    assert_eq!(bench.report_after(1).outcome, Outcome::Partly);
    let copies = || bench.config.load().provider("a").unwrap().max_copies;
    assert_eq!((copies(), reads(&bench, "a").as_str()), (3, "🙂"));

    bench.put("config/emoji/a.toml", LAUGH);
    // The report comes last: what it says is in force by then.
    assert_eq!(bench.report_after(2).outcome, Outcome::Applied);
    assert_eq!(reads(&bench, "a"), "😄");
}

#[test]
fn a_provider_starts_without_its_table_and_gets_it_when_it_is_mended() {
    let bench = with_table(WRONG).started();
    assert_eq!(reads(&bench, "a"), "[微笑]");
    assert!(bench.served("a").is_some());
    bench.put("config/emoji/a.toml", SMILE);
    bench.until("the mended table", || reads(&bench, "a") == "🙂");
}

#[test]
fn a_table_that_is_not_there_yet_is_waited_for_and_one_that_goes_is_kept() {
    let bench = with_table(SMILE);
    fs::remove_dir_all(bench.path("config/emoji")).unwrap();
    let bench = bench.started();
    assert_eq!(reads(&bench, "a"), "[微笑]");
    fs::create_dir(bench.path("config/emoji")).unwrap();
    bench.put("config/emoji/a.toml", SMILE);
    bench.until("the table", || reads(&bench, "a") == "🙂");
    let seen = bench.reports().len();
    fs::remove_file(bench.path("config/emoji/a.toml")).unwrap();
    let report = bench.report_after(seen);
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.problems[0].key, "emoji");
    assert_eq!(reads(&bench, "a"), "🙂");
}

#[test]
fn a_table_that_is_taken_out_of_the_providers_file_is_gone() {
    let bench = with_table(SMILE).started();
    bench.put("config/providers/a.toml", &toml("a", ""));
    bench.until("no table", || reads(&bench, "a") == "[微笑]");
    assert_eq!(bench.target.calls(), ["reconfigure a"]);
}

#[test]
fn half_a_table_never_takes_effect() {
    let bench = with_table(SMILE).started();
    let mut file = File::create(bench.path("config/emoji/a.toml")).unwrap();
    // As it stands this is valid, and another table.
    file.write_all(b"[codes]\n\"[a]\" = \"\xf0\x9f\x98\x84\"\n")
        .unwrap();
    bench.fence();
    assert_eq!(reads(&bench, "a"), "🙂");
    file.write_all("\"[微笑]\" = \"👍\"\n".as_bytes()).unwrap();
    drop(file);
    bench.until("the whole table", || reads(&bench, "a") == "👍");
    assert_eq!(bench.target.calls(), ["reconfigure a"]);
}

#[test]
fn a_table_reached_over_a_link_changes_when_the_link_or_its_end_changes() {
    let bench = with_table(SMILE);
    let link = bench.path("config/emoji/a.toml");
    fs::create_dir(bench.path("store")).unwrap();
    bench.write("store/v1", SMILE);
    bench.write("store/v2", LAUGH);
    fs::remove_file(&link).unwrap();
    symlink("../../store/v1", &link).unwrap();
    let bench = bench.started();
    assert_eq!(reads(&bench, "a"), "🙂");
    let beside = bench.path("config/emoji/.a");
    symlink("../../store/v2", &beside).unwrap();
    fs::rename(beside, &link).unwrap();
    bench.until("the other end", || reads(&bench, "a") == "😄");
    bench.write("store/v2", &LAUGH.replace("😄", "👍"));
    bench.until("the changed end", || reads(&bench, "a") == "👍");
}

#[test]
fn a_mounted_folder_of_tables_that_is_swapped_by_its_link_is_followed() {
    let bench = with_table(SMILE);
    fs::remove_dir_all(bench.path("config/emoji")).unwrap();
    for (version, table) in [("..v1", SMILE), ("..v2", LAUGH)] {
        fs::create_dir_all(bench.path(&format!("config/{version}"))).unwrap();
        bench.write(&format!("config/{version}/a.toml"), table);
    }
    symlink("..v1", bench.path("config/..data")).unwrap();
    symlink("..data", bench.path("config/emoji")).unwrap();
    let bench = bench.started();
    assert_eq!(reads(&bench, "a"), "🙂");
    let beside = bench.path("config/..data_tmp");
    symlink("..v2", &beside).unwrap();
    fs::rename(beside, bench.path("config/..data")).unwrap();
    bench.until("the swapped table", || reads(&bench, "a") == "😄");
}

#[test]
fn one_table_of_two_providers_changes_for_both() {
    let bench = with_table(SMILE);
    bench.write("config/adapters/b.so", "first END");
    let other = toml("b", "emoji = \"emoji/a.toml\"");
    bench.write("config/providers/b.toml", &other);
    let bench = bench.started();
    bench.put("config/emoji/a.toml", LAUGH);
    bench.until("both", || {
        reads(&bench, "a") == "😄" && reads(&bench, "b") == "😄"
    });
}

/// A provider with this table.
fn with_table(table: &str) -> Bench {
    let bench = Bench::with(&["a"]);
    fs::create_dir(bench.path("config/emoji")).unwrap();
    bench.write("config/emoji/a.toml", table);
    let provider = toml("a", "emoji = \"emoji/a.toml\"");
    bench.write("config/providers/a.toml", &provider);
    bench
}

/// What becomes of a code by the table that is in force for a provider.
fn reads(bench: &Bench, provider: &str) -> String {
    let config = bench.config.load();
    let emoji = config.provider(provider).and_then(|it| it.emoji.as_ref());
    emoji.map_or_else(
        || "[微笑]".to_owned(),
        |it| it.table.inward("[微笑]").into_owned(),
    )
}
