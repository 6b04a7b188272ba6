//! The team's side: what is said in a thread of the relay is the team's business and nobody else's. Here it is recognised, kept to be
//! seen to, and, where it surely is to go on, put into the outbox.

pub mod standing;

use std::time::Duration;

use super::enqueue::{self, Answers, EnqueueError, Order};
use super::outreach::house::House;
use super::people;
use super::settle::{self, SettleError};
use super::talk::{self, Mouth, TalkError, Wish};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::relay;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, OutboxStatus, RelaySort, RelayWay, RelayWordState};
use crate::store::relay::{RelayThreadRow, RelayWordRow};
use crate::store::{StoreError, Tx};

/// What was said longer ago when it is heard is not sent on: nobody knows whether it is still meant.
const HEARD_WITHIN: Duration = Duration::from_hours(12);
/// Characters of what is kept of a teammate's words.
const WORD_CHARS_MAX: usize = 40_000;

/// Something said in a workspace.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
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
    /// Whether it was changed since it was said.
    pub edited: bool,
    /// Whether it names somebody of the team.
    pub mentions: bool,
    /// Why it can't be sent on, however it begins.
    pub refused: Option<&'static str>,
}

const FILES: &str = "files can't be sent on";
const EDITED: &str = "what was changed afterwards is not sent: write it again";
const MENTIONS: &str = "it mentions somebody of the team, or a channel, which its reader could see";
const HELD: &str = "it was read while nothing may be sent (a copied or restored database): say it again";
/// Why what a machine wrote is not sent; nobody is told, for machines would answer that as well.
pub const AUTOMATIC: &str = "it looks like an automatic answer";

