//! Sessions that the gateway opens itself, at a provider of its choice.

use kefu_core::{problem::Problem, routing, session::Fallback, turn::Input};
use kefu_plugin_api::{
    capability::EndReason,
    ids::{DeskId, ProviderId},
};

use super::Engine;
use crate::{
    route,
    session::{
        OpenRequest, VisitorKey,
        slot::{Ended, TurnJob},
    },
};

impl Engine {
    /// The provider that was asked for, and nobody else; in the group that the
    /// desk's route to it opens in.
    pub(super) fn exactly(
        &self,
        request: &OpenRequest,
        provider: &ProviderId,
    ) -> Result<Fallback, Problem> {
        let config = self.0.config.load();
        let desk = config
            .desk(request.desk.as_str())
            .filter(|desk| desk.app == request.who.app)
            .ok_or_else(|| route::no_desk(&request.desk))?;
        let route = desk.routes.iter().find(|route| route.provider == *provider);
        let group = route.and_then(|route| routing::vendor_group(route, None));
        Ok(Fallback::new(provider.clone(), group.map(Into::into)))
    }

    /// Ends the synthetic session that this visitor has open at this desk, if
    /// there is one. The vendor is told as of any end.
    ///
    /// # Errors
    /// For operators: the visitor has a session of its own there, which is left
    /// alone; the store cannot be read; the session cannot be ended.
    pub(crate) async fn end_synthetic(
        &self,
        who: &VisitorKey,
        desk: &DeskId,
    ) -> Result<(), String> {
        let (asked, at) = (who.clone(), desk.clone());
        let open = self
            .read(move |store| store.open_session(&asked, &at))
            .await;
        let Some(session) = open.map_err(|problem| problem.detail)? else {
            return Ok(());
        };
        let record = self.owned(who, &session).await;
        if !record.map_err(|problem| problem.detail)?.synthetic {
            let visitor = &who.visitor;
            return Err(format!(
                "visitor `{visitor}` has a session of its own at desk `{desk}`; give the canary an id that no user of the app has"
            ));
        }
        let job = TurnJob::new(Input::Close(EndReason::Visitor));
        match self.run(&session, job, true).await {
            Ended::Ran { .. } | Ended::Gone => Ok(()),
            other => Err(self.problem(other).detail),
        }
    }
}
