//! The unit for systemd and the Debian package, looked at with the tools of those who install them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::peers;

/// The most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE_MAX: u32 = 15;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

pub fn unit() -> String {
    std::fs::read_to_string(packaging("liaison.service")).unwrap()
}

/// Runs a program; `None`, said aloud, where it is not installed.
fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            peers::skip(&format!("{:?}", command.get_program()));
            None
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether `systemd-analyze security` is content with a unit, and what it says.
fn security_of(text: &str) -> Option<(bool, String)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("liaison.service");
    std::fs::write(&file, text).unwrap();
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let mut command = Command::new("systemd-analyze");
    let output = tool(command.args(["security", "--offline=true", "--no-pager", &threshold]).arg(&file))?;
    Some((output.status.success(), told(&output)))
}

#[test]
fn the_unit_exposes_little() {
    let Some((fine, words)) = security_of(&unit()) else { return };
    assert!(fine && words.contains("Overall exposure level"), "{words}");
    // That it looks at all is seen where a line is gone.
    let open: String =
        unit().lines().filter(|line| !line.starts_with("SystemCall")).map(|l| format!("{l}\n")).collect();
    let (fine, words) = security_of(&open).unwrap();
    assert!(!fine, "{words}");
}

#[test]
fn the_unit_is_understood_and_starts_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("liaison.service");
    let installed = "ExecStart=/usr/bin/liaison ";
    assert!(unit().contains(installed));
    let here = unit().replace(installed, &format!("ExecStart={} ", env!("CARGO_BIN_EXE_liaison")));
    let verify = |text: &str| {
        std::fs::write(&file, text).unwrap();
        tool(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file)).map(|output| told(&output))
    };
    let Some(words) = verify(&here) else { return };
    // Units of this machine are looked at too, and are not ours to judge.
    let ours = |words: &str| words.lines().filter(|l| l.contains("liaison.service")).map(str::to_owned).collect();
    let found: Vec<String> = ours(&words);
    assert!(found.is_empty(), "{found:?}");
    let found: Vec<String> = ours(&verify(&here.replace("WatchdogSec=60s", "WatchdogSec=often")).unwrap());
    assert!(!found.is_empty(), "a wrong value is seen");
}

#[test]
fn the_unit_says_what_the_daemon_goes_by() {
    let text = unit();
    let says = |line: &str| assert!(text.lines().any(|l| l == line), "{line}");
    let (taken, config) = (liaison::app::EXIT_TAKEN, liaison::app::EXIT_CONFIG);
    says(&format!("RestartPreventExitStatus={taken} {config}"));
    says("Type=notify");
    let seconds = |key: &str| -> u64 {
        let value = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_else(|| panic!("{key}"));
        value.trim_end_matches('s').parse().unwrap()
    };
    assert!(seconds("TimeoutStopSec=") > liaison::lifecycle::STOP_TIME.as_secs());
    assert!(seconds("WatchdogSec=") > 0);
    // The folder that is the default for a configuration below /etc.
    says("StateDirectory=liaison");
    assert!(text.contains("--config /etc/liaison/liaison.toml serve"));
}

/// The names in `{ credential = "…" }` of a text.
fn credentials_in(text: &str) -> Vec<String> {
    let named = text.split("credential = \"").skip(1);
    named.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

/// The files that a text names in the folder of secrets.
fn secrets_in(text: &str) -> Vec<String> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let named = text.split("/etc/liaison/secrets/").skip(1).filter_map(|rest| rest.split(ends).next());
    named.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whoever follows a page ends up with a daemon that has its secrets.
#[test]
fn what_the_pages_call_a_credential_is_what_the_unit_hands_over() {
    let text = unit();
    let loaded: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("LoadCredential=")).collect();
    assert_eq!(loaded, ["secret:/etc/liaison/secrets"], "a folder: each of its files, with this before its name");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = |name: &str| std::fs::read_dir(root.join(name)).unwrap().map(|e| e.unwrap().path());
    let pages = folder("docs").chain(folder("config")).chain([root.join("README.md"), packaging("liaison.service")]);
    let (mut named, mut made) = (Vec::new(), Vec::new());
    for page in pages.filter(|p| p.is_file()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for name in credentials_in(&text) {
            // "…" stands for any.
            let fits = name == "…" || name.strip_prefix("secret_").is_some_and(|file| !file.is_empty());
            assert!(fits, "{}: the unit has no credential {name}", page.display());
            named.push(name);
        }
        made.extend(secrets_in(&text));
        // A file that root makes for itself is out of the daemon's reach.
        for made in text.lines().filter(|l| l.contains("openssl rand")) {
            let known = made.contains("> /etc/liaison/secrets/") || made.starts_with('#');
            assert!(known, "{}: {made}", page.display());
        }
    }
    for name in ["secret_hello-mail", "secret_master-key", "secret_google-client"] {
        assert!(named.iter().any(|n| n == name), "{name}: {named:?}");
        let file = name.trim_start_matches("secret_");
        assert!(made.iter().any(|f| f == file), "no page says to make {file}: {made:?}");
    }
}

