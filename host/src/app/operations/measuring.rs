//! The numbers by which providers are compared, as operators see them.

use std::{collections::BTreeSet, time::Duration};

use kefu_core::{
    config::Config,
    difference::Comparison,
    problem::{Problem, Slug},
};
use kefu_plugin_api::ids::{DeskId, ProviderId};

use super::Overview;
use crate::{
    edge::{FiguresOf, FiguresReport, FiguresStep, FiguresWanted, Measuring},
    route,
};

impl Measuring for Overview {
    fn figures(&self, wanted: &FiguresWanted) -> Result<FiguresReport, Problem> {
        let config = self.config.load();
        let mut all = routed(&config);
        all.extend(self.figures.measured(wanted.from..wanted.to));
        if let Some(desk) = &wanted.desk
            && config.desk(desk.as_str()).is_none()
            && all.iter().all(|(known, _)| known != desk)
        {
            return Err(route::no_desk(desk));
        }
        if let Some(provider) = &wanted.provider
            && config.provider(provider.as_str()).is_none()
            && all.iter().all(|(_, known)| known != provider)
        {
            let detail = format!("there is no provider `{:.100}`", provider.as_str());
            return Err(Problem::new(Slug::NotFound, detail));
        }
        let of_it = |(desk, provider): &(DeskId, ProviderId)| {
            wanted.desk.as_ref().is_none_or(|it| it == desk)
                && wanted.provider.as_ref().is_none_or(|it| it == provider)
        };
        let figures = all.into_iter().filter(of_it);
        Ok(FiguresReport {
            from: wanted.from,
            to: wanted.to,
            answer_within_ms: millis(wanted.answer_within),
            step_ms: wanted.step.map(millis),
            figures: figures.map(|key| self.figures_of(key, wanted)).collect(),
        })
    }

    fn differences(
        &self,
        desk: &DeskId,
        from: &ProviderId,
        to: &ProviderId,
    ) -> Result<Comparison, Problem> {
        let config = self.config.load();
        let known = config
            .desk(desk.as_str())
            .ok_or_else(|| route::no_desk(desk))?;
        self.figures
            .differences(&self.registry, &config, known, from, to)
    }
}

impl Overview {
    fn figures_of(
        &self,
        (desk, provider): (DeskId, ProviderId),
        wanted: &FiguresWanted,
    ) -> FiguresOf {
        let FiguresWanted {
            from,
            to,
            step,
            answer_within,
            ..
        } = *wanted;
        let total = self
            .figures
            .of_within(&desk, &provider, from, to, answer_within);
        let series = step.map(|step| {
            let series =
                self.figures
                    .series_within(&desk, &provider, from..to, step, answer_within);
            let steps = series.into_iter().map(|(at, tally)| FiguresStep {
                at,
                counted: tally.summary(),
            });
            steps.collect()
        });
        FiguresOf {
            total: total.summary(),
            series,
            desk,
            provider,
        }
    }
}

/// Every desk with every provider that one of its routes names.
fn routed(config: &Config) -> BTreeSet<(DeskId, ProviderId)> {
    let desks = config.main.desks.values();
    desks
        .flat_map(|desk| {
            let routes = desk.routes.iter();
            routes.map(|route| (desk.id.clone(), route.provider.clone()))
        })
        .collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
