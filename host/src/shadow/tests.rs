//! Copies of sessions beside adapters that are closures.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use kefu_core::{
    config::{NoLookup, assemble, check_main},
    session::Opening,
};
use kefu_plugin_api::{
    capability::{Level, SessionState},
    descriptor::Descriptor,
    effect::{Call, Effect},
    event::{Client, Event, Visitor},
    http::HttpRequest,
    message::{Content, ContentKind},
    time::Timestamp,
    wire::{HandleInput, HandleOutput},
};
use serde_json::json;

use super::*;
use crate::plugin::{Availability, Fault, FaultKind, registry::fake};

const SAID: &str = "THE-WORDS-THAT-WERE-SAID";

#[test]
fn messages_are_judged_and_nothing_that_was_said_is_told() {
    let scene = Scene::new(Limits::default());
    scene.serve(sends_to("https://vendor.example/send"));
    let mut real = scene.open("s1");
    real = scene.stands(&real, SessionState::Robot);
    scene.says(&real, Content::text(SAID));
    scene.says(
        &real,
        Content::Location {
            latitude: 1.0,
            longitude: 2.0,
            label: SAID.into(),
        },
    );
    scene.says(
        &real,
        Content::File {
            url: SAID.into(),
            name: SAID.into(),
            size: 1,
        },
    );
    let report = scene.report(|report| report.messages.refused == 1);
    assert_eq!((report.sessions, report.following), (1, 1));
    let summary = scene.shadows.summary(&report.watched).unwrap();
    assert_eq!(summary.messages, report.messages);
    assert!(summary.findings.is_empty());
    let expected = MessageCounts {
        full: 1,
        converted: 1,
        refused: 1,
        ..MessageCounts::default()
    };
    assert_eq!(report.messages, expected);
    let kinds: Vec<_> = report
        .kinds
        .iter()
        .map(|it| (it.kind, it.state, it.result.as_str(), it.count))
        .collect();
    let robot = SessionState::Robot;
    assert_eq!(
        kinds,
        [
            (ContentKind::Location, robot, "converted", 1),
            (ContentKind::File, robot, "refused", 1),
        ]
    );
    let findings: Vec<_> = report.findings.iter().map(|it| it.result).collect();
    assert_eq!(findings, [FindingKind::Refused, FindingKind::Converted]);
    assert!(!json!(report).to_string().contains(SAID), "{report:?}");
    let heard = scene.heard.lock().unwrap();
    assert_eq!(*heard, ["opened", "from_visitor", "from_visitor"]);
}

#[test]
fn calls_are_checked_and_dropped() {
    let scene = Scene::new(Limits::default());
    scene.serve(sends_to("https://elsewhere.example/send"));
    let real = scene.open("s1");
    let real = scene.stands(&real, SessionState::Human);
    scene.says(&real, Content::text("x"));
    let report = scene.report(|report| report.calls.refused == 2);
    assert_eq!(report.calls.would_leave, 0);
    let finding = &report.findings[0];
    assert_eq!(finding.result, FindingKind::CallRefused);
    assert!(
        finding.reason.contains("elsewhere.example:443"),
        "{finding:?}"
    );
    assert_eq!(report.messages.full, 1, "the message itself is carried");

    let allowed = Scene::new(Limits::default());
    allowed.serve(sends_to("https://vendor.example/send"));
    let real = allowed.open("s1");
    let real = allowed.stands(&real, SessionState::Human);
    allowed.says(&real, Content::text("x"));
    let report = allowed.report(|report| report.calls.would_leave == 2);
    assert_eq!(report.calls.refused, 0);
}

#[test]
fn an_adapter_that_panics_is_counted_and_stays_in_service() {
    let scene = Scene::new(Limits::default());
    scene.serve(|input: HandleInput| match input.event {
        Event::Opened { .. } => Ok(nothing()),
        _ => Err(Fault::new(
            FaultKind::Panic,
            format!("cannot read `{SAID}`"),
        )),
    });
    for number in 0..20 {
        let real = scene.open(&format!("s{number}"));
        let real = scene.stands(&real, SessionState::Robot);
        scene.says(&real, Content::text(SAID));
    }
    let report = scene.report(|report| report.messages.faulted == 20);
    assert_eq!(report.faults[&FaultKind::Panic], 20);
    assert!(!json!(report).to_string().contains(SAID), "{report:?}");
    let slot = scene.registry.slot(&"new".into()).unwrap();
    assert!(matches!(slot.availability(), Availability::Active));
    assert!(slot.health().faults().is_empty(), "not on the live account");
}

