//! One walk through all conversations our bot is a member of: what was said in each since it was read last, answers in threads
//! included. One step is one call, so that a walk can stop wherever Slack asks us to wait, and go on from there.
//!
//! Slack lists a conversation newest first, and an answer in a thread only with the message it hangs on. So each look goes back
//! [`BACK`] further than what was read: a message there that has newer answers, or was changed, tells so, and so do the answers of a
//! thread in which something newer was said. What is gathered is told
//! oldest first when all of it is there, and only then counts as read: up to the newest that Slack knew when the look began.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::api::{Api, Trouble};
use super::cursor::Cursor;
use super::ledger::PAGE;
use super::member::next_page;
use super::message::{Message, field};
use super::{Own, is_direct, ts_of};
use crate::connector::feed::{Said, Told};
use crate::domain::time::Micros;

/// How long after a message an answer in its thread is found by a walk. Older threads are heard through the socket or the hook.
pub(super) const BACK: Duration = Duration::from_hours(14 * 24);
/// What was read last is read again over so long: time stamps of different machines of Slack's may pass each other.
pub(super) const OVERLAP: Duration = Duration::from_mins(1);
/// Messages of one conversation that are told at once. What is newer waits for the next look at it.
pub(super) const HELD_MAX: usize = 400;
/// Changes of older messages that are told with them.
pub(super) const CHANGED_MAX: usize = 100;
/// Things told by one look at most: what is new may have been changed since.
pub(super) const LOOK_TOLD_MAX: usize = 2 * HELD_MAX + CHANGED_MAX;
/// Pages of one listing, against a server that never ends.
const PAGES_MAX: usize = 5_000;
/// Conversations of one walk.
const PLACES_MAX: usize = 20_000;
/// The sorts of conversations that are read.
const TYPES: &str = "im,mpim,private_channel,public_channel";

/// A conversation we are in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    channel: String,
    /// Whom a direct message is with.
    peer: Option<String>,
    /// Whether it is one that we can come into later than others did.
    is_joined: bool,
    /// Whether we came into it since all were looked at last.
    is_new: bool,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do.
    Going,
    /// A conversation, or the older part of what is new in it.
    Told {
        /// Which.
        channel: String,
        /// What was said, oldest first.
        told: Vec<Told>,
        /// All up to there is told.
        upper: Micros,
    },
    /// All conversations were looked at.
    Done,
}

/// A walk.
pub(super) struct Walk {
    listing: Option<Pages>,
    waiting: VecDeque<Place>,
    look: Option<Look>,
}

/// The pages of a listing.
#[derive(Default)]
struct Pages {
    next: Option<String>,
    count: usize,
}

impl Pages {
    /// Goes to the next page of an answer; `false` where it was the last.
    fn turn(&mut self, answer: &Value) -> Result<bool, Trouble> {
        let next = next_page(answer);
        self.count += 1;
        if next.is_some() && (next == self.next || self.count >= PAGES_MAX) {
            return Err(Trouble::Unreadable("a listing of Slack's does not end".to_owned()));
        }
        if next.is_none() && answer.get("has_more").and_then(Value::as_bool) == Some(true) {
            return Err(Trouble::Unreadable("a listing of Slack's breaks off".to_owned()));
        }
        self.next = next;
        Ok(self.next.is_some())
    }
}

