//! What must hold of one visitor of a crowd, and the evidence where it does
//! not.
//!
//! Owns the promises, one function for each side: [`Case::of_visitor`] for what
//! the visitor was told, [`Case::at_vendor`] for what reached the vendor,
//! [`Case::of_desk`] for what came back. Reads only what anybody can read:
//! the session's log and the simulator's logs.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use http::Method;
use kefu_test_support::chat::entries;
use kefu_test_support::http::escape;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::{Event, check_gap_free};
use serde_json::Value;

use super::member::Diary;
use super::verdict::Figures;

/// One visitor's session from all sides.
pub(super) struct Case<'a> {
    diary: &'a Diary,
    log: Vec<Event>,
    calls: Vec<Value>,
    pushes: Vec<Value>,
    pub(super) violations: Vec<String>,
}

impl<'a> Case<'a> {
    pub(super) async fn open(stage: &Stage, diary: &'a Diary) -> Result<Self> {
        let member = &diary.member;
        let of = format!("visitor={}&limit=1000000", escape(&diary.name_at_vendor));
        Ok(Self {
            diary,
            log: member.visitor.events(&member.session, 0).await?,
            calls: listed(stage, member.vendor, &format!("/control/log?{of}")).await?,
            pushes: listed(stage, member.vendor, &format!("/control/pushes?{of}")).await?,
            violations: Vec::new(),
        })
    }

    /// What was answered with 2xx is in the log once, at the place that the
    /// answer named; what a stream showed is what the log holds.
    pub(super) fn of_visitor(&mut self, figures: &mut Figures) {
        if let Err(error) = check_gap_free(&self.log) {
            self.violations.push(error.to_string());
        }
        let logged: Vec<_> = self
            .log
            .iter()
            .filter(|event| event.from_kind() == Some("visitor"))
            .collect();
        let said = &self.diary.said;
        let in_log: Vec<_> = logged
            .iter()
            .map(|event| (event.text(), event.seq, event.data["id"].as_str()))
            .collect();
        let answered: Vec<_> = said
            .iter()
            .map(|said| {
                (
                    Some(said.text.as_str()),
                    said.accepted.seq,
                    Some(said.accepted.id.as_str()),
                )
            })
            .collect();
        if in_log != answered {
            self.violations.push(format!(
                "answered {answered:?}, but the log holds {in_log:?}"
            ));
        }
        if self.diary.seen.as_slice() != self.log.get(..self.diary.seen.len()).unwrap_or_default() {
            self.violations
                .push("a stream showed what the log does not hold".to_owned());
        }
        figures.taken += said.len();
        figures.unanswered += self.diary.unanswered;
        figures.turned_away += self.diary.turned_away;
        figures.asked_again += self.diary.asked_again;
        figures.streamed += self.diary.seen.len();
        figures.connections += self.diary.connections;
    }

    /// What is `delivered` reached the vendor once, what is `unknown` at most
    /// once, in the order of the log; there is no third fate.
    pub(super) fn at_vendor(&mut self, figures: &mut Figures) {
        let carried_out: Vec<&str> = self
            .calls
            .iter()
            .filter(|call| call["processed"] == true)
            .filter_map(line_of)
            .collect();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &carried_out {
            *times.entry(line).or_default() += 1;
        }
        let mut wrong = Vec::new();
        for said in &self.diary.said {
            let fates: Vec<_> = self
                .log
                .iter()
                .filter(|event| is_status_of(event, &said.accepted.id))
                .collect();
            let fates: Vec<_> = fates
                .iter()
                .filter_map(|event| event.data["status"].as_str())
                .collect();
            let reached = times.get(said.text.as_str()).copied().unwrap_or_default();
            match (fates.as_slice(), reached) {
                (["delivered"], 1) => figures.delivered += 1,
                (["unknown"], 0 | 1) if self.diary.member.vendor == Vendor::Zhichi => {
                    figures.unknown += 1;
                    figures.unknown_heard += reached;
                }
                _ => wrong.push(format!(
                    "{:?} is {fates:?} and reached the vendor {reached} times",
                    said.text
                )),
            }
        }
        let order: Vec<&str> = self
            .diary
            .said
            .iter()
            .map(|said| said.text.as_str())
            .collect();
        let expected: Vec<&str> = order
            .into_iter()
            .filter(|line| times.contains_key(line))
            .collect();
        if carried_out != expected {
            wrong.push(format!(
                "said in the order {expected:?}, heard by the vendor as {carried_out:?}"
            ));
        }
        self.violations.extend(wrong);
        figures.repeats_at_vendor += self
            .calls
            .iter()
            .filter(|call| call["repeat"] == true)
            .count();
    }

