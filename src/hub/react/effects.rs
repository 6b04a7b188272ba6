//! Carries out what follows beside moves: addresses, ends of runs, holds, tasks, a paused account.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;

use crate::clock::Clock;
use crate::domain::calendar::Calendar;
use crate::domain::chat;
use crate::domain::consequence::{
    AWAY, About, Consequence, Ending, HOLD_USUAL, SOFT_BOUNCES, SOFT_BOUNCES_WITHIN, Whose, hold_until,
};
use crate::domain::ids::{InfluencerId, LedgerId};
use crate::domain::people::{SCOPE_ALL, Suppression};
use crate::domain::words::{AccountState, Channel, EventType, HoldSource, SuppressionReason, TaskKind, Word as _};
use crate::domain::zone::{Zone, country_of};
use crate::hub::hold::ByRule;
use crate::hub::outreach::{self, Cause, ExitReason};
use crate::hub::signal::{self, Signal};
use crate::hub::unsubscribe::{self, How};
use crate::hub::{hold, signing, task};
use crate::store::event::NewEvent;
use crate::store::mailbox::Side;
use crate::store::people::StageOf;
use crate::store::{StoreError, Tx};

/// The pass over the effects of one transaction.
struct Pass<'a> {
    clock: &'a Clock,
    standings: &'a HashMap<InfluencerId, StageOf>,
    events: Vec<NewEvent>,
    /// Whose runs end, and why; the first reason stays.
    endings: BTreeMap<InfluencerId, (Ending, Cause)>,
    /// Whose runs end if nothing of theirs is left.
    doubtful: BTreeMap<InfluencerId, Cause>,
    /// Soft bounces of this pass by person and address: their events are written after it.
    soft: HashMap<(InfluencerId, Option<String>), usize>,
}

fn cause_of(signal: &Signal) -> Cause {
    Cause { what: signal.what, message: signal.message }
}

pub(super) async fn carry_out(
    tx: &mut Tx,
    clock: &Clock,
    effects: &[(&Signal, Consequence)],
    standings: &HashMap<InfluencerId, StageOf>,
) -> Result<Vec<NewEvent>, StoreError> {
    let (endings, doubtful) = (BTreeMap::new(), BTreeMap::new());
    let mut pass = Pass { clock, standings, events: Vec::new(), endings, doubtful, soft: HashMap::new() };
    for (signal, consequence) in effects {
        pass.take(tx, signal, consequence).await?;
    }
    pass.end_runs(tx).await?;
    Ok(pass.events)
}

