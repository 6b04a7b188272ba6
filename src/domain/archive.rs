//! A ZIP archive, written as its files come: stored, not compressed, with names in UTF-8 (APPNOTE.TXT 6.3.10). A file whose size is
//! not known when it begins is told of behind it (4.3.9).
//!
//! Pure; the caller gives the octets somewhere.

/// Files in one archive: without ZIP64 their number has two octets.
pub const FILES_MAX: usize = 65_534;
/// Octets of one archive: without ZIP64 a place in it has four octets.
pub const OCTETS_MAX: u64 = u32::MAX as u64;

/// Why a file can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// One file too many.
    #[error("more than {FILES_MAX} files")]
    Files,
    /// One octet too many.
    #[error("more than {OCTETS_MAX} octets")]
    Octets,
}

/// An archive that is being written.
#[derive(Debug, Default)]
pub struct Archive {
    written: u64,
    entries: Vec<Entry>,
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    crc: u32,
    size: u32,
    at: u32,
    /// Its size is told behind it.
    behind: bool,
}

/// A file that comes piece by piece.
#[derive(Debug)]
struct Begun {
    name: String,
    crc: Crc,
    size: u64,
    at: u32,
}

fn four(n: u64) -> Result<u32, ArchiveError> {
    u32::try_from(n).map_err(|_| ArchiveError::Octets)
}

/// What is told of a file whose size is told behind it, in its own place.
const BEHIND: u8 = 8;

impl Entry {
    fn facts(&self) -> Result<Vec<u8>, ArchiveError> {
        // Version 2.0, names in UTF-8, stored, 1980-01-01 00:00 (there is no zone in the format, and the files say their time).
        let mut out = vec![20, 0, if self.behind { BEHIND } else { 0 }, 8, 0, 0, 0, 0, 0x21, 0];
        out.extend(self.crc.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        let length = u16::try_from(self.name.len()).map_err(|_| ArchiveError::Octets)?;
        out.extend(length.to_le_bytes());
        out.extend([0, 0]);
        Ok(out)
    }
}

impl Archive {
    /// What stands before the content of one more file.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive would be larger than the format can say.
    pub fn file(&mut self, name: &str, content: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let size = four(content.len() as u64)?;
        let crc = Crc::default().with(content).value();
        let entry = Entry { name: name.to_owned(), crc, size, at: four(self.written)?, behind: false };
        let out = self.head(&entry)?;
        self.written += content.len() as u64;
        four(self.written)?;
        self.entries.push(entry);
        Ok(out)
    }

    /// What stands before a file that comes piece by piece, each told by [`Self::piece`], and is ended by [`Self::end`].
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn begin(&mut self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let at = four(self.written)?;
        let out = self.head(&Entry { name: name.to_owned(), crc: 0, size: 0, at, behind: true })?;
        self.begun = Some(Begun { name: name.to_owned(), crc: Crc::default(), size: 0, at });
        Ok(out)
    }

    /// One more piece of the file that was begun.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn piece(&mut self, content: &[u8]) -> Result<(), ArchiveError> {
        if let Some(begun) = &mut self.begun {
            begun.crc = begun.crc.with(content);
            begun.size += content.len() as u64;
        }
        self.written += content.len() as u64;
        four(self.written).map(|_| ())
    }

    /// What stands behind the file that was begun; nothing where none was.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn end(&mut self) -> Result<Vec<u8>, ArchiveError> {
        let Some(Begun { name, crc, size, at }) = self.begun.take() else { return Ok(Vec::new()) };
        let entry = Entry { name, crc: crc.value(), size: four(size)?, at, behind: true };
        let mut out = b"PK\x07\x08".to_vec();
        out.extend(entry.crc.to_le_bytes());
        out.extend(entry.size.to_le_bytes());
        out.extend(entry.size.to_le_bytes());
        self.written += out.len() as u64;
        four(self.written)?;
        self.entries.push(entry);
        Ok(out)
    }

    fn head(&mut self, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
        if self.entries.len() >= FILES_MAX {
            return Err(ArchiveError::Files);
        }
        let mut out = b"PK\x03\x04".to_vec();
        out.extend(entry.facts()?);
        out.extend(entry.name.as_bytes());
        self.written += out.len() as u64;
        four(self.written)?;
        Ok(out)
    }

    /// The octets at the end: what there is, and where.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn finish(self) -> Result<Vec<u8>, ArchiveError> {
        let mut out = Vec::new();
        for entry in &self.entries {
            out.extend(b"PK\x01\x02\x14\x00");
            out.extend(entry.facts()?);
            out.extend([0; 10]);
            out.extend(entry.at.to_le_bytes());
            out.extend(entry.name.as_bytes());
        }
        let (size, at) = (four(out.len() as u64)?, four(self.written)?);
        let count = u16::try_from(self.entries.len()).map_err(|_| ArchiveError::Files)?;
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([0, 0]);
        Ok(out)
    }
}

/// CRC-32 (ISO 3309), a bit at a time over four bits: small, and fast enough beside a disk.
#[derive(Debug, Clone, Copy)]
struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    fn with(self, octets: &[u8]) -> Self {
        let step = |crc: u32| (0..4).fold(crc, |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 });
        let mut table = [0_u32; 16];
        for (n, place) in (0_u32..).zip(table.iter_mut()) {
            *place = step(n);
        }
        let at = |n: u32| table.get((n & 15) as usize).copied().unwrap_or_default();
        Self(octets.iter().fold(self.0, |crc, octet| {
            let crc = crc ^ u32::from(*octet);
            let crc = at(crc) ^ (crc >> 4);
            at(crc) ^ (crc >> 4)
        }))
    }

    fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_the_one_everybody_computes() {
        assert_eq!(Crc::default().with(b"1234").with(b"56789").value(), 0xCBF4_3926);
        assert_eq!(Crc::default().value(), 0);
    }

    #[test]
    fn what_is_larger_than_the_format_can_say_is_refused() {
        let mut archive = Archive { written: OCTETS_MAX - 10, ..Archive::default() };
        assert_eq!(archive.file("a", b"0123456789"), Err(ArchiveError::Octets));
        let mut archive = Archive { written: OCTETS_MAX - 50, ..Archive::default() };
        assert!(archive.begin("a").is_ok());
        assert_eq!(archive.piece(&[0; 50]), Err(ArchiveError::Octets));
    }
}
