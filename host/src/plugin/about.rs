//! What is known of a loaded plug-in file, wherever it was loaded.
//!
//! Owns the facts that an operator reads and the host decides by. Deliberately
//! holds no code: the same facts come from a module in this process and from
//! the hello of a child process. Invariant: they belong to the very bytes of
//! the private copy.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kefu_plugin_api::{descriptor::Descriptor, wire::Contract};

/// The facts of one loaded file.
#[derive(Clone, Debug)]
pub struct About {
    pub(super) descriptor: Arc<Descriptor>,
    pub(super) contract: Contract,
    pub(super) rustc: String,
    pub(super) sha256: String,
    pub(super) copy: PathBuf,
    pub(super) size: u64,
}

impl About {
    /// Who its adapter is.
    pub fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    /// The contract it was built for.
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// The compiler it was built with.
    pub fn rustc(&self) -> &str {
        &self.rustc
    }

    /// The hash of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The private copy that was loaded.
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}
