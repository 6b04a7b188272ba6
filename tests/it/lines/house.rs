//! One provider on loopback, whichever it is: what it was asked to send, what it tells of it, and what is said to us there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use liaison::clock::Clock;
use liaison::connector::feed::{HookRequest, Line};
use liaison::connector::slack::workspace::{Workspace, WorkspaceSettings};
use liaison::domain::words::Channel;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::kills::next_random;
use crate::slack::description::Description;
use crate::slack::fake::{APP_TOKEN, BOT_TOKEN, Entry, Fake, Fault};
use crate::sms::provider::Rests;
use crate::sms::telnyx::{KEY, Telnyx};
use crate::sms::twilio::{Fate, Twilio};
use crate::sms::{ACCOUNT, OURS, TOKEN};

/// Where we say that we can be reached, where nobody is.
pub(crate) const HOOK: &str = "https://hub.example.com/hooks/line";
/// Signs what Telnyx posts.
const SEED: [u8; 32] = [9; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Slack,
    Twilio,
    Telnyx,
}

impl Which {
    pub(crate) const ALL: [Self; 3] = [Self::Slack, Self::Twilio, Self::Telnyx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Twilio => "twilio",
            Self::Telnyx => "telnyx",
        }
    }

    pub(crate) fn channel(self) -> Channel {
        match self {
            Self::Slack => Channel::Slack,
            Self::Twilio | Self::Telnyx => Channel::Sms,
        }
    }

    /// The address of one of their people.
    pub(crate) fn address(self, person: usize) -> String {
        match self {
            Self::Slack => format!("T1/U{person}"),
            Self::Twilio | Self::Telnyx => format!("+1415{}", 2_000_000 + person),
        }
    }
}

/// How often what goes wrong, of a hundred answers to what is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Luck {
    pub(crate) lost: u64,
    pub(crate) seed: u64,
    /// One call of so many is asked to wait.
    pub(crate) limit_every: u64,
}

/// What a provider tells us by itself.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Posted to the hook: what stands behind the account's name, and what of.
    Form(String, Vec<(String, String)>),
    /// The same as JSON.
    Body(String, Value),
    /// Through the sockets.
    Frame(Value),
}

/// A message that the provider took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) to: String,
    /// The words that it was asked to send.
    pub(crate) asked: String,
    /// Whether it says later that these were the words.
    pub(crate) is_told: bool,
}

pub(crate) enum House {
    Slack(Box<Fake>),
    Twilio(Twilio),
    Telnyx(Telnyx),
}

impl House {
    /// One at which nothing goes wrong yet.
    pub(crate) async fn new(which: Which, clock: &Clock) -> Self {
        match which {
            Which::Slack => Self::Slack(Box::new(Fake::start_now().await)),
            Which::Twilio => {
                let twilio = Twilio::new();
                let mut state = twilio.state.lock().unwrap();
                (state.clock, state.page, state.sends_after) = (Some(clock.clone()), Some(200), Some(2));
                drop(state);
                Self::Twilio(twilio)
            }
            Which::Telnyx => {
                let telnyx = Telnyx::new();
                let mut state = telnyx.state.lock().unwrap();
                (state.clock, state.page, state.indexes_after) = (Some(clock.clone()), Some(50), 20);
                drop(state);
                Self::Telnyx(telnyx)
            }
        }
    }

    /// From here on things go wrong.
    pub(crate) fn tempt(&self, luck: Luck) {
        let mut random = luck.seed;
        match self {
            Self::Slack(fake) => fake.state().whim = Some(Box::new(move |entry| slack_whim(entry, luck, &mut random))),
            Self::Twilio(twilio) => {
                twilio.state.lock().unwrap().whim = Some(Box::new(move |sends| text_whim(sends, luck, &mut random)));
            }
            Self::Telnyx(telnyx) => {
                telnyx.state.lock().unwrap().whim = Some(Box::new(move |sends| text_whim(sends, luck, &mut random)));
            }
        }
    }

    /// Answers to what is to be sent take their time.
    pub(crate) fn pause(&self, pause: Duration) {
        let millis = u64::try_from(pause.as_millis()).unwrap();
        match self {
            Self::Slack(fake) => fake.state().pause = pause,
            Self::Twilio(twilio) => twilio.server.pause_ms.store(millis, Ordering::SeqCst),
            Self::Telnyx(telnyx) => telnyx.server.pause_ms.store(millis, Ordering::SeqCst),
        }
    }

