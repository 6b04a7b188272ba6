//! A teammate who has nothing but a mailbox.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::{PATIENCE, on_both};
use crate::daemon::{Answer, Installation, OurAccount};
use crate::peers::{MailPeer, fresh_user};
use crate::stores;

struct Brand {
    installation: Installation,
    peer: MailPeer,
    hello: String,
    kim: String,
    ana: String,
}

impl Brand {
    async fn new(fresh: stores::Fresh) -> Option<Self> {
        let Some(peer) = crate::peers::mail() else {
            crate::peers::skip("mail server (LIAISON_TEST_MAIL)");
            return None;
        };
        let (hello, kim, ana) = (fresh_user("brand"), fresh_user("kim"), fresh_user("ana"));
        let account = OurAccount {
            name: "hello",
            address: hello.clone(),
            smtp: format!("smtp://127.0.0.1:{}", peer.submission),
            sent_copy: "hub",
        };
        let installation = Installation::new(fresh, &peer, &[account]).await;
        installation.rewrite(|config| {
            format!(
                "{config}[teammates.kim]\nfirst_name = \"Kim\"\nemail = \"{kim}\"\n\
                 [relays.kim]\naccount = \"hello\"\nteammate = \"kim\"\n"
            )
        });
        Some(Self { installation, peer, hello, kim, ana })
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "it never comes to this: {what}\n{}", self.installation.last_words());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The mails in somebody's inbox.
    fn inbox(&self, user: &str) -> Vec<String> {
        let maildir = self.peer.dir.join("dovecot/mail").join(user).join("Maildir");
        let mut files: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .filter_map(|part| std::fs::read_dir(maildir.join(part)).ok())
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).replace("\r\n", "\n")).collect()
    }

    fn until_mailed(&self, user: &str, part: &str) -> String {
        self.until(part, || self.inbox(user).into_iter().find(|mail| text_of(mail).contains(part)))
    }

    fn writes(&self, from: &str, (to, more): (&str, &str), body: &str) {
        let id = uuid::Uuid::now_v7().simple();
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let mail = format!(
            "Message-ID: <{id}@mail.example>\nDate: {date}\nFrom: {from}\nTo: {to}\n{more}\
             Content-Type: text/plain; charset=utf-8\n\n{body}\n"
        );
        self.peer.deliver(mail.as_bytes(), &self.hello);
    }

    fn notes(&self, influencer: &str) -> Vec<String> {
        let page = self.installation.get(&format!("/v1/influencers/{influencer}/timeline?limit=200"));
        let items = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "note");
        items.map(|item| item["note"]["text"].as_str().unwrap().to_owned()).collect()
    }
}

fn text_of(mail: &str) -> String {
    liaison::connector::email::parse::parse(mail.as_bytes()).text
}

fn field(mail: &str, name: &str) -> String {
    let (head, _) = mail.split_once("\n\n").unwrap();
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let line = unfolded.lines().find(|line| line.starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name}: {head}")).split_once(": ").unwrap().1.to_owned()
}

