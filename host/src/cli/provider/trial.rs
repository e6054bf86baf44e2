//! The checks of a reload, and the try at the vendor, before anything is
//! written.
//!
//! Owns no judgement: the file is read as a configuration's is, the plug-in
//! comes up through the registry's own stages in a child process, and the try
//! goes through the gateway's own delivery. Invariant: what is checked here is
//! what will be read.

use std::{path::Path, sync::Arc};

use kefu_core::config::{Config, ConfigErrors, Isolation, Plugins, Provider, check_provider};
use kefu_plugin_api::wire::{HandleInput, HandleOutput};

use super::draft::Draft;
use crate::{
    delivery::{Account, Trial, TrialError, Trialled, try_account},
    plugin::{BringUpError, Generation, Registry, Stage, child::Nursery},
};

/// A provider that could serve.
pub(super) struct Checked {
    provider: Arc<Provider>,
    generation: Arc<Generation>,
    /// Its child ends with it.
    _registry: Registry,
}

/// Why a draft cannot serve.
#[derive(Debug)]
pub(super) struct Refused {
    /// The setting that is to blame, if one is.
    pub(super) setting: Option<String>,
    /// Why, and what would be right.
    pub(super) reason: String,
}

/// Checks a draft. `work` is a folder for private copies.
///
/// # Errors
/// Why a reload would refuse it.
pub(super) fn check(draft: &Draft, config: &Config, work: &Path) -> Result<Checked, Refused> {
    let name = draft.file.display().to_string();
    let checked = check_provider(&name, &draft.text, &draft.lookup()).map_err(unreadable)?;
    let mut provider = checked.settings;
    // In a child whatever will be chosen: nothing of it shall run here.
    provider.isolation = Isolation::Process;
    let plugins = Plugins {
        copies: work.join("copies"),
        ..config.main.plugins.clone()
    };
    let nursery = Nursery::new().map_err(|error| other(error.to_string()))?;
    let call_timeout = config.main.limits.call_timeout;
    let registry = Registry::new(&plugins, call_timeout).with_children(nursery, THREADS);
    let up = registry.bring_up(provider.clone()).map_err(refused)?;
    Ok(Checked {
        provider: Arc::new(provider),
        generation: up.generation,
        _registry: registry,
    })
}

impl Checked {
    /// Tries it at the vendor.
    ///
    /// # Errors
    /// What went wrong, or what stood in the way.
    pub(super) fn try_it(&self, public_url: String) -> anyhow::Result<Result<Trial, TrialError>> {
        let account = Account {
            provider: Arc::clone(&self.provider),
            descriptor: Arc::clone(self.generation.descriptor()),
        };
        let adapter = Arc::new(Tried(Arc::clone(&self.generation)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(runtime.block_on(try_account(&account, adapter, public_url)))
    }

    /// The settings with every reference resolved, to be shown where they are
    /// no secrets.
    pub(super) fn settings(&self) -> &serde_json::Value {
        self.provider.settings.expose()
    }
}

struct Tried(Arc<Generation>);

impl Trialled for Tried {
    fn answer(&self, input: &HandleInput) -> Result<HandleOutput, String> {
        self.0.handle(input).map_err(|fault| {
            if fault.blames_adapter() {
                fault.to_string()
            } else {
                fault.detail
            }
        })
    }
}

fn other(reason: String) -> Refused {
    Refused {
        setting: None,
        reason,
    }
}

fn unreadable(errors: ConfigErrors) -> Refused {
    let of_settings = errors.0.iter().find_map(|error| {
        let path = error.key.strip_prefix("settings.")?;
        path.split(['.', '[']).next().map(str::to_owned)
    });
    let reasons: Vec<_> = errors
        .0
        .iter()
        .map(|error| {
            // Line and column are those of a text that nobody sees.
            let right = if error.right.is_empty() { "" } else { "; " };
            format!("{}: {}{right}{}", error.key, error.problem, error.right)
        })
        .collect();
    Refused {
        setting: of_settings,
        reason: reasons.join("\n"),
    }
}

fn refused(error: BringUpError) -> Refused {
    let setting = match &error {
        BringUpError::Refused {
            stage: Stage::Open,
            detail,
            ..
        } => named(detail),
        _ => None,
    };
    Refused {
        setting,
        reason: error.to_string(),
    }
}

/// The setting in the words of an adapter's refusal: a child tells no more.
fn named(detail: &str) -> Option<String> {
    let rest = detail.split_once("setting `")?.1;
    let path = rest.split_once('`')?.0;
    path.split(['.', '[']).next().map(str::to_owned)
}

/// Calls that the child takes at the same time.
const THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_is_to_blame_is_found_in_the_words() {
        let words = "the adapter refuses the settings: setting `company.name`: must not be empty";
        assert_eq!(named(words), Some("company".into()));
        assert_eq!(named("it panicked"), None);
    }
}
