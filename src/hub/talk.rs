//! Writing to somebody on a channel that is no mail: which account, which address of theirs, and why.

use super::enqueue::{AccountFrom, Answers, EnqueueError, Enqueued, WordsOrder, enqueue_words};
use super::people;
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Word as _};
use crate::store::outbox::Answered;
use crate::store::{StoreError, Tx};

/// An account that could write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mouth {
    /// As the author.
    pub from: AccountFrom,
    /// How its messages travel.
    pub channel: Channel,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// How it is to travel; as what it answers did, where that is not said.
    pub channel: Option<Channel>,
    /// From which account, where that is said.
    pub account: Option<String>,
    /// To whom: a person.
    pub influencer: Option<InfluencerId>,
    /// To which address, where that is said.
    pub to: Option<String>,
    /// What it answers.
    pub answers: Option<Answers>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The account.
    pub mouth: Mouth,
    /// To whom.
    pub to: Mailbox,
    /// The message it answers.
    pub answers: Option<MessageId>,
    /// Why this account and this address.
    pub why: String,
}

/// Why nobody is written to.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// What it answers is not there.
    #[error("the message or thread it answers is not known")]
    UnknownAnswered,
    /// Nobody by this id.
    #[error("there is no influencer {0}")]
    NoInfluencer(InfluencerId),
    /// They have no address there.
    #[error("{who} has no address on the channel `{channel}` that works: {hint}")]
    NoAddress {
        /// Their handle.
        who: String,
        /// The channel.
        channel: Channel,
        /// What to do.
        hint: &'static str,
    },
    /// What it answers is between us and somebody else.
    #[error("what it answers was said between us and {theirs}, not {to}: leave `to` out, or say it without answering")]
    NotTheirs {
        /// To whom it was to go.
        to: String,
        /// Who is on the other side.
        theirs: String,
    },
    /// Nobody to write to.
    #[error("say to whom")]
    Nobody,
    /// No such account, or one of another channel.
    #[error("there is no account `{name}` of the channel `{channel}`; there are: {known}")]
    NoAccount {
        /// The account that was named.
        name: String,
        /// The channel.
        channel: Channel,
        /// Those there are.
        known: String,
    },
    /// Several ways, and none is known to be theirs.
    #[error("{0} can be reached in several ways, and wrote in none of them: say on which channel")]
    WhichChannel(String),
    /// Several could write, or none.
    #[error("{0}")]
    WhichAccount(String),
    /// It was not put into the outbox.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// On which channel a wish is for, as far as it says: what is answered tells where nothing else does.
pub async fn channel_of(tx: &mut Tx, wish: &Wish) -> Result<Option<Channel>, TalkError> {
    if let Some(channel) = wish.channel {
        return Ok(Some(channel));
    }
    if let Some((channel, _)) = wish.to.as_deref().and_then(chat::channel_of) {
        return Ok(Some(channel));
    }
    Ok(match wish.answers {
        Some(Answers::Thread(id)) => Some(tx.get_thread(id).await?.ok_or(TalkError::UnknownAnswered)?.channel),
        Some(Answers::Message(id)) => {
            let found = tx.find_answered(vec![id]).await?;
            Some(found.first().ok_or(TalkError::UnknownAnswered)?.channel)
        }
        None => None,
    })
}

/// How somebody is written to where nobody says: as they wrote last; by mail where they never wrote and have an address; else on the one
/// channel on which they have one. With why.
pub async fn way_to(tx: &mut Tx, id: InfluencerId) -> Result<(Channel, String), TalkError> {
    let id = people::survivor(tx, id).await?;
    let influencer = tx.get_influencer(id).await?.ok_or(TalkError::NoInfluencer(id))?;
    let addresses = tx.list_addresses_of_influencers(vec![id]).await?;
    let mut open: Vec<Channel> = addresses.iter().filter(|a| a.dead_at.is_none()).map(|a| a.channel).collect();
    open.sort_unstable_by_key(|channel| channel.as_str());
    open.dedup();
    // What their agent wrote says how the agent is reached.
    if let Some(last) = tx.last_written(id, open.clone()).await? {
        return Ok((last.channel, "they wrote so last".to_owned()));
    }
    match open.as_slice() {
        [only] => Ok((*only, "it is the only way to reach them".to_owned())),
        [] => Err(TalkError::NoAddress {
            who: influencer.handle,
            channel: Channel::Email,
            hint: "add one (`liaison influencer address add WHO ADDRESS`)",
        }),
        all if all.contains(&Channel::Email) => {
            Ok((Channel::Email, "nothing says otherwise, and they have a mail address".to_owned()))
        }
        _ => Err(TalkError::WhichChannel(influencer.handle)),
    }
}

