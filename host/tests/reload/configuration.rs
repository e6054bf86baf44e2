//! What is right and wrong in the files.

use std::{fs::File, io::Write, thread::sleep, time::Duration};

use kefu_gateway::reload::report::{Fate, Outcome};

use crate::bench::{Bench, MAIN, toml};

#[test]
fn half_a_file_never_takes_effect() {
    let bench = Bench::watching(&["a"]);
    let (first, second) = MAIN.split_once("[desks").unwrap();
    for round in 0..3 {
        let mut file = File::create(bench.path("config/kefu.toml")).unwrap();
        // As it stands this is valid, and has no desk.
        file.write_all(first.as_bytes()).unwrap();
        sleep(Duration::from_millis(300));
        let rest = format!("[desks{second}[limits]\nvisitor_burst = {}\n", 70 + round);
        file.write_all(rest.as_bytes()).unwrap();
        drop(file);
        bench.until("the whole file", || {
            bench.config.load().main.limits.visitor_burst == 70 + round
        });
    }
    let mains = bench.target.lock().mains.clone();
    assert_eq!(mains.len(), 3);
    assert!(mains.iter().all(|main| main.desks.len() == 1));
}

#[test]
fn half_a_file_does_not_take_effect_on_command_either() {
    let bench = Bench::watching(&["a"]);
    let (first, second) = MAIN.split_once("[desks").unwrap();
    let mut file = File::create(bench.path("config/kefu.toml")).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    bench.reloader().request(kefu_gateway::reload::Cause::Admin);
    sleep(Duration::from_millis(300));
    file.write_all(format!("[desks{second}").as_bytes())
        .unwrap();
    drop(file);
    bench.fence();
    let mains = bench.target.lock().mains.clone();
    assert!(mains.iter().all(|main| !main.desks.is_empty()));
}

#[test]
fn a_wrong_provider_file_keeps_its_provider_and_names_the_place() {
    let bench = Bench::watching(&["a", "b"]);
    bench.put(
        "config/providers/a.toml",
        "id = \"a\"\nplugin = \"a.so\"\nmax_copis = 3\n",
    );
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    let problem = &report.problems[0];
    assert_eq!(
        (problem.line, problem.column, problem.key.as_str()),
        (3, 1, "max_copis")
    );
    assert!(problem.file.ends_with("providers/a.toml"));
    assert!(bench.config.load().provider("a").is_some());
    assert!(bench.target.calls().is_empty());

    // Others go on changing meanwhile.
    bench.put("config/providers/b.toml", &toml("b", "max_copies = 3"));
    bench.until("b is reconfigured", || {
        bench.target.count("reconfigure b") == 1
    });
    assert_eq!(bench.report_after(1).outcome, Outcome::Partly);

    bench.put("config/providers/a.toml", &toml("a", "max_copies = 3"));
    bench.until("a is reconfigured", || {
        bench.target.count("reconfigure a") == 1
    });
    assert_eq!(bench.report_after(2).outcome, Outcome::Applied);
}

#[test]
fn a_wrong_main_file_refuses_everything_and_the_right_one_brings_it_all() {
    let bench = Bench::watching(&["a"]);
    bench.put(
        "config/kefu.toml",
        &format!("{MAIN}[limits]\ncall_timeout = \"never\"\n"),
    );
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.problems[0].key, "limits.call_timeout");
    bench.put("config/adapters/a.so", "second END");
    bench.report_after(1);
    assert!(bench.target.calls().is_empty());
    bench.put(
        "config/kefu.toml",
        &format!("{MAIN}[limits]\ncall_timeout = \"2s\"\n"),
    );
    bench.until_served("a", "second END");
    assert_eq!(
        bench.config.load().main.limits.call_timeout,
        Duration::from_secs(2)
    );
}

#[test]
fn what_is_no_file_is_refused_by_name_and_holds_nobody_up() {
    let bench = Bench::watching(&["a"]);
    let pipe = bench.path("config/providers/b.toml");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    let problem = &bench.report_after(0).problems[0];
    assert!(problem.problem.contains("found a pipe"), "{problem}");

    let endless = "settings.secret = \"${file:/dev/zero}\"";
    bench.put("config/providers/c.toml", &toml("c", endless));
    let problems = bench.report_after(1).problems;
    let of_c = problems.iter().find(|it| it.file.ends_with("c.toml"));
    assert!(of_c.unwrap().problem.contains("a regular file"), "{of_c:?}");

    bench.put("config/providers/a.toml", &toml("a", "max_copies = 3"));
    bench.until("a is reconfigured", || {
        bench.target.count("reconfigure a") == 1
    });
}

#[test]
fn a_removed_provider_is_retired_and_a_returned_one_brought_up() {
    let bench = Bench::watching(&["a", "b"]);
    std::fs::remove_file(bench.path("config/providers/b.toml")).unwrap();
    bench.until("b is retired", || {
        bench.target.calls() == ["retire b within 24 h"]
    });
    assert!(bench.config.load().provider("b").is_none());
    bench.write("config/providers/b.toml", &toml("b", ""));
    bench.until_served("b", "first END");
}