/// Makes the package of the binary under test.
pub fn packed(folder: &Path) -> PathBuf {
    // Packing takes long where it compresses, and this binary is not for anybody.
    let mut command = Command::new(packaging("deb"));
    command.arg(env!("CARGO_BIN_EXE_liaison")).arg(folder).env("COMPRESS", "none");
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

#[test]
fn the_package_holds_what_an_installation_needs() {
    let dir = tempfile::tempdir().unwrap();
    if tool(Command::new("dpkg-deb").arg("--version")).is_none() {
        return;
    }
    let package = packed(dir.path()).to_str().unwrap().to_owned();
    let ask = |args: &[&str]| {
        let output = Command::new("dpkg-deb").args(args).arg(&package).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let fields = ask(&["--field"]);
    assert!(fields.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))), "{fields}");
    assert!(fields.contains("Depends: libc6 (>= 2."), "{fields}");
    let listed = ask(&["--contents"]);
    let mode = |path: &str| {
        let line = listed.lines().find(|l| l.split_whitespace().nth(5) == Some(path));
        let line = line.unwrap_or_else(|| panic!("{path} is not in it:\n{listed}"));
        assert_eq!(line.split_whitespace().nth(1), Some("root/root"), "{line}");
        line.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(mode("./usr/bin/liaison"), "-rwxr-xr-x");
    assert_eq!(mode("./etc/liaison/secrets/"), "drwx------");
    for path in [
        "./etc/liaison/liaison.toml",
        "./usr/lib/systemd/system/liaison.service",
        "./usr/lib/sysusers.d/liaison.conf",
        "./usr/share/bash-completion/completions/liaison",
        "./usr/share/doc/liaison/copyright",
        "./usr/share/doc/liaison/operations.md",
    ] {
        assert_eq!(mode(path), "-rw-r--r--", "{path}");
    }
    let root = dir.path().join("root");
    let unpacked = Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&root).status().unwrap();
    assert!(unpacked.success());
    assert_eq!(std::fs::read_to_string(root.join("DEBIAN/conffiles")).unwrap(), "/etc/liaison/liaison.toml\n");
    let version = Command::new(root.join("usr/bin/liaison")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), format!("liaison {}", env!("CARGO_PKG_VERSION")));
    for script in ["postinst", "prerm", "postrm"] {
        let read = Command::new("sh").arg("-n").arg(root.join("DEBIAN").join(script)).status().unwrap();
        assert!(read.success(), "{script}");
    }
    unpacked_by_dpkg(&package, &dir.path().join("installation"));
}

/// What dpkg itself makes of it, in a root of its own. The scripts are not run: they make a user and speak with systemd.
fn unpacked_by_dpkg(package: &str, root: &Path) {
    let database = root.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(database.join(folder)).unwrap();
    }
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(root).unwrap()) != 0 {
        return peers::skip("right to unpack a package by dpkg (root)");
    }
    for file in ["status", "available"] {
        std::fs::write(database.join(file), "").unwrap();
    }
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display())).args(["--force-unsafe-io", "--unpack", package]);
    let done = tool(dpkg.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")).unwrap();
    assert!(done.status.success(), "{}", told(&done));
    let status = std::fs::read_to_string(database.join("status")).unwrap();
    assert!(status.contains("Package: liaison\nStatus: install ok unpacked\n"), "{status}");
    // It stands beside the old one until the package is configured, so that what was changed is kept.
    std::fs::rename(root.join("etc/liaison/liaison.toml.dpkg-new"), root.join("etc/liaison/liaison.toml")).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(root.join("usr/bin/liaison"));
        command.args(["--config", "etc/liaison/liaison.toml"]).args(args).current_dir(root).env_clear();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        told(&output)
    };
    let checked = run(&["config", "check"]);
    assert!(checked.contains("configuration is fine: 0 accounts"), "{checked}");
    let begun = run(&["init", "etc/liaison"]);
    assert!(begun.contains("wrote etc/liaison/stages.toml\n"), "{begun}");
    assert!(begun.contains("left etc/liaison/liaison.toml as it was\n"), "{begun}");
    assert!(root.join("etc/liaison/sequences/first-note/sequence.toml").is_file());
    run(&["config", "check"]);
}
