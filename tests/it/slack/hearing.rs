//! Hearing: a walk after a gap tells all that was said exactly once, a socket's events are acknowledged only when they are stored, and
//! neither a cut nor a limit loses anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use liaison::connector::feed::{Attached, Batch, Feed, FileError, TOLD_MAX, Told};
use liaison::connector::slack::api::Api;
use liaison::connector::slack::feed::SlackFeed;
use liaison::connector::slack::socket::{Arrived, Socket};
use liaison::connector::slack::ts_of;
use liaison::connector::{ConnectorError, Wake};
use liaison::domain::time::Micros;
use serde_json::{Value, json};

use super::fake::{APP_TOKEN, BOT_TOKEN, Fake, Fault};
use super::{api, assert_polite, own, settings};

const SECOND: i64 = 1_000_000;

/// What a caller keeps: the ids of what was said, how often each was told, and the cursor.
#[derive(Default)]
struct Stored {
    said: BTreeMap<String, u32>,
    changed: Vec<String>,
    deleted: Vec<String>,
    cursor: Option<String>,
}

impl Stored {
    fn keep(&mut self, batch: Batch) -> bool {
        assert!(batch.told.len() <= TOLD_MAX);
        for told in batch.told {
            match told {
                Told::Said(said) => *self.said.entry(said.id).or_default() += 1,
                Told::Changed { id, .. } => self.changed.push(id),
                Told::Deleted { id, .. } => self.deleted.push(id),
                _ => {}
            }
        }
        self.cursor = Some(batch.cursor);
        batch.more
    }

    /// Asks until there is no more; waits as Slack asks, by the stepped clock.
    async fn catch_up(&mut self, feed: &mut SlackFeed, fake: &Fake, since: Micros) {
        loop {
            let batch = match feed.next(self.cursor.as_deref(), since).await {
                Err(ConnectorError::Lost(_)) => continue,
                batch => batch.unwrap(),
            };
            if self.keep(batch) {
                continue;
            }
            let next = fake.state().limits.values().copied().filter(|at| *at > fake.clock.now()).max();
            match next {
                Some(next) => fake.clock.advance_to(next),
                None => return,
            }
        }
    }
}

fn event(id: &str, event: Value) -> Value {
    json!({ "envelope_id": format!("env-{id}"), "type": "events_api", "accepts_response_payload": false,
        "payload": { "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{id}"), "event": event } })
}

fn channel(id: &str) -> Value {
    if id.starts_with('D') {
        json!({"id": id, "is_im": true, "user": "U9"})
    } else {
        json!({"id": id, "is_member": true})
    }
}

/// Things said over two hours in three conversations: more than one look holds, in threads old and new, broadcast, and joins.
fn talk(fake: &Fake, from: Micros, count: i64) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut root = String::new();
    for n in 0..count {
        let at = Micros(from.0 + n * 7_200 * SECOND / count + 1);
        let place = ["C1", "C1", "C1", "D1", "G1"][usize::try_from(n % 5).unwrap()];
        let mut message = json!({"user": format!("U{}", n % 7), "text": format!("number {n}")});
        if n % 5 == 0 && n % 3 == 0 && !root.is_empty() {
            message["thread_ts"] = root.clone().into();
            if n % 2 == 0 {
                message["subtype"] = "thread_broadcast".into();
            }
        }
        let is_join = n % 50 == 3;
        if is_join {
            message["subtype"] = "channel_join".into();
        }
        let is_root = n % 5 == 1;
        let ts = fake.say(place, at, message);
        if is_root {
            root = ts.clone();
        }
        if !is_join {
            ids.insert(format!("T1/{place}/{ts}"));
        }
    }
    ids
}