    pub(crate) fn which(&self) -> Which {
        match self {
            Self::Slack(_) => Which::Slack,
            Self::Twilio(_) => Which::Twilio,
            Self::Telnyx(_) => Which::Telnyx,
        }
    }

    pub(crate) fn line(&self, clock: &Clock) -> Arc<dyn Line> {
        match self {
            Self::Slack(fake) => {
                let settings = WorkspaceSettings {
                    bot_token: BOT_TOKEN.into(),
                    app_token: Some(APP_TOKEN.into()),
                    signing_secret: None,
                    base: Some(fake.base.clone()),
                };
                Arc::new(Workspace::new(settings, clock.clone()).unwrap())
            }
            Self::Twilio(twilio) => twilio.line(clock),
            Self::Telnyx(telnyx) => {
                let key = public_key();
                let base = format!("{}/v2", telnyx.server.url());
                let given = [("api_key", KEY), ("number", OURS), ("base_url", base.as_str()), ("public_key", &key)];
                crate::sms::line("telnyx", &given, clock)
            }
        }
    }

    /// Where the provider is to tell how a message fares.
    pub(crate) fn callback(&self) -> Option<String> {
        (self.which() != Which::Slack).then(|| format!("{HOOK}/status"))
    }

    /// Has a direct message with each of so many people, where there has to be one.
    pub(crate) fn meet(&self, people: usize) {
        if let Self::Slack(fake) = self {
            (0..people)
                .for_each(|n| fake.join(json!({ "id": format!("DU{n}"), "is_im": true, "user": format!("U{n}") })));
        }
    }

    /// What was taken, in order, from the first so many on.
    pub(crate) fn taken(&self, from: usize) -> Vec<Taken> {
        match self {
            Self::Slack(fake) => {
                let state = fake.state();
                let taken = |(channel, message): &(String, Value)| Taken {
                    id: format!("T1/{channel}/{}", message["ts"].as_str().unwrap()),
                    to: format!("T1/{}", channel.strip_prefix('D').unwrap()),
                    asked: message["text"].as_str().unwrap().to_owned(),
                    is_told: true,
                };
                state.posted.iter().skip(from).map(taken).collect()
            }
            Self::Twilio(twilio) => {
                let state = twilio.state.lock().unwrap();
                let taken = |m: &crate::sms::twilio::Stored| Taken {
                    id: m.sid.clone(),
                    to: m.to.clone(),
                    asked: m.asked.clone(),
                    is_told: m.asked == m.body,
                };
                state.messages.iter().filter(|m| !m.inbound).skip(from).map(taken).collect()
            }
            Self::Telnyx(telnyx) => {
                let state = telnyx.state.lock().unwrap();
                let taken = |m: &crate::sms::telnyx::Stored| Taken {
                    id: m.id.clone(),
                    to: m.to.clone(),
                    asked: m.asked.clone(),
                    is_told: m.asked == m.text,
                };
                state.messages.iter().filter(|m| !m.inbound).skip(from).map(taken).collect()
            }
        }
    }

    /// What the provider tells of the messages that it took, from the first so many on.
    pub(crate) fn news_of_taken(&self, from: usize) -> Vec<Vec<News>> {
        match self {
            Self::Slack(fake) => {
                let state = fake.state();
                state.posted.iter().skip(from).map(|(channel, message)| vec![frame(channel, message)]).collect()
            }
            Self::Twilio(twilio) => {
                let state = twilio.state.lock().unwrap();
                let ours = state.messages.iter().filter(|m| !m.inbound).skip(from);
                let form = |m: &crate::sms::twilio::Stored, status: &str| {
                    let rest = rest_of(m.callback.as_deref()?)?;
                    let fields =
                        [("AccountSid", ACCOUNT), ("MessageSid", &m.sid), ("MessageStatus", status), ("To", &m.to)];
                    Some(News::Form(rest, owned(&fields)))
                };
                ours.map(|m| ["queued", "sent", "delivered"].iter().filter_map(|s| form(m, s)).collect()).collect()
            }
            Self::Telnyx(telnyx) => {
                let state = telnyx.state.lock().unwrap();
                let ours = state.messages.iter().filter(|m| !m.inbound).skip(from);
                let body = |m: &crate::sms::telnyx::Stored, sort: &str, status: &str| {
                    let rest = rest_of(m.callback.as_deref()?)?;
                    let payload = json!({ "id": m.id, "direction": "outbound", "text": m.text, "from": { "phone_number": m.from },
                        "to": [{ "phone_number": m.to, "status": status }], "errors": [] });
                    let id = format!("{sort} {}", m.id);
                    let event = json!({ "id": id, "event_type": sort, "occurred_at": at(m.at), "payload": payload });
                    Some(News::Body(rest, json!({ "data": event })))
                };
                let both = |m| [body(m, "message.sent", "sent"), body(m, "message.finalized", "delivered")];
                ours.map(|m| both(m).into_iter().flatten().collect()).collect()
            }
        }
    }

