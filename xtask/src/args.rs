//! What was asked for on the command line.
//!
//! Read by hand: an argument parser would double what is compiled before the
//! first command can start.

use std::str::FromStr;

pub(crate) const HELP: &str = "\
cargo xtask test [--keep-going] [--only STEP]...
    Everything that must pass, in order. Stops at the first failure unless
    --keep-going. --only runs just the named steps (a part of a name is enough).
cargo xtask soak [--rounds N] [--only TEST]
    The long counts: the end-to-end tests whose names begin with soak_, built
    with optimisation. --rounds counts that far instead of as far as each says.
cargo xtask bench [--only PART] [--reloads N]
    Measures plug-ins in the release profile: call, start, retained.
cargo xtask demo [--headless]
    Builds everything, starts all vendors' simulators and the gateway, prints
    where to look, and stops all of it on Ctrl-C. --headless opens no browser.
cargo xtask build
    Builds the gateway, the simulators and the plug-ins that tests need; the
    last line of output is JSON with their paths.
cargo xtask python
    Makes the Python environment that some tests need, with the packages of
    tests/requirements.txt; the last line of output is its interpreter.
cargo xtask axe
    Fetches the accessibility engine axe-core for the walks through the console;
    the last line of output is its file.
cargo xtask golden
    Builds the plug-ins that later builds are held to, where there are none for
    this platform yet: see tests/fixtures/golden/README.md.
cargo xtask capabilities
    Writes the table of what adapters can do, in plugins/README.md, anew.";

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `test`.
    Test(TestOptions),
    /// `soak`.
    Soak(SoakOptions),
    /// `bench`.
    Bench(BenchOptions),
    /// `demo`.
    Demo {
        /// Open nothing.
        headless: bool,
    },
    /// `build`.
    Build,
    /// `python`.
    Python,
    /// `axe`.
    Axe,
    /// `golden`.
    Golden,
    /// `capabilities`.
    Capabilities,
    /// No command, or a question for help.
    Help,
}

/// How `test` runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestOptions {
    /// Run the remaining steps after a failure.
    pub(crate) keep_going: bool,
    /// Parts of the names of the only steps to run; empty for all.
    pub(crate) only: Vec<String>,
}

/// How `soak` runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SoakOptions {
    /// How often each test repeats what it counts, if not as often as it says.
    pub(crate) rounds: Option<u32>,
    /// A part of the names of the only tests to run.
    pub(crate) only: Option<String>,
}

/// What `bench` measures.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    /// A part of the names of the only measurements to make.
    pub(crate) only: Option<String>,
    /// How many reloads are made for the memory that they leave.
    pub(crate) reloads: Option<u64>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let Some(name) = args.next() else {
        return Ok(Command::Help);
    };
    let mut command = match name.as_str() {
        "test" => Command::Test(TestOptions::default()),
        "soak" => Command::Soak(SoakOptions::default()),
        "bench" => Command::Bench(BenchOptions::default()),
        "demo" => Command::Demo { headless: false },
        "build" => Command::Build,
        "python" => Command::Python,
        "axe" => Command::Axe,
        "golden" => Command::Golden,
        "capabilities" => Command::Capabilities,
        "help" | "-h" | "--help" => return Ok(Command::Help),
        other => {
            return Err(format!(
                "no command {other:?}; there are test, soak, bench, demo, build, python, axe, golden and capabilities"
            ));
        }
    };
    while let Some(arg) = args.next() {
        match (&mut command, arg.as_str()) {
            (_, "-h" | "--help") => return Ok(Command::Help),
            (Command::Test(options), "--keep-going") => options.keep_going = true,
            (Command::Test(options), "--only") => options.only.push(value(&arg, &mut args)?),
            (Command::Soak(options), "--rounds") => options.rounds = Some(number(&arg, &mut args)?),
            (Command::Soak(options), "--only") => options.only = Some(value(&arg, &mut args)?),
            (Command::Bench(options), "--only") => options.only = Some(value(&arg, &mut args)?),
            (Command::Bench(options), "--reloads") => {
                options.reloads = Some(number(&arg, &mut args)?);
            }
            (Command::Demo { headless }, "--headless") => *headless = true,
            _ => return Err(format!("{name} takes no argument {arg:?}")),
        }
    }
    Ok(command)
}

fn value(option: &str, args: &mut impl Iterator<Item = String>) -> Result<String, String> {
    args.next()
        .ok_or_else(|| format!("{option} needs a value after it"))
}

fn number<T: FromStr>(option: &str, args: &mut impl Iterator<Item = String>) -> Result<T, String> {
    let text = value(option, args)?;
    text.parse()
        .map_err(|_| format!("{option} needs a whole number, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_command_takes_its_own_options() {
        assert_eq!(read(""), Ok(Command::Help));
        assert_eq!(read("demo"), Ok(Command::Demo { headless: false }));
        assert_eq!(
            read("demo --headless"),
            Ok(Command::Demo { headless: true })
        );
        let options = TestOptions {
            keep_going: true,
            only: vec!["fmt".into(), "doc".into()],
        };
        assert_eq!(
            read("test --keep-going --only fmt --only doc"),
            Ok(Command::Test(options))
        );
        let options = SoakOptions {
            rounds: Some(7),
            only: None,
        };
        assert_eq!(read("soak --rounds 7"), Ok(Command::Soak(options)));
        let options = BenchOptions {
            only: Some("call".into()),
            reloads: Some(10),
        };
        assert_eq!(
            read("bench --only call --reloads 10"),
            Ok(Command::Bench(options))
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for (line, named) in [
            ("dmeo", "dmeo"),
            ("demo --quick", "--quick"),
            ("soak --rounds", "--rounds"),
            ("soak --rounds many", "many"),
            ("build --headless", "--headless"),
        ] {
            let wrong = read(line).err().unwrap_or_default();
            assert!(wrong.contains(named), "{line}: {wrong}");
        }
    }
}
