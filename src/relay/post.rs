//! Brings posts to their place: at least once, and as a rule once. What may stand there already is looked for first.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::{LEASE_SECONDS, Means, Relays, Voice};
use crate::clock::{self, machine_now};
use crate::connector::feed::{Line, Room, Sought, Words};
use crate::connector::{Offer, Outgoing, Phase, Reply, SendOutcome, Sender, not_before};
use crate::domain::chat;
use crate::domain::ids::RelayPostId;
use crate::domain::mail::Mailbox;
use crate::domain::oauth::rewritten_id;
use crate::domain::relay::mail_text;
use crate::domain::retry::{Refusal, is_about_message};
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, RelaySort, RelayState};
use crate::hub::enqueue::AccountFrom;
use crate::hub::relay::person_of;
use crate::lifecycle::Stop;
use crate::render::mail::{Draft, compose, with_date};
use crate::store::lease::Lease;
use crate::store::relay::{RelayPostRow, RelayThreadRow};
use crate::store::{Store, StoreError, Tx};

/// Posts of one account in one round; then others have their turn.
const ROUND_POSTS: usize = 50;
/// The rest after the first try that failed; it doubles with each one.
const REST: Duration = Duration::from_secs(5);
/// The longest rest.
const REST_MAX: Duration = Duration::from_mins(15);
/// How long a post is tried.
const TRIED_FOR: Duration = Duration::from_hours(72);
/// How long after a lost answer a post is looked for.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// How far a provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(5);
/// How long a try may take; less than the lease runs.
const TRY_MAX: Duration = Duration::from_secs(100);
/// How long what is known of a room holds.
const ROOM_KNOWN: Duration = Duration::from_secs(30);
/// How long a provider is heeded that wants to be left alone; then it is asked again.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// The rest of what may not be posted because of who would hear it.
const OPEN_REST: Duration = Duration::from_mins(5);

/// What is known of a room, and since when.
#[derive(Debug, Clone)]
pub(super) struct Known {
    room: Room,
    since: Instant,
}

/// A post with where it goes.
struct Errand {
    post: RelayPostRow,
    thread: RelayThreadRow,
    /// As a mail, where it is to be one.
    mail: Option<Letter>,
}

struct Letter {
    message_id: String,
    subject: String,
    text: String,
}

/// What came of a try.
enum Came {
    /// It stands there, under this id of the provider's.
    Stands(Option<String>),
    /// It does not: tried again, or given up after long enough. Where a time is given, not before it is over.
    Not(String, Option<Duration>),
    /// It does not, and whoever was asked says that it never will.
    Never(String),
    /// It may stand there since an earlier try, under this id, and is not taken again.
    Perhaps(String, Option<String>),
    /// It is not known. Where a time is given, it is not asked before that is over.
    Unknown(String, Option<Duration>),
    /// It was not taken, for the provider wants to be left alone: by everybody who sends by the account, on whichever node.
    Rest {
        why: String,
        /// Until when, on the clock of business.
        until: Micros,
        /// How long that is.
        wait: Duration,
        /// Whether it may stand there since an earlier try.
        perhaps: bool,
    },
}

impl Relays {
    /// Brings the posts of one account to their places.
    pub(super) async fn speak(
        &self,
        means: &Means,
        (account, voice): (&str, &Voice),
        stop: &Stop,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.read().await?;
        let due =
            tx.next_relay_post(account, machine_now()).await?.is_some() && !self.is_still(&mut tx, account).await?;
        drop(tx);
        if !due {
            return Ok(());
        }
        let name = format!("relay:{account}");
        let mut last: Option<(RelayPostId, Came)> = None;
        let mut lease: Option<Lease> = None;
        for _ in 0..ROUND_POSTS {
            let begins = !stop.is_soft();
            let Some((errand, held)) = self.next(means, (&name, lease), (account, last.take()), begins).await? else {
                break;
            };
            lease = Some(held);
            let Some(errand) = errand else { break };
            let came = self.bring(voice, &errand).await;
            let goes_well = matches!(came, Came::Stands(_));
            last = Some((errand.post.id, came));
            // Where one place does not answer, the others are not to wait for all that is due there.
            if !goes_well {
                break;
            }
        }
        let mut tx = self.store.begin("relay.rest").await?;
        if let Some((id, came)) = last {
            settle(&mut tx, id, came).await?;
        }
        if let Some(lease) = lease {
            tx.release_lease(&name, lease).await?;
        }
        tx.commit().await
    }

