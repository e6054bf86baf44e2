//! Migrations, asked about and commanded.

use kefu_core::migration::{Command, Phase};
use kefu_plugin_api::{
    ids::{DeskId, ProviderId},
    time::Timestamp,
};

use super::*;
use crate::{
    edge::Migrating,
    migration::{MigrationPlan, MigrationReport, MigrationStatus, VendorReport},
};

impl Migrating for State {
    fn migrations(&self) -> Vec<MigrationStatus> {
        vec![status(Phase::Running)]
    }

    fn migration(&self, name: &str) -> Result<MigrationStatus, Problem> {
        match name {
            "to-jiaxin" => Ok(status(Phase::Running)),
            _ => Err(Problem::new(Slug::NotFound, "there is no such migration")),
        }
    }

    fn plan_migration(&self, name: &str) -> Result<MigrationPlan, Problem> {
        let it = self.migration(name)?;
        Ok(MigrationPlan {
            name: it.name,
            desk: it.desk,
            from: it.from,
            to: it.to,
            share_of_old: Some(90.0),
            openings_last_day: 1_000,
            new_takes_sessions: true,
            stages: vec![],
            differences: None,
            differences_unknown: None,
            shadow: None,
        })
    }

    fn report_migration(&self, name: &str) -> Result<MigrationReport, Problem> {
        let it = self.migration(name)?;
        Ok(MigrationReport {
            name: it.name,
            desk: it.desk,
            from: it.from,
            to: it.to,
            phase: it.phase,
            began: it.since,
            ended: None,
            whole: VendorReport::default(),
            stages: vec![],
        })
    }

    fn migrated_to(&self, _: &DeskId) -> Vec<ProviderId> {
        vec![]
    }

    fn command_migration(
        &self,
        name: &str,
        command: Command,
        why: Option<&str>,
    ) -> Result<MigrationStatus, Problem> {
        self.migration(name)?;
        self.hear(format!("{} {name} {why:?}", command.as_str()));
        match command {
            Command::Start => Err(Problem::new(Slug::WrongPhase, "right would be advance")),
            _ => Ok(status(Phase::Paused)),
        }
    }
}

fn status(phase: Phase) -> MigrationStatus {
    MigrationStatus {
        name: "to-jiaxin".into(),
        desk: "support".into(),
        from: "zhichi".into(),
        to: "jiaxin".into(),
        configured: true,
        phase,
        stage: Some(2),
        stages: 4,
        percent: 12.5,
        listed: 3,
        since: Some(Timestamp::default()),
        next_advance: None,
        guarded: true,
        on_breach: "revert",
        guards: vec![],
        history: vec![],
    }
}

#[tokio::test]
async fn migrations_are_listed_and_shown() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = get(&admin, "/admin/v1/migrations", Some(TOKEN), REMOTE).await;
    assert_eq!(
        (status, body["migrations"].as_array().map(Vec::len)),
        (200, Some(1))
    );
    let (status, one) = get(
        &admin,
        "/admin/v1/migrations/to-jiaxin",
        Some(TOKEN),
        REMOTE,
    )
    .await;
    assert_eq!((status, &one), (200, &body["migrations"][0]));
    assert_eq!(
        (&one["phase"], &one["percent"]),
        (&json!("running"), &json!(12.5))
    );
    assert_eq!(one.get("next_advance"), None);
    for part in ["plan", "report"] {
        let path = format!("/admin/v1/migrations/to-jiaxin/{part}");
        let (status, body) = get(&admin, &path, Some(TOKEN), REMOTE).await;
        assert_eq!((status, &body["to"]), (200, &json!("jiaxin")));
    }
    for path in ["", "/plan", "/report"] {
        let path = format!("/admin/v1/migrations/nothing{path}");
        let (status, body) = get(&admin, &path, Some(TOKEN), REMOTE).await;
        assert_eq!(
            (status, &body["type"]),
            (404, &json!("urn:kefu:problem:not-found"))
        );
    }
    let (status, _) = get(&admin, "/admin/v1/migrations", None, LOCAL).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_command_on_a_migration_is_carried_out_with_its_reason() {
    let server = server::start(State::default()).await;
    for (command, body, heard) in [
        ("advance", "", "advance to-jiaxin None"),
        ("advance", r#"{"why": "  "}"#, "advance to-jiaxin None"),
        (
            "pause",
            r#"{"why": "周末"}"#,
            "pause to-jiaxin Some(\"周末\")",
        ),
        ("rollback", r#"{"other": 1}"#, "rollback to-jiaxin None"),
    ] {
        let (status, answer) = server
            .post(&format!("migrations/to-jiaxin/{command}"), body)
            .await;
        assert_eq!((status, &answer["phase"]), (200, &json!("paused")));
        assert_eq!(server.heard(), [heard]);
    }
    let (status, answer) = server.post("migrations/to-jiaxin/start", "").await;
    assert_eq!(status, 409);
    assert_eq!(answer["type"], "urn:kefu:problem:wrong-phase");
    assert_eq!(answer["detail"], "right would be advance");
}

#[tokio::test]
async fn a_command_on_a_migration_that_is_wrong_in_itself_is_not_carried_out() {
    let server = server::start(State::default()).await;
    let long = json!({"why": "长".repeat(501)}).to_string();
    for (path, body, expected) in [
        ("migrations/nothing/start", "", 404),
        ("migrations/to-jiaxin/finish", "", 404),
        ("migrations/to-jiaxin/start", r#"{"why": 5}"#, 400),
        ("migrations/to-jiaxin/start", "[", 400),
        ("migrations/to-jiaxin/start", &long, 413),
    ] {
        let (status, answer) = server.post(path, body).await;
        assert_eq!(status, expected, "{path} {body} {answer}");
    }
    assert_eq!(server.heard(), [""; 0]);
}
