//! The SMTP sender against a server that misbehaves on command, and against a real one.

use liaison::connector::email::smtp::{Security, SmtpSender, SmtpSettings, Timeouts};
use liaison::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, SendOutcome, Sender};
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::render::mail::{Draft, compose, with_date};
use secrecy::SecretString;

use crate::peers;
use crate::smtp_script::{Act, Rule, ScriptServer, mail};

const TWO: [&str; 2] = ["a@x.example", "b@x.example"];

async fn sent(sender: &mut SmtpSender, mail: &Outgoing) -> SendOutcome {
    let offer = sender.offer(mail).await.unwrap();
    assert!(matches!(offer, Offer::Ready { .. }), "{offer:?}");
    sender.hand_over(mail).await
}

fn phase_of(offer: &Result<Offer, OfferError>) -> Option<Phase> {
    match offer {
        Ok(Offer::Ready { .. }) => None,
        Ok(Offer::Refused { phase, .. }) | Err(OfferError { phase, .. }) => Some(*phase),
    }
}

#[tokio::test]
async fn session_is_kept_for_many_mails_with_and_without_pipelining() {
    for extensions in [&["PIPELINING", "SIZE 1000"][..], &["SIZE 0"], &[]] {
        let server = ScriptServer::start(extensions, vec![]).await;
        let mut sender = server.sender();
        for _ in 0..5 {
            let outcome = sent(&mut sender, &mail(&TWO)).await;
            let SendOutcome::Accepted { reply, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(
                (reply.code, reply.enhanced.as_deref(), reply.text.as_str()),
                (250, Some("2.0.0"), "queued as 1")
            );
        }
        Box::new(sender).close().await;
        assert_eq!(server.connections(), 1);
        assert_eq!(server.lines("RCPT").len(), 10);
        assert_eq!(server.lines("QUIT").len(), 1);
        assert_eq!(server.seen.lock().unwrap().contents[4], "Subject: x\n\n..dot\nbye\n");
    }
}

#[tokio::test]
async fn goodbye_at_each_step_keeps_the_phase_and_ends_the_session() {
    for pipelining in [&["PIPELINING", "AUTH PLAIN"][..], &["AUTH PLAIN"]] {
        for (at, phase) in [
            ("GREETING", Phase::Connect),
            ("EHLO", Phase::Connect),
            ("AUTH", Phase::Login),
            ("MAIL", Phase::Envelope),
            ("RCPT TO:<a@", Phase::Recipient),
            ("RCPT TO:<b@", Phase::Recipient),
            ("DATA", Phase::Data),
        ] {
            let rule: Rule = (at, Some(0), Act::SayAndCut("421 4.3.2 closing\r\n"));
            let server = ScriptServer::start(pipelining, vec![rule]).await;
            let settings = SmtpSettings {
                user: Some("us".into()),
                password: Some(SecretString::from("secret")),
                ..server.settings()
            };
            let mut sender = SmtpSender::new(settings).unwrap();
            let offer = sender.offer(&mail(&TWO)).await;
            assert_eq!(phase_of(&offer), Some(phase), "{at}: {offer:?}");
            if let Ok(Offer::Refused { replies, .. }) = &offer {
                assert!(replies.len() == 2 && replies.iter().all(|r| r.code == 421), "{at}: {replies:?}");
            }
            assert!(matches!(sent(&mut sender, &mail(&TWO)).await, SendOutcome::Accepted { .. }), "{at}");
            assert_eq!(server.connections(), 2, "{at}");
        }
    }
}

#[tokio::test]
async fn cut_before_the_content_is_an_error_with_its_phase() {
    for act in [Act::Cut, Act::Stall, Act::Endless, Act::Say("what?\r\n"), Act::Say("250-a\r\n550 b\r\n")] {
        for (at, phase) in [
            ("GREETING", Phase::Connect),
            ("EHLO", Phase::Connect),
            ("MAIL", Phase::Envelope),
            ("RCPT", Phase::Recipient),
            ("DATA", Phase::Data),
        ] {
            let server = ScriptServer::start(&["PIPELINING"], vec![(at, None, act.clone())]).await;
            let error = server.sender().offer(&mail(&TWO)).await.expect_err("an error");
            assert_eq!(error.phase, phase, "{act:?} at {at}: {error}");
            assert!(matches!(error.error, ConnectorError::Lost(_)), "{act:?} at {at}: {error}");
            assert!(server.seen.lock().unwrap().contents.is_empty());
        }
    }
}

#[tokio::test]
async fn no_answer_after_the_content_is_uncertain_and_never_tried_again() {
    for act in [Act::Cut, Act::Stall, Act::Endless, Act::Say("garbage\r\n"), Act::Say("354 more\r\n")] {
        let server = ScriptServer::start(&[], vec![("CONTENT", None, act.clone())]).await;
        let mut sender = server.sender();
        let outcome = sent(&mut sender, &mail(&TWO)).await;
        assert!(matches!(outcome, SendOutcome::Uncertain(_)), "{act:?}: {outcome:?}");
        assert_eq!((server.connections(), server.seen.lock().unwrap().contents.len()), (1, 1));
    }
}

#[tokio::test]
async fn refusal_after_the_content_is_known_not_sent() {
    for (text, code, connections) in
        [("452 4.3.1 full\r\n", 452, 1), ("554 5.7.1 spam\r\n", 554, 1), ("421 4.3.2 bye\r\n", 421, 2)]
    {
        let server = ScriptServer::start(&[], vec![("CONTENT", None, Act::Say(text))]).await;
        let mut sender = server.sender();
        for _ in 0..2 {
            let outcome = sent(&mut sender, &mail(&TWO)).await;
            assert!(matches!(&outcome, SendOutcome::Refused(r) if r.code == code), "{outcome:?}");
        }
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn refused_recipient_leaves_the_others_and_all_refused_resets() {
    let rules: Vec<Rule> = vec![
        ("RCPT TO:<no@", None, Act::Say("550-5.1.1 no such\r\n550 5.1.1 user\r\n")),
        ("RCPT TO:<later@", None, Act::Say("450 4.2.0 greylisted\r\n")),
    ];
    let server = ScriptServer::start(&["PIPELINING"], rules).await;
    let mut sender = server.sender();
    let some = mail(&["no@x.example", "yes@x.example", "later@x.example"]);
    let Offer::Ready { refused } = sender.offer(&some).await.unwrap() else { panic!("not ready") };
    let codes: Vec<_> = refused.iter().map(|r| r.as_ref().map(|r| r.code)).collect();
    assert_eq!(codes, [Some(550), None, Some(450)]);
    assert_eq!(refused[0].as_ref().and_then(|r| r.enhanced.as_deref()), Some("5.1.1"));
    assert_eq!(refused[0].as_ref().map(|r| r.text.as_str()), Some("no such user"));
    assert!(matches!(sender.hand_over(&some).await, SendOutcome::Accepted { .. }));
    let Offer::Refused { phase, replies } = sender.offer(&mail(&["no@x.example", "later@x.example"])).await.unwrap()
    else {
        panic!("not refused")
    };
    assert_eq!((phase, replies[0].code, replies[1].code), (Phase::Recipient, 550, 450));
    assert!(matches!(sent(&mut sender, &mail(&["yes@x.example"])).await, SendOutcome::Accepted { .. }));
    assert_eq!((server.connections(), server.lines("RSET").len()), (1, 1));
}

#[tokio::test]
async fn kept_session_that_died_is_replaced_silently() {
    for act in [Act::Cut, Act::SayAndCut("421 4.4.2 idle\r\n")] {
        // The second MAIL of the first connection.
        let server = ScriptServer::start(&[], vec![("MAIL FROM:<second@", Some(0), act)]).await;
        let mut sender = server.sender();
        assert!(matches!(sent(&mut sender, &mail(&TWO)).await, SendOutcome::Accepted { .. }));
        let second = Outgoing { from: "second@brand.example".into(), ..mail(&TWO) };
        assert!(matches!(sent(&mut sender, &second).await, SendOutcome::Accepted { .. }));
        assert_eq!((server.connections(), server.seen.lock().unwrap().contents.len()), (2, 2));
    }
}

#[tokio::test]
async fn withdrawn_offer_sends_nothing() {
    let server = ScriptServer::start(&[], vec![]).await;
    let mut sender = server.sender();
    assert!(matches!(sender.offer(&mail(&TWO)).await.unwrap(), Offer::Ready { .. }));
    sender.withdraw().await;
    assert!(matches!(sender.hand_over(&mail(&TWO)).await, SendOutcome::Refused(r) if r.code == 503));
    assert!(matches!(sent(&mut sender, &mail(&TWO)).await, SendOutcome::Accepted { .. }));
    assert_eq!((server.connections(), server.seen.lock().unwrap().contents.len()), (2, 1));
}

#[tokio::test]
async fn sign_in_refusal_and_delay_are_told_apart() {
    for (text, login) in [("535 5.7.8 no\r\n", true), ("454 4.7.0 later\r\n", false)] {
        for mechanism in [&["AUTH PLAIN LOGIN"][..], &["AUTH LOGIN"]] {
            let server = ScriptServer::start(mechanism, vec![("AUTH", None, Act::Say(text))]).await;
            let settings = SmtpSettings {
                user: Some("us".into()),
                password: Some(SecretString::from("wrong")),
                ..server.settings()
            };
            let error = SmtpSender::new(settings).unwrap().offer(&mail(&TWO)).await.expect_err("refused");
            assert_eq!(
                (error.phase, matches!(error.error, ConnectorError::Login(_))),
                (Phase::Login, login),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn insecure_connection_is_never_used() {
    let server = ScriptServer::start(&["AUTH PLAIN"], vec![]).await;
    let stripped = SmtpSettings {
        security: Security::StartTls,
        user: Some("us".into()),
        password: Some(SecretString::from("secret")),
        ..server.settings()
    };
    let error = SmtpSender::new(stripped).unwrap().offer(&mail(&TWO)).await.expect_err("refused");
    assert!(matches!(error.error, ConnectorError::Insecure(_)), "{error}");
    assert!(server.lines("AUTH").is_empty() && server.lines("MAIL").is_empty());
    let injected: Rule = ("STARTTLS", None, Act::Say("220 go\r\n250 forged\r\n"));
    let server = ScriptServer::start(&["STARTTLS"], vec![injected]).await;
    let settings = SmtpSettings { security: Security::StartTls, ..server.settings() };
    let error = SmtpSender::new(settings).unwrap().offer(&mail(&TWO)).await.expect_err("refused");
    assert!(matches!(error.error, ConnectorError::Insecure(_)), "{error}");
    let away = SmtpSettings { host: "192.0.2.1".into(), ..server.settings() };
    let error = SmtpSender::new(away).unwrap().offer(&mail(&TWO)).await.expect_err("refused");
    assert!(matches!(error.error, ConnectorError::Insecure(_)), "{error}");
}

#[tokio::test]
async fn international_addresses_size_and_8bit_follow_what_the_server_offers() {
    let to = ["zoe@müller.example", "用户@x.example"];
    let old = ScriptServer::start(&["SIZE 40"], vec![]).await;
    let mut sender = old.sender();
    let Offer::Ready { refused } = sender.offer(&mail(&to)).await.unwrap() else { panic!("not ready") };
    assert_eq!(refused[1].as_ref().map(|r| r.code), Some(553));
    assert_eq!(old.lines("RCPT"), ["RCPT TO:<zoe@xn--mller-kva.example>"]);
    let big = Outgoing { content: vec![b'x'; 41], ..mail(&TWO) };
    let offer = sender.offer(&big).await.unwrap();
    assert!(matches!(&offer, Offer::Refused { replies, .. } if replies.iter().all(|r| r.code == 552)), "{offer:?}");
    let new = ScriptServer::start(&["SMTPUTF8", "8BITMIME", "SIZE"], vec![]).await;
    let eight = Outgoing { content: "Subject: x\r\n\r\nü\r\n".into(), ..mail(&to) };
    assert!(matches!(sent(&mut new.sender(), &eight).await, SendOutcome::Accepted { .. }));
    assert_eq!(new.lines("MAIL"), ["MAIL FROM:<us@brand.example> SIZE=18 BODY=8BITMIME SMTPUTF8"]);
    assert_eq!(new.lines("RCPT")[1], "RCPT TO:<用户@x.example>");
}

fn real(peer: &peers::MailPeer, security: Security, user: &str, password: &str) -> SmtpSender {
    SmtpSender::new(SmtpSettings {
        host: peer.host.clone(),
        port: if security == Security::Tls { peer.smtps } else { peer.submission },
        security,
        user: Some(user.into()),
        password: Some(SecretString::from(password)),
        ca_file_pem: Some(std::fs::read(&peer.ca).unwrap()),
        hello_name: "client.example".into(),
        timeouts: Timeouts::default(),
    })
    .unwrap()
}

fn letter(token: &str) -> Outgoing {
    let mailbox = |address: &str| Mailbox { name: "Zoë".into(), address: address.into() };
    let draft = Draft {
        from: mailbox("alice@example.test"),
        to: vec![mailbox("bob@example.test")],
        subject: "Grüße".into(),
        text: format!(".\nHello\n{}", "a line of some words, as people write them\n".repeat(45)),
        message_id: format!("{token}@example.test"),
        token: token.into(),
        ..Draft::default()
    };
    Outgoing {
        from: "alice@example.test".into(),
        recipients: vec!["bob@example.test".into()],
        content: with_date(&compose(&draft).unwrap(), Micros::from_seconds(1_772_355_600)),
    }
}

#[tokio::test]
async fn real_server_takes_mails_over_starttls_and_tls() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    for security in [Security::StartTls, Security::Tls] {
        let mut sender = real(&peer, security, "alice@example.test", "secret");
        for n in 0..3 {
            let outcome = sent(&mut sender, &letter(&format!("smtp{n}"))).await;
            assert!(
                matches!(&outcome, SendOutcome::Accepted { reply, .. } if reply.text.contains("queued as")),
                "{outcome:?}"
            );
        }
        Box::new(sender).close().await;
        let error =
            real(&peer, security, "alice@example.test", "wrong").offer(&letter("x")).await.expect_err("refused");
        assert!(matches!(error.error, ConnectorError::Login(_)), "{error}");
        let settings_without_ca = SmtpSettings {
            host: peer.host.clone(),
            port: if security == Security::Tls { peer.smtps } else { peer.submission },
            security,
            user: None,
            password: None,
            ca_file_pem: None,
            hello_name: "client.example".into(),
            timeouts: Timeouts::default(),
        };
        let error = SmtpSender::new(settings_without_ca).unwrap().offer(&letter("x")).await.expect_err("refused");
        assert!(matches!(error.error, ConnectorError::Insecure(_)), "{error}");
    }
}

#[tokio::test]
async fn sink_takes_thousands_on_one_session() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let mut sender = SmtpSender::new(SmtpSettings {
        host: peer.host.clone(),
        port: peer.sink,
        security: Security::Plain,
        user: None,
        password: None,
        ca_file_pem: None,
        hello_name: "client.example".into(),
        timeouts: Timeouts::default(),
    })
    .unwrap();
    let letter = letter("sink");
    let begun = std::time::Instant::now();
    for _ in 0..2000 {
        assert!(matches!(sent(&mut sender, &letter).await, SendOutcome::Accepted { .. }));
    }
    println!(
        "smtp-sink, one session: {:.0} mails/s of {} octets",
        2000.0 / begun.elapsed().as_secs_f64(),
        letter.content.len()
    );
}