#[tokio::test]
async fn a_walk_after_a_gap_tells_everything_exactly_once() {
    let fake = Fake::start().await;
    for id in ["C1", "D1", "G1", "C9"] {
        fake.join(channel(id));
    }
    fake.state().page = 2;
    let start = fake.clock.now();
    let since = start.minus(Duration::from_hours(3));
    // Before the account's time began somebody asked, and the answer comes later.
    let old = fake.say("G1", Micros(since.0 - 86_400 * SECOND), json!({"user":"U1","text":"long ago"}));
    let mut all = talk(&fake, since, 40);
    let mut stored = Stored::default();
    stored.catch_up(&mut SlackFeed::new(api(&fake), None, own()), &fake, since).await;
    assert_eq!(stored.said.keys().cloned().collect::<BTreeSet<_>>(), all);
    // The gap: much is said while nobody listens, an old thread is answered, and an old message changes.
    fake.state().page = 100;
    let mut ids = talk(&fake, start, 1_500);
    all.append(&mut ids);
    let answer = fake.say("G1", Micros(start.0 + 5), json!({"user":"U2","text":"at last","thread_ts":old}));
    all.insert(format!("T1/G1/{answer}"));
    let (first, changed) = {
        let mut state = fake.state();
        let (at, message) = state.messages.get_mut("C1").unwrap().iter_mut().next().unwrap();
        message["text"] = "changed".into();
        message["edited"] = json!({"user":"U1","ts": ts_of(Micros(start.0 + 900 * SECOND))});
        (ts_of(*at), message["ts"].as_str().unwrap().to_owned())
    };
    assert_eq!(first, changed);
    fake.clock.advance(Duration::from_hours(2));
    // Limits and failures on the way.
    let lost = || [Fault::Status(502), Fault::LoseAnswer, Fault::LoseRequest];
    fake.fail("conversations.history", [Fault::Limit(Some("5")), Fault::Limit(None)].into_iter().chain(lost()));
    fake.fail("users.conversations", [Fault::Limit(Some("2"))].into_iter().chain(lost()));
    fake.fail("conversations.replies", [Fault::Limit(Some("1"))].into_iter().chain(lost()));
    let before = stored.said.clone();
    stored.catch_up(&mut SlackFeed::new(api(&fake), None, own()), &fake, since).await;
    assert!(fake.state().faults.values().all(|left| left.is_empty()));
    println!("{} things said, {} calls", all.len(), fake.state().journal.len());
    assert_eq!(stored.said.keys().cloned().collect::<BTreeSet<_>>(), all);
    assert!(stored.changed.contains(&format!("T1/C1/{changed}")));
    // Only what lies at the seam is told again, by a feed that is new.
    let again: Vec<_> = stored.said.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.len() < 5 && again.iter().all(|(id, times)| **times == 2 && before.contains_key(*id)), "{again:?}");
    assert_polite(&fake);
}

#[tokio::test]
async fn one_feed_tells_each_message_once_and_an_idle_one_nothing() {
    let fake = Fake::start().await;
    fake.join(channel("C1"));
    fake.join(channel("D1"));
    fake.join(channel("G1"));
    let since = fake.clock.now();
    let all = talk(&fake, since, 1_200);
    fake.clock.advance(Duration::from_hours(2));
    let mut feed = SlackFeed::new(api(&fake), None, own());
    let mut stored = Stored::default();
    for _ in 0..3 {
        stored.catch_up(&mut feed, &fake, since).await;
    }
    assert_eq!(stored.said.len(), all.len());
    assert!(stored.said.values().all(|times| *times == 1));
    // Without a socket a wait is a rest.
    assert_eq!(feed.wait(Duration::from_millis(1)).await, Ok(Wake::Elapsed));
    assert_polite(&fake);
}

#[tokio::test]
async fn a_batch_that_was_not_stored_is_told_again() {
    let fake = Fake::start().await;
    fake.join(channel("C1"));
    let since = fake.clock.now();
    let ts = fake.say("C1", Micros(since.0 + 5), json!({"user":"U1","text":"x"}));
    let mut feed = SlackFeed::new(api(&fake), None, own());
    for _ in 0..3 {
        let batch = feed.next(None, since).await.unwrap();
        assert!(matches!(&batch.told[..], [Told::Said(said)] if said.id == format!("T1/C1/{ts}")), "{batch:?}");
    }
    assert_polite(&fake);
}

