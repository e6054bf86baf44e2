//! A gateway that remembers which commands it was given.

use std::sync::Mutex;

use kefu_core::config::{NoLookup, assemble, check_main};
use kefu_core::difference::Comparison;
use kefu_core::figures::Summary;
use kefu_core::routing::RouteRequest;
use kefu_core::trail::{SessionSummary, Trail};
use kefu_plugin_api::ids::{DeskId, ProviderId, SessionId};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    config::WrittenRoute,
    edge::{
        DeskWeights, Editing, FiguresOf, FiguresReport, FiguresStep, FiguresWanted, Inspecting,
        Measuring, NewWeights, ProviderReport, SessionPage, ShutdownTrigger,
    },
    shadow::{CallCounts, Finding, FindingKind, MessageCounts, ShadowReport, Watched},
    store::Wanted,
    telemetry::Standing,
};

/// What it says, and what it heard.
pub(in crate::edge) struct State {
    pub(in crate::edge) store: Result<(), String>,
    pub(in crate::edge) works: bool,
    /// Why the first provider does not work.
    pub(in crate::edge) reason: String,
    /// What is known of the vendors; nothing if null.
    pub(in crate::edge) health: Value,
    /// Whether the file has a third route, to the provider of the first.
    pub(in crate::edge) twice: bool,
    /// What a reload or a rollback comes to.
    pub(in crate::edge) reload: Result<Value, Problem>,
    /// One for each command that may end.
    pub(in crate::edge) held: Arc<Semaphore>,
    pub(in crate::edge) heard: Arc<Mutex<Vec<String>>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            store: Ok(()),
            works: true,
            reason: "the file is not there yet".into(),
            health: Value::Null,
            twice: false,
            reload: Ok(json!({"outcome": "applied"})),
            held: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            heard: Arc::default(),
        }
    }
}

impl State {
    pub(super) fn hear(&self, what: String) {
        self.heard.lock().unwrap().push(what);
    }

    fn command(&self, what: String) -> Commanded {
        self.hear(what);
        let (held, report) = (Arc::clone(&self.held), self.reload.clone());
        Box::pin(async move {
            held.acquire().await.unwrap().forget();
            report
        })
    }
}

impl Operations for State {
    fn check_store(&self) -> Result<(), String> {
        self.store.clone()
    }

    fn providers(&self) -> Vec<ProviderReport> {
        let paused = self.heard.lock().unwrap().iter().fold(false, |paused, it| {
            it.starts_with("pause") || (paused && !it.starts_with("resume"))
        });
        let works = self.works && !paused;
        let report = |id: &str, state: &str, works, reason: Option<&str>| ProviderReport {
            id: id.into(),
            works,
            reason: reason.map(str::to_owned),
            standing: Standing {
                state: state.to_owned(),
                stuck_calls: if works { 2 } else { 0 },
                ..Standing::default()
            },
            report: match &self.health {
                Value::Null => json!({"generation": 1}),
                health => json!({"generation": 1, "health": health}),
            },
        };
        let state = if paused { "paused" } else { "active" };
        vec![
            report("jiaxin", "waiting", false, Some(&self.reason)),
            report("zhichi", state, works, None),
        ]
    }

    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        self.works && provider.as_str() == "zhichi"
    }

    fn plugins(&self) -> Result<Value, Problem> {
        Ok(json!([{"file": "libkefu_zhichi.so"}]))
    }

    fn mapped_copies(&self) -> u64 {
        4
    }

    fn reloads(&self, limit: usize) -> Vec<Value> {
        let all = (1..=3).rev().map(|number| json!({"id": number}));
        all.take(limit).collect()
    }

    fn reload(&self, provider: Option<&ProviderId>) -> Commanded {
        let whom = provider.map_or("all", ProviderId::as_str);
        self.command(format!("reload {whom}"))
    }

    fn roll_back(&self, provider: &ProviderId, generation: Option<u64>) -> Commanded {
        self.command(format!("rollback {provider} {generation:?}"))
    }

    fn set_paused(&self, provider: &ProviderId, paused: bool) -> Result<(), Problem> {
        let word = if paused { "pause" } else { "resume" };
        self.hear(format!("{word} {provider}"));
        Ok(())
    }

    fn pushes(&self) -> Vec<Value> {
        vec![json!({"app": "demo", "lanes": 2})]
    }

    fn replay(&self, letter: &str) -> Commanded {
        self.command(format!("replay {letter}"))
    }

    fn explain(&self, desk: &DeskId, request: &RouteRequest<'_>) -> Result<Value, Problem> {
        let profile = request.profile.map(|it| (&it.fields, &it.custom));
        self.hear(format!("explain {desk} {request:?}"));
        Ok(json!({"desk": desk, "visitor": request.visitor, "profile": json!(profile)}))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<Value>, Problem> {
        self.store
            .clone()
            .map_err(|error| Problem::new(Slug::StorageUnavailable, error))?;
        Ok(vec![json!({"id": "d1"}); 2.min(limit)])
    }
}

