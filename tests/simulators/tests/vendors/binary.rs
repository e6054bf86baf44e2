//! The program: its ready line, its addresses, its ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::Http;

fn start(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kefu-simulators"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

#[tokio::test]
async fn everything_starts_on_free_ports_and_sigterm_ends_it_with_0() {
    let (mut child, ready) = start(&[]);
    assert_eq!(ready["event"], "ready");
    let http = Http::new();
    for name in ["zhichi", "jiaxin", "xiaoneng", "qiyu", "aikefu", "sdp"] {
        let url = format!("{}/control", ready[name].as_str().expect("an address"));
        assert_eq!(http.get(&url).await["vendor"], name);
    }
    assert!(ready["app"].is_string());
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[tokio::test]
async fn only_what_is_named_starts_and_a_closed_stdin_ends_it_when_asked_to() {
    let settings = r#"{"human":{"auto_accept_ms":5}}"#;
    let arguments = [
        "--zhichi",
        "127.0.0.1:0",
        "--settings",
        settings,
        "--exit-with-stdin",
    ];
    let (mut child, ready) = start(&arguments);
    assert_eq!(ready["jiaxin"], json!(null));
    let url = format!("{}/control", ready["zhichi"].as_str().expect("an address"));
    let control = Http::new().get(&url).await;
    assert_eq!(control["settings"]["human"]["auto_accept_ms"], 5);
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[test]
fn settings_with_an_unknown_key_stop_the_start() {
    let program = Command::new(env!("CARGO_BIN_EXE_kefu-simulators"))
        .args(["--settings", r#"{"robots":{}}"#])
        .output()
        .expect("the program runs");
    assert!(!program.status.success());
    let said = String::from_utf8_lossy(&program.stderr).into_owned();
    assert!(said.contains("robots"), "{said}");
}
