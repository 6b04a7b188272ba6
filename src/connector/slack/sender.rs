//! Posts a message. The offer checks what can be checked before, opens the direct message where one is needed, and keeps the pace; only
//! the hand-over posts. What is not known to be refused or never sent is uncertain, and [`super::ledger`] looks for it by the token
//! in its metadata: Slack has nothing else by which a message that was posted twice could be known.

use std::collections::HashMap;
use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::api::{Api, BETWEEN_MESSAGES, Trouble};
use super::codes::{self, Meaning};
use super::member::channel_of;
use super::message::field;
use super::{METADATA_TYPE, Own, instant_of, is_user, manifest, parts_of, text};
use crate::connector::feed::Words;
use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, Reply, SendOutcome, Sender, wait_reply};
use crate::domain::pace::Pace;

/// The method that posts.
const POST: &str = "chat.postMessage";
/// Direct messages whose conversation is remembered.
const CHANNELS_MAX: usize = 10_000;
/// Characters of a token.
const TOKEN_CHARS_MAX: usize = 200;

/// Sends to one workspace.
pub struct SlackSender {
    api: Api,
    own: Option<Own>,
    /// Conversations of direct messages, by user.
    channels: HashMap<String, String>,
    offered: Option<Offered>,
}

/// What is about to be posted.
struct Offered {
    own: Own,
    channel: String,
    arguments: Value,
}

/// The message that is about to go is not shown.
impl fmt::Debug for SlackSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackSender").field("api", &self.api).field("own", &self.own).finish_non_exhaustive()
    }
}

impl SlackSender {
    /// One that has asked nothing yet.
    pub fn new(api: Api) -> Self {
        Self { api, own: None, channels: HashMap::new(), offered: None }
    }

    /// The same, knowing who we are already.
    #[must_use]
    pub fn known_as(mut self, own: Own) -> Self {
        self.own = Some(own);
        self
    }

    async fn own(&mut self) -> Result<Own, OfferError> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let own = manifest::who(&self.api).await.map_err(not_offered)?;
        Ok(self.own.insert(own).clone())
    }

    async fn make_offer(&mut self, mail: &Outgoing) -> Result<Offer, OfferError> {
        self.offered = None;
        let own = self.own().await?;
        let (address, words) = match read(mail) {
            Ok(read) => read,
            Err(why) => return Ok(refused(Phase::Data, own_words(&why))),
        };
        let now = self.api.now();
        if let Some(until) = self.api.wait_until(POST) {
            return Ok(refused(Phase::Recipient, wait_reply(until, "Slack asked us to wait", true)));
        }
        let channel = match self.channel(&own, words.place.as_deref().unwrap_or(address)).await {
            Ok(channel) => channel,
            // That one workspace does not know somebody of another says nothing of whether they are there.
            Err(Trouble::Said { ref code, .. })
                if matches!(code.as_str(), "user_not_found" | "users_not_found" | "channel_not_found")
                    && parts_of(address).is_none_or(|(team, _)| team != own.team) =>
            {
                return Ok(refused(Phase::Data, own_words(FOREIGN)));
            }
            Err(trouble) => return not_reached(trouble),
        };
        let thread = match thread_of(&own, &channel, words.thread.as_deref()) {
            Ok(thread) => thread,
            Err(why) => return Ok(refused(Phase::Data, own_words(why))),
        };
        // Taken here, so that two sessions with one conversation do not both find it free.
        let waits = {
            let mut pace = self.api.pace();
            let waits = pace.wait_until(&channel, now);
            if waits.is_none() {
                pace.went(&channel, now);
            }
            waits
        };
        if let Some(until) = waits {
            return Ok(refused(Phase::Recipient, wait_reply(until, "one message a second to a conversation", false)));
        }
        let arguments = arguments(&channel, thread, &words);
        self.offered = Some(Offered { own, channel, arguments });
        Ok(Offer::Ready { refused: vec![None] })
    }

    async fn channel(&mut self, own: &Own, address: &str) -> Result<String, Trouble> {
        let foreign = || Trouble::Said { code: "channel_not_found".to_owned(), needed: None };
        let (team, id) = parts_of(address).ok_or_else(foreign)?;
        // People of other workspaces are written to from ours; conversations are all ours.
        if team != own.team && !is_user(id) {
            return Err(foreign());
        }
        if let Some(channel) = self.channels.get(id) {
            return Ok(channel.clone());
        }
        let channel = channel_of(&self.api, address).await?;
        if self.channels.len() >= CHANNELS_MAX {
            self.channels.clear();
        }
        self.channels.insert(id.to_owned(), channel.clone());
        Ok(channel)
    }

    async fn post(&mut self) -> SendOutcome {
        let Some(Offered { own, channel, arguments }) = self.offered.take() else {
            return SendOutcome::Refused(own_reply(503, "5.5.1", "no offer is open; nothing was sent"));
        };
        let outcome = match self.api.post(POST, &arguments).await {
            Ok(answer) => accepted(&own, &answer),
            Err(trouble) => judge(trouble),
        };
        let next = self.api.now().plus(BETWEEN_MESSAGES);
        self.api.pace().put_off(&channel, next);
        outcome
    }
}

