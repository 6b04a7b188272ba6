//! The two ends that the hub holds: a reader of a mailbox, and a session that sends.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{UID_VALIDITY, World, report};
use crate::connector::email::parse;
use crate::connector::{
    ConnectorError, FETCH_MAX, FETCH_OCTETS_MAX, FolderSeen, FolderStatus, HeaderItem, Offer, OfferError, Outgoing,
    RawItem, Reply, SendOutcome, Sender, Source, Wake,
};
use crate::domain::address;
use crate::domain::time::Micros;
use crate::domain::words::FolderRole;

/// The folders of every mailbox.
const FOLDERS: [(&str, FolderRole); 3] =
    [("INBOX", FolderRole::Inbox), ("Sent", FolderRole::Sent), ("Junk", FolderRole::Junk)];
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A reader of one mailbox of a [`World`].
pub struct SandboxSource {
    world: World,
    account: String,
    selected: Option<FolderRole>,
    /// What of the news this reader has taken in.
    news: watch::Receiver<u64>,
}

impl SandboxSource {
    pub(super) fn new(world: World, account: &str) -> Self {
        let account = address::key(account).unwrap_or_default();
        let mut news = world.0.news.subscribe();
        // Whatever happened before the first look is news.
        news.mark_changed();
        Self { world, account, selected: None, news }
    }

    /// Looks at the mails of the selected folder, ascending by uid.
    fn look<T>(&self, mut each: impl FnMut(&super::Stored) -> Option<T>) -> Result<Vec<T>, ConnectorError> {
        let selected = self.selected.ok_or_else(|| ConnectorError::Refused("no folder is selected".into()))?;
        let state = self.world.state();
        let mailbox = state.mailboxes.get(&self.account);
        let mailbox = mailbox.ok_or_else(|| ConnectorError::Login(format!("no mailbox {}", self.account)))?;
        Ok(mailbox.folders.get(&selected).into_iter().flatten().filter_map(&mut each).collect())
    }

    fn chosen(&self, uids: &[i64]) -> Result<Vec<RawItem>, ConnectorError> {
        let mut octets = 0;
        self.look(|mail| {
            if uids.binary_search(&mail.uid).is_err() || octets >= FETCH_OCTETS_MAX {
                return None;
            }
            octets += mail.raw.len();
            Some(RawItem {
                uid: mail.uid,
                received_at: Some(mail.received_at),
                size: u64::try_from(mail.raw.len()).unwrap_or(u64::MAX),
                raw: mail.raw.clone(),
                cut: false,
                conversation: None,
                draft: false,
            })
        })
    }
}

fn role_of(folder: &str) -> Option<FolderRole> {
    FOLDERS.iter().find(|(name, _)| *name == folder).map(|(_, role)| *role)
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    std::future::ready(value).boxed()
}

impl Source for SandboxSource {
    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<FolderSeen>, ConnectorError>> {
        // What happens from here on is news to the wait that follows.
        self.news.mark_unchanged();
        ready(Ok(FOLDERS.iter().map(|(name, role)| FolderSeen { name: (*name).to_owned(), role: *role }).collect()))
    }

    fn select<'a>(&'a mut self, folder: &'a str) -> BoxFuture<'a, Result<FolderStatus, ConnectorError>> {
        self.selected = role_of(folder);
        let status = self.look(|mail| Some(mail.uid)).map(|uids| FolderStatus {
            uid_validity: UID_VALIDITY,
            uid_next: uids.last().map_or(1, |uid| uid + 1),
            exists: i64::try_from(uids.len()).unwrap_or(i64::MAX),
        });
        ready(status)
    }

    fn uids(&mut self) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        ready(self.look(|mail| Some(mail.uid)))
    }

    fn uids_since(&mut self, day: Micros) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        let from = Micros(day.0.div_euclid(DAY).saturating_mul(DAY));
        ready(self.look(|mail| (mail.received_at >= from).then_some(mail.uid)))
    }

    fn fetch<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<RawItem>, ConnectorError>> {
        ready(self.chosen(uids.get(..FETCH_MAX).unwrap_or(uids)))
    }

    fn fetch_headers<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<HeaderItem>, ConnectorError>> {
        ready(self.look(|mail| {
            uids.binary_search(&mail.uid).is_ok().then(|| HeaderItem {
                uid: mail.uid,
                received_at: Some(mail.received_at),
                raw: report::headers_of(&mail.raw).to_vec(),
            })
        }))
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

    fn find<'a>(
        &'a mut self,
        message_id: &'a str,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Option<i64>, ConnectorError>> {
        let same = |wanted: &str, is: &str| !wanted.is_empty() && wanted == is;
        let found = self
            .look(|mail| (same(message_id, &mail.message_id) || same(token, &mail.token)).then_some(mail.uid))
            .map(|uids| uids.first().copied());
        ready(found)
    }

    fn append<'a>(&'a mut self, folder: &'a str, raw: &'a [u8]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let refused = |why: &str| Err(ConnectorError::Refused(format!("{folder}: {why}")));
        let Some(role) = role_of(folder) else { return ready(refused("there is no such folder")) };
        let parsed = parse::parse(raw);
        let now = self.world.0.clock.now();
        let filed = self.world.state().file(&self.account, role, (&parsed, raw.to_vec()), now);
        if filed.is_none() {
            return ready(refused("there is no room"));
        }
        self.world.ring();
        ready(Ok(()))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(())
    }
}

/// A session that sends within a [`World`]; nothing leaves it.
pub struct SandboxSender {
    world: World,
    /// The recipients taken of what was offered last.
    taken: Vec<String>,
}

impl SandboxSender {
    pub(super) fn new(world: World) -> Self {
        Self { world, taken: Vec::new() }
    }
}

fn reply(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply { code, enhanced: Some(enhanced.to_owned()), text: text.to_owned() }
}

impl Sender for SandboxSender {
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        use super::{Entry, Happened};
        use crate::connector::Phase;
        self.taken.clear();
        let at = self.world.0.clock.now();
        let mut state = self.world.state();
        if state.own(&mail.from).is_none() {
            let no = reply(550, "5.7.1", "this address is no account of the sandbox");
            drop(state);
            return ready(Ok(Offer::Refused { phase: Phase::Envelope, replies: vec![no; mail.recipients.len()] }));
        }
        let mut refused = Vec::new();
        for recipient in &mail.recipients {
            if state.person_at(recipient).is_some() {
                self.taken.push(recipient.clone());
                refused.push(None);
            } else {
                let what = Happened::Refused { recipient: recipient.clone() };
                state.journal.push(Entry { at, what });
                refused.push(Some(reply(550, "5.1.1", "nobody in this sandbox has that address; nothing leaves it")));
            }
        }
        drop(state);
        if self.taken.is_empty() {
            let replies = refused.into_iter().flatten().collect();
            return ready(Ok(Offer::Refused { phase: Phase::Recipient, replies }));
        }
        ready(Ok(Offer::Ready { refused }))
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        let taken = std::mem::take(&mut self.taken);
        let outcome = match self.world.take(mail, &taken) {
            Some(true) => SendOutcome::Accepted { reply: reply(250, "2.0.0", "taken by the sandbox"), id: None },
            Some(false) => SendOutcome::Uncertain("the connection broke after the content (sandbox)".to_owned()),
            None => SendOutcome::Refused(reply(452, "4.2.2", "the sandbox is full")),
        };
        ready(outcome)
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        self.taken.clear();
        ready(())
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(())
    }
}
