//! The command line as people and programs use it: the binary itself, on a folder of its own.

mod asked;
mod channels;
mod overtaken;
mod teammates;
mod touched;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use liaison::domain::words::FolderRole;
use liaison::store::Place;
use serde_json::Value;

use crate::ingest::{Desk, mail};
use crate::{peers, stores};

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// It ended with 0.
    pub fn well(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// It ended with this code and these words.
    pub fn says(&self, code: i32, words: &str) {
        let told = format!("{}{}", self.out, self.err);
        assert!(self.code == code && told.contains(words), "{}: {told}", self.code);
    }
}

/// Runs the binary in a folder, without anything of the caller's environment that it would go by.
pub fn liaison(dir: &Path, args: &[&str]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_liaison"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("TZ", "UTC"), ("USER", "kim"), ("LIAISON_CONFIG", "liaison.toml")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    Done { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// An account whose servers nobody needs to reach.
const ACCOUNT: &str = "\n[accounts.hello]\nkind = \"imap\"\naddress = \"hello@acme.example\"\nname = \"Acme\"\n\
    password = { file = \"pw\" }\nimap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n";

/// A folder after `liaison init`, with a mailbox written into the configuration.
pub fn ready() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    liaison(dir.path(), &["init"]).well().says(0, "liaison doctor");
    let path = dir.path().join("liaison.toml");
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + ACCOUNT).unwrap();
    let password = dir.path().join("pw");
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    dir
}

/// On a machine with the unit, mailboxes' passwords are the daemon's alone; that of the database is a command's too.
#[test]
fn a_command_that_can_not_have_the_password_of_the_database_says_where_to_put_it() {
    let dir = ready();
    let path = dir.path().join("liaison.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("{ file = \"pw\" }", "{ credential = \"secret_hello-mail\" }");
    let with = |password: &str| {
        let storage = format!("[storage]\nurl = \"postgres://x@127.0.0.1:1/x\"\npassword = {password}\n");
        std::fs::write(&path, text.replace("[storage]\n", &storage)).unwrap();
        liaison(dir.path(), &["influencer", "list"])
    };
    with("{ credential = \"secret_db-password\" }").says(1, "storage.password is a credential");
    // With a file it goes on to the database, where nobody listens.
    let tried = with("{ file = \"pw\" }");
    assert!(tried.code == 69 && !tried.err.contains("credential"), "{}: {}", tried.code, tried.err);
}

const PEOPLE: &str =
    "Handle,Mail,first_name,tags\n@ana,ana@example.org,Ana,running;vip\n@bo,bo@example.org,Bo,\n@bad,nothing,X,\n";

#[test]
fn from_init_to_a_message_in_the_outbox() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let config = std::fs::read_to_string(dir.path().join("liaison.toml")).unwrap();
    std::fs::remove_file(dir.path().join("stages.toml")).unwrap();
    let again = run(&["init"]).well().out;
    assert!(
        again.contains("wrote ./stages.toml\nleft ./liaison.toml as it was\nleft ./sequences as it was\n"),
        "{again}"
    );
    assert!(std::fs::read_to_string(dir.path().join("liaison.toml")).unwrap() == config, "it was written over");
    let again = run(&["init", "--json"]).well().json();
    assert_eq!(again["written"], Value::Array(Vec::new()), "{again}");
    run(&["config", "check"]).well().says(0, "1 account");
    std::fs::write(dir.path().join("people.csv"), PEOPLE).unwrap();
    let import = |more: &[&str]| {
        run(&[&["influencer", "import", "people.csv", "--map", "Mail=email", "--failed", "left.csv"], more].concat())
    };
    import(&["--dry-run"]).says(1, "Nothing was written");
    assert_eq!(run(&["influencer", "list", "--json"]).json()["data"], Value::Array(Vec::new()));
    let report = import(&["--json"]);
    assert_eq!((report.code, report.json()["created"].as_u64()), (1, Some(2)), "{}", report.err);
    assert!(std::fs::read_to_string(dir.path().join("left.csv")).unwrap().contains("@bad,nothing"));
    let listed = run(&["influencer", "list", "--json", "--limit", "1", "--added"]).well().json();
    assert_eq!((listed["data"][0]["handle"].as_str(), listed["data"].as_array().unwrap().len()), (Some("@ana"), 1));
    let cursor = listed["next_cursor"].as_str().unwrap();
    let listed = run(&["influencer", "list", "--json", "--added", "--cursor", cursor]).well().json();
    assert_eq!((listed["data"][0]["handle"].as_str(), &listed["next_cursor"]), (Some("@bo"), &Value::Null));
    run(&["influencer", "note", "@ana", "likes trails"]).well();
    run(&["influencer", "stage", "ana@example.org", "contacted", "--pin"]).well().says(0, "contacted (pinned)");
    let shown = run(&["influencer", "show", "@ANA"]).well();
    assert!(shown.out.contains("note by command line, kim: likes trails") && shown.out.contains("running, vip"));
    assert!(!shown.out.contains('\u{1b}'), "no colours where no terminal is");
    let ana = run(&["influencer", "show", "@ana", "--json"]).well().json();
    assert_eq!((ana["stage"].as_str(), ana["stage_pinned"].as_bool()), (Some("contacted"), Some(true)));
    outbox_of(dir.path());
}