impl Sender for SlackSender {
    fn open(&mut self) -> BoxFuture<'_, Result<(), OfferError>> {
        Box::pin(async { self.own().await.map(|_| ()) })
    }

    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        Box::pin(self.make_offer(mail))
    }

    fn hand_over<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.post())
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        self.offered = None;
        Box::pin(std::future::ready(()))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Said where somebody of another workspace can't be reached from this one.
const FOREIGN: &str = "this workspace does not know them, for they are of another one: write from the account of theirs, or of one that \
                       shares a channel with them";

/// The one address and the words; else what is wrong with them.
fn read(mail: &Outgoing) -> Result<(&str, Words), String> {
    let [address] = mail.recipients.as_slice() else {
        return Err("a message to Slack has exactly one recipient; send one for each".to_owned());
    };
    let words: Words =
        serde_json::from_slice(&mail.content).map_err(|_| "the content is no words for a chat".to_owned())?;
    let chars = text::escape(&words.text).chars().count();
    if words.text.trim().is_empty() {
        return Err("there are no words in it; write some".to_owned());
    }
    if chars > text::TEXT_CHARS_MAX {
        let max = text::TEXT_CHARS_MAX;
        return Err(format!("the text has {chars} characters and Slack takes {max}; make it shorter"));
    }
    if words.token.is_empty() || words.token.len() > TOKEN_CHARS_MAX {
        return Err("it has no token by which it could be found again".to_owned());
    }
    Ok((address, words))
}

/// The time stamp of the thread to answer in. A direct message as a whole is a conversation without one.
fn thread_of<'a>(own: &Own, channel: &str, thread: Option<&'a str>) -> Result<Option<&'a str>, &'static str> {
    let Some(thread) = thread else { return Ok(None) };
    let place = format!("{}/{channel}", own.team);
    if thread == place {
        return Ok(None);
    }
    let ts = thread.strip_prefix(&place).and_then(|rest| rest.strip_prefix('/')).filter(|ts| instant_of(ts).is_some());
    ts.map(Some).ok_or("the thread it answers is of another conversation; answer there, or write without a thread")
}

fn arguments(channel: &str, thread: Option<&str>, words: &Words) -> Value {
    let mut arguments = json!({
        "channel": channel,
        "text": text::escape(&words.text),
        // The words are plain: an asterisk is an asterisk.
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "metadata": { "event_type": METADATA_TYPE, "event_payload": { "token": words.token } },
    });
    if let (Some(thread), Some(object)) = (thread, arguments.as_object_mut()) {
        object.insert("thread_ts".to_owned(), thread.into());
    }
    arguments
}

fn accepted(own: &Own, answer: &Value) -> SendOutcome {
    let (channel, ts) = (field(answer, "channel"), field(answer, "ts"));
    if channel.is_empty() || instant_of(ts).is_none() {
        return SendOutcome::Uncertain("Slack said yes and not what it posted".to_owned());
    }
    SendOutcome::Accepted { reply: own_reply(200, "2.0.0", "posted"), id: Some(own.message_id(channel, ts)) }
}

/// What became of a post that got no yes.
fn judge(trouble: Trouble) -> SendOutcome {
    match trouble {
        Trouble::NotConnected(_) | Trouble::Insecure(_) => {
            SendOutcome::Refused(own_reply(421, "4.4.1", &trouble.to_string()))
        }
        Trouble::Limited { until } => SendOutcome::Refused(wait_reply(until, "Slack asked us to wait", true)),
        Trouble::Said { code, needed } => match codes::look_up(&code).0 {
            Meaning::Unknown => SendOutcome::Uncertain(codes::words_of(&code, needed.as_deref())),
            Meaning::Login | Meaning::Later | Meaning::Never | Meaning::Gone => {
                SendOutcome::Refused(codes::reply_of(&code, needed.as_deref()))
            }
        },
        Trouble::Lost(_) | Trouble::Unreadable(_) => SendOutcome::Uncertain(trouble.to_string()),
    }
}