    /// One transaction: writes what came of the last try, and takes what is next. `None` where another node speaks for the account.
    async fn next(
        &self,
        means: &Means,
        (name, held): (&str, Option<Lease>),
        (account, last): (&str, Option<(RelayPostId, Came)>),
        begins: bool,
    ) -> Result<Option<(Option<Errand>, Lease)>, StoreError> {
        let mut tx = self.store.begin("relay.next").await?;
        // What is known of a try counts, whoever speaks for the account by now.
        if let Some((id, came)) = last {
            settle(&mut tx, id, came).await?;
        }
        let lease = tx.acquire_lease(name, self.run, LEASE_SECONDS).await?;
        let Some(lease) = lease.filter(|lease| held.is_none_or(|held| held.fence == lease.fence)) else {
            tx.commit().await?;
            return Ok(None);
        };
        let begins = begins && !self.is_still(&mut tx, account).await?;
        let now = tx.lease_now().await?;
        expire(&mut tx, now).await?;
        let mut errand = None;
        if begins
            && let Some(post) = tx.next_relay_post(account, now).await?
            && let Some(thread) = tx.get_relay_thread(post.thread_id).await?
        {
            tx.begin_relay_post(post.id, now).await?;
            let mail = self.letter(&mut tx, means, &post, &thread).await?;
            errand = Some(Errand { post, thread, mail });
        }
        tx.commit().await?;
        Ok(Some((errand, lease)))
    }

    /// What a mail says; nothing where no mail is to be written.
    async fn letter(
        &self,
        tx: &mut Tx,
        means: &Means,
        post: &RelayPostRow,
        thread: &RelayThreadRow,
    ) -> Result<Option<Letter>, StoreError> {
        let Some(Voice::Mail { domain, .. }) = means.voices.get(&thread.account) else { return Ok(None) };
        let Some(person) = person_of(tx, thread).await? else { return Ok(None) };
        let Some(person) = tx.get_influencer(person).await? else { return Ok(None) };
        let owner = person.owner.clone().or_else(|| means.default_owner.clone());
        let about = super::show::about(&person, owner, None);
        Ok(Some(Letter {
            message_id: format!("{}@{domain}", post.token),
            subject: about.called(),
            text: mail_text(&about, &post.text, &thread.account),
        }))
    }

    async fn bring(&self, voice: &Voice, errand: &Errand) -> Came {
        let brought = async {
            match voice {
                Voice::Room(line) => self.bring_to_room(line.as_ref(), errand).await,
                Voice::Mail { sender, from, .. } => bring_by_mail((sender)(), from, errand).await,
            }
        };
        let came = tokio::time::timeout(TRY_MAX, brought).await;
        let came = came.unwrap_or_else(|_| Came::Unknown(format!("no answer within {} s", TRY_MAX.as_secs()), None));
        match came {
            // It may stand there since an earlier try, and that was not found out.
            Came::Not(why, wait) if errand.post.state == RelayState::Begun => Came::Unknown(why, wait),
            Came::Never(why) if errand.post.state == RelayState::Begun => {
                Came::Perhaps(why, errand.mail.as_ref().map(|letter| letter.message_id.clone()))
            }
            Came::Rest { why, until, wait, .. } => {
                Came::Rest { why, until, wait, perhaps: errand.post.state == RelayState::Begun }
            }
            other @ (Came::Not(..) | Came::Never(_) | Came::Perhaps(..) | Came::Stands(_) | Came::Unknown(..)) => other,
        }
    }

    /// Whether nothing leaves by an account now: it is stopped, or its provider wants to be left alone.
    async fn is_still(&self, tx: &mut Tx, account: &str) -> Result<bool, StoreError> {
        let rests = tx.get_account(account).await?.and_then(|row| row.rest_until);
        Ok(rests.is_some_and(|until| until > self.clock.now()) || is_stopped(tx, account).await?)
    }