/// A look at one conversation.
struct Look {
    place: Place,
    low: Micros,
    pages: Pages,
    /// The newest that Slack knew when the look began.
    upper: Micros,
    /// Nothing newer is told by this look.
    cut: Option<Micros>,
    held: BTreeMap<Micros, Value>,
    changed: Vec<Told>,
    /// When our bot came into it last, where that is told.
    came_at: Option<Micros>,
    /// Threads with newer answers, by the time stamp of their first message.
    threads: VecDeque<String>,
    is_in_threads: bool,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { listing: Some(Pages::default()), waiting: VecDeque::new(), look: None }
    }

    /// Forgets a look that is half done, so that it begins from a cursor that may be another.
    pub(super) fn restart_look(&mut self) {
        if let Some(look) = self.look.take() {
            self.waiting.push_front(look.place);
        }
    }

    /// One call, at most.
    pub(super) async fn step(&mut self, api: &Api, own: &Own, cursor: &Cursor) -> Result<Step, Trouble> {
        if let Some(pages) = &mut self.listing {
            if !list(api, own, pages, &mut self.waiting).await? {
                self.listing = None;
            }
            return Ok(Step::Going);
        }
        let look = match &mut self.look {
            Some(look) => look,
            None => match self.waiting.pop_front() {
                Some(place) => self.look.insert(Look::new(place, cursor)),
                None => return Ok(Step::Done),
            },
        };
        let is_whole = match look.step(api, own).await {
            Ok(is_whole) => is_whole,
            // We left it since it was listed.
            Err(Trouble::Said { code, .. }) if is_gone(&code) => {
                tracing::info!(channel = look.place.channel, code, "a conversation can't be read any more");
                self.look = None;
                return Ok(Step::Going);
            }
            Err(trouble) => return Err(trouble),
        };
        match self.look.take() {
            Some(look) if is_whole => {
                if look.cut.is_some() {
                    self.waiting.push_front(look.place.clone());
                }
                Ok(look.told(own, api.now()))
            }
            look => {
                self.look = look;
                Ok(Step::Going)
            }
        }
    }
}

fn is_gone(code: &str) -> bool {
    matches!(code, "channel_not_found" | "not_in_channel" | "is_archived" | "method_not_supported_for_channel_type")
}

/// A page of the conversations our bot is in. `conversations.list` would list all of the workspace, ours or not.
async fn list(api: &Api, own: &Own, pages: &mut Pages, places: &mut VecDeque<Place>) -> Result<bool, Trouble> {
    let mut arguments = vec![("types", TYPES.to_owned()), ("limit", PAGE.to_string())];
    arguments.extend(pages.next.clone().map(|cursor| ("cursor", cursor)));
    let answer = api.get("users.conversations", &arguments).await?;
    let channels = answer.get("channels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for channel in channels {
        let (id, user) = (field(channel, "id"), field(channel, "user"));
        if id.is_empty() {
            continue;
        }
        if places.len() >= PLACES_MAX {
            tracing::error!(max = PLACES_MAX, "the app is in more conversations than are read; take it out of some");
            return Ok(false);
        }
        let peer = (is_direct(id) && !user.is_empty()).then(|| format!("{}/{user}", own.team));
        let is_joined = !is_direct(id) && channel.get("is_mpim").and_then(Value::as_bool) != Some(true);
        places.push_back(Place { channel: id.to_owned(), peer, is_joined, is_new: false });
    }
    pages.turn(&answer)
}

impl Look {
    fn new(mut place: Place, cursor: &Cursor) -> Self {
        let low = cursor.low(&place.channel);
        // What one look leaves to the next is as old.
        place.is_new = place.is_new || (place.is_joined && cursor.is_new(&place.channel));
        Self {
            place,
            low,
            pages: Pages::default(),
            upper: low,
            cut: None,
            held: BTreeMap::new(),
            changed: Vec::new(),
            came_at: None,
            threads: VecDeque::new(),
            is_in_threads: false,
        }
    }

    /// From where on things are told.
    fn from(&self) -> Micros {
        self.low.minus(OVERLAP)
    }

