//! Reads the configuration from disk, the first time and again.
//!
//! Owns where the files are, what `${VAR}` and `${file:…}` refer to, and which
//! file gave which provider. What the texts mean is decided in
//! `kefu_core::config`. Invariants: a provider's file that is wrong is
//! reported and touches nobody else; read again, it leaves its provider as it
//! was, and one that was read only in part counts as not read.

mod edit;
mod open;
mod stamp;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use kefu_core::config::{
    CheckedFile, Config, ConfigError, ConfigErrors, Lookup, Main, Provider, Severity, assemble,
    check_main, check_provider,
};
use kefu_plugin_api::{Secret, ids::ProviderId};

pub use edit::{EditError, NewWeight, WrittenRoute, routes as written_routes, set_weights};
pub(crate) use open::open_regular;
pub use stamp::{Fingerprint, Stamp};
pub use write::{WriteError, Written, change as change_main, read as read_main};

/// What was found on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, without the providers whose files are wrong.
    pub config: Config,
    /// Everything worth saying, errors of provider files included.
    pub problems: Vec<ConfigError>,
    /// Which file said what, for reading again.
    pub sources: Sources,
}

impl Loaded {
    /// Whether a file had to be left out.
    pub fn left_something_out(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// Which file said what when the configuration was last read.
#[derive(Clone, Debug)]
pub struct Sources {
    path: PathBuf,
    main: CheckedFile<Main>,
    providers: Files,
    /// Which of them each provider is from; others with its id were refused.
    owners: BTreeMap<ProviderId, PathBuf>,
    /// The files that `${file:…}` named, with what they held.
    references: References,
    seen: Fingerprint,
}

impl Sources {
    /// The main file.
    pub fn main_file(&self) -> &Path {
        &self.path
    }

    /// The folder of the providers' files.
    pub fn providers_folder(&self) -> PathBuf {
        providers_folder(&self.path)
    }

    /// The files that `${file:…}` named, those that could not be read included.
    pub fn references(&self) -> impl Iterator<Item = &Path> {
        self.references.keys().map(PathBuf::as_path)
    }

    /// Every file as it was just before it was read, and the plug-in files of
    /// the providers: what changes after that is seen, however soon.
    pub fn seen(&self) -> &Fingerprint {
        &self.seen
    }

    /// The file that describes a provider.
    pub fn file_of(&self, id: &ProviderId) -> Option<&Path> {
        self.owners.get(id).map(PathBuf::as_path)
    }
}

/// Providers' files by their path.
type Files = BTreeMap<PathBuf, CheckedFile<Provider>>;

/// Files by their path, with what was read; absent where nothing could be.
type References = BTreeMap<PathBuf, Option<Secret>>;

/// Why there is no configuration at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The main file is wrong.
    #[error("{0}")]
    Wrong(#[from] ConfigErrors),
}

/// A configuration that was refused when it was read again.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: LoadError,
    /// The files it named: a change of them is worth another look.
    pub references: BTreeSet<PathBuf>,
}

/// Reads the main file and the providers beside it.
///
/// # Errors
/// The main file cannot be read or is wrong.
pub fn load(main: &Path) -> Result<Loaded, LoadError> {
    let look = Look {
        unsettled: &BTreeSet::new(),
        files: &Fingerprint::default(),
    };
    read_all(main, None, look).map_err(|refused| refused.error)
}

/// What the files looked like just before they are read again.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Those that somebody is writing to, and those that went a moment ago.
    pub unsettled: &'a BTreeSet<PathBuf>,
    /// All of them.
    pub files: &'a Fingerprint,
}

/// Reads everything again. A provider whose file is wrong stays as it was, and
/// so does what an unsettled file said. A file that is missing counts as gone
/// only if the look did not find it either: it may be about to be replaced.
///
/// # Errors
/// The main file cannot be read or is wrong: nothing of it counts.
pub fn reload(before: &Sources, look: Look<'_>) -> Result<Loaded, Box<Refused>> {
    read_all(&before.path, Some(before), look).map_err(Box::new)
}