    async fn bring_to_room(&self, line: &dyn Line, errand: &Errand) -> Came {
        let room = match self.room(line, &errand.thread).await {
            Ok(room) => room,
            Err(error) => return Came::Not(error, None),
        };
        match who_hears(&self.store, &room).await {
            Ok(None) => {}
            Ok(Some(why)) => return Came::Not(why, Some(OPEN_REST)),
            Err(error) => return Came::Not(error.to_string(), None),
        }
        if errand.post.state == RelayState::Begun {
            match looked_for(line, (&room.place, errand)).await {
                Ok(Some(id)) => return Came::Stands(Some(id)),
                Ok(None) => {}
                Err(why) => return Came::Unknown(why, None),
            }
        }
        let words = Words {
            text: errand.post.text.clone(),
            token: errand.post.token.clone(),
            thread: errand.thread.root.clone().filter(|_| errand.post.sort != RelaySort::Opening),
            place: Some(room.place.clone()),
            callback: None,
        };
        let content = match serde_json::to_vec(&words) {
            Ok(content) => content,
            Err(error) => return Came::Not(error.to_string(), None),
        };
        let mail = Outgoing { from: String::new(), recipients: vec![room.place], content };
        match hand_over(line.sender(), mail, self.clock.now()).await {
            // A room can be mended, and then it is to be told what it missed.
            Came::Never(why) => Came::Not(why, Some(OPEN_REST)),
            other @ (Came::Not(..) | Came::Perhaps(..) | Came::Stands(_) | Came::Unknown(..) | Came::Rest { .. }) => {
                other
            }
        }
    }

    /// What is known of a room, asked anew where that was a while ago.
    async fn room(&self, line: &dyn Line, thread: &RelayThreadRow) -> Result<Room, String> {
        let key = (thread.account.clone(), thread.place.clone());
        let known = {
            let rooms = self.rooms.0.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.get(&key).filter(|known| known.since.elapsed() < ROOM_KNOWN).map(|known| known.room.clone())
        };
        if let Some(room) = known {
            return Ok(room);
        }
        let room = line.room(&thread.place).await.map_err(|error| error.to_string())?;
        let known = Known { room: room.clone(), since: Instant::now() };
        self.rooms.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known);
        Ok(room)
    }
}

/// Why nothing may be said in a room: somebody would hear it who is not of the team.
pub async fn who_hears(store: &Store, room: &Room) -> Result<Option<String>, StoreError> {
    if let Some(why) = &room.open {
        return Ok(Some(why.clone()));
    }
    let keys: Vec<String> = room.members.iter().filter_map(|member| chat::key(member)).collect();
    let mut tx = store.read().await?;
    let (address, who) = if let Some(known) = tx.find_owners(keys.clone()).await?.into_iter().next() {
        (known.value_key, "is an influencer or an agent here")
    } else if let Some(proposed) = tx.find_proposed(keys).await?.into_iter().next() {
        (proposed, "may be an influencer here (liaison unmatched list asks)")
    } else {
        return Ok(None);
    };
    Ok(Some(format!("{address}, who {who}, is a member of the channel and would read it")))
}

/// Whether a post stands there already: the provider's id of it.
async fn looked_for(line: &dyn Line, (place, errand): (&str, &Errand)) -> Result<Option<String>, String> {
    let begun = errand.post.begun_at.unwrap_or(errand.post.created_at);
    let sought = Sought {
        token: errand.post.token.clone(),
        from: String::new(),
        to: place.to_owned(),
        text: errand.post.text.clone(),
        thread: errand.thread.root.clone().filter(|_| errand.post.sort != RelaySort::Opening),
        place: Some(place.to_owned()),
        after: begun.minus(SKEW),
        // Also what a later try of the same left there.
        before: machine_now().plus(SKEW),
    };
    let looked = line.ledger().find(&sought).await.map_err(|error| error.to_string())?;
    match (looked.found.into_iter().find(|found| found.alike), looked.doubt) {
        (Some(found), _) => Ok(Some(found.id)),
        (None, Some(doubt)) => Err(doubt),
        (None, None) => Ok(None),
    }
}

