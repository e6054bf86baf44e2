//! Whether bytes are a complete shared object for this machine.
//!
//! Owns the checks that need no loader: kind, machine, completeness, the
//! exported symbol. Deliberately judges nothing that the system's loader
//! judges better. Invariant: it reads only the bytes it is given, and every
//! offset in them is distrusted.

use abi_stable::library::ROOT_MODULE_LOADER_NAME;
use object::{
    Endianness, Object, ObjectSymbol,
    elf::{self, FileHeader64},
    read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader},
};

use super::Refusal;

type Header = FileHeader64<Endianness>;

/// Says why the bytes cannot be a plug-in for this machine.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    check_identity(bytes)?;
    let header = Header::parse(bytes).map_err(|_| incomplete("header", 64, bytes))?;
    let endian = header.endian().map_err(|error| Refusal::WrongKind {
        expected: "shared object",
        found: error.to_string(),
    })?;
    check_machine(header, endian)?;
    check_kind(header, endian)?;
    check_complete(header, endian, bytes)?;
    check_symbol(bytes)
}

fn check_identity(bytes: &[u8]) -> Result<(), Refusal> {
    const CLASS: usize = 4;
    if !bytes.starts_with(b"\x7fELF") {
        let start = &bytes[..bytes.len().min(16)];
        return Err(Refusal::NotElf {
            found: format!("\"{}\"", start.escape_ascii()),
        });
    }
    match bytes.get(CLASS) {
        None => Err(incomplete("header", 64, bytes)),
        Some(2) => Ok(()),
        Some(1) => Err(Refusal::WrongKind {
            expected: "64-bit shared object",
            found: "a 32-bit one".into(),
        }),
        Some(class) => Err(Refusal::WrongKind {
            expected: "64-bit shared object",
            found: format!("ELF class {class}"),
        }),
    }
}

fn check_machine(header: &Header, endian: Endianness) -> Result<(), Refusal> {
    let found = header.e_machine(endian);
    let native = endian == Endianness::default();
    if found == MACHINE.0 && native {
        return Ok(());
    }
    let name = match found {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        other => format!("ELF machine {}", other.0),
    };
    Err(Refusal::WrongMachine {
        expected: MACHINE.1,
        found: if native {
            name
        } else {
            format!("{name} in the other byte order")
        },
    })
}

fn check_kind(header: &Header, endian: Endianness) -> Result<(), Refusal> {
    let found = match header.e_type(endian) {
        elf::ET_DYN => return Ok(()),
        elf::ET_EXEC => "a program".to_owned(),
        elf::ET_REL => "an object file that was not linked".to_owned(),
        elf::ET_CORE => "a core dump".to_owned(),
        other => format!("ELF type {}", other.0),
    };
    Err(Refusal::WrongKind {
        expected: "shared object",
        found,
    })
}

/// A mapped file that ends early is SIGBUS at some later call, so every table
/// and segment must lie inside.
fn check_complete(header: &Header, endian: Endianness, bytes: &[u8]) -> Result<(), Refusal> {
    let table = |offset: u64, entry: u16, count: u16| {
        offset.saturating_add(u64::from(entry) * u64::from(count))
    };
    let programs = table(
        header.e_phoff(endian),
        header.e_phentsize(endian),
        header.e_phnum(endian),
    );
    let sections = table(
        header.e_shoff(endian),
        header.e_shentsize(endian),
        header.e_shnum(endian),
    );
    require("program headers", programs, bytes)?;
    require("section headers", sections, bytes)?;
    let damaged = |error: object::read::Error| Refusal::WrongKind {
        expected: "readable shared object",
        found: error.to_string(),
    };
    let programs = header.program_headers(endian, bytes).map_err(damaged)?;
    for segment in programs {
        let end = segment
            .p_offset(endian)
            .saturating_add(segment.p_filesz(endian));
        require("segments", end, bytes)?;
    }
    for section in header.section_headers(endian, bytes).map_err(damaged)? {
        if section.sh_type(endian) != elf::SHT_NOBITS {
            let end = section
                .sh_offset(endian)
                .saturating_add(section.sh_size(endian));
            require("sections", end, bytes)?;
        }
    }
    let has = |kind| {
        programs
            .iter()
            .any(|segment| segment.p_type(endian) == kind)
    };
    if has(elf::PT_LOAD) && has(elf::PT_DYNAMIC) {
        return Ok(());
    }
    Err(Refusal::WrongKind {
        expected: "shared object",
        found: "one with nothing to load".into(),
    })
}

