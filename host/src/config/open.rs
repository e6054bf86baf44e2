//! Opens files that others put somewhere.
//!
//! Owns the rule that only regular files are read, and how much of a text.
//! Invariant: nothing here waits for somebody at the other end of a pipe, and
//! nothing reads without an end.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Opens a file for reading.
///
/// # Errors
/// It cannot be opened, or is something else than a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a device may already do something, so the kind is asked for first.
    expect_regular(&fs::metadata(path)?)?;
    open_at_once(path)
}

/// The same for what may have become something else a moment ago.
fn open_at_once(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // Opening a pipe would wait for its writer. Regular files do not care.
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

fn expect_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let found = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a socket or device"
    };
    let words = format!("expected a regular file, found {found}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, words))
}

/// Reads a text to its end.
///
/// # Errors
/// It cannot be read, is longer than any setting, or is not UTF-8.
pub(super) fn read_text(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    let invalid = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    if bytes.len() as u64 > MAX_TEXT {
        return Err(invalid(format!(
            "expected at most {} MiB, found more",
            MAX_TEXT >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|error| invalid(format!("expected UTF-8 text, found {error}")))
}

/// The longest configuration file, and the longest text that one refers to.
const MAX_TEXT: u64 = 4 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
mod tests {
    use std::{process::Command, sync::mpsc::channel, thread, time::Duration};

    use super::*;

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("x.toml");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for open in [open_regular, open_at_once] {
            let (tell, told) = channel();
            let pipe = pipe.clone();
            thread::spawn(move || tell.send(open(&pipe).map(drop)));
            let opened = told.recv_timeout(Duration::from_secs(20)).unwrap();
            let error = opened.unwrap_err().to_string();
            assert_eq!(error, "expected a regular file, found a pipe");
        }
    }

    #[test]
    fn folders_and_devices_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for (path, found) in [
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a socket or device"),
        ] {
            let error = open_regular(path).unwrap_err().to_string();
            assert!(error.ends_with(found), "{error}");
        }
    }

    #[test]
    fn a_text_that_never_ends_is_read_up_to_the_limit() {
        let endless = File::open("/dev/zero").unwrap();
        let error = read_text(&endless).unwrap_err().to_string();
        assert_eq!(error, "expected at most 4 MiB, found more");
    }
}
