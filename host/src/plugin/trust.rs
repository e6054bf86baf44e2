//! Whether the bytes of a plug-in file may be loaded.
//!
//! Owns the judgement by the operator's policy: any file, files whose hash the
//! provider lists, files that a known key has signed. Deliberately reads no
//! plug-in: it is given the image, so that the bytes that are judged are the
//! bytes that will be loaded. Invariant: whatever cannot be judged is not
//! trusted.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use kefu_core::config::{Provider, Trust};
use minisign_verify::{PublicKey, Signature};

use super::Image;
use crate::config::open_regular;

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
    let mut text = String::new();
    open_regular(file)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    // Made with minisign 0.11 for the bytes below; the secret keys are gone.
    const SIGNED: &[u8] = b"plug-in bytes";
    const KEY: &str = "RWSy842SkmIVKzSsTtgaFi8p1ghLbtrldh1kZ/GQ66PHVF1Ek13FQNgd";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUSy842SkmIVK4OvEUBQuCZ+lSpwsq+rVLAbKx2XcQ6Mrz3UWj2sgclj6+mMc2HiFyWOkoZiiHtqy9YPRmqfE2axsvRekOem0gc=
trusted comment: timestamp:1795449785\tfile:x.so\thashed
xhBdB4wn8BZWGNK3C7Xaf/DJfllS7mJtTU8Vth39d6p2f5ZkP3DCHTkPccGqBV/zqFMlCSwSSB7KMb4aauOgDA==
";
    const BY_ANOTHER_KEY: &str = "untrusted comment: signature from minisign secret key
RUR7QMfEgOwC6szPY0xJRgIIYyopDQ78W2z8rEH5o0rcdx42ip6FQ7TuaBOlENNK9KrGIuOL5SkmEYygVy0tmMOBatfoy/5G7Ak=
trusted comment: timestamp:1795449785\tfile:x.so\thashed
Bk/uWyN86PQpJOkq9nx42LqwFKhBzcCR8PTQGK//v1+dzb8RrIS2QpMhCJUfHEKKjJfGChC4Ew9Jm2hqlJHjCA==
";
    /// By the right key, in the form that was given up in 2020.
    const OF_THE_OLD_FORM: &str = "untrusted comment: signature from minisign secret key
RWSy842SkmIVK9IAvO8Sfvi0g2LiT7Ml4fjUPgPGsUPVUs2nZPNChYTyF2o7VBJlFVHEBh87CT4S67r2zDI9VRzyT1FW1GnDZgw=
trusted comment: timestamp:1795449785\tfile:x.so
SlYQ9ru1N7dgLrR2tX8AaqKPjyyCmA/wZV3r+lTZZDiZJ7D9mRyKiXNIh53PM4eIZux+ModEhENEtYQZK/mMBg==
";

    fn judge(bytes: &[u8], signature: Option<&str>) -> Result<(), String> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("x.so");
        if let Some(signature) = signature {
            fs::write(signature_file(&file), signature).expect("written");
        }
        check_signed(&[KEY.to_owned()], &Image::unchecked(file, bytes))
    }

    #[test]
    fn a_file_that_a_known_key_signed_is_trusted() {
        assert_eq!(judge(SIGNED, Some(SIGNATURE)), Ok(()));
    }

    #[test]
    fn whatever_else_lies_beside_a_file_trusts_it_not() {
        let tampered = SIGNATURE.replace("file:x.so", "file:y.so");
        let long = format!("{}{SIGNATURE}", " ".repeat(5_000));
        for (why, bytes, signature, told) in [
            ("nothing", SIGNED, None, "found nothing there"),
            (
                "changed bytes",
                &b"other bytes"[..],
                Some(SIGNATURE),
                "of another file or by another key",
            ),
            (
                "an unknown key",
                SIGNED,
                Some(BY_ANOTHER_KEY),
                "of another file or by another key",
            ),
            (
                "a changed comment",
                SIGNED,
                Some(tampered.as_str()),
                "of another file or by another key",
            ),
            (
                "the old form",
                SIGNED,
                Some(OF_THE_OLD_FORM),
                "of another file or by another key",
            ),
            (
                "no signature",
                SIGNED,
                Some("hello"),
                "found something else",
            ),
            ("nothing in it", SIGNED, Some(""), "found something else"),
            (
                "too much",
                SIGNED,
                Some(long.as_str()),
                "found something else",
            ),
        ] {
            let refused = judge(bytes, signature).expect_err(why);
            assert!(refused.contains(told), "{why}: {refused}");
        }
    }

    #[test]
    fn a_folder_in_the_place_of_a_signature_is_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("x.so");
        fs::create_dir(signature_file(&file)).expect("made");
        let refused = check_signed(&[KEY.to_owned()], &Image::unchecked(file, SIGNED));
        assert!(refused.expect_err("it is none").contains("a regular file"));
    }
}