/// A direct message that could not be opened: whether it is about this person or about us.
fn not_reached(trouble: Trouble) -> Result<Offer, OfferError> {
    match trouble {
        Trouble::Limited { until } => Ok(refused(Phase::Recipient, wait_reply(until, "Slack asked us to wait", true))),
        Trouble::Said { code, needed } if codes::look_up(&code).0 != Meaning::Login => {
            Ok(refused(Phase::Recipient, codes::reply_of(&code, needed.as_deref())))
        }
        trouble @ (Trouble::NotConnected(_)
        | Trouble::Insecure(_)
        | Trouble::Lost(_)
        | Trouble::Said { .. }
        | Trouble::Unreadable(_)) => Err(not_offered(trouble)),
    }
}

fn not_offered(trouble: Trouble) -> OfferError {
    let error = ConnectorError::from(trouble);
    let phase = if matches!(error, ConnectorError::Login(_)) { Phase::Login } else { Phase::Connect };
    OfferError { phase, error }
}

fn refused(phase: Phase, reply: Reply) -> Offer {
    Offer::Refused { phase, replies: vec![reply] }
}

fn own_words(why: &str) -> Reply {
    own_reply(554, "5.6.0", why)
}

fn own_reply(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply { code, enhanced: Some(enhanced.to_owned()), text: text.to_owned() }
}

/// A pace at which nothing went yet: a second between two messages to one conversation.
pub fn pace() -> Pace {
    Pace::new(BETWEEN_MESSAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Micros;

    fn words(text: &str) -> Words {
        Words { text: text.into(), token: "tok".into(), thread: None, place: None, callback: None }
    }

    fn mail(words: &Words, to: &[&str]) -> Outgoing {
        let content = serde_json::to_vec(words).unwrap();
        Outgoing { from: "T1/UBOT".into(), recipients: to.iter().map(|t| (*t).to_owned()).collect(), content }
    }

    #[test]
    fn what_can_be_seen_to_be_wrong_is_said_before_anything_goes() {
        assert!(read(&mail(&words("hi"), &["T1/U1"])).is_ok());
        for (text, to) in
            [("hi", &[][..]), ("hi", &["T1/U1", "T1/U2"]), (" \n", &["T1/U1"]), (&"&".repeat(8_001), &["T1/U1"])]
        {
            let why = read(&mail(&words(text), to)).unwrap_err();
            assert!(!why.contains("U1") && !why.contains("&&"), "{why}");
        }
        let raw = Outgoing { from: String::new(), recipients: vec!["T1/U1".into()], content: b"MIME".to_vec() };
        assert!(read(&raw).is_err());
    }

    #[test]
    fn arguments_carry_the_token_and_plain_words() {
        let made = arguments("C1", Some("1.000001"), &words("a <b> & *c*"));
        assert_eq!(made["text"], "a &lt;b&gt; &amp; *c*");
        assert_eq!(made["metadata"]["event_payload"]["token"], "tok");
        assert_eq!((&made["thread_ts"], &made["mrkdwn"]), (&json!("1.000001"), &json!(false)));
        assert_eq!(arguments("C1", None, &words("x")).get("thread_ts"), None);
    }

    #[test]
    fn a_thread_must_be_of_the_conversation() {
        let own = Own { team: "T1".into(), ..Own::default() };
        let of = |thread| thread_of(&own, "C1", thread);
        assert_eq!(of(None), Ok(None));
        assert_eq!(of(Some("T1/C1/1.000001")), Ok(Some("1.000001")));
        assert_eq!(of(Some("T1/C1")), Ok(None));
        for other in ["T1/C2/1.000001", "T2/C1/1.000001", "T1/C1/soon", "T1/C11/1.000001", "1.000001"] {
            assert!(of(Some(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn only_what_is_known_not_to_be_posted_is_a_refusal() {
        let said = |code: &str| Trouble::Said { code: code.into(), needed: None };
        for (trouble, number) in [
            (Trouble::NotConnected("refused".into()), 421),
            (Trouble::Insecure("expired".into()), 421),
            (Trouble::Limited { until: Micros(5) }, 429),
            (said("is_archived"), 554),
            (said("token_revoked"), 535),
            (said("brand_new_code"), 554),
        ] {
            let SendOutcome::Refused(reply) = judge(trouble) else { panic!("{number}") };
            assert_eq!(reply.code, number);
        }
        for trouble in
            [Trouble::Lost("x".into()), Trouble::Unreadable("x".into()), said("internal_error"), said("fatal_error")]
        {
            assert!(matches!(judge(trouble), SendOutcome::Uncertain(_)));
        }
        let own = Own { team: "T1".into(), ..Own::default() };
        assert!(matches!(accepted(&own, &json!({"ok":true})), SendOutcome::Uncertain(_)));
    }
}