impl Pass<'_> {
    async fn take(&mut self, tx: &mut Tx, signal: &Signal, consequence: &Consequence) -> Result<(), StoreError> {
        let Some(id) = signal.influencer else {
            #[allow(clippy::wildcard_enum_match_arm, reason = "of nobody nothing else follows")]
            return match consequence {
                Consequence::PauseAccount => self.pause_account(tx, signal).await,
                Consequence::Redeem(token) => self.redeem(tx, token).await,
                Consequence::Suppress(whose) => self.suppress(tx, signal, (None, *whose)).await,
                _ => Ok(()),
            };
        };
        match consequence {
            // Moves are made at the end, all at once.
            Consequence::Move(_) => {}
            Consequence::End(ending) => {
                self.endings.entry(id).or_insert((*ending, cause_of(signal)));
            }
            Consequence::EndIfUnreachable => {
                self.doubtful.entry(id).or_insert_with(|| cause_of(signal));
            }
            Consequence::Suppress(whose) => self.suppress(tx, signal, (Some(id), *whose)).await?,
            Consequence::Dead(given) => self.bury(tx, signal, (id, given.as_deref())).await?,
            Consequence::Hold(source, until, reason) => {
                let rule = ByRule { source: *source, until: *until, reason, cause: signal.message };
                hold::hold_by_rule(tx, self.clock, id, rule).await?;
                self.hold_writer(tx, id, rule).await?;
            }
            Consequence::HoldAway(back_on) => {
                let (zone, holidays) = whose_days(tx, id).await?;
                if let Some(until) = hold_until(*back_on, self.clock.now(), &zone, &holidays) {
                    let rule =
                        ByRule { source: HoldSource::Away, until: Some(until), reason: AWAY, cause: signal.message };
                    hold::hold_by_rule(tx, self.clock, id, rule).await?;
                }
            }
            Consequence::CountSoft(address) => self.count_soft(tx, signal, (id, address)).await?,
            Consequence::Task(kind, about, text) => self.ask(tx, signal, (*kind, *about, text)).await?,
            Consequence::PauseAccount => self.pause_account(tx, signal).await?,
            Consequence::Redeem(token) => self.redeem(tx, token).await?,
        }
        Ok(())
    }

    /// What may be a no is perhaps that of whoever it was written from as well: in a thread that was given to another, it is taken for
    /// that one's.
    async fn hold_writer(&self, tx: &mut Tx, id: InfluencerId, rule: ByRule<'_>) -> Result<(), StoreError> {
        let Some(message) = rule.cause.filter(|_| rule.source == HoldSource::Machine) else { return Ok(()) };
        let key = tx.message_origin(message).await?.and_then(|(author, _)| chat::key(&author));
        let owners = tx.find_owners(key.into_iter().collect()).await?;
        for owner in owners.into_iter().filter_map(|owner| owner.influencer_id).filter(|owner| *owner != id) {
            hold::hold_by_rule(tx, self.clock, owner, rule).await?;
        }
        Ok(())
    }

    fn runs(&self, id: InfluencerId) -> bool {
        self.standings.get(&id).is_some_and(|s| s.running)
    }

    async fn end_runs(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let doubtful: Vec<InfluencerId> = self.doubtful.keys().copied().filter(|id| self.runs(*id)).collect();
        if !doubtful.is_empty() {
            for who in tx.list_reachable(doubtful).await? {
                if let (false, Some(cause)) = (who.has_address, self.doubtful.get(&who.id)) {
                    self.endings.entry(who.id).or_insert((Ending::Unreachable, *cause));
                }
            }
        }
        let mut by_reason: BTreeMap<(Ending, Cause), Vec<InfluencerId>> = BTreeMap::new();
        for (id, ending) in &self.endings {
            if self.runs(*id) {
                by_reason.entry(*ending).or_default().push(*id);
            }
        }
        for ((ending, cause), ids) in by_reason {
            let why = match ending {
                Ending::Replied => ExitReason::Replied,
                Ending::Unclear => ExitReason::Unclear,
                Ending::Refused => ExitReason::Refused,
                Ending::OptedOut => ExitReason::OptedOut,
                Ending::Complained => ExitReason::Complained,
                Ending::Unreachable => ExitReason::Bounced,
            };
            outreach::stop_runs(tx, self.clock, &ids, (&why, Some(cause))).await?;
        }
        Ok(())
    }

    /// A token that is none of ours unsubscribes nobody.
    async fn redeem(&mut self, tx: &mut Tx, token: &str) -> Result<(), StoreError> {
        let Some(keys) = signing::read_keys(tx).await? else { return Ok(()) };
        unsubscribe::unsubscribe_by_token(tx, self.clock, &keys, (token, How::Mail)).await?;
        Ok(())
    }

    /// The address that wrote the message of a signal; nothing where it has no usable one, or was written down by hand.
    async fn writer(tx: &mut Tx, signal: &Signal) -> Result<Option<(Channel, String)>, StoreError> {
        let Some(message) = signal.message else { return Ok(None) };
        Ok(tx.message_origin(message).await?.and_then(|(author, _)| chat::channel_of(&author)))
    }

    async fn suppress(
        &mut self,
        tx: &mut Tx,
        signal: &Signal,
        (id, whose): (Option<InfluencerId>, Whose),
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let datum = |name: &str| signal.data.as_ref().and_then(|d| d.get(name)).and_then(serde_json::Value::as_str);
        // An event that is raised after the page was used, or by a report of spam, names no message of theirs, only ours.
        let complained = signal.what == EventType::MessageComplained;
        let wrote = signal.what != EventType::InfluencerUnsubscribed && !complained;
        let reason = if complained { SuppressionReason::Complaint } else { SuppressionReason::OptedOut };
        let by_hand = datum("how") == Some("by_hand");
        let from = if wrote { Self::writer(tx, signal).await? } else { datum("address").and_then(chat::channel_of) };
        // What is said to a person, or in talk, is said of everything; by mail of mail, and by a keyword of text messages.
        let in_talk =
            [Channel::Manual, Channel::Slack].iter().any(|channel| datum("channel") == Some(channel.as_str()));
        let everywhere = by_hand || in_talk;
        let of = from.as_ref().map_or(Channel::Email, |(channel, _)| *channel);
        let mut all: BTreeSet<(Channel, String)> = from.into_iter().collect();
        // A no is a person's, not an address's: it holds for all of theirs on this channel. Where it was an agent who called a
        // mail spam, it is the agent's.
        let whose = match id {
            Some(id) if complained && !self.is_theirs(tx, id, &all).await? => Whose::Writer,
            _ => whose,
        };
        let own = match (whose, id) {
            (Whose::Everything, Some(id)) => tx.list_addresses_of_influencers(vec![id]).await?,
            (Whose::Everything, None) | (Whose::Writer, _) => {
                let owners = tx.find_owners(all.iter().map(|(_, key)| key.clone()).collect()).await?;
                tx.list_addresses_of_agents(owners.into_iter().filter_map(|o| o.agent_id).collect()).await?
            }
        };
        let own = own.into_iter().filter(|a| everywhere || a.channel == of);
        all.extend(own.map(|a| (a.channel, a.value_key)));
        let unnamed = if by_hand { "a teammate was told" } else { "unsubscribe page" };
        let evidence = signal.message.map_or_else(|| unnamed.to_owned(), |m| m.to_string());
        let addresses: Vec<String> = all.iter().map(|(_, key)| key.clone()).collect();
        if let (Some(id), true, Whose::Everything) = (id, everywhere, whose) {
            // Under the person as well: an address that comes later, or another record of theirs, does not escape it.
            all.insert((Channel::Manual, id.to_string()));
        }
        let rows: Vec<Suppression> = all
            .iter()
            .map(|(channel, key)| Suppression {
                id: LedgerId(self.clock.new_id()),
                channel: *channel,
                value_key: key.clone(),
                scope: SCOPE_ALL.to_owned(),
                reason,
                evidence: evidence.clone(),
                at: now,
            })
            .collect();
        let added = tx.insert_suppressions(&rows).await?;
        for (channel, key) in &all {
            tx.withdraw_consents(*channel, key, now).await?;
        }
        if let Some(id) = id
            && added > 0
            && wrote
            && whose == Whose::Everything
        {
            let data = json!({"by": "answer", "addresses": addresses});
            self.note(EventType::InfluencerUnsubscribed, signal, (id, data));
        }
        Ok(())
    }

    /// Whether one of these addresses is an influencer's own; also where none is known.
    async fn is_theirs(
        &self,
        tx: &mut Tx,
        id: InfluencerId,
        keys: &BTreeSet<(Channel, String)>,
    ) -> Result<bool, StoreError> {
        let own = tx.list_addresses_of_influencers(vec![id]).await?;
        Ok(keys.is_empty() || own.iter().any(|own| keys.iter().any(|(_, key)| *key == own.value_key)))
    }

    /// An address is dead, if it is theirs or one of an agent of theirs: a stranger's word kills nobody else's address.
    async fn bury(
        &mut self,
        tx: &mut Tx,
        signal: &Signal,
        (id, given): (InfluencerId, Option<&str>),
    ) -> Result<(), StoreError> {
        let place = match given.and_then(chat::channel_of) {
            Some(place) => Some(place),
            None => Self::writer(tx, signal).await?,
        };
        let Some((channel, key)) = place else { return Ok(()) };
        let mine = tx.outbox_recipient_owners(vec![key.clone()]).await?;
        if mine.iter().any(|owner| owner.influencer_id == Some(id)) {
            tx.mark_address_dead(channel, &key, "no longer there, says an answer", self.clock.now()).await?;
        }
        Ok(())
    }

    async fn count_soft(
        &mut self,
        tx: &mut Tx,
        signal: &Signal,
        (id, address): (InfluencerId, &str),
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let key = chat::key(address);
        let same = |data: &serde_json::Value| {
            let text = |name: &str| data.get(name).and_then(serde_json::Value::as_str);
            text("severity") == Some("soft") && text("address").and_then(chat::key) == key
        };
        let before = tx.list_bounces(id, now.minus(SOFT_BOUNCES_WITHIN)).await?.iter().filter(|d| same(d)).count();
        // Those of this pass, its own among them, are not written yet: after an outage many are read at once.
        let here = self.soft.entry((id, key.clone())).or_default();
        *here = here.saturating_add(1);
        if before.saturating_add(*here) < SOFT_BOUNCES {
            return Ok(());
        }
        let rule = ByRule {
            source: HoldSource::Bounces,
            until: Some(now.plus(HOLD_USUAL)),
            reason: "mail bounces for now",
            cause: signal.message,
        };
        hold::hold_by_rule(tx, self.clock, id, rule).await?;
        if !tx.has_open_task(id, TaskKind::Address).await? {
            let text = format!("Mail to {address} came back {SOFT_BOUNCES} times in 14 days: look whether it is right");
            self.ask(tx, signal, (TaskKind::Address, About::Person, &text)).await?;
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        tx: &mut Tx,
        signal: &Signal,
        (kind, about, text): (TaskKind, About, &str),
    ) -> Result<(), StoreError> {
        let influencer_id = signal.influencer.filter(|_| about == About::Person);
        if let Some(message) = signal.message {
            // A hold comes with each question: one that was answered does not answer the next.
            let is_asked = if kind == TaskKind::Refusal || (kind, about) == (TaskKind::Answer, About::Message) {
                tx.has_open_task_about(message, kind, influencer_id).await?
            } else {
                tx.has_task_about(message, kind, influencer_id).await?
            };
            if is_asked {
                return Ok(());
            }
        }
        let (message_id, text) = (signal.message, text.to_owned());
        let new = task::NewTask { influencer_id, kind, text, message_id, ..task::NewTask::default() };
        task::create_by_rule(tx, self.clock, new).await?;
        Ok(())
    }

    async fn pause_account(&mut self, tx: &mut Tx, signal: &Signal) -> Result<(), StoreError> {
        let text = |name: &str| signal.data.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let Some(account) = text("account") else { return Ok(()) };
        let status = text("status").unwrap_or_default();
        let reason =
            format!("a server refuses our mail by its policy ({status}): look into it, then resume the account");
        let now = self.clock.now();
        let paused = (AccountState::Paused, Some(reason.as_str()));
        if tx.set_account_state(&account, Side::Sending, paused, now).await? {
            let data = json!({"account": account, "side": "sending", "state": AccountState::Paused, "detail": reason});
            let down =
                Signal { what: EventType::AccountDown, influencer: None, message: None, at: now, data: Some(data) };
            self.events.push(signal::event(self.clock, None, down));
        }
        Ok(())
    }

    fn note(&mut self, what: EventType, signal: &Signal, (id, data): (InfluencerId, serde_json::Value)) {
        let stage = self.standings.get(&id).map(|s| s.stage.clone());
        let fact =
            Signal { what, influencer: Some(id), message: signal.message, at: self.clock.now(), data: Some(data) };
        self.events.push(signal::event(self.clock, stage.as_deref(), fact));
    }
}

/// The clock and the holidays somebody lives by: their own zone and its country; where it is not known, what a sequence they
/// are in takes in its place.
async fn whose_days(tx: &mut Tx, id: InfluencerId) -> Result<(Zone, Calendar), StoreError> {
    let own = tx.list_persons(vec![id]).await?.pop().and_then(|person| person.timezone);
    let mut zone = own.as_deref().and_then(Zone::named);
    if zone.is_none()
        && let Some(run) = tx.list_enrollments_of(vec![id]).await?.into_iter().find(outreach::is_live)
    {
        // A version that can't be read stops its own runs, never what is learned of people.
        let version = outreach::readable(tx, &run.version).await?;
        zone = version.ok().and_then(|definition| Zone::named(&definition.schedule.fallback));
    }
    let zone = zone.unwrap_or_else(Zone::utc);
    let holidays = country_of(zone.name()).and_then(outreach::plan::country).unwrap_or_default();
    Ok((zone, holidays))
}