fn read_all(path: &Path, before: Option<&Sources>, look: Look<'_>) -> Result<Loaded, Refused> {
    let mut reading = Reading {
        before,
        look,
        seen: Fingerprint::default(),
        lookup: Recorder {
            before: before.map(|before| &before.references),
            unsettled: look.unsettled,
            read: Mutex::default(),
        },
        problems: Vec::new(),
    };
    let read = reading
        .main(path)
        .and_then(|main| Ok((main, reading.providers(path)?)));
    let (references, referred) = reading.lookup.into_read();
    let (main, providers) = match read {
        Ok(read) => read,
        Err(error) => {
            let references = references.into_keys().collect();
            return Err(Refused { error, references });
        }
    };
    let mut files: Vec<_> = providers.iter().collect();
    // Of two files with one id the later is refused: who had it keeps it.
    files.sort_by_key(|(path, file)| {
        before
            .and_then(|before| before.file_of(&file.settings.id))
            .is_none_or(|owner| owner != path.as_path())
    });
    let mut owners = BTreeMap::new();
    for (path, file) in &files {
        let id = file.settings.id.clone();
        owners.entry(id).or_insert_with(|| path.to_path_buf());
    }
    let files = files.into_iter().map(|(_, file)| file.clone()).collect();
    let (config, more) = assemble(main.clone(), files);
    let mut problems = reading.problems;
    problems.extend(more);
    let mut seen = reading.seen;
    seen.merge(referred);
    for provider in config.providers.values() {
        let file = config.main.plugins.dir.join(&provider.plugin);
        seen.note(&file);
        seen.note(&signature_of(&file));
    }
    let sources = Sources {
        path: path.to_owned(),
        main,
        providers,
        owners,
        references,
        seen,
    };
    Ok(Loaded {
        config,
        problems,
        sources,
    })
}

/// One pass over all files.
struct Reading<'a> {
    before: Option<&'a Sources>,
    look: Look<'a>,
    seen: Fingerprint,
    lookup: Recorder<'a>,
    problems: Vec<ConfigError>,
}

impl Reading<'_> {
    fn main(&mut self, path: &Path) -> Result<CheckedFile<Main>, LoadError> {
        self.seen.note(path);
        if let (Some(before), true) = (self.before, self.look.unsettled.contains(path)) {
            self.say_unread(path);
            return Ok(before.main.clone());
        }
        let text = match read_whole(path) {
            Ok(Whole::Text(text)) => text,
            Ok(Whole::Torn(text)) => match self.before {
                Some(before) => return Ok(before.main.clone()),
                None => text,
            },
            Err(source) => return Err(unreadable(path, source)),
        };
        Ok(check_main(&name(path), &text, &self.lookup)?)
    }

    fn providers(&mut self, main: &Path) -> Result<Files, LoadError> {
        let folder = providers_folder(main);
        let before = self.before.map(|before| &before.providers);
        let files = match list(&folder, "toml") {
            Ok(files) => files,
            Err(error) => {
                let missing = error.kind() == io::ErrorKind::NotFound;
                let before = before.filter(|before| !before.is_empty());
                return match before {
                    Some(before) => Ok(self.without_folder(&folder, before, &error)),
                    None if missing => Ok(BTreeMap::new()),
                    None => Err(unreadable(&folder, error)),
                };
            }
        };
        let mut providers = BTreeMap::new();
        self.keep_missing(before, &files, &mut providers);
        for file in &files {
            self.seen.note(file);
            let known = before.and_then(|before| before.get(file));
            if let Some(provider) = self.provider(file, known) {
                let id = &provider.settings.id;
                // One that is missing was given another name, if the id turns up
                // in a file that did not have it.
                if known.is_none_or(|known| known.settings.id != *id) {
                    providers.retain(|other, it| it.settings.id != *id || files.contains(other));
                }
                providers.insert(file.clone(), provider);
            }
        }
        Ok(providers)
    }

    /// A folder that is being replaced is no order to take every provider out.
    fn without_folder(&mut self, folder: &Path, before: &Files, error: &io::Error) -> Files {
        if !before.keys().all(|file| self.look.unsettled.contains(file)) {
            let right = "put it back; to take a provider out, remove its file";
            let problem = format!("cannot be read ({error}), so every provider stays as it is");
            self.problems.push(problem_of(folder, problem, right));
        }
        before.clone()
    }

    /// A file that was there a moment ago may be in the middle of being
    /// replaced: its provider stays for that moment.
    fn keep_missing(&self, before: Option<&Files>, here: &[PathBuf], providers: &mut Files) {
        let missing = before
            .into_iter()
            .flatten()
            .filter(|(file, _)| !here.contains(file) && self.may_return(file));
        providers.extend(missing.map(|(file, known)| (file.clone(), known.clone())));
    }

    /// Whether a file that is missing may have gone only for a moment.
    fn may_return(&self, file: &Path) -> bool {
        self.look.unsettled.contains(file) || self.look.files.stamp(file).is_some()
    }

    /// Says that a file stands there and was not read.
    fn say_unread(&mut self, path: &Path) {
        if path.exists() {
            let problem = "is still being written to, and was not read".to_owned();
            let right = "it is read as soon as it is closed";
            self.problems.push(ConfigError {
                severity: Severity::Warning,
                ..problem_of(path, problem, right)
            });
        }
    }

    /// What one file says, or what it said when it was last right.
    fn provider(
        &mut self,
        file: &Path,
        known: Option<&CheckedFile<Provider>>,
    ) -> Option<CheckedFile<Provider>> {
        if self.before.is_some() && self.look.unsettled.contains(file) {
            self.say_unread(file);
            return known.cloned();
        }
        let text = match read_whole(file) {
            Ok(Whole::Text(text)) => text,
            Ok(Whole::Torn(_)) => return known.cloned(),
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(file).is_err() {
                    return known.filter(|_| self.may_return(file)).cloned();
                }
                let problem = format!("cannot be read: {error}");
                let right = "make it readable, or remove it to take its provider out";
                self.problems.push(problem_of(file, problem, right));
                return known.cloned();
            }
        };
        match check_provider(&name(file), &text, &self.lookup) {
            Ok(mut provider) => {
                if let Some(known) = known {
                    provider.keep_table_of(known);
                }
                Some(provider)
            }
            Err(ConfigErrors(errors)) => {
                self.problems.extend(errors);
                known.cloned()
            }
        }
    }
}

