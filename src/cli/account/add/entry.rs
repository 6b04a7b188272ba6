//! The entry of a number or a workspace in the configuration, as it is to be pasted or written: what is needed, what is one of several,
//! and where its secrets are kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::secret::{SECRETS_FOLDER, SHIPPED_PREFIX};
use crate::config::texting::{Setting, Texting};

/// Where a configuration lies whose daemon is run by the unit that is shipped.
const SYSTEM_DIR: &str = "/etc/liaison";

/// Where secrets are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keeping {
    /// In files beside the configuration, in this folder.
    Files(PathBuf),
    /// Where root alone may read them; the unit hands them over when it starts.
    Credentials,
}

impl Keeping {
    pub(super) fn of(config: &Config) -> Self {
        if config.path.starts_with(SYSTEM_DIR) {
            return Self::Credentials;
        }
        Self::Files(config.path.parent().unwrap_or(Path::new("")).to_owned())
    }

    /// How a secret stands in the configuration.
    fn written(&self, name: &str) -> String {
        match self {
            Self::Files(_) => format!("{{ file = \"{name}\" }}"),
            Self::Credentials => format!("{{ credential = \"{SHIPPED_PREFIX}{name}\" }}"),
        }
    }

    /// What is typed to keep it.
    fn command(&self, name: &str) -> String {
        match self {
            Self::Files(folder) => format!("(umask 077; cat > {})", quoted(&folder.join(name))),
            Self::Credentials => format!("sudo sh -c 'umask 077; cat > {SECRETS_FOLDER}/{name}'"),
        }
    }

    /// Whether it is kept already; nothing where only root may look.
    fn is_there(&self, name: &str) -> Option<bool> {
        match self {
            Self::Files(folder) => Some(folder.join(name).is_file()),
            Self::Credentials => None,
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if shown.chars().all(plain) { shown } else { format!("'{}'", shown.replace('\'', "'\\''")) }
}

/// How much a setting is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Without it there is no account.
    Needed,
    /// It goes without, and worse.
    Wanted,
    /// It may be left out.
    Optional,
    /// Only where another one is given, which is not.
    Left,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    key: &'static str,
    /// What was given, or how it is written.
    value: String,
    about: String,
    want: Want,
    is_given: bool,
    is_secret: bool,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) account: String,
    pub(super) kind: &'static str,
    pub(super) keeping: Keeping,
    lines: Vec<Line>,
}

impl Entry {
    /// Of a number or a pool of numbers, with the settings that were given.
    pub(super) fn of_text(
        account: &str,
        provider: &'static Texting,
        given: &BTreeMap<&'static str, String>,
        keeping: Keeping,
    ) -> Self {
        let line = |setting: &Setting| {
            let (want, about) = wanted(provider, setting, given);
            let example = setting.example();
            let example = example.split_once(" = ").map_or("", |(_, value)| value);
            let value = match given.get(setting.name) {
                Some(value) => format!("\"{value}\""),
                None if setting.is_secret() => keeping.written(&secret_name(account, setting.name)),
                None => example.to_owned(),
            };
            let (is_given, is_secret) = (given.contains_key(setting.name), setting.is_secret());
            Line { key: setting.name, value, about, want, is_given, is_secret }
        };
        let lines = provider.settings.iter().map(line).collect();
        Self { account: account.to_owned(), kind: provider.name, keeping, lines }
    }

    /// Of a workspace of Slack.
    pub(super) fn of_slack(account: &str, keeping: Keeping) -> Self {
        let secrets = [
            ("bot_token", Want::Needed, "needed: xoxb-…, the token of the app's bot"),
            ("app_token", Want::Wanted, "xapp-…: opens the socket over which Slack tells what happens"),
            ("signing_secret", Want::Optional, "only where Slack posts to us in place of the socket: checks that"),
        ];
        let line = |(key, want, about): (&'static str, Want, &str)| {
            let value = keeping.written(&secret_name(account, key));
            Line { key, value, about: about.to_owned(), want, is_given: false, is_secret: true }
        };
        let lines = secrets.into_iter().map(line).collect();
        Self { account: account.to_owned(), kind: "slack", keeping, lines }
    }