    /// Somebody says something to us: it lies at the provider from then on, and this is how it is told.
    pub(crate) fn says(&self, person: usize, text: &str, clock: &Clock) -> News {
        let from = self.which().address(person);
        let now = clock.now();
        match self {
            Self::Slack(fake) => {
                let channel = format!("DU{person}");
                let mut message = json!({ "user": format!("U{person}"), "text": text });
                message["ts"] = fake.say(&channel, now, message.clone()).into();
                frame(&channel, &message)
            }
            Self::Twilio(twilio) => {
                let sid = twilio.comes_in(&from, text, now.seconds());
                let fields =
                    [("AccountSid", ACCOUNT), ("Body", text), ("From", &from), ("MessageSid", &sid), ("To", OURS)];
                News::Form(String::new(), owned(&fields))
            }
            Self::Telnyx(telnyx) => {
                let id = telnyx.comes_in(&from, text, now.seconds());
                let payload = json!({ "id": id, "direction": "inbound", "text": text, "from": { "phone_number": from },
                    "to": [{ "phone_number": OURS }], "received_at": now.to_string() });
                let event = json!({ "id": format!("in {id}"), "event_type": "message.received", "payload": payload });
                News::Body(String::new(), json!({ "data": event }))
            }
        }
    }

    /// Ends every connection by which it tells by itself.
    pub(crate) fn cut(&self) -> bool {
        match self {
            Self::Slack(fake) => {
                fake.cut();
                true
            }
            Self::Twilio(_) | Self::Telnyx(_) => false,
        }
    }

    /// Whether it has something for an address that is none of what we know: other words than any of ours.
    pub(crate) fn unexplained(&self, known: &HashSet<String>) -> HashSet<String> {
        let open = self.taken(0).into_iter().filter(|taken| !taken.is_told && !known.contains(&taken.id));
        open.map(|taken| taken.to).collect()
    }

    /// How often each of these words went to each address.
    pub(crate) fn counts(&self) -> HashMap<(String, String), usize> {
        let mut counts = HashMap::new();
        for taken in self.taken(0) {
            *counts.entry((taken.to, taken.asked)).or_default() += 1;
        }
        counts
    }

    /// Rests that were asked for, calls that were on their way by then, the most of one, and calls that came before they were over.
    pub(crate) fn rests(&self) -> [usize; 4] {
        let sum = |rests: &mut dyn Iterator<Item = &Rests>| {
            rests.fold([0; 4], |[asked, air, most, early], r| {
                [asked + r.asked, air + r.in_the_air, most.max(r.most_in_the_air), early + r.early]
            })
        };
        match self {
            Self::Slack(fake) => sum(&mut fake.state().rests.values()),
            Self::Twilio(twilio) => sum(&mut twilio.state.lock().unwrap().rests.iter()),
            Self::Telnyx(telnyx) => sum(&mut telnyx.state.lock().unwrap().rests.iter()),
        }
    }

    /// Every request so far is one that the provider describes: how many there were, and whether a description was there.
    pub(crate) fn described(&self) -> (usize, &'static str) {
        match self {
            Self::Slack(fake) => {
                let state = fake.state();
                let Some(root) = crate::peers::corpora() else { return (state.journal.len(), "no description here") };
                let description = Description::read(&root);
                let wrong: Vec<String> = state.journal.iter().flat_map(|entry| description.faults(entry)).collect();
                assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
                (state.journal.len(), "all as described")
            }
            Self::Twilio(twilio) => {
                let told = if crate::peers::corpora().is_some() { "all as described" } else { "no description here" };
                (twilio.check(), told)
            }
            // Its description does not lie in the corpora: `tests/prove prism` has it. What is not known to it is refused there.
            Self::Telnyx(telnyx) => (telnyx.server.journal().len(), "all as the stand-in expects"),
        }
    }
}

