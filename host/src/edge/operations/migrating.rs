//! What the edge asks about migrations.

use kefu_core::{migration::Command, problem::Problem};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use crate::migration::{MigrationPlan, MigrationReport, MigrationStatus};

/// Looks at migrations and moves them on, for operators. A migration that is
/// not there is `not-found`.
pub trait Migrating {
    /// Every migration of the configuration, and those that were begun before
    /// they left it, by name.
    fn migrations(&self) -> Vec<MigrationStatus>;

    /// One of them.
    ///
    /// # Errors
    /// `not-found`.
    fn migration(&self, name: &str) -> Result<MigrationStatus, Problem>;

    /// What it would do, stage by stage.
    ///
    /// # Errors
    /// `not-found`, also for one that has left the configuration.
    fn plan_migration(&self, name: &str) -> Result<MigrationPlan, Problem>;

    /// What has come of it, per stage and vendor.
    ///
    /// # Errors
    /// `not-found`.
    fn report_migration(&self, name: &str) -> Result<MigrationReport, Problem>;

    /// The providers that stages in force give visitors of a desk to.
    fn migrated_to(&self, desk: &DeskId) -> Vec<ProviderId>;

    /// Carries a command out, with the reason that an operator gave. It comes to
    /// how the migration stands afterwards.
    ///
    /// # Errors
    /// `not-found`; `wrong-phase`, which says what would be right; the store does
    /// not answer, and nothing has changed.
    fn command_migration(
        &self,
        name: &str,
        command: Command,
        why: Option<&str>,
    ) -> Result<MigrationStatus, Problem>;
}
