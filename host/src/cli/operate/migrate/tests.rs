use super::*;

fn printed(print: Print, answer: &Value, words: Language) -> String {
    let mut out = Vec::new();
    print(&mut out, answer, words).unwrap();
    String::from_utf8(out).unwrap()
}

fn running() -> Value {
    json!({
        "name": "to-jiaxin", "desk": "support", "from": "zhichi", "to": "jiaxin",
        "configured": true, "phase": "running", "stage": 2, "stages": 5, "percent": 1.5,
        "listed": 3, "since": "2026-11-23T10:00:00.000Z",
        "next_advance": "2026-11-24T10:00:00.000Z",
        "guards": [{
            "guard": "opening_failures", "unit": "percent", "old": 0.5, "old_cases": 200,
            "new": 1.0, "new_cases": 100, "limit": 2.0, "verdict": "holds",
            "window_from": "2026-11-23T10:00:00.000Z", "window_to": "2026-11-23T10:10:00.000Z",
        }, {
            "guard": "rating", "unit": "points", "old": null, "old_cases": 0, "new": 80.0,
            "new_cases": 3, "limit": 5.0, "verdict": "not_judged", "note": "too few",
        }],
        "history": [{
            "at": "2026-11-23T10:00:00.000Z", "phase": "running", "stage": 2, "percent": 1.5,
            "by": "operator", "why": "advance: 试用\u{1b}[2J正常",
        }],
    })
}

#[test]
fn a_migration_is_told_with_guards_and_history() {
    let expected = "\
to-jiaxin: desk support, zhichi → jiaxin: running
  stage 2/5: 1.5 %, named visitors 3
  since 2026-11-23T10:00:00.000Z
  the next stage comes at 2026-11-24T10:00:00.000Z
  compared over 2026-11-23T10:00:00.000Z – 2026-11-23T10:10:00.000Z
GUARD             OLD    CASES  NEW  CASES  LIMIT  VERDICT     NOTE
opening_failures  0.5 %  200    1 %  100    2 %    holds
rating            -      0      80   3      5      not judged  too few
  2026-11-23T10:00:00.000Z operator: running, stage 2, 1.5 %: advance: 试用 [2J正常
";
    assert_eq!(printed(status, &running(), Language::En), expected);
    let chinese = printed(status, &running(), Language::Zh);
    for words in [
        "进行中",
        "名单人数 3",
        "自动进入下一阶段",
        "未判定",
        "操作员",
    ] {
        assert!(chinese.contains(words), "{words} is not in\n{chinese}");
    }
}

#[test]
fn one_that_left_the_configuration_says_so() {
    let answer = json!({
        "name": "m", "desk": "d", "from": "a", "to": "b", "configured": false,
        "phase": "rolled_back", "stages": 2, "percent": 0.0, "history": [],
    });
    let expected = "\
m: desk d, a → b: rolled back
  the configuration no longer has it, so it has no effect
  no stage is in force
";
    assert_eq!(printed(status, &answer, Language::En), expected);
}

#[test]
fn all_stand_in_a_table() {
    let answer = json!({"migrations": [running(), {"name": "x", "phase": "of_tomorrow"}]});
    let expected = "\
MIGRATION  DESK     FROM    TO      PHASE        STAGE  SHARE  SINCE
to-jiaxin  support  zhichi  jiaxin  running      2/5    1.5 %  2026-11-23T10:00:00.000Z
x          -        -       -       of_tomorrow  -/-    -      -
";
    assert_eq!(printed(all, &answer, Language::En), expected);
}

#[test]
fn a_plan_shows_stages_and_what_differs() {
    let answer = json!({
        "name": "m", "desk": "d", "from": "zhichi", "to": "jiaxin", "share_of_old": 80.0,
        "openings_last_day": 1000, "new_takes_sessions": false,
        "stages": [
            {"stage": 1, "listed": 2, "percent": 0.0, "percent_of_desk": 0.0, "sessions_a_day": 0, "in_force": true},
            {"stage": 2, "listed": 2, "percent": 10.0, "percent_of_desk": 8.0, "sessions_a_day": 100, "after": "24h", "in_force": false},
        ],
        "differences": {"from": "zhichi", "to": "jiaxin", "by_version": [{"sessions": 0, "differences": []}]},
    });
    let text = printed(plan, &answer, Language::En);
    for line in [
        "m: desk d, zhichi → jiaxin\n",
        "  the new provider takes no sessions now; visitors stay with the old one\n",
        "  the old provider's share of the desk's visitors: 80 %; openings in the last 24 hours: 1000\n",
        "1      2      0 %         0 %          0               by hand         yes\n",
        "2      2      10 %        8 %          100             24h\n",
        "no difference\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(printed(plan, &answer, Language::Zh).contains("没有差异"));
}

#[test]
fn a_report_has_a_line_for_each_stage_and_vendor() {
    let figures = json!({"openings": 10, "opening_failures": 1, "deliveries": 20, "delivery_failures": 1,
            "deliveries_unknown": 2, "asked": 9, "unanswered": 0, "first_answer_p95_ms": 900, "ratings": 2, "rating": 87.5});
    let answer = json!({
        "name": "m", "desk": "d", "from": "zhichi", "to": "jiaxin", "phase": "completed",
        "stages": [{"stage": 1, "percent": 10.0, "began": "t1", "ended": "t2", "old": figures, "new": {}}],
        "whole": {"old": figures, "new": figures},
    });
    let text = printed(report, &answer, Language::En);
    assert_eq!(text.lines().count(), 6, "{text}");
    let row: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
    let expected = [
        "1", "(10", "%)", "t1", "t2", "zhichi", "10", "1", "20", "3", "9", "0", "900", "ms", "2",
        "87.5",
    ];
    assert_eq!(row, expected);
}

#[test]
fn what_is_not_understood_breaks_nothing() {
    for answer in [
        json!(null),
        json!({}),
        json!({"guards": [3], "history": [1], "stages": [[]]}),
    ] {
        for print in [all as Print, status, plan, report] {
            printed(print, &answer, Language::Zh);
        }
    }
}
