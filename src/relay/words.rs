//! What the team said: notes, and what goes on to whom its thread is about.

use sha2::{Digest as _, Sha256};

use super::show::is_by_mail;
use super::{Means, Relays};
use crate::domain::ids::{InfluencerId, NoteId};
use crate::domain::people::{NOTE_MAX, Note};
use crate::domain::relay::{Intent, behind_marker, read_intent, read_mailed, sendable};
use crate::domain::words::{OutboxStatus, RelaySort, RelayWay, RelayWordState, Word as _};
use crate::hub::relay::{self, AnswerError};
use crate::hub::settle::{self, SettleError};
use crate::store::relay::{RelayThreadRow, RelayWordRow};
use crate::store::{StoreError, Tx};

/// Words seen to in one transaction.
pub(super) const BATCH: i64 = 50;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct SeenTo {
    /// Accounts whose outbox got something, or something less.
    pub(super) accounts: Vec<String>,
    /// Whether there may be more.
    pub(super) more: bool,
}

/// What is said back in the thread.
enum Back {
    /// It goes its way.
    Goes(String),
    /// It does not, or did not go as it was meant.
    Not(String),
}

impl Relays {
    /// Sees to what the team said. The caller has locked the conversations.
    pub(super) async fn see_to_words(&self, tx: &mut Tx, means: &Means, at_most: i64) -> Result<SeenTo, StoreError> {
        let words = tx.list_waiting_relay_words(at_most).await?;
        let mut done =
            SeenTo { more: at_most > 0 && i64::try_from(words.len()).is_ok_and(|n| n == at_most), ..SeenTo::default() };
        for mut word in words {
            self.see_to(tx, means, &mut word, &mut done).await?;
            word.state = RelayWordState::Done;
            tx.update_relay_word(&word).await?;
        }
        Ok(done)
    }

    async fn see_to(
        &self,
        tx: &mut Tx,
        means: &Means,
        word: &mut RelayWordRow,
        done: &mut SeenTo,
    ) -> Result<(), StoreError> {
        let Some(thread) = tx.get_relay_thread(word.thread_id).await? else { return Ok(()) };
        let Some(person) = relay::person_of(tx, &thread).await? else { return Ok(()) };
        let back = if word.message_id.is_some() {
            self.see_to_sent(tx, person, word, done).await?
        } else if word.taken_back {
            if let Some(note) = word.note_id.take() {
                tx.delete_note(note).await?;
            }
            word.text = String::new();
            None
        } else {
            self.see_to_new(tx, (means, &thread, person), word, done).await?
        };
        let text = match back {
            // Nobody wants a mail for each of their mails.
            None => return Ok(()),
            Some(Back::Goes(_)) if is_by_mail(means, &thread) => return Ok(()),
            // A machine would answer that as well.
            Some(Back::Not(_)) if word.refused.as_deref() == Some(relay::AUTOMATIC) => return Ok(()),
            Some(Back::Goes(text) | Back::Not(text)) => text,
        };
        // One word for each way in which it stands: what is seen to twice is told once.
        let which = word.message_id.map(|id| id.to_string()).unwrap_or_default();
        let key = Sha256::digest(format!("{} {} {which} {text}", word.provider_id, word.way));
        let key = key.iter().fold("word:".to_owned(), |key, octet| format!("{key}{octet:02x}"));
        let post = self.post_in(&thread, (RelaySort::Told, key), (word.message_id, text))?;
        tx.insert_relay_posts(vec![post]).await?;
        Ok(())
    }

    /// Words that were not sent on so far.
    async fn see_to_new(
        &self,
        tx: &mut Tx,
        (means, thread, person): (&Means, &RelayThreadRow, InfluencerId),
        word: &mut RelayWordRow,
        done: &mut SeenTo,
    ) -> Result<Option<Back>, StoreError> {
        let configured = means.relays.get(&thread.relay).map_or(thread.marker.as_str(), |relay| relay.marker.as_str());
        let not = |why: &dyn std::fmt::Display| Ok(Some(Back::Not(format!("✗ not sent, and kept as a note: {why}"))));
        let text = match intent_in(word, (&thread.marker, configured)) {
            Intent::Send(text) => text,
            Intent::Note => {
                self.note(tx, person, word).await?;
                return Ok(None);
            }
            Intent::Nearly(why) => {
                self.note(tx, person, word).await?;
                return Ok(Some(Back::Not(format!("✗ not sent: {why}"))));
            }
        };
        if let Some(why) = self.refusal(word) {
            self.note(tx, person, word).await?;
            return not(&why);
        }
        let due_at = self.clock.now().plus(means.undo);
        match relay::answer(tx, &self.clock, &self.desk.house(), (thread, word), (&text, due_at)).await {
            Ok(answer) => {
                word.message_id = Some(answer.id);
                // A note that is sent on is a message now, and no note beside it.
                if let Some(note) = word.note_id.take() {
                    tx.delete_note(note).await?;
                }
                let back = undone_how(word, means.undo.as_secs());
                let text = format!("→ goes to them, {} by {}{back}", answer.channel.as_str(), answer.account);
                done.accounts.push(answer.account);
                Ok(Some(Back::Goes(text)))
            }
            Err(AnswerError::Store(error)) => Err(error),
            Err(why) => {
                self.note(tx, person, word).await?;
                not(&why)
            }
        }
    }

