//! Which plug-in file was tried for whom, and whether it is another one now.
//!
//! Owns the comparison by content: a file that was merely touched is the same
//! file. Deliberately judges no content. Invariant: what failed is not tried
//! again before its file is touched or an operator asks.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read,
    path::{Path, PathBuf},
};

use kefu_core::config::{Config, Provider};
use kefu_plugin_api::ids::ProviderId;
use sha2::{Digest, Sha256};

use super::{Applier, Found};
use crate::{
    config::{Fingerprint, Sources, Stamp, open_regular, signature_of},
    plugin::image::MAX_SIZE,
    reload::{plan::Known, report::Cause, target::Target},
};

/// The plug-in file that was tried last for a provider.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) looks: Looks,
    /// The hash of its content, as far as it is known.
    pub(super) sha256: Option<String>,
    /// It did not come into service.
    pub(super) failed: bool,
}

/// A plug-in file and its signature, from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    file: PathBuf,
    stamps: [Option<Stamp>; 2],
}

impl Looks {
    pub(super) fn of(dir: &Path, provider: &Provider, files: &Fingerprint) -> Self {
        let file = dir.join(&provider.plugin);
        let stamps = [files.stamp(&file), files.stamp(&signature_of(&file))];
        Self { file, stamps }
    }

    fn is_there(&self) -> bool {
        self.stamps[0].is_some()
    }
}

/// What the gateway has tried by the time the reloader starts.
pub(super) fn at_start(
    config: &Config,
    sources: &Sources,
    target: &dyn Target,
) -> BTreeMap<ProviderId, Tried> {
    let dir = &config.main.plugins.dir;
    let tried = config.providers.values().map(|provider| {
        let sha256 = target.serving(&provider.id);
        let tried = Tried {
            looks: Looks::of(dir, provider, sources.seen()),
            failed: sha256.is_none(),
            sha256,
        };
        (provider.id.clone(), tried)
    });
    tried.collect()
}

impl Applier {
    /// What is known of every provider's plug-in file.
    pub(super) fn look_at_files(
        &mut self,
        new: &Config,
        cause: &Cause,
        found: &Found<'_>,
    ) -> BTreeMap<ProviderId, Known> {
        let dir = self.config.load().main.plugins.dir.clone();
        let mut known = BTreeMap::new();
        for (id, provider) in &new.providers {
            let looks = Looks::of(&dir, provider, found.files);
            let serves = self.target.serving(id).is_some();
            let failed = self.tried.get(id).is_some_and(|tried| tried.failed);
            let again = match cause {
                Cause::Provider { id: wanted } => wanted == id,
                Cause::Signal | Cause::Admin => failed && looks.is_there(),
                Cause::Files | Cause::Edit | Cause::RollBack { .. } => false,
            };
            let new_file = self.is_new(id, looks, found);
            let of_provider = Known {
                serves,
                failed,
                new_file,
                again,
            };
            known.insert(id.clone(), of_provider);
        }
        self.tried.retain(|id, _| new.providers.contains_key(id));
        known
    }

    /// Whether a provider's file is another one than was tried last.
    fn is_new(&mut self, id: &ProviderId, looks: Looks, found: &Found<'_>) -> bool {
        // One that was never tried is added to the configuration just now.
        let Some(tried) = self.tried.get_mut(id) else {
            return false;
        };
        let settled = &found.settled.files;
        let heard_of =
            settled.contains(&looks.file) || settled.contains(&signature_of(&looks.file));
        if tried.looks == looks && !heard_of || looks.file != tried.looks.file {
            // Another file name is a change of the configuration.
            return false;
        }
        tried.looks = looks;
        if !tried.looks.is_there() {
            // What serves goes on from its private copy.
            return false;
        }
        let sha256 = sha256_of(&tried.looks.file);
        let is_new = tried.failed || sha256.is_none() || sha256 != tried.sha256;
        tried.sha256 = sha256;
        is_new
    }
}

/// The hash of a file's content; `None` where whoever loads it says why it
/// cannot be read.
fn sha256_of(path: &Path) -> Option<String> {
    let file = open_regular(path).ok()?;
    if file.metadata().ok()?.len() > MAX_SIZE {
        return None;
    }
    // It may grow while it is read.
    let mut file = file.take(MAX_SIZE);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("a String takes every text");
    }
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use std::{process::Command, sync::mpsc::channel, thread, time::Duration};

    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_a_plug_in_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("x.so");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (tell, told) = channel();
        thread::spawn(move || tell.send(sha256_of(&pipe)));
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(None));
    }
}
