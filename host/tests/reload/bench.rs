//! A gateway's folders, a reloader that watches them, and what it did.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use kefu_core::config::{Config, Main, Provider};
use kefu_gateway::{
    config::{self, Loaded},
    reload::{Failure, FailureKind, Live, Parts, Reloader, Report, Target, report::Outcome},
    telemetry::Metrics,
};
use kefu_plugin_api::ids::ProviderId;

/// The main file of most tests.
pub(crate) const MAIN: &str = "\
[admin]
token = \"a-token-of-these-tests\"
[apps.demo]
secret = \"12345678\"
[desks.support]
app = \"demo\"
routes = [{ provider = \"a\" }]
";

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) target: Arc<Recording>,
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) metrics: Metrics,
    reloader: Option<Reloader>,
}

impl Bench {
    /// Folders with the main file and these providers, each with a plug-in.
    pub(crate) fn with(providers: &[&str]) -> Self {
        let bench = Self::empty();
        bench.write("config/kefu.toml", MAIN);
        fs::create_dir(bench.path("config/providers")).unwrap();
        fs::create_dir(bench.path("config/adapters")).unwrap();
        for id in providers {
            bench.write(&format!("config/adapters/{id}.so"), "first END");
            bench.write(&format!("config/providers/{id}.toml"), &toml(id, ""));
        }
        bench
    }

