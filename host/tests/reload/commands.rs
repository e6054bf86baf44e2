//! What people and the gateway itself ask for.

use std::process::Command;

use kefu_gateway::reload::{
    Cause, ReloadError, Why, catalogue,
    report::{Fate, Outcome},
    signal::HangUp,
};

use crate::bench::{Bench, toml};

#[test]
fn a_command_returns_when_the_change_is_in_force() {
    let bench = Bench::watching(&["a"]);
    bench.write("config/adapters/a.so", "second END");
    let report = bench.reloader().reload_now(Cause::Admin).unwrap();
    assert_eq!(bench.served("a").as_deref(), Some("second END"));
    // The watcher may have been faster.
    assert!(matches!(
        report.outcome,
        Outcome::Applied | Outcome::Unchanged
    ));
    let report = bench.reloader().reload_now(Cause::Signal).unwrap();
    assert_eq!((report.outcome, report.id), (Outcome::Unchanged, None));
}

#[test]
fn one_provider_is_brought_up_anew_though_nothing_changed() {
    let bench = Bench::watching(&["a", "b"]);
    let cause = Cause::Provider { id: "a".into() };
    let report = bench.reloader().reload_now(cause).unwrap();
    assert_eq!(
        (report.outcome, report.providers[0].outcome),
        (Outcome::Applied, Fate::Live)
    );
    assert_eq!(bench.target.calls(), ["bring up a"]);
    let unknown = Cause::Provider { id: "c".into() };
    let error = bench.reloader().reload_now(unknown).unwrap_err();
    assert_eq!(error, ReloadError::NoSuchProvider("c".into()));
}

#[test]
fn a_command_tries_again_what_failed_and_says_so_if_it_fails_again() {
    let bench = Bench::watching(&["a"]);
    bench.put("config/adapters/a.so", "broken");
    assert_eq!(bench.report_after(0).outcome, Outcome::Refused);
    let report = bench.reloader().reload_now(Cause::Admin).unwrap();
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(bench.target.count("bring up a"), 2);
}

#[test]
fn a_provider_goes_back_and_stays_there() {
    let bench = Bench::watching(&["a"]);
    let back = |generation, why| Cause::RollBack {
        provider: "a".into(),
        generation,
        why,
    };
    let why = Why::Automatic {
        unfit: 7,
        fault: "3 sessions faulted".to_owned(),
    };
    let report = bench.reloader().reload_now(back(None, why)).unwrap();
    assert_eq!(report.why.as_deref(), Some("3 sessions faulted"));
    assert_eq!(bench.served("a").as_deref(), Some("earlier END"));
    bench.fence();
    assert_eq!(
        bench.target.calls(),
        ["roll back a to None, leaving Some(7)"]
    );
    let error = bench.reloader().reload_now(back(Some(404), Why::Command));
    assert!(matches!(error, Err(ReloadError::NotRetained(_))));
    assert!(
        bench
            .metrics
            .render()
            .contains("kefu_plugin_rollbacks_total")
    );
}

#[test]
fn after_the_stop_nothing_is_reloaded() {
    let bench = Bench::watching(&["a"]);
    let reloader = bench.reloader().clone();
    drop(bench);
    assert_eq!(
        reloader.reload_now(Cause::Admin),
        Err(ReloadError::Stopping)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_reloads_also_if_it_came_during_the_start() {
    let hang_up = HangUp::take().unwrap();
    hang_up_myself();
    let bench = Bench::watching(&["a"]);
    bench.put("config/adapters/a.so", "broken");
    bench.report_after(0);
    // What failed is tried again: that is how the signal shows.
    let task = hang_up.reload(bench.reloader().clone());
    bench.until("another try", || bench.target.count("bring up a") == 2);
    bench.until("its report", || bench.reports()[0].cause == Cause::Signal);
    hang_up_myself();
    bench.until("one more", || bench.target.count("bring up a") == 3);
    task.abort();
}

fn hang_up_myself() {
    let pid = std::process::id().to_string();
    let status = Command::new("kill").args(["-HUP", &pid]).status();
    assert!(status.unwrap().success());
}

#[test]
fn every_file_of_the_plug_in_folder_is_listed_and_only_declared_ones_serve() {
    let bench = Bench::watching(&["a"]);
    bench.write("config/adapters/stray.so", "no library at all");
    bench.write("config/adapters/stray.so.minisig", "");
    bench.write("config/providers/b.toml", &toml("b", ""));
    bench.report_after(0);
    let listed = catalogue::list(&bench.config.load(), &|_| None).unwrap();
    let names: Vec<_> = listed.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(names, ["a.so", "b.so", "stray.so"]);
    assert_eq!(listed[0].declared_by, ["a".into()]);
    assert!(listed[1].size.is_none() && listed[1].problem.is_some());
    assert!(listed[2].declared_by.is_empty() && listed[2].signature);
    assert!(listed[2].problem.as_ref().unwrap().contains("ELF"));
}
