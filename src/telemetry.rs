//! Logs: where they go, how much of them, and the names in them; numbers in [`metrics`], signs of life in [`pulse`].
//!
//! Log lines carry ids. Bodies, addresses and secrets never appear above debug, and the crates that would write them
//! (protocol traces) are held at their own levels whatever the configuration says.

use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub mod metrics;
pub mod pulse;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people; with a time, unless journald adds its own.
    Text,
    /// One JSON object per line, always with a time.
    Json,
}

/// Whether log lines carry their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// They do.
    Time,
    /// Whoever takes them adds it.
    None,
}

impl Stamp {
    /// None where standard error goes to journald (`JOURNAL_STREAM` is set).
    pub fn from_env() -> Self {
        if std::env::var_os("JOURNAL_STREAM").is_some() { Self::None } else { Self::Time }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The levels can't be read.
    #[error("log level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Crates that log what passes over the wire, and how much of them is let through at most.
const PINNED: [(&str, LevelFilter); 8] = [
    ("async_imap", LevelFilter::INFO),
    ("imap_proto", LevelFilter::INFO),
    ("sqlx", LevelFilter::WARN),
    ("lettre", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
    ("tokio_rustls", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("h2", LevelFilter::INFO),
];

/// Sends log lines to standard error from now on. `level` is a level, or levels per part: `info,liaison::outbound=debug`.
pub fn init(level: &str, form: Form) -> Result<(), TelemetryError> {
    let subscriber = subscriber(level, form, Stamp::from_env(), std::io::stderr)?;
    // Crates that use `log` come through as well.
    tracing_subscriber::util::SubscriberInitExt::try_init(subscriber).map_err(|_| TelemetryError::Twice)
}

/// The same, to somewhere else.
pub fn subscriber<W>(
    level: &str,
    form: Form,
    stamp: Stamp,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + 'static, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let pinned = Targets::new().with_default(LevelFilter::TRACE).with_targets(PINNED);
    let filter = EnvFilter::builder().parse(level)?.and(pinned);
    // A log that can't be written (its disk is full) must not take the daemon down, as telling of it on the same log would.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).log_internal_errors(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match (form, stamp) {
        (Form::Json, _) => layer.json().flatten_event(true).with_span_list(false).boxed(),
        (Form::Text, Stamp::Time) => layer.boxed(),
        (Form::Text, Stamp::None) => layer.without_time().boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

/// Every span there is: `room.verb`, with ids as its fields. The field names are the same everywhere: `account`, `folder`,
/// `message`, `thread`, `influencer`, `transaction`, `method`, `route`, `op`.
pub mod spans {
    use super::Span;

    /// One reading of one mailbox.
    pub fn poll(account: &str) -> Span {
        tracing::info_span!("inbound.poll", account)
    }

    /// One batch taken in.
    pub fn ingest(account: &str, folder: &str) -> Span {
        tracing::info_span!("inbound.ingest", account, folder)
    }

    /// One message on its way out.
    pub fn dispatch(account: &str, message: &impl std::fmt::Display) -> Span {
        tracing::info_span!("outbound.dispatch", account, %message)
    }

    /// A search for a message whose sending has no known outcome.
    pub fn reconcile(account: &str, message: &impl std::fmt::Display) -> Span {
        tracing::info_span!("outbound.reconcile", account, %message)
    }

    /// One transaction, by its name.
    pub fn transaction(transaction: &'static str) -> Span {
        tracing::debug_span!("store.transaction", transaction)
    }

    /// One HTTP request; `route` is the pattern, not the path, which may hold an address.
    pub fn request(method: &str, route: &str) -> Span {
        tracing::info_span!("http.request", method, route)
    }

    /// One request on the control socket.
    pub fn control(op: &str) -> Span {
        tracing::info_span!("control.request", op)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(level: &str, form: Form, stamp: Stamp, log: impl FnOnce()) -> String {
        let page = Page::default();
        let target = page.clone();
        let subscriber = subscriber(level, form, stamp, move || target.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn protocol_traces_stay_out_whatever_is_asked_for() {
        let text = written("trace,async_imap=trace,sqlx=trace", Form::Text, Stamp::None, || {
            tracing::trace!(target: "liaison::inbound", "ours");
            tracing::trace!(target: "async_imap::client", "A1 LOGIN me hunter2");
            tracing::debug!(target: "imap_proto", "A1 LOGIN me hunter2");
            tracing::info!(target: "sqlx::query", "SELECT 'hunter2'");
            tracing::debug!(target: "lettre::transport", "AUTH PLAIN hunter2");
            tracing::debug!(target: "rustls::client", "hunter2");
        });
        assert!(text.contains("ours") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn levels_hold_per_part_and_json_lines_parse() {
        let text = written("warn,liaison::outbound=debug", Form::Json, Stamp::Time, || {
            let _in = spans::dispatch("hello", &"msg_1").entered();
            tracing::debug!(target: "liaison::outbound", attempt = 2, "trying");
            tracing::info!(target: "liaison::inbound", "too quiet");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((line["attempt"].as_u64(), line["message"].as_str()), (Some(2), Some("trying")));
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn lines_for_journald_carry_no_time() {
        let log = || tracing::info!(target: "liaison", "up");
        assert!(written("info", Form::Text, Stamp::None, log).trim_start().starts_with("INFO"));
        assert!(!written("info", Form::Text, Stamp::Time, log).trim_start().starts_with("INFO"));
    }

    #[test]
    fn a_level_that_can_not_be_read_is_an_error() {
        assert!(matches!(
            subscriber("liaison=loud", Form::Text, Stamp::None, std::io::sink),
            Err(TelemetryError::Level(_))
        ));
    }
}
