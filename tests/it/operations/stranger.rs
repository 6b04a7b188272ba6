//! A stranger's path, as README.md tells it: from an empty folder over mistakes in the configuration to the first mail in and out.
//!
//! Every command is the binary's own, without anything of the caller's environment; what was typed and answered is printed, and
//! `tests/prove stranger` shows it. It is gone twice: with the binary in a folder, and with the package on a machine of its own, as
//! docs/operations.md tells it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::machine::Machine;
use super::place::{Running, WAIT_MAX};
use crate::cli::Done;
use crate::mail_record::inbox_of;
use crate::peers::{self, MailPeer, PASSWORD, fresh_user};

/// The mailbox as README.md writes it.
const MAILBOX: &str = r#"our_domains = ["your-domain.example"]

[accounts.hello]
kind     = "imap"
address  = "hello@your-domain.example"
name     = "Your Brand"
password = { file = "hello-password" }
imap     = "imaps://mail.your-domain.example"
smtp     = "smtps://mail.your-domain.example"
backfill = "90 days"
"#;
const FILE: &str = "conf.d/hello.toml";

/// What is written by mistake for what; `§` stands before the place that must be named, then what must be said: what to do.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("a key is misspelt", "password =", "§pasword =", "did you mean `password`?"),
    ("a number in quotes", "\n\n[", "\nundo_seconds = §\"30\"\n[", "a number from 0 to 3600, without quotes"),
    ("no such kind of account", "\"imap\"", "§\"imapp\"", "did you mean \"imap\"?"),
    ("an address without @", "\"hello@your", "§\"hello.your", "write the bare address, as in"),
    ("a variable that is not set", "file = \"hello-", "env = §\"hello-", "set it where the daemon is started"),
    ("no such time zone", "\n\n[", "\ntimezone = §\"Europe/Lisbonn\"\n[", "did you mean \"Europe/Lisbon\"?"),
    ("a port out of range", "\"imaps://mail", "§\"imaps://127.0.0.1:99999\" # ", "\"imaps://host:993\" (TLS)"),
    ("a server without a scheme", "\"smtps://", "§\"", "it does not say how to connect"),
    ("a length of time in no known unit", "\"90 days\"", "§\"90 dayz\"", "write it as in \"365 days\""),
    (
        "two accounts of one address",
        "\"90 days\"\n",
        "\"90 days\"\n[accounts.other]\nkind = \"imap\"\naddress = §\"hello@your-domain.example\"\npassword = { file = \"hello-password\" }\n\
         imap = \"imaps://mail.your-domain.example\"\nsmtp = \"smtps://mail.your-domain.example\"\n",
        "an address belongs to one account or teammate: take it out of one",
    ),
    (
        "two accounts of one name",
        "\"90 days\"\n",
        "\"90 days\"\n[accounts.§hello]\nkind = \"sandbox\"\naddress = \"other@your-domain.example\"\n",
        "give the other one a name of its own",
    ),
    (
        "a file where the state is to be kept",
        "\n\n[",
        "\n[storage]\nstate_dir = §\"hello-password\"\n[",
        "hello-password is not a folder",
    ),
    ("a password in the clear", "{ file = \"hello-password\" }", "§\"hunter2\"", "write { credential = \"name\" }"),
    (
        "a secret that is not there",
        "\"hello-password\"",
        "§\"helo-password\"",
        "relative paths count from the main file, not from conf.d",
    ),
    ("a quote that is not closed", "\"Your Brand\"", "\"Your Brand§", "text stands in \"quotes\""),
    ("a section misspelt", "[accounts.hello", "[§acounts.hello", "did you mean `accounts`?"),
];

/// Where the configuration is: in a folder with the binary alone, or on a machine with the package.
enum Home {
    Folder(tempfile::TempDir),
    Machine(Machine),
}

struct Stranger {
    home: Home,
}

