//! The ways on which a file changes.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    thread::sleep,
    time::Duration,
};

use kefu_gateway::reload::report::Outcome;

use crate::bench::{Bench, toml};

#[test]
fn a_file_written_in_place_is_live_once() {
    let bench = Bench::watching(&["a", "b"]);
    bench.write("config/adapters/a.so", "second END");
    bench.until_served("a", "second END");
    bench.fence();
    assert_eq!(bench.target.calls(), ["bring up a"]);
    let report = bench.reports().pop().unwrap();
    assert_eq!(report.changes, ["providers.a: new plug-in file"]);
    assert!(report.closed_to_live_ms.is_some());
}

#[test]
fn a_file_renamed_over_the_old_one_is_live_once() {
    let bench = Bench::watching(&["a"]);
    for round in 0..5 {
        let text = format!("round {round} END");
        bench.put("config/adapters/a.so", &text);
        bench.until_served("a", &text);
    }
    bench.fence();
    assert_eq!(bench.target.count("bring up a"), 5);
}

#[test]
fn a_file_deleted_and_made_again_is_live_once_and_never_missing() {
    let bench = Bench::watching(&["a"]);
    for name in ["config/adapters/a.so", "config/providers/a.toml"] {
        fs::remove_file(bench.path(name)).unwrap();
    }
    // A fraction of the time that a file may be gone.
    sleep(Duration::from_millis(200));
    bench.write("config/adapters/a.so", "second END");
    bench.write("config/providers/a.toml", &toml("a", ""));
    bench.until_served("a", "second END");
    bench.fence();
    assert_eq!(bench.target.calls(), ["bring up a"]);
}

#[test]
fn a_slow_upload_is_one_reload() {
    let bench = Bench::watching(&["a"]);
    let mut file = File::create(bench.path("config/adapters/a.so")).unwrap();
    let piece = "x".repeat(1024);
    for _ in 0..25 {
        file.write_all(piece.as_bytes()).unwrap();
        sleep(Duration::from_millis(100));
    }
    file.write_all(b"END").unwrap();
    assert!(
        bench.target.calls().is_empty(),
        "nothing before it is closed"
    );
    drop(file);
    let whole = piece.repeat(25) + "END";
    bench.until_served("a", &whole);
    assert_eq!(bench.target.calls(), ["bring up a"]);
    assert_eq!(bench.outcomes(), [Outcome::Applied]);
}

#[test]
fn a_new_provider_waits_for_the_upload_of_its_plug_in() {
    let bench = Bench::watching(&["a"]);
    let mut file = File::create(bench.path("config/adapters/b.so")).unwrap();
    file.write_all(b"half").unwrap();
    bench.write("config/providers/b.toml", &toml("b", ""));
    bench.fence();
    assert!(
        bench.target.calls().is_empty(),
        "{:?}",
        bench.target.calls()
    );
    file.write_all(b" and END").unwrap();
    drop(file);
    bench.until_served("b", "half and END");
    assert_eq!(bench.target.calls(), ["bring up b"]);
}

#[test]
fn several_files_at_once_are_each_brought_up_once() {
    let bench = Bench::watching(&["a"]);
    let ids: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    for id in &ids {
        bench.write(&format!("config/providers/{id}.toml"), &toml(id, ""));
        bench.write(&format!("config/adapters/{id}.so"), "END");
    }
    for id in &ids {
        bench.until_served(id, "END");
    }
    bench.fence();
    for id in &ids {
        assert_eq!(bench.target.count(&format!("bring up {id}")), 1);
    }
}

#[test]
fn a_plug_in_that_is_dropped_later_is_waited_for() {
    let bench = Bench::watching(&["a"]);
    bench.write("config/providers/b.toml", &toml("b", ""));
    let report = bench.report_after(0);
    assert_eq!(report.changes, ["providers.b added"]);
    assert_eq!(bench.served("b"), None);
    bench.put("config/adapters/b.so", "late END");
    bench.until_served("b", "late END");
}

#[test]
fn a_file_that_was_only_touched_changes_nothing() {
    let bench = Bench::watching(&["a"]);
    bench.write("config/adapters/a.so", "first END");
    bench.put("config/providers/a.toml", &toml("a", "# a word"));
    bench.fence();
    assert!(
        bench.target.calls().is_empty(),
        "{:?}",
        bench.target.calls()
    );
    assert_eq!(bench.reports().len(), 1, "the fence alone");
}

#[test]
fn an_undeclared_plug_in_is_left_alone() {
    let bench = Bench::watching(&["a"]);
    bench.put("config/adapters/stray.so", "stray END");
    bench.fence();
    assert!(bench.target.calls().is_empty());
    assert_eq!(bench.reports().len(), 1, "the fence alone");
}

#[test]
fn a_plug_in_that_fails_keeps_the_old_one_and_is_tried_again_when_it_changes() {
    let bench = Bench::watching(&["a"]);
    bench.put("config/adapters/a.so", "broken");
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(
        report.providers[0]
            .error
            .as_ref()
            .unwrap()
            .contains("cut short")
    );
    assert_eq!(bench.served("a").as_deref(), Some("first END"));
    bench.fence();
    assert_eq!(bench.target.count("bring up a"), 1, "not again for nothing");
    bench.put("config/adapters/a.so", "mended END");
    bench.until_served("a", "mended END");
}

#[test]
fn a_plug_in_reached_over_a_link_is_replaced_when_the_link_or_its_end_changes() {
    let bench = Bench::with(&["a"]);
    fs::create_dir(bench.path("store")).unwrap();
    bench.write("store/v1", "one END");
    bench.write("store/v2", "two END");
    let link = bench.path("config/adapters/a.so");
    fs::remove_file(&link).unwrap();
    symlink("../../store/v1", &link).unwrap();
    let bench = bench.started();
    let beside = bench.path("config/adapters/.a.so");
    symlink("../../store/v2", &beside).unwrap();
    fs::rename(beside, &link).unwrap();
    bench.until_served("a", "two END");
    bench.write("store/v2", "two and a half END");
    bench.until_served("a", "two and a half END");
    bench.fence();
    assert_eq!(bench.target.count("bring up a"), 2);
}

#[test]
fn a_change_between_reading_and_watching_is_found() {
    let mut bench = Bench::with(&["a", "b"]);
    let loaded = bench.load();
    bench.write("config/adapters/a.so", "second END");
    bench.put(
        "config/providers/b.toml",
        &toml("b", "hosts = [\"b.example.com\"]"),
    );
    bench.start(loaded);
    bench.until_served("a", "second END");
    bench.until("b is reconfigured", || {
        bench.target.count("reconfigure b") == 1
    });
}
