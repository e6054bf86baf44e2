use proptest::prelude::*;

use super::*;

fn lane(provider: &str) -> Lane {
    Some(provider.into())
}

/// A rota with `count` pieces of work of each provider.
fn rota(threads: usize, providers: &[&str], count: usize) -> Rota<usize> {
    let mut rota = Rota::new(threads, 0);
    for provider in providers {
        for number in 0..count {
            rota.push(lane(provider), number);
        }
    }
    rota
}

/// Takes until nothing can be taken; whose work it was, in order.
fn take_all(rota: &mut Rota<usize>) -> Vec<Lane> {
    std::iter::from_fn(|| rota.take().map(|(lane, _)| lane)).collect()
}

#[test]
fn one_provider_alone_uses_half_of_the_threads_and_so_the_machine() {
    for (threads, held) in [(2, 1), (4, 2), (8, 4), (16, 8), (3, 2)] {
        let mut rota = rota(threads, &["a"], 100);
        assert_eq!(take_all(&mut rota).len(), held, "{threads} threads");
    }
}

#[test]
fn a_provider_finds_a_thread_while_two_others_hang() {
    for threads in [4, 6, 8, 16] {
        let mut rota = rota(threads, &["a", "b"], 100);
        // Neither ever returns.
        take_all(&mut rota);
        rota.push(lane("c"), 0);
        assert_eq!(rota.take(), Some((lane("c"), 0)), "{threads} threads");
    }
}

#[test]
fn a_provider_finds_a_thread_beside_one_that_hangs_on_two_threads() {
    let mut rota = rota(2, &["a"], 100);
    take_all(&mut rota);
    rota.push(lane("b"), 0);
    assert_eq!(rota.take(), Some((lane("b"), 0)));
}

#[test]
fn providers_take_turns_however_much_one_has_waiting() {
    let mut rota = Rota::new(8, 0);
    for number in 0..1_000 {
        rota.push(lane("flood"), number);
    }
    rota.push(lane("a"), 0);
    rota.push(lane("b"), 0);
    let mut first = Vec::new();
    for _ in 0..3 {
        let (of, _) = rota.take().unwrap();
        rota.leave(&of);
        first.push(of);
    }
    assert_eq!(first, [lane("flood"), lane("a"), lane("b")]);
}

#[test]
fn calls_that_were_given_up_count_against_their_provider_until_they_return() {
    let mut rota = Rota::new(4, 8);
    for number in 0..100 {
        rota.push(lane("a"), number);
    }
    let mut given_up = 0;
    while let Some((of, _)) = rota.take() {
        rota.give_up(&of);
        given_up += 1;
    }
    assert_eq!(given_up, 4, "half of the spare threads");
    assert_eq!(rota.blocked(&BTreeMap::new()), ["a".into()].into());
    rota.push(lane("b"), 0);
    let others = take_all(&mut rota);
    assert_eq!(others, [lane("b")], "the others have every thread");
    rota.came_back(&lane("a"));
    assert_eq!(rota.blocked(&BTreeMap::new()), BTreeSet::new());
    assert!(rota.take().is_some());
}

#[test]
fn calls_of_a_replaced_adapter_do_not_hold_the_next_one_back() {
    let mut rota = rota(4, &["a"], 9);
    while let Some((of, _)) = rota.take() {
        rota.give_up(&of);
    }
    rota.set_given_up(&BTreeMap::new());
    assert_eq!(rota.blocked(&BTreeMap::new()), BTreeSet::new());
    assert!(rota.take().is_some());
    // One of the old ones returns after all.
    rota.came_back(&lane("a"));
    assert!(rota.take().is_some());
}

#[test]
fn a_provider_is_blocked_only_when_all_it_holds_is_late() {
    let mut rota = rota(4, &["a"], 9);
    take_all(&mut rota);
    let late = |count| [("a".into(), count)].into();
    assert_eq!(rota.blocked(&late(1)), BTreeSet::new(), "one may return");
    assert_eq!(rota.blocked(&late(2)), ["a".into()].into());
    assert_eq!(rota.blocked(&BTreeMap::new()), BTreeSet::new(), "in time");
}

#[test]
fn what_waits_for_a_blocked_provider_is_taken_to_be_refused() {
    let mut rota = rota(4, &["a"], 5);
    take_all(&mut rota);
    rota.set_refusing(&["a".into()].into());
    let (of, number) = rota.take().unwrap();
    assert_eq!((&of, number), (&lane("a"), 2));
    rota.leave(&of);
    rota.set_refusing(&BTreeSet::new());
    assert_eq!(rota.take(), None);
}

