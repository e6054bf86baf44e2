//! Migrations over a real store, with figures that the tests count.

use std::time::Duration;

use kefu_core::{
    config::{NoLookup, assemble, check_main},
    figures::{Observation, Seen},
    migration::{Phase, Verdict},
    routing::{Availability, RouteRequest, choose_among},
};
use kefu_plugin_api::ids::SessionId;
use tempfile::TempDir;

use super::*;
use crate::store::sqlite::SqliteStore;

const STAGES: &str = "[{ visitors = 'tester' }, { percent = 10 }, { percent = 100 }]";

#[test]
fn a_command_has_its_effect_when_it_is_answered_and_after_a_restart() {
    let place = Place::new(STAGES);
    assert_eq!(place.provider_of("tester"), "zhichi");
    let status = place.command(Command::Start).unwrap();
    assert_eq!((status.phase, status.stage), (Phase::Running, Some(1)));
    assert_eq!((status.percent, status.listed), (0.0, 1));
    assert_eq!(place.provider_of("tester"), "jiaxin");
    let place = place.restart(STAGES);
    assert_eq!(place.provider_of("tester"), "jiaxin");
    assert_eq!(place.provider_of("somebody"), "zhichi");
    place.command(Command::Advance).unwrap();
    place.command(Command::Advance).unwrap();
    let place = place.restart(STAGES);
    assert_eq!(place.provider_of("somebody"), "jiaxin");
    let status = place.command(Command::Rollback).unwrap();
    assert_eq!((status.phase, status.stage), (Phase::RolledBack, None));
    assert_eq!(place.provider_of("tester"), "zhichi");
    let place = place.restart(STAGES);
    assert_eq!(place.provider_of("tester"), "zhichi");
    let history = place.migrations.status(NAME).unwrap().history;
    assert_eq!(history.len(), 4);
    assert_eq!(history[0].phase, Phase::RolledBack);
}

#[test]
fn a_refused_command_says_what_would_be_right_and_changes_nothing() {
    let place = Place::new(STAGES);
    let refused = place.command(Command::Advance).unwrap_err();
    assert_eq!(refused.slug, Slug::WrongPhase);
    assert!(refused.detail.contains("right would be start"), "{refused}");
    let unknown = place.migrations.command("nothing", Command::Start, None);
    assert_eq!(unknown.unwrap_err().slug, Slug::NotFound);
    assert_eq!(place.migrations.status(NAME).unwrap().phase, Phase::Planned);
}

#[test]
fn commands_that_come_at_once_are_carried_out_one_after_the_other() {
    let stages: Vec<String> = (1..=40).map(|it| format!("{{ percent = {it} }}")).collect();
    let place = Place::new(&format!("[{}]", stages.join(", ")));
    place.command(Command::Start).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..4).for_each(|_| drop(place.command(Command::Advance).unwrap())));
        }
    });
    let status = place.migrations.status(NAME).unwrap();
    assert_eq!((status.stage, status.history.len()), (Some(33), 33));
}

#[test]
fn a_breached_guard_reverts_the_stage_and_tells_the_numbers() {
    let place = Place::new(STAGES);
    place.command(Command::Start).unwrap();
    place.command(Command::Advance).unwrap();
    place.count("zhichi", Seen::Taken, 30);
    place.count("jiaxin", Seen::Taken, 19);
    place.migrations.look();
    let status = place.migrations.status(NAME).unwrap();
    assert_eq!((status.phase, status.stage), (Phase::Running, Some(2)));
    assert_eq!(status.guards[0].verdict, Verdict::NotJudged);
    place.count("jiaxin", Seen::NotTaken, 1);
    place.next_moment();
    place.migrations.look();
    let status = place.migrations.status(NAME).unwrap();
    assert_eq!((status.phase, status.stage), (Phase::Stopped, Some(1)));
    let step = &status.history[0];
    assert_eq!(step.by, Cause::Guard);
    for word in [
        "opening_failures",
        "jiaxin has 5 % (20 cases)",
        "zhichi has 0 % (30 cases)",
        "2 points",
        "since",
    ] {
        assert!(step.why.contains(word), "{word} is not in {}", step.why);
    }
    // What was measured before the stage is not held against this one.
    assert_eq!(status.guards[0].new_cases, 0);
    let page = place.metrics.render();
    let line = "kefu_migration_steps_total{migration=\"to-jiaxin\",by=\"guard\"} 1";
    assert!(page.contains(line), "{page}");
    let again = place.command(Command::Start).unwrap();
    assert_eq!((again.phase, again.stage), (Phase::Running, Some(1)));
}

#[test]
fn a_stage_advances_when_its_time_is_over() {
    let place = Place::new("[{ percent = 1, after = '1s' }, { percent = 2 }]");
    let status = place.command(Command::Start).unwrap();
    let due = status.next_advance.unwrap();
    assert_eq!(due.since_ms(status.since.unwrap()), 1_000);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while place.migrations.status(NAME).unwrap().stage != Some(2) {
        assert!(std::time::Instant::now() < until, "it never advanced");
        std::thread::yield_now();
        place.migrations.look();
    }
    let step = &place.migrations.status(NAME).unwrap().history[0];
    assert_eq!((step.by, step.at >= due), (Cause::Time, true));
}

