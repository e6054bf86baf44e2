//! Voice in the form that a vendor takes, made by the operator's own programs.
//!
//! Owns the run of a converter: a child without a shell, in a folder of its
//! own, with an end to its time and to its output. Deliberately knows no
//! codec. Invariants: a converter sees a file and nothing else of the gateway;
//! what it made is kept only if its content is what was asked for; the same
//! voice is converted once, whoever asks.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use kefu_core::config::{self, Converter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use super::{About, Media, MediaId, UploadError, sniff::short_name};
use crate::session::VisitorKey;

/// Voice in another form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Its id.
    pub id: MediaId,
    /// The short name of its form.
    pub format: String,
}

/// Why there is no other form. The texts are for operators.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The program cannot be run.
    #[error("converter `{program}` cannot be started: {source}")]
    NotStarted {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It said that it failed.
    #[error("converter `{program}` ended with {status}: {said}")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// It took too long.
    #[error("converter `{program}` did not end within {within:?}")]
    Late {
        /// Which.
        program: String,
        /// Its time.
        within: Duration,
    },
    /// It wrote more than it may.
    #[error("converter `{program}` wrote more than {limit} bytes")]
    TooLarge {
        /// Which.
        program: String,
        /// Its limit.
        limit: u64,
    },
    /// It did not make what it is there for.
    #[error("converter `{program}` was to make {wanted} and made {found}")]
    NotWanted {
        /// Which.
        program: String,
        /// The short name of the form.
        wanted: String,
        /// What came out.
        found: String,
    },
    /// The voice cannot be read, or its other form not be kept.
    #[error("cannot keep voice in another form: {0}")]
    Store(#[from] UploadError),
}

impl From<io::Error> for ConvertError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Media {
    /// The form of a voice, by its content; `None` if there is no such upload
    /// or it is no voice.
    ///
    /// # Errors
    /// The store's.
    pub async fn voice_format(&self, id: &MediaId) -> io::Result<Option<&'static str>> {
        let about = self.about(id).await?;
        Ok(about.and_then(|about| short_name(&about.content_type)))
    }

    /// Brings a visitor's voice into one of these forms; `None` if no converter
    /// does.
    ///
    /// # Errors
    /// The converter's, or the store's.
    pub async fn convert(
        &self,
        who: &VisitorKey,
        id: &MediaId,
        accepted: &[String],
        rules: &config::Media,
    ) -> Result<Option<Converted>, ConvertError> {
        let Some(about) = self.about(id).await? else {
            return Ok(None);
        };
        let Some(from) = short_name(&about.content_type) else {
            return Ok(None);
        };
        let fits = |converter: &&Converter| {
            converter.from.iter().any(|one| one == from) && accepted.contains(&converter.to)
        };
        let Some(converter) = rules.converters.iter().find(fits) else {
            return Ok(None);
        };
        let converted = Converted {
            id: self.converted_id(who, id, &converter.to),
            format: converter.to.clone(),
        };
        if self.about(&converted.id).await?.is_none() {
            self.run(converter, id, from, &about, &converted, rules)
                .await?;
        }
        Ok(Some(converted))
    }

    async fn run(
        &self,
        converter: &Converter,
        id: &MediaId,
        from: &str,
        about: &About,
        converted: &Converted,
        rules: &config::Media,
    ) -> Result<(), ConvertError> {
        // The semaphore is never closed.
        let _place = self.0.converting.acquire().await;
        let room = Room::new(self.spool_path())?;
        let (input, output) = (room.file("input", from), room.file("output", &converter.to));
        self.write_out(id, about.size, &input).await?;
        let child = run(converter, &room.0, &input, &output);
        child.await?;
        let begun = self.begin_known(converted.id.clone(), "", rules).await?;
        // Somebody else converts it now, and keeps the same.
        let Some(mut upload) = begun else {
            return Err(UploadError::InFlight.into());
        };
        let mut file = tokio::fs::File::open(&output).await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            upload.write(&chunk[..read], rules).await?;
        }
        let found = upload.settled(rules)?.unwrap_or_default();
        if short_name(&found) != Some(converter.to.as_str()) {
            return Err(ConvertError::NotWanted {
                program: program(converter),
                wanted: converter.to.clone(),
                found: if found.is_empty() {
                    "nothing".to_owned()
                } else {
                    found
                },
            });
        }
        upload.finish(rules).await?;
        Ok(())
    }

    async fn write_out(&self, id: &MediaId, size: u64, to: &Path) -> io::Result<()> {
        let mut file = tokio::fs::File::create_new(to).await?;
        let mut contents = self.read(id, 0, size).await?;
        while let Some(piece) = contents.next().await? {
            file.write_all(&piece).await?;
        }
        file.flush().await
    }
}

/// A folder that goes with all that is in it.
struct Room(PathBuf);

impl Room {
    fn new(path: PathBuf) -> io::Result<Self> {
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str, format: &str) -> PathBuf {
        self.0.join(format!("{name}.{format}"))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // At worst it is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a converter to its end.
async fn run(
    converter: &Converter,
    room: &Path,
    input: &Path,
    output: &Path,
) -> Result<(), ConvertError> {
    let program = program(converter);
    let fill = |word: &String| {
        word.replace("{input}", &input.to_string_lossy())
            .replace("{output}", &output.to_string_lossy())
    };
    let mut command = Command::new(&program);
    command
        .args(converter.command.iter().skip(1).map(fill))
        .current_dir(room)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|source| ConvertError::NotStarted {
        program: program.clone(),
        source,
    })?;
    let group = Group(child.id());
    let said = child.stderr.take();
    let said = tokio::spawn(last_words(said));
    let ended = tokio::select! {
        ended = child.wait() => ended?,
        () = tokio::time::sleep(converter.timeout) => {
            return Err(ConvertError::Late { program, within: converter.timeout });
        }
        () = grown_beyond(output, converter.max_size) => {
            return Err(ConvertError::TooLarge { program, limit: converter.max_size });
        }
    };
    drop(group);
    if !ended.success() {
        return Err(ConvertError::Failed {
            program,
            status: ended,
            said: said.await.unwrap_or_default(),
        });
    }
    let size = tokio::fs::metadata(output)
        .await
        .map_or(0, |about| about.len());
    if size > converter.max_size {
        let limit = converter.max_size;
        return Err(ConvertError::TooLarge { program, limit });
    }
    if size == 0 {
        return Err(ConvertError::NotWanted {
            program,
            wanted: converter.to.clone(),
            found: "nothing".to_owned(),
        });
    }
    Ok(())
}

/// A group of processes that is killed when it is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(group) = leader.and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Resolves when a file has become too large.
async fn grown_beyond(path: &Path, limit: u64) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let size = tokio::fs::metadata(path)
            .await
            .map_or(0, |about| about.len());
        if size > limit {
            return;
        }
    }
}

/// The end of what a converter says about its trouble.
async fn last_words(from: Option<tokio::process::ChildStderr>) -> String {
    let Some(mut from) = from else {
        return String::new();
    };
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = [0; 1_024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn program(converter: &Converter) -> String {
    converter.command.first().cloned().unwrap_or_default()
}

const CHUNK: usize = 64 * 1024;
const LAST_WORDS: usize = 400;
const LOOK_EVERY: Duration = Duration::from_millis(50);