/// A mail whose answer was lost is written again under the same Message-ID: most programs show it once.
async fn bring_by_mail(sender: Box<dyn Sender>, from: &AccountFrom, errand: &Errand) -> Came {
    let Some(letter) = &errand.mail else { return Came::Not("whom it is about is gone".to_owned(), None) };
    let root = errand.thread.root.clone().filter(|root| *root != letter.message_id);
    let draft = Draft {
        from: Mailbox { name: from.display_name.clone(), address: from.address.clone() },
        to: vec![Mailbox { name: String::new(), address: errand.thread.place.clone() }],
        subject: letter.subject.clone(),
        text: letter.text.clone(),
        message_id: letter.message_id.clone(),
        references: root.iter().cloned().collect(),
        in_reply_to: root,
        token: errand.post.token.clone(),
        extra: vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
        ..Draft::default()
    };
    let content = match compose(&draft) {
        Ok(content) => with_date(&content, machine_now()),
        Err(error) => return Came::Not(error.to_string(), None),
    };
    let mail = Outgoing { from: from.address.clone(), recipients: vec![errand.thread.place.clone()], content };
    match hand_over(sender, mail, machine_now()).await {
        Came::Stands(rewritten) => Came::Stands(Some(rewritten.unwrap_or_else(|| letter.message_id.clone()))),
        other @ (Came::Not(..) | Came::Never(_) | Came::Perhaps(..) | Came::Unknown(..) | Came::Rest { .. }) => other,
    }
}

/// Gives up what waits for too long, also what nobody was told because its relay was taken away: shown weeks later, where it is
/// configured again, it would be taken for news.
pub(super) async fn expire(tx: &mut Tx, now: Micros) -> Result<(), StoreError> {
    let posts = tx.expire_relay_posts(now.minus(TRIED_FOR), "it could not be shown for three days").await?;
    if posts > 0 {
        tracing::warn!(posts, "what the team was to be shown for three days and was not is given up");
    }
    Ok(())
}

/// Whether nothing leaves by an account: everything is held, or its sending was stopped (its provider's policy, too many bounces),
/// whomever it is for.
async fn is_stopped(tx: &mut Tx, account: &str) -> Result<bool, StoreError> {
    let is_held = tx.get_installation().await?.is_some_and(|installation| installation.held);
    let row = tx.get_account(account).await?;
    Ok(is_held || row.is_some_and(|row| row.sending_state == AccountState::Paused))
}

async fn hand_over(mut sender: Box<dyn Sender>, mail: Outgoing, now: Micros) -> Came {
    let came = match sender.offer(&mail).await {
        Ok(Offer::Ready { refused }) if refused.iter().all(Option::is_some) && !refused.is_empty() => {
            sender.withdraw().await;
            refusal(refused.iter().flatten().next(), Phase::Recipient, now)
        }
        Ok(Offer::Ready { .. }) => match sender.hand_over(&mail).await {
            // Some providers give a mail an id of their own, and say it here or never: answers to it name that one.
            SendOutcome::Accepted { id, reply } => {
                Came::Stands(id.or_else(|| rewritten_id(&reply.text).map(str::to_owned)))
            }
            SendOutcome::Refused(reply) => refusal(Some(&reply), Phase::Data, now),
            SendOutcome::Uncertain(why) => Came::Unknown(why, None),
        },
        Ok(Offer::Refused { phase, replies }) => refusal(replies.first(), phase, now),
        Err(error) => Came::Not(error.error.to_string(), None),
    };
    sender.close().await;
    came
}

/// `now` is the clock of whoever said until when to wait.
fn refusal(reply: Option<&Reply>, phase: Phase, now: Micros) -> Came {
    let why = reply.map(|reply| format!("{} {}", reply.code, reply.text)).unwrap_or_default();
    let is_final = |reply: &Reply| {
        let enhanced = reply.enhanced.as_deref();
        is_about_message(Refusal { step: phase.step(), code: reply.code, enhanced, text: &reply.text })
    };
    if reply.is_some_and(is_final) {
        return Came::Never(why);
    }
    match reply.and_then(not_before) {
        Some((until, whole)) => {
            let until = until.min(now.plus(RETRY_AFTER_MAX));
            let wait = until.since(now).max(REST);
            // One conversation alone has to wait, or all that leaves by the account.
            if whole { Came::Rest { why, until, wait, perhaps: false } } else { Came::Not(why, Some(wait)) }
        }
        None => Came::Not(why, None),
    }
}

