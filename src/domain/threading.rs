//! Whose message is it, and to which thread does it belong: the evidence, strongest first, and what follows from it.
//!
//! A conversation is a set of messages that answer each other; [`books::Books`] finds it by union-find over every id a
//! message names, unseen ones included, so that the order of arrival makes no difference. A thread is a conversation as one
//! influencer sees it; [`choose_parts`] says on whose timelines a message shows, and as what.

use std::collections::{HashMap, HashSet};

use super::address;
use super::ids::{AgentId, InfluencerId};
use super::mail::{Mailbox, ParsedMail};
use super::words::{Direction, FolderRole, Kind, Role, UnmatchedReason};

pub mod books;

/// Influencers of one conversation beyond which an unknown writer in it is not shown to any of them: a mail to many
/// people tells nothing about who answered from another address.
pub const SHOWN_TO_MAX: usize = 5;
/// Unknown addresses remembered of one message.
const STRANGERS_MAX: usize = 50;

/// Who we are.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Our addresses, as [`address::key`].
    pub addresses: HashSet<String>,
    /// Domains whose every address is ours.
    pub domains: HashSet<String>,
}

impl Identity {
    /// Whether an address key is ours.
    pub fn is_ours(&self, key: &str) -> bool {
        self.addresses.contains(key) || key.rsplit_once('@').is_some_and(|(_, domain)| self.domains.contains(domain))
    }
}

/// Who wrote a mail. A list that rewrites From ("Ana via Collabs" at our own address) leaves the writer in Reply-To: without
/// this their answer would count as ours. What we sent carries our token, or lies in Sent.
pub fn author_of<'m>(identity: &Identity, mail: &'m ParsedMail, folder: FolderRole) -> Option<&'m Mailbox> {
    let author = mail.author();
    let ours = |mailbox: &Mailbox| address::key(&mailbox.address).is_some_and(|key| identity.is_ours(&key));
    let [reply_to] = mail.reply_to.as_slice() else { return author };
    let own = folder == FolderRole::Sent || mail.token.is_some() || mail.original_from.is_some();
    // All Mail holds what a teammate sent with a Reply-To of theirs as well: there, only a list's mail is another's.
    let through_list = mail.automatic.list || author.is_some_and(|m| m.name.to_lowercase().contains(" via "));
    let rewritten = author.is_some_and(ours) && !own && (through_list || folder != FolderRole::All);
    if rewritten && address::key(&reply_to.address).is_some() && !ours(reply_to) { Some(reply_to) } else { author }
}

/// They or we: ours where the author is ours, or where it lies in our Sent folder (an alias of ours we were not told of).
pub fn decide_direction(identity: &Identity, author: Option<&str>, folder: FolderRole) -> Direction {
    if folder == FolderRole::Sent || author.is_some_and(|key| identity.is_ours(key)) {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

/// Every key that ties a mail to a conversation: its own id, what it answers, Outlook's thread index.
pub fn keys_of(mail: &ParsedMail) -> Vec<String> {
    let ids = mail.message_id.iter().map(String::as_str).chain(mail.ancestors());
    let reported = mail.report.as_ref().and_then(|report| match report {
        super::bounce::Report::Bounce(bounce) => bounce.original_message_id.as_deref(),
        super::bounce::Report::Complaint(complaint) => complaint.original_message_id.as_deref(),
    });
    let mut seen = HashSet::new();
    ids.chain(reported)
        .filter(|id| !id.is_empty())
        .map(id_key)
        .chain(mail.thread_index.iter().map(|index| format!("ti:{index}")))
        .filter(|key| seen.insert(key.clone()))
        .collect()
}

/// The key of a conversation as a provider counts it (Gmail's `X-GM-THRID`), which holds within one account.
pub fn provider_key(account: &str, conversation: &str) -> String {
    format!("gm:{account}:{conversation}")
}

/// The key of a Message-ID (without brackets).
pub fn id_key(id: &str) -> String {
    format!("id:{id}")
}

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// An influencer's.
    Influencer(InfluencerId),
    /// An agent's.
    Agent(AgentId),
}

/// Everyone who is known, as far as a batch of messages needs it.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// By address key.
    pub owners: HashMap<String, Owner>,
    /// For whom an agent writes.
    pub stands_for: HashMap<AgentId, Vec<InfluencerId>>,
}