/// The whole text of a file, unless somebody wrote to it meanwhile.
enum Whole {
    Text(String),
    Torn(String),
}

fn read_whole(path: &Path) -> io::Result<Whole> {
    let file = open_regular(path)?;
    let before = Stamp::from(&file.metadata()?);
    let text = open::read_text(&file)?;
    let after = Stamp::from(&file.metadata()?);
    Ok(if before == after {
        Whole::Text(text)
    } else {
        Whole::Torn(text)
    })
}

/// The files of a folder with this ending, in the order of their names; hidden
/// ones are left out.
pub(crate) fn list(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Where the minisign signature of a plug-in file lies.
pub(crate) fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

fn providers_folder(main: &Path) -> PathBuf {
    main.parent().unwrap_or(Path::new("")).join("providers")
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(path: &Path, source: io::Error) -> LoadError {
    LoadError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

/// A problem of a file as a whole.
fn problem_of(path: &Path, problem: String, right: &str) -> ConfigError {
    ConfigError {
        severity: Severity::Error,
        file: name(path),
        line: 1,
        column: 1,
        key: String::new(),
        value: None,
        problem,
        right: right.to_owned(),
    }
}

/// The process's environment and the files it can read, and which were asked
/// for.
struct Recorder<'a> {
    before: Option<&'a References>,
    unsettled: &'a BTreeSet<PathBuf>,
    read: Mutex<(References, Fingerprint)>,
}

impl Recorder<'_> {
    fn into_read(self) -> (References, Fingerprint) {
        self.read
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a file holds; what it held, if somebody is writing to it.
    fn text(&self, path: &Path) -> io::Result<String> {
        let before = self
            .before
            .and_then(|before| before.get(path)?.as_ref())
            .map(|text| text.expose().to_owned());
        if let (Some(text), true) = (&before, self.unsettled.contains(path)) {
            return Ok(text.clone());
        }
        match (read_whole(path)?, before) {
            (Whole::Text(text), _) | (Whole::Torn(_), Some(text)) => Ok(text),
            (Whole::Torn(_), None) => Err(io::Error::other("it is being written to")),
        }
    }
}

impl Lookup for Recorder<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.1.note(path);
        let text = self.text(path);
        let kept = text.as_ref().ok().map(Secret::new);
        read.0.insert(path.to_owned(), kept);
        text.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