/// Notes what a thread begins with, where nothing did before.
async fn begin_thread(tx: &mut Tx, post: &RelayPostRow, provider_id: Option<String>) -> Result<(), StoreError> {
    let thread = tx.get_relay_thread(post.thread_id).await?;
    if let (Some(root), Some(thread)) = (provider_id, thread)
        && thread.root.is_none()
    {
        tx.set_relay_root(thread.id, &root).await?;
    }
    Ok(())
}

/// Writes what came of a try. The caller holds the account's lease.
async fn settle(tx: &mut Tx, id: RelayPostId, came: Came) -> Result<(), StoreError> {
    let Some(post) = tx.get_relay_post(id).await? else { return Ok(()) };
    let now = tx.lease_now().await?;
    let tries = u32::try_from(post.tries.clamp(0, 20)).unwrap_or(20);
    let rest = REST.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(REST_MAX);
    let is_over = post.created_at.plus(TRIED_FOR) < now;
    match came {
        Came::Stands(provider_id) => {
            tx.set_relay_posted(id, provider_id.as_deref()).await?;
            begin_thread(tx, &post, provider_id).await?;
        }
        Came::Perhaps(why, provider_id) => {
            let why = format!("it may have arrived when it was tried before; then: {why}");
            tracing::warn!(account = post.account, why, given_up = true, "the team may not have been shown something");
            tx.put_relay_post_off(id, (RelayState::Failed, now), &why).await?;
            begin_thread(tx, &post, provider_id).await?;
        }
        Came::Not(why, wait) => {
            let due = now.plus(wait.unwrap_or_else(|| clock::jitter(rest)));
            let state = if is_over { RelayState::Failed } else { RelayState::Waiting };
            if is_over || tries == 3 {
                tracing::warn!(account = post.account, why, given_up = is_over, "the team can't be shown something");
            }
            tx.put_relay_post_off(id, (state, due), &why).await?;
        }
        Came::Never(why) => {
            tracing::warn!(account = post.account, why, given_up = true, "the team can't be shown something");
            tx.put_relay_post_off(id, (RelayState::Failed, now), &why).await?;
        }
        Came::Rest { why, until, wait, perhaps } => {
            tx.rest_account(&post.account, until).await?;
            let again = if perhaps { RelayState::Begun } else { RelayState::Waiting };
            let state = if is_over { RelayState::Failed } else { again };
            tx.put_relay_post_off(id, (state, now.plus(wait)), &why).await?;
        }
        Came::Unknown(why, wait) => {
            let state = if is_over { RelayState::Failed } else { RelayState::Begun };
            let due = now.plus(wait.unwrap_or_default().max(LOOK_AFTER).max(clock::jitter(rest)));
            tx.put_relay_post_off(id, (state, due), &why).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::OfferError;
    use futures_util::future::BoxFuture;

    /// A server that takes everything, and says these words.
    struct Says(&'static str);

    impl Sender for Says {
        fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
            let refused = mail.recipients.iter().map(|_| None).collect();
            Box::pin(async { Ok(Offer::Ready { refused }) })
        }

        fn hand_over<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
            let reply = Reply { code: 250, enhanced: None, text: self.0.to_owned() };
            Box::pin(async { SendOutcome::Accepted { reply, id: None } })
        }

        fn withdraw(&mut self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }

        fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn a_mail_stands_under_the_id_that_its_provider_gave_it() {
        for (words, expected) in [
            ("OK queued as 12", None),
            ("2.0.0 OK <new@x.prod.outlook.com> [Hostname=x]", Some("new@x.prod.outlook.com")),
        ] {
            let mail = Outgoing { from: "a@x.example".into(), recipients: vec!["b@x.example".into()], content: vec![] };
            let came = hand_over(Box::new(Says(words)), mail, Micros(0)).await;
            assert!(matches!(came, Came::Stands(id) if id.as_deref() == expected), "{words}");
        }
    }
}
