//! Migrations: where each stands, how both vendors do, and moving one on.
//!
//! Owns the pages and the questions before a command. Deliberately decides
//! nothing about stages: which commands there are says the phase, whether one
//! is right says the gateway. Invariant: both vendors' numbers stand side by
//! side, from the same time.

use kefu_core::{
    difference::Language,
    figures::Summary,
    migration::{Command, Guard, Judgement, Phase, Unit as Of, Verdict},
    problem::Problem,
};
use maud::{Markup, html};

use super::{desks, progress, providers};
use crate::{
    edge::{
        console::{
            Done, Form, Lang,
            chart::Unit,
            layout::{Frame, Section, View, encoded},
            parts::{self, Question, Tone},
            session::Notice,
            words::{Words, fill},
        },
        operations::Operations,
    },
    migration::{MigrationPlan, MigrationReport, MigrationStatus, VendorReport},
};

/// All of them.
pub(super) fn list(view: &View<'_>) -> Frame {
    let w = view.w;
    let all = view.operations.migrations();
    let main = html! {
        (parts::heading(w.migrations, w.migrations_lead, html! {}))
        @if all.is_empty() { (parts::empty(w.no_migrations)) }
        div.cards { @for migration in &all { (card(view, migration)) } }
    };
    Frame {
        title: w.migrations.to_owned(),
        section: Section::Migrations,
        main,
    }
}

fn card(view: &View<'_>, migration: &MigrationStatus) -> Markup {
    let w = view.w;
    html! {
        article.panel.card {
            header {
                h2 { a href=(path(&migration.name)) { (migration.name) } }
                (phase(w, migration.phase))
            }
            p.muted { (migration.from) " → " (migration.to) " · " (w.desk) " " (migration.desk) }
            p { (where_it_stands(w, migration)) }
            @for breached in migration.guards.iter().filter(|it| it.verdict == Verdict::Breached) {
                p { (parts::badge(Tone::Bad, guard(w, breached.guard))) }
            }
        }
    }
}

/// What the overview says of a migration that wants a look, if it does.
pub(super) fn matter(w: &Words, migration: &MigrationStatus) -> Option<String> {
    let breached = migration
        .guards
        .iter()
        .find(|it| it.verdict == Verdict::Breached);
    let why = match (migration.phase, breached) {
        (Phase::Stopped, _) => migration.history.first().map(|it| it.why.clone()),
        (_, Some(breached)) if migration.guarded => Some(guard(w, breached.guard).to_owned()),
        _ => None,
    };
    why.map(|why| fill(w.matter_migration, &[&migration.name, &why]))
}

fn where_it_stands(w: &Words, migration: &MigrationStatus) -> String {
    let percent = Unit::Points.say(migration.percent);
    match migration.stage {
        Some(stage) => {
            let (stage, all) = (stage.to_string(), migration.stages.to_string());
            match migration.listed {
                0 => fill(w.stage_plain, &[&stage, &all, &percent]),
                listed => fill(w.stage_of, &[&stage, &all, &percent, &listed.to_string()]),
            }
        }
        None => w.no_stage.to_owned(),
    }
}

