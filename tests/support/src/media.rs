//! Small files of real formats, for uploads.
//!
//! Owns their bytes; a test may cut them or lie about their type.

use base64::Engine as _;

/// A picture of one pixel, `image/png`.
pub fn png() -> Vec<u8> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(PNG);
    bytes.expect("the picture below is base64")
}

/// A tenth of a second of silence, `audio/wav`.
pub fn wav() -> Vec<u8> {
    const RATE: u32 = 8_000;
    const SAMPLES: u32 = RATE / 10;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + SAMPLES).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    // PCM, one channel, a byte a sample.
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(RATE.to_le_bytes());
    bytes.extend(RATE.to_le_bytes());
    bytes.extend([1, 0, 8, 0]);
    bytes.extend(b"data");
    bytes.extend(SAMPLES.to_le_bytes());
    bytes.extend(std::iter::repeat_n(128, SAMPLES as usize));
    bytes
}

/// A tenth of a second of silence, `audio/amr`: five frames that hold none.
pub fn amr() -> Vec<u8> {
    // Mode 15, "no data": a frame of one byte.
    [b"#!AMR\n".to_vec(), vec![0x7c; 5]].concat()
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP43+DwHwAHAAK/K9fH4gAAAABJRU5ErkJggg==";
