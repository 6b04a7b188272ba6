//! What the API may change, over the hub: each call is one transaction.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::{AccountParts, Hub};
use crate::config::Relay;
use crate::connector::email::parse;
use crate::domain::address;
use crate::domain::ids::{AgentId, InfluencerId, MessageId, NoteId, ThreadId};
use crate::domain::mail::{Attachment, Mailbox};
use crate::domain::webhook::guard::Reach;
use crate::domain::words::{Channel, OutboxStatus};
use crate::http::actions::{
    About, ActionError, Actions, AgentChangeOrder, AgentOrder, AttachmentContent, Done, EraseOrder, FilesOrder,
    ImportOrder, InfluencerChangeOrder, InfluencerOrder, MatchOrder, NetworkOrder, Pieces, SendOrder, Settlement,
    SimulateOrder, StageOrder, SteerOrder, Teammate, ThreadOrder,
};
use crate::hub::enqueue::{self, AccountFrom, Answers, EnqueueError, Order};
use crate::hub::import::ImportReport;
use crate::hub::people::erase::Erased;
use crate::hub::people::{
    self, AgentChange, InfluencerChange, NetworkGiven, NewAgent, NewInfluencer, PeopleError, StageMove,
};
use crate::hub::seal::{SealError, Vault};
use crate::hub::settle::{self, SettleError};
use crate::hub::talk::{self, Mouth, TalkError, Wish};
use crate::hub::touch::{TouchError, Touched, log_touch};
use crate::hub::unmatched::{self, MatchError, Whose};
use crate::render::mail::DraftAttachment;
use crate::render::shown::shown;
use crate::sequence::{Report, Tested};
use crate::store::reading::message::PackedMail;
use crate::store::{StoreError, Tx};

pub(super) struct HubActions {
    hub: Hub,
}

impl HubActions {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// Commits, and rings those who wait for news.
    async fn commit(&self, tx: Tx) -> Result<(), ActionError> {
        tx.commit().await?;
        self.hub.stored.notify_waiters();
        Ok(())
    }