/// One of them.
pub(super) fn one(view: &View<'_>, name: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let status = view.operations.migration(name)?;
    let report = view.operations.report_migration(name)?;
    let main = html! {
        (parts::heading(&status.name, "", buttons(w, &status)))
        p.under data-testid="phase" data-phase=(status.phase.as_str()) {
            (phase(w, status.phase)) " "
            a href=(providers::path(&status.from)) { (status.from) } " → " a href=(providers::path(&status.to)) { (status.to) }
            " · " a href=(desks::path(&status.desk)) { (status.desk) }
        }
        @if !status.configured { p.notice.doubtful { (w.migration_gone) } }
        section.panel {
            p { b data-testid="standing" { (where_it_stands(w, &status)) }
                @if let Some(since) = status.since { " · " (w.since) " " (parts::moment_of(view, since)) }
            }
            @if let Some(next) = status.next_advance { p.muted { (w.next_stage) " " (parts::clock(next)) } }
            // One that has left the file has no plan any more.
            @if let Ok(plan) = view.operations.plan_migration(name) { (stages(w, &plan, &status)) }
        }
        section.panel {
            h2 { (w.guards) }
            p.muted { (fill(w.guards_lead, &[if status.on_breach == "stop" { w.breach_stops } else { w.breach_reverts }])) }
            @if status.guards.is_empty() { p.muted { (w.no_guards) } } @else { (guards(view, &status)) }
        }
        (progress::charts(view, &status, report.began))
        section.panel { h2 { (w.report) } (totals(w, &report)) (stays(view, &report)) }
        (differences(view, &status))
        section.panel { h2 { (w.history) } (history(view, &status)) }
    };
    Ok(Frame {
        title: status.name.clone(),
        section: Section::Migrations,
        main,
    })
}

fn buttons(w: &Words, status: &MigrationStatus) -> Markup {
    let path = path(&status.name);
    let (start, advance, rollback) = match status.phase {
        Phase::Planned | Phase::RolledBack => (true, false, false),
        Phase::Paused | Phase::Stopped => (true, false, true),
        Phase::Running => (false, true, true),
        Phase::Completed => (false, false, true),
    };
    html! {
        @if status.configured {
            @if start { a.button href={ (path) "/start" } data-testid="start" { (w.start) } }
            @if advance {
                a.button href={ (path) "/advance" } data-testid="advance" { (w.advance) }
                a.button.plain href={ (path) "/pause" } data-testid="pause" { (w.pause) }
            }
            @if rollback { a.button.plain href={ (path) "/rollback" } data-testid="rollback" { (w.take_back) } }
        }
    }
}

fn stages(w: &Words, plan: &MigrationPlan, status: &MigrationStatus) -> Markup {
    let here = status.stage.unwrap_or(0);
    html! {
        ol.stages {
            @for stage in &plan.stages {
                li class=[(stage.stage < here).then_some("done")] aria-current=[stage.in_force.then_some("step")] {
                    span.muted { (w.stage) " " (stage.stage) }
                    b { (Unit::Percent.say(stage.percent)) }
                    @if stage.listed > 0 { span { (fill(w.listed, &[&stage.listed.to_string()])) } }
                    span.muted { @match &stage.after { Some(after) => (fill(w.after_time, &[after])), None => (w.by_hand) } }
                    span.muted { (fill(w.sessions_a_day, &[&stage.sessions_a_day.to_string()])) }
                }
            }
        }
    }
}

fn guards(view: &View<'_>, status: &MigrationStatus) -> Markup {
    let w = view.w;
    let heads = [
        w.guard,
        status.from.as_str(),
        status.to.as_str(),
        w.allowed,
        w.window,
        w.outcome,
    ];
    let rows = html! {
        @for it in &status.guards {
            tr {
                th scope="row" { (guard(w, it.guard)) }
                td.number { (number(it, it.old)) " " span.muted { "(" (it.old_cases) ")" } }
                td.number { (number(it, it.new)) " " span.muted { "(" (it.new_cases) ")" } }
                td.number { (limit(w, it)) }
                td { (parts::clock(it.window_from)) " – " (parts::clock(it.window_to)) }
                td.words {
                    @match it.verdict {
                        Verdict::Holds => (parts::badge(Tone::Good, w.guard_holds)),
                        Verdict::Breached => (parts::badge(Tone::Bad, w.guard_breached)),
                        Verdict::NotJudged => (parts::badge(Tone::Quiet, w.guard_not_judged)),
                        Verdict::Off => (parts::badge(Tone::Quiet, w.guard_off)),
                    }
                    @if let Some(note) = &it.note { " " span.muted lang="en" { (note) } }
                }
            }
        }
    };
    parts::table(w.guards, &heads, rows)
}