    /// Whether a line counts. What is written at once names only secrets that are kept.
    fn counts(&self, line: &Line, at_once: bool) -> bool {
        match line.want {
            Want::Wanted | Want::Optional if line.is_secret && at_once => {
                let there = self.keeping.is_there(&secret_name(&self.account, line.key));
                there.unwrap_or(line.want == Want::Wanted)
            }
            Want::Needed | Want::Wanted => true,
            Want::Left | Want::Optional => line.is_given,
        }
    }

    /// The entry as TOML; what does not count stands behind `#`.
    pub(super) fn toml(&self, at_once: bool) -> String {
        let width = self.lines.iter().map(|line| line.key.len()).max().unwrap_or_default();
        let mut toml = format!("[accounts.{}]\n{:<width$} = \"{}\"\n", self.account, "kind", self.kind);
        for line in &self.lines {
            let mark = if self.counts(line, at_once) { "" } else { "# " };
            let Line { key, value, about, .. } = line;
            toml.extend([mark, &format!("{key:<width$}"), " = ", value, "   # ", about, "\n"]);
        }
        toml
    }

    /// Whether a setting counts.
    pub(super) fn has(&self, key: &str, at_once: bool) -> bool {
        self.lines.iter().any(|line| line.key == key && self.counts(line, at_once))
    }

    /// What is typed to keep a secret, whether it counts or not.
    pub(super) fn command(&self, key: &str) -> String {
        self.keeping.command(&secret_name(&self.account, key))
    }

    /// The secrets that count: the setting of each, and what is typed to keep it.
    pub(super) fn secrets(&self) -> Vec<(&'static str, String)> {
        let secrets = self.lines.iter().filter(|line| line.is_secret && self.counts(line, false));
        secrets.map(|line| (line.key, self.keeping.command(&secret_name(&self.account, line.key)))).collect()
    }

    /// What it lacks to be written at once, each as it is to be typed.
    pub(super) fn lacks(&self) -> Vec<String> {
        let needed = self.lines.iter().filter(|line| line.want == Want::Needed && !line.is_given);
        needed
            .filter_map(|Line { key, value, about, is_secret, .. }| {
                if !is_secret {
                    return Some(format!("--set {key}={}   ({about})", value.trim_matches('"')));
                }
                let name = secret_name(&self.account, key);
                let there = self.keeping.is_there(&name).unwrap_or(true);
                (!there)
                    .then(|| format!("{}   ({about}; paste it, then Enter and Ctrl-D)", self.keeping.command(&name)))
            })
            .collect()
    }
}

fn secret_name(account: &str, key: &str) -> String {
    format!("{account}-{}", key.replace('_', "-"))
}

