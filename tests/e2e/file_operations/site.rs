//! What lies in the watched folders.
//!
//! Owns the good contents and remembers which good build lies where. Every
//! build that is written has a higher id than all before it, so that no answer
//! may ever come from a lower one. Invariant: a part of a good declaration from
//! its start is never a good declaration, so that no half-written file means
//! something of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kefu_gateway::plugin::image::sha256;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::variants;

use crate::crowd::Random;

/// Nobody touches its files.
pub(super) const STEADY: &str = "steady";
/// Its files are treated badly; a good declaration of it was there last.
pub(super) const KEPT: &str = "kept";
/// Its files are treated worse: its declaration goes and comes back.
pub(super) const SPARE: &str = "spare";

/// The folders, and what a test knows of them.
pub(super) struct Site {
    dir: PathBuf,
    plugin: Vec<u8>,
    config: Config,
    newest: u64,
    /// The good build that was written last for each provider.
    builds: BTreeMap<&'static str, u64>,
}

impl Site {
    /// The configuration to start with, and what it consists of.
    pub(super) fn plan() -> Result<(Config, Self)> {
        let path = plugins::file(CHAOS)?;
        let plugin = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut site = Self {
            dir: PathBuf::new(),
            plugin,
            config: Config::new(),
            newest: 0,
            builds: BTreeMap::new(),
        };
        let mut config = Config::new();
        for who in [STEADY, KEPT, SPARE] {
            let (_, bytes) = site.fresh_build(who)?;
            config = config
                .with_raw_file(&format!("adapters/{}", file(who)), bytes)
                .with_raw_file(
                    &format!("providers/{who}.toml"),
                    declaration(who, "in-process", 100),
                );
        }
        for desk in [STEADY, KEPT] {
            config = config.with_desk(desk, &format!("routes = [{{ provider = \"{desk}\" }}]"));
        }
        Ok((config, site))
    }

    /// Says where it lies: in the folder of this gateway, which runs already.
    pub(super) fn lies_in(&mut self, gateway: &Gateway) {
        self.dir = gateway.dir().to_owned();
        self.config = gateway.config().clone();
    }

    /// A build that never was, and is the good one of this provider from now on.
    pub(super) fn next_build(&mut self, who: &'static str) -> Result<Vec<u8>> {
        self.fresh_build(who).map(|(_, bytes)| bytes)
    }

    fn fresh_build(&mut self, who: &'static str) -> Result<(u64, Vec<u8>)> {
        self.newest += 1;
        self.builds.insert(who, self.newest);
        Ok((self.newest, self.stamped(self.newest)?))
    }

    fn stamped(&self, id: u64) -> Result<Vec<u8>> {
        variants::stamp(&self.plugin, &id.to_string())
    }

    /// The good build of a provider.
    pub(super) fn build(&self, who: &str) -> u64 {
        self.builds.get(who).copied().unwrap_or_default()
    }

    /// The hash of that build.
    pub(super) fn sha256(&self, who: &str) -> String {
        let bytes = self.stamped(self.build(who));
        bytes.map(|bytes| sha256(&bytes)).unwrap_or_default()
    }

    /// The bytes of a plug-in, to be broken.
    pub(super) fn plugin_bytes(&self) -> &[u8] {
        &self.plugin
    }

    /// The folder of the main file; everything else lies below it.
    pub(super) fn folder(&self) -> &Path {
        &self.dir
    }

    pub(super) fn adapters(&self) -> PathBuf {
        self.dir.join("adapters")
    }

    pub(super) fn providers(&self) -> PathBuf {
        self.dir.join("providers")
    }

    pub(super) fn main_file(&self) -> PathBuf {
        self.dir.join("kefu.toml")
    }

    pub(super) fn plugin_file(&self, who: &str) -> PathBuf {
        self.adapters().join(file(who))
    }

    pub(super) fn declaration_file(&self, who: &str) -> PathBuf {
        self.providers().join(format!("{who}.toml"))
    }

    /// A good declaration, different from others in what may change at any time.
    pub(super) fn declaration(&self, who: &str, random: &mut Random) -> String {
        let isolation = ["in-process", "process"][random.below(2) as usize];
        declaration(who, isolation, 100 + random.below(100))
    }

    /// A good main file, different in the same sense.
    pub(super) fn main_text(&self, random: &mut Random) -> String {
        let title = format!("desks.{KEPT}.title = \"{}\"", random.below(1_000_000));
        self.config.clone().with(&title).main_text()
    }

    /// Puts everything right: the state that all must settle into.
    pub(super) fn repair(&mut self, random: &mut Random) -> Result<()> {
        let main = self.main_text(random);
        place(&self.main_file(), main.as_bytes())?;
        for who in [KEPT, SPARE] {
            let build = self.next_build(who)?;
            place(&self.plugin_file(who), &build)?;
            let declaration = self.declaration(who, random);
            place(&self.declaration_file(who), declaration.as_bytes())?;
        }
        Ok(())
    }
}

/// Puts a file in place by a rename, whatever lay there.
pub(super) fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("upload");
    fs::write(&fresh, bytes)
        .and_then(|()| fs::rename(&fresh, path))
        .with_context(|| format!("placing {}", path.display()))
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn file(who: &str) -> String {
    format!("libkefu_{who}.so")
}

/// What cannot be left out stands last.
fn declaration(who: &str, isolation: &str, rate: u64) -> String {
    format!(
        "settings.tag = true\nmax_copies = 10000\nisolation = \"{isolation}\"\nlimits.requests_per_second = {rate}\n\
         id = \"{who}\"\nplugin = \"{}\"\n",
        file(who)
    )
}
