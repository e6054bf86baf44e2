//! Reads the configuration from disk.
//!
//! Owns where the files are and what `${VAR}` and `${file:…}` refer to. What
//! the texts mean is decided in `kefu_core::config`. Invariant: a provider's
//! file that is wrong is reported and left out; the others join.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kefu_core::config::{
    CheckedFile, Config, ConfigError, ConfigErrors, Lookup, Severity, assemble, check_main,
    check_provider,
};

/// What was found on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, without the providers whose files are wrong.
    pub config: Config,
    /// Everything worth saying, errors of provider files included.
    pub problems: Vec<ConfigError>,
}

impl Loaded {
    /// Whether a file had to be left out.
    pub fn left_something_out(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// Why there is no configuration at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The main file is wrong.
    #[error("{0}")]
    Wrong(#[from] ConfigErrors),
}

/// Reads the main file and the providers beside it.
///
/// # Errors
/// The main file cannot be read or is wrong.
pub fn load(main: &Path) -> Result<Loaded, LoadError> {
    let checked = check_main(&main.display().to_string(), &read(main)?, &Environment)?;
    let mut problems = Vec::new();
    let mut providers: Vec<CheckedFile<_>> = Vec::new();
    for file in provider_files(main)? {
        match check_provider(&file.display().to_string(), &read(&file)?, &Environment) {
            Ok(provider) => providers.push(provider),
            Err(ConfigErrors(errors)) => problems.extend(errors),
        }
    }
    let (config, more) = assemble(checked, providers);
    problems.extend(more);
    Ok(Loaded { config, problems })
}

/// The providers' files, in the order of their names. A missing folder is an
/// empty one.
fn provider_files(main: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let folder = main.parent().unwrap_or(Path::new("")).join("providers");
    let unreadable = |source| LoadError::Unreadable {
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The process's environment and the files it can read.
struct Environment;

impl Lookup for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }
}
