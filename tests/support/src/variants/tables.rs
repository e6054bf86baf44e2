//! The tables of a plug-in file, and where in the file their entries lie.
//!
//! Owns the way from an address that the loader would use to the byte of the
//! file that it comes from. Deliberately knows only files of 64 bits in this
//! machine's byte order, as every plug-in here is one.

use anyhow::{Context, Result, ensure};
use object::elf::{self, FileHeader64, Rela64, Sym64};
use object::read::elf::{
    ElfFile64, FileHeader, ProgramHeader, Rela, SectionHeader, SectionTable, Sym,
};
use object::{Endianness, pod};

/// Part of the exported symbol's name, as abi_stable spells underscores.
const EXPORT: &[u8] = b"root_bmodule_bloader";

/// A header of abi_stable is smaller than this.
const HEADER: u64 = 512;

type Header = FileHeader64<Endianness>;

/// A file whose headers were read.
pub(super) struct Elf<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    endian: Endianness,
    sections: SectionTable<'a, Header>,
}

/// A segment of code.
pub(super) struct Code {
    /// Where its flags are.
    pub(super) flags_at: usize,
    start: u64,
    end: u64,
}

/// An exported symbol.
pub(super) struct Export {
    /// What it names.
    pub(super) address: u64,
    /// Where that address is.
    pub(super) value_at: usize,
    /// Where its name is.
    pub(super) name_at: usize,
}

/// A pointer that the loader fills in.
pub(super) struct Pointer {
    /// What it points to.
    pub(super) target: u64,
    /// Where that is written.
    pub(super) addend_at: usize,
}

impl<'a> Elf<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let header = Header::parse(bytes).context("reading the ELF header")?;
        let endian = header.endian()?;
        ensure!(
            ElfFile64::<Endianness>::parse(bytes).is_ok(),
            "the plug-in's tables cannot be read"
        );
        let sections = header.sections(endian, bytes)?;
        Ok(Self {
            bytes,
            header,
            endian,
            sections,
        })
    }

    pub(super) fn executable_segment(&self) -> Result<Code> {
        let segments = self.header.program_headers(self.endian, self.bytes)?;
        let (index, code) = segments
            .iter()
            .enumerate()
            .find(|(_, segment)| {
                segment.p_type(self.endian) == elf::PT_LOAD
                    && segment.p_flags(self.endian).0 & elf::PF_X.0 != 0
            })
            .context("no segment of the plug-in is code")?;
        let entry = usize::from(self.header.e_phentsize(self.endian));
        let start = code.p_vaddr(self.endian);
        Ok(Code {
            // The flags follow the segment's kind.
            flags_at: usize::try_from(self.header.e_phoff(self.endian))? + index * entry + 4,
            start,
            end: start + code.p_memsz(self.endian),
        })
    }

    pub(super) fn export(&self) -> Result<Export> {
        let symbols = self
            .sections
            .symbols(self.endian, self.bytes, elf::SHT_DYNSYM)?;
        let named = |symbol: &Sym64<Endianness>| {
            symbols
                .symbol_name(self.endian, symbol)
                .is_ok_and(|name| contains(name, EXPORT))
        };
        let symbol = symbols
            .iter()
            .find(|symbol| named(symbol))
            .context("the plug-in exports no root module")?;
        let name = symbols.symbol_name(self.endian, symbol)?;
        Ok(Export {
            address: symbol.st_value(self.endian),
            // The value stands after name, kind, visibility and section.
            value_at: self.place(pod::bytes_of(symbol)) + 8,
            name_at: self.place(name),
        })
    }

    /// The first pointer to code in the header at an address.
    pub(super) fn first_function_in(&self, header: u64) -> Result<Pointer> {
        let code = self.executable_segment()?;
        let within = header..header + HEADER;
        let first = self
            .relocations()?
            .filter(|entry| within.contains(&entry.r_offset(self.endian)))
            .filter(|entry| {
                let target = self.pointer(entry).target;
                (code.start..code.end).contains(&target)
            })
            .min_by_key(|entry| entry.r_offset(self.endian))
            .with_context(|| format!("the header at {header:#x} names no function"))?;
        Ok(self.pointer(first))
    }

    /// Where the byte at an address lies in the file.
    pub(super) fn offset(&self, address: u64) -> Result<usize> {
        let segments = self.header.program_headers(self.endian, self.bytes)?;
        let segment = segments
            .iter()
            .filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD)
            .find(|segment| {
                let start = segment.p_vaddr(self.endian);
                (start..start + segment.p_filesz(self.endian)).contains(&address)
            })
            .with_context(|| format!("nothing of the file is loaded to {address:#x}"))?;
        let within = address - segment.p_vaddr(self.endian);
        Ok(usize::try_from(segment.p_offset(self.endian) + within)?)
    }

    fn relocations(&self) -> Result<impl Iterator<Item = &'a Rela64<Endianness>>> {
        let mut all = Vec::new();
        for section in self.sections.iter() {
            if let Some((entries, _)) = section.rela(self.endian, self.bytes)? {
                all.extend(entries);
            }
        }
        Ok(all.into_iter())
    }

    fn pointer(&self, relocation: &'a Rela64<Endianness>) -> Pointer {
        Pointer {
            target: relocation.r_addend(self.endian).cast_unsigned(),
            // The addend is the last of three words.
            addend_at: self.place(pod::bytes_of(relocation)) + 16,
        }
    }

    /// Where a part of the file begins that was found by reading it.
    fn place(&self, part: &[u8]) -> usize {
        part.as_ptr().addr() - self.bytes.as_ptr().addr()
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