    /// One call. `true` when all is gathered.
    async fn step(&mut self, api: &Api, own: &Own) -> Result<bool, Trouble> {
        let mut arguments = vec![
            ("channel", self.place.channel.clone()),
            ("inclusive", "true".to_owned()),
            ("limit", PAGE.to_string()),
            ("include_all_metadata", "true".to_owned()),
        ];
        arguments.extend(self.pages.next.clone().map(|cursor| ("cursor", cursor)));
        if self.is_in_threads {
            let Some(thread) = self.threads.front().cloned() else { return Ok(true) };
            arguments.extend([("ts", thread.clone()), ("oldest", ts_of(self.from().minus(BACK)))]);
            let answer = match api.get("conversations.replies", &arguments).await {
                Err(Trouble::Said { code, .. })
                    if matches!(code.as_str(), "thread_not_found" | "message_not_found") =>
                {
                    Value::Null
                }
                answer => answer?,
            };
            let answers = messages(&answer).filter(|value| field(value, "ts") != thread);
            answers.for_each(|value| self.gather_answer(value, own, api.now()));
            if !self.pages.turn(&answer)? {
                self.threads.pop_front();
                self.pages = Pages::default();
            }
        } else {
            arguments.push(("oldest", ts_of(self.from().minus(BACK))));
            let answer = api.get("conversations.history", &arguments).await?;
            let is_first = self.pages.count == 0;
            messages(&answer).for_each(|value| self.gather(value, is_first, own, api.now()));
            if !self.pages.turn(&answer)? {
                self.is_in_threads = true;
                self.pages = Pages::default();
            }
        }
        Ok(self.is_in_threads && self.threads.is_empty())
    }

    /// Takes a message of the conversation itself.
    fn gather(&mut self, value: &Value, is_first_page: bool, own: &Own, now: Micros) {
        let Some(message) = Message::read(value) else {
            tracing::debug!(channel = self.place.channel, "a message without a time stamp");
            return;
        };
        if message.is_our_coming(own) {
            self.came_at = self.came_at.max(Some(message.at));
        }
        let answered = message.latest_reply.and_then(super::instant_of);
        if is_first_page {
            self.upper = self.upper.max(message.at).max(answered.unwrap_or_default());
        }
        if answered.is_some_and(|at| at > self.from()) {
            self.threads.push_back(message.ts.to_owned());
        }
        if message.at > self.from() {
            self.hold(value);
        } else {
            self.note_change(&message, own, now);
        }
    }

    /// Takes an answer in a thread: what is new, and what became of those that were read before.
    fn gather_answer(&mut self, value: &Value, own: &Own, now: Micros) {
        match Message::read(value) {
            Some(message) if message.at <= self.from() => self.note_change(&message, own, now),
            Some(_) => self.hold(value),
            None => {}
        }
    }

    fn note_change(&mut self, message: &Message<'_>, own: &Own, now: Micros) {
        if let Some(told) = self.change_of(message, own, now) {
            if self.changed.len() < CHANGED_MAX {
                self.changed.push(told);
            } else {
                tracing::warn!(channel = self.place.channel, "more messages were changed than are told");
            }
        }
    }

    /// What became of a message that was read before.
    fn change_of(&self, message: &Message<'_>, own: &Own, now: Micros) -> Option<Told> {
        let told = became(message, own.message_id(&self.place.channel, message.ts), now)?;
        let is_known = matches!(told, Told::Changed { at, .. } if at <= self.from());
        (!is_known).then_some(told)
    }

    /// Keeps a message until it is told: the oldest, and no more than can be told at once.
    fn hold(&mut self, value: &Value) {
        let Some(at) = Message::read(value).map(|message| message.at).filter(|at| *at > self.from()) else { return };
        if self.cut.is_some_and(|cut| at >= cut) {
            return;
        }
        self.held.insert(at, value.clone());
        if self.held.len() > HELD_MAX
            && let Some((newest, _)) = self.held.pop_last()
        {
            self.cut = Some(newest);
        }
    }

    /// Up to when it was said without us. A workspace may be set to tell nobody who comes: then all that is there on the first look.
    fn history_until(&self) -> Option<Micros> {
        self.came_at.or(self.place.is_new.then_some(Micros(i64::MAX))).filter(|_| self.place.is_joined)
    }