/// A request as the provider makes it to our hook of news that it posts, signed for this moment.
pub(crate) fn posted(news: &News, hook: &str, clock: &Clock) -> HookRequest {
    let address_of = |rest: &str| if rest.is_empty() { hook.to_owned() } else { format!("{hook}/{rest}") };
    let request = |rest: &str, headers: &[(&str, String)], body: Vec<u8>| HookRequest {
        method: "POST".to_owned(),
        url: address_of(rest),
        rest: rest.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        body,
        now: clock.now(),
    };
    match news {
        News::Form(rest, fields) => {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
            request(rest, &[kind, ("x-twilio-signature", sign_form(&address_of(rest), fields))], body.into_bytes())
        }
        News::Body(rest, body) => {
            let (stamp, body) = (clock.now().seconds().to_string(), serde_json::to_vec(body).unwrap());
            let signature = STANDARD.encode(pair().sign(&[stamp.as_bytes(), b"|", &body].concat()).as_ref());
            request(rest, &[("telnyx-timestamp", stamp), ("telnyx-signature-ed25519", signature)], body)
        }
        News::Frame(_) => panic!("that comes through a socket"),
    }
}

/// The signature that Twilio makes of a form: the address, then names and values in the order of the names.
pub(crate) fn sign_form(url: &str, fields: &[(String, String)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// What of an address at which we are told stands behind the account's name, whatever the account is called.
fn rest_of(callback: &str) -> Option<String> {
    let (_, rest) = callback.split_once("/hooks/")?;
    Some(rest.split_once('/')?.1.to_owned())
}

/// The key by which Telnyx's signatures are checked.
pub(crate) fn public_key() -> String {
    STANDARD.encode(pair().public_key().as_ref())
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap()
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn at(seconds: i64) -> String {
    liaison::domain::time::Micros::from_seconds(seconds).to_string()
}

/// A message as sockets bring it. What comes again has the same ids.
fn frame(channel: &str, message: &Value) -> News {
    let mut event = message.clone();
    event["type"] = "message".into();
    event["channel"] = channel.into();
    event["channel_type"] = "im".into();
    let id = format!("{channel}-{}", message["ts"].as_str().unwrap());
    News::Frame(json!({ "envelope_id": format!("env-{id}"), "type": "events_api", "accepts_response_payload": false,
        "payload": { "type": "event_callback", "team_id": "T1", "event_id": format!("Ev-{id}"), "event": event } }))
}

fn slack_whim(entry: &Entry, luck: Luck, random: &mut u64) -> Option<Fault> {
    let drawn = next_random(random);
    if drawn.is_multiple_of(luck.limit_every) {
        return Some(Fault::Limit(Some("2")));
    }
    if entry.method != "chat.postMessage" {
        return (drawn % 2_000 == 1).then_some(Fault::LoseAnswer);
    }
    ((drawn >> 32) % 100 < luck.lost).then_some(match (drawn >> 16) % 100 {
        0..60 => Fault::LoseAnswer,
        60..85 => Fault::LoseRequest,
        85..93 => Fault::Status(503),
        _ => Fault::Garbage,
    })
}

fn text_whim(sends: bool, luck: Luck, random: &mut u64) -> Fate {
    let drawn = next_random(random);
    // One look may read many times, and a rest ends it.
    let limit_every = if sends { luck.limit_every } else { luck.limit_every * 20 };
    if drawn.is_multiple_of(limit_every) {
        return Fate::Refused(429, 20_429, 2);
    }
    if !sends || (drawn >> 32) % 100 >= luck.lost {
        return Fate::Taken;
    }
    match (drawn >> 16) % 1_000 {
        0..250 => Fate::TakenAndSilent,
        250..350 => Fate::TakenAndBroken,
        350..450 => Fate::TakenAndGarbled,
        450..600 => Fate::TakenAndUnwell,
        600..604 => Fate::TakenOtherwise,
        604..850 => Fate::Fallen,
        _ => Fate::Unwell,
    }
}
