//! Whether the bytes of a plug-in file may be loaded.
//!
//! Owns the judgement by the operator's policy: any file, files whose hash the
//! provider lists, files that a known key has signed. Deliberately reads no
//! plug-in: it is given the image, so that the bytes that are judged are the
//! bytes that will be loaded. Invariant: whatever cannot be judged is not
//! trusted.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use kefu_core::config::{Provider, Trust};
use minisign_verify::{PublicKey, Signature};

use super::Image;

/// The signature of a file, where it is kept: beside it, by minisign's custom.
pub fn signature_file(plugin: &Path) -> PathBuf {
    let mut name = plugin.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

/// Says why not.
pub(super) fn check(trust: &Trust, provider: &Provider, image: &Image) -> Result<(), String> {
    match trust {
        Trust::Any => Ok(()),
        Trust::Listed => check_listed(provider, image.sha256()),
        Trust::Signed { keys } => check_signed(keys, image),
    }
}

fn check_listed(provider: &Provider, found: &str) -> Result<(), String> {
    if provider.sha256.iter().any(|listed| listed == found) {
        return Ok(());
    }
    Err(format!(
        "expected a SHA-256 that provider `{}` lists ({}), found {found}",
        provider.id,
        match provider.sha256.as_slice() {
            [] => "it lists none".to_owned(),
            listed => listed.join(", "),
        },
    ))
}

fn check_signed(keys: &[String], image: &Image) -> Result<(), String> {
    let file = signature_file(image.file());
    let text = read_signature(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "expected a minisign signature in {}, found nothing there",
            file.display()
        ),
        _ => format!("cannot read its signature {}: {error}", file.display()),
    })?;
    let signature = Signature::decode(&text).map_err(|error| {
        format!(
            "expected a minisign signature in {}, found something else: {error}",
            file.display()
        )
    })?;
    // Each key is tried: which one signed is not known before.
    let signed = keys.iter().any(|key| {
        PublicKey::from_base64(key)
            .is_ok_and(|key| key.verify(image.bytes(), &signature, false).is_ok())
    });
    if signed {
        return Ok(());
    }
    Err(format!(
        "expected {} to be a signature of these very bytes by one of the {} keys in [plugins] keys; it is of another file or by another key",
        file.display(),
        keys.len()
    ))
}

/// Signatures are a few hundred bytes; whatever is longer is none.
fn read_signature(file: &Path) -> io::Result<String> {
    const MOST: u64 = 4 << 10;
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    File::open(file)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}