    /// What the gateway answered with 2xx is in the log once and in order; so
    /// is every answer of the robot that came with a delivered message.
    pub(super) fn of_desk(&mut self, figures: &mut Figures) {
        let (pushed, logged) = (self.echoes_pushed(), self.echoes_in_log());
        if pushed != logged {
            self.violations.push(format!(
                "agents said {pushed:?}, but the log holds {logged:?}"
            ));
        }
        let unanswered = self
            .pushes
            .iter()
            .filter(|push| push["state"] != "delivered")
            .count();
        if unanswered > 0 {
            self.violations
                .push(format!("{unanswered} pushes were never answered with 2xx"));
        }
        let tries = |push: &&Value| {
            push["tries"]
                .as_array()
                .is_some_and(|tries| tries.len() > 1)
        };
        figures.from_agents += logged.len();
        figures.pushes_again += self.pushes.iter().filter(tries).count();
        if !self.diary.member.with_agent {
            let is_delivered = |event: &&Event| {
                event.kind == "message.status" && event.data["status"] == "delivered"
            };
            let delivered = self.log.iter().filter(is_delivered).count();
            let robot = self
                .log
                .iter()
                .filter(|event| event.from_kind() == Some("robot"))
                .count();
            // The first is the greeting.
            if robot != delivered + 1 {
                self.violations.push(format!(
                    "{delivered} messages were delivered to the robot, it spoke {robot} times"
                ));
            }
            figures.from_robot += robot;
        }
    }

    /// What the agents said that is not a greeting, in the order of the desk.
    pub(super) fn echoes_pushed(&self) -> Vec<String> {
        self.pushes
            .iter()
            .filter_map(|push| echo_in(&push["body"].to_string()))
            .collect()
    }

    pub(super) fn echoes_in_log(&self) -> Vec<String> {
        let from_agent = self
            .log
            .iter()
            .filter(|event| event.from_kind() == Some("agent"));
        from_agent
            .filter_map(|event| echo_in(&event.data.to_string()))
            .collect()
    }

    pub(super) fn evidence(&self, stage: &Stage) -> String {
        let member = &self.diary.member;
        let mut out = format!(
            "=== visitor {} ({}) at {:?}, session {}, with an agent: {}\n--- answered with 2xx",
            member.number,
            member.visitor.id(),
            member.vendor,
            member.session,
            member.with_agent
        );
        for said in &self.diary.said {
            out += &format!(
                "\n  {} {} {:?}",
                said.accepted.seq, said.accepted.id, said.text
            );
        }
        out += "\n--- the session's log";
        for event in &self.log {
            out += &format!(
                "\n  {} {} {} {}",
                event.seq, event.at, event.kind, event.data
            );
        }
        out += "\n--- calls that came to the vendor";
        for call in &self.calls {
            let [seq, at, operation, status, processed, repeat, id] = [
                "seq",
                "at",
                "operation",
                "status",
                "processed",
                "repeat",
                "id",
            ]
            .map(|key| &call[key]);
            let line = line_of(call).unwrap_or_default();
            out += &format!(
                "\n  {seq} {at} {operation} {line} status={status} processed={processed} repeat={repeat} id={id}"
            );
        }
        out += "\n--- pushes of the vendor";
        for push in &self.pushes {
            let [seq, at, event, state, tries, body] =
                ["seq", "at", "event", "state", "tries", "body"].map(|key| &push[key]);
            out += &format!("\n  {seq} {at} {event} {state} {tries} {body}");
        }
        out += "\n--- the gateway's log of this session";
        for line in stage
            .gateway
            .log()
            .lines()
            .filter(|line| line.contains(&member.session))
        {
            out += &format!("\n  {line}");
        }
        out
    }
}

pub(super) fn is_status_of(event: &Event, message: &str) -> bool {
    event.kind == "message.status" && event.data["message"] == message
}

/// The text of a call that carries a visitor's message.
fn line_of(call: &Value) -> Option<&str> {
    let body = &call["body"];
    match call["operation"].as_str()? {
        "chat_send" => body["content"].as_str(),
        "robot_chat" => body["question"].as_str(),
        "message.send" => body["data"]["content"]["text"].as_str(),
        _ => None,
    }
}

/// The line that an agent repeats, in a body of either vendor or in the log.
fn echo_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("收到：")?;
    Some(rest.split(['"', '\\']).next()?.to_owned())
}

