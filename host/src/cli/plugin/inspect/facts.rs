//! What is known of a file: from its bytes, from its signature, from itself.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use kefu_plugin_api::descriptor::Descriptor;
use object::{Object, read::elf::ElfFile64};
use serde::Serialize;

use crate::{
    conformance::{Folder, launch},
    plugin::{About, Image, child::Nursery, signature_file},
};

/// Everything that is known of a file.
#[derive(Debug, Serialize)]
pub(in crate::cli::plugin) struct Facts {
    /// The operator's file.
    pub(super) file: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// The hash of its bytes.
    pub(super) sha256: String,
    /// The libraries that it needs.
    pub(super) needs: Vec<String>,
    /// Who signed it, if a signature lies beside it.
    pub(super) signature: Option<Signed>,
    /// What its code says; absent if that was not asked, or not answered.
    pub(in crate::cli::plugin) adapter: Option<Said>,
    /// Why its code said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::plugin) refusal: Option<String>,
}

/// A minisign signature.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Signed {
    /// The key, as minisign names it; whether it is one that is trusted, and
    /// whether it really signed these bytes, is for `plugin verify` to say.
    pub(super) key_id: String,
}

/// What an adapter says of itself.
#[derive(Debug, Serialize)]
pub(in crate::cli::plugin) struct Said {
    /// The contract it was built for.
    pub(super) contract: String,
    /// The compiler it was built with.
    pub(super) rustc: String,
    /// Whether its panics unwind. One that aborts says nothing more.
    pub(super) panics_unwind: bool,
    /// Its descriptor.
    pub(in crate::cli::plugin) descriptor: Descriptor,
}

impl Facts {
    /// Collects them.
    pub(in crate::cli::plugin) fn of(file: &Path, ask: bool) -> Result<Self, String> {
        let image = Image::read(file).map_err(|error| error.to_string())?;
        let mut facts = Self {
            file: file.display().to_string(),
            size: image.bytes().len() as u64,
            sha256: image.sha256().to_owned(),
            needs: needs(image.bytes()),
            signature: signed(file)?,
            adapter: None,
            refusal: None,
        };
        if ask {
            match asked(&image) {
                Ok(about) => {
                    facts.adapter = Some(Said {
                        contract: about.contract().to_string(),
                        rustc: about.rustc().to_owned(),
                        panics_unwind: true,
                        descriptor: Descriptor::clone(about.descriptor()),
                    });
                }
                Err(reason) => facts.refusal = Some(reason),
            }
        }
        Ok(facts)
    }
}

/// The file's own words, spoken where it can harm nobody.
fn asked(image: &Image) -> Result<About, String> {
    let work = Folder::make().map_err(|error| error.to_string())?;
    let copy = image.keep(work.path()).map_err(|error| error.to_string())?;
    let nursery = Nursery::new().map_err(|error| error.to_string())?;
    nursery
        .describe(&launch(image, copy))
        .map_err(|error| format!("at the stage `{}`: {error}", error.stage()))
}

fn needs(bytes: &[u8]) -> Vec<String> {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) else {
        return Vec::new();
    };
    let libraries = file.import_libraries().into_iter().flatten().flatten();
    libraries
        .map(|library| String::from_utf8_lossy(library.name()).into_owned())
        .collect()
}

fn signed(file: &Path) -> Result<Option<Signed>, String> {
    let signature = signature_file(file);
    let text = match fs::read_to_string(&signature) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", signature.display())),
    };
    key_id(&text).map_or_else(
        || {
            Err(format!(
                "expected a minisign signature in {}, found something else",
                signature.display()
            ))
        },
        |key_id| Ok(Some(Signed { key_id })),
    )
}

/// The second line holds an algorithm of two bytes, the key's id of eight, and
/// the signature; minisign prints the id as a number.
fn key_id(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    (bytes.len() == 74).then(|| format!("{:016X}", u64::from_le_bytes(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_as_minisign_names_it() {
        // The signature of minisign-verify's own documentation, by the key
        // that it calls E7620F1842B4E81F.
        let signature = "untrusted comment: signature from minisign secret key\n\
            RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n";
        assert_eq!(key_id(signature), Some("E7620F1842B4E81F".into()));
        for nonsense in ["", "one line", "two\nlines", "two\nRWQf6LRCGA9i5w=="] {
            assert_eq!(key_id(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_libraries_of_a_program_are_listed() {
        let program = std::env::current_exe().expect("a test has a program");
        let found = needs(&fs::read(program).expect("readable"));
        assert!(
            found.iter().any(|name| name.starts_with("libc.")),
            "{found:?}"
        );
        assert!(needs(b"not ELF").is_empty());
    }
}
