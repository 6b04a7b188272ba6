//! What is written to the terminal: lines, tables and JSON.
//!
//! Nothing passes that a terminal would obey. Mail comes from strangers: escape sequences, control characters and marks
//! that turn the direction of text are taken out here, on the one way out, whatever a caller hands over.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Global;
use crate::domain::time::Micros;

/// Characters of one cell of a table.
const CELL_MAX: usize = 120;

/// Where a command writes.
pub(super) struct Out {
    stdout: std::io::Stdout,
    json: bool,
    terminal: bool,
    colour: bool,
    zone: TimeZone,
}

/// Whether a stream may be coloured: a terminal, and nobody said no (<https://no-color.org>).
fn may_colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

impl Out {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            stdout: std::io::stdout(),
            json: global.json,
            terminal,
            colour: may_colour(terminal),
            zone: TimeZone::system(),
        }
    }

    /// Whether a program reads along.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether colours are welcome.
    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// A value as JSON, indented, with an end of line.
    pub(super) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(&format!("{}\n", escape(&serde_json::to_string_pretty(value)?)))
    }

    /// A value as JSON on one line, for streams.
    pub(super) fn json_line(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(&format!("{}\n", escape(&serde_json::to_string(value)?)))
    }

    /// Text, cleaned, with an end of line.
    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        self.write(&format!("{}\n", clean(text)))
    }

    /// A line that stands out.
    pub(super) fn title(&self, text: &str) -> anyhow::Result<()> {
        let text = clean(text).replace('\n', " ");
        self.write(&if self.colour { format!("\x1b[1m{text}\x1b[0m\n") } else { format!("{text}\n") })
    }

    /// A line that stands back.
    pub(super) fn aside(&self, text: &str) -> anyhow::Result<()> {
        let text = clean(text).replace('\n', " ");
        self.write(&if self.colour { format!("\x1b[2m{text}\x1b[0m\n") } else { format!("{text}\n") })
    }

    /// Text of our own that may hold colours.
    pub(super) fn own(&self, text: &str) -> anyhow::Result<()> {
        self.write(text)
    }

    /// A table; on a terminal as wide as that, else one row per line.
    pub(super) fn table(&self, head: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if self.terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty();
        }
        let style = |name: &&str| {
            let cell = Cell::new(name.to_uppercase());
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(head.iter().map(style));
        for row in rows {
            table.add_row(row.iter().map(|cell| short(&clean_line(cell), CELL_MAX)));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.write(&format!("{}\n", lines.join("\n")))
    }

    /// An instant in the zone of this terminal.
    pub(super) fn time(&self, at: Micros) -> String {
        at.timestamp().to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The same, or a dash.
    pub(super) fn time_or_dash(&self, at: Option<Micros>) -> String {
        at.map_or_else(|| "-".to_owned(), |at| self.time(at))
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        let mut out = self.stdout.lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// A bar for long work: on a terminal only, never beside JSON that goes to one.
pub(super) fn bar(octets: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(octets);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// A complaint on standard error; nothing can be done where that can't be written.
#[allow(clippy::let_underscore_must_use, reason = "there is nowhere left to say it")]
pub(super) fn complain(text: &str) {
    let mut err = std::io::stderr().lock();
    let colour = may_colour(std::io::stderr().is_terminal());
    let mark = if colour { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
    let _ = writeln!(err, "{mark} {}", clean(text.trim_end()));
}

/// A remark on standard error, beside the answer.
#[allow(clippy::let_underscore_must_use, reason = "a remark that can't be written is not missed")]
pub(super) fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}

/// At most so many characters, with a mark where some are missing.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Marks that turn the direction of text, or hide in it.
fn is_treacherous(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Text without anything a terminal would obey. Ends of lines stay, and tabs become blanks.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push_str("    "),
            '\u{1b}' => match chars.next_if(|c| matches!(c, '[' | ']' | 'P' | '^' | '_' | 'X')) {
                Some('[') => pass_sequence(&mut chars),
                Some(_) => pass_string(&mut chars),
                None => {
                    chars.next_if(char::is_ascii_graphic);
                }
            },
            '\u{9b}' => pass_sequence(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => pass_string(&mut chars),
            c if c.is_control() || is_treacherous(c) => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// Passes over the rest of a control sequence: parameters and the letter that ends it (ECMA-48 §5.4).
fn pass_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// Passes over the rest of a control string, up to its terminator, or to the end of the line where it has none.
fn pass_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if matches!(c, '\u{7}' | '\u{9c}') || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
            return;
        }
    }
}

/// The same on one line.
pub(super) fn clean_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// JSON escapes the C0 controls only; the others are as bad in a terminal. They stand in strings alone, where an escape
/// means the same.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && (c.is_control() || is_treacherous(c)) {
            let mut units = [0_u16; 2];
            for unit in c.encode_utf16(&mut units) {
                for digit in format!("\\u{unit:04x}").chars() {
                    escaped.push(digit);
                }
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_comes_through() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(clean("t\u{1b}]0;owned\u{7}x\u{1b}]52;c;AAAA\u{1b}\\y"), "txy");
        assert_eq!(clean("c1 \u{9b}2J\u{9d}0;x\u{9c} end"), "c1  end");
        assert_eq!(clean("over\r\u{8}\u{0}\u{7f}write"), "overwrite");
        assert_eq!(clean("file\u{202e}gpj.exe\u{200b}"), "filegpj.exe");
        assert_eq!(clean("open \u{1b}]0;never ends\nnext"), "open \nnext");
        assert_eq!(clean("tail \u{1b}"), "tail ");
        assert_eq!(clean("Zoë 👩‍👩‍👧 שלום"), "Zoë 👩‍👩‍👧 שלום");
        assert_eq!(clean_line(" a\n\tb  c "), "a b c");
    }

    #[test]
    fn json_keeps_what_was_there_and_stays_harmless() {
        let subject = "x\u{1b}[2J\u{9b}2J\u{202e}\u{e0041}é";
        let json = escape(&serde_json::to_string(subject).unwrap());
        assert!(json.chars().all(|c| !c.is_control() && !is_treacherous(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), subject);
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!((short("abc", 3), short("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}
