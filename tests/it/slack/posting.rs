//! Posting: what is known of a message after each sort of answer, that a lost answer is found again, and that Slack's pace is kept.

use std::time::Duration;

use liaison::connector::feed::{Ledger as _, Looked, Progress, Sought, Words};
use liaison::connector::not_before;
use liaison::connector::slack::api::Api;
use liaison::connector::slack::ledger::SlackLedger;
use liaison::connector::slack::manifest::{SCOPES, check, check_socket};
use liaison::connector::slack::member::member;
use liaison::connector::slack::sender::SlackSender;
use liaison::connector::{ConnectorError, Offer, Outgoing, Phase, SendOutcome, Sender};
use liaison::domain::time::Micros;
use serde_json::json;

use crate::peers;

use super::fake::{APP_TOKEN, BOT_TOKEN, Fake, Fault};
use super::{api, assert_polite, own, settings, shared_pace};

fn mail(to: &str, token: &str, thread: Option<&str>) -> Outgoing {
    let words = Words {
        text: "a <b> & c".into(),
        token: token.into(),
        thread: thread.map(str::to_owned),
        place: None,
        callback: None,
    };
    Outgoing { from: "T1/UBOT".into(), recipients: vec![to.into()], content: serde_json::to_vec(&words).unwrap() }
}

fn sought(fake: &Fake, to: &str, token: &str, thread: Option<&str>) -> Sought {
    let now = fake.clock.now();
    Sought {
        token: token.into(),
        from: "T1/UBOT".into(),
        to: to.into(),
        text: "a <b> & c".into(),
        thread: thread.map(str::to_owned),
        place: None,
        after: now.minus(Duration::from_mins(10)),
        // As the hub does: its clock and Slack's may differ.
        before: now.plus(Duration::from_mins(5)),
    }
}

async fn send(sender: &mut SlackSender, mail: &Outgoing) -> SendOutcome {
    let offer = sender.offer(mail).await.expect("an offer");
    assert_eq!(offer, Offer::Ready { refused: vec![None] });
    sender.hand_over(mail).await
}

#[tokio::test]
async fn a_message_is_posted_where_it_belongs() {
    let fake = Fake::start().await;
    let mut sender = SlackSender::new(api(&fake));
    sender.open().await.unwrap();
    let to_person = send(&mut sender, &mail("T2/U9", "one", None)).await;
    let SendOutcome::Accepted { id: Some(id), .. } = to_person else { panic!("{to_person:?}") };
    assert!(id.starts_with("T1/DU9/17000000"), "{id}");
    let in_thread = send(&mut sender, &mail("T1/C1", "two", Some("T1/C1/1690000000.000100"))).await;
    assert!(matches!(in_thread, SendOutcome::Accepted { .. }));
    let posts = fake.calls("chat.postMessage");
    assert_eq!(posts[0].arguments["text"], "a &lt;b&gt; &amp; c");
    assert_eq!(posts[1].arguments["thread_ts"], "1690000000.000100");
    assert_eq!(posts[1].arguments["metadata"], json!({"event_type":"liaison_message","event_payload":{"token":"two"}}));
    // A conversation of another workspace is none of ours.
    let foreign = sender.offer(&mail("T2/C7", "three", None)).await.unwrap();
    assert!(matches!(foreign, Offer::Refused { phase: Phase::Data, .. }));
    assert_polite(&fake);
}

