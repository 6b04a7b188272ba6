//! Up to where each conversation of a workspace was read, as a text that is stored. Pure.
//!
//! At most [`CHANNELS_MAX`] conversations are named: those where something was said last. In what is not named something new is
//! looked for from the beginning of the account's time, so that nothing is left out; it costs more calls, and tells things again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{instant_of, ts_of};
use crate::domain::time::Micros;

/// Conversations that are named; each takes about forty octets.
pub const CHANNELS_MAX: usize = 2_000;

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Where the account's time begins.
    since: String,
    /// Counts answers with something in them: who gives this cursor back has stored what came with it.
    #[serde(default)]
    answers: u64,
    /// By conversation, the time stamp up to which all is told.
    #[serde(default)]
    channels: BTreeMap<String, String>,
    /// Whether all conversations were looked at once. From then on, one that is not named is one that we came into since.
    #[serde(default)]
    walked: bool,
}

impl Cursor {
    /// From its text. What can't be read begins again at `since`: things are told twice, which their ids show.
    pub fn read(text: Option<&str>, since: Micros) -> Self {
        let read = text.and_then(|text| serde_json::from_str::<Self>(text).ok());
        let read = read.filter(|cursor| instant_of(&cursor.since).is_some());
        read.unwrap_or_else(|| Self { since: ts_of(since), answers: 0, channels: BTreeMap::new(), walked: false })
    }

    /// As a text.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The instant up to which all of a conversation is told.
    pub fn low(&self, channel: &str) -> Micros {
        let since = instant_of(&self.since).unwrap_or_default();
        self.channels.get(channel).and_then(|ts| instant_of(ts)).unwrap_or(since)
    }

    /// Whether we came into a conversation since all were looked at last, as far as there is room to tell.
    pub fn is_new(&self, channel: &str) -> bool {
        self.walked && self.channels.len() < CHANNELS_MAX && !self.channels.contains_key(channel)
    }

    /// All conversations were looked at.
    pub fn walked(&mut self) {
        self.walked = true;
    }

    /// All up to there is told. `false` where there are more conversations than can be named.
    pub fn advance(&mut self, channel: &str, to: Micros) -> bool {
        let low = self.low(channel);
        if to <= low {
            // One in which nothing was said is named as well, for as long as that takes no other's place.
            if self.channels.len() < CHANNELS_MAX {
                self.channels.entry(channel.to_owned()).or_insert_with(|| ts_of(low));
            }
            return true;
        }
        self.channels.insert(channel.to_owned(), ts_of(to));
        if self.channels.len() <= CHANNELS_MAX {
            return true;
        }
        let longest_ago = self.channels.iter().min_by_key(|(_, ts)| instant_of(ts)).map(|(channel, _)| channel.clone());
        longest_ago.and_then(|channel| self.channels.remove(&channel));
        false
    }

    /// Something is told with it.
    pub fn count(&mut self) {
        self.answers = self.answers.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_never_goes_back() {
        let mut cursor = Cursor::read(None, Micros(5_000_001));
        assert_eq!(cursor.low("C1"), Micros(5_000_001));
        assert!(cursor.advance("C1", Micros(9_000_001)) && cursor.advance("C1", Micros(7)));
        cursor.count();
        let again = Cursor::read(Some(&cursor.write()), Micros(1));
        assert_eq!(again, cursor);
        assert_eq!((again.low("C1"), again.low("C2")), (Micros(9_000_001), Micros(5_000_001)));
        for bad in ["", "7", "{}", r#"{"since":"soon"}"#] {
            assert_eq!(Cursor::read(Some(bad), Micros(3)).low("C1"), Micros(3), "{bad}");
        }
    }

    #[test]
    fn what_is_not_named_after_all_was_looked_at_is_new() {
        let mut cursor = Cursor::read(None, Micros(5_000_001));
        assert!(!cursor.is_new("C1"));
        assert!(cursor.advance("C1", Micros(0)));
        cursor.walked();
        let cursor = Cursor::read(Some(&cursor.write()), Micros(1));
        assert_eq!((cursor.is_new("C1"), cursor.is_new("C2"), cursor.low("C1")), (false, true, Micros(5_000_001)));
    }

    #[test]
    fn its_size_is_bounded_and_the_rest_begins_again() {
        let mut cursor = Cursor::read(None, Micros(1));
        for n in 0..=CHANNELS_MAX {
            let at = Micros(1_700_000_000_000_000 + i64::try_from(n).unwrap());
            assert_eq!(cursor.advance(&format!("C{n:010}"), at), n < CHANNELS_MAX);
        }
        assert!(cursor.write().len() < 50 * CHANNELS_MAX);
        assert_eq!(cursor.low("C0000000000"), Micros(1));
        assert!(cursor.low("C0000000001") > Micros(1));
    }
}
