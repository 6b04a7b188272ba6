//! `[log]`: how much is logged, and in which form.

use super::reader::{Reader, Section};
use super::suggest::nearest;

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or levels per part of the program: `info,liaison::outbound=debug`. Default `info`.
    pub level: String,
    /// Default text.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and journald.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Log {
    let mut log = Log::default();
    if let Some(level) = s.text(r, "level") {
        match level.value.split(',').map(str::trim).find(|part| !is_directive(part)) {
            None => log.level = level.value,
            Some(part) => {
                let word = part.rsplit('=').next().unwrap_or(part);
                let near = nearest(word, &LEVELS).map_or(String::new(), |w| format!("did you mean \"{w}\"? "));
                let hint = format!(
                    "{near}There is {}, and per part as in \"info,liaison::outbound=debug\"",
                    LEVELS.join(", ")
                );
                let shown: String = part.chars().take(60).collect();
                r.error(&level, format!("`{shown}` is no log level"), &hint);
            }
        }
    }
    if let Some(format) = s.choice(r, "format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]) {
        log.format = format.value;
    }
    s.finish(r);
    log
}

fn is_directive(part: &str) -> bool {
    match part.split_once('=') {
        None => LEVELS.contains(&part),
        Some((target, level)) => {
            LEVELS.contains(&level.trim())
                && !target.trim().is_empty()
                && target.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
        }
    }
}