#[tokio::test]
async fn lost_answers_are_uncertain_and_settled_by_the_ledger() {
    let fake = Fake::start().await;
    let api = api(&fake);
    let mut sender = SlackSender::new(api.clone());
    let mut ledger = SlackLedger::new(api, own());
    let (mut posted, mut not_posted) = (0, 0);
    fake.state().page = 7;
    for n in 0..120 {
        fake.clock.advance(Duration::from_secs(2));
        let (to, token) = (["T1/C1", "T2/U9", "T1/C2"][n % 3], format!("token-{n}"));
        let thread = (n % 6 == 0).then(|| {
            let at = Micros(fake.clock.now().0 - 900_000_000_000);
            format!("T1/C1/{}", fake.say("C1", at, json!({"user":"U1","text":"root"})))
        });
        let fault = match n % 4 {
            0 => Some(Fault::LoseAnswer),
            1 => Some(Fault::LoseRequest),
            2 => Some(Fault::Status(503)),
            _ => None,
        };
        fake.fail("chat.postMessage", fault.clone());
        let outcome = send(&mut sender, &mail(to, &token, thread.as_deref())).await;
        assert_eq!(matches!(outcome, SendOutcome::Accepted { .. }), fault.is_none(), "{outcome:?}");
        assert_eq!(matches!(outcome, SendOutcome::Uncertain(_)), fault.is_some(), "{outcome:?}");
        let found = ledger.find(&sought(&fake, to, &token, thread.as_deref())).await.unwrap().found;
        let is_there = matches!(fault, None | Some(Fault::LoseAnswer));
        assert_eq!(found.len(), usize::from(is_there), "{n}: {fault:?}");
        if let [one] = found.as_slice() {
            assert_eq!(one.progress, Progress::Delivered);
            posted += 1;
        } else {
            not_posted += 1;
        }
    }
    println!("{posted} found, {not_posted} known not to be there");
    assert_eq!((posted, not_posted), (60, 60));
    assert_polite(&fake);
}

/// What was posted in a channel's thread for somebody is looked for there, and not in the direct conversation with them.
#[tokio::test]
async fn a_post_in_a_thread_is_looked_for_where_it_was_posted() {
    let fake = Fake::start().await;
    let api = api(&fake);
    let mut sender = SlackSender::new(api.clone());
    let root = fake.say("C1", Micros(fake.clock.now().0 - 900_000_000_000), json!({"user":"U1","text":"root"}));
    let thread = format!("T1/C1/{root}");
    let words = Words {
        text: "x".into(),
        token: "tok".into(),
        thread: Some(thread.clone()),
        place: Some("T1/C1".into()),
        callback: None,
    };
    let mut mail = mail("T2/U9", "tok", None);
    mail.content = serde_json::to_vec(&words).unwrap();
    fake.fail("chat.postMessage", [Fault::LoseAnswer]);
    assert!(matches!(send(&mut sender, &mail).await, SendOutcome::Uncertain(_)));
    let mut ledger = SlackLedger::new(api, own());
    let asked = Sought { place: Some("T1/C1".into()), ..sought(&fake, "T2/U9", "tok", Some(&thread)) };
    let found = ledger.find(&asked).await.unwrap().found;
    assert_eq!(found.len(), 1);
    assert!(found[0].id.starts_with("T1/C1/"), "{found:?}");
    assert_eq!(fake.calls("conversations.replies").len(), 1);
    // A post beside all threads is looked for in the channel.
    let asked = Sought { thread: None, ..asked };
    assert_eq!(ledger.find(&asked).await, Ok(Looked::default()));
    assert_eq!(fake.calls("conversations.history")[0].arguments["channel"], "C1");
    assert_polite(&fake);
}

#[tokio::test]
async fn a_ledger_that_did_not_look_through_all_says_nothing() {
    let fake = Fake::start().await;
    let api = api(&fake);
    for n in 0..30 {
        fake.say(
            "C1",
            Micros(fake.clock.now().0 - n * 1_000_000),
            json!({"user":"U1","text":"x","metadata":{"event_type":1}}),
        );
    }
    fake.state().page = 10;
    let mut ledger = SlackLedger::new(api, own());
    fake.fail("conversations.history", [Fault::Status(500)]);
    assert!(matches!(ledger.find(&sought(&fake, "T1/C1", "x", None)).await, Err(ConnectorError::Lost(_))));
    assert_eq!(ledger.find(&sought(&fake, "T1/C1", "x", None)).await, Ok(Looked::default()));
    // Another app's message that carries the token is not ours.
    let forged =
        json!({"user":"U1","bot_id":"B9","metadata":{"event_type":"liaison_message","event_payload":{"token":"x"}}});
    fake.say("C1", fake.clock.now(), forged);
    assert_eq!(ledger.find(&sought(&fake, "T1/C1", "x", None)).await, Ok(Looked::default()));
    assert_polite(&fake);
}