    async fn send_now(&self, order: SendOrder) -> Result<MessageId, ActionError> {
        let live = self.hub.live();
        let mut tx = self.hub.store.begin("api.send").await?;
        let answers = order.reply_to_message_id.map(Answers::Message).or(order.reply_to_thread_id.map(Answers::Thread));
        let to = order.to.first().filter(|_| order.to.len() == 1).map(|to| to.address.clone());
        let wish = Wish { channel: order.channel, answers, to, ..Wish::default() };
        if let Some(channel @ (Channel::Sms | Channel::Slack)) =
            talk::channel_of(&mut tx, &wish).await.map_err(not_said)?
        {
            return self.say_now(tx, channel, order).await;
        }
        let account = choose_account(&mut tx, &live.accounts, &order).await?;
        let to = recipients(&mut tx, &order).await?;
        let now = self.hub.clock.now();
        let enqueued = enqueue::enqueue(
            &mut tx,
            &self.hub.clock,
            Order {
                account: AccountFrom {
                    name: account.name.clone(),
                    address: account.address.clone(),
                    display_name: account.display_name.clone(),
                },
                to,
                cc: order.cc,
                subject: order.subject,
                text: order.text,
                html: order.html,
                attachments: order
                    .attachments
                    .into_iter()
                    .map(|a| DraftAttachment {
                        content_type: a.content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
                        name: a.name,
                        content: a.content,
                    })
                    .collect(),
                answers,
                due_at: order.send_at.unwrap_or_default().max(now.plus(live.undo)),
                file_copy: account.file_copy,
                message_id_domain: address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned()),
                outreach: None,
            },
        )
        .await
        .map_err(not_enqueued)?;
        self.commit(tx).await?;
        self.hub.wakes.wake(&account.name);
        Ok(enqueued.id)
    }

    /// Words on a channel that is no mail.
    async fn say_now(&self, mut tx: Tx, channel: Channel, order: SendOrder) -> Result<MessageId, ActionError> {
        let live = self.hub.live();
        order.check_words()?;
        let answers = order.reply_to_message_id.map(Answers::Message).or(order.reply_to_thread_id.map(Answers::Thread));
        let wish = Wish {
            channel: Some(channel),
            account: order.account,
            influencer: order.influencer_id,
            to: order.to.into_iter().next().map(|to| to.address),
            answers,
        };
        let choice = talk::choose(&mut tx, &mouths(&live.accounts), channel, &wish).await.map_err(not_said)?;
        let due_at = order.send_at.unwrap_or_default().max(self.hub.clock.now().plus(live.undo));
        let said = talk::say(&mut tx, &self.hub.clock, &choice, (order.text, due_at)).await.map_err(not_said)?;
        self.commit(tx).await?;
        self.hub.wakes.wake(&choice.mouth.from.name);
        tracing::info!(message = %said.id, account = %choice.mouth.from.name, why = %choice.why, "a message was put into the outbox");
        Ok(said.id)
    }

    async fn touch_now(&self, touched: Touched) -> Result<MessageId, ActionError> {
        let mut tx = self.hub.store.begin("api.touch").await?;
        let (id, _) = log_touch(&mut tx, &self.hub.clock, touched).await.map_err(not_touched)?;
        self.commit(tx).await?;
        Ok(id)
    }

    async fn settle_now(&self, id: MessageId, settlement: Settlement) -> Result<(), ActionError> {
        let settlement = match settlement {
            Settlement::Sent => settle::Settlement::Sent,
            Settlement::SendAgain => settle::Settlement::SendAgain,
            Settlement::Drop => settle::Settlement::Drop,
        };
        let mut tx = self.hub.store.begin("api.settle").await?;
        settle::settle_by_person(&mut tx, &self.hub.clock, id, settlement).await.map_err(|e| not_settled(e, id))?;
        self.commit(tx).await?;
        for account in &self.hub.live().accounts {
            self.hub.wakes.wake(&account.name);
        }
        Ok(())
    }

    async fn match_now(&self, id: MessageId, order: MatchOrder, by: String) -> Result<(), ActionError> {
        let whose = match (order.influencer_id, order.agent_id, order.create) {
            (Some(id), None, None) => Whose::Influencer(id),
            (None, Some(id), None) => Whose::Agent(id, order.about),
            (None, None, Some(new)) => Whose::New(Box::new(new_influencer(new, self.hub.live().phone_region.clone()))),
            _ => {
                let what = "say exactly one of influencer_id, agent_id, create".to_owned();
                return Err(ActionError::Invalid(vec![(String::new(), what)]));
            }
        };
        let live = self.hub.live();
        let mut tx = self.hub.store.begin("api.match").await?;
        unmatched::match_message(&mut tx, &self.hub.clock, &live.stages, id, (whose, &by))
            .await
            .map_err(not_matched)?;
        self.commit(tx).await
    }

    async fn cancel_now(&self, id: MessageId, by: String) -> Result<(), ActionError> {
        let mut tx = self.hub.store.begin("api.cancel").await?;
        let why = format!("taken back by {by}");
        settle::cancel(&mut tx, &self.hub.clock, id, &why).await.map_err(|e| not_settled(e, id))?;
        self.commit(tx).await
    }
}

/// The accounts that could say something.
fn mouths(accounts: &[AccountParts]) -> Vec<Mouth> {
    let mouth = |account: &AccountParts| Mouth {
        from: AccountFrom {
            name: account.name.clone(),
            address: account.address.clone(),
            display_name: account.display_name.clone(),
        },
        channel: account.channel,
    };
    accounts.iter().map(mouth).collect()
}

fn not_said(error: TalkError) -> ActionError {
    match error {
        TalkError::Store(error) => ActionError::Store(error),
        TalkError::Enqueue(error) => not_enqueued(error),
        TalkError::UnknownAnswered => not_enqueued(EnqueueError::UnknownAnswered),
        TalkError::NoInfluencer(id) => ActionError::NotFound { sort: "influencer", given: id.to_string() },
        TalkError::NoAddress { .. } => invalid("/influencer_id", &error),
        TalkError::Nobody | TalkError::NotTheirs { .. } => invalid("/to", &error),
        TalkError::WhichChannel(_) => invalid("/channel", &error),
        TalkError::NoAccount { .. } | TalkError::WhichAccount(_) => invalid("/account", &error),
    }
}