/// Hears something that was said; whether it is the team's business, and so no message.
pub async fn hear(tx: &mut Tx, clock: &Clock, said: &SaidThere<'_>) -> Result<bool, StoreError> {
    if let Some(token) = said.token.filter(|token| said.by_nobody && token.starts_with(relay::TOKEN)) {
        hear_own(tx, token, said.id).await?;
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
    let gone = tx.find_relay_gone(said.account, said.id).await?;
    if gone == Some(true) {
        return Ok(true);
    }
    let unfit = [(said.has_files, FILES), (said.edited || gone.is_some(), EDITED), (said.mentions, MENTIONS)];
    let unfit = unfit.into_iter().find_map(|(is_so, why)| is_so.then_some(why));
    let refused = said.refused.or(unfit).or(held(tx).await?).map(str::to_owned);
    let fresh = fresh_word(&thread, (said.account, said.id), (RelayWay::Said, said.author), said.text);
    let word = RelayWordRow { refused, at: said.at, heard_at: clock.now(), ..fresh };
    tx.insert_relay_word(&word).await?;
    Ok(true)
}

/// Words that nobody has seen to yet.
fn fresh_word(
    thread: &RelayThreadRow,
    (account, provider_id): (&str, &str),
    (way, author): (RelayWay, (&str, &str)),
    text: &str,
) -> RelayWordRow {
    RelayWordRow {
        account: account.to_owned(),
        provider_id: provider_id.to_owned(),
        thread_id: thread.id,
        answers: None,
        way,
        author: called(author),
        text: cut(text),
        refused: None,
        at: Micros(0),
        heard_at: Micros(0),
        changed: false,
        changed_at: None,
        taken_back: false,
        state: RelayWordState::Waiting,
        note_id: None,
        message_id: None,
    }
}

/// A post of ours that is told to us stands there, whether its answer came or not.
async fn hear_own(tx: &mut Tx, token: &str, id: &str) -> Result<(), StoreError> {
    let Some(post) = tx.find_relay_post(token).await? else { return Ok(()) };
    tx.set_relay_posted(post.id, Some(id)).await?;
    let thread = tx.get_relay_thread(post.thread_id).await?;
    if let Some(thread) = thread.filter(|thread| thread.root.is_none()) {
        tx.set_relay_root(thread.id, id).await?;
    }
    Ok(())
}

/// Why nothing is sent on that is heard now: the database is a copy, or was restored, and nobody has let it send yet.
async fn held(tx: &mut Tx) -> Result<Option<&'static str>, StoreError> {
    Ok(tx.get_installation().await?.is_some_and(|installation| installation.held).then_some(HELD))
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

/// Whether something was said too long ago to be sent on now.
pub fn is_too_old(clock: &Clock, at: Micros) -> bool {
    at.plus(HEARD_WITHIN) < clock.now()
}

/// Hears that words were changed, or taken back (no words); whether they are the team's. What waits to be sent is not sent then. A
/// change that is older than what the words are now changes nothing, whenever it is told. The caller has locked the conversations.
pub async fn hear_change(
    tx: &mut Tx,
    clock: &Clock,
    (account, id): (&str, &str),
    (text, at): (Option<&str>, Micros),
) -> Result<bool, StoreError> {
    let Some(mut word) = tx.find_relay_word(account, id).await? else {
        // It may be told before what it is about: that must not be sent then.
        let place = chat::place_of(id).and_then(chat::workspace_parts).map(|(_, place)| place);
        if let Some(place) = place
            && tx.is_relay_place(account, place).await?
        {
            tx.note_relay_gone((account, id), text.is_none(), clock.now()).await?;
        }
        return Ok(false);
    };
    match text {
        // Changes within one second bear the same time, and the one that is told last holds.
        Some(_) if word.changed_at.is_some_and(|changed| changed > at) => return Ok(true),
        Some(text) if cut(text) == word.text => {
            if word.changed_at.replace(at) != Some(at) {
                tx.update_relay_word(&word).await?;
            }
            return Ok(true);
        }
        Some(text) => {
            word.text = cut(text);
            word.changed = true;
            word.changed_at = Some(at);
        }
        None if word.taken_back => return Ok(true),
        None => word.taken_back = true,
    }
    if let Some(message) = word.message_id {
        let why = if word.taken_back { "taken back by whoever wrote it" } else { "changed by whoever wrote it" };
        match settle::cancel(tx, clock, message, why).await {
            // Where it went already, that is said when the word is seen to.
            Ok(_) | Err(SettleError::State(_) | SettleError::Unknown) => {}
            Err(SettleError::Store(error)) => return Err(error),
        }
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
    /// Whether there are files beside the message.
    pub has_files: bool,
    /// Whether it names somebody of the team.
    pub mentions: bool,
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
    let gone = tx.find_relay_gone(pressed.account, pressed.message).await?;
    if gone == Some(true) {
        return Ok(true);
    }
    // What was chosen is not what stands there now.
    let changed = match &known {
        Some(word) => word.changed && word.text != cut(pressed.text),
        None => gone.is_some(),
    };
    let unfit = [(changed, EDITED), (pressed.has_files, FILES), (pressed.mentions, MENTIONS)];
    let unfit = unfit.into_iter().find_map(|(is_so, why)| is_so.then_some(why));
    let refused = pressed.refused.or(unfit).or(held(tx).await?).map(str::to_owned);
    let fresh = fresh_word(&thread, (pressed.account, pressed.message), (RelayWay::Pressed, pressed.by), pressed.text);
    let fresh = RelayWordRow { refused, at: pressed.at, heard_at: clock.now(), ..fresh };
    match known {
        None => tx.insert_relay_word(&fresh).await,
        // Chosen a moment ago.
        Some(word) if word.way == RelayWay::Pressed && word.state == RelayWordState::Waiting => Ok(false),
        Some(word) => {
            let row = match word.message_id {
                Some(message) => tx.get_outbox(message).await?,
                None => None,
            };
            // What did not go may be sent after all; of what went, that is said.
            let went = row.is_some_and(|row| !matches!(row.status, OutboxStatus::Cancelled | OutboxStatus::Rejected));
            let word = RelayWordRow {
                text: if changed { word.text } else { fresh.text },
                note_id: word.note_id,
                changed_at: word.changed_at,
                taken_back: word.taken_back,
                message_id: word.message_id.filter(|_| went),
                ..fresh
            };
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
    /// The Message-IDs of posts of ours that it names, the one it answers first.
    pub posts: &'a [&'a str],
    /// Who wrote it: their address, in the form addresses are compared in, and their name.
    pub author: (&'a str, &'a str),
    /// All of its text.
    pub text: &'a str,
    /// When.
    pub at: Micros,
    /// Why it can't be sent on.
    pub refused: Option<&'static str>,
}

/// Hears such a mail; whether it is one that is known. The caller knows that it is of somebody of ours; only what whom the post went to
/// writes is sent on.
pub async fn hear_mailed(tx: &mut Tx, clock: &Clock, mailed: &MailedThere<'_>) -> Result<bool, StoreError> {
    let Some((thread, answers)) = thread_of(tx, mailed).await? else { return Ok(false) };
    let stranger =
        (thread.place != mailed.author.0).then_some("it came from another address than the one that was written to");
    let (text, refused) = match relay::mailed(mailed.text) {
        Ok(text) => (text, None),
        Err(why) => (relay::above_cut(mailed.text).trim().to_owned(), Some(why)),
    };
    let refused = mailed.refused.or(stranger).or(refused).or(held(tx).await?).map(str::to_owned);
    let fresh = fresh_word(&thread, (mailed.account, mailed.id), (RelayWay::Mailed, mailed.author), &text);
    let word = RelayWordRow { answers, refused, at: mailed.at, heard_at: clock.now(), ..fresh };
    tx.insert_relay_word(&word).await?;
    Ok(true)
}

/// The thread of a mail, and the message that it answers: by the post, or, where that is forgotten, by what began the thread.
async fn thread_of(
    tx: &mut Tx,
    mailed: &MailedThere<'_>,
) -> Result<Option<(RelayThreadRow, Option<MessageId>)>, StoreError> {
    for id in mailed.posts {
        let token = id.split('@').next().unwrap_or_default();
        let by_token = tx.find_relay_post(token).await?.filter(|post| post.account == mailed.account);
        let post = match by_token {
            Some(post) => Some(post),
            None => tx.find_relay_post_by_id(mailed.account, id).await?,
        };
        if let Some(post) = post
            && let Some(thread) = tx.get_relay_thread(post.thread_id).await?
        {
            return Ok(Some((thread, post.message_id.filter(|_| post.sort == RelaySort::Shown))));
        }
        if let Some(thread) = tx.find_relay_thread_by_root(mailed.account, id).await? {
            return Ok(Some((thread, None)));
        }
    }
    Ok(None)
}

/// Why nothing went to somebody.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Nothing to answer.
    #[error("they never wrote on a channel on which they can be answered: begin it with `liaison send`")]
    NeverHeard,
    /// What would be answered came from somebody else, as is known by now.
    #[error(
        "what they wrote last came from an address that is somebody else's now: look at both, and write it with `liaison send`"
    )]
    NotTheirs,
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
            | TalkError::WhichChannel(_)
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

/// Whether an address belongs to somebody else among the influencers: two who were taken for one person were told apart.
async fn is_of_another(tx: &mut Tx, address: &str, influencer: InfluencerId) -> Result<bool, StoreError> {
    let Ok((_, key)) = people::channel_of(address) else { return Ok(false) };
    let theirs = people::everyone_in(tx, influencer).await?;
    let owners: Vec<InfluencerId> =
        tx.find_owners(vec![key]).await?.into_iter().filter_map(|owner| owner.influencer_id).collect();
    Ok(!owners.is_empty() && owners.iter().all(|owner| !theirs.contains(owner)))
}

/// Answers somebody, on the channel and from the account of what they, or an agent for them, said: what is named, else the newest of
/// theirs that stands in the thread, else the newest. The caller commits, then wakes the dispatcher of the account.
///
/// # Errors
/// [`AnswerError`]; nothing was written then.
pub async fn answer(
    tx: &mut Tx,
    clock: &Clock,
    house: &House,
    (thread, word): (&RelayThreadRow, &RelayWordRow),
    (text, due_at): (&str, Micros),
) -> Result<Answer, AnswerError> {
    let influencer = people::survivor(tx, thread.influencer_id).await?;
    let named = match word.answers {
        Some(message) => tx.get_heard(message).await?.filter(|heard| heard.channel != Channel::Manual),
        None => None,
    };
    // What the team has not seen yet it does not answer.
    let shown = match named {
        None => {
            let theirs = people::everyone_in(tx, influencer).await?;
            tx.last_shown(thread.id, theirs).await?
        }
        Some(_) => None,
    };
    let last = match named.or(shown) {
        Some(last) => last,
        None => tx.last_heard(influencer).await?.ok_or(AnswerError::NeverHeard)?,
    };
    if is_of_another(tx, &last.author_address, influencer).await? {
        return Err(AnswerError::NotTheirs);
    }
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
