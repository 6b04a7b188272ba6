//! A number and a workspace of the sandbox: who is written to there, and what they say. What is told is made as a provider tells it, so
//! that nothing behind the connector knows the difference.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::watch;

use super::{Entry, Happened, World};
use crate::connector::feed::{
    Attached, Batch, Checked, Feed, FileError, Found, Hook, Ledger, Line, Looked, Party, Progress, Room, Said, Sought,
    Told, Words,
};
use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, Reply, SendOutcome, Sender, Wake};
use crate::domain::chat;
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// Things said that one world holds of one account.
const SAID_MAX: usize = 10_000;
/// Things told in one answer.
const TOLD_AT_ONCE: usize = 100;

/// What is said on one account.
#[derive(Default)]
pub(super) struct Talk {
    said: Vec<Said>,
}

/// Something that stands in a conversation of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    /// The provider's id of it.
    pub id: String,
    /// What it is part of.
    pub conversation: String,
    /// Who said it.
    pub by: String,
    /// The words.
    pub text: String,
    /// Our token in it, where we said it.
    pub token: Option<String>,
}

impl World {
    /// Adds a number or a workspace of ours, by its address.
    pub fn add_talk(&self, account: &str) {
        self.state().talks.entry(account.to_owned()).or_default();
    }

    /// What speaks with that one.
    pub fn line(&self, account: &str) -> Arc<dyn Line> {
        Arc::new(SandboxLine { world: self.clone(), account: account.to_owned() })
    }

    /// Somebody says something on an account of ours, now. `conversation` is a thread of a workspace, by the id of what begins it;
    /// without it they say it to us alone.
    pub fn say(&self, account: &str, (address, name): (&str, &str), (text, conversation): (&str, Option<&str>)) {
        let at = self.0.clock.now();
        let mut state = self.state();
        state.made += 1;
        let conversation = conversation.map_or_else(|| conversation_with(account, address), str::to_owned);
        let place = chat::place_of(&conversation).unwrap_or(account).to_owned();
        let said = Said {
            id: format!("{place}/{}", state.made),
            direction: Direction::Inbound,
            conversation,
            place,
            author: Party { address: address.to_owned(), name: name.to_owned() },
            to: Vec::new(),
            text: text.to_owned(),
            at,
            files: Vec::new(),
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: None,
            consent: None,
            raw: Vec::new(),
        };
        if let Some(talk) = state.talks.get_mut(account).filter(|talk| talk.said.len() < SAID_MAX) {
            talk.said.push(said);
            state.journal.push(Entry { at, what: Happened::Said { account: account.to_owned() } });
        }
        drop(state);
        self.ring();
    }

    /// All that stands in the conversations of an account, in the order in which it was said.
    pub fn stands(&self, account: &str) -> Vec<Stands> {
        let state = self.state();
        let said = state.talks.get(account).map(|talk| talk.said.as_slice()).unwrap_or_default();
        let stands = |said: &Said| Stands {
            id: said.id.clone(),
            conversation: said.conversation.clone(),
            by: said.author.address.clone(),
            text: said.text.clone(),
            token: said.token.clone(),
        };
        said.iter().map(stands).collect()
    }

    /// Takes what the hub says; the provider's id of it, and whether the hub is to hear of it. `None` where there is no room.
    fn take_words(&self, account: &str, to: &str, words: &Words) -> Option<(String, bool)> {
        let at = self.0.clock.now();
        let mut state = self.state();
        state.hand_overs += 1;
        let number = state.hand_overs;
        let answered = !state.lose.remove(&number);
        state.made += 1;
        let made = state.made;
        let talk = state.talks.get_mut(account).filter(|talk| talk.said.len() < SAID_MAX)?;
        let direct = conversation_with(account, to);
        let place = words.place.clone().unwrap_or_else(|| chat::place_of(&direct).unwrap_or(account).to_owned());
        let id = format!("{place}/{made}");
        // What is said in a channel, and not to somebody alone, begins a thread.
        let conversation = match &words.thread {
            Some(thread) => thread.clone(),
            None if words.place.is_some() => id.clone(),
            None => direct,
        };
        talk.said.push(Said {
            id: id.clone(),
            direction: Direction::Outbound,
            conversation,
            place,
            author: Party { address: account.to_owned(), name: String::new() },
            to: vec![Party { address: to.to_owned(), name: String::new() }],
            text: words.text.clone(),
            at,
            files: Vec::new(),
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: Some(words.token.clone()),
            consent: None,
            raw: Vec::new(),
        });
        let recipients = vec![to.to_owned()];
        let what = Happened::HandedOver { number, recipients, message_id: words.token.clone(), answered };
        state.journal.push(Entry { at, what });
        drop(state);
        self.ring();
        Some((id, answered))
    }
}

