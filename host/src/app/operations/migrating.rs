//! Migrations, as operators see and command them.

use kefu_core::{migration::Command, problem::Problem};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::Overview;
use crate::{
    edge::{Migrating, Operations},
    migration::{MigrationPlan, MigrationReport, MigrationStatus},
    shadow::Watched,
};

impl Migrating for Overview {
    fn migrations(&self) -> Vec<MigrationStatus> {
        self.migrations.all()
    }

    fn migration(&self, name: &str) -> Result<MigrationStatus, Problem> {
        self.migrations.status(name)
    }

    fn plan_migration(&self, name: &str) -> Result<MigrationPlan, Problem> {
        let mut plan = self.migrations.plan(name)?;
        plan.new_takes_sessions = self.takes_sessions(&plan.to);
        let config = self.config.load();
        if let Some(desk) = config.desk(plan.desk.as_str()) {
            let (from, to) = (&plan.from, &plan.to);
            match self
                .figures
                .differences(&self.registry, &config, desk, from, to)
            {
                Ok(differences) => plan.differences = Some(differences),
                Err(unknown) => plan.differences_unknown = Some(unknown.detail),
            }
        }
        plan.shadow = self.shadows.summary(&Watched {
            desk: plan.desk.clone(),
            provider: plan.from.clone(),
            shadow: plan.to.clone(),
        });
        Ok(plan)
    }

    fn report_migration(&self, name: &str) -> Result<MigrationReport, Problem> {
        self.migrations.report(name)
    }

    fn migrated_to(&self, desk: &DeskId) -> Vec<ProviderId> {
        self.migrations.leading_to(desk)
    }

    fn command_migration(
        &self,
        name: &str,
        command: Command,
        why: Option<&str>,
    ) -> Result<MigrationStatus, Problem> {
        self.migrations.command(name, command, why)
    }
}