#[test]
fn an_adapter_that_hangs_keeps_one_thread_and_holds_up_nobody() {
    let scene = Scene::new(Limits::default());
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    scene.serve(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        // Ends when the test does.
        let _ = held.lock().unwrap().recv();
        Ok(nothing())
    });
    let begun = Instant::now();
    for number in 0..50 {
        scene.open(&format!("s{number}"));
    }
    assert!(begun.elapsed() < Duration::from_millis(90), "nobody waits");
    let report = scene.report(|report| report.left_out == 49);
    assert_eq!(report.faults[&FaultKind::Timeout], 1);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let slot = scene.registry.slot(&"new".into()).unwrap();
    assert!(matches!(slot.availability(), Availability::Active));

    // Once it is back, it is called again.
    drop(release);
    let again = Instant::now() + PATIENCE;
    let mut number = 100;
    while calls.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < again, "it is not called again");
        scene.open(&format!("s{number}"));
        number += 1;
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_copy_that_was_used_least_lately_makes_way() {
    let scene = Scene::new(Limits {
        sessions: 2,
        ..Limits::default()
    });
    scene.serve(sends_to("https://vendor.example/send"));
    let records: Vec<_> = ["s1", "s2"].map(|id| scene.open(id)).into();
    let first = scene.stands(&records[0], SessionState::Robot);
    scene.says(&first, Content::text("x"));
    scene.open("s3");
    let report = scene.report(|report| report.left_out == 1);
    assert_eq!((report.sessions, report.following), (3, 2));
    assert!(scene.shadows.follows(&"s1".into()), "it was used later");
    assert!(!scene.shadows.follows(&"s2".into()));
}

#[test]
fn what_does_not_fit_into_the_queue_is_counted_and_its_copy_given_up() {
    let scene = Scene::new(Limits {
        queue: 1,
        ..Limits::default()
    });
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    scene.serve(move |_| {
        let _ = held.lock().unwrap().recv_timeout(Duration::from_millis(50));
        Ok(nothing())
    });
    let real = scene.open("s1");
    for _ in 0..20 {
        scene.says(&real, Content::text("x"));
    }
    drop(release);
    let report = scene.report(|report| report.left_out == 1);
    assert_eq!((report.sessions, report.following), (1, 0));
    assert!(!scene.shadows.follows(&"s1".into()));
}

#[test]
fn a_session_that_is_over_is_followed_no_more() {
    let scene = Scene::new(Limits::default());
    scene.serve(sends_to("https://vendor.example/send"));
    let real = scene.open("s1");
    scene.stands(&real, SessionState::Ended);
    let report = scene.report(|report| report.following == 0 && report.sessions == 1);
    assert_eq!(report.left_out, 0);
    assert!(!scene.shadows.follows(&"s1".into()));
}

#[test]
fn an_adapter_that_is_not_there_is_not_called() {
    let scene = Scene::new(Limits::default());
    scene.open("s1");
    let report = scene.report(|report| report.left_out == 1);
    assert_eq!((report.sessions, report.following), (1, 0));
}

#[test]
fn the_last_findings_are_kept() {
    let scene = Scene::new(Limits::default());
    scene.serve(sends_to("https://vendor.example/send"));
    let real = scene.open("s1");
    let real = scene.stands(&real, SessionState::Robot);
    for _ in 0..250 {
        let content = Content::File {
            url: "u".into(),
            name: "n".into(),
            size: 1,
        };
        scene.says(&real, content);
    }
    let report = scene.report(|report| report.messages.refused == 250);
    assert_eq!(report.findings.len(), 200);
    assert_eq!(report.kinds[0].count, 250);
}

