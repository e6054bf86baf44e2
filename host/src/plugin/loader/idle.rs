//! The memory of code that nobody calls any more.
//!
//! Owns giving it back. What was loaded is never unloaded, but most of it are
//! pages of its file, and whoever is not called needs none of them. Invariant:
//! nothing is lost: a page that is needed after all is read again, and pages
//! that were written to stay.

use std::fs;

/// Asks the kernel to take the pages of a private copy back, wherever it is
/// mapped into this process. How many bytes of mappings it was asked about.
pub(super) fn page_out(sha256: &str) -> usize {
    // Not to be read: nothing is given back, and nothing else happens.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let name = format!("/{sha256}.so");
    maps.lines()
        .filter(|line| line.contains(&name))
        .filter_map(range)
        .map(|(start, end)| {
            advise(start, end - start);
            end - start
        })
        .sum()
}

/// The addresses of one line of the list of mappings.
fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    (start < end).then_some((start, end))
}

fn advise(start: usize, length: usize) {
    // SAFETY: the advice changes no content. It is about a mapping of a library
    // that is never unmapped, so the range stays one of ours; for one that were
    // not, the call would fail.
    #[expect(unsafe_code, reason = "no safe function gives this advice")]
    let refused = unsafe {
        libc::madvise(
            std::ptr::with_exposed_provenance_mut(start),
            length,
            libc::MADV_PAGEOUT,
        )
    };
    if refused != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "the kernel does not take pages of an idle plug-in back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_lines_of_mappings_only() {
        let line = "7f1200000000-7f1200001000 r-xp 00000000 08:01 42 /copies/abc.so";
        assert_eq!(range(line), Some((0x7f12_0000_0000, 0x7f12_0000_1000)));
        for other in ["", "abc", "7f12-", "-7f12 r", "9-1 r", "x-y r"] {
            assert_eq!(range(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_mapped_is_not_asked_about() {
        assert_eq!(page_out(&"0".repeat(64)), 0);
    }
}
