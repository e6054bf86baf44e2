//! What goes over the socket between the gateway and a child.
//!
//! Owns the frame: a fixed header (length, id, kind) and then bytes exactly as
//! the adapter reads or wrote them. Deliberately knows no meaning of a
//! payload; that is [`hello`](super::hello). Invariant: whatever arrives, a
//! reader takes no more memory than its limit, and a stream that broke inside
//! a frame is an error and never a shorter frame.

use std::io::{self, IoSlice, Read, Write};

use thiserror::Error;

/// Bytes before the payload: length (4), id (8), kind (1), little-endian.
const HEADER: usize = 13;

/// Bytes that one system call may bring: several small frames.
const BUFFER: usize = 64 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// To the child: what to load.
    Load = 1,
    /// To the child: one turn.
    Handle = 2,
    /// To the child: one callback.
    Receive = 3,
    /// To the child: a try on harmless input.
    SelfTest = 4,
    /// To the child: whether a state can be read.
    CheckState = 5,
    /// From the child: the copy is in memory.
    Loaded = 17,
    /// From the child: who the adapter is.
    Described = 18,
    /// From the child: the adapter took its settings.
    Opened = 19,
    /// From the child: calls are taken.
    SelfTested = 20,
    /// From the child: it will not serve, and why.
    Refused = 21,
    /// From the child: the adapter's bytes.
    Answer = 32,
    /// From the child: the adapter's error, in its bytes.
    Failed = 33,
    /// From the child: how long the answer was that is not sent.
    TooLarge = 34,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Load,
        Self::Handle,
        Self::Receive,
        Self::SelfTest,
        Self::CheckState,
        Self::Loaded,
        Self::Described,
        Self::Opened,
        Self::SelfTested,
        Self::Refused,
        Self::Answer,
        Self::Failed,
        Self::TooLarge,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Which call it belongs to; 0 before the first.
    pub(super) id: u64,
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes.
    pub(super) payload: Vec<u8>,
}

/// A stream that cannot be read on.
#[derive(Debug, Error)]
pub(super) enum FrameError {
    #[error("expected a frame of at most {most} bytes, found one of {found}")]
    TooLong { most: usize, found: usize },
    #[error("expected a known kind of frame, found {0}")]
    UnknownKind(u8),
    #[error("expected the rest of a frame, found the end")]
    Cut,
    #[error("the socket cannot be read: {0}")]
    Read(#[source] io::Error),
}

/// Reads frames, several with one system call if they are small.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    most: usize,
}