#[test]
fn a_provider_whose_file_is_renamed_stays() {
    let bench = Bench::watching(&["a", "b"]);
    let [old, new] =
        ["b", "0-renamed"].map(|name| bench.path(&format!("config/providers/{name}.toml")));
    std::fs::rename(old, new).unwrap();
    // The old name could still come back for a moment; then it cannot.
    sleep(Duration::from_millis(1_500));
    bench.fence();
    assert!(
        bench.target.calls().is_empty(),
        "{:?}",
        bench.target.calls()
    );
    assert_eq!(bench.outcomes(), [Outcome::Applied], "the fence alone");
    assert!(bench.config.load().provider("b").is_some());
}

#[test]
fn a_provider_whose_file_is_just_being_replaced_survives_other_changes() {
    let bench = Bench::watching(&["a", "b"]);
    std::fs::remove_file(bench.path("config/providers/b.toml")).unwrap();
    bench.fence();
    assert!(bench.config.load().provider("b").is_some());
    bench.write("config/providers/b.toml", &toml("b", "max_copies = 3"));
    bench.until("b goes on with its new settings", || {
        bench.target.calls() == ["reconfigure b"]
    });
}

#[test]
fn a_copied_file_does_not_take_the_id_of_the_first() {
    let bench = Bench::watching(&["b"]);
    bench.put("config/providers/a-copy.toml", &toml("b", "max_copies = 1"));
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(
        report
            .problems
            .iter()
            .any(|it| it.file.ends_with("a-copy.toml"))
    );
    assert!(bench.target.calls().is_empty());
}

#[test]
fn settings_that_fail_leave_in_force_what_serves() {
    let bench = Bench::watching(&["a", "b"]);
    bench.put(
        "config/providers/a.toml",
        &toml("a", "max_copies = 9\nsettings = { wish = \"fail\" }"),
    );
    let report = bench.report_after(0);
    assert_eq!(
        (report.outcome, report.providers[0].outcome),
        (Outcome::Refused, Fate::Failed)
    );
    assert_eq!(bench.config.load().provider("a").unwrap().max_copies, 200);
    bench.fence();
    assert_eq!(bench.config.load().provider("a").unwrap().max_copies, 200);
    bench.put("config/providers/a.toml", &toml("a", "max_copies = 9"));
    bench.until("the new settings", || {
        bench.config.load().provider("a").unwrap().max_copies == 9
    });
}

#[test]
fn a_panic_for_one_provider_stops_no_other() {
    let bench = Bench::watching(&["a", "b"]);
    bench.put(
        "config/providers/a.toml",
        &toml("a", "settings = { wish = \"panic\" }"),
    );
    bench.put(
        "config/providers/b.toml",
        &toml("b", "settings = { wish = \"x\" }"),
    );
    bench.until("b is brought up", || bench.target.count("bring up b") == 1);
    bench.until("a failed", || {
        bench
            .reports()
            .iter()
            .any(|it| it.outcome != Outcome::Applied)
    });
    bench.fence();
}

#[test]
fn a_panic_in_the_middle_leaves_the_next_reload_possible() {
    let bench = Bench::watching(&["a"]);
    let unlucky = format!("{MAIN}[limits]\nvisitor_burst = 13\n");
    bench.put("config/kefu.toml", &unlucky);
    bench.until("the panic", || bench.target.lock().mains.len() == 1);
    let error = bench
        .reloader()
        .reload_now(kefu_gateway::reload::Cause::Admin);
    assert_eq!(error, Err(kefu_gateway::reload::ReloadError::Broken));
    bench.put("config/kefu.toml", &unlucky.replace("13", "14"));
    bench.until("the next change", || {
        bench.config.load().main.limits.visitor_burst == 14
    });
}

#[test]
fn a_secret_in_a_file_of_its_own_is_changed_with_that_file() {
    let bench = Bench::with(&[]);
    bench.write("config/secret", "the-first-secret\n");
    let main = MAIN.replace("\"12345678\"", "\"${file:secret}\"");
    bench.write("config/kefu.toml", &main);
    let bench = bench.started();
    bench.put("config/secret", "the-second-secret\n");
    let report = bench.report_after(0);
    assert_eq!(report.changes, ["apps.demo.secrets"]);
    let config = bench.config.load();
    assert_eq!(
        config.app("demo").unwrap().signing_secret().expose(),
        "the-second-secret"
    );
    assert!(
        !serde_json::to_string(&report)
            .unwrap()
            .contains("the-second")
    );
}

#[test]
fn a_file_that_a_refused_main_file_waits_for_heals_it() {
    let bench = Bench::watching(&["a"]);
    let main = MAIN.replace("\"12345678\"", "\"${file:later}\"");
    bench.put("config/kefu.toml", &main);
    assert_eq!(bench.report_after(0).outcome, Outcome::Refused);
    bench.put("config/later", "here-it-is");
    bench.until("the secret", || {
        let config = bench.config.load();
        config.app("demo").unwrap().signing_secret().expose() == "here-it-is"
    });
}

#[test]
fn what_needs_a_restart_is_said_and_stays() {
    let bench = Bench::watching(&["a"]);
    let before = bench.config.load().main.server.listen;
    let main = format!("{MAIN}[server]\nlisten = \"127.0.0.1:1\"\n[limits]\nvisitor_burst = 5\n");
    bench.put("config/kefu.toml", &main);
    let report = bench.report_after(0);
    assert_eq!(report.outcome, Outcome::Partly);
    assert_eq!(report.needs_restart, ["server.listen"]);
    assert_eq!(report.changes, ["limits.visitor_burst"]);
    let config = bench.config.load();
    assert_eq!(
        (config.main.server.listen, config.main.limits.visitor_burst),
        (before, 5)
    );
}
