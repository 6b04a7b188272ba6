//! Decides, without a database, what a batch comes to: for each message the conversation, the timelines, the sort, and
//! the facts that follow.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::know::{self, Known};
use super::report::Heard;
use super::{Arrival, Context, Draft, Ingested, facts, report, sort_of};
use crate::clock::Clock;
use crate::domain::automatic::Verdict as Sort;
use crate::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::ParsedMail;
use crate::domain::subject;
use crate::domain::threading::books::{Books, Entry};
use crate::domain::threading::{Ask, Owner, Part, Placed, choose_parts};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel, Direction, EventType, FolderRole, Kind, OutboxStatus, Role, TaskKind};
use crate::hub::said::meaning;
use crate::hub::signal::Signal;
use crate::hub::task::NewTask;
use crate::store::message::{NewDelivery, NewMessage, NewUnmatched};

/// Characters of two texts that are compared to tell a copy from another message with the same Message-ID.
const HEAD: usize = 200;

/// Someone's part in a new message; the thread is known when all merges are.
#[derive(Debug)]
pub(super) struct PlannedPart {
    pub(super) message: MessageId,
    pub(super) conversation: ConversationId,
    pub(super) part: Part,
    pub(super) at: Micros,
}

/// Everything a batch writes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) books: Books,
    pub(super) messages: Vec<NewMessage>,
    pub(super) raws: Vec<(Vec<u8>, i64, Vec<u8>)>,
    pub(super) parts: Vec<PlannedPart>,
    pub(super) deliveries: Vec<NewDelivery>,
    pub(super) unmatched: Vec<NewUnmatched>,
    pub(super) strangers: Vec<(String, MessageId, Role)>,
    pub(super) signals: Vec<Signal>,
    /// (influencer, instant, whose turn).
    pub(super) touches: Vec<(InfluencerId, Micros, Option<Awaiting>)>,
    /// Address keys at which nothing arrives any more, with the reason.
    pub(super) dead: Vec<(String, String)>,
    /// Address keys that complained, and in which message.
    pub(super) complained: Vec<(String, MessageId)>,
    /// Messages of ours that are proven to have been sent.
    pub(super) proven: Vec<MessageId>,
    /// Tasks for a person, about mails that could not be read.
    pub(super) tasks: Vec<NewTask>,
    /// Our server files what we send.
    pub(super) filing_seen: bool,
    /// Conversations in which a waiting message may have found its place.
    pub(super) recheck: HashSet<ConversationId>,
    copies: usize,
    left_out: usize,
}

impl Plan {
    pub(super) fn summary(&self) -> Ingested {
        Ingested { new: self.messages.len(), copies: self.copies, left_out: self.left_out }
    }
}

struct Planner<'a> {
    clock: &'a Clock,
    context: &'a Context,
    known: Known,
    plan: Plan,
    /// Messages of this very batch, by fingerprint.
    fresh_prints: HashMap<Vec<u8>, (MessageId, String, serde_json::Value)>,
}