#[tokio::test]
async fn a_sockets_events_are_acknowledged_when_they_are_stored_and_a_cut_loses_nothing() {
    let fake = Fake::start().await;
    fake.join(channel("C1"));
    let since = fake.clock.now();
    let mut feed = SlackFeed::new(api(&fake), Some(APP_TOKEN.into()), own());
    let mut stored = Stored::default();
    stored.catch_up(&mut feed, &fake, since).await;
    let say = |n: i64| {
        let at = Micros(since.0 + n * SECOND);
        let ts = fake.say("C1", at, json!({"user":"U1","text":format!("number {n}")}));
        (
            format!("T1/C1/{ts}"),
            json!({"type":"message","channel":"C1","user":"U1","text":format!("number {n}"),"ts":ts}),
        )
    };
    // Out of order, and the first one twice.
    let ((one, first), (two, second)) = (say(1), say(2));
    for pushed in [event("2", second), event("1", first.clone()), event("1", first)] {
        fake.push(&pushed);
    }
    assert_eq!(feed.wait(Duration::from_secs(20)).await, Ok(Wake::News));
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let batch = feed.next(stored.cursor.as_deref(), since).await.unwrap();
        assert!(batch.more || batch.told.is_empty());
        heard.extend(batch.told.iter().filter_map(|told| match told {
            Told::Said(said) => Some(said.id.clone()),
            _ => None,
        }));
        let before = fake.state().acknowledged.len();
        assert!(before < heard.len() || batch.told.is_empty(), "acknowledged before it was stored");
        stored.keep(batch);
        if heard.len() < 3 {
            feed.wait(Duration::from_millis(200)).await.unwrap();
        }
    }
    assert_eq!(heard, [two.clone(), one.clone(), one]);
    stored.catch_up(&mut feed, &fake, since).await;
    while fake.state().acknowledged.len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fake.state().acknowledged, ["env-2", "env-1", "env-1"]);
    // A cut: what is said meanwhile comes by a walk, what is said after by the new socket.
    fake.cut();
    let (three, _) = say(200);
    assert_eq!(feed.wait(Duration::from_secs(20)).await, Ok(Wake::News));
    stored.catch_up(&mut feed, &fake, since).await;
    assert!(stored.said.contains_key(&three));
    let (four, fourth) = say(300);
    fake.push(&event("4", fourth));
    assert_eq!(feed.wait(Duration::from_secs(20)).await, Ok(Wake::News));
    stored.catch_up(&mut feed, &fake, since).await;
    assert_eq!(
        (stored.said.get(&four), stored.said.get(&three), stored.said.get(&two)),
        (Some(&1), Some(&1), Some(&1))
    );
    assert_eq!(fake.calls("apps.connections.open").len(), 2);
    Box::new(feed).close().await;
    assert_polite(&fake);
}

#[tokio::test]
async fn what_is_not_stored_is_not_acknowledged() {
    let fake = Fake::start().await;
    let app = api(&fake).with_token(APP_TOKEN.into());
    let mut socket = Socket::open(&app, &own()).await.unwrap();
    let said = json!({"type":"message","channel":"C1","user":"U1","text":"x","ts":"1700000000.000100"});
    fake.push(&event("1", said.clone()));
    let first = socket.deliver(Duration::from_secs(20), |_| async { false }).await.unwrap();
    assert!(matches!(&first, Arrived::Envelope(envelope) if envelope.event.id.as_deref() == Some("Ev1")));
    assert_eq!(fake.state().acknowledged, [""; 0]);
    fake.push(&event("1", said));
    let again = socket.deliver(Duration::from_secs(20), |event| async move { event.told.len() == 1 }).await.unwrap();
    assert_eq!(first, again);
    while fake.state().acknowledged.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fake.push(&json!({"type":"disconnect","reason":"refresh_requested"}));
    assert_eq!(socket.next(Duration::from_secs(20)).await, Ok(Arrived::Goodbye));
    fake.cut();
    assert!(matches!(socket.next(Duration::from_secs(20)).await, Err(ConnectorError::Lost(_))));
    assert_eq!(fake.state().acknowledged, ["env-1"]);
    // An app token of another app is seen at once, and neither token nor ticket is shown.
    let mut other = own();
    other.app = Some("A2".into());
    let error = Socket::open(&app, &other).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Login(why) if !why.contains("canary")), "{error:?}");
    assert_polite(&fake);
}