/// Sends, looks at the outbox, takes back.
fn outbox_of(dir: &Path) {
    let run = |args: &[&str]| liaison(dir, args);
    std::fs::write(dir.join("plan.pdf"), b"%PDF-1.4").unwrap();
    let hello = ["send", "--to", "@ana", "--subject", "Hi", "--text", "Hello Ana", "--attach", "plan.pdf"];
    let sent = run(&[&hello[..], &["--json"]].concat()).well().json();
    let id = sent["id"].as_str().unwrap();
    assert_eq!((sent["status"].as_str(), sent["to"][0]["address"].as_str()), (Some("queued"), Some("ana@example.org")));
    assert_eq!(sent["attachments"][0]["content_type"].as_str(), Some("application/pdf"));
    run(&hello).well().says(0, "when `liaison serve` runs");
    let queued = run(&["outbox", "list", "--status", "queued", "--json"]).well().json();
    assert_eq!(queued["data"].as_array().unwrap().len(), 2);
    run(&["outbox", "show", id]).well().says(0, "pending");
    run(&["outbox", "settle", id, "sent"]).says(1, "it is queued");
    run(&["outbox", "cancel", id]).well().says(0, "cancelled");
    run(&["outbox", "cancel", id]).says(1, "it is cancelled");
    let thread = run(&["thread", "list", "--json", "--influencer", "@ana"]).well().json();
    let thread = thread["data"][0]["id"].as_str().unwrap().to_owned();
    run(&["send", "--reply-to", &thread, "--text", "One more thing"]).well();
    run(&["thread", "show", &thread]).well().says(0, "One more thing");
    let all = run(&["thread", "show", "@ana", "--json"]).well().json();
    assert_eq!(all["messages"].as_array().unwrap().len(), 3);
    let later = ["send", "--to", "@ana", "--subject", "Later", "--text", "Then", "--at", "2100-01-01T09:00:00Z"];
    let later = run(&[&later[..], &["--json"]].concat()).well().json();
    assert_eq!(later["status"].as_str(), Some("queued"));
    let told = ["send", "--reply-to", later["thread_id"].as_str().unwrap(), "--text", "So", "--at", "2100-01-02"];
    let told = run(&told).well();
    assert!(told.out.contains("at 2100-01-02 00:00, or later when `liaison serve` runs"), "{}", told.out);
    let told = told.out.split_whitespace().next().unwrap();
    run(&["outbox", "cancel", told]).well();
    assert!(later["at"].as_str().unwrap().starts_with("2100-01-01T09:00:00"), "{later}");
    run(&["outbox", "cancel", later["id"].as_str().unwrap()]).well();
    let threads = run(&["thread", "list", "--json", "--stage", "contacted", "--oldest"]).well().json();
    let subjects: Vec<_> = threads["data"].as_array().unwrap().iter().map(|t| t["subject"].as_str().unwrap()).collect();
    assert!(subjects.contains(&"Hi"), "{subjects:?}");
    assert_eq!(run(&["thread", "list", "--json", "--stage", "agreed"]).well().json()["data"], serde_json::json!([]));
    run(&["send", "--to", "x@nowhere.example", "--subject", "s", "--text", "t"]).says(1, "--unknown-ok");
    run(&["send", "--to", "x@nowhere.example", "--subject", "s", "--text", "t", "--unknown-ok"]).well();
    let events = run(&["events", "tail", "--json", "--after", "0"]).well();
    let lines: Vec<Value> = events.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| lines.iter().filter(|e| e["type"] == kind).count();
    let counted = ["influencer.created", "influencer.stage_changed", "message.cancelled"].map(count);
    assert_eq!(counted, [2, 1, 3], "{}", events.out);
    assert_eq!(lines.last().unwrap()["seq"].as_u64(), Some(lines.len() as u64));
    run(&["events", "tail"]).well().says(0, "influencer.stage_changed");
}

