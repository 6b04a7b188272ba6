//! What a channel that is no mail tells becomes messages, revisions and outcomes, in one transaction with how far it was read.
//!
//! Everything may be told twice, by a list, a hook and a socket at once: each thing has the provider's id, and is kept once.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::faces::Faces;
use super::ingest::IngestError;
use crate::clock::Clock;
use crate::connector::feed::{ConsentWord, Party, Said, Told};
use crate::domain::chat::{self, HarmOf};
use crate::domain::erasure::Mark;
use crate::domain::ids::MessageId;
use crate::domain::sms::{ConsentReading, read_consent};
use crate::domain::threading::Placed;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Kind, OutboxStatus, Word as _};
use crate::hub::fares::{self, Fares, Harm, OptIn};
use crate::hub::relay::{self, PressedThere, SaidThere};
use crate::hub::reread::reread;
use crate::hub::said::{self, Entered, Saying};
use crate::hub::{revise, settle};
use crate::store::again::again;
use crate::store::feed::NewProviderMessage;
use crate::store::lease::Lease;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::metrics;

mod alone;
mod tame;
mod voice;

use tame::{attachments, cut, files_of, mailbox, plain};
use voice::Voice;

/// How far a provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(5);
/// Why something is not sent on that was said too early.
const BEFORE: &str = "it was written before the account was read";
/// Compression of what came.
const COMPRESSION: i32 = 3;

/// Where something is told from.
#[derive(Debug, Clone)]
pub struct Context {
    /// Our account.
    pub account: String,
    /// How its messages travel.
    pub channel: Channel,
    /// What its provider's codes mean for an address.
    pub harm: HarmOf,
    /// What was said before fires nothing: it is from before the account was read.
    pub fire_after: Option<Micros>,
    /// The lease under which the account is read; without it (a hook, which any node hears) nothing is checked.
    pub lease: Option<(String, Lease)>,
    /// What the provider says of those who write and are nobody's.
    pub faces: Faces,
}

