//! Measures what was promised of plug-ins, and prints it beside the goals.
//!
//! Owns the list of measurements and how they are shown. Deliberately judges
//! nothing: figures of a shared machine are read by people, and tests are never
//! about time. `cargo xtask bench` builds everything in the release profile and
//! runs this; started by hand it finds the gateway and the plug-ins as the
//! tests do.
//!
//! | module | what it measures |
//! |---|---|
//! | [`call`] | one call of an adapter, in this process and in a child |
//! | [`start`] | the stages from a file to a generation in service |
//! | [`retained`] | what a gateway holds after many reloads |
//! | [`figure`] | one figure, its goal, the table and the JSON |

mod adapter;
mod call;
mod figure;
mod retained;
mod start;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use figure::Figure;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
struct Options {
    /// A part of the names of the only measurements to make.
    only: String,
    /// How many reloads [`retained`] makes.
    reloads: u64,
    /// Where the figures go as JSON.
    json: Option<String>,
}

fn measure() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let wanted = |name: &str| name.contains(&options.only);
    let mut figures: Vec<Figure> = Vec::new();
    if wanted("call") {
        complain("calls …");
        figures.extend(call::measure()?);
    }
    if wanted("start") {
        complain("stages …");
        figures.extend(start::measure()?);
    }
    if wanted("retained") {
        complain(&format!("{} reloads, twice …", options.reloads));
        figures.extend(retained::measure(options.reloads)?);
    }
    say(&figure::table(&figures));
    if let Some(path) = &options.json {
        let text = figure::json(&figures).to_string();
        fs::write(path, text + "\n").with_context(|| format!("writing {path}"))?;
    }
    Ok(())
}

impl Options {
    fn read(args: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            only: String::new(),
            reloads: 1_000,
            json: None,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let value = args.next();
            let value = value.with_context(|| format!("{arg} needs a value after it"))?;
            match arg.as_str() {
                "--only" => options.only = value,
                "--json" => options.json = Some(value),
                "--reloads" => {
                    let number = value.parse();
                    options.reloads = number.with_context(|| {
                        format!("--reloads needs a whole number, not {value:?}")
                    })?;
                }
                _ => bail!("there is no {arg}; there are --only, --reloads and --json"),
            }
        }
        Ok(options)
    }
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