pub(super) fn plan(clock: &Clock, context: &Context, drafts: &[Draft<'_>], known: Known) -> Plan {
    let mut planner = Planner { clock, context, known, plan: Plan::default(), fresh_prints: HashMap::new() };
    for draft in drafts {
        planner.take(draft);
    }
    planner.plan.books = planner.known.books;
    planner.plan
}

impl Planner<'_> {
    fn take(&mut self, draft: &Draft<'_>) {
        // A folder of all mail holds what somebody is still writing: it says nothing to anybody, and proves nothing sent.
        if draft.arrival.draft {
            self.plan.left_out += 1;
            self.deliver(draft, None, Some("a draft"));
            return;
        }
        if draft.arrival.withheld.is_some() && draft.author.is_none() {
            self.plan.left_out += 1;
            self.deliver(draft, None, Some("the server does not give it"));
            self.ask_for_withheld(draft, None, None);
            return;
        }
        if let Some(id) = self.known_as(draft) {
            self.plan.copies += 1;
            self.tie_copy(draft);
            self.deliver(draft, Some(id), None);
            return;
        }
        if know::marks_of(draft).iter().any(|mark| self.known.erased.contains(mark)) {
            self.plan.left_out += 1;
            self.deliver(draft, None, Some("erased"));
            return;
        }
        let stranger = draft.author.as_ref().is_none_or(|key| !self.known.people.owners.contains_key(key));
        if self.context.role == FolderRole::Junk && stranger && !self.is_about_us(draft) {
            self.plan.left_out += 1;
            self.deliver(draft, None, Some("junk from an unknown sender"));
            return;
        }
        self.add(draft);
    }

    /// Whether a mail names what we sent: by the token of an unsubscribe link, as a report on it, or as an answer to it. Providers
    /// put those into Junk as well.
    fn is_about_us(&self, draft: &Draft<'_>) -> bool {
        let mail = &draft.arrival.mail;
        let mut answered = mail.in_reply_to.iter().chain(mail.references.last());
        facts::unsubscribe_token(self.context, draft).is_some()
            || know::reported_on(draft, &self.known).is_some()
            || answered.any(|id| self.known.own_ids.contains_key(id))
    }

    /// Somebody has to look at a mail that could not be read: the hub can't tell what it says. Old mail is only entered.
    fn ask_for_withheld(&mut self, draft: &Draft<'_>, id: Option<MessageId>, influencer: Option<InfluencerId>) {
        let Some(why) = draft.arrival.withheld.as_ref().filter(|_| draft.fires) else { return };
        let (account, folder, uid) = (&self.context.account, &self.context.folder, draft.arrival.uid);
        let here = if id.is_some() { "Only its headers are here" } else { "Nothing of it is here" };
        let text = format!(
            "A mail in the folder `{folder}` of the account `{account}` (uid {uid}) could not be read: {why}. {here}: look at it \
             with a mail program"
        );
        let new =
            NewTask { kind: TaskKind::Mail, text, message_id: id, influencer_id: influencer, ..NewTask::default() };
        self.plan.tasks.push(new);
    }

    /// What we sent ourselves is a copy when it is read: that is where its provider says to which conversation it belongs.
    fn tie_copy(&mut self, draft: &Draft<'_>) {
        if draft.arrival.conversation.is_some() && self.known.books.knows_any(&draft.keys) {
            let clock = self.clock;
            self.known.books.place(&draft.keys, None, || ConversationId(clock.new_id()));
        }
    }

    fn deliver(&mut self, draft: &Draft<'_>, message_id: Option<MessageId>, left_out: Option<&'static str>) {
        self.plan.deliveries.push(NewDelivery {
            folder_id: self.context.folder_id,
            uid_validity: self.context.uid_validity,
            uid: draft.arrival.uid,
            message_id,
            left_out,
            seen_at: self.clock.now(),
        });
    }

    /// The message this one is a copy of: what we sent ourselves, or what was seen before.
    fn known_as(&mut self, draft: &Draft<'_>) -> Option<MessageId> {
        let arrival = draft.arrival;
        if draft.direction == Direction::Outbound {
            let mail = &arrival.mail;
            let own = mail
                .token
                .as_ref()
                .and_then(|token| self.known.tokens.get(token))
                .or_else(|| mail.message_id.as_ref().and_then(|id| self.known.own_ids.get(id)))
                .filter(|own| own.status.is_some());
            if let Some(own) = own {
                let id = own.id;
                if own.status == Some(OutboxStatus::Uncertain) {
                    self.plan.proven.push(id);
                }
                let files = matches!(self.context.role, FolderRole::Sent | FolderRole::All);
                self.plan.filing_seen |= files && self.context.server_files_sent;
                return Some(id);
            }
        }
        if let Some(known) = self.known.prints.get(&arrival.strong) {
            return Some(known.id);
        }
        if let Some((id, _, _)) = self.fresh_prints.get(&arrival.strong) {
            return Some(*id);
        }
        if let Some(known) = self.known.prints.get(&arrival.weak) {
            let files = known.attachments.as_ref().map_or_else(|| json!([]), |files| files.0.clone());
            return same_content((&known.text_head, &files), &arrival.mail).then_some(known.id);
        }
        let (id, head, files) = self.fresh_prints.get(&arrival.weak)?;
        same_content((head, files), &arrival.mail).then_some(*id)
    }

    /// The weak fingerprint, unless another message has taken it.
    fn fingerprint(&mut self, arrival: &Arrival, id: MessageId) -> Vec<u8> {
        let taken = self.known.prints.contains_key(&arrival.weak) || self.fresh_prints.contains_key(&arrival.weak);
        let print = if taken { arrival.strong.clone() } else { arrival.weak.clone() };
        let head: String = arrival.mail.text.chars().take(2 * HEAD).collect();
        let files = json!(arrival.mail.attachments);
        self.fresh_prints.insert(arrival.strong.clone(), (id, head.clone(), files.clone()));
        self.fresh_prints.insert(print.clone(), (id, head, files));
        print
    }

    fn add(&mut self, draft: &Draft<'_>) {
        let id = MessageId(self.clock.new_id());
        let mail = &draft.arrival.mail;
        let moves_before = self.known.books.moves().len();
        let by_subject =
            if self.known.books.knows_any(&draft.keys) { None } else { know::by_subject(draft, &self.known) };
        let guessed = by_subject.is_some();
        let also = by_subject.map(|t| t.conversation_id);
        let clock = self.clock;
        let conversation = self.known.books.place(&draft.keys, also, || ConversationId(clock.new_id()));
        let in_conversation = self.known.books.influencers_in(conversation);
        let sort = sort_of(draft, self.parent_sent_at(mail));
        // What sort old mail is, is told as well; what it means is not asked.
        let asked = match sort.kind {
            Kind::Human => draft.fires,
            Kind::Automatic => draft.fires || !sort.proven,
            // Words of somebody gone may be a person's, about somebody else.
            Kind::Gone => draft.fires && !sort.sure,
            Kind::OutOfOffice | Kind::Bounce | Kind::Complaint | Kind::Reaction => false,
        };
        let speaks = asked && draft.direction == Direction::Inbound;
        let meant =
            speaks.then(|| facts::judge(self.context, draft, self.answered_subject(draft, conversation).as_deref()));
        let sort = match &meant {
            Some(verdict) => sort.with_answer(verdict.meaning),
            None => sort,
        };
        let answer = meant.as_ref().map(meaning);
        let kind = sort.kind;
        let heard = report::hear(self.context, draft, &self.known);
        let reported = heard.keys();
        let mut placed = choose_parts(&Ask {
            direction: draft.direction,
            kind,
            author: draft.author.as_deref(),
            to: &draft.to,
            cc: &draft.cc,
            reported: &reported,
            in_conversation: &in_conversation,
            of_parent: &parents_of(draft, &self.known.parents),
            sure_in_conversation: &self.known.sure_in(conversation),
            sure_of_parent: &parents_of(draft, &self.known.sure_parents),
            identity: &self.context.identity,
            people: &self.known.people,
        });
        self.give(conversation, &mut placed);
        if self.known.books.moves().len() > moves_before
            || placed.parts.iter().any(|part| !in_conversation.contains(&part.influencer))
        {
            self.plan.recheck.insert(conversation);
        }
        // Whoever these addresses turn out to be learns then what the report says.
        let nobodys = reported.into_iter().filter(|key| !self.known.people.owners.contains_key(key));
        placed.strangers.extend(nobodys.map(|key| (key, Role::Recipient)));
        let facts = self.signal(draft, id, (&sort, answer, &heard), &placed);
        if guessed {
            // Who wrote it is certain; in which thread it belongs is not.
            placed.parts.iter_mut().for_each(|part| part.assigned = false);
        }
        self.enter(draft, (id, conversation), (kind, facts), &placed);
        self.ask_for_withheld(draft, Some(id), placed.parts.first().map(|part| part.influencer));
        let message = self.message(draft, id, conversation, kind);
        self.plan.messages.push(message);
        let arrival = draft.arrival;
        self.plan.raws.push((arrival.raw_hash.clone(), arrival.raw_size, arrival.raw_data.clone()));
        self.deliver(draft, Some(id), None);
    }

    /// Where a person gave a thread of this conversation to somebody else, it concerns that one.
    fn give(&self, conversation: ConversationId, placed: &mut Placed) {
        if self.known.given.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        for part in &mut placed.parts {
            part.influencer = self.known.given(conversation, part.influencer);
        }
        // The writer counts, where both were concerned.
        placed.parts.sort_by_key(|part| part.role != Role::Author);
        placed.parts.retain(|part| seen.insert(part.influencer));
    }

    fn message(&mut self, draft: &Draft<'_>, id: MessageId, conversation: ConversationId, kind: Kind) -> NewMessage {
        let fingerprint = self.fingerprint(draft.arrival, id);
        let mail = &draft.arrival.mail;
        let author = draft.writer.clone();
        let list = |entries: usize, value: serde_json::Value| (entries > 0).then_some(value);
        NewMessage {
            id,
            conversation_id: conversation,
            direction: draft.direction,
            kind,
            channel: Channel::Email,
            account: self.context.account.clone(),
            internet_message_id: mail.message_id.clone(),
            fingerprint,
            author_name: author.name,
            author_address: author.address,
            recipients: json!({"to": mail.to, "cc": mail.cc, "bcc": mail.bcc, "reply_to": mail.reply_to}),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            reply_text: (mail.reply_text != mail.text).then(|| mail.reply_text.clone()),
            attachments: list(mail.attachments.len(), json!(mail.attachments)),
            flaws: list(mail.flaws.len(), json!(mail.flaws)),
            has_html: mail.has_html,
            size: draft.arrival.size,
            raw_hash: Some(draft.arrival.raw_hash.clone()),
            at: draft.at,
            stored_at: self.clock.now(),
            backfilled: !draft.fires,
        }
    }

    /// Enters a message into the threads of those it concerns.
    fn enter(
        &mut self,
        draft: &Draft<'_>,
        (id, conversation): (MessageId, ConversationId),
        (kind, facts): (Kind, Option<serde_json::Value>),
        placed: &Placed,
    ) {
        let turn = turn_after(draft.direction, kind);
        let mail = &draft.arrival.mail;
        for part in &placed.parts {
            let (clock, context) = (self.clock, self.context);
            let thread = self.known.books.thread(conversation, part.influencer, || Entry {
                id: ThreadId(clock.new_id()),
                account: context.account.clone(),
                subject: mail.subject.clone(),
                subject_key: subject::base_subject(&mail.subject),
                message_count: 0,
                last_message_at: draft.at,
                awaiting: None,
                changed: true,
            });
            thread.message_count += 1;
            thread.changed = true;
            if draft.at >= thread.last_message_at {
                thread.last_message_at = draft.at;
                thread.awaiting = turn.or(thread.awaiting);
            }
            self.plan.touches.push((part.influencer, draft.at, turn));
            self.plan.parts.push(PlannedPart { message: id, conversation, part: *part, at: draft.at });
        }
        for (key, role) in &placed.strangers {
            self.plan.strangers.push((key.clone(), id, *role));
        }
        if let (Some(waiting), Direction::Inbound) = (placed.waiting, draft.direction) {
            let author = draft.writer.clone();
            self.plan.unmatched.push(NewUnmatched {
                message_id: id,
                reason: waiting.reason,
                address: author.address,
                address_key: draft.author.clone().unwrap_or_default(),
                name: author.name,
                influencer_id: waiting.influencer,
                agent_id: waiting.agent,
                at: draft.at,
                facts,
            });
        }
        if let Some(message_id) = &mail.message_id {
            let influencers: Vec<InfluencerId> = placed.parts.iter().map(|p| p.influencer).collect();
            self.known.parents.entry(message_id.clone()).or_default().extend(influencers);
            let sure = placed.parts.iter().filter(|p| p.assigned).map(|p| p.influencer);
            self.known.sure_parents.entry(message_id.clone()).or_default().extend(sure);
        }
        let sure = placed.parts.iter().filter(|p| p.assigned).map(|p| (conversation, p.influencer));
        self.known.sure_in.extend(sure);
    }

    /// The facts that follow from a message, and those that follow once it is known whose it is. Old mail of a first sync
    /// brings none.
    fn signal(
        &mut self,
        draft: &Draft<'_>,
        id: MessageId,
        (sort, answer, heard): (&Sort, Option<serde_json::Value>, &Heard),
        placed: &Placed,
    ) -> Option<serde_json::Value> {
        self.prove(draft);
        if !draft.fires {
            return None;
        }
        let context = self.context;
        let account = &context.account;
        // The run whose mail this answers learns of it, in whatever thread either of them stands by now.
        let mail = &draft.arrival.mail;
        let mut named = mail.in_reply_to.iter().chain(mail.references.last());
        let answers = named.find_map(|id| self.known.own_ids.get(id)).map(|own| own.id);
        let is_human = draft.direction == Direction::Inbound && sort.kind == Kind::Human;
        // A list's mail is for many: what it says of leaving is about the list.
        let machines = answer.as_ref().filter(|_| sort.kind == Kind::Automatic && !mail.automatic.list).cloned();
        let answer = answer.filter(|_| is_human);
        let mut raise = |what: EventType, influencer: Option<InfluencerId>, data: serde_json::Value| {
            self.plan.signals.push(Signal { what, influencer, message: Some(id), at: draft.at, data: Some(data) });
        };
        // Whoever wants no more mail gets none: where nobody it shows at is unsure, those it was sent to carry that.
        let carried = placed.parts.iter().any(|part| !part.assigned);
        let to_all = !carried && facts::is_opt_out(answer.as_ref());
        for part in &placed.parts {
            let influencer = Some(part.influencer);
            if draft.direction == Direction::Outbound {
                raise(EventType::MessageSent, influencer, json!({"account": account, "by": "mailbox"}));
                continue;
            }
            // Only who is not surely meant waits; those it was copied to do not.
            let waiting = placed.waiting.filter(|_| !part.assigned || to_all).map(|w| w.reason);
            let mut data = facts::received(context, draft, sort, Some(part.role));
            if let Some(data) = data.as_object_mut() {
                data.insert("by_agent".to_owned(), json!(part.agent));
                data.insert("waiting".to_owned(), json!(waiting));
                if waiting.is_some() {
                    data.insert("answer".to_owned(), json!(answer.as_ref().or(machines.as_ref())));
                } else if let Some(machines) = machines.as_ref().filter(|_| part.assigned) {
                    data.insert("answer".to_owned(), machines.clone());
                }
            }
            raise(EventType::MessageReceived, influencer, data);
            if is_human && part.role == Role::Author && part.assigned {
                let data = json!({
                    "account": account, "by_agent": part.agent, "answer": answer, "answers": answers,
                });
                raise(EventType::ThreadReplied, influencer, data);
            }
        }
        let received = || facts::received(context, draft, sort, None);
        let waiting = placed.waiting.filter(|_| draft.direction == Direction::Inbound);
        if placed.parts.is_empty() {
            let has_token = facts::unsubscribe_token(context, draft).is_some();
            let no_more = waiting.filter(|_| facts::is_opt_out(answer.as_ref()));
            // A token says who wants out, from whatever address it came; and whoever wants no more mail gets none, known or not.
            if has_token || no_more.is_some() {
                let mut data = received();
                if let (Some(data), Some(waiting)) = (data.as_object_mut(), no_more) {
                    data.insert("waiting".to_owned(), json!(waiting.reason));
                    data.insert("answer".to_owned(), json!(answer));
                }
                raise(EventType::MessageReceived, None, data);
            }
        }
        self.consequences(draft, (id, heard), placed);
        waiting.map(|_| {
            let reports: Vec<_> = heard
                .told
                .iter()
                .map(|t| json!({"what": t.what, "key": t.key, "message_id": t.message, "data": t.data}))
                .collect();
            let answer = answer.or(machines);
            json!({"received": received(), "answer": answer, "answers": answers, "reports": reports})
        })
    }

    /// A reply, a report or a copy proves that what it speaks of was sent.
    fn prove(&mut self, draft: &Draft<'_>) {
        let mail = &draft.arrival.mail;
        let named = mail.in_reply_to.iter().map(String::as_str).chain(know::original_id(draft));
        let proven: Vec<MessageId> = named
            .filter_map(|id| self.known.own_ids.get(id))
            .filter(|own| own.status == Some(OutboxStatus::Uncertain))
            .map(|own| own.id)
            .collect();
        self.plan.proven.extend(proven);
    }

    /// What a bounce or complaint means for addresses. One bounce never touches anybody else.
    fn consequences(&mut self, draft: &Draft<'_>, (id, heard): (MessageId, &Heard), placed: &Placed) {
        for told in &heard.told {
            if let Some(reason) = &told.dead {
                self.plan.dead.push((told.key.clone(), reason.clone()));
            }
            if told.what == EventType::MessageComplained {
                self.plan.complained.push((told.key.clone(), id));
            }
            let influencer = match self.known.people.owners.get(&told.key) {
                Some(Owner::Influencer(owner)) => Some(*owner),
                Some(Owner::Agent(_)) => placed.parts.first().map(|p| p.influencer),
                None => None,
            };
            self.report_event(told.what, draft, (id, told.message, influencer), told.data.clone());
        }
        if let Some((message, keys, data)) = &heard.among {
            // All whom it may have been: who has our mail on their timeline, and whose address it went to.
            let mut several = parents_of(draft, &self.known.parents);
            let owners = keys.iter().filter_map(|key| self.known.people.owners.get(key));
            several.extend(owners.filter_map(|owner| match owner {
                Owner::Influencer(id) => Some(*id),
                Owner::Agent(_) => None,
            }));
            several.sort_unstable();
            several.dedup();
            for influencer in several {
                let whose = (id, *message, Some(influencer));
                self.report_event(EventType::MessageComplained, draft, whose, data.clone());
            }
        }
    }

    /// The event of a report names the message of ours that is reported on.
    fn report_event(
        &mut self,
        what: EventType,
        draft: &Draft<'_>,
        (report, message, influencer): (MessageId, MessageId, Option<InfluencerId>),
        mut data: serde_json::Value,
    ) {
        if let Some(map) = data.as_object_mut() {
            map.insert("report_id".into(), json!(report));
        }
        self.plan.signals.push(Signal { what, influencer, message: Some(message), at: draft.at, data: Some(data) });
    }

    /// The subject of what a message answers, as far as it is known: what its threads were called before it came.
    fn answered_subject(&self, draft: &Draft<'_>, conversation: ConversationId) -> Option<String> {
        let own = subject::base_subject(&draft.arrival.mail.subject);
        let mut known = self.known.books.subjects_in(conversation);
        let first = known.next()?;
        Some(if first == own || known.any(|key| key == own) { own } else { first.to_owned() })
    }

    fn parent_sent_at(&self, mail: &ParsedMail) -> Option<Micros> {
        mail.in_reply_to.iter().find_map(|id| self.known.own_ids.get(id)).map(|own| own.at)
    }
}

