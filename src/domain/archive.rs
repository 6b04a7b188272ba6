//! A ZIP archive, written as its files come: stored, not compressed, with names in UTF-8 (APPNOTE.TXT 6.3.10).
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
}

#[derive(Debug)]
struct Entry {
    name: String,
    crc: u32,
    size: u32,
    at: u32,
}

fn four(n: u64) -> Result<u32, ArchiveError> {
    u32::try_from(n).map_err(|_| ArchiveError::Octets)
}

/// Version 2.0, names in UTF-8, stored, 1980-01-01 00:00 (there is no zone in the format, and the files say their time).
const FIXED: [u8; 10] = [20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];

impl Entry {
    fn facts(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut out = FIXED.to_vec();
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
    /// The octets of one more file.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive would be larger than the format can say.
    pub fn file(&mut self, name: &str, content: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        if self.entries.len() >= FILES_MAX {
            return Err(ArchiveError::Files);
        }
        let size = four(content.len() as u64)?;
        let entry = Entry { name: name.to_owned(), crc: crc32(content), size, at: four(self.written)? };
        let mut out = b"PK\x03\x04".to_vec();
        out.extend(entry.facts()?);
        out.extend(name.as_bytes());
        out.extend(content);
        self.written += out.len() as u64;
        four(self.written)?;
        self.entries.push(entry);
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
fn crc32(octets: &[u8]) -> u32 {
    let step = |crc: u32| (0..4).fold(crc, |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 });
    let mut table = [0_u32; 16];
    for (n, place) in (0_u32..).zip(table.iter_mut()) {
        *place = step(n);
    }
    let at = |n: u32| table.get((n & 15) as usize).copied().unwrap_or_default();
    let crc = octets.iter().fold(u32::MAX, |crc, octet| {
        let crc = crc ^ u32::from(*octet);
        let crc = at(crc) ^ (crc >> 4);
        at(crc) ^ (crc >> 4)
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_the_one_everybody_computes() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn what_is_larger_than_the_format_can_say_is_refused() {
        let mut archive = Archive { written: OCTETS_MAX - 10, entries: Vec::new() };
        assert_eq!(archive.file("a", b"0123456789"), Err(ArchiveError::Octets));
    }
}
