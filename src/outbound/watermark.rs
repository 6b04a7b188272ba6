//! How far each account has handed over, written down beside the database before a content leaves.
//!
//! The database counts every hand-over in the transaction that marks it; this file keeps the count that was reached. A
//! database that knows of fewer is an older copy of the one that sent them: nothing may be sent from it unasked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::outbox::HandedOver;

/// Lines of the file after which it is written anew, a line for each account.
const LINES_MAX: usize = 10_000;

/// The file, or nothing where there is no state directory. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Watermark(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    /// What is to be written: whoever writes next takes all of it, so that many wait for one sync.
    asked: Mutex<BTreeMap<String, i64>>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    known: BTreeMap<String, i64>,
    out: File,
    lines: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watermark {
    /// None: nothing is kept, nothing is known.
    pub fn none() -> Self {
        Self::default()
    }

    /// What the file says, and the file to go on writing.
    ///
    /// # Errors
    /// Where it can't be read or written.
    pub fn open(file: &Path) -> io::Result<Self> {
        let known = Self::read(file)?;
        let (out, lines) = (write_anew(file, &known)?, known.len());
        let written = Mutex::new(Written { known, out, lines });
        Ok(Self(Some(Arc::new(Shared { file: file.to_owned(), asked: Mutex::default(), written }))))
    }

    /// What a file says: for each account the highest count. A last line that was cut off counts for nothing, for what it
    /// speaks of has not left.
    ///
    /// # Errors
    /// Where it is there and can't be read.
    pub fn read(file: &Path) -> io::Result<BTreeMap<String, i64>> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let mut known = BTreeMap::new();
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        for (count, account) in whole.filter_map(|line| line.split_once(' ')) {
            if let Ok(count) = count.parse::<i64>() {
                raise(&mut known, account, count);
            }
        }
        Ok(known)
    }

    /// What is written.
    pub fn known(&self) -> BTreeMap<String, i64> {
        self.0.as_ref().map(|shared| locked(&shared.written).known.clone()).unwrap_or_default()
    }

    /// Writes that so many were handed over; durable when this returns.
    ///
    /// # Errors
    /// Where the file can't be written: then nothing may be sent.
    pub async fn reach(&self, handed_over: HandedOver) -> io::Result<()> {
        let Some(shared) = self.0.clone() else { return Ok(()) };
        raise(&mut locked(&shared.asked), &handed_over.account, handed_over.count);
        let written = tokio::task::spawn_blocking(move || shared.write(&handed_over));
        written.await.unwrap_or_else(|broken| Err(io::Error::other(broken)))
    }
}

impl Shared {
    fn write(&self, this: &HandedOver) -> io::Result<()> {
        let mut written = locked(&self.written);
        if written.known.get(&this.account).is_some_and(|known| *known >= this.count) {
            return Ok(());
        }
        let mut news = std::mem::take(&mut *locked(&self.asked));
        // Somebody may have taken it, and failed to write it.
        raise(&mut news, &this.account, this.count);
        if written.lines >= LINES_MAX {
            written.out = write_anew(&self.file, &written.known)?;
            written.lines = written.known.len();
        }
        let lines = written.lines.saturating_add(news.len());
        // A line that was cut off half-way must not swallow the next one: unless this goes well, all is written anew.
        written.lines = LINES_MAX;
        written.out.write_all(lines_of(&news).as_bytes())?;
        written.out.sync_data()?;
        written.lines = lines;
        for (account, count) in news {
            raise(&mut written.known, &account, count);
        }
        Ok(())
    }
}

fn raise(known: &mut BTreeMap<String, i64>, account: &str, count: i64) {
    let highest = known.entry(account.to_owned()).or_insert(count);
    *highest = count.max(*highest);
}

fn lines_of(counts: &BTreeMap<String, i64>) -> String {
    let mut lines = String::new();
    for (account, count) in counts {
        lines.extend([count.to_string().as_str(), " ", account, "\n"]);
    }
    lines
}

/// Writes the whole file, for good and whole or not at all; open for more.
fn write_anew(file: &Path, known: &BTreeMap<String, i64>) -> io::Result<File> {
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    out.write_all(lines_of(known).as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&draft, file)?;
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(account: &str, count: i64) -> HandedOver {
        HandedOver { account: account.to_owned(), count }
    }

    #[tokio::test]
    async fn what_was_reached_is_there_after_a_start_whatever_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seen");
        let mark = Watermark::open(&file).unwrap();
        assert!(mark.known().is_empty());
        for reached in [of("hello", 3), of("hello there", 1), of("hello", 2)] {
            mark.reach(reached).await.unwrap();
        }
        let mut cut = File::options().append(true).open(&file).unwrap();
        cut.write_all(b"not ours\n9 hello").unwrap();
        let known = Watermark::open(&file).unwrap().known();
        assert_eq!(known, BTreeMap::from([("hello".to_owned(), 3), ("hello there".to_owned(), 1)]));
        Watermark::none().reach(of("hello", 1)).await.unwrap();
    }

    #[tokio::test]
    async fn many_at_once_are_all_kept_and_the_file_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seen");
        let mark = Watermark::open(&file).unwrap();
        let all = (1..=500).map(|n| mark.reach(of(if n % 2 == 0 { "a" } else { "b" }, n)));
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
        assert_eq!(Watermark::read(&file).unwrap(), BTreeMap::from([("a".to_owned(), 500), ("b".to_owned(), 499)]));
        locked(&mark.0.as_ref().unwrap().written).lines = LINES_MAX;
        mark.reach(of("b", 501)).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "500 a\n499 b\n501 b\n");
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Watermark::open(&dir.path().join("seen")).unwrap();
        locked(&mark.0.as_ref().unwrap().written).out = File::open(dir.path().join("seen")).unwrap();
        assert!(mark.reach(of("a", 1)).await.is_err());
        assert!(mark.known().is_empty());
        mark.reach(of("a", 1)).await.unwrap();
        assert_eq!(mark.known(), BTreeMap::from([("a".to_owned(), 1)]), "the next one writes all anew");
    }
}