/// What a conversation of two is called at the provider.
fn conversation_with(ours: &str, theirs: &str) -> String {
    match chat::workspace_parts(ours) {
        Some((team, _)) => {
            let other = chat::workspace_parts(theirs).map_or(theirs, |(_, user)| user);
            format!("{team}/D{other}")
        }
        None => chat::text_conversation(ours, theirs),
    }
}

#[derive(Debug)]
struct SandboxLine {
    world: World,
    account: String,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

impl Line for SandboxLine {
    fn sender(&self) -> Box<dyn Sender> {
        Box::new(TalkSender { world: self.world.clone(), account: self.account.clone() })
    }

    fn feed(&self) -> Box<dyn Feed> {
        let news = self.world.0.news.subscribe();
        Box::new(TalkFeed { world: self.world.clone(), account: self.account.clone(), news })
    }

    fn hook(&self) -> Option<Box<dyn Hook>> {
        None
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(TalkLedger { world: self.world.clone(), account: self.account.clone() })
    }

    fn room<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Room, ConnectorError>> {
        let team = chat::workspace_parts(&self.account).map(|(team, _)| team);
        let none = || ConnectorError::Refused("there are no rooms on this channel".to_owned());
        let room = team.map(|team| Room { place: format!("{team}/{id}"), open: None, members: Vec::new() });
        ready(room.ok_or_else(none)).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Checked>> {
        ready(vec![Checked::new("sandbox", Ok("simulated: nothing leaves this machine".to_owned()))]).boxed()
    }
}

struct TalkSender {
    world: World,
    account: String,
}

fn reply(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply { code, enhanced: Some(enhanced.to_owned()), text: text.to_owned() }
}

impl Sender for TalkSender {
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        let is_fine = serde_json::from_slice::<Words>(&mail.content).is_ok() && mail.recipients.len() == 1;
        let offer = if is_fine {
            Offer::Ready { refused: vec![None] }
        } else {
            Offer::Refused {
                phase: Phase::Data,
                replies: vec![reply(554, "5.6.0", "these are no words to one person")],
            }
        };
        ready(Ok(offer)).boxed()
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        let words = serde_json::from_slice::<Words>(&mail.content).ok();
        let taken =
            words.zip(mail.recipients.first()).and_then(|(words, to)| self.world.take_words(&self.account, to, &words));
        let outcome = match taken {
            Some((id, true)) => {
                SendOutcome::Accepted { reply: reply(200, "2.0.0", "taken by the sandbox"), id: Some(id) }
            }
            Some((_, false)) => SendOutcome::Uncertain("the connection broke after the words (sandbox)".to_owned()),
            None => SendOutcome::Refused(reply(503, "4.2.2", "the sandbox is full")),
        };
        ready(outcome).boxed()
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

struct TalkFeed {
    world: World,
    account: String,
    news: watch::Receiver<u64>,
}

impl Feed for TalkFeed {
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, _: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>> {
        let from = cursor.and_then(|cursor| cursor.parse::<usize>().ok()).unwrap_or(0);
        let state = self.world.state();
        let said = state.talks.get(&self.account).map(|talk| talk.said.as_slice()).unwrap_or_default();
        let new = said.get(from..).unwrap_or_default();
        let told: Vec<Told> = new.iter().take(TOLD_AT_ONCE).map(|said| Told::Said(Box::new(said.clone()))).collect();
        let cursor = from.saturating_add(told.len()).to_string();
        let batch = Batch { cursor, more: new.len() > told.len(), told, put_off: false };
        drop(state);
        ready(Ok(batch)).boxed()
    }

    fn file<'a>(&'a mut self, _: &'a Attached, _: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        ready(Err(FileError::Missing("there are no files in the sandbox".to_owned()))).boxed()
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        async move {
            match tokio::time::timeout(at_most, self.news.changed()).await {
                Ok(Ok(())) => Ok(Wake::News),
                Ok(Err(_)) => Err(ConnectorError::Lost("the sandbox has ended".into())),
                Err(_) => Ok(Wake::Elapsed),
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

struct TalkLedger {
    world: World,
    account: String,
}

impl Ledger for TalkLedger {
    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        let state = self.world.state();
        let said = state.talks.get(&self.account).map(|talk| talk.said.as_slice()).unwrap_or_default();
        let is_it = |said: &&Said| said.token.as_deref() == Some(&sought.token);
        let found = |said: &Said| Found {
            id: said.id.clone(),
            progress: Progress::Delivered,
            code: None,
            at: said.at,
            alike: true,
        };
        let found = said.iter().filter(is_it).map(found).collect();
        drop(state);
        ready(Ok(Looked { found, doubt: None })).boxed()
    }
}
