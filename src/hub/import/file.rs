//! The file: its encoding, its delimiter, its records with their line numbers.

use super::{FILE_MAX, ImportError};

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line where it begins.
    pub(super) line: u64,
    /// Its cells, as they are.
    pub(super) cells: Vec<String>,
}

/// The rows of a file, one after the other.
pub(super) struct Records<'a> {
    reader: csv::Reader<&'a [u8]>,
    text: &'a str,
    /// Rows without any value.
    pub(super) empty_rows: u64,
}

fn fault(line: u64, reason: impl Into<String>) -> ImportError {
    ImportError::File { line, reason: reason.into() }
}

fn lines(text: &[u8]) -> u64 {
    let ends = text.split(|octet| *octet == b'\n').count();
    u64::try_from(ends).unwrap_or(u64::MAX)
}

/// The text without a byte order mark, checked to be UTF-8.
fn checked(text: &[u8]) -> Result<&str, ImportError> {
    if text.len() > FILE_MAX {
        return Err(fault(1, format!("the file is larger than {} MiB; split it", FILE_MAX / 1024 / 1024)));
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(fault(1, "the file is UTF-16; save it as \"CSV UTF-8\" and import it again"));
    }
    let text = text.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(text);
    let checked = std::str::from_utf8(text).map_err(|error| {
        let (good, rest) = text.split_at(error.valid_up_to());
        let octet = rest.first().copied().unwrap_or_default();
        let line = lines(good);
        fault(
            line,
            format!(
                "the octet 0x{octet:02x} is not UTF-8 (it is {:?} in Latin-1); save the file as \"CSV UTF-8\" and import it again",
                char::from(octet)
            ),
        )
    })?;
    if let Some((before, _)) = checked.split_once('\0') {
        return Err(fault(lines(before.as_bytes()), "there is a NUL character; this is not a CSV file"));
    }
    Ok(checked)
}

/// The delimiter: what stands most often in the first line, outside quotation marks.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    for octet in text.trim_start().bytes() {
        match octet {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(d, _)| *d == octet).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equals the first: a comma.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(d, _)| *d)
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter(text)).flexible(true).has_headers(true).from_reader(text.as_bytes())
}

/// The line where a record begins: the reader's place may be before the end of the line above, and before empty lines.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let start = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let before = text.get(start..).unwrap_or_default().bytes().take_while(|octet| matches!(octet, b'\r' | b'\n'));
    at.line().saturating_add(u64::try_from(before.filter(|octet| *octet == b'\n').count()).unwrap_or_default())
}

/// Refuses a file in which a quotation mark is opened and never closed: it would hide all rows behind it.
fn closed_quotes(text: &str) -> Result<(), ImportError> {
    if text.bytes().filter(|octet| *octet == b'"').count() % 2 == 0 {
        return Ok(());
    }
    let mut reader = reader(text);
    let mut record = csv::StringRecord::new();
    let (mut line, mut broken) = (1, false);
    while reader.read_record(&mut record).map_err(|e| fault(line, e.to_string()))? {
        line = record.position().map_or(line, |at| line_of(text, at));
        broken = record.iter().next_back().is_some_and(|cell| cell.contains('\n'));
    }
    if broken {
        return Err(fault(line, "a quotation mark is opened in the row that begins here and never closed"));
    }
    Ok(())
}