impl Context {
    /// Whether anything follows from what was said then. Some providers tell whole seconds.
    fn fires(&self, at: Micros) -> bool {
        self.fire_after.is_none_or(|after| at.seconds() >= after.seconds())
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Things that were not known.
    pub news: usize,
    /// Messages of theirs among them.
    pub received: usize,
    /// Things that mean nothing to us.
    pub others: usize,
}

impl Taken {
    fn add(&mut self, more: Self) {
        self.news += more.news;
        self.received += more.received;
        self.others += more.others;
    }
}

/// Stores what was told, and from where to go on, where that is told as well.
///
/// # Errors
/// Nothing of it was kept then (or, after [`StoreError::Commit`], it is not known): it is told again, and what was kept is known.
pub async fn take(
    store: &Store,
    clock: &Clock,
    context: &Context,
    (told, cursor): (&[Told], Option<&str>),
) -> Result<Taken, IngestError> {
    let told: Vec<Told> =
        told.iter().cloned().map(|told| tame::named(told, &context.faces)).map(tame::without_nul).collect();
    let taken = match again(is_overtaken, || take_once(store, clock, context, (&told, cursor))).await {
        Err(error) if is_lasting(&error) && !told.is_empty() => {
            alone::take(store, clock, context, (&told, cursor)).await?
        }
        taken => taken?,
    };
    let labels = [context.channel.as_str(), context.account.as_str()];
    metrics::count(&metrics::MESSAGES_RECEIVED, &labels, taken.received);
    metrics::count(&metrics::TOLD_UNKNOWN, &labels, taken.others);
    Ok(taken)
}

fn is_overtaken(error: &IngestError) -> bool {
    matches!(error, IngestError::Store(StoreError::Conflict(_) | StoreError::Exists(_)))
}

/// Whether the database refuses what it was given, and would again: neither others nor its own state are the reason.
fn is_lasting(error: &IngestError) -> bool {
    matches!(error, IngestError::Store(StoreError::Exists(_) | StoreError::Unhandled(_)))
}

async fn take_once(
    store: &Store,
    clock: &Clock,
    context: &Context,
    (told, cursor): (&[Told], Option<&str>),
) -> Result<Taken, IngestError> {
    let mut tx = store.begin("inbound.heard").await?;
    if !tx.holds_lease_of(context.lease.as_ref()).await? {
        return Err(IngestError::LeaseLost);
    }
    let mut taken = Taken::default();
    if !told.is_empty() {
        tx.lock_conversations().await?;
    }
    for told in told {
        let is_new = take_one(&mut tx, clock, context, told, &mut taken).await?;
        taken.news += usize::from(is_new);
    }
    if let Some(cursor) = cursor {
        tx.set_feed_cursor(&context.account, cursor, clock.now()).await?;
    }
    tx.commit().await?;
    Ok(taken)
}

/// Whether it was news.
async fn take_one(
    tx: &mut Tx,
    clock: &Clock,
    context: &Context,
    told: &Told,
    taken: &mut Taken,
) -> Result<bool, StoreError> {
    if context.channel == Channel::Slack && is_of_relay(tx, clock, context, told).await? {
        return Ok(true);
    }
    match told {
        Told::Said(said) => {
            let entered = enter(tx, clock, context, said).await?;
            taken.received += usize::from(entered == Some(Direction::Inbound));
            Ok(entered.is_some())
        }
        Told::Changed { id, text, at } => {
            let Some(message) = find(tx, context, id).await? else { return Ok(false) };
            revise::change(tx, clock, message, (&cut(text), *at)).await
        }
        Told::Deleted { id, at } => {
            let Some(message) = find(tx, context, id).await? else { return Ok(false) };
            revise::take_back(tx, clock, message, *at).await
        }
        Told::Reacted { id, to, author, with, at, removed } => {
            react(tx, clock, context, (id, to), (author, with, *at, *removed)).await
        }
        Told::Fares { id, token, progress, code, detail, at } => {
            let harm = code.as_deref().map_or(Harm::Passing, context.harm);
            let fares = Fares {
                account: context.account.clone(),
                channel: context.channel,
                id: id.clone(),
                token: token.clone(),
                progress: *progress,
                code: code.clone(),
                harm,
                detail: detail.clone(),
                at: *at,
                fires: context.fires(*at),
            };
            fares::note(tx, clock, &fares).await
        }
        Told::Pressed { .. } | Told::Other { .. } => {
            taken.others += 1;
            Ok(false)
        }
    }
}

/// Whether it is what the team says among itself. Then it is kept for the relay, and is nobody's message.
async fn is_of_relay(tx: &mut Tx, clock: &Clock, context: &Context, told: &Told) -> Result<bool, StoreError> {
    let account = context.account.as_str();
    match told {
        Told::Said(said) => relay::hear(tx, clock, &there(context, said)).await,
        Told::Changed { id, text, at } => relay::hear_change(tx, clock, (account, id), (Some(text), *at)).await,
        Told::Deleted { id, at } => relay::hear_change(tx, clock, (account, id), (None, *at)).await,
        Told::Pressed { message, conversation, place, by, author, text, has_files, mentions, at } => {
            let pressed = PressedThere {
                account,
                message,
                place,
                conversation: conversation.as_deref(),
                by: (&by.address, &by.name),
                author: (&author.address, &author.name),
                text,
                at: *at,
                has_files: *has_files,
                mentions: *mentions,
                refused: (!context.fires(*at)).then_some(BEFORE),
            };
            relay::hear_pressed(tx, clock, &pressed).await
        }
        Told::Reacted { .. } | Told::Fares { .. } | Told::Other { .. } => Ok(false),
    }
}

/// The same as the relay hears it.
fn there<'a>(context: &'a Context, said: &'a Said) -> SaidThere<'a> {
    SaidThere {
        account: &context.account,
        id: &said.id,
        conversation: &said.conversation,
        place: &said.place,
        author: (&said.author.address, &said.author.name),
        text: &said.text,
        at: said.at,
        token: said.token.as_deref(),
        by_nobody: said.by_machine || said.direction == Direction::Outbound,
        has_files: !said.files.is_empty(),
        edited: said.edited,
        mentions: said.mentions,
        refused: (said.is_history || !context.fires(said.at)).then_some(BEFORE),
    }
}

async fn find(tx: &mut Tx, context: &Context, id: &str) -> Result<Option<MessageId>, StoreError> {
    let known = tx.find_provider_messages(&context.account, vec![id.to_owned()]).await?;
    Ok(known.first().map(|row| row.message_id))
}

/// Enters a message, as theirs or ours; nothing where it is known, ours, or nobody's business here.
async fn enter(tx: &mut Tx, clock: &Clock, context: &Context, said: &Said) -> Result<Option<Direction>, StoreError> {
    if let Some(known) = find(tx, context, &said.id).await? {
        reread_known(tx, clock, context, (said, known)).await?;
        return Ok(None);
    }
    if said.direction == Direction::Outbound && is_own(tx, clock, context, said).await? {
        return Ok(None);
    }
    let voice = voice::of(tx, context, said).await?;
    let Some(placed) = voice::placed(tx, context, said, voice).await? else { return Ok(None) };
    let saying = saying_of(context, said, (voice, placed))?;
    let (consent, direction, fires) = (saying.consent, saying.direction, saying.fires);
    let conversation = saying.conversation.clone();
    let message = match said::enter(tx, clock, saying).await? {
        Entered::New(id, _) => id,
        Entered::Known(_) | Entered::Erased => return Ok(None),
    };
    note_id(tx, context, (&said.id, message)).await?;
    if let Some(word) = word_of(context, said) {
        tx.set_read_there(&context.account, &said.id, word).await?;
    }
    tx.insert_files(files_of(message, &context.account, &said.files, clock.now())).await?;
    if said.conversation == said.place && voice.speaks_for_a_side() {
        // Whoever writes to us alone is answered in the same conversation, also by what was to begin one.
        let other = if direction == Direction::Inbound { Some(&said.author) } else { said.to.first() };
        if let Some(other) = other {
            let direct = chat::direct_key(&context.account, &other.address);
            if direct != conversation {
                tx.insert_ref_of(message, &direct).await?;
            }
        }
    }
    if consent == ConsentReading::Start && direction == Direction::Inbound {
        let given = OptIn { channel: context.channel, address: &said.author.address, message, at: said.at, fires };
        fares::opt_in(tx, clock, given).await?;
    }
    Ok(Some(direction))
}

/// How what a provider reads itself in a text message of theirs is noted.
fn word_of(context: &Context, said: &Said) -> Option<&'static str> {
    let is_theirs = context.channel == Channel::Sms && said.direction == Direction::Inbound;
    said.consent.filter(|_| is_theirs).map(|word| match word {
        ConsentWord::Stop => fares::STOP,
        ConsentWord::Start => "start",
        ConsentWord::Help => "help",
    })
}