    fn told(self, own: &Own, now: Micros) -> Step {
        let history_until = self.history_until();
        let Place { channel, peer, .. } = self.place;
        let messages = self.held.values().filter_map(Message::read);
        let said = messages.flat_map(|message| {
            let is_history = history_until.is_some_and(|until| message.at < until);
            let said = message.is_said().then(|| Said { is_history, ..message.said(own, &channel, peer.as_deref()) });
            // A socket may have brought it as it was: what is known is told again for what became of it.
            [said.map(|said| Told::Said(Box::new(said))), became(&message, own.message_id(&channel, message.ts), now)]
        });
        let told: Vec<Told> = said.flatten().chain(self.changed).collect();
        // Just before what was left for the next look.
        let upper = self.cut.map_or(self.upper, |cut| self.upper.min(Micros(cut.0.saturating_sub(1))));
        Step::Told { upper, told, channel }
    }
}

/// What became of a message since it was said.
fn became(message: &Message<'_>, id: String, now: Micros) -> Option<Told> {
    if message.is_tombstone() {
        return Some(Told::Deleted { id, at: now });
    }
    let at = message.edited.and_then(super::instant_of)?;
    message.is_said().then(|| Told::Changed { id, text: message.words(), at })
}

fn messages(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Own {
        Own { team: "T1".into(), user: "UBOT".into(), ..Own::default() }
    }

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(1_700_000_000 + seconds)
    }

    fn look(low: Micros) -> Look {
        let place = Place { channel: "C1".into(), peer: None, is_joined: true, is_new: false };
        Look::new(place, &Cursor::read(None, low))
    }

    fn ids(step: Step) -> (Vec<String>, Micros) {
        let Step::Told { told, upper, .. } = step else { panic!("{step:?}") };
        let id = |told: Told| match &told {
            Told::Said(said) => said.id.clone(),
            Told::Changed { id, .. } => format!("changed {id}"),
            Told::Deleted { id, .. } => format!("deleted {id}"),
            Told::Reacted { .. } | Told::Pressed { .. } | Told::Fares { .. } | Told::Other { .. } => panic!("{told:?}"),
        };
        (told.into_iter().map(id).collect(), upper)
    }

    #[test]
    fn pages_newest_first_are_told_oldest_first() {
        let mut look = look(at(0));
        for (n, first) in [(30, true), (20, true), (10, false)] {
            look.gather(&json!({"ts": ts_of(at(n)), "user":"U1", "text":"x"}), first, &own(), at(99));
        }
        let (told, upper) = ids(look.told(&own(), at(99)));
        assert_eq!(told, [10, 20, 30].map(|n| format!("T1/C1/{}", ts_of(at(n)))));
        assert_eq!(upper, at(30));
    }

    #[test]
    fn what_was_said_before_we_came_is_history() {
        let said = |seconds| json!({"ts": ts_of(at(seconds)), "user":"U1", "text":"x"});
        let history = |look: Look| {
            let Step::Told { told, .. } = look.told(&own(), at(99)) else { panic!("nothing told") };
            let is_history = |told: Told| matches!(told, Told::Said(said) if said.is_history);
            told.into_iter().map(is_history).collect::<Vec<bool>>()
        };
        let coming = json!({"ts": ts_of(at(15)), "user":"UBOT", "subtype":"channel_join"});
        let other = json!({"ts": ts_of(at(25)), "user":"U7", "subtype":"channel_join"});
        let mut told = look(at(0));
        for value in [said(30), other, said(20), coming, said(10)] {
            told.gather(&value, true, &own(), at(99));
        }
        assert_eq!(history(told), [true, false, false]);
        // Where nobody is told who comes, it is new after all others were looked at once.
        let mut cursor = Cursor::read(None, at(0));
        cursor.walked();
        for (is_joined, expected) in [(true, true), (false, false)] {
            let place = Place { channel: "C1".into(), peer: None, is_joined, is_new: false };
            let mut told = Look::new(place, &cursor);
            told.gather(&said(10), true, &own(), at(99));
            assert_eq!(history(told), [expected]);
        }
    }

    #[test]
    fn an_answer_that_came_while_pages_were_turned_does_not_count_as_read() {
        let mut look = look(at(0));
        look.gather(&json!({"ts": ts_of(at(30)), "user":"U1"}), true, &own(), at(99));
        // An older message, on the second page, has an answer that is newer than the first page.
        look.gather(&json!({"ts": ts_of(at(-500)), "latest_reply": ts_of(at(80)), "user":"U1"}), false, &own(), at(99));
        assert_eq!((look.threads.len(), look.upper), (1, at(30)));
    }

    #[test]
    fn what_is_too_much_for_one_look_is_left_to_the_next_newest_last() {
        let mut look = look(at(0));
        let most = i64::try_from(HELD_MAX).unwrap() + 50;
        for n in (1..=most).rev() {
            look.gather(&json!({"ts": ts_of(at(n)), "user":"U1", "text":"x"}), true, &own(), at(99));
        }
        let (told, upper) = ids(look.told(&own(), at(99)));
        assert_eq!(told.len(), HELD_MAX);
        assert_eq!(told.last(), Some(&format!("T1/C1/{}", ts_of(at(most - 50)))));
        assert!(upper >= at(most - 50) && upper < at(most - 49));
    }

    #[test]
    fn changes_of_what_was_read_before_are_told() {
        let mut look = look(at(0));
        let old = ts_of(at(-5_000));
        look.gather(&json!({"ts": old, "user":"U1","text":"new","edited":{"ts": ts_of(at(5))}}), true, &own(), at(99));
        look.gather(
            &json!({"ts": ts_of(at(-6_000)), "user":"U1","text":"x","edited":{"ts": ts_of(at(-900))}}),
            true,
            &own(),
            at(99),
        );
        look.gather(&json!({"ts": ts_of(at(-7_000)), "subtype":"tombstone"}), true, &own(), at(99));
        let (told, _) = ids(look.told(&own(), at(99)));
        assert_eq!(told, [format!("changed T1/C1/{old}"), format!("deleted T1/C1/{}", ts_of(at(-7_000)))]);
    }

    #[test]
    fn changes_of_answers_that_were_read_before_are_told() {
        let mut look = look(at(0));
        let (old, root) = (ts_of(at(-5_000)), ts_of(at(-9_000)));
        let answer = |ts: &str, edited: i64| json!({"ts": ts, "thread_ts": root, "user":"U1", "text":"new", "edited":{"ts": ts_of(at(edited))}});
        for value in [answer(&old, 5), answer(&ts_of(at(-6_000)), -900), json!({"ts": ts_of(at(7)), "user":"U1"})] {
            look.gather_answer(&value, &own(), at(99));
        }
        let (told, _) = ids(look.told(&own(), at(99)));
        assert_eq!(told, [format!("T1/C1/{}", ts_of(at(7))), format!("changed T1/C1/{old}")]);
    }

    #[test]
    fn changes_of_what_was_read_a_moment_ago_are_told_as_well() {
        let mut look = look(at(0));
        let (old, new) = (ts_of(at(-20)), ts_of(at(20)));
        let edited = |ts: &str| json!({"ts": ts, "user":"U1", "text":"new", "edited":{"ts": ts_of(at(30))}});
        look.gather(&edited(&new), true, &own(), at(99));
        look.gather(&json!({"ts": ts_of(at(-10)), "subtype":"tombstone"}), true, &own(), at(99));
        look.gather(&edited(&old), true, &own(), at(99));
        let (told, _) = ids(look.told(&own(), at(99)));
        let ids = [&old, &new].map(|ts| format!("T1/C1/{ts}"));
        let stone = format!("deleted T1/C1/{}", ts_of(at(-10)));
        let changed = ids.clone().map(|id| format!("changed {id}"));
        assert_eq!(told, [&ids[0], &changed[0], &stone, &ids[1], &changed[1]].map(String::clone));
    }

    #[test]
    fn a_listing_that_does_not_end_is_left() {
        let mut pages = Pages::default();
        let page = json!({"response_metadata":{"next_cursor":"same"}});
        assert_eq!(pages.turn(&page), Ok(true));
        assert!(pages.turn(&page).is_err());
        assert!(Pages::default().turn(&json!({"has_more":true})).is_err());
        assert_eq!(Pages::default().turn(&json!({"has_more":false})), Ok(false));
    }
}