    /// Nothing but a folder for the configuration.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        let main = kefu_core::config::check_main("kefu.toml", MAIN, &kefu_core::config::NoLookup);
        let (config, _) = kefu_core::config::assemble(main.unwrap(), Vec::new());
        Self {
            target: Arc::default(),
            config: Arc::new(ArcSwap::from_pointee(config)),
            metrics: Metrics::new(),
            reloader: None,
            folder,
        }
    }

    /// Folders with these providers, and a reloader that watches them.
    pub(crate) fn watching(providers: &[&str]) -> Self {
        Self::with(providers).started()
    }

    /// Starts as the gateway does: reads, brings up, watches.
    pub(crate) fn started(mut self) -> Self {
        let loaded = self.load();
        self.start(loaded);
        self.target.forget_calls();
        self
    }

    pub(crate) fn load(&self) -> Loaded {
        let loaded = config::load(&self.path("config/kefu.toml")).unwrap();
        *self.target.dir.lock().unwrap() = loaded.config.main.plugins.dir.clone();
        for provider in loaded.config.providers.values() {
            let _ = self.target.bring_up(provider);
        }
        loaded
    }

    pub(crate) fn start(&mut self, loaded: Loaded) {
        self.config.store(Arc::new(loaded.config));
        let reloader = Reloader::start(Parts {
            sources: loaded.sources,
            config: Arc::clone(&self.config),
            target: Arc::clone(&self.target) as Arc<dyn Target>,
            metrics: self.metrics.clone(),
        });
        self.reloader = Some(reloader.unwrap());
    }

    pub(crate) fn reloader(&self) -> &Reloader {
        self.reloader.as_ref().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes in place.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes beside it, then renames over it.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let beside = self.path(&format!("{name}.new"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    /// Every report so far, newest first.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reloader().history(usize::MAX)
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.reports().iter().map(|report| report.outcome).collect()
    }

    /// Waits for the next report after `seen` of them.
    pub(crate) fn report_after(&self, seen: usize) -> Report {
        self.until("another report", || self.reports().len() > seen);
        self.reports()[0].clone()
    }

    /// What serves a provider.
    pub(crate) fn served(&self, id: &str) -> Option<String> {
        let serving = self.target.lock();
        serving.serving.get(id).map(|(_, text)| text.clone())
    }

    /// Waits until this serves a provider.
    pub(crate) fn until_served(&self, id: &str, text: &str) {
        self.until(&format!("{id} is served by {text:?}"), || {
            self.served(id).as_deref() == Some(text)
        });
    }

    pub(crate) fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let patience = Instant::now() + Duration::from_secs(30);
        while !is() {
            assert!(
                Instant::now() < patience,
                "{what} never came; calls: {:?}; reports: {:#?}",
                self.target.calls(),
                self.reports()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes a change that is surely the last one, and waits for it: whatever
    /// was to come of earlier ones has come.
    pub(crate) fn fence(&self) {
        let count = self.target.lock().mains.len();
        let text = fs::read_to_string(self.path("config/kefu.toml")).unwrap();
        let text = format!(
            "{text}\n[desks.fence{count}]\napp = \"demo\"\nroutes = [{{ provider = \"a\" }}]\n"
        );
        self.put("config/kefu.toml", &text);
        let desk = format!("fence{count}");
        // In force a moment before it is told.
        let told = || {
            let reports = self.reports();
            let mut changes = reports.iter().flat_map(|report| &report.changes);
            changes.any(|change| change.contains(&desk))
        };
        self.until("the fence", || {
            self.config.load().desk(&desk).is_some() && told()
        });
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(reloader) = self.reloader.take() {
            reloader.stop();
        }
    }
}

/// A provider's file.
pub(crate) fn toml(id: &str, more: &str) -> String {
    format!("id = \"{id}\"\nplugin = \"{id}.so\"\n{more}\n")
}

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Recording {
    dir: Mutex<PathBuf>,
    /// Who has it keeps every provider from coming up.
    held: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) calls: Vec<String>,
    pub(crate) mains: Vec<Main>,
    serving: BTreeMap<String, (String, String)>,
    generations: u64,
}

impl Recording {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Keeps every provider from coming up until the guard is dropped.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    pub(crate) fn forget_calls(&self) {
        self.lock().calls.clear();
    }

    /// How often this was done.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|made| *made == call).count()
    }

    fn note(&self, call: String) {
        self.lock().calls.push(call);
    }

    fn read(&self, plugin: &str) -> Result<String, Failure> {
        let path = self.dir.lock().unwrap().join(plugin);
        let failure = |kind, text: String| Failure { text, kind };
        let text = fs::read_to_string(Path::new(&path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failure(FailureKind::Waiting, error.to_string()),
            _ => failure(FailureKind::Refused, error.to_string()),
        })?;
        if text.ends_with("END") {
            Ok(text)
        } else {
            Err(failure(
                FailureKind::Refused,
                format!("{text:?} is cut short"),
            ))
        }
    }
}

impl Target for Recording {
    fn configure(&self, main: &Main) {
        self.lock().mains.push(main.clone());
        assert!(main.limits.visitor_burst != 13, "as the test asked");
    }

    fn serving(&self, provider: &ProviderId) -> Option<String> {
        let state = self.lock();
        state
            .serving
            .get(provider.as_str())
            .map(|(sha, _)| sha.clone())
    }

    fn bring_up(&self, provider: &Provider) -> Result<Live, Failure> {
        drop(self.held.lock().unwrap());
        self.note(format!("bring up {}", provider.id));
        let text = self.read(&provider.plugin)?;
        let wish = provider
            .settings
            .expose()
            .get("wish")
            .and_then(|it| it.as_str());
        match wish {
            Some("fail") => {
                let text = "its adapter does not want to open".to_owned();
                let kind = FailureKind::Refused;
                return Err(Failure { text, kind });
            }
            Some("panic") => panic!("as the test asked"),
            _ => {}
        }
        let mut state = self.lock();
        state.generations += 1;
        let sha256 = sha256(&text);
        let entry = (sha256.clone(), text);
        state.serving.insert(provider.id.to_string(), entry);
        Ok(Live {
            generation: state.generations,
            sha256,
            stages: Vec::new(),
        })
    }

    fn reconfigure(&self, provider: &Provider) {
        self.note(format!("reconfigure {}", provider.id));
    }

    fn retire(&self, provider: &ProviderId, until: Instant) {
        let hours = until
            .saturating_duration_since(Instant::now())
            .as_secs()
            .div_ceil(3600);
        self.note(format!("retire {provider} within {hours} h"));
        self.lock().serving.remove(provider.as_str());
    }

    fn roll_back(
        &self,
        provider: &ProviderId,
        generation: Option<u64>,
        unfit: Option<u64>,
    ) -> Result<Live, Failure> {
        self.note(format!(
            "roll back {provider} to {generation:?}, leaving {unfit:?}"
        ));
        if generation == Some(404) {
            return Err(Failure {
                text: "there is no generation 404".to_owned(),
                kind: FailureKind::NotRetained,
            });
        }
        let earlier = ("an-earlier-hash".to_owned(), "earlier END".to_owned());
        self.lock()
            .serving
            .insert(provider.to_string(), earlier.clone());
        Ok(Live {
            generation: 77,
            sha256: earlier.0,
            stages: Vec::new(),
        })
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
