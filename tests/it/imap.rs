//! The IMAP source against a real server, and against servers that misbehave.

use std::time::Duration;

use liaison::connector::email::imap::{ImapSettings, ImapSource};
use liaison::connector::email::tls::Security;
use liaison::connector::{ConnectorError, FETCH_MAX, RawItem, Source, Wake};
use liaison::domain::time::Micros;
use liaison::domain::words::FolderRole;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::fault::{Fault, Proxy, Script, scripted};
use crate::peers::{MailPeer, PASSWORD, fresh_user, mail};

const MESSAGE_MAX: u64 = 30 * 1024 * 1024;

fn settings(host: &str, port: u16, security: Security, user: &str) -> ImapSettings {
    ImapSettings {
        host: host.to_owned(),
        port,
        security,
        user: user.to_owned(),
        password: PASSWORD.into(),
        ca_file_pem: None,
        message_max: MESSAGE_MAX,
        step_timeout: Duration::from_secs(20),
    }
}

fn tls(peer: &MailPeer, user: &str) -> ImapSettings {
    ImapSettings {
        ca_file_pem: Some(std::fs::read(&peer.ca).unwrap()),
        ..settings(&peer.host, peer.imaps, Security::Tls, user)
    }
}

fn plain(port: u16, user: &str) -> ImapSettings {
    settings("127.0.0.1", port, Security::Plain, user)
}

fn message(number: usize, octets: usize) -> Vec<u8> {
    let mut raw = format!(
        "From: Ada <ada@example.org>\r\nSubject: Message {number}\r\nMessage-ID: <m{number}@example.org>\r\n\r\n"
    )
    .into_bytes();
    while raw.len() < octets {
        raw.extend_from_slice(format!("{number} {:070}\r\n", raw.len()).as_bytes());
    }
    raw
}

/// What the server stored is the message behind the trace headers that LMTP puts before it.
fn holds(item: &RawItem, sent: &[u8]) -> bool {
    item.raw.ends_with(sent) && item.raw.starts_with(b"Return-Path:") && !item.cut
}

/// All of the mailbox, as the poller reads it: what is past the last uid is asked for again.
async fn read_all(source: &mut ImapSource) -> Result<Vec<RawItem>, ConnectorError> {
    source.select("INBOX").await?;
    let mut left = source.uids().await?;
    let mut items = Vec::new();
    while !left.is_empty() {
        let batch = source.fetch(&left[..left.len().min(FETCH_MAX)]).await?;
        let Some(last) = batch.last().map(|item| item.uid) else { break };
        left.retain(|uid| *uid > last);
        items.extend(batch);
    }
    Ok(items)
}

#[tokio::test]
async fn imap_lists_folders_and_fetches_mail() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("fetch");
    let sent: Vec<_> = (0..250).map(|n| message(n, 3_000)).collect();
    peer.deliver_all(sent.iter().map(Vec::as_slice), &user);
    let mut source = ImapSource::new(tls(&peer, &user));
    let roles: Vec<_> = source.folders().await.unwrap().into_iter().map(|f| (f.name, f.role)).collect();
    assert!(roles.contains(&("INBOX".to_owned(), FolderRole::Inbox)), "{roles:?}");
    assert!(roles.contains(&("Sent".to_owned(), FolderRole::Sent)), "{roles:?}");
    assert!(roles.contains(&("Junk".to_owned(), FolderRole::Junk)), "{roles:?}");
    let status = source.select("INBOX").await.unwrap();
    assert_eq!((status.exists, status.uid_next), (250, 251));
    let items = read_all(&mut source).await.unwrap();
    assert_eq!(items.iter().map(|item| item.uid).collect::<Vec<_>>(), (1..=250).collect::<Vec<_>>());
    assert!(items.iter().zip(&sent).all(|(item, sent)| holds(item, sent)));
    assert!(items.iter().all(|item| item.received_at.is_some() && item.size == item.raw.len() as u64));
    assert_eq!(source.fetch(&[900, 0, -4, 7, 7]).await.unwrap().len(), 1);
    assert_eq!(source.uids_since(items[0].received_at.unwrap()).await.unwrap().len(), 250);
    assert_eq!(source.uids_since(Micros::parse("2100-01-01T00:00:00Z").unwrap()).await.unwrap(), Vec::<i64>::new());
    let headers = source.fetch_headers(&[3]).await.unwrap();
    assert!(String::from_utf8_lossy(&headers[0].raw).contains("<m2@example.org>"));
    Box::new(source).close().await;
}