/// Whom the messages that a mail answers or reports on are tied to.
fn parents_of(draft: &Draft<'_>, parents: &HashMap<String, Vec<InfluencerId>>) -> Vec<InfluencerId> {
    let mail = &draft.arrival.mail;
    let named = mail.in_reply_to.iter().chain(mail.references.last()).map(String::as_str);
    let mut found: Vec<InfluencerId> =
        named.chain(know::original_id(draft)).filter_map(|id| parents.get(id)).flatten().copied().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whose turn it is after a message; automatic mail changes nobody's turn.
fn turn_after(direction: Direction, kind: Kind) -> Option<Awaiting> {
    match (direction, kind) {
        (Direction::Outbound, _) => Some(Awaiting::Them),
        (Direction::Inbound, Kind::Human) => Some(Awaiting::Us),
        (Direction::Inbound, _) => None,
    }
}

/// Whether a mail says what a stored one with the same id, date and author says; without a text, by the files.
fn same_content((head, files): (&str, &serde_json::Value), mail: &ParsedMail) -> bool {
    let bare = |text: &str| !text.chars().any(char::is_alphanumeric);
    if bare(head) && bare(&mail.text) { *files == json!(mail.attachments) } else { same_text(head, &mail.text) }
}

/// Whether two texts begin alike. Lists add a footer to their copies; another message begins otherwise.
fn same_text(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(HEAD).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let shorter = a.len().min(b.len());
    // One of them may end early, where the footer of the other begins.
    a == b || (shorter >= 12 && a.as_bytes().get(..shorter) == b.as_bytes().get(..shorter))
}

#[cfg(test)]
mod tests {
    use super::same_text;

    #[test]
    fn copy_with_a_footer_is_the_same_message_and_another_text_is_not() {
        assert!(same_text("Hello Ana, shall we talk?", "Hello Ana, shall we talk?\n--\nlist footer"));
        assert!(!same_text("Hello Ana, shall we talk?", "Your invoice is ready to be paid"));
        assert!(!same_text("", "Your invoice"));
    }
}