/// Someone's part in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// On whose timeline it shows.
    pub influencer: InfluencerId,
    /// As what.
    pub role: Role,
    /// The agent who wrote or got it for them.
    pub agent: Option<AgentId>,
    /// `false` where a person may want to look.
    pub assigned: bool,
}

/// A message that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Why.
    pub reason: UnmatchedReason,
    /// Whose it may be.
    pub influencer: Option<InfluencerId>,
    /// The agent who wrote it.
    pub agent: Option<AgentId>,
}

/// What [`choose_parts`] decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// On whose timelines it shows; one entry each.
    pub parts: Vec<Part>,
    /// Whether it waits for a person.
    pub waiting: Option<Waiting>,
    /// Addresses in it that belong to nobody yet.
    pub strangers: Vec<(String, Role)>,
}

impl Placed {
    /// Shows it on one more timeline; whose it is on already it stays as it is.
    pub fn add(&mut self, part: Part) {
        if !self.parts.iter().any(|p| p.influencer == part.influencer) {
            self.parts.push(part);
        }
    }

    fn remember(&mut self, key: &str, role: Role) {
        if self.strangers.len() < STRANGERS_MAX && !self.strangers.iter().any(|(k, _)| k == key) {
            self.strangers.push((key.to_owned(), role));
        }
    }
}

/// What [`choose_parts`] goes by.
#[derive(Debug)]
pub struct Ask<'a> {
    /// They or we.
    pub direction: Direction,
    /// Its sort.
    pub kind: Kind,
    /// The author's address key.
    pub author: Option<&'a str>,
    /// Address keys of To.
    pub to: &'a [String],
    /// Address keys of Cc and Bcc.
    pub cc: &'a [String],
    /// Address keys that a bounce or complaint speaks of.
    pub reported: &'a [String],
    /// Influencers who have a thread in the conversation.
    pub in_conversation: &'a [InfluencerId],
    /// Influencers of the message it answers.
    pub of_parent: &'a [InfluencerId],
    /// Of those in the conversation, who is surely meant by a message in it: not shown it for want of knowing better.
    pub sure_in_conversation: &'a [InfluencerId],
    /// The same of the message it answers.
    pub sure_of_parent: &'a [InfluencerId],
    /// Who we are.
    pub identity: &'a Identity,
    /// Who they are.
    pub people: &'a People,
}

/// On whose timelines a message shows, and as what.
pub fn choose_parts(ask: &Ask<'_>) -> Placed {
    let mut placed = Placed::default();
    match (ask.direction, ask.kind) {
        (Direction::Outbound, _) => {}
        (Direction::Inbound, Kind::Bounce | Kind::Complaint) => place_report(ask, &mut placed),
        (Direction::Inbound, _) => place_author(ask, &mut placed),
    }
    for (keys, role) in [(ask.to, Role::Recipient), (ask.cc, Role::Cc)] {
        for key in keys {
            place_recipient(ask, &mut placed, key, role);
        }
    }
    placed
}

/// A report shows where the mail it speaks of does; its sender is a machine and never waits as a person would.
fn place_report(ask: &Ask<'_>, placed: &mut Placed) {
    for key in ask.reported {
        place_recipient(ask, placed, key, Role::Recipient);
    }
    placed.strangers.clear();
    if placed.parts.is_empty() {
        let base = nearest(ask);
        if base.len() <= SHOWN_TO_MAX {
            for influencer in base {
                placed.add(Part {
                    influencer: *influencer,
                    role: Role::Recipient,
                    agent: None,
                    assigned: base.len() == 1,
                });
            }
        }
    }
    if placed.parts.is_empty() {
        placed.waiting = Some(Waiting { reason: UnmatchedReason::UnknownSender, influencer: None, agent: None });
    }
}

fn place_author(ask: &Ask<'_>, placed: &mut Placed) {
    match ask.author.and_then(|key| ask.people.owners.get(key)) {
        Some(Owner::Influencer(id)) => {
            placed.add(Part { influencer: *id, role: Role::Author, agent: None, assigned: true });
        }
        Some(Owner::Agent(agent)) => place_agent(ask, placed, *agent),
        None => place_unknown(ask, placed),
    }
}