impl<R: Read> FrameReader<R> {
    /// Frames of at most so many bytes.
    pub(super) fn new(source: R, most: usize) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            most,
        }
    }

    /// Where the bytes come from.
    pub(super) fn source(&self) -> &R {
        &self.source
    }

    /// The same, to change how they come.
    pub(super) fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The next frame; `None` if the stream ended where a frame could begin.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        while self.end - self.start < HEADER {
            if !self.fill()? {
                let clean = self.start == self.end;
                return if clean {
                    Ok(None)
                } else {
                    Err(FrameError::Cut)
                };
            }
        }
        let header = &self.buffer[self.start..self.start + HEADER];
        let (length, rest) = header.split_at(4);
        let (id, kind) = rest.split_at(8);
        let length = u32::from_le_bytes(array(length)) as usize;
        let id = u64::from_le_bytes(array(id));
        let kind = Kind::from_byte(kind[0]).ok_or(FrameError::UnknownKind(kind[0]))?;
        if length > self.most {
            return Err(FrameError::TooLong {
                most: self.most,
                found: length,
            });
        }
        self.start += HEADER;
        let payload = self.take(length)?;
        Ok(Some(Frame { id, kind, payload }))
    }

    /// What is buffered comes first, the rest straight into its place.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, FrameError> {
        let buffered = length.min(self.end - self.start);
        let mut payload = Vec::with_capacity(length);
        payload.extend_from_slice(&self.buffer[self.start..self.start + buffered]);
        self.start += buffered;
        if buffered < length {
            let missing = (length - buffered) as u64;
            (&mut self.source)
                .take(missing)
                .read_to_end(&mut payload)
                .map_err(FrameError::Read)?;
            if payload.len() < length {
                return Err(FrameError::Cut);
            }
        }
        Ok(payload)
    }

    fn fill(&mut self) -> Result<bool, FrameError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FrameError::Read(error)),
            }
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Writes one frame, with one system call if the socket takes it.
pub(super) fn write(mut socket: impl Write, id: u64, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame of over 4 GiB"))?;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..12].copy_from_slice(&id.to_le_bytes());
    header[12] = kind as u8;
    let mut parts = [IoSlice::new(&header), IoSlice::new(payload)];
    let mut left = &mut parts[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match socket.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(id: u64, kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, id, kind, payload).expect("a vector takes everything");
        bytes
    }

    fn read_all(bytes: &[u8], most: usize) -> Result<Vec<Frame>, FrameError> {
        let mut reader = FrameReader::new(bytes, most);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Gives one byte at a time, and is interrupted before each.
    struct Dripping<'a>(&'a [u8], bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    /// Takes one byte at a time.
    struct Narrow(Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend(bytes.first());
            Ok(bytes.len().min(1))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_kind_survives_the_way_and_no_other_byte_is_one() {
        for kind in Kind::ALL {
            let frames = read_all(&bytes(7, kind, b"payload"), 7).expect("readable");
            let expected = Frame {
                id: 7,
                kind,
                payload: b"payload".to_vec(),
            };
            assert_eq!(frames, [expected]);
        }
        let known = (0..=u8::MAX).filter(|byte| Kind::from_byte(*byte).is_some());
        assert_eq!(known.count(), Kind::ALL.len());
    }

    #[test]
    fn a_stream_that_comes_and_goes_in_single_bytes_is_the_same_stream() {
        let payload = vec![3; 300];
        let mut narrow = Narrow(Vec::new());
        for id in [1, 2] {
            write(&mut narrow, id, Kind::Handle, &payload).expect("written");
        }
        assert_eq!(
            narrow.0,
            [1, 2].map(|id| bytes(id, Kind::Handle, &payload)).concat()
        );
        let mut reader = FrameReader::new(Dripping(&narrow.0, false), 300);
        for id in [1, 2] {
            let frame = reader.next().expect("readable").expect("a frame");
            assert_eq!((frame.id, frame.payload.len()), (id, 300));
        }
        assert!(reader.next().expect("a clean end").is_none());
    }

    #[test]
    fn a_frame_larger_than_the_buffer_arrives_whole() {
        let payload: Vec<u8> = (0..BUFFER * 3).map(|index| index as u8).collect();
        let stream = [
            bytes(1, Kind::Answer, &payload),
            bytes(2, Kind::Answer, b""),
        ]
        .concat();
        let frames = read_all(&stream, payload.len()).expect("readable");
        assert!(frames[0].payload == payload && frames[1].payload.is_empty());
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_its_bytes_are_read() {
        let error = read_all(&bytes(1, Kind::Handle, &[0; 11]), 10).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "expected a frame of at most 10 bytes, found one of 11"
        );
        let huge = [&u32::MAX.to_le_bytes()[..], &[0; 8], &[2]].concat();
        let error = read_all(&huge, 10).expect_err("too long");
        assert!(matches!(error, FrameError::TooLong { found, .. } if found == u32::MAX as usize));
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_is_an_error_wherever_it_ends() {
        let whole = bytes(1, Kind::Handle, b"payload");
        assert!(read_all(&[], 10).expect("nothing is nothing").is_empty());
        for keep in 1..whole.len() {
            let error = read_all(&whole[..keep], 10).expect_err("half a frame");
            assert!(matches!(error, FrameError::Cut), "{keep}: {error}");
        }
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let mut frame = bytes(1, Kind::Handle, b"");
        frame[12] = 99;
        let error = read_all(&frame, 10).expect_err("unknown");
        assert!(matches!(error, FrameError::UnknownKind(99)), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_make_the_reader_panic_or_exceed_its_limit(
            stream in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            if let Ok(frames) = read_all(&stream, 64) {
                prop_assert!(frames.iter().all(|frame| frame.payload.len() <= 64));
            }
        }
    }
}
