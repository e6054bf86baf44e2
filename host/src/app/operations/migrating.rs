//! Migrations, as operators see and command them.

use kefu_core::{migration::Command, problem::Problem};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::Overview;
use crate::{
    edge::Migrating,
    migration::{MigrationPlan, MigrationReport, MigrationStatus},
};

impl Migrating for Overview {
    fn migrations(&self) -> Vec<MigrationStatus> {
        self.migrations.all()
    }

    fn migration(&self, name: &str) -> Result<MigrationStatus, Problem> {
        self.migrations.status(name)
    }

    fn plan_migration(&self, name: &str) -> Result<MigrationPlan, Problem> {
        self.migrations.plan(name)
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