#[test]
fn tokens_and_agents_are_made_shown_and_taken_back() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let made = run(&["token", "create", "reports", "--scope", "read", "--expires", "90d", "--json"]).well().json();
    assert!(made["token"].as_str().unwrap().starts_with("lia_") && made["scopes"][0] == "read");
    assert!(run(&["token", "create", "all"]).well().out.starts_with("lia_"));
    let id = made["id"].as_str().unwrap();
    run(&["token", "revoke", id]).well();
    let listed = run(&["token", "list"]).well();
    assert!(listed.out.contains("revoked") && listed.out.contains("valid") && !listed.out.contains("lia_"));
    run(&["influencer", "add", "--handle", "@cy", "--network", "instagram=cyruns:25000", "--property", "niche=trail"])
        .well();
    run(&["agent", "add", "--email", "max@talent.example", "--first-name", "Max", "--for", "@cy"])
        .well()
        .says(0, "@cy");
    run(&["agent", "link", "max@talent.example", "@cy", "--remove"]).well().says(0, "nobody yet");
    assert_eq!(run(&["agent", "list", "--json"]).json()["data"][0]["first_name"], "Max");
    let cy = run(&["influencer", "show", "@cy", "--json"]).json();
    assert_eq!((cy["reach"].as_u64(), cy["properties"]["niche"].as_str()), (Some(25_000), Some("trail")));
}

#[test]
fn wrong_usage_says_what_to_write_and_ends_with_its_code() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["influencer", "listt"]).says(2, "list");
    run(&["send", "--text", "x"]).says(2, "--to");
    run(&["send", "--to", "@ana", "--text", "x"]).says(1, "@ana");
    run(&["send", "--to", "ana@example.org", "--text", "x"]).says(2, "--subject");
    run(&["send", "--to", "@ana", "--subject", "s", "--text", "x", "--at", "2001-01-01"]).says(2, "is past");
    run(&["send", "--to", "@ana", "--subject", "s", "--text", "x", "--at", "soon"]).says(2, "2026-03-31T09:00:00Z");
    run(&["thread", "list", "--view", "none"]).says(2, "--view: there is no saved view `none`");
    run(&["send", "--reply-to", "inf_1", "--text", "x"]).says(2, "thr_");
    run(&["outbox", "list", "--status", "lost"]).says(2, "uncertain");
    run(&["token", "create", "x", "--expires", "soon"]).says(2, "90d");
    run(&["unmatched", "match", "msg_00000000000000000000000000000000"]).says(2, "--new-influencer");
    run(&["influencer", "show", "@nobody"]).says(1, "no influencer `@nobody`");
    run(&["thread", "show", "thr_00000000000000000000000000000000"]).says(1, "there is no thread");
    run(&["influencer", "list", "--stage", "lost"]).says(1, "prospect");
    run(&["influencer", "import", "none.csv"]).says(1, "none.csv can't be read");
    run(&["send", "--to", "@nobody", "--subject", "s", "--text", "x", "--account", "other"]).says(1, "hello");
    run(&["reload"]).says(69, "no daemon answers");
    run(&["--config", "none.toml", "influencer", "list"]).says(78, "liaison init");
    std::fs::write(dir.path().join("bad.toml"), "undo_secnds = 3\n").unwrap();
    run(&["--config", "bad.toml", "outbox", "list"]).says(78, "undo_seconds");
    let checked = run(&["--config", "bad.toml", "config", "check", "--json"]);
    assert_eq!((checked.code, checked.json()["ok"].as_bool()), (78, Some(false)));
    let url = "[storage]\nurl = \"postgres://nobody@127.0.0.1:1/none\"\n";
    std::fs::write(dir.path().join("away.toml"), url).unwrap();
    run(&["--config", "away.toml", "outbox", "list"]).says(69, "database");
}

/// A folder with a configuration for a store of a test.
pub fn folder_for(desk: &Desk) -> (tempfile::TempDir, PathBuf) {
    let dir = ready();
    let url = match &desk.fresh.place {
        Place::Sqlite { file } => file.display().to_string(),
        Place::Postgres { url, .. } => url.clone(),
    };
    let path = dir.path().join("liaison.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("[storage]", &format!("[storage]\nurl = {url:?}"));
    std::fs::write(&path, text).unwrap();
    let at = dir.path().to_owned();
    (dir, at)
}

/// What a terminal must never be sent: escape sequences, controls, marks that turn the direction of text.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || (!c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)))
}