/// The mailbox that sends.
async fn choose_account<'a>(
    tx: &mut Tx,
    accounts: &'a [AccountParts],
    order: &SendOrder,
) -> Result<&'a AccountParts, ActionError> {
    if let Some(id) = order.reply_to_thread_id
        && tx.get_thread(id).await?.is_none()
    {
        return Err(ActionError::NotFound { sort: "thread", given: id.to_string() });
    }
    let answers = order.reply_to_message_id.map(Answers::Message).or(order.reply_to_thread_id.map(Answers::Thread));
    let mailboxes: Vec<&str> =
        accounts.iter().filter(|account| account.channel == Channel::Email).map(|a| a.name.as_str()).collect();
    let named = order.account.as_deref();
    let (name, _) = talk::mailbox(tx, &mailboxes, (named, answers, order.influencer_id)).await.map_err(not_said)?;
    accounts
        .iter()
        .find(|account| account.name == name)
        .ok_or_else(|| ActionError::Invalid(vec![("/account".to_owned(), format!("there is no account `{name}`"))]))
}

/// To whom: as said, or to the primary address of the influencer.
async fn recipients(tx: &mut Tx, order: &SendOrder) -> Result<Vec<Mailbox>, ActionError> {
    let Some(id) = order.influencer_id.filter(|_| order.to.is_empty()) else { return Ok(order.to.clone()) };
    let id = people::survivor(tx, id).await?;
    let influencer = tx.get_influencer(id).await?;
    let influencer = influencer.ok_or_else(|| ActionError::NotFound { sort: "influencer", given: id.to_string() })?;
    let addresses = tx.list_addresses_of_influencers(vec![id]).await?;
    let usable = addresses.iter().filter(|a| a.channel == Channel::Email && a.dead_at.is_none());
    let Some(address) = usable.max_by_key(|a| a.is_primary) else {
        let what = format!("{} has no mail address that works", influencer.handle);
        return Err(ActionError::Invalid(vec![("/influencer_id".to_owned(), what)]));
    };
    let name = format!("{} {}", influencer.first_name, influencer.last_name).trim().to_owned();
    Ok(vec![Mailbox { name, address: address.value.clone() }])
}

fn invalid(pointer: &str, error: &impl std::fmt::Display) -> ActionError {
    ActionError::Invalid(vec![(pointer.to_owned(), error.to_string())])
}

pub(super) fn not_enqueued(error: EnqueueError) -> ActionError {
    match error {
        EnqueueError::Store(error) => ActionError::Store(error),
        EnqueueError::Stopped(_) => ActionError::Conflict { code: "do_not_contact", detail: error.to_string() },
        EnqueueError::UnknownAnswered => {
            ActionError::NotFound { sort: "message or thread", given: "the one it answers".to_owned() }
        }
        EnqueueError::NotMail(_) => ActionError::Conflict { code: "not_mail", detail: error.to_string() },
        EnqueueError::NoRecipient | EnqueueError::TooManyRecipients(_) | EnqueueError::Address(_) => {
            invalid("/to", &error)
        }
        EnqueueError::TooLarge { .. } | EnqueueError::NoWords | EnqueueError::TooLong { .. } => {
            invalid("/text", &error)
        }
        EnqueueError::WrongChannel(..) => invalid("/to", &error),
        EnqueueError::NoConsent(_) => ActionError::Conflict { code: "no_consent", detail: error.to_string() },
        EnqueueError::Compose(_)
        | EnqueueError::Chance(_)
        | EnqueueError::Compress(_)
        | EnqueueError::Track(_)
        | EnqueueError::Signing(_) => invalid("", &error),
    }
}

fn not_touched(error: TouchError) -> ActionError {
    match error {
        TouchError::Store(error) => ActionError::Store(error),
        TouchError::NoInfluencer(id) => ActionError::NotFound { sort: "influencer", given: id.to_string() },
        TouchError::Empty | TouchError::TooLong(_) => invalid("/text", &error),
        TouchError::Place => invalid("/place", &error),
        TouchError::Future => invalid("/said_at", &error),
        TouchError::OurAnswer => invalid("/meaning", &error),
    }
}

fn not_settled(error: SettleError, id: MessageId) -> ActionError {
    match error {
        SettleError::Store(error) => ActionError::Store(error),
        SettleError::Unknown => ActionError::NotFound { sort: "outbox message", given: id.to_string() },
        SettleError::State(status) => {
            let code = if status == OutboxStatus::Cancelled { "cancelled" } else { "wrong_state" };
            ActionError::Conflict { code, detail: format!("message {id} is {status}: this can't be done with it now") }
        }
    }
}

