//! What the demonstration writes on: lines with the business time, coloured on a terminal only.
//!
//! Nothing passes that a terminal would obey: what people wrote is cleaned here.

use std::io::{IsTerminal as _, Write as _};

use super::super::terminal::{clean_line, short};
use crate::domain::time::Micros;

/// Characters of a quoted text.
const QUOTE_MAX: usize = 90;

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something plain.
    Plain,
    /// Something of ours left.
    Out,
    /// Something came in.
    In,
    /// Something to look at.
    Alarm,
}

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) struct Paper {
    colour: bool,
}

impl Default for Paper {
    fn default() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal() }
    }
}

impl Paper {
    /// A line of its own.
    pub(super) fn line(&self, text: &str) -> std::io::Result<()> {
        let text = clean_line(text);
        let mut out = std::io::stdout().lock();
        if self.colour {
            writeln!(out, "\x1b[0m{text}")?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }

    /// A line that stands out, after an empty one.
    pub(super) fn heading(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let text = clean_line(text);
        if self.colour { writeln!(out, "\n\x1b[1m{text}\x1b[0m") } else { writeln!(out, "\n{text}") }
    }

    /// A line of the story.
    pub(super) fn tell(&self, at: Micros, tone: Tone, text: &str) -> std::io::Result<()> {
        let time = at.timestamp().strftime("%a %H:%M").to_string();
        let (mark, colour) = match tone {
            Tone::Plain => ("·", "0"),
            Tone::Out => ("→", "36"),
            Tone::In => ("←", "32"),
            Tone::Alarm => ("!", "33"),
        };
        let text = clean_line(text);
        let mut out = std::io::stdout().lock();
        if self.colour {
            writeln!(out, "\x1b[2m{time}\x1b[0m  \x1b[{colour}m{mark} {text}\x1b[0m")?;
        } else {
            writeln!(out, "{time}  {mark} {text}")?;
        }
        out.flush()
    }
}

/// What somebody wrote, on one line, cut to a length.
pub(super) fn quote(text: &str) -> String {
    format!("“{}”", short(&clean_line(text), QUOTE_MAX))
}