#[tokio::test]
async fn without_a_socket_that_opens_the_conversations_are_asked() {
    let fake = Fake::start().await;
    fake.join(channel("C1"));
    let since = fake.clock.now();
    let ts = fake.say("C1", Micros(since.0 + 5), json!({"user":"U1","text":"x"}));
    fake.fail("apps.connections.open", [Fault::Status(500)]);
    let mut feed = SlackFeed::new(api(&fake), Some(APP_TOKEN.into()), own());
    let batch = feed.next(None, since).await.unwrap();
    assert!(matches!(&batch.told[..], [Told::Said(said)] if said.id == format!("T1/C1/{ts}")));
    fake.fail("apps.connections.open", [Fault::Code("token_revoked")]);
    let mut feed = SlackFeed::new(api(&fake), Some(APP_TOKEN.into()), own());
    assert!(matches!(feed.next(None, since).await, Err(ConnectorError::Login(_))));
    assert_polite(&fake);
}

#[tokio::test]
async fn files_are_fetched_and_our_token_is_told_to_slack_alone() {
    let fake = Fake::start().await;
    let stranger = Fake::start().await;
    let mut feed = SlackFeed::new(Api::new(settings(&fake, BOT_TOKEN)).unwrap(), None, own());
    let file = |url: String| Attached { url, name: "a.png".into(), mime: "image/png".into(), size: None };
    let at = |fake: &Fake, name: &str| file(fake.base.join(&format!("/files/{name}")).unwrap().to_string());
    assert_eq!(feed.file(&at(&fake, "a"), 100).await.unwrap(), b"octets of a");
    assert_eq!(feed.file(&file("slack-file:F1".into()), 100).await.unwrap(), b"octets of F1");
    assert!(matches!(feed.file(&at(&fake, "a"), 5).await, Err(FileError::TooLarge)));
    for refused in ["page", "moved"] {
        let error = feed.file(&at(&fake, refused), 1_000).await.unwrap_err();
        assert!(matches!(error, FileError::Connector(ConnectorError::Refused(_))), "{refused}: {error:?}");
    }
    fake.state().file_answers.insert("a".into(), [404, 403, 503].into());
    assert!(matches!(feed.file(&at(&fake, "a"), 100).await, Err(FileError::Missing(_))));
    let refused = feed.file(&at(&fake, "a"), 100).await.unwrap_err();
    assert!(refused.to_string().contains("files:read"), "{refused}");
    let lost = feed.file(&at(&fake, "a"), 100).await;
    assert!(matches!(lost, Err(FileError::Connector(ConnectorError::Lost(_)))), "{lost:?}");
    // Asked to wait, it waits: the second time nobody is asked.
    fake.state().file_answers.insert("a".into(), [429].into());
    let asked = fake.state().files.len();
    for _ in 0..2 {
        let later = feed.file(&at(&fake, "a"), 100).await;
        assert!(matches!(&later, Err(FileError::Later { rest, .. }) if !rest.is_zero()), "{later:?}");
    }
    assert_eq!(fake.state().files.len(), asked + 1);
    for elsewhere in [
        at(&stranger, "a"),
        file("https://slack.com.example.org/a".into()),
        file("http://files.slack.com/a".into()),
        file("https://files.slack.com:8443/a".into()),
        file("file:///etc/hostname".into()),
        file("nothing".into()),
    ] {
        let error = feed.file(&elsewhere, 1_000).await.unwrap_err();
        assert!(matches!(error, FileError::Elsewhere(_)), "{elsewhere:?}: {error:?}");
    }
    assert!(stranger.state().stranger_heard.is_empty() && stranger.state().files.is_empty());
    assert_polite(&fake);
}
