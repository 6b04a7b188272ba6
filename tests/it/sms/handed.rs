//! Messages that are handed over to Twilio while answers get lost: what is said of each is true, and the ledger finds what is there.

use super::twilio::{Fate, Twilio};
use super::{NOON, OURS, THEIRS, clock, mail, send};
use liaison::connector::feed::{Progress, Sought};
use liaison::connector::{ConnectorError, Offer, Reply, SendOutcome, not_before};
use liaison::domain::time::Micros;
use std::time::Duration;

fn sought(to: &str, text: &str) -> Sought {
    Sought {
        thread: None,
        place: None,
        token: "tok-1".to_owned(),
        from: OURS.to_owned(),
        to: to.to_owned(),
        text: text.to_owned(),
        after: Micros(NOON * 1_000_000 + 700_000),
        before: Micros::from_seconds(NOON + 60),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_taken_and_named() {
    let (twilio, clock) = (Twilio::new(), clock());
    let callback = "https://hub.example.com/hooks/line/status/tok-1";
    let outcome = send(&*twilio.line(&clock), &mail(THEIRS, "Grüße & more ✓", Some(callback))).await;
    let SendOutcome::Accepted { reply, id } = outcome else { panic!("{outcome:?}") };
    let stored = &twilio.messages()[0];
    assert_eq!((id.as_deref(), reply.code), (Some(stored.sid.as_str()), 201));
    assert_eq!((stored.from.as_str(), stored.to.as_str(), stored.body.as_str()), (OURS, THEIRS, "Grüße & more ✓"));
    let form = twilio.server.journal()[0].form();
    assert_eq!(super::provider::field(&form, "StatusCallback"), Some(callback));
    assert_eq!(twilio.check(), 1);
}

/// Of 2,000 messages whose answers were lost in every way there is, the ledger says of each whether it is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_uncertain_is_found_or_known_not_to_be_there() {
    let (twilio, clock) = (Twilio::new(), clock());
    let line = twilio.line(&clock);
    let fates = [Fate::TakenAndSilent, Fate::Fallen, Fate::TakenAndBroken, Fate::TakenAndGarbled, Fate::TakenAndUnwell];
    let mut ledger = line.ledger();
    let (mut there, mut gone) = (0, 0);
    for n in 0..2_000_usize {
        let fate = fates[n % fates.len()];
        // Some get the same words twice; their numbers differ.
        let (to, text) = (format!("+1415555{:04}", n % 1_000), format!("hello {}", n / 1_000));
        twilio.will(&[fate]);
        let outcome = send(&*line, &mail(&to, &text, None)).await;
        assert!(matches!(outcome, SendOutcome::Uncertain(_)), "{fate:?}: {outcome:?}");
        let mut found = ledger.find(&sought(&to, &text)).await.unwrap().found;
        // What went to the same number with other words is told, and told apart.
        found.retain(|f| f.alike);
        let stored = twilio.messages().into_iter().filter(|m| m.to == to && m.body == text).map(|m| m.sid);
        assert_eq!(found.iter().map(|f| f.id.clone()).collect::<Vec<_>>(), stored.collect::<Vec<_>>(), "{fate:?}");
        assert_eq!(found.len(), usize::from(fate.is_taken()), "{fate:?}");
        assert!(found.iter().all(|f| f.progress == Progress::Taken));
        if found.is_empty() { gone += 1 } else { there += 1 }
    }
    assert_eq!((there, gone), (1_600, 400));
    println!("2,000 uncertain: {there} found, {gone} known not to be there; {} requests as described", twilio.check());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_tells_messages_apart() {
    let (twilio, clock) = (Twilio::new(), clock());
    let line = twilio.line(&clock);
    // Before, after, of theirs, and with other words; over several pages.
    for n in 0..30 {
        twilio.comes_in(THEIRS, "hello", NOON - n);
        send(&*line, &mail(THEIRS, &format!("hello {n}"), None)).await;
    }
    {
        let mut state = twilio.state.lock().unwrap();
        for (at, body) in [
            (NOON - 1, "hello"),
            (NOON + 61, "hello"),
            (NOON, "Hello"),
            (NOON, "hello "),
            (NOON + 5, "hello"),
            (NOON, "hello"),
        ] {
            let mut message = state.messages[1].clone();
            message.sid = format!("SM{:032x}", state.messages.len());
            (message.created, message.body, message.status) = (at, body.to_owned(), "delivered".to_owned());
            message.sent = Some(at);
            state.messages.push(message);
        }
    }
    let found = line.ledger().find(&sought(THEIRS, "hello")).await.unwrap().found;
    let (alike, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| f.alike);
    // The oldest first; a second that began before the time from which on is sought may hold it. A blank at the end is no other text.
    assert_eq!(alike.iter().map(|f| f.at.seconds() - NOON).collect::<Vec<_>>(), [0, 0, 5]);
    assert!(alike.iter().all(|f| f.progress == Progress::Delivered));
    // Whatever else went there at the time may be it, changed on its way: nobody says that it is not there.
    assert_eq!(others.len(), 31);
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_to_do() {
    let (twilio, clock) = (Twilio::new(), clock());
    for (status, code, smtp, enhanced) in [
        (400, 21_610, 550, "21610"),
        (400, 21_211, 550, "21211"),
        (400, 21_614, 550, "21614"),
        (400, 21_617, 554, "21617"),
        // About one recipient: the account goes on.
        (400, 21_408, 554, "21408"),
        (400, 21_612, 554, "21612"),
        (400, 21_606, 550, "5.7.1"),
        (401, 20_003, 535, "20003"),
        (400, 99_999, 554, "99999"),
    ] {
        twilio.will(&[Fate::Refused(status, code, 0)]);
        let outcome = send(&*twilio.line(&clock), &mail(THEIRS, "x", None)).await;
        let SendOutcome::Refused(Reply { code: got, enhanced: Some(got_enhanced), text }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((got, got_enhanced.as_str()), (smtp, enhanced), "{code}");
        assert!(text.starts_with(&code.to_string()) && !text.contains("4155550101"), "{text}");
    }
    assert!(twilio.messages().is_empty());
    // A short code reaches its own country alone, and the same code says so.
    let (url, clock) = (twilio.server.url(), clock);
    let settings = [
        ("account_sid", super::ACCOUNT),
        ("auth_token", super::TOKEN),
        ("number", "24365"),
        ("base_url", url.as_str()),
    ];
    twilio.will(&[Fate::Refused(400, 21_606, 0)]);
    let outcome = send(&*super::line("twilio", &settings, &clock), &mail(THEIRS, "x", None)).await;
    let SendOutcome::Refused(Reply { code: 554, enhanced: Some(code), text }) = outcome else { panic!("{outcome:?}") };
    assert!(code == "21606" && text.contains("write from another"), "{text}");
    // Too fast: the whole line waits, in all its sessions.
    for (status, code) in [(429, 20_429), (400, 14_107)] {
        let line = twilio.line(&clock);
        twilio.will(&[Fate::Refused(status, code, 30)]);
        let outcome = send(&*line, &mail(THEIRS, "x", None)).await;
        assert!(
            matches!(&outcome, SendOutcome::Refused(reply) if not_before(reply) == Some((clock.now().plus(Duration::from_secs(30)), true))),
            "{outcome:?}"
        );
        let waits = line.sender().offer(&mail(THEIRS, "x", None)).await;
        let Ok(Offer::Refused { replies, .. }) = waits else { panic!("{waits:?}") };
        assert_eq!(not_before(&replies[0]).map(|(_, whole)| whole), Some(true), "{replies:?}");
    }
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_nothing_was_sent() {
    // A port that was free a moment ago.
    let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("http://{at}");
    let settings =
        [("account_sid", super::ACCOUNT), ("auth_token", super::TOKEN), ("number", OURS), ("base_url", base.as_str())];
    let line = super::line("twilio", &settings, &clock());
    let outcome = send(&*line, &mail(THEIRS, "x", None)).await;
    assert!(matches!(&outcome, SendOutcome::Refused(Reply { code: 421, .. })), "{outcome:?}");
    let lost = line.ledger().find(&sought(THEIRS, "x")).await;
    assert!(matches!(lost, Err(ConnectorError::Lost(_))), "{lost:?}");
}