/// Tells a foreign library apart before any of its code runs.
fn check_symbol(bytes: &[u8]) -> Result<(), Refusal> {
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|error| Refusal::WrongKind {
        expected: "readable shared object",
        found: error.to_string(),
    })?;
    let exported = file
        .dynamic_symbols()
        .any(|symbol| !symbol.is_undefined() && symbol.name() == Ok(ROOT_MODULE_LOADER_NAME));
    // Without section headers the symbols cannot be listed from here; the
    // loader looks the name up again.
    let unlisted = file.elf_section_table().is_empty();
    if exported || unlisted {
        return Ok(());
    }
    Err(Refusal::NoModule {
        expected: ROOT_MODULE_LOADER_NAME,
    })
}

fn require(part: &'static str, expected: u64, bytes: &[u8]) -> Result<(), Refusal> {
    if expected <= bytes.len() as u64 {
        return Ok(());
    }
    Err(incomplete(part, expected, bytes))
}

fn incomplete(part: &'static str, expected: u64, bytes: &[u8]) -> Refusal {
    Refusal::Incomplete {
        part,
        expected,
        found: bytes.len() as u64,
    }
}

#[cfg(target_arch = "x86_64")]
const MACHINE: (elf::Machine, &str) = (elf::EM_X86_64, "x86_64");
#[cfg(target_arch = "aarch64")]
const MACHINE: (elf::Machine, &str) = (elf::EM_AARCH64, "aarch64");
#[cfg(target_arch = "riscv64")]
const MACHINE: (elf::Machine, &str) = (elf::EM_RISCV, "riscv64");

#[cfg(test)]
mod tests {
    use super::*;

    const E_TYPE: usize = 16;
    const E_MACHINE: usize = 18;

    /// The test program itself: complete, for this machine, and no plug-in.
    fn program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("a test has a program")).expect("readable")
    }

    #[test]
    fn a_program_is_told_apart_by_its_missing_symbol() {
        let refusal = check(&program()).expect_err("a test program is no plug-in");
        assert_eq!(
            refusal,
            Refusal::NoModule {
                expected: ROOT_MODULE_LOADER_NAME
            }
        );
    }

    #[test]
    fn text_is_quoted_by_its_first_bytes() {
        let refusal = check(b"#!/bin/sh\necho hello\n").expect_err("text is no plug-in");
        assert_eq!(
            refusal.to_string(),
            r##"expected a shared object (ELF), found a file that starts with "#!/bin/sh\necho h""##
        );
        assert!(matches!(check(b""), Err(Refusal::NotElf { .. })));
    }

    #[test]
    fn a_file_cut_anywhere_is_incomplete() {
        let whole = program();
        for keep in [4, 5, 17, 63, 64, 400, whole.len() / 2, whole.len() - 1] {
            let refusal = check(&whole[..keep]).expect_err("half a file is no plug-in");
            assert!(
                matches!(refusal, Refusal::Incomplete { .. }),
                "{keep}: {refusal}"
            );
        }
    }

    #[test]
    fn header_fields_are_checked_one_by_one() {
        let whole = program();
        let patched = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            check(&bytes).expect_err("a patched header is refused")
        };
        assert!(matches!(patched(4, 1), Refusal::WrongKind { .. }));
        assert!(matches!(patched(4, 9), Refusal::WrongKind { .. }));
        assert!(matches!(patched(E_TYPE, 2), Refusal::WrongKind { .. }));
        assert!(matches!(patched(E_TYPE, 4), Refusal::WrongKind { .. }));
        assert!(matches!(
            patched(E_MACHINE, 40),
            Refusal::WrongMachine { .. }
        ));
        let other_order = if cfg!(target_endian = "little") { 2 } else { 1 };
        assert!(matches!(
            patched(5, other_order),
            Refusal::WrongMachine { .. }
        ));
    }
}
