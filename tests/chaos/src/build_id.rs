//! The build id: text in a section of the file that a test can write to.
//!
//! Owns the reserved section and reads it. Deliberately means nothing by the
//! id; tests stamp a new one into the file to have a build that differs in its
//! hash and in what it answers, without compiling. Invariant: length and mark
//! never change, because the tools that stamp know them too
//! (`tests/support/src/variants.rs`).

/// The mark, by which a tool knows that it found the right bytes.
const MARK: &[u8; 16] = b"kefu-build-id:\0\0";

/// Bytes of the section: the mark, then the id, filled up with zeros.
const LENGTH: usize = 64;

/// What a file says into which nothing was stamped.
const UNSTAMPED: &[u8] = b"unstamped";

#[used]
#[expect(unsafe_code, reason = "a section's name may collide with the linker's")]
// SAFETY: no linker gives this name a meaning, and the section holds plain,
// constant bytes.
#[unsafe(link_section = ".kefu_build")]
static STAMP: [u8; LENGTH] = unstamped();

/// What was stamped into this file.
pub(crate) fn build_id() -> String {
    // Without this the compiler would know the bytes before they are stamped.
    let stamp = std::hint::black_box(&STAMP);
    let id = &stamp[MARK.len()..];
    let end = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
    String::from_utf8_lossy(&id[..end]).into_owned()
}

const fn unstamped() -> [u8; LENGTH] {
    let mut stamp = [0; LENGTH];
    let mut at = 0;
    while at < MARK.len() {
        stamp[at] = MARK[at];
        at += 1;
    }
    let mut at = 0;
    while at < UNSTAMPED.len() {
        stamp[MARK.len() + at] = UNSTAMPED[at];
        at += 1;
    }
    stamp
}
