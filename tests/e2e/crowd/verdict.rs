//! Waits until nothing of a crowd is under way any more, and judges all of it.
//!
//! Owns the figures of a run. What must hold of one visitor is in
//! [`case`](super::case).

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;

use super::VENDORS;
use super::case::{Case, is_status_of, listed};
use super::member::Diary;

/// What a run came to.
#[derive(Default)]
pub(crate) struct Figures {
    sessions: usize,
    pub(super) taken: usize,
    pub(crate) delivered: usize,
    pub(crate) unknown: usize,
    pub(super) unknown_heard: usize,
    pub(super) unanswered: usize,
    pub(super) turned_away: usize,
    pub(super) asked_again: usize,
    pub(super) repeats_at_vendor: usize,
    pub(super) from_agents: usize,
    pub(super) pushes_again: usize,
    pub(super) from_robot: usize,
    pub(super) streamed: usize,
    pub(super) connections: usize,
    pub(super) chatted: Duration,
    pub(super) drained: Duration,
}

impl Figures {
    /// Messages that were taken in a second, on the average.
    pub(crate) fn rate(&self) -> f64 {
        let taken = u32::try_from(self.taken).unwrap_or(u32::MAX);
        f64::from(taken) / self.chatted.as_secs_f64()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions chatted for {:.1?}, all over {:.1?} later",
            self.sessions, self.chatted, self.drained
        )?;
        writeln!(
            f,
            "messages answered with 2xx: {}, lost: 0, twice or out of order in a log: 0",
            self.taken
        )?;
        writeln!(
            f,
            "  delivered: {}, unknown: {} (智齿 only; {} of them heard there), twice at a vendor: 0",
            self.delivered, self.unknown, self.unknown_heard
        )?;
        writeln!(
            f,
            "  requests without an answer: {}, told to come again: {}, answered ones repeated: {}",
            self.unanswered, self.turned_away, self.asked_again
        )?;
        writeln!(
            f,
            "  calls repeated to 佳信 and recognised there: {}",
            self.repeats_at_vendor
        )?;
        writeln!(
            f,
            "agents' messages acknowledged: {}, lost or twice: 0; pushed more than once: {}",
            self.from_agents, self.pushes_again
        )?;
        writeln!(f, "robots' answers: {}", self.from_robot)?;
        write!(
            f,
            "events streamed: {} over {} connections, all as in the log",
            self.streamed, self.connections
        )
    }
}

/// Waits until every message has met its fate and every push was answered.
pub(super) async fn settle(stage: &Stage, diaries: &[Diary], patience: Duration) -> Result<()> {
    for diary in diaries {
        let what = format!("the fate of what visitor {} said", diary.member.number);
        wait::until_within(patience, &what, async || {
            let log = diary
                .member
                .visitor
                .events(&diary.member.session, 0)
                .await?;
            let settled = |id: &str| log.iter().any(|event| is_status_of(event, id));
            Ok(diary
                .said
                .iter()
                .all(|said| settled(&said.accepted.id))
                .then_some(()))
        })
        .await?;
    }
    for vendor in VENDORS {
        let path = "/control/pushes?state=waiting&limit=1";
        wait::until_within(
            patience,
            &format!("the pushes of {vendor:?} to be answered"),
            async || Ok(listed(stage, vendor, path).await?.is_empty().then_some(())),
        )
        .await?;
    }
    for diary in diaries.iter().filter(|diary| diary.member.with_agent) {
        let what = format!("all that agents said to visitor {}", diary.member.number);
        wait::until_within(patience, &what, async || {
            let case = Case::open(stage, diary).await?;
            Ok((case.echoes_in_log().len() >= case.echoes_pushed().len()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The figures, or an error that shows everything about the first violations.
pub(super) async fn judge(stage: &Stage, diaries: &[Diary]) -> Result<Result<Figures>> {
    let mut figures = Figures {
        sessions: diaries.len(),
        ..Figures::default()
    };
    let (mut violations, mut shown) = (Vec::new(), Vec::new());
    for diary in diaries {
        let mut case = Case::open(stage, diary).await?;
        case.of_visitor(&mut figures);
        case.at_vendor(&mut figures);
        case.of_desk(&mut figures);
        if !case.violations.is_empty() && shown.len() < SHOWN {
            shown.push(case.evidence(stage));
        }
        let who = format!(
            "visitor {} at {:?}",
            diary.member.number, diary.member.vendor
        );
        violations.extend(
            case.violations
                .iter()
                .map(|violation| format!("\n{who}: {violation}")),
        );
    }
    if violations.is_empty() {
        return Ok(Ok(figures));
    }
    let (count, list, shown) = (violations.len(), violations.concat(), shown.join("\n"));
    Ok(Err(anyhow::anyhow!(
        "{count} violations:{list}\n\nfirst cases in full:\n{shown}"
    )))
}

/// Of how many visitors everything is shown.
const SHOWN: usize = 3;
