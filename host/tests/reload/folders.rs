//! The ways on which whole folders change.

use std::{fs, os::unix::fs::symlink, thread::sleep, time::Duration};

use kefu_gateway::reload::report::Outcome;

use crate::bench::{Bench, MAIN, toml};

#[test]
fn a_mounted_volume_that_is_swapped_by_its_link_is_one_reload() {
    let bench = Bench::empty();
    for (version, hosts) in [("..v1", ""), ("..v2", "hosts = [\"a.example.com\"]")] {
        fs::create_dir_all(bench.path(&format!("config/{version}/providers"))).unwrap();
        let main = MAIN.replace("12345678", &format!("secret-of-{version}"));
        bench.write(&format!("config/{version}/kefu.toml"), &main);
        bench.write(
            &format!("config/{version}/providers/a.toml"),
            &toml("a", hosts),
        );
    }
    fs::create_dir(bench.path("config/adapters")).unwrap();
    bench.write("config/adapters/a.so", "END");
    for (target, link) in [
        ("..v1", "..data"),
        ("..data/kefu.toml", "kefu.toml"),
        ("..data/providers", "providers"),
    ] {
        symlink(target, bench.path(&format!("config/{link}"))).unwrap();
    }
    let bench = bench.started();
    let beside = bench.path("config/..data_tmp");
    symlink("..v2", &beside).unwrap();
    fs::rename(beside, bench.path("config/..data")).unwrap();
    fs::remove_dir_all(bench.path("config/..v1")).unwrap();
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Applied);
    assert_eq!(report.changes, ["apps.demo.secrets", "providers.a.hosts"]);
    assert!(report.closed_to_live_ms.is_some(), "the swap was heard");
    assert_eq!(bench.target.calls(), ["reconfigure a"]);
}

#[test]
fn providers_stay_while_their_folder_is_away_and_are_read_when_it_returns() {
    let bench = Bench::watching(&["a", "b"]);
    let (here, away) = (bench.path("config/providers"), bench.path("elsewhere"));
    fs::rename(&here, &away).unwrap();
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(
        report.problems[0].problem.contains("every provider stays"),
        "{report:?}"
    );
    fs::remove_file(away.join("b.toml")).unwrap();
    fs::write(away.join("a.toml"), toml("a", "max_copies = 7")).unwrap();
    fs::rename(&away, &here).unwrap();
    bench.until("both changes", || {
        let calls = bench.target.calls();
        calls == ["reconfigure a", "retire b within 24 h"]
    });
    // The new folder is watched like the old one.
    bench.put("config/providers/a.toml", &toml("a", "max_copies = 8"));
    bench.until("the next change", || {
        bench.target.count("reconfigure a") == 2
    });
}

#[test]
fn a_plug_in_folder_that_is_replaced_is_one_reload() {
    let bench = Bench::watching(&["a"]);
    fs::remove_dir_all(bench.path("config/adapters")).unwrap();
    sleep(Duration::from_millis(100));
    fs::create_dir(bench.path("config/adapters")).unwrap();
    bench.write("config/adapters/a.so", "second END");
    bench.until_served("a", "second END");
    bench.put("config/adapters/a.so", "third END");
    bench.until_served("a", "third END");
    bench.fence();
    assert_eq!(bench.target.calls(), ["bring up a", "bring up a"]);
}

#[test]
fn the_whole_configuration_may_go_away_and_come_back() {
    let bench = Bench::watching(&["a"]);
    fs::rename(bench.path("config"), bench.path("away")).unwrap();
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.error.unwrap().contains("kefu.toml"));
    fs::write(bench.path("away/adapters/a.so"), "second END").unwrap();
    fs::rename(bench.path("away"), bench.path("config")).unwrap();
    bench.until_served("a", "second END");
    assert_eq!(bench.target.calls(), ["bring up a"]);
}

#[test]
fn a_change_among_thousands_of_other_files_is_found() {
    let bench = Bench::watching(&["a"]);
    let others = bench.path("config/adapters");
    for number in 0..6000 {
        fs::write(others.join(format!("other-{number}.tmp")), "x").unwrap();
        if number == 3000 {
            bench.write("config/adapters/a.so", "second END");
        }
    }
    bench.until_served("a", "second END");
    for number in 0..6000 {
        fs::remove_file(others.join(format!("other-{number}.tmp"))).unwrap();
    }
    bench.fence();
    assert_eq!(bench.target.calls(), ["bring up a"]);
}

#[test]
fn a_providers_folder_that_is_made_later_is_watched() {
    let bench = Bench::with(&[]);
    fs::remove_dir(bench.path("config/providers")).unwrap();
    let bench = bench.started();
    bench.write("config/adapters/a.so", "END");
    fs::create_dir(bench.path("config/providers")).unwrap();
    bench.write("config/providers/a.toml", &toml("a", ""));
    bench.until_served("a", "END");
}