#[tokio::test]
async fn imap_fetches_big_mail_in_parts_and_cuts_what_is_over_the_limit() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("big");
    let sent =
        [message(0, 2_000), message(1, 5_000_000), message(2, 14_000_000), message(3, 1_048_577), message(4, 10)];
    peer.deliver_all(sent.iter().map(Vec::as_slice), &user);
    let mut source = ImapSource::new(tls(&peer, &user));
    source.select("INBOX").await.unwrap();
    let first = source.fetch(&[1, 2, 3, 4, 5]).await.unwrap();
    assert_eq!(first.iter().map(|item| item.uid).collect::<Vec<_>>(), [1, 2], "16 MiB are not exceeded");
    let items = read_all(&mut source).await.unwrap();
    assert_eq!(items.len(), 5);
    assert!(items.iter().zip(&sent).all(|(item, sent)| holds(item, sent)));
    for limit in [1_000, 1_048_576, 2_000_000] {
        let mut source = ImapSource::new(ImapSettings { message_max: limit, ..tls(&peer, &user) });
        let cut = read_all(&mut source).await.unwrap();
        assert_eq!(cut.len(), 5);
        for (cut, whole) in cut.iter().zip(&items) {
            assert_eq!(cut.cut, whole.raw.len() as u64 > limit);
            assert_eq!(cut.raw, whole.raw[..whole.raw.len().min(usize::try_from(limit).unwrap())]);
            assert_eq!(cut.size, whole.size);
        }
    }
}

#[tokio::test]
async fn imap_files_sent_mail_and_finds_it() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let mut source = ImapSource::new(tls(&peer, &fresh_user("append")));
    let raw = |id: &str, token: &str, size: usize| {
        let body = "A line of the body that is sixty-eight octets long, with its end.\r\n".repeat(size / 68);
        format!("From: me@example.test\r\nMessage-ID: <{id}>\r\nX-Liaison-Id: {token}\r\n\r\n{body}").into_bytes()
    };
    source.append("Sent", &raw("11.one@example.test", "tok-1", 100)).await.unwrap();
    source.append("Sent", &raw("big@example.test", "tok-2", 9_000_000)).await.unwrap();
    source.select("Sent").await.unwrap();
    assert_eq!(source.find("11.one@example.test", "").await.unwrap(), Some(1));
    assert_eq!(source.find("rewritten@example.test", "tok-2").await.unwrap(), Some(2));
    assert_eq!(source.find("absent@example.test", "tok-3").await.unwrap(), None);
    assert_eq!(source.find("a\"b\\c@example.test", "").await.unwrap(), None);
    assert!(matches!(source.find("a\r\nX LOGOUT", "").await, Err(ConnectorError::Refused(_))));
    assert!(source.fetch(&[2]).await.unwrap()[0].raw.len() > 8_000_000);
    let missing = source.append("Gesendete Entwürfe \"x\"", b"Subject: x\r\n\r\nx\r\n").await;
    assert!(matches!(missing, Err(ConnectorError::Refused(_))), "{missing:?}");
    assert_eq!(source.find("11.one@example.test", "").await.unwrap(), Some(1), "a refusal costs nothing");
}

#[tokio::test]
async fn imap_files_in_a_folder_with_a_name_beyond_ascii() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("utf7");
    let mut wire = BufReader::new(TcpStream::connect((peer.host.as_str(), peer.imap)).await.unwrap());
    let commands = format!("a LOGIN {user} {PASSWORD}\r\nb CREATE \"Envoy&AOk-s\"\r\nc LOGOUT\r\n");
    wire.write_all(commands.as_bytes()).await.unwrap();
    let mut said = String::new();
    wire.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("b OK"), "{said}");
    let mut source = ImapSource::new(tls(&peer, &user));
    source.append("Envoyés", b"Message-ID: <a@b>\r\n\r\nx\r\n").await.unwrap();
    assert_eq!(source.select("Envoyés").await.unwrap().exists, 1);
    let listed = source.folders().await.unwrap();
    assert!(!listed.iter().any(|folder| folder.name == "Envoyés"), "the server marks another folder as Sent");
}

