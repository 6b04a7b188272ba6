//! The package as dpkg installs it, on a machine of its own: user, files, owners and modes; then a new version, its removal, and
//! what a purge leaves.

use super::machine::Machine;

const PEOPLE: [&str; 4] = ["liaison", "influencer", "list", "--json"];

/// What stands in the state directory, and whose it is.
fn state_is_the_daemons(machine: &Machine) {
    assert!(machine.has("/var/lib/liaison/liaison.db"));
    let others = machine.well(&["find", "/var/lib/liaison", "!", "-user", "liaison"]);
    assert_eq!(others, "", "what is kept there is the daemon's");
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged() {
    let Some(machine) = Machine::plain() else { return };
    let package = machine.brings_package();
    machine.well(&["dpkg", "--install", &package]);
    assert_eq!(machine.well(&["dpkg", "--verify", "liaison"]), "", "each file is as it was packed");
    let user = machine.well(&["getent", "passwd", "liaison"]);
    assert!(user.trim_end().ends_with(":liaison:/var/lib/liaison:/usr/sbin/nologin"), "{user}");
    assert_eq!(machine.well(&["id", "--groups", "--name", "liaison"]), "liaison\n", "of no other group");
    for (path, wanted) in [
        ("/usr/bin/liaison", "root:root 755"),
        ("/usr/lib/systemd/system/liaison.service", "root:root 644"),
        ("/etc/liaison", "root:root 755"),
        ("/etc/liaison/liaison.toml", "root:root 644"),
        ("/etc/liaison/secrets", "root:root 700"),
        ("/usr/share/doc/liaison/operations.md", "root:root 644"),
    ] {
        assert_eq!(machine.well(&["stat", "--format=%U:%G %a", path]).trim_end(), wanted, "{path}");
    }
    assert_eq!(machine.well(&["liaison", "--version"]), format!("liaison {}\n", env!("CARGO_PKG_VERSION")));
    let config = "/etc/liaison/liaison.toml";
    let checked = machine.run(&["liaison", "--config", config, "config", "check"]);
    checked.says(0, "configuration is fine: 0 accounts");
    // What the unit makes at each start.
    machine.well(&["install", "--directory", "--owner=liaison", "--group=liaison", "--mode=700", "/var/lib/liaison"]);
    machine.write("/etc/liaison/secrets/hello-mail", "the-password\n", 0o600);
    serves(&machine);
    let add = ["liaison", "influencer", "add", "--handle", "@anaruns", "--first-name", "Ana"];
    machine.well(&add);
    state_is_the_daemons(&machine);

    let edited = format!("# ours\nundo_seconds = 7\n{}", machine.read(config));
    machine.write(config, &edited, 0o644);
    let second = machine.brings_later(&package, "99.1", "echo more > usr/share/doc/liaison/more");
    machine.well(&["dpkg", "--install", &second]);
    assert!(machine.has("/usr/share/doc/liaison/more"), "it is the new version");
    assert_eq!(machine.read(config), edited, "what was edited is kept, and nobody is asked");
    // Where both changed it, whoever installs without a terminal says which; a package never decides that by itself.
    let third = machine.brings_later(&second, "99.2", "echo '# a new key' >> etc/liaison/liaison.toml");
    machine.well(&["dpkg", "--force-confold", "--install", &third]);
    assert_eq!(machine.read(config), edited);
    assert!(machine.read(&format!("{config}.dpkg-dist")).ends_with("# a new key\n"), "the new one lies beside it");
    machine.run(&PEOPLE).well().says(0, "@anaruns");
    serves(&machine);

    machine.well(&["dpkg", "--remove", "liaison"]);
    for gone in ["/usr/bin/liaison", "/usr/lib/systemd/system/liaison.service", "/usr/lib/sysusers.d/liaison.conf"] {
        assert!(!machine.has(gone), "{gone}");
    }
    assert_eq!(machine.read(config), edited);
    let kept = || {
        assert_eq!(machine.read("/etc/liaison/secrets/hello-mail"), "the-password\n");
        state_is_the_daemons(&machine);
        machine.well(&["getent", "passwd", "liaison"]);
    };
    kept();
    machine.well(&["dpkg", "--force-confold", "--install", &third]);
    machine.run(&PEOPLE).well().says(0, "@anaruns");
    machine.well(&["dpkg", "--purge", "liaison"]);
    assert!(!machine.has(config) && !machine.has(&format!("{config}.dpkg-dist")), "the configuration is purged");
    kept();
    assert_eq!(machine.run(&["dpkg-query", "--show", "liaison"]).code, 1, "dpkg knows nothing of it any more");
}

/// What Debian's own reader of packages calls an error. It is installed from Debian, on the machine of its own alone.
#[test]
#[ignore = "installs 124 packages: tests/prove lintian"]
fn lintian_finds_no_error() {
    let machine = Machine::plain().expect("a machine of its own");
    let package = machine.brings_package();
    // As it is shipped: stripped, and compressed, if less.
    let script = format!(
        "set -e; dpkg-deb --raw-extract {package} /tmp/root; strip /tmp/root/usr/bin/liaison\n\
         dpkg-deb --root-owner-group -Zgzip -z1 --build /tmp/root /tmp/liaison.deb"
    );
    machine.well(&["sh", "-c", &script]);
    let apt = ["apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root"];
    machine.run(&[&apt[..], &["update"]].concat());
    machine.well(&[&apt[..], &["install", "--no-install-recommends", "lintian"]].concat());
    let found = machine.run(&["lintian", "--allow-root", "--tag-display-limit=0", "/tmp/liaison.deb"]);
    println!("{}{}", found.out, found.err);
    assert!(found.code == 0 && !found.out.contains("E: "), "lintian ended with {}", found.code);
    assert!(
        found.out.contains("W: liaison: non-standard-dir-perm"),
        "it has looked: the folder of secrets is root's alone"
    );
}

/// The daemon as its user, without systemd: it is ready, takes a command of root, and ends by SIGTERM with 0.
fn serves(machine: &Machine) {
    let script = "echo $$ > /run/daemon.pid; exec setpriv --reuid=liaison --regid=liaison --clear-groups --no-new-privs \
                  env --ignore-environment PATH=/usr/bin:/bin LIAISON_SERVER__LISTEN=127.0.0.1:0 \
                  liaison --config /etc/liaison/liaison.toml serve";
    let log = std::fs::File::create(machine.path("/tmp/daemon.log")).unwrap();
    let mut daemon =
        machine.command(&["sh", "-c", script]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    machine.until("the daemon answers", || {
        let ended = daemon.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", machine.read("/tmp/daemon.log"));
        (machine.run(&["liaison", "reload"]).code == 0).then_some(())
    });
    let pid = machine.read("/run/daemon.pid");
    let uid = machine.well(&["stat", "--format=%U", &format!("/proc/{}", pid.trim())]);
    assert_eq!(uid, "liaison\n");
    machine.signals("TERM", &pid);
    assert!(daemon.wait().unwrap().success(), "{}", machine.read("/tmp/daemon.log"));
}
