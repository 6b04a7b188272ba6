//! The unit as it is installed, run by systemd: what it may not do, its credentials, its watchdog, what is tried again and what not.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::packaging::unit;

/// An account whose server nobody reaches; its password is a file of root's.
const ACCOUNT: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[accounts.hello]\nkind = \"imap\"\naddress = \"hello@acme.example\"\n\
    password = { credential = \"secret_hello-mail\" }\nimap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n";
const FILE: &str = "/etc/liaison/conf.d/hello.toml";
const UNIT: &str = "liaison.service";

/// What a shell tries: which line of the unit forbids it, and how. Each is let where nothing forbids it.
const FORBIDDEN: &[(&str, &str)] = &[
    ("ProtectSystem", "touch /etc/liaison/written"),
    ("ProtectHome", "ls /root/of-root"),
    ("PrivateTmp", "ls /tmp/of-others"),
    ("PrivateDevices", "test -e /dev/console"),
    ("ProtectProc", "test -d /proc/1"),
    ("ProcSubset", "cat /proc/meminfo"),
    ("ProtectControlGroups", "mkdir /sys/fs/cgroup/made"),
    ("ProtectHostname", "hostname other.test"),
    ("ProtectKernelLogs", "dmesg"),
    ("RestrictNamespaces", "unshare --user true"),
    ("RestrictSUIDSGID", "chmod u+s \"$mine\""),
    ("RestrictRealtime", "chrt --rr 1 true"),
    ("RestrictAddressFamilies", "perl -e 'socket(S, 16, 3, 0) or exit 1'"),
    ("LockPersonality", "setarch --addr-no-randomize true"),
    // mmap, anonymous and private, to be written and executed.
    (
        "MemoryDenyWriteExecute",
        "perl -e '$m = `uname -m`; exit(syscall($m =~ /x86_64/ ? 9 : 222, 0, 4096, 7, 34, -1, 0) == -1)'",
    ),
    ("SystemCallFilter", "mount -t tmpfs tmpfs /srv"),
];