/// A message that is known is told again. Where the provider says now what it reads in it, and its words were read otherwise, that counts.
async fn reread_known(
    tx: &mut Tx,
    clock: &Clock,
    context: &Context,
    (said, known): (&Said, MessageId),
) -> Result<(), StoreError> {
    let Some(word) = word_of(context, said) else { return Ok(()) };
    let is_first = tx.set_read_there(&context.account, &said.id, word).await?;
    let reading = consent_of(said);
    if !is_first || reading == read_consent(&said.text) {
        return Ok(());
    }
    reread(tx, clock, (known, reading), |said| context.fires(said.at)).await
}

/// Whether it is a message that the hub sent. Then its id is noted, and where its outcome was not known, it is now.
async fn is_own(tx: &mut Tx, clock: &Clock, context: &Context, said: &Said) -> Result<bool, StoreError> {
    let Some(token) = &said.token else {
        return is_under_way(tx, clock, context, said).await;
    };
    let Some(own) = tx.find_tokens(vec![token.clone()]).await?.into_iter().next() else {
        // Ours, and erased with whom it went to: it does not come back.
        return Ok(!tx.find_erased_messages(vec![Mark::Token(token.clone())]).await?.is_empty());
    };
    fares::note_id(tx, &context.account, (&said.id, own.id)).await?;
    if own.status == Some(OutboxStatus::Uncertain) {
        tx.lock_runs_of(vec![own.id]).await?;
        settle::settle_seen(tx, clock, vec![own.id]).await?;
    }
    Ok(true)
}

/// A provider that keeps no token of ours: what is just under way with the same words is not entered a second time. Where it can only
/// be one, it is known now that the provider has it.
async fn is_under_way(tx: &mut Tx, clock: &Clock, context: &Context, said: &Said) -> Result<bool, StoreError> {
    let to = said.to.first().and_then(|to| chat::key(&to.address)).unwrap_or_default();
    let found = tx.find_under_way(&context.account, (&to, &said.text), said.at.plus(SKEW)).await?;
    if let [one] = found.as_slice()
        // Whoever has it in hand is about to be told by the provider itself.
        && tx.get_uncertain(*one).await?.is_some()
    {
        tx.lock_runs_of(found.clone()).await?;
        fares::note_id(tx, &context.account, (&said.id, *one)).await?;
        settle::settle_known(tx, clock, found.clone()).await?;
    }
    Ok(!found.is_empty())
}

