//! Callbacks that do not prove where they come from.

use kefu_plugin_api::{http::Callback, wire::encode};

use super::{Bench, Verdict, open, payloads};
use crate::{
    conformance::{
        corpus,
        door::{self, Door, Entry, knock},
        random::Random,
        subject::Adapter,
    },
    plugin::Function,
};

/// Payloads that each proof is tried on.
const BODIES: usize = 40;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    let Some(adapter) = open(bench, verdict) else {
        return;
    };
    let test = Doorstep {
        bench,
        adapter: &adapter,
    };
    let door = door::find(bench, &adapter);
    test.strangers(verdict);
    let words = &bench.about().descriptor().callback_authentication;
    match &door {
        Some(door) => test.damaged(door, verdict),
        None if words.eq_ignore_ascii_case("none") => {
            verdict.note("takes no callbacks at all");
        }
        None => verdict.fail(format!(
            "no authentic callback is known, so a damaged proof could not be tried: `{words}` is not a scheme that the kit can make; give a recorded one with --samples DIR"
        )),
    }
}

struct Doorstep<'a> {
    bench: &'a Bench<'a>,
    adapter: &'a Adapter<'a>,
}

impl Doorstep<'_> {
    /// Nothing, noise, and guesses.
    fn strangers(&self, verdict: &mut Verdict) {
        let mut random = Random::new(self.bench.job.seed);
        for body in payloads(self.bench).into_iter().take(BODIES) {
            self.must_refuse("without any proof", &corpus::bare(&body), verdict);
            let mut noise = corpus::bare(&body);
            noise.path = format!("/{:016x}", random.next());
            noise.query = format!("token={:016x}&sign={:016x}", random.next(), random.next());
            for name in ["authorization", "x-key", "x-signature", "webhook-signature"] {
                let value = format!("v1,{:016x}", random.next());
                noise.headers.push((name.to_owned(), value));
            }
            self.must_refuse("with random proof", &noise, verdict);
        }
        for body in [&b""[..], b"\xff", b"[]"] {
            self.must_refuse("without any proof", &corpus::bare(body), verdict);
        }
    }

    /// The proof with a part missing, empty or changed.
    fn damaged(&self, door: &Door, verdict: &mut Verdict) {
        for body in payloads(self.bench).into_iter().take(BODIES) {
            let stranger = corpus::bare(&body);
            let authentic = door.pass(stranger.clone());
            if matches!(knock(self.adapter, &authentic), Ok(Entry::Refused)) {
                self.fail("an authentic callback is refused", &authentic, verdict);
                continue;
            }
            if let Door::Recorded { .. } = door {
                self.damaged_record(&authentic, verdict);
                return;
            }
            for (how, callback) in damage(&authentic, &stranger) {
                self.must_refuse(how, &callback, verdict);
            }
            if door.signs() {
                let mut changed = authentic.clone();
                changed.body.push(b' ');
                self.must_refuse("with a body that was not signed", &changed, verdict);
            }
            if let Door::Webhooks { .. } = door {
                let old = door.pass_at(corpus::bare(&body), corpus::NOW.plus_ms(-3_600_000));
                self.must_refuse("signed an hour ago", &old, verdict);
            }
            if verdict.is_full() {
                return;
            }
        }
    }

    /// Of a recorded callback nobody knows which part is the proof: one must
    /// be.
    fn damaged_record(&self, authentic: &Callback, verdict: &mut Verdict) {
        let stranger = Callback {
            path: String::new(),
            query: String::new(),
            headers: Vec::new(),
            ..authentic.clone()
        };
        self.must_refuse("with everything but its body removed", &stranger, verdict);
        let minds = damage(authentic, &stranger)
            .iter()
            .any(|(_, callback)| matches!(knock(self.adapter, callback), Ok(Entry::Refused)));
        if !minds {
            self.fail(
                "no single change of a header, the path or the query is noticed",
                authentic,
                verdict,
            );
        }
    }

    fn must_refuse(&self, how: &str, callback: &Callback, verdict: &mut Verdict) {
        match knock(self.adapter, callback) {
            Ok(Entry::Refused) => {}
            Ok(Entry::In) => {
                self.fail(&format!("a callback {how} is let in"), callback, verdict);
            }
            Err(fault) => self.fail(&format!("a callback {how}: {fault}"), callback, verdict),
        }
    }

    fn fail(&self, reason: &str, callback: &Callback, verdict: &mut Verdict) {
        let bytes = encode(callback).unwrap_or_default();
        verdict.fail_on(reason, self.bench.reproduction(Function::Receive, &bytes));
    }
}

/// The callback with something changed in what proves it.
fn damage(authentic: &Callback, stranger: &Callback) -> Vec<(&'static str, Callback)> {
    let mut damaged = Vec::new();
    for path in changed(&authentic.path, &stranger.path) {
        damaged.push((
            "with a damaged path",
            Callback {
                path,
                ..authentic.clone()
            },
        ));
    }
    for query in changed(&authentic.query, &stranger.query) {
        damaged.push((
            "with a damaged query",
            Callback {
                query,
                ..authentic.clone()
            },
        ));
    }
    for (index, header) in authentic.headers.iter().enumerate() {
        if stranger.headers.contains(header) {
            continue;
        }
        let mut without = authentic.clone();
        without.headers.remove(index);
        damaged.push(("with a header missing", without));
        for value in changed(&header.1, "") {
            let mut callback = authentic.clone();
            callback.headers[index].1 = value;
            damaged.push(("with a damaged header", callback));
        }
    }
    damaged
}

/// Texts that are almost the same; none if it proves nothing.
fn changed(text: &str, of_stranger: &str) -> Vec<String> {
    if text == of_stranger {
        return Vec::new();
    }
    let mut changed = vec![String::new(), format!("{text}x")];
    changed.extend(text.get(..text.len().saturating_sub(1)).map(str::to_owned));
    let last = text.len().saturating_sub(1);
    for at in [text.len() / 2, last.saturating_sub(4)] {
        let mut bytes = text.as_bytes().to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
        }
        changed.extend(String::from_utf8(bytes));
    }
    changed.retain(|other| other != text);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_proof_is_damaged_and_nothing_else() {
        let stranger = corpus::bare(b"{}");
        let mut authentic = stranger.clone();
        authentic.headers.push(("x-key".into(), "ABCDEFGH".into()));
        authentic.path = "/secret".into();
        let damaged = damage(&authentic, &stranger);
        assert!(damaged.len() >= 10);
        assert!(damaged.iter().all(|(_, callback)| *callback != authentic));
        assert!(
            damaged
                .iter()
                .all(|(_, callback)| callback.header("content-type").is_some())
        );
        assert!(
            damaged
                .iter()
                .any(|(_, callback)| callback.header("x-key").is_none())
        );
        assert!(damage(&stranger, &stranger).is_empty());
    }
}
