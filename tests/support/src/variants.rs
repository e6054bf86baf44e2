//! Plug-in files that nobody compiled: good ones with some bytes changed.
//!
//! Owns what can go wrong with a file on its way, and the stamping of build
//! ids, by which one compiled file becomes any number of builds: each has a
//! hash of its own and, with the setting `tag`, says its id in what it answers
//! (`tests/chaos/src/build_id.rs`). Works on bytes and touches no file.
//! Invariant: the same arguments give the same bytes.

mod tables;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSection};
use std::ops::Range;
use tables::Elf;

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

/// One bit that nothing can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VitalBit {
    /// What it belongs to.
    pub part: &'static str,
    /// The byte of the file.
    pub at: usize,
    /// The bit of that byte.
    pub bit: u8,
}

/// Bits that matter whatever the compiler made of the source: what the loader
/// and the host must read or run before the adapter can serve.
///
/// # Errors
/// When the file is no plug-in whose tables can be read.
pub fn vital_bits(plugin: &[u8]) -> Result<Vec<VitalBit>> {
    let elf = Elf::read(plugin)?;
    let code = elf.executable_segment()?;
    let export = elf.export()?;
    // What is exported is a header: a mark, and further on pointers to the
    // functions that the host calls first.
    let called = elf.first_function_in(export.address)?;
    let bit = |part, at, bit| VitalBit { part, at, bit };
    Ok(vec![
        bit("the kind of file", 16, 0),
        bit("the number of program headers", 57, 7),
        bit("the right to run the code", code.flags_at, 0),
        bit("the name of the exported symbol", export.name_at, 1),
        bit("the address of the exported symbol", export.value_at, 4),
        bit("the mark of the header", elf.offset(export.address)?, 2),
        bit("the relocation of a function", called.addend_at, 2),
        bit("the first instruction", elf.offset(called.target)?, 3),
    ])
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

/// The header and the one empty segment of each kind that a shared object for
/// 64-bit ARM begins with: what a file for that machine really looks like, and
/// not one of this machine with another number in it. On such a machine it is
/// one for x86-64.
pub fn foreign_library() -> Vec<u8> {
    const HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    let machine = if cfg!(target_arch = "aarch64") {
        elf::EM_X86_64
    } else {
        elf::EM_AARCH64
    };
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [elf::ET_DYN.0, machine.0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for word in [0, u64::from(HEADER), 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [HEADER, PROGRAM_HEADER, 2, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for kind in [elf::PT_LOAD, elf::PT_DYNAMIC] {
        file.extend(kind.0.to_le_bytes());
        file.extend(elf::PF_R.0.to_le_bytes());
        for word in [0_u64, 0, 0, 0, 0, 4096] {
            file.extend(word.to_le_bytes());
        }
    }
    file
}

fn place_of_id(plugin: &[u8]) -> Result<Range<usize>> {
    let section = section(plugin, SECTION)?;
    if section.len() != MARK.len() + LONGEST_ID || !plugin[section.clone()].starts_with(MARK) {
        bail!("section {SECTION} holds no build id");
    }
    Ok(section.start + MARK.len()..section.end)
}
