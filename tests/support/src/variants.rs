//! Plug-in files that nobody compiled: good ones with some bytes changed.
//!
//! Owns what can go wrong with a file on its way, and the stamping of build
//! ids, by which one compiled file becomes any number of builds: each has a
//! hash of its own and, with the setting `tag`, says its id in what it answers
//! (`tests/chaos/src/build_id.rs`). Works on bytes and touches no file.
//! Invariant: the same arguments give the same bytes.

use anyhow::{Context, Result, bail, ensure};
use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSection};
use std::ops::Range;

/// How the reserved section begins.
const MARK: &[u8; 16] = b"kefu-build-id:\0\0";
const SECTION: &str = ".kefu_build";

/// Bytes of the longest id.
pub const LONGEST_ID: usize = 48;

/// The plug-in with this build id instead of its own.
///
/// # Errors
/// When the file has no reserved section, or the id is too long for it or
/// empty.
pub fn stamp(plugin: &[u8], id: &str) -> Result<Vec<u8>> {
    ensure!(
        !id.is_empty() && id.len() <= LONGEST_ID && !id.contains('\0'),
        "the build id {id:?} is not 1 to {LONGEST_ID} bytes without zeros"
    );
    let place = place_of_id(plugin)?;
    let mut stamped = plugin.to_vec();
    let place = &mut stamped[place];
    place.fill(0);
    place[..id.len()].copy_from_slice(id.as_bytes());
    Ok(stamped)
}

/// The build id in a file.
///
/// # Errors
/// When the file has no reserved section.
pub fn build_id(plugin: &[u8]) -> Result<String> {
    let id = &plugin[place_of_id(plugin)?];
    let end = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
    Ok(String::from_utf8_lossy(&id[..end]).into_owned())
}

/// The plug-in without its last bytes, as an upload leaves it that broke off.
pub fn truncated(plugin: &[u8], keep: usize) -> Vec<u8> {
    plugin[..keep.min(plugin.len())].to_vec()
}

/// The plug-in with one bit changed: bit `bit` of the byte at `at`.
pub fn flipped(plugin: &[u8], at: usize, bit: u8) -> Vec<u8> {
    let mut flipped = plugin.to_vec();
    flipped[at] ^= 1 << (bit % 8);
    flipped
}

/// Where a section lies in the file.
///
/// # Errors
/// When there is none of that name, or it takes no bytes of the file.
pub fn section(plugin: &[u8], name: &str) -> Result<Range<usize>> {
    let file = ElfFile64::<Endianness>::parse(plugin).context("reading the plug-in as ELF")?;
    let section = file
        .section_by_name(name)
        .with_context(|| format!("no section {name} in the plug-in"))?;
    let (start, length) = section
        .file_range()
        .with_context(|| format!("section {name} takes no bytes of the file"))?;
    let range = usize::try_from(start)?..usize::try_from(start + length)?;
    ensure!(
        range.end <= plugin.len(),
        "section {name} ends after the file"
    );
    Ok(range)
}

/// The plug-in, as if it were built for another machine than this one.
///
/// # Errors
/// When it is no ELF file.
pub fn for_another_machine(plugin: &[u8]) -> Result<Vec<u8>> {
    /// Of every ELF header, whatever the class.
    const E_MACHINE: usize = 18;
    let header = FileHeader64::<Endianness>::parse(plugin).context("reading the ELF header")?;
    let machine = match header.e_machine(header.endian()?) {
        elf::EM_AARCH64 => elf::EM_X86_64,
        _ => elf::EM_AARCH64,
    };
    let mut foreign = plugin.to_vec();
    foreign[E_MACHINE..E_MACHINE + 2].copy_from_slice(&machine.0.to_le_bytes());
    Ok(foreign)
}

fn place_of_id(plugin: &[u8]) -> Result<Range<usize>> {
    let section = section(plugin, SECTION)?;
    if section.len() != MARK.len() + LONGEST_ID || !plugin[section.clone()].starts_with(MARK) {
        bail!("section {SECTION} holds no build id");
    }
    Ok(section.start + MARK.len()..section.end)
}