impl Inspecting for State {
    fn sessions(&self, wanted: &Wanted) -> Result<SessionPage, Problem> {
        self.hear(format!("sessions {wanted:?}"));
        Ok(SessionPage {
            next: Some("s9".into()),
            ..SessionPage::default()
        })
    }

    fn session(&self, session: &SessionId) -> Result<SessionSummary, Problem> {
        self.hear(format!("session {session}"));
        Err(Problem::new(Slug::NotFound, "there is no such session"))
    }

    fn shadows(&self) -> Vec<ShadowReport> {
        vec![ShadowReport {
            watched: Watched {
                desk: "support".into(),
                provider: "zhichi".into(),
                shadow: "jiaxin".into(),
            },
            since: crate::clock::now(),
            sessions: 3,
            following: 1,
            left_out: 0,
            messages: MessageCounts {
                full: 7,
                refused: 2,
                ..MessageCounts::default()
            },
            kinds: Vec::new(),
            calls: CallCounts::default(),
            refused_commands: [("human", 1)].into(),
            faults: Default::default(),
            findings: vec![Finding {
                at: crate::clock::now(),
                session: "s1".into(),
                state: kefu_plugin_api::capability::SessionState::Human,
                what: "message",
                kind: None,
                result: FindingKind::Refused,
                reason: self.reason.clone(),
            }],
        }]
    }

    fn trail(&self, session: &SessionId, after: u64, limit: usize) -> Result<Trail, Problem> {
        self.hear(format!("trail {session} {after} {limit}"));
        Err(Problem::new(Slug::NotFound, "there is no such session"))
    }
}

impl Measuring for State {
    fn figures(&self, wanted: &FiguresWanted) -> Result<FiguresReport, Problem> {
        self.hear(format!("figures {:?} {:?}", wanted.desk, wanted.step));
        let counted = Summary {
            openings: 8,
            opening_failures: 2,
            opening_failure_rate: Some(0.25),
            ..Summary::default()
        };
        Ok(FiguresReport {
            from: wanted.from,
            to: wanted.to,
            answer_within_ms: 120_000,
            step_ms: None,
            figures: vec![FiguresOf {
                desk: "support".into(),
                provider: "zhichi".into(),
                total: counted.clone(),
                series: wanted.step.map(|_| {
                    vec![FiguresStep {
                        at: wanted.from,
                        counted,
                    }]
                }),
            }],
        })
    }

    fn differences(
        &self,
        desk: &DeskId,
        from: &ProviderId,
        to: &ProviderId,
    ) -> Result<Comparison, Problem> {
        self.hear(format!("differences {desk} {from} {to}"));
        Ok(Comparison {
            from: from.clone(),
            to: to.clone(),
            by_version: Vec::new(),
            undeclared: Vec::new(),
        })
    }
}

impl Editing for State {
    fn weights(&self, desk: &DeskId) -> Result<DeskWeights, Problem> {
        if desk.as_str() != "support" {
            let detail = format!("kefu.toml has no desk `{desk}`");
            return Err(Problem::new(Slug::NotFound, detail));
        }
        let route = |provider: &str, weight| WrittenRoute {
            provider: provider.into(),
            weight,
        };
        let mut routes = vec![route("jiaxin", Some(10.0)), route("zhichi", None)];
        if self.twice {
            routes.push(route("jiaxin", None));
        }
        Ok(DeskWeights {
            desk: desk.clone(),
            file: "kefu.toml".into(),
            digest: "d1".into(),
            routes,
        })
    }

    fn set_weights(&self, desk: &DeskId, wanted: NewWeights) -> Commanded {
        if wanted
            .digest
            .as_deref()
            .is_some_and(|digest| digest != "d1")
        {
            let problem = Problem::new(Slug::Conflict, "kefu.toml was changed meanwhile");
            return Box::pin(std::future::ready(Err(problem)));
        }
        let weights: Vec<String> = wanted
            .weights
            .iter()
            .map(|new| format!("{}={}", new.route, new.weight))
            .collect();
        self.command(format!("weights {desk} {}", weights.join(" ")))
    }
}

/// A listener's handler over it, with two desks.
pub(in crate::edge::admin) fn admin(state: State) -> (Arc<Inner>, ShutdownTrigger) {
    let text = format!(
        r#"
        [admin]
        token = "{TOKEN}"
        [apps.demo]
        secret = "a-secret-for-the-test"
        [desks.support]
        app = "demo"
        title = "在线客服"
        groups = [{{ id = "presales", name = "售前" }}]
        [[desks.support.routes]]
        provider = "jiaxin"
        when = {{ app_version = ">=2.8.16", platform = ["ios"] }}
        weight = 10
        [[desks.support.routes]]
        provider = "zhichi"
        group = "service"
        [desks.night]
        app = "demo"
        [[desks.night.routes]]
        provider = "jiaxin"
        "#
    );
    let config = assemble(check_main("kefu.toml", &text, &NoLookup).unwrap(), vec![]).0;
    let (trigger, shutdown) = shutdown_signal();
    let admin = Admin::new(
        Arc::new(ArcSwap::from_pointee(config)),
        Arc::new(state),
        Metrics::new(),
        shutdown,
    );
    (admin.0, trigger)
}