pub(super) async fn listed(stage: &Stage, vendor: Vendor, path: &str) -> Result<Vec<Value>> {
    let answer = stage
        .simulators
        .request(vendor, Method::GET, path)
        .send()
        .await?
        .expect(200)?
        .json()?;
    if answer["dropped"]
        .as_u64()
        .is_some_and(|dropped| dropped > 0)
    {
        bail!(
            "the simulator's log was too short for this run: {} entries were dropped",
            answer["dropped"]
        );
    }
    entries(answer)
}

#[cfg(test)]
mod tests {
    use kefu_test_support::visitor::{Accepted, Visitor};
    use serde_json::json;

    use super::*;
    use crate::crowd::Random;
    use crate::crowd::member::{Member, Said};

    fn diary(vendor: Vendor) -> Diary {
        Diary::of(Member {
            number: 0,
            vendor,
            with_agent: true,
            visitor: Visitor::new(String::new(), "demo", "secret", "v"),
            session: "s".to_owned(),
            random: Random::of(1),
        })
    }

    fn said(text: &str, accepted: Accepted) -> Said {
        let (text, key) = (text.to_owned(), text.to_owned());
        Said {
            text,
            key,
            accepted,
        }
    }

    /// What the vendor and the log hold of a visitor who said one line, with
    /// this fate, to an agent who repeated it.
    fn case<'a>(diary: &'a Diary, fate: &str, heard: usize, echoes: usize) -> Case<'a> {
        let event = |seq: u64, kind: &str, data: Value| Event {
            seq,
            id: format!("e{seq}"),
            session: "s".to_owned(),
            kind: kind.to_owned(),
            at: String::new(),
            data,
        };
        let said = |from: &str, text: &str| json!({ "id": "m1", "from": { "kind": from }, "content": { "type": "text", "text": text } });
        let mut log = vec![
            event(1, "message", said("visitor", "一")),
            event(
                2,
                "message.status",
                json!({ "message": "m1", "status": fate }),
            ),
        ];
        for echo in 0..echoes {
            log.push(event(3 + echo as u64, "message", said("agent", "收到：一")));
        }
        let call =
            json!({ "operation": "chat_send", "processed": true, "body": { "content": "一" } });
        let push =
            json!({ "state": "delivered", "tries": [200], "body": { "content": "收到：一" } });
        Case {
            diary,
            log,
            calls: vec![call; heard],
            pushes: vec![push],
            violations: Vec::new(),
        }
    }

    fn violations(fate: &str, heard: usize, echoes: usize, vendor: Vendor) -> usize {
        let mut diary = diary(vendor);
        let accepted = Accepted {
            id: "m1".to_owned(),
            seq: 1,
        };
        diary.said.push(said("一", accepted));
        let (mut case, mut figures) = (case(&diary, fate, heard, echoes), Figures::default());
        case.of_visitor(&mut figures);
        case.at_vendor(&mut figures);
        case.of_desk(&mut figures);
        case.violations.len()
    }

    #[test]
    fn a_line_that_was_heard_and_repeated_once_is_in_order() {
        assert_eq!(violations("delivered", 1, 1, Vendor::Zhichi), 0);
        assert_eq!(violations("unknown", 1, 1, Vendor::Zhichi), 0);
    }

    #[test]
    fn a_line_that_was_lost_or_came_twice_is_found_on_either_way() {
        for (fate, heard, echoes) in [
            ("delivered", 0, 1),
            ("delivered", 2, 1),
            ("unknown", 2, 1),
            ("failed", 1, 1),
            ("delivered", 1, 0),
            ("delivered", 1, 2),
        ] {
            let found = violations(fate, heard, echoes, Vendor::Zhichi);
            assert!(
                found > 0,
                "{fate}, heard {heard} times, repeated {echoes} times"
            );
        }
    }

    #[test]
    fn nothing_is_unknown_at_a_vendor_that_recognises_repeats() {
        assert!(violations("unknown", 1, 1, Vendor::Jiaxin) > 0);
    }

    #[test]
    fn a_line_that_was_taken_and_is_not_in_the_log_is_found() {
        let mut diary = diary(Vendor::Jiaxin);
        for (text, id, seq) in [("一", "m1", 1), ("二", "m2", 3)] {
            let accepted = Accepted {
                id: id.to_owned(),
                seq,
            };
            diary.said.push(said(text, accepted));
        }
        let mut case = case(&diary, "delivered", 1, 1);
        case.of_visitor(&mut Figures::default());
        assert_eq!(case.violations.len(), 1, "{:?}", case.violations);
    }
}
