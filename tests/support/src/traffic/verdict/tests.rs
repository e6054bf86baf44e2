use super::*;
use crate::events::Accepted;
use serde_json::{Value, json};

#[test]
fn lines_are_read_as_they_are_written() {
    for line in [line(17, None), line(17, Some(4))] {
        assert_eq!(Line::parse(&line.to_string()), Some(line));
    }
    for text in ["line", "line x", "line 1 #x", "hello"] {
        assert_eq!(Line::parse(text), None, "{text}");
    }
}

#[test]
fn a_run_as_promised_has_no_violation() {
    assert_eq!(good().violations(), Vec::<String>::new());
}

#[test]
fn a_line_that_is_not_in_the_log_is_found() {
    let mut diary = good();
    remove(&mut diary, |event| event.text() == Some("line 2"));
    found(&diary, "3 accepted, 2 in the log");
}

#[test]
fn a_gap_in_the_log_is_found_and_told_briefly() {
    let mut diary = good();
    diary.log[4].seq += 1;
    let gap = diary.violations().into_iter().next().unwrap_or_default();
    assert!(gap.starts_with("seq 6 stands at place 5"), "{gap}");
    assert!(gap.len() < 1_000, "{gap}");
}

#[test]
fn a_line_without_its_answer_is_found() {
    let mut diary = good();
    remove(&mut diary, |event| event.text() == Some("line 3 #2"));
    diary.heard.pop();
    found(&diary, "3 accepted, 2 answered");
}

#[test]
fn a_line_that_was_answered_twice_is_found() {
    let mut diary = good();
    push(&mut diary, "message", &message("robot", "line 3 #2", ""));
    found(&diary, "3 accepted, 4 answered");
}

#[test]
fn answers_out_of_order_are_found() {
    let mut diary = good();
    let texts: Vec<usize> = (0..diary.log.len())
        .filter(|&place| diary.log[place].from_kind() == Some("robot"))
        .collect();
    let data = diary.log[texts[0]].data.clone();
    diary.log[texts[0]].data = diary.log[texts[1]].data.clone();
    diary.log[texts[1]].data = data;
    found(&diary, "they part at place 0");
}

#[test]
fn an_answer_of_an_older_build_is_found() {
    let mut diary = good();
    let last = diary.log.iter_mut().rev();
    let last = last
        .into_iter()
        .find(|event| event.from_kind() == Some("robot"));
    last.expect("there are answers").data["content"]["text"] = json!("line 3 #1");
    found(&diary, "line 3 #1 followed line 2 #2");
}

#[test]
fn a_stream_that_shows_less_than_the_log_is_found() {
    let mut diary = good();
    diary.heard.pop();
    found(&diary, "3 in the log, 2 on the stream");
}

#[test]
fn a_line_that_was_not_delivered_or_twice_is_found() {
    let mut diary = good();
    remove(&mut diary, |event| event.data["message"] == "m2");
    found(&diary, "3 accepted, 2 told about");
    let mut diary = good();
    let status = json!({ "message": "m3", "status": "delivered" });
    push(&mut diary, "message.status", &status);
    found(&diary, "3 accepted, 4 told about");
}

#[test]
fn a_refusal_and_a_broken_stream_are_found() {
    let mut diary = good();
    diary.said.push(Said {
        line: line(4, None),
        at: Duration::ZERO,
        took: Duration::ZERO,
        accepted: None,
        refused: Some("answered 503".into()),
    });
    diary.heard.push(Heard::Broken("the stream ended".into()));
    found(&diary, "line 4 at 0ns: answered 503");
    found(&diary, "the stream ended");
}

#[test]
fn a_share_of_the_times_is_done_within_its_quantile() {
    let ms = Duration::from_millis;
    let latency = Latency::of((1..=100).rev().map(ms).collect());
    assert_eq!(latency.quantile(0.5), ms(50));
    assert_eq!(latency.quantile(0.99), ms(99));
    assert_eq!((latency.quantile(1.0), latency.max()), (ms(100), ms(100)));
    assert_eq!(Latency::of(Vec::new()).quantile(0.99), Duration::ZERO);
}

#[test]
fn times_belong_to_the_span_in_which_a_line_was_due() {
    let report = Report {
        diaries: vec![good()],
        talked: Duration::from_secs(3),
    };
    let second = Duration::from_secs(1);
    assert_eq!(report.accepting(&(Duration::ZERO..second * 2)).count(), 1);
    assert_eq!(report.answering(&(second..second * 4)).count(), 3);
    assert_eq!(
        report.answering(&(second..second * 4)).max(),
        Duration::from_millis(5)
    );
    assert!(
        report
            .figures()
            .is_ok_and(|figures| figures.builds == 2 && figures.lines == 3)
    );
}

/// Three lines, answered by the builds 1, 2 and 2.
fn good() -> Diary {
    let mut diary = Diary {
        visitor: 0,
        desk: "desk".into(),
        said: Vec::new(),
        heard: Vec::new(),
        log: Vec::new(),
    };
    push(&mut diary, "session.opened", &json!({}));
    for (number, build) in [(1, 1), (2, 2), (3, 2)] {
        let id = format!("m{number}");
        let said = line(number, None);
        let at = Duration::from_secs(number);
        push(
            &mut diary,
            "message",
            &message("visitor", &said.to_string(), &id),
        );
        diary.said.push(Said {
            line: said,
            at,
            took: Duration::from_millis(1),
            accepted: Some(Accepted {
                id: id.clone(),
                seq: diary.log.len() as u64,
            }),
            refused: None,
        });
        let status = json!({ "message": id, "status": "delivered" });
        push(&mut diary, "message.status", &status);
        let answer = line(number, Some(build));
        push(
            &mut diary,
            "message",
            &message("robot", &answer.to_string(), ""),
        );
        let heard_at = at + Duration::from_millis(5);
        diary.heard.push(Heard::Answer(answer, heard_at));
    }
    diary
}

fn line(number: u64, build: Option<u64>) -> Line {
    Line { number, build }
}

fn message(from: &str, text: &str, id: &str) -> Value {
    json!({ "id": id, "from": { "kind": from }, "content": { "type": "text", "text": text } })
}

fn push(diary: &mut Diary, kind: &str, data: &Value) {
    let seq = diary.log.len() as u64 + 1;
    diary.log.push(Event {
        seq,
        id: format!("e{seq}"),
        session: "s".into(),
        kind: kind.into(),
        at: String::new(),
        data: data.clone(),
    });
}

/// Takes an event out and closes the gap, as if it had never been.
fn remove(diary: &mut Diary, which: impl Fn(&Event) -> bool) {
    diary.log.retain(|event| !which(event));
    for (place, event) in (1..).zip(&mut diary.log) {
        event.seq = place;
    }
}

fn found(diary: &Diary, words: &str) {
    let violations = diary.violations();
    let any = violations.iter().any(|violation| violation.contains(words));
    assert!(any, "{words:?} in {violations:#?}");
}