impl Stranger {
    fn path(&self) -> PathBuf {
        match &self.home {
            Home::Folder(dir) => dir.path().to_owned(),
            Home::Machine(machine) => machine.path("/etc/liaison"),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let dir = match &self.home {
            Home::Machine(machine) => return machine.command(&[&["liaison"][..], args].concat()),
            Home::Folder(dir) => dir.path(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
        command
            .args(args)
            .current_dir(dir)
            .env_clear()
            // The port of the documents may be somebody else's on this machine.
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("LIAISON_SERVER__LISTEN", "127.0.0.1:0")])
            .env("HOME", dir)
            .stdin(Stdio::null());
        command
    }

    /// Types a command and shows nothing of it.
    fn quietly(&self, args: &[&str]) -> Done {
        let output = self.command(args).output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Types a command; both are shown.
    fn types(&self, args: &[&str]) -> Done {
        let done = self.quietly(args);
        let quoted = |arg: &&str| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() };
        let typed: Vec<String> = args.iter().map(quoted).collect();
        let who = if matches!(self.home, Home::Machine(_)) { "sudo " } else { "" };
        println!("$ {who}liaison {}\n{}{}", typed.join(" "), done.out, done.err);
        done
    }

    /// Another command of root on the machine.
    fn asks(machine: &Machine, args: &[&str]) {
        let done = machine.run(args);
        println!("$ sudo {}\n{}{}", args.join(" "), done.out, done.err);
        assert_eq!(done.code, 0);
    }

    fn log(&self) -> String {
        match &self.home {
            Home::Folder(dir) => std::fs::read_to_string(dir.path().join("daemon.log")).unwrap_or_default(),
            Home::Machine(machine) => machine.run(&["journalctl", "--no-pager", "--output=cat", "--lines=60"]).out,
        }
    }

    /// Starts the daemon, and waits until it answers.
    fn starts(&self) -> Option<Running> {
        let dir = match &self.home {
            Home::Machine(machine) => {
                Self::asks(machine, &["systemctl", "enable", "--now", "liaison"]);
                return None;
            }
            Home::Folder(dir) => dir.path(),
        };
        println!("$ liaison serve &\n");
        let log = std::fs::File::create(dir.join("daemon.log")).unwrap();
        let mut daemon =
            Running(self.command(&["serve"]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        self.until("the daemon answers", || {
            assert!(daemon.0.try_wait().unwrap().is_none(), "it ended");
            (self.quietly(&["reload"]).code == 0).then_some(())
        });
        Some(daemon)
    }

    fn ends(&self, daemon: Option<Running>) {
        match (&self.home, daemon) {
            (Home::Machine(machine), _) => Self::asks(machine, &["systemctl", "stop", "liaison"]),
            (Home::Folder(_), Some(daemon)) => {
                println!("$ kill %1\n");
                assert!(daemon.stop().success());
            }
            (Home::Folder(_), None) => {}
        }
    }

    fn writes(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "never: {what}\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[test]
fn from_an_empty_folder_to_the_first_mail_in_and_out() {
    let stranger = Stranger { home: Home::Folder(tempfile::tempdir().unwrap()) };
    stranger.types(&["config", "check"]).says(78, "liaison init");
    stranger.types(&["init", "."]).says(0, "liaison config check");
    stranger.types(&["config", "check"]).says(0, "configuration is fine: 0 accounts");
    stranger.writes("hello-password", &format!("{PASSWORD}\n"), 0o600);
    stranger.writes(FILE, MAILBOX, 0o644);
    stranger.types(&["config", "check"]).says(0, "configuration is fine: 1 account");
    mistakes(&stranger);
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    first_mail(&stranger, &peer);
}

#[test]
fn from_the_package_to_the_first_mail_in_and_out() {
    let Some(machine) = Machine::booted() else { return };
    let package = machine.brings_package();
    Stranger::asks(&machine, &["dpkg", "--install", &package]);
    let stranger = Stranger { home: Home::Machine(machine) };
    stranger.types(&["config", "check"]).says(0, "configuration is fine: 0 accounts");
    let begun = stranger.types(&["init", "/etc/liaison"]);
    begun.says(0, "left /etc/liaison/liaison.toml as it was");
    begun.says(0, "systemctl enable --now liaison");
    assert!(!begun.out.contains("liaison serve"), "the unit starts it: {}", begun.out);
    stranger.writes("hello-password", &format!("{PASSWORD}\n"), 0o600);
    stranger.writes(FILE, MAILBOX, 0o644);
    let checked = stranger.types(&["config", "check"]);
    checked.says(0, "configuration is fine: 1 account");
    checked.says(0, " --> /etc/liaison/sequences/first-note/sequence.toml:6:15");
    mistakes(&stranger);
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    first_mail(&stranger, &peer);
}

/// Each is told with its file, line and column and with what to do, nothing else is, and none shows what is secret.
fn mistakes(stranger: &Stranger) {
    for (n, (about, right, wrong, wanted)) in MISTAKES.iter().enumerate() {
        let marked = MAILBOX.replacen(right, wrong, 1);
        let (before, after) = marked.split_once('§').unwrap_or_else(|| panic!("{about}: {marked}"));
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        stranger.writes(FILE, &format!("{before}{after}"), 0o644);
        println!("# mistake {}: {about}", n + 1);
        let told = stranger.types(&["config", "check"]);
        told.says(78, wanted);
        let text = format!("{}{}", told.out, told.err);
        assert!(text.contains(&format!("{FILE}:{line}:{column}\n")), "{about}, at {line}:{column}: {text}");
        assert!(text.contains("1 error found; nothing was changed"), "{about}: one mistake, told once: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        // Whoever did not ask hears the same.
        if n == 0 {
            let started = stranger.types(&["serve"]);
            started.says(78, wanted);
            assert!(started.err.starts_with("error: unknown key"), "{}", started.err);
        }
    }
    // Only who makes it can see that it can't be made.
    println!("# mistake {}: a folder for the state that can't be made", MISTAKES.len() + 1);
    stranger.writes(FILE, &MAILBOX.replacen("\n\n[", "\n[storage]\nstate_dir = \"/proc/nothing\"\n[", 1), 0o644);
    for command in [&["serve"][..], &["influencer", "list"]] {
        let told = stranger.types(command);
        told.says(
            1,
            "/proc/nothing can't be made; make it for the user who runs this, or name another place in [storage]",
        );
    }
}

/// Nobody but the daemon can see that it has no such credential: it says so where it was started.
fn a_credential_by_another_name(stranger: &Stranger, machine: &Machine, mailbox: &str) {
    println!("# mistake {}: a credential by another name", MISTAKES.len() + 2);
    stranger.writes(FILE, &mailbox.replace("secret_hello-mail", "hello-mail"), 0o644);
    let started = machine.run(&["systemctl", "enable", "--now", "liaison"]);
    println!("$ sudo systemctl enable --now liaison\n{}{}", started.out, started.err);
    assert_ne!(started.code, 0);
    let asked = ["journalctl", "--no-pager", "--output=cat", "--unit=liaison", "--identifier=liaison"];
    let told = stranger.until("the journal has it", || {
        let told = machine.run(&asked).out;
        (told.contains("no credential `hello-mail`") && told.contains("nothing was changed")).then_some(told)
    });
    println!("$ sudo {}\n{told}", asked.join(" "));
    assert!(told.contains("there are secret_hello-mail; the unit that is shipped hands over"), "{told}");
    stranger.writes(FILE, mailbox, 0o644);
    stranger.types(&["config", "check"]).says(0, "configuration is fine: 1 account");
}

fn first_mail(stranger: &Stranger, peer: &MailPeer) {
    let (brand, ana) = (fresh_user("brand"), fresh_user("ana"));
    let is_installed = matches!(stranger.home, Home::Machine(_));
    let (password, listen) = if is_installed {
        stranger.writes("secrets/hello-mail", &format!("{PASSWORD}\n"), 0o600);
        ("credential = \"secret_hello-mail\"", "\n[server]\nlisten = \"127.0.0.1:0\"")
    } else {
        ("file = \"hello-password\"", "")
    };
    stranger.writes("ca.pem", &std::fs::read_to_string(&peer.ca).unwrap(), 0o644);
    let mailbox = format!(
        "undo_seconds = 0\n{listen}\n[accounts.hello]\nkind     = \"imap\"\naddress  = \"{brand}\"\nname     = \"Your Brand\"\n\
         password = {{ {password} }}\nimap     = \"imaps://{host}:{}\"\nsmtp     = \"smtps://{host}:{}\"\n\
         ca       = \"ca.pem\"\nbackfill = \"90 days\"\n",
        peer.imaps,
        peer.smtps,
        host = peer.host,
    );
    stranger.writes(FILE, &mailbox, 0o644);
    stranger.types(&["config", "check"]).says(0, "configuration is fine: 1 account");
    if let Home::Machine(machine) = &stranger.home {
        a_credential_by_another_name(stranger, machine, &mailbox);
    }
    // On the machine the password is the daemon's alone, so that nobody else can sign in with it.
    let daemon = is_installed.then(|| stranger.starts());
    let person = ["influencer", "add", "--handle", "@anaruns", "--first-name", "Ana", "--email", &ana];
    stranger.types(&person).well();
    let (asked, wanted): (&[&str], &[&str]) = if is_installed {
        (&["doctor", "--offline"], &["it runs as process"])
    } else {
        (&["doctor"], &["0 messages at the server", "sending: signed in; nothing was sent"])
    };
    let doctor = stranger.types(asked);
    for words in wanted {
        assert!(format!("{}{}", doctor.out, doctor.err).contains(words), "{words}");
    }
    let daemon = daemon.unwrap_or_else(|| stranger.starts());
    stranger.types(&["account", "test", "hello"]).well();

    println!("# Ana writes to us\n");
    let hello = format!(
        "From: Ana <{ana}>\nTo: {brand}\nSubject: Your shoes\nMessage-ID: <shoes-{ana}>\n\
         Date: Sun, 1 Mar 2026 12:00:00 +0000\n\nI would like to try them.\n"
    );
    peer.deliver(hello.as_bytes(), &brand);
    stranger.until("her mail is on her timeline", || {
        let shown = stranger.quietly(&["thread", "list", "--influencer", "@anaruns", "--json"]);
        (shown.code == 0 && !shown.json()["data"].as_array()?.is_empty()).then_some(())
    });
    stranger.types(&["thread", "list", "--awaiting", "us"]).says(0, "Your shoes");
    stranger.types(&["thread", "show", "@anaruns"]).says(0, "I would like to try them.");
    assert!(inbox_of(peer, &ana).is_empty(), "nobody wrote to her yet");

    let order = ["send", "--to", "@anaruns", "--subject", "Spring shoes", "--text", "Would you like to try them?"];
    stranger.types(&order).well();
    stranger.until("our mail lies in her mailbox", || (!inbox_of(peer, &ana).is_empty()).then_some(()));
    stranger.until("it counts as sent", || {
        let listed = stranger.quietly(&["outbox", "list", "--status", "confirmed", "--json"]);
        (listed.json()["data"].as_array()?.len() == 1).then_some(())
    });
    stranger.types(&["outbox", "list"]).says(0, "confirmed");
    stranger.types(&["thread", "show", "@anaruns"]).says(0, "Would you like to try them?");
    let outbox = stranger.quietly(&["outbox", "list", "--status", "confirmed", "--json"]).json();
    assert_eq!(outbox["data"][0]["recipients"][0]["address"], ana.as_str());
    assert_eq!(inbox_of(peer, &ana).len(), 1, "once");
    stranger.ends(daemon);
}
