//! The steps of a migration: by command, by time, by guard, and by a changed
//! file.
#![allow(
    clippy::unwrap_used,
    reason = "a step that cannot be made is a failed test"
)]

use std::time::Duration;

use kefu_core::{
    config::{Migration, NoLookup, OnBreach, Points, Weight, check_main},
    figures::Tally,
    migration::{Cause, Command, Guard, Phase, Progress, Verdict, judge},
};
use kefu_plugin_api::time::Timestamp;
use proptest::{collection::vec, prelude::*};

const STAGES: &str =
    "[{ visitors = 'a' }, { percent = 1, after = '1h' }, { percent = 10 }, { percent = 100 }]";

#[test]
fn commands_lead_from_the_first_stage_to_the_end_and_back() {
    let migration = migration(STAGES);
    let mut it = Progress::planned(&migration, at(0));
    assert_eq!((it.in_force(), it.share(&migration)), (None, Weight::ZERO));
    let stages = [(0, 0), (1, 100), (2, 1_000), (3, 10_000)];
    for (step, (stage, share)) in stages.into_iter().enumerate() {
        let command = if step == 0 {
            Command::Start
        } else {
            Command::Advance
        };
        it = go(&it, &migration, command, step);
        assert_eq!((it.phase, it.in_force()), (Phase::Running, Some(stage)));
        assert_eq!(it.share(&migration), Weight::hundredths(share));
    }
    it = go(&it, &migration, Command::Advance, 5);
    assert_eq!((it.phase, it.in_force()), (Phase::Completed, Some(3)));
    it = go(&it, &migration, Command::Rollback, 6);
    assert_eq!((it.phase, it.in_force()), (Phase::RolledBack, None));
    it = go(&it, &migration, Command::Start, 7);
    assert_eq!((it.phase, it.in_force()), (Phase::Running, Some(0)));
    let steps: Vec<_> = it
        .history
        .iter()
        .map(|step| (step.at.unix_ms(), step.stage, step.share, step.by))
        .collect();
    let by = Cause::Operator;
    let expected = [
        (0, Some(1), 0, by),
        (1, Some(2), 100, by),
        (2, Some(3), 1_000, by),
        (3, Some(4), 10_000, by),
        (5, Some(4), 10_000, by),
        (6, None, 0, by),
        (7, Some(1), 0, by),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn every_command_at_the_wrong_moment_says_what_would_be_right() {
    let migration = migration(STAGES);
    for (phase, possible) in [
        (Phase::Planned, &[Command::Start][..]),
        (
            Phase::Running,
            &[Command::Advance, Command::Pause, Command::Rollback],
        ),
        (Phase::Paused, &[Command::Start, Command::Rollback]),
        (Phase::Stopped, &[Command::Start, Command::Rollback]),
        (Phase::RolledBack, &[Command::Start]),
        (Phase::Completed, &[Command::Rollback]),
    ] {
        for command in COMMANDS {
            let it = Progress {
                phase,
                stage: (phase != Phase::Planned && phase != Phase::RolledBack).then_some(1),
                ..Progress::planned(&migration, at(0))
            };
            match it.command(&migration, command, None, at(1)) {
                Ok(_) => assert!(possible.contains(&command), "{command:?} in {phase:?}"),
                Err(refusal) => {
                    assert!(!possible.contains(&command), "{refusal}");
                    let text = refusal.to_string();
                    let begin = format!(
                        "cannot {} the migration: it is {}; ",
                        command.as_str(),
                        phase.as_str()
                    );
                    assert!(text.starts_with(&begin), "{text}");
                    assert!(text.len() > begin.len() + 10, "{text}");
                }
            }
        }
    }
}

#[test]
fn the_reason_that_an_operator_gives_stands_in_the_history() {
    let migration = migration(STAGES);
    let it = Progress::planned(&migration, at(0));
    let it = it
        .command(&migration, Command::Start, Some("家里都试过了"), at(1))
        .unwrap();
    assert_eq!(it.history[0].why, "start: 家里都试过了");
    let it = go(&it, &migration, Command::Pause, 2);
    assert_eq!(it.history[1].why, "pause: an operator asked for it");
}

#[test]
fn a_stage_with_a_time_is_over_after_it_and_others_are_not() {
    let migration = migration(STAGES);
    let it = begun(&migration, 1);
    let due = at(1).plus_ms(3_600_000);
    assert_eq!(it.next_advance(&migration), Some(due));
    assert_eq!(it.by_time(&migration, due.plus_ms(-1)), None);
    let next = it.by_time(&migration, due).unwrap();
    assert_eq!((next.phase, next.in_force()), (Phase::Running, Some(2)));
    let step = next.history.last().unwrap();
    assert_eq!(step.by, Cause::Time);
    assert_eq!(step.why, "stage 2 was in force for 1h");
    assert_eq!(next.next_advance(&migration), None, "by hand");
    assert_eq!(next.by_time(&migration, due.plus_ms(i64::MAX / 2)), None);
}

#[test]
fn the_time_of_a_stage_that_was_paused_begins_again() {
    let migration = migration(STAGES);
    let it = go(&begun(&migration, 1), &migration, Command::Pause, 2_000);
    assert_eq!(it.next_advance(&migration), None);
    assert_eq!(it.in_force(), Some(1), "visitors stay where they are");
    let it = go(&it, &migration, Command::Start, 9_000_000);
    assert_eq!(it.in_force(), Some(1));
    assert_eq!(
        it.next_advance(&migration),
        Some(at(9_000_000).plus_ms(3_600_000))
    );
}

#[test]
fn the_last_stage_with_a_time_completes() {
    let migration = migration("[{ percent = 100, after = '1s' }]");
    let it = begun(&migration, 0);
    let done = it.by_time(&migration, at(1_000)).unwrap();
    assert_eq!((done.phase, done.in_force()), (Phase::Completed, Some(0)));
    assert!(!done.is_guarded());
}

#[test]
fn a_breach_reverts_to_the_stage_before_and_stops_there() {
    let migration = migration(STAGES);
    let it = begun(&migration, 2);
    let back = breach(&it, &migration, 100).unwrap();
    assert_eq!((back.phase, back.in_force()), (Phase::Stopped, Some(1)));
    let step = back.history.last().unwrap();
    assert_eq!((step.by, step.stage), (Cause::Guard, Some(2)));
    let expected = "opening_failures: jiaxin has 50 % (40 cases), zhichi has 1 % (100 cases); \
                    the limit is 2 points worse, over 1s since 1970-01-01T00:00:00.002Z";
    assert_eq!(step.why, expected);
    // It stops there, though the numbers are no better.
    assert_eq!(breach(&back, &migration, 101), None);
    assert_eq!(back.next_advance(&migration), None);
    // Going on measures anew.
    let on = go(&back, &migration, Command::Start, 200);
    assert_eq!((on.phase, on.in_force()), (Phase::Running, Some(1)));
    assert_eq!(on.window(&migration, at(300)), at(200)..at(301));
}

#[test]
fn a_breach_in_the_first_stage_leaves_nobody_moved() {
    let migration = migration(STAGES);
    let back = breach(&begun(&migration, 0), &migration, 100).unwrap();
    assert_eq!((back.phase, back.in_force()), (Phase::Stopped, None));
    let again = go(&back, &migration, Command::Start, 200);
    assert_eq!((again.phase, again.in_force()), (Phase::Running, Some(0)));
}

#[test]
fn a_breach_can_stop_where_it_is_and_one_while_paused_acts_too() {
    let mut migration = migration(STAGES);
    migration.on_breach = OnBreach::Stop;
    let it = go(&begun(&migration, 2), &migration, Command::Pause, 50);
    let stopped = breach(&it, &migration, 100).unwrap();
    assert_eq!(
        (stopped.phase, stopped.in_force()),
        (Phase::Stopped, Some(2))
    );
}

#[test]
fn a_pause_does_not_forget_what_was_measured() {
    let migration = migration(STAGES);
    let it = go(&begun(&migration, 1), &migration, Command::Pause, 50);
    let it = go(&it, &migration, Command::Start, 60);
    assert_eq!(it.window(&migration, at(100)), at(1)..at(101));
    let far = at(1).plus_ms(7_200_000);
    assert_eq!(it.window(&migration, far).start, far.plus_ms(-600_000));
}

#[test]
fn guards_compare_both_vendors_and_say_what_they_cannot_judge() {
    let migration = migration(STAGES);
    let guards = &migration.guards;
    let window = at(0)..at(60_000);
    let mut old = tally(100, 1);
    (old.deliveries, old.answered, old.unanswered) = (100, 98, 2);
    (old.ratings, old.rating_sum) = (50, 4_500);
    old.first_answers.record(Duration::from_secs(10));
    for _ in 0..97 {
        old.first_answers.record(Duration::from_secs(5));
    }
    let mut new = tally(100, 3);
    (new.deliveries, new.deliveries_unknown) = (19, 19);
    (new.answered, new.unanswered) = (92, 8);
    (new.ratings, new.rating_sum) = (50, 4_200);
    for _ in 0..92 {
        new.first_answers.record(Duration::from_secs(36));
    }
    let judged = judge(guards, &old, &new, &window);
    let verdicts: Vec<_> = judged.iter().map(|it| (it.guard, it.verdict)).collect();
    let expected = [
        // 1 % and 3 %: exactly what is allowed.
        (Guard::OpeningFailures, Verdict::Holds),
        (Guard::DeliveryFailures, Verdict::NotJudged),
        (Guard::Unanswered, Verdict::Breached),
        (Guard::FirstAnswer, Verdict::Breached),
        (Guard::Rating, Verdict::Breached),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!((judged[0].old, judged[0].new), (Some(1.0), Some(3.0)));
    assert_eq!(
        judged[1].note.as_deref(),
        Some("the new vendor has 19 of 20 cases")
    );
    assert_eq!((judged[2].old, judged[2].new), (Some(2.0), Some(8.0)));
    assert_eq!((judged[4].old, judged[4].new), (Some(90.0), Some(84.0)));
    let said = judged[4].breach(&migration).unwrap();
    let expected = "rating: jiaxin has 84 points (50 cases), zhichi has 90 points (50 cases); \
                    the limit is 5 points worse, over 1m since 1970-01-01T00:00:00.000Z";
    assert_eq!(said, expected);
}

#[test]
fn without_an_old_vendor_to_compare_rates_are_held_against_none_and_the_rest_is_not_judged() {
    let migration = migration(STAGES);
    let mut new = tally(100, 3);
    (new.ratings, new.rating_sum) = (50, 0);
    for _ in 0..50 {
        new.first_answers.record(Duration::from_secs(3_600));
    }
    let judged = judge(&migration.guards, &tally(19, 19), &new, &(at(0)..at(1)));
    assert_eq!(judged[0].verdict, Verdict::Breached, "3 % against nothing");
    let note = "the old vendor has 19 of 20 cases, so it is compared with 0";
    assert_eq!(judged[0].note.as_deref(), Some(note));
    for place in [3, 4] {
        assert_eq!(judged[place].verdict, Verdict::NotJudged);
        assert_eq!(
            judged[place].note.as_deref(),
            Some("the old vendor has 0 of 20 cases")
        );
    }
}

#[test]
fn a_guard_that_is_off_says_so_and_never_breaches() {
    let mut migration = migration(STAGES);
    migration.guards.opening_failures = None;
    let judged = judge(
        &migration.guards,
        &tally(100, 0),
        &tally(100, 100),
        &(at(0)..at(1)),
    );
    assert_eq!(judged[0].verdict, Verdict::Off);
    assert_eq!(judged[0].new, Some(100.0));
    assert_eq!(judged[0].breach(&migration), None);
}

#[test]
fn an_old_vendor_that_is_as_bad_excuses_the_new_one() {
    let migration = migration(STAGES);
    let judged = judge(
        &migration.guards,
        &tally(100, 50),
        &tally(100, 51),
        &(at(0)..at(1)),
    );
    assert_eq!(judged[0].verdict, Verdict::Holds);
}

#[test]
fn a_file_whose_present_stage_is_rewritten_is_followed() {
    let before = migration(STAGES);
    let it = begun(&before, 2);
    let after = migration(
        "[{ visitors = 'a' }, { percent = 1, after = '1h' }, { percent = 15 }, { percent = 100 }]",
    );
    let next = it.fitted(&after, at(9)).unwrap();
    assert_eq!((next.phase, next.in_force()), (Phase::Running, Some(2)));
    assert_eq!(next.share(&after), Weight::percent(15));
    let step = next.history.last().unwrap();
    assert_eq!(step.by, Cause::File);
    assert_eq!(
        step.why,
        "the file changed stage 3: from 10 % and 1 listed to 15 % and 1"
    );
    assert_eq!(next.fitted(&after, at(10)), None, "that is known now");
    assert_eq!(it.fitted(&before, at(10)), None, "nothing has changed");
}

#[test]
fn a_stage_keeps_its_share_when_others_are_put_before_it_or_taken_out() {
    let it = begun(&migration(STAGES), 2);
    let more = migration(
        "[{ visitors = 'a' }, { percent = 1 }, { percent = 5 }, { percent = 10 }, { percent = 100 }]",
    );
    let next = it.fitted(&more, at(9)).unwrap();
    assert_eq!(next.in_force(), Some(3));
    assert_eq!(next.share(&more), Weight::percent(10));
    assert_eq!(next.since, it.since, "its time goes on");
    assert_eq!(
        next.history.last().unwrap().why,
        "what was stage 3 is stage 4 now"
    );
    let fewer = migration("[{ visitors = 'a', percent = 10 }, { percent = 100 }]");
    let next = it.fitted(&fewer, at(9)).unwrap();
    assert_eq!((next.in_force(), next.phase), (Some(0), Phase::Running));
}

#[test]
fn a_stage_that_is_gone_falls_back_to_the_nearest_below() {
    let it = begun(&migration(STAGES), 2);
    let other = migration("[{ percent = 1 }, { percent = 9 }, { percent = 50 }]");
    let next = it.fitted(&other, at(9)).unwrap();
    assert_eq!(next.share(&other), Weight::percent(9));
    assert_eq!(
        next.history.last().unwrap().why,
        "the file has no stage of 10 % any more; stage 2 is the nearest"
    );
    let none = migration("[{ percent = 20 }, { percent = 50 }]");
    let next = it.fitted(&none, at(9)).unwrap();
    assert_eq!((next.phase, next.in_force()), (Phase::Stopped, None));
    assert_eq!(
        next.history.last().unwrap().why,
        "the file has no stage of 10 % any more; every stage takes more, so none is in force"
    );
}

#[test]
fn what_was_completed_is_not_when_stages_are_added() {
    let it = begun(&migration(STAGES), 3);
    let it = go(&it, &migration(STAGES), Command::Advance, 8);
    assert_eq!(it.phase, Phase::Completed);
    let more = migration(
        "[{ visitors = 'a' }, { percent = 1, after = '1h' }, { percent = 10 }, { percent = 100 }, { visitors = ['b'] }]",
    );
    let next = it.fitted(&more, at(9)).unwrap();
    assert_eq!((next.phase, next.in_force()), (Phase::Paused, Some(3)));
}

#[test]
fn a_migration_that_left_the_file_has_no_effect_and_comes_back_paused() {
    let migration = migration(STAGES);
    let it = begun(&migration, 2);
    let gone = it.gone(at(9)).unwrap();
    assert_eq!(gone.in_force(), None);
    assert_eq!(gone.share(&migration), Weight::ZERO);
    assert_eq!(gone.next_advance(&migration), None);
    assert!(!gone.is_guarded());
    assert_eq!(gone.gone(at(10)), None, "that is known");
    let back = gone.fitted(&migration, at(20)).unwrap();
    assert_eq!((back.phase, back.in_force()), (Phase::Paused, Some(2)));
    let stays: Vec<_> = back
        .stays(at(30))
        .into_iter()
        .map(|stay| (stay.stage, stay.span.start, stay.span.end))
        .collect();
    assert_eq!(
        stays,
        [
            (1, at(0), at(1)),
            (2, at(1), at(2)),
            (3, at(2), at(9)),
            (3, at(20), at(30))
        ]
    );
}

#[test]
fn other_vendors_under_the_same_name_begin_anew() {
    let it = begun(&migration(STAGES), 2);
    let mut other = migration(STAGES);
    other.to = "qiyu".into();
    let next = it.fitted(&other, at(9)).unwrap();
    assert_eq!((next.phase, next.in_force()), (Phase::Planned, None));
    assert_eq!(next.to.as_str(), "qiyu");
    let said = &next.history[0].why;
    assert!(said.contains("from zhichi to qiyu"), "{said}");
}

#[test]
fn a_pause_does_not_part_the_time_of_a_stage() {
    let migration = migration(STAGES);
    let it = go(&begun(&migration, 1), &migration, Command::Pause, 5);
    let it = go(&it, &migration, Command::Start, 6);
    let it = go(&it, &migration, Command::Rollback, 9);
    let stays = it.stays(at(100));
    assert_eq!(stays.len(), 2);
    assert_eq!((stays[1].stage, stays[1].span.clone()), (2, at(1)..at(9)));
}

#[test]
fn a_history_is_bounded() {
    let migration = migration(STAGES);
    let mut it = begun(&migration, 0);
    for step in 0..3_000 {
        let command = if it.phase == Phase::Running {
            Command::Pause
        } else {
            Command::Start
        };
        it = go(&it, &migration, command, step);
    }
    assert_eq!(it.history.len(), kefu_core::migration::MOST_STEPS);
    assert_eq!(it.history.last().unwrap().at, at(2_999));
}

#[test]
fn progress_is_read_back_as_it_was_written() {
    let it = begun(&migration(STAGES), 2);
    let json = serde_json::to_string(&it).unwrap();
    assert_eq!(serde_json::from_str::<Progress>(&json).unwrap(), it);
}

proptest! {
    /// Whatever commands, times, breaches and files come, in whatever order:
    /// a stage in force exists, a refusal changes nothing, and the share rises
    /// by a command, the time, or a rewritten stage alone.
    #[test]
    fn whatever_happens_a_stage_in_force_is_one_of_the_files(
        events in vec((0_u8..9, 0_usize..FILES.len()), 0..40),
    ) {
        let mut file = migration(FILES[0]);
        let mut it = Progress::planned(&file, at(0));
        for (step, (event, which)) in events.into_iter().enumerate() {
            let now = at(i64::try_from(step).unwrap() * 1_800_000);
            let before = it.clone();
            match event {
                0..4 => {
                    let command = COMMANDS[usize::from(event)];
                    if let Ok(next) = it.command(&file, command, None, now) { it = next; }
                }
                4 => if let Some(next) = it.by_time(&file, now) { it = next; },
                5 => if let Some(next) = breach(&it, &file, now.unix_ms()) { it = next; },
                6 => if let Some(next) = it.gone(now) { it = next; },
                _ => {
                    file = migration(FILES[which]);
                    let rewritten = it.shape.stages == file.stages.len();
                    if let Some(next) = it.fitted(&file, now) { it = next; }
                    if !rewritten {
                        prop_assert!(it.share(&file).buckets() <= before.shape.percent);
                    }
                }
            }
            prop_assert!(it.stage.is_none_or(|stage| stage < file.stages.len()));
            let nobody = matches!(it.phase, Phase::Planned | Phase::RolledBack);
            prop_assert!(!nobody || it.stage.is_none());
            if matches!(event, 5 | 6) {
                prop_assert!(it.share(&file) <= before.share(&file));
            }
            if it.gone_since.is_some() {
                // Commands are not given to what the file does not have.
                prop_assert!(it.in_force().is_none());
                if let Some(next) = it.fitted(&file, now) { it = next; }
            }
        }
    }
}

const FILES: [&str; 4] = [
    STAGES,
    "[{ percent = 5 }]",
    "[{ percent = 1 }, { percent = 2 }, { percent = 50, after = '10m' }, { percent = 50, visitors = 'b' }]",
    "[{ percent = 20 }, { percent = 100, after = '1s' }]",
];

const COMMANDS: [Command; 4] = [
    Command::Start,
    Command::Advance,
    Command::Pause,
    Command::Rollback,
];

fn go(it: &Progress, migration: &Migration, command: Command, ms: usize) -> Progress {
    let now = at(i64::try_from(ms).unwrap());
    it.command(migration, command, None, now).unwrap()
}

/// Running at this stage, a millisecond for each step.
fn begun(migration: &Migration, stage: usize) -> Progress {
    let mut it = go(
        &Progress::planned(migration, at(0)),
        migration,
        Command::Start,
        0,
    );
    for step in 1..=stage {
        it = go(&it, migration, Command::Advance, step);
    }
    it
}

/// Half of the new vendor's openings fail.
fn breach(it: &Progress, migration: &Migration, ms: i64) -> Option<Progress> {
    let window = it.window(migration, at(ms));
    let judged = judge(&migration.guards, &tally(100, 1), &tally(40, 20), &window);
    it.by_guards(migration, &judged, at(ms))
}

fn tally(openings: u64, opening_failures: u64) -> Tally {
    Tally {
        openings,
        opening_failures,
        ..Tally::default()
    }
}

fn migration(stages: &str) -> Migration {
    let text = format!(
        "admin = {{ token = 'a-token-for-the-test' }}
         apps = {{ demo = {{ secret = 'a-secret-for-the-test' }} }}
         desks = {{ support = {{ app = 'demo', routes = [{{ provider = 'zhichi' }}] }} }}
         [migrations.to-jiaxin]
         desk = 'support'
         from = 'zhichi'
         to = 'jiaxin'
         stages = {stages}"
    );
    let main = check_main("kefu.toml", &text, &NoLookup).unwrap().settings;
    let migration = main.migrations["to-jiaxin"].clone();
    assert_eq!(
        migration.guards.opening_failures,
        Some(Points::hundredths(200))
    );
    migration
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}