fn number(judged: &Judgement, value: Option<f64>) -> Markup {
    match value {
        Some(value) => html! { (unit(judged.unit).say(value)) },
        None => parts::dash(),
    }
}

fn limit(w: &Words, judged: &Judgement) -> Markup {
    let Some(limit) = judged.limit else {
        return parts::dash();
    };
    let said = match judged.unit {
        Of::Percent => fill(w.points_more, &[&Unit::Points.say(limit)]),
        Of::Points => fill(w.points_less, &[&Unit::Points.say(limit)]),
        Of::Milliseconds => format!("+ {}", Unit::Milliseconds.say(limit)),
    };
    html! { (said) }
}

const fn unit(of: Of) -> Unit {
    match of {
        Of::Percent => Unit::Percent,
        Of::Milliseconds => Unit::Milliseconds,
        Of::Points => Unit::Points,
    }
}

fn guard(w: &Words, guard: Guard) -> &'static str {
    match guard {
        Guard::OpeningFailures => w.opening_failures,
        Guard::DeliveryFailures => w.delivery_failures,
        Guard::Unanswered => w.unanswered,
        Guard::FirstAnswer => w.first_answer,
        Guard::Rating => w.rating,
    }
}

/// Both vendors over all of the time.
fn totals(w: &Words, report: &MigrationReport) -> Markup {
    let VendorReport { old, new } = &report.whole;
    let rate = |rate: Option<f64>| rate.map(|rate| Unit::Percent.say(rate * 100.0));
    let ms = |ms: Option<u64>| ms.map(|ms| Unit::Milliseconds.say(ms as f64));
    type Read<'a> = &'a dyn Fn(&Summary) -> Option<String>;
    let lines: [(&str, Read<'_>); 8] = [
        (w.openings, &|it| Some(it.openings.to_string())),
        (w.opening_failures, &|it| rate(it.opening_failure_rate)),
        (w.deliveries, &|it| Some(it.deliveries.to_string())),
        (w.delivery_failures, &|it| rate(it.delivery_failure_rate)),
        (w.unanswered, &|it| rate(it.unanswered_rate)),
        (w.first_answer, &|it| ms(it.first_answer_p95_ms)),
        (w.ratings, &|it| Some(it.ratings.to_string())),
        (w.rating, &|it| {
            it.rating.map(|rating| Unit::Points.say(rating))
        }),
    ];
    let rows = html! {
        @for (name, read) in lines {
            tr {
                th scope="row" { (name) }
                @for side in [old, new] {
                    td.number { @match read(side) { Some(value) => (value), None => (parts::dash()) } }
                }
            }
        }
    };
    parts::table(
        w.report,
        &[w.figure, report.from.as_str(), report.to.as_str()],
        rows,
    )
}

/// Each stage's time.
fn stays(view: &View<'_>, report: &MigrationReport) -> Markup {
    let w = view.w;
    if report.stages.is_empty() {
        return html! {};
    }
    let heads = [
        w.stage,
        w.share,
        w.since,
        w.until,
        report.from.as_str(),
        report.to.as_str(),
    ];
    let sessions = |side: &Summary| {
        fill(
            w.openings_failed,
            &[
                &side.openings.to_string(),
                &side.opening_failures.to_string(),
            ],
        )
    };
    let rows = html! {
        @for stay in &report.stages {
            tr {
                th.number scope="row" { (stay.stage) }
                td.number { (Unit::Percent.say(stay.percent)) }
                td { (parts::moment_of(view, stay.began)) }
                td { @match stay.ended { Some(ended) => (parts::moment_of(view, ended)), None => (w.now) } }
                td.number { (sessions(&stay.vendors.old)) }
                td.number { (sessions(&stay.vendors.new)) }
            }
        }
    };
    parts::table(w.stage, &heads, rows)
}

/// What visitors lose and gain.
fn differences(view: &View<'_>, status: &MigrationStatus) -> Markup {
    let w = view.w;
    let language = match view.lang {
        Lang::Zh => Language::Zh,
        Lang::En => Language::En,
    };
    let compared = view
        .operations
        .differences(&status.desk, &status.from, &status.to);
    html! {
        section.panel {
            h2 { (w.differences) }
            @match compared {
                Ok(compared) => ul.plain.lines { @for line in compared.lines(language) { li { (line) } } },
                Err(problem) => p.muted lang="en" { (problem.detail) },
            }
        }
    }
}

fn history(view: &View<'_>, status: &MigrationStatus) -> Markup {
    let w = view.w;
    if status.history.is_empty() {
        return html! { p.muted { (w.nothing_yet) } };
    }
    html! {
        ol.lines data-testid="history" {
            @for it in status.history.iter().take(SHOWN) {
                li {
                    (parts::moment_of(view, it.at)) " " (phase(w, it.phase)) " "
                    (Unit::Percent.say(it.percent)) " · " span lang="en" { (it.why) }
                }
            }
        }
    }
}

fn phase(w: &Words, phase: Phase) -> Markup {
    let (tone, word) = match phase {
        Phase::Planned => (Tone::Quiet, w.phase_planned),
        Phase::Running => (Tone::Good, w.phase_running),
        Phase::Paused => (Tone::Doubtful, w.phase_paused),
        Phase::Stopped => (Tone::Bad, w.phase_stopped),
        Phase::RolledBack => (Tone::Doubtful, w.phase_rolled_back),
        Phase::Completed => (Tone::Good, w.phase_completed),
    };
    parts::badge(tone, word)
}

/// Asks before a command.
pub(super) fn ask(view: &View<'_>, command: Command, name: &str) -> Result<Frame, Problem> {
    let w = view.w;
    let status = view.operations.migration(name)?;
    let (title, means, button) = match command {
        Command::Start => (w.start_ask, w.start_means, w.start),
        Command::Advance => (w.advance_ask, w.advance_means, w.advance),
        Command::Pause => (w.hold_ask, w.hold_means, w.pause),
        Command::Rollback => (w.take_back_ask, w.take_back_means, w.take_back),
    };
    let title = fill(title, &[name]);
    let path = path(&status.name);
    let more = html! {
        p { b { (status.from) " → " (status.to) } " · " (where_it_stands(w, &status)) }
        @if let Ok(plan) = view.operations.plan_migration(name) { (stages(w, &plan, &status)) }
    };
    let main = parts::question(
        view,
        &Question {
            title: title.clone(),
            means,
            more,
            fields: html! {
                div.field {
                    label for="why" { (w.why_hint) }
                    input #why name="why" maxlength=(LONGEST_REASON) autocomplete="off";
                }
            },
            action: format!("{path}/{}", command.as_str()),
            button,
            danger: command == Command::Rollback,
            hidden: Vec::new(),
            back: path,
        },
    );
    Ok(Frame {
        title,
        section: Section::Migrations,
        main,
    })
}

/// Carries a command out.
pub(super) fn act(
    operations: &dyn Operations,
    lang: Lang,
    command: Command,
    name: &str,
    form: &Form,
) -> Result<Done, Problem> {
    let w = lang.words();
    let why = form
        .value("why")
        .map(str::trim)
        .filter(|why| !why.is_empty());
    if why.is_some_and(|why| why.chars().count() > LONGEST_REASON) {
        let detail = format!("a reason has at most {LONGEST_REASON} characters");
        return Err(Problem::too_large("why", detail));
    }
    tracing::info!(
        migration = name,
        command = command.as_str(),
        "a migration is moved"
    );
    let status = operations.command_migration(name, command, why)?;
    let said = fill(w.migration_stands, &[name, &where_it_stands(w, &status)]);
    Ok(Done::Now(path(name), Notice::good(said)))
}

/// The page of one.
pub(super) fn path(name: &str) -> String {
    format!("/console/migrations/{}", encoded(name))
}

const LONGEST_REASON: usize = 500;
/// Of what happened.
const SHOWN: usize = 50;
