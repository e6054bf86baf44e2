//! Media that agents send: a sample picture, a sample voice, and uploads.
//!
//! Owns their bytes. Keeps uploads in memory, the newest only. Invariant: an
//! address that was given out answers with the bytes and type it was given for,
//! until the upload is pushed out by newer ones.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::centre::fresh_id;

/// A small picture.
pub(crate) const PICTURE: &[u8] = include_bytes!("../assets/sample.png");

/// How many uploads are kept.
const KEPT: usize = 32;

/// The newest uploads.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<VecDeque<Upload>>);

struct Upload {
    id: String,
    content_type: String,
    body: Bytes,
}

impl Uploads {
    /// Keeps an upload and returns its id.
    pub(crate) fn keep(&self, content_type: &str, body: Bytes) -> String {
        let id = fresh_id();
        let mut uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uploads.len() >= KEPT {
            uploads.pop_front();
        }
        uploads.push_back(Upload {
            id: id.clone(),
            content_type: content_type.to_owned(),
            body,
        });
        id
    }

    /// Type and bytes of an upload.
    pub(crate) fn find(&self, id: &str) -> Option<(String, Bytes)> {
        let uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = uploads.iter().find(|upload| upload.id == id)?;
        Some((found.content_type.clone(), found.body.clone()))
    }
}

/// One second of a quiet tone: WAV, 8 kHz, 16 bit, mono.
pub(crate) fn voice() -> Vec<u8> {
    const RATE: u32 = 8_000;
    let samples = (0..RATE).flat_map(|index| {
        let seconds = f64::from(index) / f64::from(RATE);
        // Faded in and out, so that it does not click.
        let loudness = 6_000.0 * (std::f64::consts::PI * seconds).sin();
        let wave = (std::f64::consts::TAU * 440.0 * seconds).sin();
        #[allow(clippy::cast_possible_truncation)]
        ((loudness * wave) as i16).to_le_bytes()
    });
    let size = RATE * 2;
    let mut wav = Vec::with_capacity(44 + size as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + size).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&size.to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&size.to_le_bytes());
    wav.extend(samples);
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_voice_is_a_wav_whose_sizes_add_up() {
        let wav = voice();
        assert_eq!(&wav[..4], b"RIFF");
        assert_eq!(wav.len(), 44 + 16_000);
    }

    #[test]
    fn the_oldest_upload_makes_room() {
        let uploads = Uploads::default();
        let first = uploads.keep("image/png", Bytes::from_static(b"1"));
        for _ in 0..KEPT {
            uploads.keep("image/png", Bytes::from_static(b"2"));
        }
        assert!(uploads.find(&first).is_none());
    }
}