/// Where a scan stands: before a cell, in a plain one, in a quoted one, or behind its closing mark.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// Refuses a quotation mark where none can stand: what follows it would be read as other cells than were meant.
fn stray_quotes(text: &str) -> Result<(), ImportError> {
    let delimiter = char::from(delimiter(text));
    let (mut place, mut line, mut column, mut opened) = (Place::Start, 1_u64, 0_u64, 1);
    for c in text.chars() {
        column += 1;
        place = match (place, c) {
            (Place::Start, '"') => {
                opened = line;
                Place::Quoted
            }
            (Place::Quoted, '"') => Place::Closed,
            // Written twice: one that belongs to the cell.
            (Place::Closed, '"') | (Place::Quoted, _) => Place::Quoted,
            (_, '\n' | '\r') => Place::Start,
            (_, c) if c == delimiter => Place::Start,
            (Place::Closed, _) => {
                // The mark itself stands before what follows it.
                let at = column.saturating_sub(1);
                let from = if opened < line { format!(" that begins in line {opened}") } else { String::new() };
                let what = format!(
                    "column {at}: a quotation mark ends the cell{from} here, and more text follows; write a mark that belongs to a \
                     cell twice (\"\"), and close each cell that begins with one"
                );
                return Err(fault(line, what));
            }
            (_, '"') => {
                let what = format!(
                    "column {column}: a quotation mark stands inside a cell that does not begin with one; put the whole cell into \
                     quotation marks, and write those that belong to it twice (\"\")"
                );
                return Err(fault(line, what));
            }
            (Place::Start | Place::Plain, _) => Place::Plain,
        };
        if c == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    Ok(())
}

impl<'a> Records<'a> {
    /// Opens a file and reads its header.
    pub(super) fn open(text: &'a [u8]) -> Result<(Self, Vec<String>), ImportError> {
        let text = checked(text)?;
        stray_quotes(text)?;
        closed_quotes(text)?;
        let mut reader = reader(text);
        let header = reader.headers().map_err(|e| fault(1, e.to_string()))?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if header.iter().all(String::is_empty) {
            return Err(fault(1, "the file is empty; the first line must name the columns"));
        }
        Ok((Self { reader, text, empty_rows: 0 }, header))
    }

    /// The next rows, at most so many; none at the end.
    pub(super) fn take(&mut self, most: usize) -> Result<Vec<Record>, ImportError> {
        let mut batch = Vec::with_capacity(most);
        let mut record = csv::StringRecord::new();
        while batch.len() < most {
            let more = self.reader.read_record(&mut record);
            let line = record.position().map_or(0, |at| line_of(self.text, at));
            if !more.map_err(|e| fault(line, e.to_string()))? {
                break;
            }
            if record.iter().all(|cell| cell.trim().is_empty()) {
                self.empty_rows += 1;
                continue;
            }
            batch.push(Record { line, cells: record.iter().map(str::to_owned).collect() });
        }
        Ok(batch)
    }

    /// Octets behind the rows taken so far.
    pub(super) fn octets(&self) -> u64 {
        self.reader.position().byte()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_quotation_mark_is_told_with_its_place_and_what_is_quoted_well_is_not() {
        let wrong = |text: &str| match Records::open(text.as_bytes()) {
            Err(ImportError::File { line, reason }) => format!("{line}: {reason}"),
            other => panic!("{text:?} was taken: {:?}", other.map(|(_, header)| header)),
        };
        for (text, place) in [
            ("handle,name\n@ana,Ana \"Runs\" Lima\n", "2: column 10: a quotation mark stands inside"),
            ("handle,name\n@ana,\"Ana \"Runs\" Lima\"\n", "2: column 11: a quotation mark ends the cell here"),
            ("handle;name\r\n@ána; \"Ana\"\r\n", "2: column 7: a quotation mark stands inside"),
            (
                "handle,name\n@ana,\"Ana\n@bo,\"Bo\"\n",
                "3: column 5: a quotation mark ends the cell that begins in line 2",
            ),
        ] {
            assert!(wrong(text).starts_with(place), "{text:?}: {}", wrong(text));
        }
        assert!(wrong("handle,name\n@ana,\"Ana\n@bo,Bo\n").contains("never closed"));
        for text in [
            "handle,name\n@ana,\"Ana \"\"Runs\"\" Lima\"\n@bo,\"\"\n",
            "handle,name\r\n\"@ana\",\"two\r\nlines, and a comma\"\r\n",
            "handle\tname\n\"@ana\"\t\"Ana\"",
        ] {
            assert!(Records::open(text.as_bytes()).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn delimiter_is_told_from_the_first_line() {
        assert_eq!(delimiter("a,b,c\n1;2;3;4;5"), b',');
        assert_eq!(delimiter("a;b;\"c,d,e,f\"\n"), b';');
        assert_eq!(delimiter("a\tb"), b'\t');
        assert_eq!(delimiter("handle"), b',');
    }
}