#[tokio::test]
async fn imap_wait_ends_with_news_or_with_the_time() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("idle");
    for fault in [Fault::None, Fault::RefuseIdle] {
        let proxy = Proxy::start(&peer.host, peer.imap, fault).await;
        let mut source = ImapSource::new(plain(proxy.port, &user));
        let before = source.select("INBOX").await.unwrap().exists;
        assert_eq!(source.wait(Duration::from_millis(300)).await.unwrap(), Wake::Elapsed);
        let raw = message(0, 100);
        let (woken, ()) =
            tokio::join!(source.wait(Duration::from_secs(40)), deliver_async(peer.clone(), raw.clone(), user.clone()));
        assert_eq!(woken.unwrap(), Wake::News);
        assert_eq!(source.select("INBOX").await.unwrap().exists, before + 1);
        assert_eq!(proxy.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn imap_silence_and_silent_close_in_idle_are_a_loss_and_the_next_call_recovers() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("silence");
    for fault in [Fault::CloseInIdle, Fault::SwallowIdle] {
        let proxy = Proxy::start(&peer.host, peer.imap, fault.clone()).await;
        let short = Duration::from_secs(3);
        let mut source = ImapSource::new(ImapSettings { step_timeout: short, ..plain(proxy.port, &user) });
        source.select("INBOX").await.unwrap();
        let lost = source.wait(Duration::from_mins(1)).await;
        assert!(matches!(lost, Err(ConnectorError::Lost(_))), "{fault:?}: {lost:?}");
        assert_eq!(source.uids().await.unwrap(), Vec::<i64>::new());
        assert_eq!(proxy.connections.load(std::sync::atomic::Ordering::SeqCst), 2);
        if fault == Fault::SwallowIdle {
            assert_eq!(source.wait(Duration::from_millis(200)).await, Ok(Wake::Elapsed), "IDLE is not tried again");
        }
    }
}

#[tokio::test]
async fn imap_cut_anywhere_is_a_loss_and_the_next_call_recovers() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("cut");
    let sent: Vec<_> = (0..8).map(|n| message(n, 5_000)).collect();
    peer.deliver_all(sent.iter().map(Vec::as_slice), &user);
    let proxy = Proxy::start(&peer.host, peer.imap, Fault::None).await;
    let mut source = ImapSource::new(plain(proxy.port, &user));
    assert_eq!(read_all(&mut source).await.unwrap().len(), 8);
    let whole = proxy.octets.load(std::sync::atomic::Ordering::SeqCst);
    assert!(whole > 40_000);
    let first_kilobyte = (0..1_000).step_by(37);
    for limit in first_kilobyte.chain((1_000..whole).step_by(1_000)) {
        proxy.set(Fault::CutAfter(limit));
        let mut source = ImapSource::new(plain(proxy.port, &user));
        let lost = read_all(&mut source).await;
        assert!(matches!(lost, Err(ConnectorError::Lost(_))), "cut after {limit}: {lost:?}");
        proxy.set(Fault::None);
        let items = read_all(&mut source).await.unwrap();
        assert!(items.len() == 8 && items.iter().zip(&sent).all(|(item, sent)| holds(item, sent)), "after {limit}");
    }
}

#[tokio::test]
async fn imap_dropped_call_takes_the_connection_with_it() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("dropped");
    peer.deliver_all([&message(0, 3_000_000)[..]], &user);
    let proxy = Proxy::start(&peer.host, peer.imap, Fault::None).await;
    let mut source = ImapSource::new(plain(proxy.port, &user));
    source.select("INBOX").await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_micros(200), source.fetch(&[1])).await;
    assert!(dropped.is_err());
    assert_eq!(source.fetch(&[1]).await.unwrap().len(), 1);
    assert_eq!(proxy.connections.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn imap_refuses_connections_that_are_not_secure() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("tls");
    let insecure = |result: Result<_, ConnectorError>| matches!(result, Err(ConnectorError::Insecure(_)));
    assert!(ImapSource::new(tls(&peer, &user)).folders().await.is_ok());
    let starttls = |port| ImapSettings { security: Security::StartTls, port, ..tls(&peer, &user) };
    assert!(ImapSource::new(starttls(peer.imap)).folders().await.is_ok());
    let unknown = ImapSettings { ca_file_pem: None, ..tls(&peer, &user) };
    assert!(insecure(ImapSource::new(unknown).folders().await));
    for fault in [Fault::StripStartTls, Fault::RefuseStartTls, Fault::InjectAfterStartTls] {
        let proxy = Proxy::start(&peer.host, peer.imap, fault.clone()).await;
        assert!(insecure(ImapSource::new(starttls(proxy.port)).folders().await), "{fault:?}");
    }
    let wrong_port = ImapSettings { port: peer.imap, ..tls(&peer, &user) };
    assert!(insecure(ImapSource::new(wrong_port).folders().await));
    let far = settings("mail.example.org", 143, Security::Plain, &user);
    assert!(insecure(ImapSource::new(far).folders().await));
}