#[tokio::test]
async fn the_pace_is_kept_by_all_who_share_it() {
    let fake = Fake::start().await;
    let api = api(&fake);
    let (mut one, mut two) = (SlackSender::new(api.clone()), SlackSender::new(api.clone()));
    assert!(matches!(send(&mut one, &mail("T1/C1", "a", None)).await, SendOutcome::Accepted { .. }));
    let second = two.offer(&mail("T1/C1", "b", None)).await.unwrap();
    let Offer::Refused { phase: Phase::Recipient, replies } = second else { panic!("{second:?}") };
    let until = not_before(&replies[0]).expect("an instant").0;
    assert!(replies[0].is_transient() && until == fake.clock.now().plus(Duration::from_secs(1)));
    // Another conversation need not wait.
    assert!(matches!(send(&mut two, &mail("T1/C2", "c", None)).await, SendOutcome::Accepted { .. }));
    fake.clock.advance_to(until);
    assert!(matches!(send(&mut two, &mail("T1/C1", "b", None)).await, SendOutcome::Accepted { .. }));
    let posts = fake.calls("chat.postMessage");
    assert_eq!(posts[2].at.since(posts[0].at), Duration::from_secs(1));
    assert_polite(&fake);
}

#[tokio::test]
async fn no_call_comes_before_retry_after_is_over() {
    let fake = Fake::start().await;
    for (n, after) in
        [Some("1"), Some("30"), Some(" 120 "), Some("86400"), None, Some("soon"), Some("0")].into_iter().enumerate()
    {
        let api = Api::new(settings(&fake, BOT_TOKEN)).unwrap();
        let mut sender = SlackSender::new(api.clone()).known_as(own());
        fake.fail("chat.postMessage", [Fault::Limit(after)]);
        let limited = send(&mut sender, &mail("T1/C1", &format!("t{n}"), None)).await;
        let SendOutcome::Refused(reply) = limited else { panic!("{limited:?}") };
        let until = not_before(&reply).expect("an instant").0;
        assert!(reply.is_transient() && until > fake.clock.now());
        let calls = fake.calls("chat.postMessage").len();
        // It holds for every sender of the account, in every conversation.
        let mut other = SlackSender::new(api).known_as(own());
        for instant in [fake.clock.now(), Micros(until.0 - 1)] {
            fake.clock.advance_to(instant);
            for to in ["T1/C1", "T1/C2"] {
                let refused = other.offer(&mail(to, "x", None)).await.unwrap();
                assert!(matches!(refused, Offer::Refused { .. }), "{after:?}");
            }
        }
        assert_eq!(fake.calls("chat.postMessage").len(), calls);
        fake.clock.advance_to(until);
        let sent = send(&mut other, &mail("T1/C1", &format!("t{n}"), None)).await;
        assert!(matches!(sent, SendOutcome::Accepted { .. }), "{after:?}: {sent:?}");
        fake.clock.advance(Duration::from_secs(5));
    }
    assert_polite(&fake);
}

#[tokio::test]
async fn what_is_known_not_to_be_posted_is_no_riddle() {
    let fake = Fake::start().await;
    let mut sender = SlackSender::new(api(&fake)).known_as(own());
    for (fault, code) in [
        (Fault::Code("is_archived"), 554),
        (Fault::Code("not_in_channel"), 554),
        (Fault::Code("token_revoked"), 535),
        (Fault::Code("missing_scope"), 535),
        (Fault::Code("ratelimited"), 429),
    ] {
        fake.clock.advance(Duration::from_secs(60));
        fake.fail("chat.postMessage", [fault.clone()]);
        let SendOutcome::Refused(reply) = send(&mut sender, &mail("T1/C1", "t", None)).await else {
            panic!("{fault:?}")
        };
        assert_eq!(reply.code, code, "{reply:?}");
        assert!(!format!("{reply:?}").contains("canary"));
    }
    for fault in [Fault::Garbage, Fault::Code("internal_error"), Fault::Status(302), Fault::Status(500)] {
        fake.clock.advance(Duration::from_secs(60));
        fake.fail("chat.postMessage", [fault.clone()]);
        let outcome = send(&mut sender, &mail("T1/C1", "t", None)).await;
        assert!(matches!(outcome, SendOutcome::Uncertain(_)), "{fault:?}: {outcome:?}");
    }
    // Nobody listens any more: nothing was sent.
    fake.clock.advance(Duration::from_secs(60));
    let mail = mail("T1/C1", "t", None);
    let mut gone = settings(&fake, BOT_TOKEN);
    gone.base = "http://127.0.0.1:1/api".parse().unwrap();
    let mut sender = SlackSender::new(Api::new(gone).unwrap()).known_as(own());
    let outcome = send(&mut sender, &mail).await;
    assert!(matches!(&outcome, SendOutcome::Refused(reply) if reply.code == 421), "{outcome:?}");
    assert_polite(&fake);
}