/// How much a setting of a provider is wanted beside those that were given, and what it is.
fn wanted(provider: &Texting, setting: &Setting, given: &BTreeMap<&'static str, String>) -> (Want, String) {
    let Setting { name, about, .. } = *setting;
    let has = |name: &str| given.contains_key(name);
    let group = provider.any_of.iter().find(|group| group.contains(&name)).copied().unwrap_or_default();
    let chosen = group.iter().copied().find(|name| has(name)).or(group.first().copied());
    match (group, chosen) {
        ([_], _) => (Want::Needed, format!("needed: {about}")),
        (group, Some(chosen)) if chosen == name => {
            let others: Vec<String> = group.iter().filter(|other| **other != name).map(|o| format!("`{o}`")).collect();
            (Want::Needed, format!("needed, or {}: {about}", others.join(" or ")))
        }
        (_, Some(chosen)) => {
            let pairs = |one: &str, other: &str| (one == name && other == chosen) || (one == chosen && other == name);
            if provider.apart.iter().any(|(one, other)| pairs(one, other)) {
                return (Want::Optional, format!("in place of `{chosen}`: {about}"));
            }
            let want = if setting.is_secret() { Want::Wanted } else { Want::Optional };
            (want, format!("beside `{chosen}`, or in its place: {about}"))
        }
        (_, None) => match provider.together.iter().find(|(one, other)| [*one, *other].contains(&name)) {
            Some((one, other)) => {
                let partner = if *one == name { *other } else { *one };
                let want = if has(partner) { Want::Needed } else { Want::Left };
                (want, format!("with `{partner}`: {about}"))
            }
            None => (Want::Optional, about.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::texting::{TELNYX, TWILIO};

    fn files() -> Keeping {
        Keeping::Files(PathBuf::from("/srv/brand"))
    }

    #[test]
    fn what_is_needed_stands_open_and_what_is_one_of_several_says_so() {
        let toml = Entry::of_text("text", &TWILIO, &BTreeMap::new(), files()).toml(false);
        for line in [
            "[accounts.text]",
            "kind                  = \"twilio\"",
            "account_sid           = \"AC…\"   # needed: the account, as the console shows it",
            "auth_token            = { file = \"text-auth-token\" }   # needed, or `api_key`: the account's token: checks what Twilio \
             posts, and signs in where there is no API key",
            "# api_key               = \"SK…\"   # beside `auth_token`, or in its place: an API key to sign in with",
            "# api_secret            = { file = \"text-api-secret\" }   # with `api_key`: the secret of the API key",
            "number                = \"+14155550100\"   # needed, or `messaging_service_sid`: our number",
            "# messaging_service_sid = \"MG…\"   # in place of `number`: a pool of numbers in place of one",
        ] {
            assert!(toml.lines().any(|found| found == line), "{line}\n{toml}");
        }
        let pool = BTreeMap::from([("messaging_profile_id", "30ef55db-c4a2-4c4a-9804-a68077973d07".to_owned())]);
        let toml = Entry::of_text("text", &TELNYX, &pool, Keeping::Credentials).toml(true);
        for part in [
            "api_key              = { credential = \"secret_text-api-key\" }",
            "# public_key           = \"…\"",
            "# number               = \"+14155550100\"   # beside `messaging_profile_id`, or in its place: our number",
            "messaging_profile_id = \"30ef55db-c4a2-4c4a-9804-a68077973d07\"   # needed, or `number`",
        ] {
            assert!(toml.lines().any(|found| found.starts_with(part)), "{part}\n{toml}");
        }
    }

    #[test]
    fn a_key_that_is_given_needs_its_secret_and_leaves_the_token_to_what_is_posted() {
        let key = BTreeMap::from([("api_key", "SK0123456789abcdef0123456789abcdef".to_owned())]);
        let entry = Entry::of_text("text", &TWILIO, &key, files());
        let secrets: Vec<&str> = entry.secrets().into_iter().map(|(key, _)| key).collect();
        assert_eq!(secrets, ["auth_token", "api_secret"]);
        assert!(entry.toml(true).contains("\n# auth_token "), "{}", entry.toml(true));
        let lacks = entry.lacks();
        assert_eq!(lacks.len(), 3, "{lacks:?}");
        assert!(lacks[1].starts_with("(umask 077; cat > /srv/brand/text-api-secret)"), "{lacks:?}");
    }

    #[test]
    fn a_workspace_needs_its_bot_and_names_only_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry::of_slack("team", Keeping::Files(folder.path().to_owned()));
        assert_eq!(entry.secrets().len(), 2);
        assert_eq!(entry.lacks().len(), 1);
        std::fs::write(folder.path().join("team-bot-token"), "xoxb-1").unwrap();
        assert!(entry.lacks().is_empty());
        let toml = entry.toml(true);
        assert!(
            toml.contains("\nbot_token ") && toml.contains("\n# app_token ") && toml.contains("\n# signing_secret "),
            "{toml}"
        );
        assert!(entry.toml(false).contains("\napp_token "));
        assert_eq!(quoted(Path::new("/srv/our brand")), "'/srv/our brand'");
    }
}