/// The mailbox that writes: the one that is named, that of what is answered, the one they know, or the only one there is. With why.
///
/// # Errors
/// [`TalkError::NoAccount`] and [`TalkError::WhichAccount`] say what there is.
pub async fn mailbox(
    tx: &mut Tx,
    mailboxes: &[&str],
    (named, answers, to): (Option<&str>, Option<Answers>, Option<InfluencerId>),
) -> Result<(String, String), TalkError> {
    let used = match answers {
        Some(Answers::Thread(id)) => tx.get_thread(id).await?.map(|thread| (thread.channel, thread.account)),
        Some(Answers::Message(id)) => tx.get_message_view(id).await?.map(|message| (message.channel, message.account)),
        None => None,
    };
    if let Some((channel, _)) = used.as_ref().filter(|(channel, _)| *channel != Channel::Email) {
        return Err(EnqueueError::NotMail(*channel).into());
    }
    let known = match to {
        Some(id) if used.is_none() => {
            let id = people::survivor(tx, id).await?;
            tx.last_mail_account(id).await?
        }
        _ => None,
    };
    let is_ours = |name: &&str| mailboxes.contains(name);
    let wanted = named.map(|name| (name, "it was named"));
    let wanted = wanted.or(used.as_ref().map(|(_, name)| (name.as_str(), "what it answers is in it")));
    if let Some((name, why)) = wanted {
        return match Some(name).filter(is_ours) {
            Some(name) => Ok((name.to_owned(), why.to_owned())),
            None => Err(TalkError::NoAccount {
                name: name.to_owned(),
                channel: Channel::Email,
                known: mailboxes.join(", "),
            }),
        };
    }
    if let Some(name) = known.as_deref().filter(is_ours) {
        return Ok((name.to_owned(), "they know it".to_owned()));
    }
    match mailboxes {
        [only] => Ok(((*only).to_owned(), "it is the only mailbox".to_owned())),
        [] => Err(TalkError::WhichAccount(
            "there is no account to send from: write [accounts.NAME] into the configuration".to_owned(),
        )),
        all => Err(TalkError::WhichAccount(format!("say which account sends: {}", all.join(", ")))),
    }
}

/// Chooses the account and the address.
///
/// # Errors
/// [`TalkError`] says what to say as well.
pub async fn choose(tx: &mut Tx, mouths: &[Mouth], channel: Channel, wish: &Wish) -> Result<Choice, TalkError> {
    let answered = match wish.answers {
        Some(Answers::Thread(id)) => tx.newest_answered(id).await?,
        Some(Answers::Message(id)) => tx.find_answered(vec![id]).await?.into_iter().next(),
        None => None,
    };
    if wish.answers.is_some() && answered.is_none() {
        return Err(TalkError::UnknownAnswered);
    }
    let other = answered.as_ref().filter(|answered| answered.channel == channel).and_then(other_side);
    let last = match wish.influencer {
        Some(id) if answered.is_none() => tx.last_written_by(id, channel).await?,
        _ => None,
    };
    let to = match (&wish.to, &answered, wish.influencer) {
        (Some(address), ..) => {
            let to = address.trim().to_owned();
            if let Some(other) = other.filter(|other| chat::key(&other.address) != chat::key(&to)) {
                return Err(TalkError::NotTheirs { to, theirs: other.address });
            }
            Mailbox { name: String::new(), address: to }
        }
        (None, Some(answered), _) => other_side(answered).ok_or(TalkError::Nobody)?,
        (None, None, Some(id)) => address_of(tx, id, channel, last.as_ref().map(|last| last.address.as_str())).await?,
        (None, None, None) => return Err(TalkError::Nobody),
    };
    let used = match &answered {
        Some(answered) => tx.message_account(answered.id).await?.map(|(account, _)| account),
        None => None,
    };
    let known = last.map(|last| last.account).filter(|_| used.is_none());
    let (mouth, why) = mouth_of(mouths, channel, (wish.account.as_deref(), used.as_deref(), known.as_deref()))?;
    Ok(Choice { mouth, to, answers: answered.map(|answered| answered.id), why })
}

