//! The team's side: what is said in a thread of the relay is the team's business and nobody else's. Here it is recognised, kept to be
//! seen to, and, where it surely is to go on, put into the outbox.

pub mod standing;

use std::time::Duration;

use super::enqueue::{self, Answers, EnqueueError, Order};
use super::outreach::house::House;
use super::people;
use super::talk::{self, Mouth, TalkError, Wish};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::relay;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, RelayWay, RelayWordState};
use crate::store::relay::{RelayThreadRow, RelayWordRow};
use crate::store::{StoreError, Tx};

/// What was said longer ago when it is heard is not sent on: nobody knows whether it is still meant.
const HEARD_WITHIN: Duration = Duration::from_hours(12);
/// Characters of what is kept of a teammate's words.
const WORD_CHARS_MAX: usize = 40_000;

/// Something said in a workspace.
#[derive(Debug, Clone, Copy)]
pub struct SaidThere<'a> {
    /// Our account.
    pub account: &'a str,
    /// The provider's id of it.
    pub id: &'a str,
    /// What it is part of.
    pub conversation: &'a str,
    /// Where it was said.
    pub place: &'a str,
    /// Who said it.
    pub author: (&'a str, &'a str),
    /// The words.
    pub text: &'a str,
    /// When.
    pub at: Micros,
    /// Our token in it, where our account said it.
    pub token: Option<&'a str>,
    /// Whether our account, or a program, said it.
    pub by_nobody: bool,
    /// Whether there are files beside it.
    pub has_files: bool,
    /// Why it can't be sent on, however it begins.
    pub refused: Option<&'static str>,
}

/// Hears something that was said; whether it is the team's business, and so no message.
pub async fn hear(tx: &mut Tx, clock: &Clock, said: &SaidThere<'_>) -> Result<bool, StoreError> {
    if said.by_nobody && said.token.is_some_and(|token| token.starts_with(relay::TOKEN)) {
        return Ok(true);
    }
    let Some(thread) = tx.find_relay_thread_by_root(said.account, said.conversation).await? else { return Ok(false) };
    if said.by_nobody {
        return Ok(true);
    }
    // A guest of the channel, or somebody we know: what they say is said to us, and nothing of it is sent on.
    if !is_of_team(tx, said.place, said.author.0).await? {
        return Ok(false);
    }
    let files = said.has_files.then_some("files can't be sent on");
    let word = RelayWordRow {
        account: said.account.to_owned(),
        provider_id: said.id.to_owned(),
        thread_id: thread.id,
        way: RelayWay::Said,
        author: called(said.author),
        text: cut(said.text),
        refused: said.refused.or(files).or(too_old(clock, said.at)).map(str::to_owned),
        at: said.at,
        heard_at: clock.now(),
        changed: false,
        taken_back: false,
        state: RelayWordState::Waiting,
        note_id: None,
        message_id: None,
    };
    tx.insert_relay_word(&word).await?;
    Ok(true)
}

/// Whether somebody is one of the team: of the house in which the place is, and nobody's address.
async fn is_of_team(tx: &mut Tx, place: &str, address: &str) -> Result<bool, StoreError> {
    if !chat::is_of_house(place, address) {
        return Ok(false);
    }
    Ok(tx.find_owners(chat::key(address).into_iter().collect()).await?.is_empty())
}

fn called((address, name): (&str, &str)) -> String {
    let name = name.trim();
    if name.is_empty() { address.to_owned() } else { name.chars().take(200).collect() }
}

fn cut(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).collect()
}

fn too_old(clock: &Clock, at: Micros) -> Option<&'static str> {
    (at.plus(HEARD_WITHIN) < clock.now()).then_some("it was read too long after it was written: say it again")
}

/// Hears that words were changed, or taken back (no words); whether they are the team's.
pub async fn hear_change(tx: &mut Tx, (account, id): (&str, &str), text: Option<&str>) -> Result<bool, StoreError> {
    let Some(mut word) = tx.find_relay_word(account, id).await? else { return Ok(false) };
    match text {
        Some(text) if cut(text) == word.text => return Ok(true),
        Some(text) => {
            word.text = cut(text);
            word.changed = true;
        }
        None if word.taken_back => return Ok(true),
        None => word.taken_back = true,
    }
    word.state = RelayWordState::Waiting;
    tx.update_relay_word(&word).await?;
    Ok(true)
}