    /// Words that were put into the outbox, and were changed or taken back since.
    async fn see_to_sent(
        &self,
        tx: &mut Tx,
        person: InfluencerId,
        word: &mut RelayWordRow,
        done: &mut SeenTo,
    ) -> Result<Option<Back>, StoreError> {
        let Some(id) = word.message_id else { return Ok(None) };
        let Some(row) = tx.get_outbox(id).await? else { return Ok(None) };
        if row.status == OutboxStatus::Cancelled {
            // What became of it is told by its own event.
            done.accounts.push(row.account);
            if word.taken_back || !word.changed {
                return Ok(None);
            }
            self.note(tx, person, word).await?;
            return Ok(Some(Back::Not("It is kept as a note: write what is meant once more".to_owned())));
        }
        if !word.changed && !word.taken_back {
            return Ok(Some(Back::Not("It is on its way to them already, or they have it".to_owned())));
        }
        let why = if word.taken_back { "taken back by whoever wrote it" } else { "changed before it went" };
        match settle::cancel(tx, &self.clock, id, why).await {
            Ok(OutboxStatus::Cancelled) => {
                done.accounts.push(row.account);
                let again = if word.taken_back { "" } else { ": write what is meant once more" };
                Ok(Some(Back::Not(format!("✗ not sent, it was {why}{again}"))))
            }
            Err(SettleError::Store(error)) => Err(error),
            Ok(_) | Err(SettleError::State(_) | SettleError::Unknown) => {
                Ok(Some(Back::Not("It went before that: they have it, or may have it, as it was".to_owned())))
            }
        }
    }

    /// Why words are not sent on, whatever they begin with.
    fn refusal(&self, word: &RelayWordRow) -> Option<String> {
        if word.changed {
            return Some("what was changed afterwards is not sent: write it again".to_owned());
        }
        if relay::is_too_old(&self.clock, word.at) {
            return Some("it was read too long after it was written: say it again".to_owned());
        }
        word.refused.clone()
    }

    /// Keeps words as a note, or gives their note the words they have now.
    async fn note(&self, tx: &mut Tx, person: InfluencerId, word: &mut RelayWordRow) -> Result<(), StoreError> {
        let text: String = word.text.trim().chars().take(NOTE_MAX).collect();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(note) = word.note_id {
            return tx.set_note_text(note, &text).await;
        }
        let id = NoteId(self.clock.new_id());
        word.note_id = Some(id);
        let note = Note { id, influencer_id: person, author: word.author.clone(), text, at: word.at };
        tx.insert_note(&note).await
    }
}

/// How what was just put into the outbox can be taken back.
fn undone_how(word: &RelayWordRow, undo: u64) -> String {
    if word.way != RelayWay::Said || undo == 0 {
        return String::new();
    }
    format!(". Delete what you wrote within {undo} seconds, and it is not sent")
}

/// The same by the marker that the thread was begun with, and by the one that is configured now.
fn intent_in(word: &RelayWordRow, (begun, now): (&str, &str)) -> Intent {
    if word.way == RelayWay::Mailed {
        return read_mailed(&word.text, [begun, now]);
    }
    let first = intent_of(word, begun);
    if begun == now || matches!(first, Intent::Send(_)) {
        return first;
    }
    match (first, intent_of(word, now)) {
        (Intent::Nearly(why), Intent::Note) => Intent::Nearly(why),
        (_, second) => second,
    }
}

/// What words are meant to be: in a thread the marker says so, a shortcut and a mail do by themselves.
fn intent_of(word: &RelayWordRow, marker: &str) -> Intent {
    match word.way {
        RelayWay::Said => read_intent(&word.text, marker),
        RelayWay::Pressed => sendable(behind_marker(&word.text, marker).unwrap_or(&word.text), marker),
        RelayWay::Mailed => read_mailed(&word.text, [marker; 2]),
    }
}
