//! What lies in the plug-in folder.
//!
//! Owns the list behind `GET /admin/v1/plugins` and `plugin list`.
//! Deliberately loads nothing: of a file that no provider declares, only its
//! bytes speak. Invariant: every file that could be a plug-in is listed once,
//! and so is every file that a provider waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use kefu_core::config::Config;
use kefu_plugin_api::ids::ProviderId;
use serde::Serialize;

use crate::{config, plugin::Image};

/// One file of the plug-in folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginFile {
    /// Its name in the folder.
    pub file: String,
    /// Its size in bytes; absent if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its hash; absent if it cannot be a plug-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether a minisign signature lies beside it.
    pub signature: bool,
    /// The providers that declare it; none: it is not loaded.
    pub declared_by: Vec<ProviderId>,
    /// Those of them that these very bytes serve.
    pub serves: Vec<ProviderId>,
    /// Why it cannot be a plug-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Lists the folder. `serving` names the hash of what serves a provider. Reads
/// and hashes every file: not for a thread that serves connections.
///
/// # Errors
/// The folder cannot be read.
pub fn list(
    config: &Config,
    serving: &dyn Fn(&ProviderId) -> Option<String>,
) -> io::Result<Vec<PluginFile>> {
    let dir = &config.main.plugins.dir;
    let mut declared: BTreeMap<&str, Vec<ProviderId>> = BTreeMap::new();
    for provider in config.providers.values() {
        let by = declared.entry(&provider.plugin).or_default();
        by.push(provider.id.clone());
    }
    let found = config::list(dir, "so")?;
    let mut names: BTreeSet<String> = found
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.extend(declared.keys().map(|name| (*name).to_owned()));
    let files = names.into_iter().map(|name| {
        let by = declared.remove(name.as_str()).unwrap_or_default();
        look(dir, name, by, serving)
    });
    Ok(files.collect())
}

fn look(
    dir: &Path,
    file: String,
    declared_by: Vec<ProviderId>,
    serving: &dyn Fn(&ProviderId) -> Option<String>,
) -> PluginFile {
    let path = dir.join(&file);
    let (sha256, problem) = match Image::read(&path) {
        Ok(image) => (Some(image.sha256().to_owned()), None),
        Err(error) => (None, Some(error.refusal.to_string())),
    };
    let serves = declared_by
        .iter()
        .filter(|id| sha256.is_some() && serving(id) == sha256)
        .cloned()
        .collect();
    PluginFile {
        size: fs::metadata(&path).ok().map(|found| found.len()),
        signature: config::signature_of(&path).exists(),
        file,
        sha256,
        declared_by,
        serves,
        problem,
    }
}
