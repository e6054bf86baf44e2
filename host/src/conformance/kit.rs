//! A run of the kit.
//!
//! Owns the order of things: one reading of the file, settings, then each test
//! in each isolation in a process of its own. Invariants: all tests see the
//! same bytes, whatever happens to the operator's file meanwhile; nothing that
//! the run writes stays behind.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;
use thiserror::Error;

use super::{
    Isolation,
    cases::{self, Case},
    folder::Folder,
    job::{GoldenState, Job},
    process::{self, Ended},
    report::{Adapter, Failure, Report, Test, Verdict},
};
use crate::plugin::{Image, image::sha256};

/// What to test, and how.
#[derive(Clone, Debug)]
pub struct Kit {
    /// The operator's file.
    pub file: PathBuf,
    /// The provider's `[settings]`; absent: made up from the schema.
    pub settings: Option<Value>,
    /// The provider's `hosts`.
    pub hosts: Vec<String>,
    /// Where the adapter runs, one after the other.
    pub isolations: Vec<Isolation>,
    /// A folder of states that earlier versions wrote.
    pub states: Option<PathBuf>,
    /// A folder of JSON that the vendor is known to send.
    pub samples: Option<PathBuf>,
    /// Mutated inputs for each isolation.
    pub inputs: u64,
    /// What all randomness is drawn from.
    pub seed: u64,
    /// Names of the only tests to run; empty for all.
    pub only: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum KitError {
    /// There is no such test.
    #[error("there is no test `{name}`; there are {known}")]
    NoSuchTest {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file or folder that was named cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The run has no folder to work in.
    #[error("cannot make a folder to work in: {0}")]
    NoFolder(#[source] io::Error),
}

/// The version of the report's shape.
const SHAPE: u32 = 1;

impl Kit {
    /// Runs the tests, and tells of each when it is over.
    ///
    /// # Errors
    /// What it was asked for makes no sense; nothing was tested.
    pub fn run(&self, mut each: impl FnMut(&Test)) -> Result<Report, KitError> {
        let chosen = self.chosen()?;
        let work = Folder::make().map_err(KitError::NoFolder)?;
        let job = self.job(&work)?;
        let bytes = fs::read(&self.file).map_err(|source| KitError::Unreadable {
            path: self.file.clone(),
            source,
        })?;
        let introduced = self.introduce(job);
        let mut tests = Vec::new();
        for &isolation in &self.isolations {
            for case in &chosen {
                let test = match &introduced {
                    Ok((job, _)) => run_one(case, isolation, job),
                    Err(reason) => not_run(case, isolation, reason),
                };
                each(&test);
                tests.push(test);
            }
        }
        Ok(Report {
            kit: SHAPE,
            file: self.file.display().to_string(),
            sha256: sha256(&bytes),
            adapter: introduced.ok().map(|(_, adapter)| adapter),
            settings: if self.settings.is_some() {
                "given"
            } else {
                "made_up"
            },
            seed: self.seed,
            inputs: self.inputs,
            passed: !tests.is_empty() && tests.iter().all(|test| test.passed),
            tests,
        })
    }

    fn chosen(&self) -> Result<Vec<&'static Case>, KitError> {
        static ALL: &[Case] = &cases::ALL;
        for name in &self.only {
            if !ALL.iter().any(|case| case.name == name) {
                let known: Vec<_> = ALL.iter().map(|case| case.name).collect();
                return Err(KitError::NoSuchTest {
                    name: name.clone(),
                    known: known.join(", "),
                });
            }
        }
        let asked_for =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|name| case.name == name);
        Ok(ALL.iter().filter(asked_for).collect())
    }

    fn job(&self, work: &Folder) -> Result<Job, KitError> {
        let samples = read_folder(self.samples.as_deref(), &["json"])?
            .into_iter()
            .filter_map(|(_, bytes)| serde_json::from_slice(&bytes).ok())
            .collect();
        let states = read_folder(self.states.as_deref(), &["bin", "msgpack", "state"])?
            .into_iter()
            .map(|(name, bytes)| GoldenState { name, bytes })
            .collect();
        let inside = |name: &str| work.path().join(name);
        Ok(Job {
            file: self.file.clone(),
            copies: inside("copies"),
            case: String::new(),
            isolation: self
                .isolations
                .first()
                .copied()
                .unwrap_or(Isolation::Process),
            settings: self.settings.clone(),
            hosts: self.hosts.clone(),
            samples,
            states,
            inputs: self.inputs,
            seed: self.seed,
            black_box: inside("black-box"),
            verdict: inside("verdict"),
        })
    }

    /// Takes the bytes to where nobody else writes, asks who the adapter is,
    /// and makes up settings where none were given.
    fn introduce(&self, mut job: Job) -> Result<(Job, Adapter), String> {
        let image = Image::read(&self.file).map_err(|error| error.refusal.to_string())?;
        job.file = image
            .keep(&job.copies)
            .map_err(|error| error.refusal.to_string())?;
        drop(image);
        let told = process::helper(&job, cases::INTRODUCTION)?;
        let unread = || "its process told nothing that can be read".to_owned();
        let [adapter, settings] = told.as_slice() else {
            return Err(unread());
        };
        let adapter = serde_json::from_str(adapter).map_err(|_| unread())?;
        job.settings = Some(serde_json::from_str(settings).map_err(|_| unread())?);
        Ok((job, adapter))
    }
}

fn run_one(case: &Case, isolation: Isolation, job: &Job) -> Test {
    let mut job = job.clone();
    case.name.clone_into(&mut job.case);
    job.isolation = isolation;
    let start = Instant::now();
    let verdict = match process::run(&job) {
        Ended::Judged(verdict) => verdict,
        Ended::Lost { reason, input } => Verdict {
            failures: vec![Failure { reason, input }],
            ..Verdict::default()
        },
    };
    Test {
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..test(case, isolation, verdict)
    }
}

fn not_run(case: &Case, isolation: Isolation, reason: &str) -> Test {
    let mut verdict = Verdict::default();
    verdict.fail(format!("the test did not run: {reason}"));
    test(case, isolation, verdict)
}

fn test(case: &Case, isolation: Isolation, verdict: Verdict) -> Test {
    Test {
        name: case.name,
        title: case.title,
        isolation,
        passed: verdict.failures.is_empty(),
        took_ms: 0,
        calls: verdict.calls,
        notes: verdict.notes,
        failures: verdict.failures,
    }
}

/// The files of a folder with one of these endings, in the order of their
/// names; none where no folder was named.
fn read_folder(
    folder: Option<&Path>,
    endings: &[&str],
) -> Result<Vec<(String, Vec<u8>)>, KitError> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |source| KitError::Unreadable { path, source }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        paths.push(entry.map_err(unreadable(folder))?.path());
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bytes = fs::read(&path).map_err(unreadable(&path))?;
            files.push((name.into_owned(), bytes));
        }
    }
    Ok(files)
}