/// What systemd says of a unit.
fn shown(machine: &Machine, name: &str) -> BTreeMap<String, String> {
    let text = machine.well(&["systemctl", "show", name]);
    text.lines().filter_map(|l| l.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn number(machine: &Machine, key: &str) -> u64 {
    shown(machine, UNIT)[key].parse().unwrap()
}

fn journal(machine: &Machine) -> String {
    machine.well(&["journalctl", "--no-pager", "--output=cat", "--unit", UNIT])
}

/// With the package installed and an account written, and nothing started.
fn installed() -> Option<(Machine, String)> {
    let machine = Machine::booted()?;
    let package = machine.brings_package();
    // What the unit calls must be there wherever the package can be installed; this need not.
    machine.well(&["rm", "--force", "/usr/bin/kill"]);
    machine.well(&["dpkg", "--install", &package]);
    let fresh = shown(&machine, UNIT);
    assert_eq!((fresh["ActiveState"].as_str(), fresh["UnitFileState"].as_str()), ("inactive", "disabled"));
    machine.write("/etc/liaison/secrets/hello-mail", "the-password\n", 0o600);
    machine.write(FILE, ACCOUNT, 0o644);
    Some((machine, package))
}

#[test]
fn the_unit_holds_the_daemon_to_what_it_needs() {
    let Some((machine, _)) = installed() else { return };
    // It returns once the daemon said that it is ready.
    machine.well(&["systemctl", "enable", "--now", "liaison"]);
    let told = shown(&machine, UNIT);
    let state = ["ActiveState", "SubState", "StatusText", "UnitFileState"].map(|key| told[key].as_str());
    assert_eq!(state, ["active", "running", "running", "enabled"]);
    let pid = &told["MainPID"];
    let status = machine.well(&["cat", &format!("/proc/{pid}/status")]);
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {status}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let uid = machine.well(&["id", "--user", "liaison"]).trim().to_owned();
    assert_eq!(field("Uid:"), [uid.as_str(); 4].join(" "));
    assert_eq!((field("NoNewPrivs:").as_str(), field("Seccomp:").as_str()), ("1", "2"));
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(
        machine.well(&["cat", &format!("/proc/{pid}/setgroups")]),
        "deny\n",
        "PrivateUsers: its users are its own"
    );
    let limits = machine.well(&["cat", &format!("/proc/{pid}/limits")]);
    assert!(limits.lines().any(|l| l.split_whitespace().eq("Max open files 8192 8192 files".split(' '))), "{limits}");

    // The secret is root's; the daemon has a copy that nobody else can read.
    let credential = "/run/credentials/liaison.service/secret_hello-mail";
    let inside = machine.well(&["nsenter", "--target", pid, "--mount", "find", credential, "!", "-perm", "/007"]);
    assert_eq!(inside.trim_end(), credential);
    let other = ["setpriv", "--reuid=nobody", "--clear-groups", "cat", "/etc/liaison/secrets/hello-mail", credential];
    let other = machine.run(&other);
    assert!(other.code != 0 && !other.out.contains("the-password"), "{}{}", other.out, other.err);
    // It has the password: the server can't be reached, which is another matter.
    let tested = machine.run(&["liaison", "account", "test", "hello"]);
    let words = format!("{}{}", tested.out, tested.err);
    assert!(tested.code != 0 && words.contains("127.0.0.1:1") && !words.contains("credential"), "{words}");
    // The socket in /run/liaison, which only it and root reach.
    assert!(machine.has("/run/liaison/control.sock"), "{}", machine.well(&["ls", "-la", "/run/liaison"]));
    for folder in ["/run/liaison", "/var/lib/liaison"] {
        assert_eq!(machine.well(&["stat", "--format=%U:%G %a", folder]), "liaison:liaison 700\n", "{folder}");
    }
    let add = ["liaison", "influencer", "add", "--handle", "@anaruns", "--first-name", "Ana"];
    machine.well(&add);
    let open = ["find", "/var/lib/liaison", "(", "!", "-user", "liaison", "-o", "-perm", "/077", ")"];
    assert_eq!(machine.well(&open), "", "what is kept there is the daemon's alone");
    machine.well(&["systemctl", "stop", "liaison"]);
    let told = shown(&machine, UNIT);
    assert_eq!(
        (told["ActiveState"].as_str(), told["Result"].as_str()),
        ("inactive", "success"),
        "{}",
        journal(&machine)
    );
}

/// What the restrictions refuse together, on a shell of root's that the unit's own lines hold: no refusal is for want of being root, some
/// are for want of a capability as well.
#[test]
fn each_restriction_of_the_unit_refuses_something() {
    let Some((machine, _)) = installed() else { return };
    let tries: String = FORBIDDEN
        .iter()
        .map(|(line, command)| {
            format!("if {command} >/dev/null 2>&1; then echo {line}=let; else echo {line}=refused; fi\n")
        })
        .collect();
    machine.write("/mnt/tries", &format!("mine=$STATE_DIRECTORY/mine; : > \"$mine\"\n{tries}echo end=let\n"), 0o644);
    machine.write("/tmp/of-others", "", 0o644);
    machine.write("/root/of-root", "", 0o644);
    let section = unit().split_once("[Service]\n").unwrap().1.split_once("\n[Install]").unwrap().0.to_owned();
    let is_told = |line: &&str| {
        let told =
            ["Type=", "NotifyAccess=", "Exec", "User=", "Group=", "Restart", "Watchdog", "StateDirectory=", "Runtime"];
        !told.iter().any(|key| line.starts_with(key))
    };
    let held: String = section.lines().filter(is_told).map(|l| format!("{l}\n")).collect();
    // Whoever is in the group of root sees all of /proc.
    let held = format!("User=root\nGroup=nogroup\n{held}");
    let answers = |name: &str, lines: &str| -> BTreeMap<String, String> {
        let text = format!(
            "[Service]\nType=oneshot\nExecStart=/bin/sh /mnt/tries\nStandardOutput=file:/mnt/{name}\nStateDirectory={name}\n{lines}"
        );
        machine.write(&format!("/etc/systemd/system/{name}.service"), &text, 0o644);
        machine.well(&["systemctl", "daemon-reload"]);
        machine.well(&["systemctl", "start", name]);
        let said = machine.read(&format!("/mnt/{name}"));
        said.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let (free, bound) = (answers("free", ""), answers("bound", &held));
    assert_eq!(bound["end"], "let", "it went on to its end");
    let mut told = 0;
    for (line, command) in FORBIDDEN {
        assert_eq!(bound[*line], "refused", "{line}: {command}");
        if free[*line] == "refused" {
            // A container that is closed itself.
            crate::peers::skip_machine(&format!("way to tell what {line} does: this machine refuses it anyway"));
        } else {
            told += 1;
        }
    }
    println!("{told} of {} restrictions refuse what is let without them", FORBIDDEN.len());
    assert!(told >= 6, "{free:?}");
}

#[test]
fn the_unit_starts_the_daemon_again_where_that_helps_and_only_there() {
    let Some((machine, package)) = installed() else { return };
    // The minute of the watchdog, the half minute after it and the pause are made short; nothing else is changed.
    let quick = "[Service]\nWatchdogSec=6s\nTimeoutAbortSec=1s\nRestartSec=100ms\n";
    machine.write("/etc/systemd/system/liaison.service.d/quick.conf", quick, 0o644);
    machine.well(&["systemctl", "daemon-reload"]);
    machine.well(&["systemctl", "enable", "--now", "liaison"]);
    let pid = || number(&machine, "MainPID");
    let first = pid();

    // Fed: the moment of the last sign of life moves, more than once.
    let fed = || number(&machine, "WatchdogTimestampMonotonic");
    for _ in 0..2 {
        let before = fed();
        machine.until("a sign of life", || (fed() > before).then_some(()));
    }
    assert_eq!((pid(), number(&machine, "NRestarts")), (first, 0));

    // Reloaded, by the same process; a mistake is told and changes nothing.
    let reloads = |words: &str, status: &str| {
        let before = journal(&machine).matches(words).count();
        machine.well(&["systemctl", "reload", "liaison"]);
        machine.until(words, || (journal(&machine).matches(words).count() > before).then_some(()));
        assert_eq!(pid(), first);
        machine.until(status, || (shown(&machine, UNIT)["StatusText"] == status).then_some(()));
        assert_eq!(shown(&machine, UNIT)["ActiveState"], "active");
    };
    machine.write(FILE, &format!("undo_seconds = 7\n{ACCOUNT}"), 0o644);
    reloads("configuration reloaded", "running");
    machine.write(FILE, &format!("undo_seconds = \"7\"\n{ACCOUNT}"), 0o644);
    reloads("the configuration was not reloaded, the old one stays", "running; the last reload failed");
    machine.write(FILE, ACCOUNT, 0o644);

    // Killed, it is started again.
    let comes_again = |restarts: u64, before: u64| {
        machine.until("it is started again", || {
            let told = shown(&machine, UNIT);
            let is_new =
                told["NRestarts"].parse::<u64>() == Ok(restarts) && told["MainPID"].parse::<u64>() != Ok(before);
            (is_new && told["ActiveState"] == "active").then_some(())
        });
        pid()
    };
    machine.signals("KILL", &first.to_string());
    let second = comes_again(1, first);
    // One that stands still shows no sign of life.
    machine.signals("STOP", &second.to_string());
    let mut last = comes_again(2, second);
    // However often in however short a time: systemd itself would give up after five.
    for restarts in 3..=8 {
        machine.signals("KILL", &last.to_string());
        last = comes_again(restarts, last);
    }
    machine.until("the journal says why", || journal(&machine).contains("Watchdog timeout").then_some(()));

    // A new version goes on where the old one ran.
    let before = pid();
    let later = machine.brings_later(&package, "99.1", "echo more > usr/share/doc/liaison/more");
    machine.well(&["dpkg", "--install", &later]);
    assert_ne!(pid(), before);
    assert_eq!(shown(&machine, UNIT)["ActiveState"], "active");

    // What a start can't mend is not tried again: systemd says "failed" at once, where it would say "activating".
    let ends_with = |code: &str| {
        assert_ne!(machine.run(&["systemctl", "restart", "liaison"]).code, 0);
        let told = shown(&machine, UNIT);
        let state = ["ActiveState", "SubState", "ExecMainStatus", "NRestarts"].map(|key| told[key].as_str());
        assert_eq!(state, ["failed", "failed", code, "0"], "{}", journal(&machine));
    };
    machine.write(FILE, &format!("undo_seconds = \"7\"\n{ACCOUNT}"), 0o644);
    ends_with("78");
    machine.until("the journal says where", || journal(&machine).contains("conf.d/hello.toml:1:16").then_some(()));
    machine.write(FILE, ACCOUNT, 0o644);
    machine.well(&["systemctl", "restart", "liaison"]);
    machine.well(&["systemctl", "stop", "liaison"]);
    // Another daemon holds the database; it has its secret by another way.
    let script = "umask 077; echo $$ > /run/other.pid; exec setpriv --reuid=liaison --regid=liaison --clear-groups env CREDENTIALS_DIRECTORY=/tmp/other \
                  liaison --config /etc/liaison/liaison.toml serve";
    machine.write("/tmp/other/secret_hello-mail", "the-password\n", 0o600);
    machine.well(&["chown", "-R", "liaison", "/tmp/other"]);
    let log = std::fs::File::create(machine.path("/tmp/daemon.log")).unwrap();
    let mut other =
        machine.command(&["sh", "-c", script]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    machine.until("the other daemon answers", || {
        assert!(other.try_wait().unwrap().is_none(), "{}", machine.read("/tmp/daemon.log"));
        (machine.run(&["liaison", "reload"]).code == 0).then_some(())
    });
    ends_with("73");
    machine.signals("KILL", &machine.read("/run/other.pid"));
    other.wait().unwrap();

    machine.well(&["systemctl", "start", "liaison"]);
    machine.well(&["dpkg", "--remove", "liaison"]);
    let gone = shown(&machine, UNIT);
    assert_eq!((gone["ActiveState"].as_str(), gone["LoadState"].as_str()), ("inactive", "not-found"));
    assert!(machine.has("/var/lib/liaison/liaison.db"));
}