/// With whom something was said: its author, or to whom we said it.
fn other_side(answered: &Answered) -> Option<Mailbox> {
    match answered.direction {
        Direction::Inbound => {
            Some(Mailbox { name: answered.author_name.clone(), address: answered.author_address.clone() })
        }
        Direction::Outbound => first_of(&answered.recipients.0),
    }
}

fn first_of(recipients: &serde_json::Value) -> Option<Mailbox> {
    serde_json::from_value(recipients.get("to")?.get(0)?.clone()).ok()
}

/// Their address on a channel: the one they wrote from last, or the first one that works.
async fn address_of(tx: &mut Tx, id: InfluencerId, channel: Channel, last: Option<&str>) -> Result<Mailbox, TalkError> {
    let id = people::survivor(tx, id).await?;
    let influencer = tx.get_influencer(id).await?.ok_or(TalkError::NoInfluencer(id))?;
    let addresses = tx.list_addresses_of_influencers(vec![id]).await?;
    let working = addresses.into_iter().filter(|a| a.channel == channel && a.dead_at.is_none());
    // The oldest one where none is the first.
    let last = last.and_then(chat::key);
    let Some(address) = working.min_by_key(|a| (last.as_ref() != Some(&a.value_key), !a.is_primary)) else {
        let hint = match channel {
            Channel::Sms => "add a number (`liaison influencer address add WHO NUMBER`, or `add_phones` over the API)",
            Channel::Slack => {
                "match a message of theirs, or add their user (`liaison influencer address add WHO TEAM/USER`, or `add_slack` over \
                 the API)"
            }
            Channel::Email | Channel::Manual => "add an address",
        };
        return Err(TalkError::NoAddress { who: influencer.handle, channel, hint });
    };
    let name = format!("{} {}", influencer.first_name, influencer.last_name).trim().to_owned();
    Ok(Mailbox { name, address: address.value_key })
}

/// The account that is named, that of what is answered, the one they know, or the only one of its channel.
fn mouth_of(
    mouths: &[Mouth],
    channel: Channel,
    (named, used, known): (Option<&str>, Option<&str>, Option<&str>),
) -> Result<(Mouth, String), TalkError> {
    let of_channel: Vec<&Mouth> = mouths.iter().filter(|mouth| mouth.channel == channel).collect();
    let find = |name: &str| of_channel.iter().find(|mouth| mouth.from.name == name).map(|mouth| (*mouth).clone());
    let listed = || of_channel.iter().map(|mouth| mouth.from.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = named {
        return find(name).map(|mouth| (mouth, "it was named".to_owned())).ok_or_else(|| TalkError::NoAccount {
            name: name.to_owned(),
            channel,
            known: listed(),
        });
    }
    if let Some(mouth) = used.and_then(find) {
        return Ok((mouth, "what it answers came through it".to_owned()));
    }
    if let Some(mouth) = known.and_then(find) {
        return Ok((mouth, "they wrote to it last".to_owned()));
    }
    match of_channel.as_slice() {
        [only] => Ok(((*only).clone(), format!("it is the only account of the channel `{channel}`"))),
        [] => Err(TalkError::WhichAccount(format!(
            "there is no account of the channel `{channel}`: write one into the configuration"
        ))),
        _ => Err(TalkError::WhichAccount(format!("say which account writes: {}", listed()))),
    }
}

/// Chooses, and puts the words into the outbox. The caller commits, then wakes the dispatcher of the account.
///
/// # Errors
/// [`TalkError`]; nothing was written then.
pub async fn say(
    tx: &mut Tx,
    clock: &Clock,
    choice: &Choice,
    (text, due_at): (String, Micros),
) -> Result<Enqueued, TalkError> {
    let order = WordsOrder {
        account: choice.mouth.from.clone(),
        channel: choice.mouth.channel,
        to: choice.to.clone(),
        text,
        answers: choice.answers,
        due_at,
        step: None,
    };
    Ok(enqueue_words(tx, clock, order).await?)
}