#[test]
fn a_thread_may_turn_to_another_provider_only_where_there_is_room() {
    let mut rota = rota(4, &["a"], 1);
    take_all(&mut rota);
    assert!(rota.try_switch(&lane("a"), &lane("b")));
    rota.leave(&lane("b"));
    let mut rota = self::rota(4, &["full"], 9);
    take_all(&mut rota);
    rota.push(lane("a"), 0);
    take_all(&mut rota);
    assert!(!rota.try_switch(&lane("a"), &lane("full")));
    rota.leave(&lane("full"));
    assert!(rota.try_switch(&lane("a"), &lane("full")));
}

#[test]
fn a_lane_without_work_is_forgotten() {
    let mut rota = rota(4, &["a", "b"], 3);
    while let Some((of, _)) = rota.take() {
        rota.leave(&of);
    }
    assert!(rota.lanes.is_empty() && rota.ring.is_empty());
}

/// Something that happens to the threads.
#[derive(Clone, Debug)]
enum Happening {
    Push(usize),
    Take,
    Leave(usize),
    GiveUp(usize),
    ComeBack(usize),
    Switch(usize, usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let lane = 0..4_usize;
    prop_oneof![
        4 => lane.clone().prop_map(Happening::Push),
        4 => Just(Happening::Take),
        3 => any::<usize>().prop_map(Happening::Leave),
        1 => any::<usize>().prop_map(Happening::GiveUp),
        1 => any::<usize>().prop_map(Happening::ComeBack),
        1 => (any::<usize>(), lane).prop_map(|(held, to)| Happening::Switch(held, to)),
    ]
}

proptest! {
    /// Every schedule of at most so many events, against a plain account.
    #[test]
    fn every_schedule_keeps_order_shares_and_the_account(
        threads in 2..9_usize,
        happenings in prop::collection::vec(happening(), 1..200),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut rota = Rota::new(threads, 0);
        let (mut held, mut gone) = (Vec::<Lane>::new(), Vec::<Lane>::new());
        let (mut pushed, mut taken) = ([0; 4], BTreeMap::<Lane, usize>::new());
        for happening in happenings {
            match happening {
                Happening::Push(index) => {
                    rota.push(lane(names[index]), pushed[index]);
                    pushed[index] += 1;
                }
                Happening::Take => {
                    let before = held.len();
                    match rota.take() {
                        Some((of, number)) => {
                            // In the order in which it came, each once.
                            let next = taken.entry(of.clone()).or_default();
                            prop_assert_eq!(number, *next);
                            *next += 1;
                            let holds = held.iter().filter(|other| **other == of).count();
                            prop_assert!(holds < threads - before, "more than its share");
                            held.push(of);
                        }
                        None => for (index, name) in names.iter().enumerate() {
                            let of = lane(name);
                            let waits = pushed[index] > taken.get(&of).copied().unwrap_or(0);
                            let given_up = gone.iter().filter(|other| **other == of).count();
                            let holds = held.contains(&of);
                            prop_assert!(
                                !waits || holds || given_up > 0 || before >= threads,
                                "{name} holds nothing and waits beside a free thread"
                            );
                        },
                    }
                }
                Happening::Leave(which) if !held.is_empty() => {
                    let of = held.swap_remove(which % held.len());
                    rota.leave(&of);
                }
                Happening::GiveUp(which) if !held.is_empty() => {
                    let of = held.swap_remove(which % held.len());
                    rota.give_up(&of);
                    gone.push(of);
                }
                Happening::ComeBack(which) if !gone.is_empty() => {
                    let of = gone.swap_remove(which % gone.len());
                    rota.came_back(&of);
                }
                Happening::Switch(which, to) if !held.is_empty() => {
                    let place = which % held.len();
                    let to = lane(names[to]);
                    if rota.try_switch(&held[place], &to) {
                        held[place] = to;
                    }
                }
                _ => {}
            }
            prop_assert_eq!(rota.busy, held.len());
            prop_assert!(held.len() <= threads);
        }
        // Once everything returns, nothing is left behind.
        for of in held.drain(..) {
            rota.leave(&of);
        }
        for of in gone.drain(..) {
            rota.came_back(&of);
        }
        while let Some((of, _)) = rota.take() {
            *taken.entry(of.clone()).or_default() += 1;
            rota.leave(&of);
        }
        for (index, name) in names.iter().enumerate() {
            prop_assert_eq!(taken.get(&lane(name)).copied().unwrap_or(0), pushed[index]);
        }
    }
}
