//! What operators see of a running gateway: log lines and numbers.
//!
//! Owns how the log is written and every metric with its name. Deliberately
//! knows no message text, no token and no profile: callers log fields that are
//! safe to read, and labels come from closed lists or the configuration, so
//! that the number of series is bounded. Invariant: recording never waits for
//! I/O and never fails.

mod metrics;

use std::{io, sync::OnceLock};

use kefu_core::config::{Log, LogFormat, LogLevel};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, reload};

pub use metrics::{Metrics, OpenStream, SourceCount, Standing};

/// Starts logging to standard error, in the form and from the level that the
/// configuration names. `RUST_LOG` adds to it for single modules.
///
/// # Errors
/// If `RUST_LOG` is not a filter, or logging was started before.
pub fn start_logging(log: Log) -> Result<(), LoggingError> {
    let directives = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = filter(log.level, &directives)?;
    let (subscriber, switch) = subscriber(log.format, filter, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)?;
    // Whoever set the subscriber is the first one here.
    let _ = SWITCH.set((switch, directives));
    Ok(())
}

/// Logs from another level on. Does nothing where [`start_logging`] was not
/// called: the log is somebody else's then.
pub fn change_level(level: LogLevel) {
    let Some((switch, directives)) = SWITCH.get() else {
        return;
    };
    match filter(level, directives) {
        Ok(filter) => switch(filter),
        Err(error) => tracing::error!(%error, "the log goes on from the level it had"),
    }
}

/// Puts another filter in place of the one there is.
type Switch = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// The switch of the process's log, and what the environment adds to it.
static SWITCH: OnceLock<(Switch, String)> = OnceLock::new();

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The environment's filter cannot be read.
    #[error(
        "cannot read the log filter in RUST_LOG, {text:?}: {source}; right would be `kefu_gateway=debug`"
    )]
    Filter {
        /// What was found.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else logs already.
    #[error("cannot start logging: it was started before in this process")]
    Twice,
}

fn filter(level: LogLevel, directives: &str) -> Result<EnvFilter, LoggingError> {
    // Libraries speak at `info` about their own affairs; the level is ours.
    let quiet = "h2=warn,hyper=warn,hyper_util=warn,rustls=warn";
    let mut text = format!("{},{quiet}", level.as_str());
    if !directives.trim().is_empty() {
        text = format!("{text},{directives}");
    }
    EnvFilter::try_new(&text).map_err(|source| LoggingError::Filter {
        text: directives.to_owned(),
        source,
    })
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    writer: W,
) -> (Box<dyn tracing::Subscriber + Send + Sync>, Switch)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let switch = switch(builder.reload_handle());
            (Box::new(builder.finish()), switch)
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let switch = switch(builder.reload_handle());
            (Box::new(builder.finish()), switch)
        }
    }
}

fn switch<S: 'static>(handle: reload::Handle<EnvFilter, S>) -> Switch {
    Box::new(move |filter| {
        if let Err(error) = handle.reload(filter) {
            tracing::error!(%error, "the log goes on from the level it had");
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn json_lines_carry_level_fields_and_span() {
        let line = written(LogFormat::Json, LogLevel::Info, || {
            let span = tracing::info_span!("request", session = "s1");
            let _inside = span.enter();
            tracing::info!(provider = "zhichi", "opened");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "opened");
        assert_eq!(line["provider"], "zhichi");
        assert_eq!(line["span"]["session"], "s1");
    }

    #[test]
    fn less_important_lines_are_left_out() {
        let lines = written(LogFormat::Text, LogLevel::Warn, || {
            tracing::info!("not this");
            tracing::warn!("but this");
        });
        assert!(!lines.contains("not this"));
        assert!(lines.contains("but this"));
    }

    #[test]
    fn the_level_changes_while_the_log_is_written() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = written_with_switch(format, LogLevel::Info, |switch| {
                tracing::debug!("too early");
                switch(filter(LogLevel::Debug, "").unwrap());
                tracing::debug!("just now");
                switch(filter(LogLevel::Error, "").unwrap());
                tracing::warn!("too late");
            });
            assert!(lines.contains("just now"), "{lines}");
            assert!(!lines.contains("too"), "{lines}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let wrong = filter(LogLevel::Info, "kefu_gateway=loud");
        let error = wrong.unwrap_err().to_string();
        assert!(error.contains("\"kefu_gateway=loud\""), "{error}");
    }

    fn written(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
        written_with_switch(format, level, |_| act())
    }

    fn written_with_switch(
        format: LogFormat,
        level: LogLevel,
        act: impl FnOnce(&Switch),
    ) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let filter = filter(level, "").unwrap();
        let (subscriber, switch) = subscriber(format, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || act(&switch));
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