fn not_matched(error: MatchError) -> ActionError {
    match error {
        MatchError::Store(error) => ActionError::Store(error),
        MatchError::People(error) => not_changed(error),
        MatchError::NotWaiting(id) => ActionError::NotFound { sort: "unmatched message", given: id.to_string() },
        MatchError::AboutWhom(_) => ActionError::Conflict { code: "about_whom", detail: error.to_string() },
        MatchError::NoAddress(_) => ActionError::Conflict { code: "no_address", detail: error.to_string() },
    }
}

pub(super) fn not_changed(error: PeopleError) -> ActionError {
    let detail = error.to_string();
    match error {
        PeopleError::Store(error) => ActionError::Store(error),
        PeopleError::NoInfluencer(given) => ActionError::NotFound { sort: "influencer", given },
        PeopleError::NoAgent(given) => ActionError::NotFound { sort: "agent", given },
        PeopleError::UnknownStage { .. } => ActionError::Invalid(vec![("/stage".to_owned(), detail)]),
        PeopleError::Invalid(flaws) => {
            ActionError::Invalid(flaws.into_iter().map(|f| (format!("/{}", f.field), f.reason)).collect())
        }
        PeopleError::HandleTaken { .. } => ActionError::Conflict { code: "handle_taken", detail },
        PeopleError::AddressTaken { .. } => ActionError::Conflict { code: "address_taken", detail },
        PeopleError::NoAddress(given) => ActionError::NotFound { sort: "address", given },
        PeopleError::MailWaits { .. } => ActionError::Conflict { code: "mail_waits", detail },
        PeopleError::AddressInUse(_) => ActionError::Conflict { code: "address_in_use", detail },
        PeopleError::InHand(_) => ActionError::Conflict { code: "in_hand", detail },
        PeopleError::Chance(_) => ActionError::Conflict { code: "no_chance", detail },
        PeopleError::NotMerged(_) => ActionError::Conflict { code: "not_merged", detail },
        PeopleError::Changed(_) | PeopleError::AgentChanged(_) => {
            ActionError::Conflict { code: "changed_meanwhile", detail }
        }
    }
}

fn networks(given: Vec<NetworkOrder>) -> Vec<NetworkGiven> {
    given.into_iter().map(|n| NetworkGiven { network: n.network, handle: n.handle, followers: n.followers }).collect()
}

fn new_influencer(order: InfluencerOrder, phone_region: Option<String>) -> NewInfluencer {
    NewInfluencer {
        handle: order.handle,
        first_name: order.first_name,
        last_name: order.last_name,
        emails: order.emails,
        phones: order.phones,
        slack: order.slack,
        phone_region,
        timezone: order.timezone,
        owner: order.owner,
        stage: order.stage,
        tags: order.tags,
        networks: networks(order.networks),
        properties: order.properties,
    }
}

