//! The table in `plugins/README.md`: made from the adapters themselves, and
//! equal to what the vendors' platforms are known to do.
//!
//! Owns the comparing. The table is printed by the gateway from the descriptors
//! of the built plug-ins; what it must say is in [`seed`].

mod seed;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use kefu_test_support::plugins;

use seed::{SEED, VENDORS};

/// The columns of the table, in order.
const ADAPTERS: [&str; 7] = [
    "zhichi", "jiaxin", "xiaoneng", "aikefu", "qiyu", "sdp", "minimal",
];

#[test]
fn the_table_of_the_readme_is_what_the_adapters_say() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/README.md");
    let readme = fs::read_to_string(readme).expect("plugins/README.md is there");
    let after = readme
        .split_once(BEGIN)
        .expect("it has the mark before the table")
        .1;
    let there = after
        .split_once(END)
        .expect("it has the mark behind the table")
        .0;
    assert_eq!(
        there.trim(),
        printed().trim(),
        "the table is out of date; `cargo xtask capabilities` writes it anew"
    );
}

#[test]
fn the_table_says_of_each_vendor_what_its_platform_is_known_to_do() {
    let table = read(&printed());
    let mut differences = Vec::new();
    for (row, cells) in SEED {
        for (vendor, expected) in VENDORS.iter().zip(cells) {
            let found = &table[&(row.to_string(), vendor.to_string())];
            if !expected.is_empty() && found != expected {
                differences.push(format!(
                    "\n  {row}, {vendor}: expected {expected:?}, found {found:?}"
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

/// What the gateway prints for the built plug-ins.
fn printed() -> String {
    let built = plugins::built().expect("everything is built");
    let files = ADAPTERS.map(|name| built.plugins.join(format!("libkefu_{name}.so")));
    let output = Command::new(&built.gateway)
        .args(["plugin", "capabilities"])
        .args(files)
        .output()
        .expect("the gateway can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("a table is text")
}

/// The cells of a Markdown table, by row and column.
fn read(table: &str) -> BTreeMap<(String, String), String> {
    let mut lines = table.lines().map(|line| {
        let cells = line.trim().trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let columns = lines.next().expect("a table has a head");
    let rows = lines.skip(1);
    rows.flat_map(|row| {
        let name = row[0].clone();
        let cells = columns.clone().into_iter().zip(row).skip(1);
        cells
            .map(move |(column, cell)| ((name.clone(), column), cell))
            .collect::<Vec<_>>()
    })
    .collect()
}

const BEGIN: &str = "<!-- capabilities: written by `cargo xtask capabilities` -->";
const END: &str = "<!-- end of capabilities -->";