#[test]
fn changed_files_are_followed_and_a_migration_that_left_has_no_effect() {
    let place = Place::new(STAGES);
    place.command(Command::Start).unwrap();
    place.command(Command::Advance).unwrap();
    place.rewrite(Some(
        "[{ visitors = 'tester' }, { percent = 100 }, { percent = 100, visitors = 'b' }]",
    ));
    assert_eq!(place.provider_of("somebody"), "jiaxin");
    place.rewrite(None);
    assert_eq!(place.provider_of("somebody"), "zhichi");
    let left = place.migrations.status(NAME).unwrap();
    assert!(!left.configured && left.stage.is_none(), "{left:?}");
    assert!(place.migrations.all().contains(&left));
    let refused = place.command(Command::Start).unwrap_err();
    assert_eq!(refused.slug, Slug::WrongPhase);
    assert!(place.migrations.plan(NAME).is_err());
    let report = place.migrations.report(NAME).unwrap();
    assert!(report.ended.is_some() && report.stages.len() == 3);
    place.rewrite(Some(STAGES));
    let back = place.migrations.status(NAME).unwrap();
    assert_eq!((back.phase, back.configured), (Phase::Paused, true));
}

#[test]
fn the_report_has_both_vendors_by_stage_and_on_the_whole() {
    let place = Place::new(STAGES);
    place.command(Command::Start).unwrap();
    place.count("jiaxin", Seen::Taken, 2);
    place.next_moment();
    place.command(Command::Advance).unwrap();
    place.count("jiaxin", Seen::Taken, 3);
    place.count("jiaxin", Seen::Rated(50), 1);
    place.count("zhichi", Seen::Taken, 20);
    let report = place.migrations.report(NAME).unwrap();
    let openings: Vec<_> = report
        .stages
        .iter()
        .map(|stage| {
            (
                stage.stage,
                stage.vendors.old.openings,
                stage.vendors.new.openings,
            )
        })
        .collect();
    assert_eq!(openings, [(1, 0, 2), (2, 20, 3)]);
    assert_eq!(
        (report.whole.new.openings, report.whole.new.rating),
        (5, Some(50.0))
    );
    assert_eq!((report.began.is_some(), report.ended), (true, None));
}

#[test]
fn the_plan_says_whom_each_stage_takes() {
    let place = Place::new("[{ visitors = 'tester' }, { percent = 12.5, after = '24h' }]");
    place.count("zhichi", Seen::Taken, 80);
    let plan = place.migrations.plan(NAME).unwrap();
    assert_eq!(
        (plan.share_of_old, plan.openings_last_day),
        (Some(80.0), 80)
    );
    let stages: Vec<_> = plan
        .stages
        .iter()
        .map(|it| {
            (
                it.listed,
                it.percent,
                it.percent_of_desk,
                it.sessions_a_day,
                it.after.as_deref(),
            )
        })
        .collect();
    let expected = [
        (1, 0.0, Some(0.0), 0, None),
        (1, 12.5, Some(10.0), 10, Some("1d")),
    ];
    assert_eq!(stages, expected);
}

const NAME: &str = "to-jiaxin";

struct Place {
    migrations: Migrations,
    config: Arc<ArcSwap<Config>>,
    figures: Figures,
    metrics: Metrics,
    splits: Splits,
    folder: TempDir,
}

impl Place {
    fn new(stages: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), stages)
    }

    fn in_folder(folder: TempDir, stages: &str) -> Self {
        let metrics = Metrics::new();
        let store = SqliteStore::open(&folder.path().join("kefu.db"), metrics.clone()).unwrap();
        let config = Arc::new(ArcSwap::from_pointee(config(Some(stages))));
        let (figures, splits) = (Figures::default(), Splits::default());
        let migrations = Migrations::open(Parts {
            store: Arc::new(store),
            config: Arc::clone(&config),
            figures: figures.clone(),
            metrics: metrics.clone(),
            splits: splits.clone(),
        })
        .unwrap();
        Self {
            migrations,
            config,
            figures,
            metrics,
            splits,
            folder,
        }
    }

    fn restart(self, stages: &str) -> Self {
        drop(self.migrations);
        Self::in_folder(self.folder, stages)
    }

    fn rewrite(&self, stages: Option<&str>) {
        self.config.store(Arc::new(config(stages)));
        self.migrations.reconfigured();
    }

    fn command(&self, command: Command) -> Result<MigrationStatus, Problem> {
        self.migrations.command(NAME, command, None)
    }

    /// Waits until the clock shows another time, so that slots can be told
    /// apart.
    fn next_moment(&self) {
        let now = clock::now();
        while clock::now() == now {
            std::thread::yield_now();
        }
    }

    fn count(&self, provider: &str, seen: Seen, times: usize) {
        let provider = ProviderId::new(provider);
        let seen = vec![Observation { provider, seen }; times];
        let session = SessionId::new("s");
        self.figures
            .count(&DeskId::new("support"), &session, &seen, clock::now());
    }

    fn provider_of(&self, visitor: &str) -> String {
        let config = self.config.load();
        let desk = config.desk("support").unwrap();
        let request = RouteRequest {
            visitor,
            ..RouteRequest::default()
        };
        let decision = choose_among(desk, &self.splits.load(), &request, &|_| {
            Availability::Ready
        });
        decision.chosen.unwrap().provider.to_string()
    }
}

fn config(stages: Option<&str>) -> Config {
    let migration = stages.map_or_else(String::new, |stages| {
        format!("[migrations.{NAME}]\ndesk = 'support'\nfrom = 'zhichi'\nto = 'jiaxin'\nstages = {stages}")
    });
    let text = format!(
        "admin = {{ token = 'a-token-for-the-test' }}
         apps = {{ demo = {{ secret = 'a-secret-for-the-test' }} }}
         [desks.support]
         app = 'demo'
         routes = [{{ provider = 'zhichi', weight = 80 }}, {{ provider = 'qiyu' }}]
         {migration}"
    );
    assemble(check_main("kefu.toml", &text, &NoLookup).unwrap(), vec![]).0
}
