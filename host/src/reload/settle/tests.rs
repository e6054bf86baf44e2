//! The clock is moved by hand.

use super::*;

#[test]
fn a_closed_file_is_finished_after_a_short_quiet() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Written);
    it.at(10, "a", Hint::Closed);
    assert_eq!(it.taken(59), None);
    assert_eq!(it.taken(60), some(&["a"]));
    assert_eq!(it.taken(61), None, "once is enough");
}

#[test]
fn the_moment_of_the_last_closing_is_remembered() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Closed);
    it.at(20, "b", Hint::Placed);
    it.at(40, "b", Hint::Touched);
    let settled = it.settle.take(it.moment(100)).unwrap();
    assert_eq!(settled.closed, Some(it.moment(20)));
}

#[test]
fn a_slow_upload_is_one_change() {
    let mut it = Bench::new();
    for piece in 0..100 {
        it.at(piece * 100, "a", Hint::Written);
        assert_eq!(it.taken(piece * 100 + 99), None, "piece {piece}");
    }
    it.at(10_000, "a", Hint::Closed);
    assert_eq!(it.taken(10_050), some(&["a"]));
}

#[test]
fn a_file_that_nobody_was_seen_closing_is_finished_after_a_silence() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Written);
    it.at(900, "a", Hint::Written);
    assert_eq!(it.taken(1_899), None);
    assert_eq!(it.taken(1_900), some(&["a"]));
}

#[test]
fn an_upload_that_opens_the_file_for_every_piece_is_soon_recognised() {
    let mut it = Bench::new();
    let mut taken = 0;
    for piece in 0..50 {
        it.at(piece * 100, "a", Hint::Written);
        it.at(piece * 100 + 1, "a", Hint::Closed);
        taken += usize::from(it.taken(piece * 100 + 99).is_some());
    }
    assert_eq!(taken, 1, "the first piece could have been the last");
    assert_eq!(it.taken(4_901 + 400), some(&["a"]));
}

#[test]
fn files_put_in_place_one_after_the_other_are_never_held_for_long() {
    let mut it = Bench::new();
    for round in 0..20 {
        it.at(round * 100, "a", Hint::Placed);
        assert_eq!(it.taken(round * 100 + 50), some(&["a"]), "round {round}");
    }
}

#[test]
fn several_files_are_one_change() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Closed);
    it.at(30, "b", Hint::Closed);
    it.at(60, "c", Hint::Gone);
    it.at(61, "c", Hint::Placed);
    assert_eq!(it.taken(60), None, "b and c are about to be finished");
    assert_eq!(it.taken(111), some(&["a", "b", "c"]));
}

#[test]
fn others_go_ahead_of_a_file_that_is_never_quiet() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Closed);
    for now in 0..10 {
        it.at(now * 30, "busy", Hint::Closed);
    }
    assert_eq!(it.taken(290), None);
    assert_eq!(it.taken(300), some(&["a"]));
    assert_eq!(it.settle.unsettled(), [PathBuf::from("busy")].into());
}

#[test]
fn others_go_ahead_of_an_open_file_at_once() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Closed);
    it.at(49, "upload", Hint::Written);
    assert_eq!(it.taken(50), some(&["a"]));
}

#[test]
fn a_file_that_is_closed_and_never_quiet_has_its_turn_in_the_end() {
    let mut it = Bench::new();
    let mut now = 0;
    while now < 10_000 {
        it.at(now, "a", Hint::Closed);
        now += 30;
        assert_eq!(it.taken(now.min(9_999)), None);
    }
    assert_eq!(it.taken(10_000), some(&["a"]));
}

#[test]
fn a_file_that_goes_and_comes_back_was_replaced() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Gone);
    it.at(800, "a", Hint::Written);
    it.at(810, "a", Hint::Closed);
    assert_eq!(it.taken(859), None);
    assert_eq!(it.taken(860), some(&["a"]));
}

#[test]
fn a_file_that_stays_away_is_gone() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Gone);
    assert_eq!(it.taken(999), None);
    assert_eq!(it.taken(1_000), some(&["a"]));
}

#[test]
fn files_that_go_together_are_gone_together() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Gone);
    it.at(30, "b", Hint::Gone);
    it.at(700, "c", Hint::Gone);
    assert_eq!(it.taken(1_000), None);
    assert_eq!(it.taken(1_030), some(&["a", "b"]));
    assert_eq!(it.taken(1_700), some(&["c"]));
}

#[test]
fn a_closed_file_does_not_wait_for_one_that_may_come_back() {
    let mut it = Bench::new();
    it.at(0, "a", Hint::Gone);
    it.at(900, "b", Hint::Placed);
    assert_eq!(it.taken(950), some(&["b"]));
}

#[test]
fn asking_again_when_told_to_finds_everything() {
    let mut it = Bench::new();
    assert_eq!(it.settle.wake_at(it.moment(0)), None);
    it.at(0, "a", Hint::Written);
    it.at(5, "b", Hint::Closed);
    it.at(7, "c", Hint::Gone);
    let mut now = it.moment(7);
    let mut taken = BTreeSet::new();
    for _ in 0..10 {
        let Some(next) = it.settle.wake_at(now) else {
            break;
        };
        assert!(next > now);
        now = next;
        taken.extend(
            it.settle
                .take(now)
                .into_iter()
                .flat_map(|settled| settled.files),
        );
    }
    assert_eq!(taken, ["a", "b", "c"].map(PathBuf::from).into());
}

struct Bench {
    start: Instant,
    settle: Settle,
}

impl Bench {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            settle: Settle::default(),
        }
    }

    fn moment(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn at(&mut self, ms: u64, file: &str, hint: Hint) {
        let moment = self.moment(ms);
        self.settle.note(Path::new(file), hint, moment);
    }

    fn taken(&mut self, ms: u64) -> Option<BTreeSet<PathBuf>> {
        let moment = self.moment(ms);
        self.settle.take(moment).map(|settled| settled.files)
    }
}

fn some(files: &[&str]) -> Option<BTreeSet<PathBuf>> {
    Some(files.iter().map(PathBuf::from).collect())
}