#[tokio::test]
async fn stranger_is_matched_by_hand_and_their_escape_sequences_never_reach_the_terminal() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let evil = mail(
            "From: =?utf-8?q?Eve=1B=5D0=3Bowned=07=C2=9B2J?= <eve@stranger.example>\nTo: team@acme.example\n\
             Subject: =?utf-8?q?Evil=1B[2J=C2=9B31mred=E2=80=AEtxt=0D?=\nMessage-ID: <e1@stranger.example>\n\
             Date: Sun, 1 Mar 2026 12:00:00 +0000\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: 8bit",
            "I \u{1b}[31mpay\u{1b}[0m well\u{1b}]52;c;AAAA\u{7} \u{9b}2J now\u{8}\u{8}",
        );
        let more = mail(
            "From: eve@stranger.example\nTo: team@acme.example\nSubject: Second\nMessage-ID: <e2@stranger.example>\n\
             Date: Sun, 1 Mar 2026 13:00:00 +0000",
            "Still there?",
        );
        desk.drop_into(FolderRole::Inbox, &[evil, more]).await;
        let (_keep, dir) = folder_for(&desk);
        let run = |args: &[&str]| {
            let done = liaison(&dir, args);
            assert!(is_harmless(&done.out) && is_harmless(&done.err), "{args:?}: {:?} {:?}", done.out, done.err);
            done
        };
        let waiting = run(&["unmatched", "list", "--json"]).well().json();
        let waiting = waiting["data"].as_array().unwrap().clone();
        assert_eq!(waiting.len(), 2);
        run(&["unmatched", "list"]).well().says(0, "eve@stranger.example");
        let evil = waiting.iter().find(|u| u["subject"].as_str().unwrap().starts_with("Evil")).unwrap();
        assert!(evil["subject"].as_str().unwrap().contains('\u{202e}'), "programs get what was there: {evil}");
        let id = evil["id"].as_str().unwrap();
        run(&["unmatched", "match", id, "--new-influencer", "@ana"]).says(1, "");
        run(&["unmatched", "match", id, "--influencer", "bo", "--agent", "x"]).says(2, "cannot be used with");
        run(&["unmatched", "match", id, "--new-influencer", "@eve"]).well().says(0, "matched");
        run(&["unmatched", "match", id, "--influencer", "bo"]).says(1, "does not wait");
        assert_eq!(run(&["unmatched", "list", "--json"]).json()["data"], Value::Array(Vec::new()));
        let shown = run(&["thread", "show", "@eve", "--full"]).well();
        assert!(shown.out.contains("<eve@stranger.example>") && shown.out.contains("Still there?"), "{}", shown.out);
        run(&["influencer", "note", "@eve", "no\u{1b}[31m red\u{1b}]0;x\u{7} \u{202e}dna\u{9b}2J here"]).well();
        run(&["influencer", "show", "@eve"]).well().says(0, "no red dna here");
        run(&["influencer", "show", "no\u{1b}[2Jbody"]).says(1, "nobody");
        let all = run(&["thread", "show", "@eve", "--json"]).well().json();
        assert_eq!(all["messages"].as_array().unwrap().len(), 2);
        assert_eq!(all["messages"][0]["influencer_id"], all["influencer"]["id"]);
        run(&["thread", "list"]).well();
        run(&["account", "list"]).well().says(0, "brand");
    }
}

#[test]
fn doctor_tells_what_to_do() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["doctor", "--offline"]).well().says(0, "All is well");
    let away = run(&["doctor"]);
    away.says(1, "2 findings");
    away.says(1, "look at smtp, user and password");
    let checks = run(&["doctor", "--json"]).json();
    assert_eq!(checks["checks"].as_array().unwrap().iter().filter(|c| c["state"] == "problem").count(), 2);
    let Some(server) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let user = peers::fresh_user("cli");
    server.deliver(&mail("From: a@example.org\nSubject: x", "x"), &user);
    let text = format!(
        "[accounts.hello]\nkind = \"imap\"\naddress = {user:?}\npassword = {{ file = \"pw\" }}\nca = {:?}\n\
         imap = \"imaps://{host}:{}\"\nsmtp = \"smtps://{host}:{}\"\n",
        server.ca.display().to_string(),
        server.imaps,
        server.smtps,
        host = server.host,
    );
    std::fs::write(dir.path().join("real.toml"), text).unwrap();
    let real = run(&["--config", "real.toml", "doctor"]);
    real.says(0, "1 messages at the server; not counted yet");
    real.says(0, "sending: signed in; nothing was sent");
    std::fs::write(dir.path().join("pw"), "wrong\n").unwrap();
    run(&["--config", "real.toml", "doctor"]).says(1, "sign-in refused");
}
