//! Loads a private copy and checks that it speaks our contract.
//!
//! Owns the table of what is loaded in this process, and the `unsafe` that
//! loading takes. Deliberately knows neither providers nor settings; opening an
//! adapter is [`generation`](super::generation). Invariants: only private
//! copies are loaded, each content once; nothing is ever unloaded, because
//! thread-locals and statics of a library make that unsound, so what was
//! mapped is counted instead.

mod idle;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use abi_stable::{
    library::{
        AbiHeaderRef, LibraryError, ROOT_MODULE_LOADER_NAME, ROOT_MODULE_LOADER_NAME_WITH_NUL,
    },
    std_types::RSlice,
};
use kefu_plugin_api::{
    abi::{AdapterModuleRef, Answer},
    descriptor::Descriptor,
    error::AdapterError,
    wire::{CONTRACT, Contract, decode},
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{About, Image, LoadError, Refusal, image};

/// Loads plug-ins by way of private copies in one folder.
#[derive(Clone, Debug)]
pub struct Loader {
    copies: PathBuf,
}

impl Loader {
    /// Keeps the copies in this folder, which is made when it is missing.
    pub fn new(copies: impl Into<PathBuf>) -> Self {
        let copies = copies.into();
        // A child process works elsewhere. Without a working folder there is
        // nothing that the path could be relative to.
        let absolute = std::path::absolute(&copies);
        Self {
            copies: absolute.unwrap_or(copies),
        }
    }

    /// Reads, checks, copies and loads a file, or finds its content loaded.
    ///
    /// # Errors
    /// Why the file is not loaded.
    pub fn load(&self, file: &Path) -> Result<Arc<Module>, LoadError> {
        self.load_image(&Image::read(file)?)
    }

    /// The same for a file that was read before, so that its bytes could be
    /// looked at in between.
    ///
    /// # Errors
    /// Why the file is not loaded.
    pub fn load_image(&self, image: &Image) -> Result<Arc<Module>, LoadError> {
        let entry = entry(image.sha256());
        // Held while loading: two callers with the same content wait for each
        // other, others do not.
        let mut loaded = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = &loaded.module {
            return Ok(Arc::clone(module));
        }
        let copy = image.keep(&self.copies)?;
        let module = self
            .map(&mut loaded, &copy)
            .and_then(|root| Module::admit(root, image, copy.clone()));
        let module = Arc::new(module.map_err(|refusal| LoadError {
            file: image.file().to_owned(),
            refusal,
        })?);
        loaded.module = Some(Arc::clone(&module));
        Ok(module)
    }

    /// The folder of the private copies.
    pub fn copies(&self) -> &Path {
        &self.copies
    }

    /// Where the private copy of this content is kept.
    pub fn copy_of(&self, sha256: &str) -> PathBuf {
        image::copy_of(&self.copies, sha256)
    }

    /// Whether these bytes run in this process already.
    pub fn is_loaded(&self, image: &Image) -> bool {
        let entry = entry(image.sha256());
        // Whoever is loading it now has not loaded it yet.
        entry.try_lock().is_ok_and(|loaded| loaded.module.is_some())
    }

    fn map(&self, loaded: &mut Loaded, copy: &Path) -> Result<AdapterModuleRef, Refusal> {
        let mapped = map(copy)?;
        loaded.mapped = true;
        mapped.root()
    }
}

/// A library in memory whose initialisers ran and that was asked for nothing.
pub(super) struct Mapped(Library);

/// Maps a private copy.
pub(super) fn map(copy: &Path) -> Result<Mapped, Refusal> {
    let absolute = copy.canonicalize().map_err(|error| Refusal::NotLoadable {
        found: error.to_string(),
    })?;
    // Asked for all symbols at once: one that is missing is an error here and
    // not a crash at some later call.
    //
    // SAFETY: loading runs the library's initialisers. An operator who puts a
    // plug-in into the folder trusts it to run in this process, or it is a
    // locked-down child; the bytes were checked to be a complete plug-in for
    // this machine, and nobody else writes to the copy.
    #[expect(unsafe_code, reason = "nothing loads a library without it")]
    let library = unsafe { Library::open(Some(&absolute), RTLD_NOW | RTLD_LOCAL) };
    library.map(Mapped).map_err(|error| Refusal::NotLoadable {
        found: error.to_string(),
    })
}

impl Mapped {
    /// The root module, if its layout is ours.
    pub(super) fn root(self) -> Result<AdapterModuleRef, Refusal> {
        // SAFETY: `export_adapter!` exports under this name, which carries the
        // version of abi_stable's own format, a value of this very type; its
        // magic text and the layout behind it are checked before use.
        #[expect(unsafe_code, reason = "a symbol's type cannot be known")]
        let header = unsafe {
            self.0
                .get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes())
        }
        .map(|symbol| *symbol)
        .map_err(|_| Refusal::NoModule {
            expected: ROOT_MODULE_LOADER_NAME,
        });
        // Kept for ever, also if it is refused below: its initialisers ran.
        let _ = self.0.into_raw();
        header?
            .upgrade()
            .and_then(|header| header.init_root_module::<AdapterModuleRef>())
            .map_err(|error| other_layout(&error))
    }
}

/// How many contents are mapped into this process, refused ones included.
pub fn mapped_copies() -> usize {
    let table = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let entries: Vec<_> = table.values().cloned().collect();
    drop(table);
    entries
        .iter()
        .filter(|entry| match entry.try_lock() {
            Ok(loaded) => loaded.mapped,
            // One that is being loaded will be counted in a moment.
            Err(_) => false,
        })
        .count()
}