/// A shortcut that was chosen at a message.
#[derive(Debug, Clone, Copy)]
pub struct PressedThere<'a> {
    /// Our account.
    pub account: &'a str,
    /// The provider's id of the message.
    pub message: &'a str,
    /// Where it was said.
    pub place: &'a str,
    /// What the message is part of, where that is told.
    pub conversation: Option<&'a str>,
    /// Who chose it.
    pub by: (&'a str, &'a str),
    /// Who wrote the message.
    pub author: (&'a str, &'a str),
    /// Its words.
    pub text: &'a str,
    /// When it was chosen.
    pub at: Micros,
    /// Why it can't be sent on.
    pub refused: Option<&'static str>,
}

/// Hears a shortcut; whether anything comes of it.
pub async fn hear_pressed(tx: &mut Tx, clock: &Clock, pressed: &PressedThere<'_>) -> Result<bool, StoreError> {
    let known = tx.find_relay_word(pressed.account, pressed.message).await?;
    let thread = match (&known, pressed.conversation) {
        (Some(word), _) => tx.get_relay_thread(word.thread_id).await?,
        (None, Some(root)) => tx.find_relay_thread_by_root(pressed.account, root).await?,
        (None, None) => None,
    };
    let Some(thread) = thread else { return Ok(false) };
    for one in [pressed.by.0, pressed.author.0] {
        if !is_of_team(tx, pressed.place, one).await? {
            return Ok(false);
        }
    }
    let fresh = RelayWordRow {
        account: pressed.account.to_owned(),
        provider_id: pressed.message.to_owned(),
        thread_id: thread.id,
        way: RelayWay::Pressed,
        author: called(pressed.by),
        text: cut(pressed.text),
        refused: pressed.refused.or(too_old(clock, pressed.at)).map(str::to_owned),
        at: pressed.at,
        heard_at: clock.now(),
        changed: false,
        taken_back: false,
        state: RelayWordState::Waiting,
        note_id: None,
        message_id: None,
    };
    match known {
        None => tx.insert_relay_word(&fresh).await,
        // It went already, or is about to.
        Some(word) if word.message_id.is_some() || word.way == RelayWay::Pressed => Ok(false),
        Some(word) => {
            let word = RelayWordRow { note_id: word.note_id, taken_back: word.taken_back, ..fresh };
            tx.update_relay_word(&word).await.map(|()| true)
        }
    }
}

/// A mail of a teammate that answers one of ours.
#[derive(Debug, Clone, Copy)]
pub struct MailedThere<'a> {
    /// The mailbox it came to.
    pub account: &'a str,
    /// Its Message-ID, or what else is its own.
    pub id: &'a str,
    /// The token of the post it answers.
    pub token: &'a str,
    /// Who wrote it: their address, in the form addresses are compared in, and their name.
    pub author: (&'a str, &'a str),
    /// All of its text.
    pub text: &'a str,
    /// When.
    pub at: Micros,
    /// Why it can't be sent on.
    pub refused: Option<&'static str>,
}

/// Hears such a mail; whether it is one. The caller knows that it is of somebody of ours; only whom the post went to is sent on.
pub async fn hear_mailed(tx: &mut Tx, clock: &Clock, mailed: &MailedThere<'_>) -> Result<bool, StoreError> {
    let Some(post) = tx.find_relay_post(mailed.token).await? else { return Ok(false) };
    let Some(thread) = tx.get_relay_thread(post.thread_id).await? else { return Ok(false) };
    if post.account != mailed.account {
        return Ok(false);
    }
    let stranger =
        (thread.place != mailed.author.0).then_some("it came from another address than the one that was written to");
    let (text, refused) = match relay::mailed(mailed.text) {
        Ok(text) => (text, None),
        Err(why) => (cut(mailed.text), Some(why)),
    };
    let word = RelayWordRow {
        account: mailed.account.to_owned(),
        provider_id: mailed.id.to_owned(),
        thread_id: thread.id,
        way: RelayWay::Mailed,
        author: called(mailed.author),
        text: cut(&text),
        refused: mailed.refused.or(stranger).or(refused).or(too_old(clock, mailed.at)).map(str::to_owned),
        at: mailed.at,
        heard_at: clock.now(),
        changed: false,
        taken_back: false,
        state: RelayWordState::Waiting,
        note_id: None,
        message_id: None,
    };
    tx.insert_relay_word(&word).await?;
    Ok(true)
}