/// An agent writes for the influencers the conversation ties them to; where nothing does, for all they stand for, marked.
fn place_agent(ask: &Ask<'_>, placed: &mut Placed, agent: AgentId) {
    let stands_for = ask.people.stands_for.get(&agent).map_or(&[][..], Vec::as_slice);
    let tied = tied_to(ask, stands_for);
    let sure = !tied.is_empty() || stands_for.len() == 1;
    let chosen = if tied.is_empty() { stands_for.to_vec() } else { tied };
    for influencer in chosen {
        placed.add(Part { influencer, role: Role::Author, agent: Some(agent), assigned: sure });
    }
    if stands_for.is_empty()
        && let Some(key) = ask.author
    {
        // Remembered as a stranger's, so that it shows as soon as it is known for whom they write.
        placed.remember(key, Role::Author);
    }
    if !sure {
        placed.waiting =
            Some(Waiting { reason: UnmatchedReason::AgentUnassigned, influencer: None, agent: Some(agent) });
    }
}

/// An unknown writer in a known thread shows there and may be another address of that person; else they wait.
fn place_unknown(ask: &Ask<'_>, placed: &mut Placed) {
    if let Some(key) = ask.author {
        placed.remember(key, Role::Author);
    }
    let base = nearest(ask);
    let mut waiting = Waiting { reason: UnmatchedReason::UnknownSender, influencer: None, agent: None };
    if let [only] = base {
        placed.add(Part { influencer: *only, role: Role::Recipient, agent: None, assigned: false });
        waiting = Waiting { reason: UnmatchedReason::AliasProposed, influencer: Some(*only), agent: None };
    } else if base.len() <= SHOWN_TO_MAX {
        for influencer in base {
            placed.add(Part { influencer: *influencer, role: Role::Recipient, agent: None, assigned: false });
        }
    }
    placed.waiting = Some(waiting);
}

fn place_recipient(ask: &Ask<'_>, placed: &mut Placed, key: &str, role: Role) {
    if ask.identity.is_ours(key) {
        return;
    }
    match ask.people.owners.get(key) {
        Some(Owner::Influencer(id)) => placed.add(Part { influencer: *id, role, agent: None, assigned: true }),
        Some(Owner::Agent(agent)) => {
            let stands_for = ask.people.stands_for.get(agent).map_or(&[][..], Vec::as_slice);
            let tied = tied_to(ask, stands_for);
            // What we write to an agent about nobody in particular is shown to all, marked; what others write is not.
            let all = ask.direction == Direction::Outbound || stands_for.len() == 1;
            let sure = !tied.is_empty() || stands_for.len() == 1;
            let chosen = if tied.is_empty() && all { stands_for.to_vec() } else { tied };
            for influencer in chosen {
                placed.add(Part { influencer, role, agent: Some(*agent), assigned: sure });
            }
            if stands_for.is_empty() {
                placed.remember(key, role);
            }
        }
        None => placed.remember(key, role),
    }
}

/// The influencers of the message answered; where that is not known, those of the conversation.
fn nearest<'a>(ask: &Ask<'a>) -> &'a [InfluencerId] {
    if ask.of_parent.is_empty() { ask.in_conversation } else { ask.of_parent }
}

/// Which of an agent's influencers this message is about: those of the message it answers, or else of its conversation, and
/// those among its recipients. Who was shown a message only because nobody knew whom it was about is tied by it to nothing.
fn tied_to(ask: &Ask<'_>, stands_for: &[InfluencerId]) -> Vec<InfluencerId> {
    let addressed: Vec<InfluencerId> = ask
        .to
        .iter()
        .chain(ask.cc)
        .filter_map(|key| match ask.people.owners.get(key) {
            Some(Owner::Influencer(id)) => Some(*id),
            Some(Owner::Agent(_)) | None => None,
        })
        .collect();
    let nearest = if stands_for.iter().any(|id| ask.sure_of_parent.contains(id)) {
        ask.sure_of_parent
    } else {
        ask.sure_in_conversation
    };
    stands_for.iter().copied().filter(|id| nearest.contains(id) || addressed.contains(id)).collect()
}

/// The address keys of some mailboxes, each once.
pub fn keys(mailboxes: &[super::mail::Mailbox]) -> Vec<String> {
    let mut seen = HashSet::new();
    mailboxes.iter().filter_map(|m| address::key(&m.address)).filter(|k| seen.insert(k.clone())).collect()
}

#[cfg(test)]
mod tests;
