//! The one place where sessions get time and randomness from.

pub(super) use crate::clock::now;

/// A random number for one turn.
pub(super) fn seed() -> u64 {
    // Version 7 ends in 62 random bits.
    uuid::Uuid::now_v7().as_u64_pair().1
}

/// Ten random bytes for an id.
pub(super) fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&uuid::Uuid::now_v7().as_bytes()[6..]);
    bytes[..2].copy_from_slice(&seed().to_le_bytes()[..2]);
    bytes
}