impl Actions for HubActions {
    fn send(&self, order: SendOrder, _by: String) -> Done<'_, MessageId> {
        self.send_now(order).boxed()
    }

    fn touch(&self, touched: Touched) -> Done<'_, MessageId> {
        self.touch_now(touched).boxed()
    }

    fn cancel(&self, id: MessageId, by: String) -> Done<'_, ()> {
        self.cancel_now(id, by).boxed()
    }

    fn settle(&self, id: MessageId, settlement: Settlement, _by: String) -> Done<'_, ()> {
        self.settle_now(id, settlement).boxed()
    }

    fn match_unmatched(&self, id: MessageId, order: MatchOrder, by: String) -> Done<'_, ()> {
        self.match_now(id, order, by).boxed()
    }

    fn create_influencer(&self, mut order: InfluencerOrder, by: String) -> Done<'_, InfluencerId> {
        Box::pin(async move {
            let live = self.hub.live();
            order.owner = order.owner.or_else(|| live.default_owner.clone());
            let mut tx = self.hub.store.begin("api.create_influencer").await?;
            let new = people::create_influencer(
                &mut tx,
                &self.hub.clock,
                &live.stages,
                &by,
                new_influencer(order, live.phone_region.clone()),
            )
            .await
            .map_err(not_changed)?;
            self.commit(tx).await?;
            Ok(new.id)
        })
    }

    fn update_influencer(&self, id: InfluencerId, order: InfluencerChangeOrder, by: String) -> Done<'_, ()> {
        Box::pin(async move {
            let change = InfluencerChange {
                handle: order.handle,
                first_name: order.first_name,
                last_name: order.last_name,
                owner: order.owner,
                timezone: order.timezone,
                properties: order.properties,
                tags: order.tags,
                networks: networks(order.networks),
                add_emails: order.add_emails,
                add_phones: order.add_phones,
                add_slack: order.add_slack,
                primary_email: order.primary_email,
                primary_phone: order.primary_phone,
                phone_region: self.hub.live().phone_region.clone(),
                version: order.version,
            };
            let mut tx = self.hub.store.begin("api.update_influencer").await?;
            people::update_influencer(&mut tx, &self.hub.clock, id, &by, change).await.map_err(not_changed)?;
            self.commit(tx).await
        })
    }

    fn move_stage(&self, id: InfluencerId, order: StageOrder, by: String) -> Done<'_, ()> {
        Box::pin(async move {
            let live = self.hub.live();
            let mut tx = self.hub.store.begin("api.move_stage").await?;
            people::seen(&mut tx, id, order.version).await.map_err(not_changed)?;
            let step = StageMove { influencer_id: id, to: order.stage, pinned: order.pinned, cause: by };
            people::move_stage(&mut tx, &self.hub.clock, &live.stages, step).await.map_err(not_changed)?;
            self.commit(tx).await
        })
    }

    fn merge(&self, keep: InfluencerId, from: InfluencerId, by: String) -> Done<'_, Value> {
        Box::pin(async move {
            let mut tx = self.hub.store.begin("api.merge").await?;
            let merged = people::merge(&mut tx, &self.hub.clock, keep, from, &by).await.map_err(not_changed)?;
            self.commit(tx).await?;
            Ok(json!(merged))
        })
    }

    fn unmerge(&self, id: InfluencerId, by: String) -> Done<'_, Value> {
        Box::pin(async move {
            let mut tx = self.hub.store.begin("api.unmerge").await?;
            let row = people::find_merge(&mut tx, &id.to_string()).await.map_err(not_changed)?;
            let undone = people::unmerge(&mut tx, &self.hub.clock, row.gone, &by).await.map_err(not_changed)?;
            self.commit(tx).await?;
            Ok(json!(undone))
        })
    }

    fn erase(&self, order: EraseOrder, by: String) -> Done<'_, Erased> {
        Box::pin(async move { super::erasure::erase(&self.hub, order, &by).await.map_err(not_changed) })
    }

    fn remove_address(&self, id: InfluencerId, address: String, seen: Option<i64>, by: String) -> Done<'_, ()> {
        Box::pin(async move {
            let region = self.hub.live().phone_region.clone();
            let mut tx = self.hub.store.begin("api.remove_address").await?;
            let of = (id, seen);
            people::remove_address(&mut tx, &self.hub.clock, of, (&address, region.as_deref()), &by)
                .await
                .map_err(not_changed)?;
            self.commit(tx).await
        })
    }

    fn export(&self, id: InfluencerId) -> Done<'_, Pieces> {
        Box::pin(async move { super::erasure::export(&self.hub, id).await })
    }

    fn import(&self, order: ImportOrder, by: String) -> Done<'_, ImportReport> {
        Box::pin(async move { super::imports::import(&self.hub, order, &by).await })
    }

    fn add_note(&self, id: InfluencerId, text: String, by: String) -> Done<'_, NoteId> {
        Box::pin(async move {
            let mut tx = self.hub.store.begin("api.add_note").await?;
            let note = people::add_note(&mut tx, &self.hub.clock, id, &by, &text).await.map_err(not_changed)?;
            self.commit(tx).await?;
            Ok(note.id)
        })
    }

    fn create_agent(&self, order: AgentOrder, _by: String) -> Done<'_, AgentId> {
        Box::pin(async move {
            let new = NewAgent {
                first_name: order.first_name,
                last_name: order.last_name,
                emails: order.emails,
                influencers: order.influencers,
            };
            let mut tx = self.hub.store.begin("api.create_agent").await?;
            let agent = people::create_agent(&mut tx, &self.hub.clock, new).await.map_err(not_changed)?;
            self.commit(tx).await?;
            Ok(agent.id)
        })
    }

    fn update_agent(&self, id: AgentId, order: AgentChangeOrder, _by: String) -> Done<'_, ()> {
        Box::pin(async move {
            let AgentChangeOrder { first_name, last_name, add_emails, add_influencers, remove_influencers, version } =
                order;
            let change = AgentChange {
                first_name,
                last_name,
                add_emails,
                add_others: Vec::new(),
                add_influencers,
                remove_influencers,
                version,
            };
            let mut tx = self.hub.store.begin("api.update_agent").await?;
            people::update_agent(&mut tx, &self.hub.clock, id, change).await.map_err(not_changed)?;
            self.commit(tx).await
        })
    }

    fn remove_agent(&self, id: AgentId, version: Option<i64>, _by: String) -> Done<'_, ()> {
        Box::pin(async move {
            let mut tx = self.hub.store.begin("api.remove_agent").await?;
            people::remove_agent(&mut tx, &self.hub.clock, id, version).await.map_err(not_changed)?;
            self.commit(tx).await
        })
    }

    fn update_thread(&self, id: ThreadId, order: ThreadOrder, by: String) -> Done<'_, ()> {
        super::desk::update_thread(&self.hub, id, (order, by)).boxed()
    }

    fn vault(&self) -> Result<Vault, SealError> {
        super::webhooks::vault(&self.hub.live())
    }

    fn reach(&self) -> Reach {
        super::webhooks::reach(&self.hub.live())
    }

    fn teammates(&self) -> Vec<Teammate> {
        super::desk::teammates(&self.hub)
    }

    fn relays(&self) -> BTreeMap<String, Relay> {
        self.hub.live().relays.clone()
    }

    fn release(&self, by: String) -> Done<'_, bool> {
        Box::pin(async move { super::desk::release(&self.hub, &by).await })
    }

    fn steer(&self, order: SteerOrder, by: String) -> Done<'_, Value> {
        Box::pin(async move { super::steering::steer(&self.hub, order, &by).await })
    }

    fn simulate(&self, sequence: String, order: SimulateOrder) -> Done<'_, Report> {
        let hub = self.hub.clone();
        apart(move |runtime| runtime.block_on(super::foresight::simulate_for(&hub, sequence, order)))
    }

    fn test(&self, sequence: String, files: Option<FilesOrder>) -> Done<'_, Tested> {
        let hub = self.hub.clone();
        apart(move |runtime| runtime.block_on(super::steering::drafts::test(&hub, &sequence, files)))
    }

    fn why(&self, about: About) -> Done<'_, serde_json::Value> {
        super::foresight::why_of(&self.hub, about).boxed()
    }

    fn open_attachment(&self, mail: PackedMail, n: usize) -> Done<'_, Option<AttachmentContent>> {
        Box::pin(async move {
            let open = move || open_attachment(mail, n);
            tokio::task::spawn_blocking(open).await.map_err(|_| StoreError::Damaged("a mail can't be opened".into()))?
        })
    }

    fn open_html(&self, raw: Vec<u8>) -> Done<'_, Option<String>> {
        Box::pin(async move {
            let safe = move || parse::html(&raw).map(|page| shown(&page));
            Ok(tokio::task::spawn_blocking(safe).await.ok().flatten())
        })
    }
}

/// Does what keeps a core busy, apart from requests that are quick.
fn apart<T: Send + 'static>(
    work: impl FnOnce(&tokio::runtime::Handle) -> Result<T, ActionError> + Send + 'static,
) -> Done<'static, T> {
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || work(&runtime));
    Box::pin(async move {
        done.await
            .unwrap_or_else(|error| Err(ActionError::Conflict { code: "simulation_died", detail: error.to_string() }))
    })
}

/// Unpacks a mail to find the attachment, and a second time, a little at a time, to give it out.
fn open_attachment(mail: PackedMail, n: usize) -> Result<Option<AttachmentContent>, ActionError> {
    let Some(found) = parse::find_attachment(&mail.unpack()?, n) else { return Ok(None) };
    let Attachment { name, content_type, size, .. } = found.about.clone();
    let content = found.open(mail.into_reader()?).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Some(AttachmentContent { name, content_type, size, content }))
}
