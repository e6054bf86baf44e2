//! Which plug-in file a vendor's name means.
//!
//! Owns the search of the plug-in folder, by file name or by the id that the
//! adapter gives itself. Invariant: code of a plug-in runs in a locked-down
//! child, never here.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::{
    config,
    conformance::launch,
    plugin::{About, Image, child::Nursery},
};

/// A plug-in that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name in the folder.
    pub(super) file: String,
    /// What it says about itself.
    pub(super) about: About,
}

/// Finds the plug-in of a vendor. `work` is a folder for private copies.
///
/// # Errors
/// There is none, or it does not say who it is; the text says which there are.
pub(super) fn find(folder: &Path, vendor: &str, work: &Path) -> anyhow::Result<Found> {
    let files = config::list(folder, "so")
        .with_context(|| format!("cannot read the plug-in folder {}", folder.display()))?;
    let nursery = Nursery::new()?;
    let named = |path: &&PathBuf| {
        let name = name(path);
        name == vendor || name.trim_end_matches(".so") == vendor
    };
    if let Some(path) = files.iter().find(named) {
        let about = describe(&nursery, path, work)
            .map_err(|reason| anyhow::anyhow!("plug-in {}: {reason}", path.display()))?;
        return Ok(found(path, about));
    }
    if vendor.contains('/') || vendor.ends_with(".so") {
        bail!(
            "there is no plug-in {vendor} in {}; put the file there, and name the vendor or the file",
            folder.display()
        );
    }
    by_id(&nursery, folder, files, vendor, work)
}

/// Asks one after the other, first the file that has the vendor's name.
fn by_id(
    nursery: &Nursery,
    folder: &Path,
    mut files: Vec<PathBuf>,
    vendor: &str,
    work: &Path,
) -> anyhow::Result<Found> {
    let usual = format!("libkefu_{vendor}.so");
    files.sort_by_key(|path| name(path) != usual);
    let (mut known, mut silent) = (Vec::new(), Vec::new());
    for path in &files {
        match describe(nursery, path, work) {
            Ok(about) if about.descriptor().id == vendor => return Ok(found(path, about)),
            Ok(about) => known.push(about.descriptor().id.clone()),
            // The very file that was meant, and it cannot say so.
            Err(reason) if name(path) == usual => {
                bail!("plug-in {}: {reason}", path.display());
            }
            Err(reason) => silent.push(format!("{}: {reason}", name(path))),
        }
    }
    known.sort();
    known.dedup();
    let known = if known.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    let mut text = format!(
        "no adapter in {} is called `{vendor}`; {known}",
        folder.display()
    );
    for reason in silent {
        text.push_str("\n  not readable: ");
        text.push_str(&reason);
    }
    bail!(text)
}

fn found(path: &Path, about: About) -> Found {
    Found {
        file: name(path),
        about,
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The file's own words, spoken where it can harm nobody.
fn describe(nursery: &Nursery, file: &Path, work: &Path) -> Result<About, String> {
    let image = Image::read(file).map_err(|error| error.refusal.to_string())?;
    let copy = image.keep(work).map_err(|error| error.to_string())?;
    nursery
        .describe(&launch(&image, copy))
        .map_err(|error| format!("at the stage `{}`: {error}", error.stage()))
}