/// Shadows over a registry, and what their adapter heard.
struct Scene {
    registry: Arc<Registry>,
    shadows: Shadows,
    heard: Arc<Mutex<Vec<&'static str>>>,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        let text = r#"
            [admin]
            token = "a-token-for-the-test"
            [limits]
            call_timeout = "100ms"
            [apps.demo]
            secret = "a-secret-for-the-test"
            [desks.support]
            app = "demo"
            [[desks.support.routes]]
            provider = "old"
            shadow = "new"
            "#;
        let main = check_main("kefu.toml", text, &NoLookup).unwrap();
        let config = assemble(main, vec![]).0;
        let timeout = config.main.limits.call_timeout;
        let registry = Arc::new(Registry::new(&config.main.plugins, timeout));
        let shadows = Shadows::start(Parts {
            registry: Arc::clone(&registry),
            config: Arc::new(ArcSwap::from_pointee(config)),
            public_url: "http://gateway.example".into(),
            metrics: Metrics::default(),
            limits,
        })
        .unwrap();
        Self {
            registry,
            shadows,
            heard: Arc::default(),
        }
    }

    fn serve(
        &self,
        handle: impl Fn(HandleInput) -> Result<HandleOutput, Fault> + Send + Sync + 'static,
    ) {
        let mut descriptor = Descriptor::new("new", "1.0.0")
            .supports(ContentKind::Text, Level::Full)
            .supports(ContentKind::Location, Level::Converted);
        descriptor.hosts = vec![kefu_plugin_api::descriptor::HostSource::Fixed {
            host: "vendor.example".into(),
        }];
        let heard = Arc::clone(&self.heard);
        let on_handle = Box::new(move |input: HandleInput| {
            heard.lock().unwrap().push(match &input.event {
                Event::Opened { .. } => "opened",
                Event::FromVisitor { .. } => "from_visitor",
                _ => "something else",
            });
            handle(input)
        });
        let refuses = Box::new(|_| Err(Fault::new(FaultKind::Adapter, "no callback")));
        fake::serve_described(&self.registry, "new", descriptor, on_handle, refuses);
    }

    fn open(&self, id: &str) -> Arc<Record> {
        let record = Record::open(Opening {
            synthetic: false,
            id: id.into(),
            app: "demo".into(),
            desk: "support".into(),
            visitor: Visitor {
                id: "v".into(),
                ..Visitor::default()
            },
            client: Client::default(),
            asked_group: None,
            order: vec![choice("old")],
            now: Timestamp::from_unix_ms(1),
        });
        let record = Arc::new(record.unwrap());
        self.shadows.opened(&record, choice("new"));
        record
    }

    fn stands(&self, before: &Arc<Record>, state: SessionState) -> Arc<Record> {
        let after = Arc::new(Record {
            state,
            ..Record::clone(before)
        });
        self.shadows.went_on(Arc::clone(before), &after, None);
        after
    }

    fn says(&self, real: &Arc<Record>, content: Content) {
        let command = Command::Message {
            content,
            media: vec![],
            converted_from: None,
        };
        self.shadows.went_on(Arc::clone(real), real, Some(command));
    }

    /// The report once it is as it should be.
    fn report(&self, is_it: impl Fn(&ShadowReport) -> bool) -> ShadowReport {
        let until = Instant::now() + PATIENCE;
        loop {
            let report = self.shadows.reports().pop();
            match report {
                Some(report) if is_it(&report) => return report,
                report => assert!(Instant::now() < until, "{report:?}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn choice(provider: &str) -> Fallback {
    Fallback::new(provider, None)
}

/// An adapter that makes a call of everything.
fn sends_to(url: &'static str) -> impl Fn(HandleInput) -> Result<HandleOutput, Fault> {
    move |input| {
        let mut call = Call::new("call", HttpRequest::get(url));
        if let Event::FromVisitor { message } = input.event {
            call.message = Some(message.id);
        }
        Ok(HandleOutput {
            effects: vec![Effect::Call { call }],
            ..nothing()
        })
    }
}

fn nothing() -> HandleOutput {
    HandleOutput {
        effects: vec![],
        state: vec![],
        state_version: "1".into(),
        notes: vec![],
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
