//! Many operations in no order: in the end what the files say is in force.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    thread::sleep,
    time::Duration,
};

use crate::bench::{Bench, toml};

#[test]
fn whatever_is_done_to_the_files_the_last_of_it_is_in_force() {
    for seed in [1, 42] {
        let bench = Bench::watching(&["a", "b", "c"]);
        let mut dice = Dice(seed);
        for step in 0..100 {
            act(&bench, &mut dice, step);
            sleep(Duration::from_millis(dice.roll(25)));
        }
        // Whatever a step left behind is mended, so that there is an end.
        for id in ["a", "b", "c"] {
            let text = format!("the last of {seed} END");
            bench.put(&format!("config/adapters/{id}.so"), &text);
            bench.put(
                &format!("config/providers/{id}.toml"),
                &toml(id, "max_copies = 77"),
            );
            bench.until_served(id, &text);
            bench.until("the last settings", || {
                let config = bench.config.load();
                config
                    .provider(id)
                    .is_some_and(|provider| provider.max_copies == 77)
            });
        }
        let stray = |call: &String| call.starts_with("retire");
        assert!(
            !bench.target.calls().iter().any(stray),
            "no file was away for long"
        );
    }
}

fn act(bench: &Bench, dice: &mut Dice, step: u64) {
    let id = ["a", "b", "c"][dice.roll(3) as usize];
    let plugin = format!("config/adapters/{id}.so");
    let settings = format!("config/providers/{id}.toml");
    match dice.roll(9) {
        0 => bench.write(&plugin, &format!("{step} END")),
        1 => bench.put(&plugin, &format!("{step} END")),
        2 => bench.put(&plugin, "broken"),
        3 => {
            let _ = fs::remove_file(bench.path(&plugin));
        }
        4 => {
            fs::remove_file(bench.path(&settings)).unwrap();
            sleep(Duration::from_millis(dice.roll(100)));
            bench.write(&settings, &toml(id, &format!("max_copies = {}", step + 1)));
        }
        5 => bench.write(
            &settings,
            &toml(id, &format!("settings = {{ step = {step} }}")),
        ),
        6 => bench.write(&settings, "id = \"half"),
        7 => {
            let mut file = File::create(bench.path(&plugin)).unwrap();
            for _ in 0..3 {
                file.write_all(b"piece by piece ").unwrap();
                sleep(Duration::from_millis(20));
            }
            file.write_all(b"END").unwrap();
        }
        _ => {
            let other = format!("store-{step}");
            bench.write(&other, &format!("linked {step} END"));
            let beside = bench.path("config/adapters/.link");
            symlink(bench.path(&other), &beside).unwrap();
            fs::rename(beside, bench.path(&plugin)).unwrap();
        }
    }
}

/// The same throws every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