#[tokio::test]
async fn imap_wrong_password_is_a_refused_sign_in_whatever_its_characters() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    for wrong in ["wrong", "wr\"o\\ng", "pässwörd", "line\r\nend", "zero\0"] {
        let settings = ImapSettings { password: wrong.into(), ..tls(&peer, &fresh_user("login")) };
        let refused = ImapSource::new(settings).folders().await;
        assert!(matches!(refused, Err(ConnectorError::Login(_))), "{wrong:?}: {refused:?}");
    }
}

async fn against(script: Script) -> (ImapSource, Result<(), ConnectorError>) {
    let address = scripted(script).await;
    let short = Duration::from_secs(10);
    let mut source = ImapSource::new(ImapSettings { step_timeout: short, ..plain(address.port(), "me@example.test") });
    let result = async {
        source.select("INBOX").await?;
        source.uids().await?;
        source.fetch(&[1, 2, 3]).await.map(|_| ())
    };
    let result = result.await;
    (source, result)
}

#[tokio::test]
async fn imap_server_that_talks_nonsense_is_a_loss() {
    fn said(command: &str, on: &str, what: &[u8]) -> Option<Vec<u8>> {
        command.starts_with(on).then(|| what.to_vec())
    }
    let scripts: [(&str, Script); 12] = [
        ("bye for a greeting", |c| said(c, "GREETING", b"* BYE busy\r\n")),
        ("another protocol", |c| said(c, "GREETING", b"220 mx ESMTP\r\n")),
        ("endless greeting", |c| said(c, "GREETING", &vec![b'x'; 40_000])),
        ("bye in select", |c| said(c, "EXAMINE", b"* BYE restarting\r\n")),
        ("literal of 2^63", |c| said(c, "EXAMINE", b"* 1 FETCH (BODY[] {9223372036854775808}\r\nx")),
        ("literal of 4 GiB", |c| said(c, "EXAMINE", b"* 1 FETCH (BODY[] {4294967295}\r\nx")),
        ("endless line", |c| said(c, "EXAMINE", b"ENDLESS")),
        ("not IMAP", |c| said(c, "EXAMINE", b"\0\0\0\xff\r\n")),
        ("date that panics the parser", |c| {
            said(c, "UID FETCH", b"* 1 FETCH (UID 1 INTERNALDATE NIL)\r\n{tag} OK\r\n")
        }),
        ("silent close", |c| said(c, "UID SEARCH", b"")),
        ("search without an answer", |c| said(c, "UID SEARCH", b"{tag} OK done\r\n")),
        ("temporary trouble", |c| said(c, "LOGIN", b"{tag} NO [UNAVAILABLE] Temporary failure\r\n")),
    ];
    for (name, script) in scripts {
        let (_, result) = against(script).await;
        let lost = matches!(result, Err(ConnectorError::Lost(_) | ConnectorError::Unreadable(_)));
        assert!(lost, "{name}: {result:?}");
    }
    let (_, refused) = against(|c| said(c, "UID SEARCH", b"{tag} NO not now\r\n")).await;
    assert!(matches!(refused, Err(ConnectorError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn imap_odd_fetch_answers_lose_nothing() {
    // Sizes that lie, a body without uid, a NIL body, and messages nobody asked for.
    fn script(command: &str) -> Option<Vec<u8>> {
        let said: &str = match command {
            "UID SEARCH ALL" => "* SEARCH 9 3\r\n* SEARCH 2 3\r\n{tag} OK done\r\n",
            c if c.contains("RFC822.SIZE") => {
                "* 9 FETCH (UID 77 RFC822.SIZE 5)\r\n* 1 FETCH (RFC822.SIZE 5)\r\n\
                 * 3 FETCH (UID 9 FLAGS (\\Seen \\draft) RFC822.SIZE 1)\r\n* 1 FETCH (UID 2 RFC822.SIZE 4000000)\r\n\
                 * 2 FETCH (UID 3 RFC822.SIZE 6)\r\n{tag} OK done\r\n"
            }
            c if c.starts_with("UID FETCH 2 ") => "* 1 FETCH (BODY[]<0> {3}\r\ntwo)\r\n{tag} OK done\r\n",
            c if c.starts_with("UID FETCH 3,9 ") => {
                "* 9 FETCH (UID 77 BODY[]<0> {1}\r\nx)\r\n* 3 FETCH (UID 9 BODY[]<0> {11}\r\nnine is big)\r\n\
                 * 2 FETCH (UID 3 BODY[] NIL)\r\n{tag} OK done\r\n"
            }
            c if c.starts_with("UID FETCH 3 ") => "* 2 FETCH (UID 3 BODY[] NIL)\r\n{tag} OK done\r\n",
            _ => return None,
        };
        Some(said.as_bytes().to_vec())
    }
    let mut source = ImapSource::new(plain(scripted(script).await.port(), "me@example.test"));
    source.select("INBOX").await.unwrap();
    assert_eq!(source.uids().await.unwrap(), [2, 3, 9]);
    let items = source.fetch(&[2, 3, 9]).await.unwrap();
    let seen: Vec<_> = items.iter().map(|item| (item.uid, item.raw.as_slice(), item.cut)).collect();
    assert_eq!(seen, [(2, &b"two"[..], false), (3, b"", true), (9, b"nine is big", false)]);
    assert_eq!(items.iter().map(|item| item.draft).collect::<Vec<_>>(), [false, false, true]);
}

/// Sizes are stated far too small: a batch ends all the same where it is full, and the rest is asked for again.
#[tokio::test]
async fn imap_batch_of_mails_larger_than_stated_holds_no_more_than_one_batch() {
    const MAIL: usize = 6 << 20;
    fn script(command: &str) -> Option<Vec<u8>> {
        let (set, items) = command.strip_prefix("UID FETCH ")?.split_once(' ')?;
        let (first, last) = set.split_once(':').unwrap_or((set, set));
        let uids = first.parse::<u32>().ok()?..=last.parse().ok()?;
        let mut said = Vec::new();
        if items.contains("RFC822.SIZE") {
            for uid in uids {
                said.extend(format!("* {uid} FETCH (UID {uid} RFC822.SIZE 100)\r\n").bytes());
            }
        } else {
            let (from, wanted) = items.split_once('<')?.1.split_once('>')?.0.split_once('.')?;
            let from: usize = from.parse().ok()?;
            let part = vec![b'x'; wanted.parse::<usize>().ok()?.min(MAIL.saturating_sub(from))];
            for uid in uids {
                said.extend(format!("* {uid} FETCH (UID {uid} BODY[]<{from}> {{{}}}\r\n", part.len()).bytes());
                said.extend_from_slice(&part);
                said.extend(b")\r\n");
            }
        }
        said.extend(b"{tag} OK done\r\n");
        Some(said)
    }
    let mut source = ImapSource::new(plain(scripted(script).await.port(), "me@example.test"));
    source.select("INBOX").await.unwrap();
    let mut left = vec![1, 2, 3, 4, 5, 6, 7, 8];
    let mut batches = Vec::new();
    while !left.is_empty() {
        let items = source.fetch(&left).await.unwrap();
        assert!(items.iter().all(|item| item.raw.len() == MAIL && !item.cut));
        let last = items.last().unwrap().uid;
        left.retain(|uid| *uid > last);
        batches.push(items.len());
    }
    // Three of 6 MB are the first that make 16 MB.
    assert_eq!(batches, [3, 3, 2]);
}

/// How fast mail comes in: `cargo test --release --test it -- --ignored --nocapture imap_rate`.
#[tokio::test]
#[ignore = "a measurement"]
async fn imap_rate() {
    let Some(peer) = mail() else { return crate::peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("rate");
    let sent: Vec<_> = (0..5_000).map(|n| message(n, 5_000)).collect();
    peer.deliver_all(sent.iter().map(Vec::as_slice), &user);
    for settings in [plain(peer.imap, &user), tls(&peer, &user), plain(peer.imap, &user)] {
        let mut source = ImapSource::new(settings.clone());
        let began = std::time::Instant::now();
        let count = read_all(&mut source).await.unwrap().len();
        let took = began.elapsed();
        println!(
            "{:?}: {count} mails in {took:?}: {}/s",
            settings.security,
            count as u128 * 1_000_000 / took.as_micros()
        );
    }
}

async fn deliver_async(peer: MailPeer, raw: Vec<u8>, user: String) {
    tokio::task::spawn_blocking(move || peer.deliver(&raw, &user)).await.unwrap();
}