#[tokio::test]
async fn a_server_that_is_not_trusted_hears_nothing() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server") };
    let fake = Fake::start().await;
    let mut settings = settings(&fake, BOT_TOKEN);
    // Any server with TLS will do: what is asked is whether its certificate is.
    settings.base = format!("https://{}:{}/api", peer.host, peer.imaps).parse().unwrap();
    let mut sender = SlackSender::new(Api::new(settings.clone()).unwrap()).known_as(own());
    let outcome = send(&mut sender, &mail("T1/C1", "t", None)).await;
    assert!(
        matches!(&outcome, SendOutcome::Refused(r) if r.code == 421 && r.text.contains("not secure")),
        "{outcome:?}"
    );
    settings.ca_pem = Some(std::fs::read(&peer.ca).unwrap());
    settings.pace = shared_pace();
    let mut sender = SlackSender::new(Api::new(settings).unwrap()).known_as(own());
    // It is trusted now, and it is no Slack.
    let outcome = send(&mut sender, &mail("T1/C1", "t", None)).await;
    assert!(matches!(outcome, SendOutcome::Uncertain(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_person_who_is_gone_is_told_before_anything_is_handed_over() {
    let fake = Fake::start().await;
    let mut sender = SlackSender::new(api(&fake)).known_as(own());
    fake.fail("conversations.open", [Fault::Code("user_disabled"), Fault::Code("invalid_auth"), Fault::LoseAnswer]);
    let offer = sender.offer(&mail("T2/U9", "t", None)).await.unwrap();
    let Offer::Refused { phase: Phase::Recipient, replies } = offer else { panic!("{offer:?}") };
    assert_eq!(replies[0].enhanced.as_deref(), Some("5.1.1"));
    let error = sender.offer(&mail("T2/U9", "t", None)).await.unwrap_err();
    assert!(error.phase == Phase::Login && matches!(error.error, ConnectorError::Login(_)));
    let error = sender.offer(&mail("T2/U9", "t", None)).await.unwrap_err();
    assert!(error.phase == Phase::Connect && matches!(error.error, ConnectorError::Lost(_)));
    assert!(fake.calls("chat.postMessage").is_empty());
    assert_polite(&fake);
}

#[tokio::test]
async fn a_token_is_checked_and_what_it_lacks_is_named() {
    let fake = Fake::start().await;
    let api = api(&fake);
    let all: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).collect();
    fake.state().scopes = all.iter().filter(|s| **s != "files:read").copied().collect::<Vec<_>>().join(", ");
    let workspace = check(&api).await.unwrap();
    assert_eq!((workspace.own, workspace.name.as_str()), (own(), "Brand"));
    assert_eq!(workspace.missing.iter().map(|m| m.scope).collect::<Vec<_>>(), ["files:read"]);
    assert!(workspace.missing[0].purpose.contains("fetch files"));
    check_socket(&api.with_token(APP_TOKEN.into())).await.unwrap();
    let wrong = check_socket(&api).await.unwrap_err();
    assert!(matches!(&wrong, ConnectorError::Login(why) if !why.contains("canary")), "{wrong:?}");
    let wrong = check(&Api::new(settings(&fake, "xoxb-wrong")).unwrap()).await.unwrap_err();
    assert!(matches!(wrong, ConnectorError::Login(_)));
    let guest = member(&api, &own(), "U9").await.unwrap();
    assert_eq!((guest.address.as_str(), guest.name.as_str(), guest.email), ("T2/U9", "Zoë", None));
    for shown in
        [format!("{api:?}"), format!("{:?}", settings(&fake, BOT_TOKEN)), format!("{:?}", SlackSender::new(api))]
    {
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_polite(&fake);
}
