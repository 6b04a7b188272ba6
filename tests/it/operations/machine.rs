//! A machine of its own for one test (`tests/peers/machine.sh`): what is installed and started there is gone with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::packaging::packed;
use super::place::WAIT_MAX;
use crate::cli::Done;
use crate::peers;

/// Goes away when dropped.
pub struct Machine {
    keeper: Child,
    pid: u32,
    dir: tempfile::TempDir,
}

impl Machine {
    /// A root to install packages into; `None`, said aloud, where this machine allows none.
    pub fn plain() -> Option<Self> {
        Self::start("plain")
    }

    /// The same with systemd as its first process.
    pub fn booted() -> Option<Self> {
        Self::start("booted")
    }

    fn start(kind: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/machine.sh");
        let mut keeper = Command::new(script)
            .arg(dir.path())
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut told).unwrap();
        if let Some(why) = told.strip_prefix("no ") {
            peers::skip_machine(why.trim());
            keeper.wait().unwrap();
            return None;
        }
        let pid = told.strip_prefix("pid ").and_then(|pid| pid.trim().parse().ok());
        let machine = Self { pid: pid.unwrap_or_else(|| panic!("{kind}: {told:?}")), keeper, dir };
        // A package is only configured where those it depends on are, and a test does not install them.
        let needed = ["libc6", "libgcc-s1", "ca-certificates", "systemd"];
        let missing = needed.iter().find(|name| {
            let asked = machine.run(&["dpkg-query", "--show", "--showformat=${db:Status-Status}", name]);
            asked.code != 0 || asked.out != "installed"
        });
        if let Some(name) = missing {
            peers::skip_machine(&format!("package {name} on this machine, as dpkg knows it"));
            return None;
        }
        Some(machine)
    }

    /// A path there, as it is reached from here.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Writes a file as root's, with this mode.
    pub fn write(&self, path: &str, text: &str, mode: u32) {
        let there = self.path(path);
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        std::fs::write(&there, text).unwrap();
        std::fs::set_permissions(&there, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    /// A command of root there, with nothing of the caller's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.pid.to_string(), "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root"])
            .args(["--wd", "--"])
            .args(args)
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("HOME", "/root")])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, of which there is one.
    pub fn run(&self, args: &[&str]) -> Done {
        // A test that waits for ever says nothing.
        let inner = self.command(args);
        let mut command = Command::new("timeout");
        command.arg("300").arg(inner.get_program()).args(inner.get_args()).env_clear().stdin(Stdio::null());
        command.envs(inner.get_envs().filter_map(|(key, value)| value.map(|value| (key, value))));
        let output = command.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same, where nothing else than success will do; what it printed.
    pub fn well(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.code, 0, "{args:?}\n{}\n{}", done.out, done.err);
        done.out
    }

    /// A signal to a process there, by its number there.
    pub fn signals(&self, signal: &str, pid: &str) {
        self.well(&["sh", "-c", &format!("kill -{signal} {}", pid.trim())]);
    }

    /// Makes the package and puts it there; its path there.
    pub fn brings_package(&self) -> String {
        let package = packed(&self.dir.path().join("share"));
        format!("/mnt/{}", package.file_name().unwrap().to_str().unwrap())
    }

    /// A later version of a package, changed by this script of the shell in its unpacked root.
    pub fn brings_later(&self, package: &str, version: &str, script: &str) -> String {
        let later = format!("/mnt/liaison_{version}.deb");
        let change = format!(
            "set -e; rm -rf /tmp/later; dpkg-deb --raw-extract {package} /tmp/later; cd /tmp/later\n\
             sed -i 's/^Version: .*/Version: {version}/' DEBIAN/control\n{script}\n\
             dpkg-deb --root-owner-group -Znone --build /tmp/later {later}"
        );
        self.well(&["sh", "-c", &change]);
        later
    }

    /// Waits until something holds there.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() >= end {
                let log = self.run(&["journalctl", "--no-pager", "--output=cat", "--lines=60"]);
                panic!("never: {what}\n{}{}", log.out, log.err);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its standard input is the end of the machine.
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// A test that was killed leaves nothing behind: the machine goes with whoever holds its input.
#[test]
fn a_machine_of_its_own_leaves_nothing() {
    let Some(machine) = Machine::plain() else { return };
    let pid = machine.pid;
    machine.write("/etc/only-there", "x", 0o644);
    assert_eq!(machine.well(&["cat", "/etc/only-there"]), "x");
    assert!(!Path::new("/etc/only-there").exists(), "this machine is untouched");
    let sleeps = machine.command(&["sleep", "1000"]).spawn().unwrap();
    drop(machine);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "its first process is gone");
    let ended = sleeps.wait_with_output().unwrap();
    assert!(!ended.status.success(), "and with it all others");
}
