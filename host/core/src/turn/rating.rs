//! Rating: who may be rated when, and the window at the end of a session.

use kefu_plugin_api::{
    capability::{
        EndReason, Evaluation, EvaluationStart, EvaluationTarget, Exit, HumanEvaluation,
        RobotEvaluation, SessionState,
    },
    event::Event,
};

use super::{Turn, rules::over};
use crate::{
    log::{EvaluationResult, EventBody, Invitation},
    problem::{Problem, Slug},
    session::{Invited, TimerKey},
};

/// How long a visitor who leaves can still rate.
pub(super) const RATING_WINDOW_MS: i64 = 5 * 60 * 1000;

impl Turn<'_> {
    pub(super) fn evaluate(&mut self, mut evaluation: Evaluation) -> Result<(), Problem> {
        let invited = self.record.rating.invited.clone();
        let answers = invited
            .as_ref()
            .is_some_and(|invited| invited.target == evaluation.target);
        if self.record.is_over() && invited.is_none() {
            return Err(over());
        }
        let possible =
            self.takes_ratings() && (answers || self.may_rate_unasked(evaluation.target));
        if !possible {
            return Err(Problem::new(
                Slug::NotInvited,
                format!(
                    "{} cannot be rated while the session is {} and nobody asked for it",
                    match evaluation.target {
                        EvaluationTarget::Robot => "the robot",
                        EvaluationTarget::Human => "the agent",
                    },
                    self.record.state.as_str()
                ),
            ));
        }
        self.check_against_form(&evaluation, invited.and_then(|invited| invited.form))?;
        evaluation.invited = answers;
        match evaluation.target {
            EvaluationTarget::Robot => self.record.rating.robot_done = true,
            EvaluationTarget::Human => self.record.rating.human_done = true,
        }
        self.log(EventBody::EvaluationSubmitted(EvaluationResult::Rated(
            evaluation.clone(),
        )));
        self.tell(Event::Evaluated { evaluation });
        if answers {
            self.settle_invitation();
        }
        Ok(())
    }

    pub(super) fn decline_evaluation(&mut self) -> Result<(), Problem> {
        let Some(invited) = &self.record.rating.invited else {
            return Err(if self.record.is_over() {
                over()
            } else {
                Problem::new(Slug::NotInvited, "there is no invitation to decline")
            });
        };
        if !self.takes_ratings() {
            return Err(Problem::new(
                Slug::NotInvited,
                "nobody is there to be rated now",
            ));
        }
        let target = invited.target;
        self.record.rating.declined.push(target);
        self.log(EventBody::EvaluationSubmitted(EvaluationResult::Declined {
            declined: true,
        }));
        self.settle_invitation();
        Ok(())
    }

    /// Opens the window where a visitor who leaves is asked first. Whether the
    /// leaving has to wait for it.
    pub(super) fn rating_delays_exit(&mut self) -> bool {
        if self.record.capabilities.exit != Exit::Ends {
            return false;
        }
        let Some(target) = self.rating_due() else {
            return false;
        };
        let known = self.record.rating.invited.take();
        let form = known.and_then(|known| known.form);
        self.invite(target, form, true);
        self.record.rating.exit_waits = true;
        true
    }

    /// Opens the window where an agent ended the session, and keeps an
    /// invitation open that was not answered. A visitor who has left rates no
    /// more: the vendor knows of the leaving already.
    pub(super) fn invite_at_end(&mut self, reason: EndReason) {
        if reason == EndReason::Visitor {
            self.stop_waiting_for_rating();
        } else if self.record.rating.invited.is_some() {
            let closes = self.context.now.plus_ms(RATING_WINDOW_MS);
            let timers = &mut self.record.timers;
            timers.entry(TimerKey::RatingWindow).or_insert(closes);
        } else if reason == EndReason::Agent
            && let Some(target) = self.rating_due()
        {
            self.invite(target, None, true);
        }
    }

    /// The vendor invites. What could not be answered is not shown.
    pub(super) fn invite_for_vendor(
        &mut self,
        target: EvaluationTarget,
        form: Option<HumanEvaluation>,
    ) {
        let rules = &self.record.capabilities.evaluation;
        let state = self.record.state;
        let formless = target == EvaluationTarget::Human && form.is_none() && rules.human.is_none();
        if formless || matches!(state, SessionState::Opening | SessionState::Unattended) {
            self.notes.push(format!(
                "an invitation to rate was dropped: it cannot be answered while {}",
                state.as_str()
            ));
        } else {
            self.invite(target, form, false);
        }
    }

    fn invite(
        &mut self,
        target: EvaluationTarget,
        form: Option<HumanEvaluation>,
        opens_window: bool,
    ) {
        let rules = &self.record.capabilities.evaluation;
        let (prompt, shown) = match target {
            EvaluationTarget::Robot => (rules.robot_prompt.clone(), None),
            EvaluationTarget::Human => (None, form.clone().or_else(|| rules.human.clone())),
        };
        let timers = &mut self.record.timers;
        if opens_window {
            let closes = self.context.now.plus_ms(RATING_WINDOW_MS);
            timers.insert(TimerKey::RatingWindow, closes);
        }
        let expires_at = timers.get(&TimerKey::RatingWindow).copied();
        self.record.rating.invited = Some(Invited { target, form });
        self.log(EventBody::EvaluationInvited(Invitation {
            target,
            prompt,
            form: shown,
            expires_at,
        }));
    }

    /// The window closes by itself.
    pub(super) fn close_rating_window(&mut self) {
        self.settle_invitation();
    }

    /// Forgets that the visitor's leaving waits.
    pub(super) fn stop_waiting_for_rating(&mut self) {
        self.record.rating.exit_waits = false;
        self.record.rating.invited = None;
        self.record.timers.remove(&TimerKey::RatingWindow);
    }

    /// An invitation is answered or has lapsed: whoever waited to leave, leaves
    /// now, after the rating was told.
    fn settle_invitation(&mut self) {
        let exit_waited = self.record.rating.exit_waits;
        self.stop_waiting_for_rating();
        self.changed = true;
        if exit_waited && !self.record.is_over() {
            self.see_off();
        }
    }

    /// Whether a rating can be taken at all in this state.
    fn takes_ratings(&self) -> bool {
        match self.record.state {
            SessionState::Opening => false,
            SessionState::Unattended => self.record.rating.exit_waits,
            SessionState::Robot
            | SessionState::Queued
            | SessionState::Human
            | SessionState::Ended => true,
        }
    }

    /// Whom a visitor who leaves now is asked about. Asked is while somebody
    /// answers or is awaited; in other states a rating is not taken.
    fn rating_due(&self) -> Option<EvaluationTarget> {
        if matches!(
            self.record.state,
            SessionState::Opening | SessionState::Unattended | SessionState::Ended
        ) {
            return None;
        }
        if let Some(invited) = &self.record.rating.invited {
            return Some(invited.target);
        }
        let rules = &self.record.capabilities.evaluation;
        let served_ms = self.context.now.since_ms(self.record.served_since?);
        let long_enough = served_ms
            >= i64::try_from(rules.after_seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(1000);
        if !long_enough || !rules.by.contains(&EvaluationStart::Exit) {
            return None;
        }
        let rating = &self.record.rating;
        let (target, open) = if self.record.had_human {
            let open = rules.human.is_some() && !rating.human_done;
            (EvaluationTarget::Human, open)
        } else {
            let open = rules.robot != RobotEvaluation::None && !rating.robot_done;
            (EvaluationTarget::Robot, open)
        };
        (open && !rating.declined.contains(&target)).then_some(target)
    }

    fn may_rate_unasked(&self, target: EvaluationTarget) -> bool {
        let rules = &self.record.capabilities.evaluation;
        match (self.record.state, target) {
            (SessionState::Robot | SessionState::Queued, EvaluationTarget::Robot) => {
                rules.robot != RobotEvaluation::None && !self.record.rating.robot_done
            }
            (SessionState::Human, EvaluationTarget::Human) => {
                rules.human.is_some()
                    && rules.by.contains(&EvaluationStart::Visitor)
                    && !self.record.rating.human_done
            }
            _ => false,
        }
    }

    fn check_against_form(
        &self,
        evaluation: &Evaluation,
        form: Option<HumanEvaluation>,
    ) -> Result<(), Problem> {
        let form = match evaluation.target {
            EvaluationTarget::Robot => HumanEvaluation {
                resolved: true,
                comment: true,
                ..HumanEvaluation::default()
            },
            EvaluationTarget::Human => form
                .or_else(|| self.record.capabilities.evaluation.human.clone())
                .unwrap_or_default(),
        };
        let refuse = |pointer: &str, detail: &str| {
            Err(Problem {
                slug: Slug::UnsupportedByProvider,
                ..Problem::invalid(pointer, detail)
            })
        };
        if evaluation.stars.is_some() && !form.stars {
            return refuse("/stars", "this provider takes no stars here");
        }
        if evaluation.resolved.is_some() && !form.resolved {
            return refuse(
                "/resolved",
                "this provider does not ask whether it was solved",
            );
        }
        if let Some(tag) = evaluation.tags.iter().find(|tag| !form.tags.contains(tag)) {
            return refuse(
                "/tags",
                &format!("`{tag}` is not one of this provider's tags"),
            );
        }
        if evaluation.comment.is_some() && !form.comment {
            return refuse("/comment", "this provider takes no comment here");
        }
        Ok(())
    }
}