#[derive(Default)]
struct Loaded {
    mapped: bool,
    module: Option<Arc<Module>>,
}

/// Content → module. Global because what is mapped is.
static LOADED: Mutex<BTreeMap<String, Arc<Mutex<Loaded>>>> = Mutex::new(BTreeMap::new());

fn entry(sha256: &str) -> Arc<Mutex<Loaded>> {
    let mut table = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(table.entry(sha256.to_owned()).or_default())
}

fn other_layout(error: &LibraryError) -> Refusal {
    let text = error.to_string();
    let differences = differences(&text);
    let found = if differences.is_empty() {
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ")
    } else {
        differences.join("; ")
    };
    Refusal::OtherLayout {
        expected: CONTRACT,
        found: found.chars().take(ENOUGH).collect(),
    }
}

/// The layout checker prints both layouts in full; what differs stands in
/// blocks of `Error:`, `Expected:` and `Found:` between them.
fn differences(text: &str) -> Vec<String> {
    text.split("\nError:")
        .skip(1)
        .filter_map(|block| {
            let (what, rest) = block.split_once("\nExpected:\n")?;
            let (expected, rest) = rest.split_once("\nFound:\n")?;
            let (expected, found) = (first_line(expected), first_line(rest));
            Some(format!("{}: {expected} became {found}", what.trim()))
        })
        .collect()
}

fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// Characters of the checker's words that an operator is shown.
const ENOUGH: usize = 1_000;

/// One loaded plug-in: code in memory that nobody has opened yet.
pub struct Module {
    root: AdapterModuleRef,
    about: Arc<About>,
    /// Adapters of it that are open.
    open: AtomicUsize,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("adapter", &self.about.descriptor.id)
            .field("version", &self.about.descriptor.version)
            .field("sha256", &self.about.sha256)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Takes a root module whose layout is right, if its contract is too.
    fn admit(root: AdapterModuleRef, image: &Image, copy: PathBuf) -> Result<Self, Refusal> {
        let contract = check_contract(root)?;
        let descriptor = describe(root)?;
        let about = About {
            descriptor: Arc::new(descriptor),
            contract,
            rustc: String::from_utf8_lossy(root.rustc()().as_slice()).into_owned(),
            sha256: image.sha256().to_owned(),
            copy,
            size: image.bytes().len() as u64,
        };
        Ok(Self {
            root,
            about: Arc::new(about),
            open: AtomicUsize::new(0),
        })
    }

    /// The facts of the file.
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }

    pub(super) fn open(&self, input: &[u8]) -> Answer {
        self.root.open()(RSlice::from_slice(input))
    }

    /// Notes that an adapter of it is open, until [`close`](Self::close).
    pub(super) fn hold(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes an adapter. With the last one, the memory that its code takes is
    /// given back as far as that is possible.
    pub(super) fn close(&self, handle: u64) {
        self.root.close()(handle);
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let bytes = idle::page_out(self.about.sha256());
            tracing::debug!(
                sha256 = self.about.sha256(),
                bytes,
                "an idle plug-in's pages are given back"
            );
        }
    }

    pub(super) fn receive(&self, handle: u64, input: &[u8]) -> Answer {
        self.root.receive()(handle, RSlice::from_slice(input))
    }

    pub(super) fn handle(&self, handle: u64, input: &[u8]) -> Answer {
        self.root.handle()(handle, RSlice::from_slice(input))
    }

    pub(super) fn self_test(&self, handle: u64) -> Answer {
        self.root.self_test()(handle)
    }

    pub(super) fn check_state(&self, state: &[u8]) -> Answer {
        self.root.check_state()(RSlice::from_slice(state))
    }
}

pub(super) fn check_contract(root: AdapterModuleRef) -> Result<Contract, Refusal> {
    let contract = Contract {
        major: root.contract_major(),
        minor: root.contract_minor(),
    };
    if contract.major != CONTRACT.major {
        return Err(Refusal::OtherMajor {
            expected: CONTRACT,
            found: contract,
        });
    }
    // Asked before anything else of it runs: its panics could not be caught.
    if !root.panics_unwind() {
        return Err(Refusal::Aborts);
    }
    Ok(contract)
}

pub(super) fn describe(root: AdapterModuleRef) -> Result<Descriptor, Refusal> {
    let undescribed = |found: String| Refusal::Undescribed { found };
    let bytes = root.describe()().into_result().map_err(|bytes| {
        let error = decode::<AdapterError>(&bytes).unwrap_or_else(|unreadable| unreadable);
        undescribed(error.to_string())
    })?;
    let descriptor: Descriptor = decode(&bytes).map_err(|error| undescribed(error.to_string()))?;
    if descriptor.contract_minor > CONTRACT.minor {
        return Err(Refusal::NeedsNewer {
            expected: CONTRACT,
            found: Contract {
                major: CONTRACT.major,
                minor: descriptor.contract_minor,
            },
        });
    }
    if descriptor.id.is_empty() || descriptor.version.is_empty() {
        return Err(undescribed("one without id or version".into()));
    }
    if !descriptor.carries_something() {
        return Err(undescribed(
            "one whose capabilities carry no kind of content".into(),
        ));
    }
    Ok(descriptor)
}

#[cfg(test)]
mod tests;