async fn a_teammate_answers_by_mail(fresh: stores::Fresh) {
    let Some(brand) = Brand::new(fresh).await else { return };
    let Brand { installation, hello, kim, ana, .. } = &brand;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let order = json!({ "handle": "ana", "first_name": "Ana", "emails": [ana] });
    let Answer::Said(201, made) = installation.call("POST", "/v1/influencers", Some(&order)) else {
        panic!("not made")
    };
    let id = made["id"].as_str().unwrap().to_owned();
    // The first reading must be over: what was there before is told to nobody.
    brand.until("the first reading", || {
        let accounts = installation.get("/v1/accounts");
        accounts["data"][0]["last_sync_at"].as_str().map(|_| ())
    });
    brand.writes(&format!("Ana <{ana}>"), (hello, "Subject: The tee\n"), "Hi, what is the fee?");
    let shown = brand.until_mailed(kim, "what is the fee?");
    assert!(text_of(&shown).contains("Ana (@ana), email by hello:") && text_of(&shown).contains("Subject: The tee"));
    assert_eq!((field(&shown, "From"), field(&shown, "To")), (hello.clone(), kim.clone()));
    let relayed = field(&shown, "Message-ID");
    let quoted: String = text_of(&shown).lines().map(|line| format!("> {line}\n")).collect();
    let answering =
        |more: &str| format!("Subject: Re: Ana (@ana)\nIn-Reply-To: {relayed}\nReferences: {relayed}\n{more}");

    // Her answer goes to Ana, in Ana's thread, without what the hub wrote and without her signature.
    let body = format!(
        "We pay 300 euros.\n\n-- \nKim Doe\nBrand Ltd, secret extension 4711\n\nOn Monday {hello} wrote:\n{quoted}"
    );
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("")), &body);
    let got = brand.until_mailed(ana, "We pay 300 euros.");
    assert_eq!(text_of(&got).trim(), "We pay 300 euros.");
    assert_eq!((field(&got, "From"), field(&got, "Subject")), (hello.clone(), "Re: The tee".to_owned()));
    assert!(
        !got.contains("4711") && !got.contains("liaison:") && !got.contains(&**kim) && !got.contains("relay-"),
        "{got}"
    );
    let asked = field(&got, "In-Reply-To");
    assert!(asked.contains("@mail.example"), "{asked}");
    let threads = installation.get(&format!("/v1/threads?influencer={id}"));
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{threads}");

    // None of these goes on: each is a note, and she is told why.
    let aside = fresh_user("aside");
    let before = brand.inbox(ana).len();
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("")), "!Note LEAK: too expensive");
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering(&format!("Cc: {aside}\n"))), "LEAK what do you think?");
    brand.writes(
        &format!("Kim <{kim}>"),
        (hello, &answering("")),
        &format!("LEAK see below\n\n---------- Forwarded message ---------\nFrom: x\n\n{quoted}"),
    );
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("Auto-Submitted: auto-replied\n")), "LEAK I am away");
    brand.writes(
        &format!("Kim <{kim}>"),
        (hello, &answering("Authentication-Results: mx.example; dmarc=fail\n")),
        "LEAK forged",
    );
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("")), &format!("-- \nKim LEAK\n\n{quoted}"));
    brand.writes(&format!("Mallory <{aside}>"), (hello, &answering("")), "LEAK by a stranger");
    brand.writes(&format!("Ana <{ana}>"), (hello, "Subject: The tee, again\nX-Liaison-Id: relay-00\n"), "Me again");
    for why in ["others got it as well", "it passes another mail on", "DMARC", "there are no words of yours"] {
        let told = brand.until_mailed(kim, why);
        assert!(field(&told, "In-Reply-To").contains("relay-"), "{told}");
    }
    brand.until_mailed(kim, "Me again");
    brand.until("the note", || brand.notes(&id).iter().any(|note| note == "!Note LEAK: too expensive").then_some(()));
    assert!(brand.notes(&id).iter().all(|note| !note.contains("I am away")), "{:?}", brand.notes(&id));
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("")), "The last words.");
    brand.until_mailed(ana, "The last words.");
    let got: Vec<String> = brand.inbox(ana).iter().map(|mail| text_of(mail)).collect();
    assert_eq!(got.len(), before + 1, "{got:#?}");
    assert!(got.iter().all(|text| !text.contains("LEAK")), "{got:#?}");
    assert!(brand.inbox(&aside).is_empty());
    let page = installation.get(&format!("/v1/influencers/{id}/timeline?limit=200"));
    let messages: Vec<&Value> =
        page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message").collect();
    let texts: Vec<&str> = messages.iter().map(|item| item["message"]["reply_text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    // What may be meant as a note is one, and she is told; a provider may give our mail another id, which her answer names.
    brand.writes(&format!("Kim <{kim}>"), (hello, &answering("")), "Note that 300 is LEAK the most");
    let told = brand.until_mailed(kim, "it begins with that word");
    assert!(field(&told, "In-Reply-To").contains("relay-"), "{told}");
    let renamed = "UPDATE relay_post SET provider_id = 'rewritten@x.prod.outlook.com' WHERE text LIKE '%Me again%'";
    crate::seed::run(&installation.fresh, renamed, &[]).await;
    let renamed = "Subject: Re: Ana (@ana)\nIn-Reply-To: <rewritten@x.prod.outlook.com>\n";
    brand.writes(&format!("Kim <{kim}>"), (hello, renamed), "Not exactly: we pay 350.");
    brand.until_mailed(ana, "Not exactly: we pay 350.");
    // Somebody unknown in a conversation of hers: the team learns that there is something to look at, and not what.
    let theirs = format!("Subject: Re: The tee\nIn-Reply-To: {asked}\n");
    brand.writes(&format!("Somebody <{aside}>"), (hello, &theirs), "LEAK for Ana");
    brand.until_mailed(kim, "Somebody who is not known wrote in a conversation of theirs");
    assert!(brand.inbox(kim).iter().all(|mail| !mail.contains("LEAK for Ana")));
    assert!(brand.inbox(ana).iter().all(|mail| !mail.contains("LEAK")));
}

async fn a_sequence_tells_the_team(fresh: stores::Fresh) {
    let Some(brand) = Brand::new(fresh).await else { return };
    let Brand { installation, kim, ana, .. } = &brand;
    installation.put(
        "sequences/tell/sequence.toml",
        "account = \"hello\"\n[[step]]\nid = \"tell\"\nnotify = \"{{ influencer.handle }} is {{ influencer.stage }}: look\"\n\
         [[step]]\nid = \"call\"\ntask = \"Call them\"\n",
    );
    installation.rewrite(|config| {
        let listen = format!("listen = \"127.0.0.1:{}\"\n", installation.port);
        let site = format!("{listen}base_url = \"http://127.0.0.1:{}\"\n", installation.port);
        format!("{}[sender]\nname = \"Acme\"\naddress = \"1 Main St, Portland\"\n", config.replace(&listen, &site))
    });
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let order = json!({ "handle": "ana", "first_name": "Ana", "emails": [ana] });
    let Answer::Said(201, made) = installation.call("POST", "/v1/influencers", Some(&order)) else {
        panic!("not made")
    };
    let (ok, told) = installation.command(&["sequence", "check", "tell"]);
    assert!(ok && !told.contains("L065"), "{told}");
    let (ok, told) = installation.command(&["sequence", "preview", "tell", "--as", "@ana"]);
    assert!(ok && told.contains("told to the team") && told.contains("ana is prospect: look"), "{told}");
    let (ok, told) = installation.command(&["sequence", "enroll", "tell", "@ana"]);
    assert!(ok, "{told}");
    let shown = brand.until_mailed(kim, "of the sequence tell:");
    assert!(text_of(&shown).contains("ana is prospect: look"), "{shown}");
    assert!(brand.inbox(ana).is_empty());
    let told = brand.until("the event", || {
        let told = installation.get("/v1/events?limit=200");
        let told = told["data"].as_array().unwrap().clone();
        told.iter().any(|event| event["type"] == "team.notified").then_some(told)
    });
    crate::facts::fit_told(&told, crate::facts::BY_SEQUENCES);
    // The run went on by itself.
    brand.until("the task", || {
        let tasks = installation.get("/v1/tasks");
        tasks["data"].as_array().unwrap().iter().any(|task| task["text"] == "Call them").then_some(())
    });
    drop(made);
}

on_both! {
    a_sequence_tells_the_team, a_sequence_tells_on_sqlite, a_sequence_tells_on_postgres;
    a_teammate_answers_by_mail, a_teammate_answers_on_sqlite, a_teammate_answers_on_postgres;
}