/// Why nothing went to somebody.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Nothing to answer.
    #[error("they never wrote on a channel on which they can be answered: begin it with `liaison send`")]
    NeverHeard,
    /// Their account is not here.
    #[error("the account `{0}`, which they wrote to, is not configured here")]
    NoAccount(String),
    /// The outbox does not take it.
    #[error(transparent)]
    Enqueue(EnqueueError),
    /// Nobody to say it to, or nobody who could.
    #[error(transparent)]
    Talk(TalkError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EnqueueError> for AnswerError {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Store(error) => Self::Store(error),
            other @ (EnqueueError::Stopped(_)
            | EnqueueError::NoRecipient
            | EnqueueError::TooManyRecipients(_)
            | EnqueueError::Address(_)
            | EnqueueError::UnknownAnswered
            | EnqueueError::NotMail(_)
            | EnqueueError::NoWords
            | EnqueueError::TooLong { .. }
            | EnqueueError::WrongChannel(..)
            | EnqueueError::NoConsent(_)
            | EnqueueError::TooLarge { .. }
            | EnqueueError::Compose(_)
            | EnqueueError::Track(_)
            | EnqueueError::Signing(_)
            | EnqueueError::Chance(_)
            | EnqueueError::Compress(_)) => Self::Enqueue(other),
        }
    }
}

impl From<TalkError> for AnswerError {
    fn from(error: TalkError) -> Self {
        match error {
            TalkError::Store(error) => Self::Store(error),
            TalkError::Enqueue(error) => error.into(),
            other @ (TalkError::UnknownAnswered
            | TalkError::NoInfluencer(_)
            | TalkError::NoAddress { .. }
            | TalkError::NotTheirs { .. }
            | TalkError::Nobody
            | TalkError::NoAccount { .. }
            | TalkError::WhichAccount(_)) => Self::Talk(other),
        }
    }
}

/// What was put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message.
    pub id: MessageId,
    /// How it travels.
    pub channel: Channel,
    /// From which account.
    pub account: String,
}

/// Answers somebody on the channel they, or an agent for them, wrote on last, from the account they wrote to. The caller commits, then
/// wakes the dispatcher of the account.
///
/// # Errors
/// [`AnswerError`]; nothing was written then.
pub async fn answer(
    tx: &mut Tx,
    clock: &Clock,
    house: &House,
    (influencer, text, due_at): (InfluencerId, &str, Micros),
) -> Result<Answer, AnswerError> {
    let influencer = people::survivor(tx, influencer).await?;
    let last = tx.last_heard(influencer).await?.ok_or(AnswerError::NeverHeard)?;
    let from = house.accounts.get(&last.account).ok_or_else(|| AnswerError::NoAccount(last.account.clone()))?;
    let answers = Some(Answers::Message(last.id));
    let id = if last.channel == Channel::Email {
        let order = Order {
            account: from.from.clone(),
            to: Vec::new(),
            cc: Vec::new(),
            subject: None,
            text: text.to_owned(),
            html: None,
            attachments: Vec::new(),
            answers,
            due_at,
            file_copy: from.file_copy,
            message_id_domain: from.message_id_domain.clone(),
            outreach: None,
        };
        enqueue::enqueue(tx, clock, order).await?.id
    } else {
        let mouths = [Mouth { from: from.from.clone(), channel: from.channel }];
        let wish = Wish { channel: Some(last.channel), answers, ..Wish::default() };
        let choice = talk::choose(tx, &mouths, last.channel, &wish).await?;
        talk::say(tx, clock, &choice, (text.to_owned(), due_at)).await?.id
    };
    Ok(Answer { id, channel: last.channel, account: last.account })
}

/// The person a thread is about, whoever they were merged into since; nothing where they are gone.
pub async fn person_of(tx: &mut Tx, thread: &RelayThreadRow) -> Result<Option<InfluencerId>, StoreError> {
    let id = people::survivor(tx, thread.influencer_id).await?;
    Ok(tx.get_influencer(id).await?.map(|found| found.id))
}