async fn note_id(tx: &mut Tx, context: &Context, (id, message_id): (&str, MessageId)) -> Result<(), StoreError> {
    let row = NewProviderMessage { account: context.account.clone(), provider_id: id.to_owned(), message_id };
    tx.insert_provider_messages(vec![row]).await?;
    Ok(())
}

fn saying_of(context: &Context, said: &Said, (voice, placed): (Voice, Placed)) -> Result<Saying, StoreError> {
    let consent = match (context.channel, said.direction) {
        (Channel::Sms, Direction::Inbound) => consent_of(said),
        (Channel::Sms | Channel::Email | Channel::Slack | Channel::Manual, _) => ConsentReading::None,
    };
    Ok(Saying {
        channel: context.channel,
        account: context.account.clone(),
        direction: voice.direction(),
        kind: Voice::kind(said),
        placed,
        conversation: chat::conversation_key(&context.account, &said.conversation),
        subject: chat::subject_of(context.channel).to_owned(),
        author: mailbox(&said.author),
        to: said.to.iter().map(mailbox).collect(),
        text: cut(&said.text),
        at: said.at,
        print: chat::print_of(&context.account, &said.id),
        meaning: None,
        consent,
        raw: Some(pack(&said.raw)?).filter(|_| !said.raw.is_empty()),
        attachments: attachments(&said.files),
        fires: !said.is_history && context.fires(said.at),
    })
}

/// What the provider itself reads in it comes first.
fn consent_of(said: &Said) -> ConsentReading {
    match said.consent {
        Some(ConsentWord::Stop) => ConsentReading::Stop,
        Some(ConsentWord::Start) => ConsentReading::Start,
        Some(ConsentWord::Help) => ConsentReading::Help,
        None => read_consent(&said.text),
    }
}

fn pack(raw: &[u8]) -> Result<(Vec<u8>, i64, Vec<u8>), StoreError> {
    let packed = zstd::bulk::compress(raw, COMPRESSION);
    let packed = packed.map_err(|error| StoreError::Damaged(format!("memory is gone: {error}")))?;
    Ok((Sha256::digest(raw).to_vec(), i64::try_from(raw.len()).unwrap_or(i64::MAX), packed))
}

/// Somebody reacted to a message, or takes that back: it is on the timeline, and no answer. One that is taken back before it is told
/// stands there as taken back, so that it is known when it is told.
async fn react(
    tx: &mut Tx,
    clock: &Clock,
    context: &Context,
    (id, to): (&str, &str),
    (author, with, at, removed): (&Party, &str, Micros, bool),
) -> Result<bool, StoreError> {
    let text = format!(":{}:", plain(with).trim_matches(':'));
    if let Some(known) = find(tx, context, id).await? {
        let with = Some(text.as_str()).filter(|_| !removed);
        return revise::react(tx, clock, known, (with, at), context.fires(at)).await;
    }
    let Some(target) = find(tx, context, to).await? else { return Ok(false) };
    let conversation = chat::conversation_key(&context.account, &format!("of {to}"));
    tx.insert_ref_of(target, &conversation).await?;
    let key = chat::key(&author.address);
    let placed = said::whose(tx, (Direction::Inbound, Kind::Reaction), (key.as_deref(), &[]), &conversation).await?;
    let owned = tx.find_owners(key.into_iter().collect()).await?;
    if owned.is_empty() {
        // A teammate's, or a stranger's: nobody is asked whose a thumb is.
        return Ok(false);
    }
    let saying = Saying {
        channel: context.channel,
        account: context.account.clone(),
        direction: Direction::Inbound,
        kind: Kind::Reaction,
        placed,
        conversation,
        subject: chat::subject_of(context.channel).to_owned(),
        author: mailbox(author),
        to: Vec::new(),
        text,
        at,
        print: chat::print_of(&context.account, id),
        meaning: None,
        consent: ConsentReading::None,
        raw: None,
        attachments: None,
        fires: !removed && context.fires(at),
    };
    match said::enter(tx, clock, saying).await? {
        Entered::New(message, _) => {
            note_id(tx, context, (id, message)).await?;
            if removed {
                // Nobody was told of it, so nobody is told that it is gone.
                revise::react(tx, clock, message, (None, at), false).await?;
            }
            Ok(!removed)
        }
        Entered::Known(_) | Entered::Erased => Ok(false),
    }
}
